//! A cache of FairPlay's application certificates. A service has one, and keeps it for years.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::cancel::Cancellation;
use crate::error::Result;

/// The limit of the cache: more services than any app has. URLs that are signed anew for each request would fill it.
const MAX_CERTIFICATES: usize = 16;

/// The fetched certificates by URL, for as long as this process runs. Clones share one cache.
#[derive(Clone, Default)]
pub struct Certificates {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    // Protects the cache; held for a look-up or a change, never during a fetch.
    state: Mutex<State>,
    fetch_ended: Condvar,
}

#[derive(Default)]
struct State {
    by_url: BTreeMap<String, Cached>,
    /// The fetches in progress, numbered, so that a waiter of one fetch does not wait for the next one, too.
    fetches: BTreeMap<String, u64>,
    last_fetch: u64,
}

enum Cached {
    Valid(Vec<u8>),
    /// A server refused a license that was requested with the certificate. The service may have another one by now.
    Refused,
}

impl Certificates {
    /// Returns the cached certificate of a URL, or fetches it with `fetch`.
    ///
    /// Of several callers at the same time, the first one fetches and the others wait. If the shared fetch fails, every
    /// waiter retries on its own, in parallel. Retrying one after another would make the last caller wait one full
    /// timeout per caller ahead of it.
    pub(super) fn get_or_fetch(
        &self,
        url: &str,
        cancellation: &Cancellation,
        fetch: impl FnOnce() -> Result<Vec<u8>>,
    ) -> Result<Vec<u8>> {
        let mut state = self.lock();
        let running = state.fetches.get(url).copied();
        while running.is_some() && state.fetches.get(url).copied() == running {
            cancellation.check()?;
            // Short waits, because a cancellation does not wake this condition.
            let wait = self.shared.fetch_ended.wait_timeout(state, Duration::from_millis(50));
            (state, _) = wait.unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(Cached::Valid(certificate)) = state.by_url.get(url) {
            return Ok(certificate.clone());
        }
        let _fetch = self.begin(&mut state, url);
        drop(state);
        let certificate = fetch()?;
        self.insert(url, Cached::Valid(certificate.clone()));
        Ok(certificate)
    }

    /// Marks a certificate as refused. The next license fetches it again, also where an older license has a copy of it.
    pub(super) fn refuse(&self, url: &str) {
        self.insert(url, Cached::Refused);
    }

    /// True if the certificate of this URL was refused since it was fetched.
    pub(super) fn is_refused(&self, url: &str) -> bool {
        matches!(self.lock().by_url.get(url), Some(Cached::Refused))
    }

    /// Begins a fetch that other callers wait for, until the guard is dropped. Returns `None` if they wait for another
    /// fetch already.
    fn begin<'a>(&'a self, state: &mut State, url: &'a str) -> Option<Fetch<'a>> {
        if state.fetches.contains_key(url) {
            return None;
        }
        state.last_fetch += 1;
        state.fetches.insert(url.to_owned(), state.last_fetch);
        Some(Fetch { of: self, url })
    }

    fn insert(&self, url: &str, cached: Cached) {
        let mut state = self.lock();
        if state.by_url.len() >= MAX_CERTIFICATES && !state.by_url.contains_key(url) {
            state.by_url.clear();
        }
        state.by_url.insert(url.to_owned(), cached);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A fetch in progress. See [`Certificates::begin`].
struct Fetch<'a> {
    of: &'a Certificates,
    url: &'a str,
}

impl Drop for Fetch<'_> {
    fn drop(&mut self) {
        self.of.lock().fetches.remove(self.url);
        self.of.shared.fetch_ended.notify_all();
    }
}

impl fmt::Debug for Certificates {
    /// Shows the number of certificates only, because a URL's query may be signed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificates({})", self.lock().by_url.len())
    }
}
