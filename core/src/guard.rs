//! Calls into code that is not ours: bounded in time, panics caught, a late result not lost.
//!
//! A CDM, a secret storage or a callback of the app may hang. The call runs on a thread of the runtime's blocking pool;
//! its caller waits so long and no longer. When the result comes after all, a second function gets it, so that a
//! license that was granted too late can still be released (design: a timeout means *outcome unknown*).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;

use crate::error::{Code, Error, Result};

/// A call that did not give a result.
#[derive(Debug)]
pub enum Unanswered {
    /// It had not ended in time. It may still end.
    TimedOut,
    /// It panicked.
    Panicked,
}

/// Runs `call` on `runtime`'s blocking pool and waits at most `timeout` for it. `late` gets what comes after that.
pub fn call_bounded<T: Send + 'static>(
    runtime: &Handle,
    timeout: Duration,
    call: impl FnOnce() -> T + Send + 'static,
    late: impl FnOnce(T) + Send + 'static,
) -> std::result::Result<T, Unanswered> {
    let slot = Arc::new(Slot { state: Mutex::new(State::Waiting), completed: Condvar::new() });
    let theirs = Arc::clone(&slot);
    runtime.spawn_blocking(move || {
        // A call that got no thread until its caller had given up must not be made: it would, for instance, save a
        // handle that was given back meanwhile.
        if theirs.is_abandoned() {
            return;
        }
        let outcome = catch_unwind(AssertUnwindSafe(call));
        if let Some(Ok(value)) = theirs.complete(outcome.map_err(|_| Unanswered::Panicked)) {
            // Nobody catches a panic here; what `late` does is ours.
            late(value);
        }
    });
    slot.wait(timeout)
}

/// As [`call_bounded`], for a call that itself returns a [`Result`], with the errors that a callback of the app gets:
/// `timed_out` names the code for one that hangs, and a panic is [`Code::DelegateFailed`].
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
    // Protects the hand-over of one value; held for a move, never while `call` or `late` runs.
    state: Mutex<State<T>>,
    completed: Condvar,
}

enum State<T> {
    Waiting,
    Completed(std::result::Result<T, Unanswered>),
    Abandoned,
}

impl<T> Slot<T> {
    /// Hands the outcome over, or back if nobody waits any more.
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
    fn a_call_that_hangs_times_out_and_its_late_result_is_not_lost() {
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
    fn a_call_that_gets_no_thread_in_time_is_never_made() {
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
