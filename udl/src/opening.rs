//! Opening in the background, waited for once, tried again after a failure.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use larder_core::Code;

use crate::error::FfiError;

/// Something that takes time to open and is then used by many threads, until it is closed.
pub(crate) struct Opening<T> {
    attempt: Box<dyn Fn() -> Result<T, FfiError> + Send + Sync>,
    // Protects the state only: held for a look or a change, never while an attempt runs.
    state: Mutex<State<T>>,
    changed: Condvar,
}

enum State<T> {
    /// No attempt is in progress. The failure of the last attempt, if there was one, with its number.
    Idle { attempts: u64, failure: Option<FfiError> },
    /// Attempt number so and so is under way.
    Running { attempt: u64 },
    /// Here it is.
    Open(Arc<T>),
    /// It was closed, for good.
    Closed,
}

impl<T> Opening<T> {
    /// Opens by `attempt`, which may be called again after it failed. Nothing happens yet.
    pub(crate) fn new(attempt: impl Fn() -> Result<T, FfiError> + Send + Sync + 'static) -> Self {
        Self {
            attempt: Box::new(attempt),
            state: Mutex::new(State::Idle { attempts: 0, failure: None }),
            changed: Condvar::new(),
        }
    }

    /// Returns the opened object. Waits for an attempt in progress and shares its outcome; starts one if there is none.
    pub(crate) fn get(&self) -> Result<Arc<T>, FfiError> {
        let mut state = self.state();
        loop {
            match &mut *state {
                State::Open(value) => return Ok(Arc::clone(value)),
                State::Closed => return Err(closed()),
                State::Idle { attempts, .. } => {
                    let attempt = attempts.saturating_add(1);
                    *state = State::Running { attempt };
                    drop(state);
                    return self.run(attempt);
                }
                State::Running { attempt } => {
                    let awaited = *attempt;
                    let still_running =
                        |state: &mut State<T>| matches!(state, State::Running { attempt } if *attempt == awaited);
                    state = self.changed.wait_while(state, still_running).unwrap_or_else(PoisonError::into_inner);
                    if let State::Idle { attempts, failure: Some(failure) } = &*state
                        && *attempts == awaited
                    {
                        return Err(failure.clone());
                    }
                }
            }
        }
    }

    /// Ends it. What was open is handed out to be closed; what is still opening is dropped when it is there.
    pub(crate) fn close(&self) -> Option<Arc<T>> {
        let before = std::mem::replace(&mut *self.state(), State::Closed);
        self.changed.notify_all();
        if let State::Open(value) = before { Some(value) } else { None }
    }

    /// True after [`Opening::close`].
    pub(crate) fn is_closed(&self) -> bool {
        matches!(*self.state(), State::Closed)
    }

    fn run(&self, attempt: u64) -> Result<Arc<T>, FfiError> {
        let outcome = catch_unwind(AssertUnwindSafe(&self.attempt)).unwrap_or_else(|_| Err(FfiError::panicked()));
        let outcome = outcome.map(Arc::new);
        let mut state = self.state();
        if matches!(*state, State::Closed) {
            return Err(closed());
        }
        *state = match &outcome {
            Ok(value) => State::Open(Arc::clone(value)),
            Err(failure) => State::Idle { attempts: attempt, failure: Some(failure.clone()) },
        };
        drop(state);
        self.changed.notify_all();
        outcome
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The error of every call after the end.
pub(crate) fn closed() -> FfiError {
    FfiError::new(Code::Closed, "the manager was closed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn code(error: FfiError) -> String {
        let FfiError::Failed { code, .. } = error;
        code
    }

    #[test]
    fn many_callers_share_one_attempt() {
        let attempts = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&attempts);
        let opening = Arc::new(Opening::new(move || Ok(counted.fetch_add(1, Ordering::SeqCst))));
        let start = Arc::new(Barrier::new(16));
        let callers: Vec<_> = (0..16)
            .map(|_| {
                let (opening, start) = (Arc::clone(&opening), Arc::clone(&start));
                std::thread::spawn(move || {
                    start.wait();
                    *opening.get().unwrap()
                })
            })
            .collect();
        assert!(callers.into_iter().all(|caller| caller.join().unwrap() == 0));
        assert_eq!(attempts.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_failed_attempt_is_made_again_by_the_next_call() {
        let attempts = AtomicU32::new(0);
        let opening = Opening::new(move || match attempts.fetch_add(1, Ordering::SeqCst) {
            0 => Err(FfiError::new(Code::StoreUnavailable, "locked")),
            n => Ok(n),
        });
        assert_eq!(code(opening.get().unwrap_err()), "STORE_UNAVAILABLE");
        assert_eq!(*opening.get().unwrap(), 1);
    }

    #[test]
    fn a_panic_while_opening_is_an_internal_error_and_leaves_nobody_waiting() {
        let opening: Opening<()> = Opening::new(|| panic!("boom"));
        assert_eq!(code(opening.get().unwrap_err()), "INTERNAL");
        assert_eq!(code(opening.get().unwrap_err()), "INTERNAL");
    }

    #[test]
    fn closing_while_it_opens_is_closed_for_everybody() {
        let (begin, begun) = std::sync::mpsc::channel();
        let (go, may_go) = std::sync::mpsc::channel::<()>();
        let (begin, may_go) = (Mutex::new(begin), Mutex::new(may_go));
        let opening = Arc::new(Opening::new(move || {
            begin.lock().unwrap().send(()).unwrap();
            may_go.lock().unwrap().recv().unwrap();
            Ok(())
        }));
        let opener = std::thread::spawn({
            let opening = Arc::clone(&opening);
            move || opening.get().map(drop)
        });
        begun.recv().unwrap();
        assert!(opening.close().is_none());
        go.send(()).unwrap();
        assert_eq!(code(opener.join().unwrap().unwrap_err()), "CLOSED");
        assert_eq!(code(opening.get().unwrap_err()), "CLOSED");
    }
}
