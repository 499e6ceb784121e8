//! The desktop's clock.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use larder_core::ports::Clock;

/// The system's time; on Linux also the time since boot, which shows that the clock was set back.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the clock port: the one place to ask the system")]
    fn now_ms(&self) -> i64 {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
    }

    fn since_boot_ms(&self) -> Option<i64> {
        // Seconds since boot, sleep included, then what the processors idled (proc(5)).
        let text = fs::read_to_string("/proc/uptime").ok()?;
        let (seconds, hundredths) = text.split_whitespace().next()?.split_once('.')?;
        let seconds: i64 = seconds.parse().ok()?;
        let hundredths: i64 = hundredths.get(..2)?.parse().ok()?;
        seconds.checked_mul(1000)?.checked_add(hundredths.checked_mul(10)?)
    }

    fn boot_id(&self) -> Option<String> {
        Some(fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned()).filter(|id| !id.is_empty())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn time_since_boot_goes_forward_within_one_boot() {
        let (a, id_a) = (SystemClock.since_boot_ms().unwrap(), SystemClock.boot_id().unwrap());
        let (b, id_b) = (SystemClock.since_boot_ms().unwrap(), SystemClock.boot_id().unwrap());
        assert!(a > 0 && a <= b);
        assert_eq!(id_a, id_b);
    }
}
