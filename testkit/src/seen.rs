//! The requests at the public port: counts, and a journal of the latest ones. Figures such as "round trips per
//! license" and proofs such as "not one request in offline mode" are read from here.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::http::Request;

/// The journal keeps so many requests, …
const MAX_ENTRIES: usize = 1000;
/// … and so much of each body.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// The kind of a request. A fault rule may select it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestKind {
    /// A first license.
    License,
    /// A license again, for one that the device holds.
    Renewal,
    /// A license given back.
    Release,
    /// A device that asks for its certificate (Widevine).
    Provisioning,
    /// The application certificate (FairPlay).
    Certificate,
    /// Anything else: media, redirects, paths that do not exist, license requests that cannot be read.
    Other,
}

/// How often what was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Connections accepted.
    pub connections: u64,
    /// Requests read, those that a fault answered included.
    pub requests: u64,
    /// By `<METHOD> <path>`, without the query.
    pub by_path: BTreeMap<String, u64>,
    /// By what they were for.
    pub by_kind: BTreeMap<RequestKind, u64>,
}

impl Counts {
    /// The requests of one kind.
    pub fn of(&self, kind: RequestKind) -> u64 {
        self.by_kind.get(&kind).copied().unwrap_or(0)
    }
}

/// One request of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenRequest {
    /// `GET`, `POST`, …
    pub method: String,
    /// The path as sent, without the query.
    pub path: String,
    /// The query as sent.
    pub query: Option<String>,
    /// Names as sent, in order.
    pub headers: Vec<(String, String)>,
    /// The first 64 KiB of the body, in base64 when written as JSON.
    #[serde(with = "crate::wire::base64_bytes")]
    pub body: Vec<u8>,
    /// Its kind.
    pub kind: RequestKind,
}

impl SeenRequest {
    /// A header's value, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        crate::http::header(&self.headers, name)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Seen {
    // Held to count, never while a request is answered.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    counts: Counts,
    journal: VecDeque<SeenRequest>,
}

impl Seen {
    pub(crate) fn connection(&self) {
        self.state().counts.connections += 1;
    }

    pub(crate) fn request(&self, request: &Request, kind: RequestKind) {
        let mut state = self.state();
        state.counts.requests += 1;
        *state.counts.by_path.entry(format!("{} {}", request.method, request.path)).or_default() += 1;
        *state.counts.by_kind.entry(kind).or_default() += 1;
        if state.journal.len() == MAX_ENTRIES {
            state.journal.pop_front();
        }
        state.journal.push_back(SeenRequest {
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.query.clone(),
            headers: request.headers.clone(),
            body: request.body.iter().take(MAX_BODY_BYTES).copied().collect(),
            kind,
        });
    }

    pub(crate) fn counts(&self) -> Counts {
        self.state().counts.clone()
    }

    pub(crate) fn journal(&self) -> Vec<SeenRequest> {
        self.state().journal.iter().cloned().collect()
    }

    pub(crate) fn reset(&self) {
        *self.state() = State::default();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
