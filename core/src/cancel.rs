//! Cancellation: a flag that a caller sets and a long operation checks between its steps.
//!
//! A step is never interrupted. A request that is running ends or times out; then the operation sees the flag, undoes
//! its earlier steps (a granted license is released, or its release is queued) and completes with `Cancelled`.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::error::{Code, Error, Result};

/// A flag shared by a caller and an operation. Clones share the same flag.
#[derive(Clone, Debug, Default)]
pub struct Cancellation {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    // Protects one flag; held for one read or write, never across a call.
    cancelled: Mutex<bool>,
    changed: Condvar,
}

impl Cancellation {
    /// Creates a flag that is not set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the flag and wakes the operations that [`wait`](Self::wait) for it. Idempotent.
    pub fn cancel(&self) {
        *self.shared.cancelled.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.shared.changed.notify_all();
    }

    /// True once the flag is set.
    pub fn is_cancelled(&self) -> bool {
        *self.shared.cancelled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails with `Cancelled` once the flag is set.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::new(Code::Cancelled, "the call was cancelled")) } else { Ok(()) }
    }

    /// Waits for `time`. Fails with `Cancelled` as soon as the flag is set.
    pub fn wait(&self, time: Duration) -> Result<()> {
        let cancelled = self.shared.cancelled.lock().unwrap_or_else(PoisonError::into_inner);
        let (cancelled, _) = self
            .shared
            .changed
            .wait_timeout_while(cancelled, time, |cancelled| !*cancelled)
            .unwrap_or_else(PoisonError::into_inner);
        let is_cancelled = *cancelled;
        drop(cancelled);
        if is_cancelled { self.check() } else { Ok(()) }
    }
}
