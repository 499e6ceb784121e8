//! The system's clock, for [`Ports`](crate::assets::Ports). Tests use a clock of their own.

use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use crate::ports::Clock;

/// The system's wall time, time since boot (sleep included) and boot id.
#[derive(Clone, Debug)]
pub struct SystemClock {
    boot_id: Option<String>,
}

impl SystemClock {
    /// Creates a clock with the kernel's boot id, from `/proc/sys/kernel/random/boot_id` (Linux and Android).
    pub fn new() -> Self {
        Self::with_boot_id(std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok())
    }

    /// Creates a clock with a boot id from the caller: on Apple's systems it takes a call that safe Rust does not have.
    pub fn with_boot_id(boot_id: Option<String>) -> Self {
        let boot_id = boot_id.map(|id| id.trim().to_owned()).filter(|id| !id.is_empty());
        Self { boot_id }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        #[allow(clippy::disallowed_methods, reason = "this is the clock port")]
        let now = SystemTime::now();
        match now.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
            // A device whose battery was empty may show a time before 1970.
            Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
        }
    }

    fn since_boot_ms(&self) -> Option<i64> {
        // Time in sleep counts in Apple's monotonic clock. On Linux it counts in the boot-time clock only.
        #[cfg(target_vendor = "apple")]
        const SINCE_BOOT: ClockId = ClockId::Monotonic;
        #[cfg(not(target_vendor = "apple"))]
        const SINCE_BOOT: ClockId = ClockId::Boottime;
        let time = clock_gettime(SINCE_BOOT);
        time.tv_sec.checked_mul(1000)?.checked_add(time.tv_nsec / 1_000_000)
    }

    fn boot_id(&self) -> Option<String> {
        self.boot_id.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_since_boot_grows_and_the_boot_id_is_constant() {
        let clock = SystemClock::new();
        let (first, second) = (clock.since_boot_ms().unwrap(), clock.since_boot_ms().unwrap());
        assert!(first > 0 && second >= first);
        assert_eq!(clock.boot_id(), SystemClock::new().boot_id());
    }

    #[test]
    fn wall_time_is_after_november_2023() {
        assert!(SystemClock::new().now_ms() > 1_700_000_000_000);
    }

    #[test]
    fn an_empty_boot_id_is_unknown() {
        assert_eq!(SystemClock::with_boot_id(Some(" \n".into())).boot_id(), None);
    }
}
