//! Calls into foreign code, with a timeout. Panics are caught, and a late result is not lost.
//!
//! A CDM, a secret storage or a callback of the app may hang. The call runs on a thread of the runtime's blocking pool,
//! and its caller waits for at most the timeout. A result that comes later is passed to a second function, so that a
//! license that was granted too late can still be released: a timeout means that the outcome is unknown, not that the
//! call has failed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;

use crate::error::{Code, Error, Result};

/// The reason why a call gave no result.
#[derive(Debug)]
pub enum Unanswered {
    /// The call did not end within the timeout. It may still end later.
    TimedOut,
    /// The call panicked.
    Panicked,
}

/// Runs `call` on the blocking pool of `runtime` and waits for its result for at most `timeout`. A later result is
/// passed to `late`, on the thread of the call.
pub fn call_bounded<T: Send + 'static>(
    runtime: &Handle,
    timeout: Duration,
    call: impl FnOnce() -> T + Send + 'static,
    late: impl FnOnce(T) + Send + 'static,
) -> std::result::Result<T, Unanswered> {
    let slot = Arc::new(Slot { state: Mutex::new(State::Waiting), completed: Condvar::new() });
    let slot_of_call = Arc::clone(&slot);
    runtime.spawn_blocking(move || {
        // Skip a call that gets a thread only after its caller has given up. It could, for example, save the handle of
        // a license that has been released in the meantime.
        if slot_of_call.is_abandoned() {
            return;
        }
        let outcome = catch_unwind(AssertUnwindSafe(call));
        if let Some(Ok(value)) = slot_of_call.complete(outcome.map_err(|_| Unanswered::Panicked)) {
            // `late` is code of the core, so a panic in it is not caught.
            late(value);
        }
    });
    slot.wait(timeout)
}

/// As [`call_bounded`], for a callback of the app that returns a [`Result`]. A late result is dropped.
///
/// Fails with `timed_out` when the callback does not answer in time, and with [`Code::DelegateFailed`] when it panics.
pub fn call_delegate<T: Send + 'static>(
    runtime: &Handle,
    timeout: Duration,
    what: &'static str,
    timed_out: Code,
    call: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match call_bounded(runtime, timeout, call, drop) {
        Ok(result) => result,
        Err(Unanswered::TimedOut) => Err(Error::new(timed_out, format!("{what} did not answer within {timeout:?}"))),
        Err(Unanswered::Panicked) => Err(Error::new(Code::DelegateFailed, format!("{what} panicked"))),
    }
}

struct Slot<T> {
    // Protects the hand-over of one value; held to move it, never while `call` or `late` runs.
    state: Mutex<State<T>>,
    completed: Condvar,
}

enum State<T> {
    Waiting,
    Completed(std::result::Result<T, Unanswered>),
    Abandoned,
}

impl<T> Slot<T> {
    /// Passes the outcome to the waiting caller, or returns it if the caller has given up.
    fn complete(&self, outcome: std::result::Result<T, Unanswered>) -> Option<std::result::Result<T, Unanswered>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Abandoned) {
            return Some(outcome);
        }
        *state = State::Completed(outcome);
        drop(state);
        self.completed.notify_all();
        None
    }

    fn is_abandoned(&self) -> bool {
        matches!(*self.state.lock().unwrap_or_else(PoisonError::into_inner), State::Abandoned)
    }

    fn wait(&self, timeout: Duration) -> std::result::Result<T, Unanswered> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut state, _) = self
            .completed
            .wait_timeout_while(state, timeout, |state| matches!(state, State::Waiting))
            .unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *state, State::Abandoned) {
            State::Completed(outcome) => outcome,
            State::Waiting | State::Abandoned => Err(Unanswered::TimedOut),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap()
    }

    #[test]
    fn a_hanging_call_times_out_and_its_late_result_is_passed_on() {
        let runtime = runtime();
        let (go, may_go) = mpsc::channel::<()>();
        let (late, got_late) = mpsc::channel();
        let outcome = call_bounded(
            runtime.handle(),
            Duration::from_millis(20),
            move || {
                may_go.recv().unwrap();
                7
            },
            move |value| late.send(value).unwrap(),
        );
        assert!(matches!(outcome, Err(Unanswered::TimedOut)));
        go.send(()).unwrap();
        assert_eq!(got_late.recv_timeout(Duration::from_secs(10)).unwrap(), 7);
    }

    #[test]
    fn a_call_that_gets_a_thread_after_the_timeout_is_not_made() {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).max_blocking_threads(1).build().unwrap();
        let (go, may_go) = mpsc::channel::<()>();
        let busy = runtime.spawn_blocking(move || may_go.recv());
        let (made, was_made) = mpsc::channel();
        let outcome =
            call_bounded(runtime.handle(), Duration::from_millis(20), move || made.send(()).unwrap(), |()| ());
        assert!(matches!(outcome, Err(Unanswered::TimedOut)));
        go.send(()).unwrap();
        runtime.block_on(busy).unwrap().unwrap();
        assert_eq!(was_made.recv_timeout(Duration::from_secs(10)), Err(mpsc::RecvTimeoutError::Disconnected));
    }

    #[test]
    fn a_panic_in_foreign_code_is_an_error() {
        let runtime = runtime();
        let result: Result<()> =
            call_delegate(runtime.handle(), Duration::from_secs(10), "the storage", Code::StorageTimeout, || {
                panic!("boom")
            });
        assert_eq!(result.unwrap_err().code(), Code::DelegateFailed);
    }
}
