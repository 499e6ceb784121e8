//! Where a hanging call hangs, until the test lets it go.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// The longest wait: a runtime that is dropped waits for its blocked threads.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(crate) struct Gate {
    // Protects the counts; the waiting itself gives it up.
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: usize,
    rounds: u64,
}

impl Gate {
    /// Waits until the next [`Gate::let_go`].
    pub(crate) fn hang(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let round = state.rounds;
        state.waiting += 1;
        self.changed.notify_all();
        let (mut state, _) = self
            .changed
            .wait_timeout_while(state, PATIENCE, |state| state.rounds == round)
            .unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
    }

    /// Everything that hangs now goes on.
    pub(crate) fn let_go(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).rounds += 1;
        self.changed.notify_all();
    }

    /// Waits until something hangs; false after 20 seconds without.
    pub(crate) fn wait_until_hanging(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let patience = Duration::from_secs(20);
        let (state, _) = self
            .changed
            .wait_timeout_while(state, patience, |state| state.waiting == 0)
            .unwrap_or_else(PoisonError::into_inner);
        state.waiting > 0
    }
}
