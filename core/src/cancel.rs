//! Cancellation: a flag that a caller raises and a long operation looks at between its steps.
//!
//! An operation is never torn: a request that is under way ends or times out, then the operation sees the flag, undoes
//! what it began (a granted license is released, or its release queued) and completes with `Cancelled`.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::error::{Code, Error, Result};

/// A flag shared by a caller and an operation. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Cancellation {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    // Protects one flag; held for the length of a read or a write, never across a call.
    raised: Mutex<bool>,
    changed: Condvar,
}

impl Cancellation {
    /// A flag that is not raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Raises the flag. Raising it twice is once.
    pub fn cancel(&self) {
        *self.shared.raised.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.shared.changed.notify_all();
    }

    /// True once it is raised.
    pub fn is_cancelled(&self) -> bool {
        *self.shared.raised.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `Cancelled` once it is raised.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::new(Code::Cancelled, "the call was cancelled")) } else { Ok(()) }
    }

    /// Waits for this long, or until the flag is raised (then `Cancelled`).
    pub fn wait(&self, time: Duration) -> Result<()> {
        let raised = self.shared.raised.lock().unwrap_or_else(PoisonError::into_inner);
        let (raised, _) = self
            .shared
            .changed
            .wait_timeout_while(raised, time, |raised| !*raised)
            .unwrap_or_else(PoisonError::into_inner);
        let was_raised = *raised;
        drop(raised);
        if was_raised { self.check() } else { Ok(()) }
    }
}
