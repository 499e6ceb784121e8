//! The faults of a scripted CDM, and their moments.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use larder_core::{Code, Error, Result};

use crate::gate::Gate;

/// One of an engine's calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// `acquire`
    Acquire,
    /// `renew`
    Renew,
    /// `inspect`
    Inspect,
    /// `release`
    Release,
    /// `remove`
    Remove,
    /// `held`
    Held,
}

/// A moment within a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// Before anything is done.
    Start,
    /// The challenge is made. A release has made the keys unusable.
    BeforeSend,
    /// The server has answered; the CDM has not taken the answer.
    AfterSend,
    /// The CDM has stored (or removed) the license; the caller does not know.
    BeforeReturn,
}

/// The faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The call fails.
    Fail(Code),
    /// The call hangs until [`Script::let_go`], then goes on.
    Hang,
    /// The call panics.
    Panic,
}

/// The faults of a CDM, and their moments. None until a test adds one.
#[derive(Debug, Default)]
pub struct Script {
    // Held to look up one entry; never while a call hangs.
    state: Mutex<State>,
    gate: Gate,
}

#[derive(Debug, Default)]
struct State {
    troubles: Vec<Planned>,
    calls: BTreeMap<Call, u32>,
}

#[derive(Debug)]
struct Planned {
    call: Call,
    moment: Moment,
    trouble: Trouble,
    left: u32,
}

impl Script {
    /// The next `times` calls of this kind get this trouble at this moment.
    pub fn plan(&self, call: Call, moment: Moment, trouble: Trouble, times: u32) {
        self.state().troubles.push(Planned { call, moment, trouble, left: times });
    }

    /// The CDM has no free session for the next `times` acquisitions.
    pub fn busy(&self, times: u32) {
        self.plan(Call::Acquire, Moment::Start, Trouble::Fail(Code::CdmBusy), times);
    }

    /// Calls that hang now go on.
    pub fn let_go(&self) {
        self.gate.let_go();
    }

    /// Waits until a call hangs; false after 20 seconds without.
    pub fn wait_until_hanging(&self) -> bool {
        self.gate.wait_until_hanging()
    }

    /// How often a call was made.
    pub fn calls(&self, call: Call) -> u32 {
        self.state().calls.get(&call).copied().unwrap_or(0)
    }

    /// Plans nothing any more.
    pub fn clear(&self) {
        self.state().troubles.clear();
    }

    /// The engine comes by: it fails, hangs or panics here if that is planned.
    pub(super) fn pass(&self, call: Call, moment: Moment) -> Result<()> {
        let trouble = {
            let mut state = self.state();
            if moment == Moment::Start {
                *state.calls.entry(call).or_default() += 1;
            }
            let planned = state.troubles.iter_mut().find(|p| p.call == call && p.moment == moment && p.left > 0);
            planned.map(|planned| {
                planned.left -= 1;
                planned.trouble
            })
        };
        match trouble {
            None => Ok(()),
            Some(Trouble::Fail(code)) => Err(Error::new(code, "the scripted CDM fails")),
            Some(Trouble::Panic) => panic(),
            Some(Trouble::Hang) => {
                self.gate.hang();
                Ok(())
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(clippy::panic, reason = "that is the script")]
fn panic() -> ! {
    panic!("the scripted CDM panics")
}
