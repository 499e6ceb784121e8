//! A clock that stands until a test moves it.

use std::sync::{Mutex, PoisonError};

use larder_core::ports::Clock;

/// 2024-01-01 00:00:00 UTC.
const START_MS: i64 = 1_704_067_200_000;

/// A clock that stands until a test moves it. It starts on 2024-01-01, an hour after boot.
#[derive(Debug)]
pub struct ManualClock {
    // Held to read or move the hands.
    hands: Mutex<Hands>,
}

#[derive(Clone, Copy, Debug)]
struct Hands {
    now_ms: i64,
    since_boot_ms: i64,
    boots: u32,
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::at(START_MS)
    }
}

impl ManualClock {
    /// A clock that shows this time, in milliseconds since 1970-01-01 UTC.
    pub fn at(now_ms: i64) -> Self {
        Self { hands: Mutex::new(Hands { now_ms, since_boot_ms: 3_600_000, boots: 1 }) }
    }

    /// Time passes: wall clock and time since boot go on together.
    pub fn advance_ms(&self, by_ms: i64) {
        self.change(|hands| {
            hands.now_ms += by_ms;
            hands.since_boot_ms += by_ms;
        });
    }

    /// As [`ManualClock::advance_ms`], in seconds.
    pub fn advance_seconds(&self, by_seconds: i64) {
        self.advance_ms(by_seconds * 1000);
    }

    /// The user sets the wall clock, back or forth; time since boot does not notice.
    pub fn set_wall_by_ms(&self, by_ms: i64) {
        self.change(|hands| hands.now_ms += by_ms);
    }

    /// The device starts again after being off for so long.
    pub fn reboot(&self, off_ms: i64) {
        self.change(|hands| {
            hands.now_ms += off_ms;
            hands.since_boot_ms = 0;
            hands.boots += 1;
        });
    }

    fn change(&self, change: impl FnOnce(&mut Hands)) {
        change(&mut self.hands.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn hands(&self) -> Hands {
        *self.hands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        self.hands().now_ms
    }

    fn since_boot_ms(&self) -> Option<i64> {
        Some(self.hands().since_boot_ms)
    }

    fn boot_id(&self) -> Option<String> {
        Some(format!("boot-{}", self.hands().boots))
    }
}
