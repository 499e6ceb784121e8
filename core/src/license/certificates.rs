//! FairPlay's application certificates that were fetched: one per service, and the same for years.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// More services than any app has; URLs that are signed anew each time would fill it.
const MAX_CERTIFICATES: usize = 16;

/// What was fetched, by URL, for as long as this process runs. Clones share it.
#[derive(Clone, Default)]
pub struct Certificates {
    // Held for a look or an insertion, never while something is fetched.
    by_url: Arc<Mutex<BTreeMap<String, Known>>>,
}

enum Known {
    Good(Vec<u8>),
    /// A server refused a licence that was asked for with it. It may be another one by now.
    Refused,
}

impl Certificates {
    /// The certificate that this URL gave.
    pub(super) fn get(&self, url: &str) -> Option<Vec<u8>> {
        match self.lock().get(url) {
            Some(Known::Good(certificate)) => Some(certificate.clone()),
            Some(Known::Refused) | None => None,
        }
    }

    pub(super) fn keep(&self, url: &str, certificate: &[u8]) {
        self.insert(url, Known::Good(certificate.to_vec()));
    }

    /// The next licence needs it anew, also where a copy is kept with an older licence.
    pub(super) fn refuse(&self, url: &str) {
        self.insert(url, Known::Refused);
    }

    pub(super) fn is_refused(&self, url: &str) -> bool {
        matches!(self.lock().get(url), Some(Known::Refused))
    }

    fn insert(&self, url: &str, known: Known) {
        let mut by_url = self.lock();
        if by_url.len() >= MAX_CERTIFICATES && !by_url.contains_key(url) {
            by_url.clear();
        }
        by_url.insert(url.to_owned(), known);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.by_url.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Certificates {
    /// The number alone: a URL's query may be signed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificates({})", self.lock().len())
    }
}
