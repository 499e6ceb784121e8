//! FairPlay's application certificates that were fetched: one per service, and the same for years.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::cancel::Cancellation;
use crate::error::Result;

/// More services than any app has; URLs that are signed anew each time would fill it.
const MAX_CERTIFICATES: usize = 16;

/// What was fetched, by URL, for as long as this process runs. Clones share it.
#[derive(Clone, Default)]
pub struct Certificates {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    // Held for a look or a change, never while something is fetched.
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Default)]
struct State {
    by_url: BTreeMap<String, Known>,
    /// The fetches under way, numbered, so that one who waits for one does not wait for its successor too.
    fetches: BTreeMap<String, u64>,
    last_fetch: u64,
}

enum Known {
    Good(Vec<u8>),
    /// A server refused a license that was asked for with it. It may be another one by now.
    Refused,
}

impl Certificates {
    /// The certificate that this URL gave, else what `fetch` gets.
    ///
    /// Of those who want one at the same time the first fetches it and the others wait. If it gets none, each of them
    /// tries for itself: in turns, the last would wait for a server that hangs as often as there are others.
    pub(super) fn get_or_fetch(
        &self,
        url: &str,
        cancellation: &Cancellation,
        fetch: impl FnOnce() -> Result<Vec<u8>>,
    ) -> Result<Vec<u8>> {
        let mut state = self.lock();
        let under_way = state.fetches.get(url).copied();
        while under_way.is_some() && state.fetches.get(url).copied() == under_way {
            cancellation.check()?;
            // Short waits, because a cancellation does not wake this condition.
            let wait = self.shared.ended.wait_timeout(state, Duration::from_millis(50));
            (state, _) = wait.unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(Known::Good(certificate)) = state.by_url.get(url) {
            return Ok(certificate.clone());
        }
        let _fetch = self.begin(&mut state, url);
        drop(state);
        let certificate = fetch()?;
        self.insert(url, Known::Good(certificate.clone()));
        Ok(certificate)
    }

    /// The next license needs it anew, also where a copy is kept with an older license.
    pub(super) fn refuse(&self, url: &str) {
        self.insert(url, Known::Refused);
    }

    pub(super) fn is_refused(&self, url: &str) -> bool {
        matches!(self.lock().by_url.get(url), Some(Known::Refused))
    }

    /// Lets others wait until what is returned is dropped. `None` if they wait for another already.
    fn begin<'a>(&'a self, state: &mut State, url: &'a str) -> Option<Fetch<'a>> {
        if state.fetches.contains_key(url) {
            return None;
        }
        state.last_fetch += 1;
        state.fetches.insert(url.to_owned(), state.last_fetch);
        Some(Fetch { of: self, url })
    }

    fn insert(&self, url: &str, known: Known) {
        let mut state = self.lock();
        if state.by_url.len() >= MAX_CERTIFICATES && !state.by_url.contains_key(url) {
            state.by_url.clear();
        }
        state.by_url.insert(url.to_owned(), known);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A fetch under way. See [`Certificates::begin`].
struct Fetch<'a> {
    of: &'a Certificates,
    url: &'a str,
}

impl Drop for Fetch<'_> {
    fn drop(&mut self) {
        self.of.lock().fetches.remove(self.url);
        self.of.shared.ended.notify_all();
    }
}

impl fmt::Debug for Certificates {
    /// The number alone: a URL's query may be signed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificates({})", self.lock().by_url.len())
    }
}
