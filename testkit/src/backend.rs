//! The servers without their sockets: the origin, the license servers, and their shared state.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::book::Book;
use crate::faults::Faults;
use crate::http::{Request, Response};
use crate::license::{self, issuer::Issuer, issuer::Names};
use crate::origin::Origin;
use crate::policy::{KeyTable, Policy, key_table_of};
use crate::seen::{RequestKind, Seen};

#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) origin: Origin,
    pub(crate) book: Book,
    pub(crate) faults: Faults,
    pub(crate) seen: Seen,
    names: Names,
    /// Both are replaced as a whole, and copied out for one request.
    terms: Mutex<Terms>,
    stopped: AtomicBool,
}

#[derive(Clone, Debug, Default)]
struct Terms {
    policy: Policy,
    keys: KeyTable,
    /// The state after a reset.
    first_keys: KeyTable,
}

impl Backend {
    pub(crate) fn new(media_root: Option<&Path>) -> io::Result<Self> {
        let origin = Origin::default();
        let mut keys = KeyTable::new();
        if let Some(folder) = media_root {
            origin.mount("/media", folder);
            keys = key_table_of(folder)?;
        }
        let run = system_time().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis());
        Ok(Self {
            origin,
            book: Book::default(),
            faults: Faults::default(),
            seen: Seen::default(),
            names: Names::new(u64::try_from(run).unwrap_or(0)),
            terms: Mutex::new(Terms { policy: Policy::default(), keys: keys.clone(), first_keys: keys }),
            stopped: AtomicBool::new(false),
        })
    }

    pub(crate) fn policy(&self) -> Policy {
        self.terms().policy.clone()
    }

    pub(crate) fn set_policy(&self, policy: Policy) {
        self.terms().policy = policy;
    }

    pub(crate) fn keys(&self) -> KeyTable {
        self.terms().keys.clone()
    }

    pub(crate) fn add_keys(&self, keys: KeyTable) {
        self.terms().keys.extend(keys);
    }

    /// As after the start, but for the files that are served.
    pub(crate) fn reset(&self) {
        self.book.reset();
        self.faults.clear();
        self.seen.reset();
        let mut terms = self.terms();
        terms.policy = Policy::default();
        terms.keys = terms.first_keys.clone();
    }

    fn terms(&self) -> MutexGuard<'_, Terms> {
        self.terms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_stopped(&self, stopped: bool) {
        self.stopped.store(stopped, Ordering::SeqCst);
    }

    /// Whether the public door should be open, and when to ask again.
    pub(crate) fn should_listen(&self) -> (bool, Option<Instant>) {
        let (refusing, look_again) = self.faults.refusing();
        (!refusing && !self.stopped.load(Ordering::SeqCst), look_again)
    }

    pub(crate) fn kind(&self, request: &Request) -> RequestKind {
        license::kind(request).unwrap_or(RequestKind::Other)
    }

    pub(crate) fn answer(&self, request: &Request) -> Response {
        let Terms { policy, keys, .. } = self.terms().clone();
        let policy = match policy.for_request(request) {
            Ok(policy) => policy,
            Err(why) => return Response::text(400, why),
        };
        let now_ms = self.now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(0));
        let issuer = Issuer { book: &self.book, keys: &keys, policy, names: &self.names, now_ms };
        license::answer(request, &issuer).unwrap_or_else(|| self.origin.answer(request))
    }

    /// The servers' clock: `Date`, and the times of the book.
    pub(crate) fn now(&self) -> SystemTime {
        let ahead = self.terms().policy.clock_ahead_ms;
        let by = Duration::from_millis(ahead.unsigned_abs());
        let now = system_time();
        if ahead < 0 { now.checked_sub(by) } else { now.checked_add(by) }.unwrap_or(now)
    }
}

#[expect(clippy::disallowed_methods, reason = "servers are not under test: their clock is real, and shifted by policy")]
fn system_time() -> SystemTime {
    SystemTime::now()
}
