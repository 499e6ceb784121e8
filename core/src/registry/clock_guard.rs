//! The clock guard: detects a device clock that was set back. It warns and never blocks playback. The `Date` of a
//! license server clears the suspicion (docs/architecture.md, invariant 16).

use std::sync::Arc;

use crate::error::Result;
use crate::net::ServerTime;
use crate::ports::Clock;
use crate::store::{ClockMark, Store};

/// A difference below this is a normal correction of the clock.
const TOLERANCE_MS: i64 = 120_000;
/// The shortest interval between two writes of the mark.
const MARK_EVERY_MS: i64 = 60_000;
/// A server's clock within this distance confirms the device's clock.
const AGREEMENT_MS: i64 = 300_000;

/// Compares the clock with a stored mark of an earlier time.
pub(crate) struct ClockGuard {
    clock: Arc<dyn Clock>,
}

impl ClockGuard {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }

    /// Returns the device's time, in milliseconds since 1970-01-01 UTC.
    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Reads the clock, updates the mark, and returns whether a rollback is suspected.
    pub(crate) fn observe(&self, store: &Store) -> Result<bool> {
        let now = self.now(false);
        let mark = store.read(|tx| tx.clock_mark())?;
        let Some(mark) = mark else {
            self.write(store, &now)?;
            return Ok(false);
        };
        let is_back = now.wall_ms < at_least(&mark, &now).saturating_sub(TOLERANCE_MS);
        if is_back && !mark.rollback_suspected {
            tracing::warn!("clock rollback suspected");
            // Keep the old time: only a server can tell which of the two was wrong.
            self.write(store, &ClockMark { rollback_suspected: true, ..mark })?;
        } else if !is_back && !mark.rollback_suspected && now.wall_ms.saturating_sub(mark.wall_ms) >= MARK_EVERY_MS {
            self.write(store, &now)?;
        } else if !is_back && mark.rollback_suspected {
            // The clock has passed the marked time again, which ends the suspicion.
            self.write(store, &now)?;
        }
        Ok(is_back)
    }

    /// Clears the suspicion if a server's clock agrees with the device's.
    pub(crate) fn confirm(&self, store: &Store, server: ServerTime) -> Result<()> {
        let now = self.now(false);
        if now.wall_ms.abs_diff(server.at_ms) > AGREEMENT_MS.unsigned_abs() {
            return Ok(());
        }
        let is_suspected = store
            .read(|tx| tx.clock_mark())?
            .is_some_and(|mark| mark.rollback_suspected || mark.wall_ms > now.wall_ms.saturating_add(TOLERANCE_MS));
        if is_suspected { self.write(store, &now) } else { Ok(()) }
    }

    fn now(&self, rollback_suspected: bool) -> ClockMark {
        ClockMark {
            wall_ms: self.clock.now_ms(),
            since_boot_ms: self.clock.since_boot_ms(),
            boot_id: self.clock.boot_id(),
            rollback_suspected,
        }
    }

    fn write(&self, store: &Store, mark: &ClockMark) -> Result<()> {
        // A status must be readable on a full disk and from a read-only store.
        match store.write(|tx| tx.set_clock_mark(mark)) {
            Err(error) if !store.is_read_only() => {
                tracing::warn!(code = %error.code(), "clock mark write failed");
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Returns the earliest possible current time: the marked time, plus the time since then if the device has not
/// rebooted.
fn at_least(mark: &ClockMark, now: &ClockMark) -> i64 {
    let same_boot = mark.boot_id.is_some() && mark.boot_id == now.boot_id;
    match (mark.since_boot_ms, now.since_boot_ms) {
        (Some(then), Some(later)) if same_boot => mark.wall_ms.saturating_add(later.saturating_sub(then).max(0)),
        _ => mark.wall_ms,
    }
}
