//! The license servers' book: what they issued, renewed and took back. The proof that a client gives back what it got.

use std::sync::{Mutex, MutexGuard, PoisonError};

use larder_core::model::KeyId;
use serde::{Deserialize, Serialize};

/// Which of the license servers issued a license.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// `/clearkey/…`
    ClearKey,
    /// `/widevine/…`
    Widevine,
    /// `/fairplay/…`
    FairPlay,
}

/// One license, as its server knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedLicense {
    /// The server's name for it.
    pub license_id: String,
    /// The scheme of the server that issued it.
    pub scheme: Scheme,
    /// The keys it covers. Empty for FairPlay, which names a content instead.
    #[serde(with = "crate::wire::key_ids")]
    pub key_ids: Vec<KeyId>,
    /// The asset, as far as the client named it: `asset=` in the license URL, else FairPlay's content id.
    pub asset: Option<String>,
    /// The device, where the message names one (Widevine).
    pub device: Option<String>,
    /// Whether the client may store it. Only such a license must be released.
    pub persistent: bool,
    /// How long it may be stored, in seconds; `None`: for ever.
    pub duration_seconds: Option<i64>,
    /// How long it may be played, in seconds; `None`: as long as it is stored.
    pub playback_seconds: Option<i64>,
    /// The license that it renews, if the renewal made a new one.
    pub renews: Option<String>,
    /// Milliseconds since 1970, by the servers' clock.
    pub issued_at_ms: i64,
    /// How often it was renewed in place.
    pub renewals: u32,
    /// The last time.
    pub renewed_at_ms: Option<i64>,
    /// When it was given back.
    pub released_at_ms: Option<i64>,
}

/// All licenses, in the order they were issued.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookPage {
    /// Oldest first.
    pub licenses: Vec<IssuedLicense>,
    /// Persistent licenses not given back yet.
    pub live: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Book {
    // Held for one entry's change, never while a request is answered.
    entries: Mutex<Vec<IssuedLicense>>,
}

impl Book {
    pub(crate) fn add(&self, license: IssuedLicense) {
        self.entries().push(license);
    }

    pub(crate) fn find(&self, scheme: Scheme, license_id: &str) -> Option<IssuedLicense> {
        self.entries().iter().find(|l| l.scheme == scheme && l.license_id == license_id).cloned()
    }

    /// The license that a release without an id means: the oldest unreleased one with just these keys, else the latest
    /// released one (the client asks again because it did not hear our answer).
    pub(crate) fn find_by_keys(&self, scheme: Scheme, key_ids: &[KeyId]) -> Option<IssuedLicense> {
        let mut wanted = key_ids.to_vec();
        wanted.sort_unstable();
        let entries = self.entries();
        let mut same = entries.iter().filter(|l| {
            let mut has = l.key_ids.clone();
            has.sort_unstable();
            l.scheme == scheme && l.persistent && has == wanted
        });
        same.clone().find(|l| l.released_at_ms.is_none()).or_else(|| same.next_back()).cloned()
    }

    /// Changes one entry and returns it as it is then.
    pub(crate) fn change(&self, license_id: &str, change: impl FnOnce(&mut IssuedLicense)) -> Option<IssuedLicense> {
        let mut entries = self.entries();
        let entry = entries.iter_mut().find(|l| l.license_id == license_id)?;
        change(entry);
        Some(entry.clone())
    }

    pub(crate) fn page(&self) -> BookPage {
        let licenses = self.entries().clone();
        let live = licenses.iter().filter(|l| l.persistent && l.released_at_ms.is_none()).count();
        BookPage { licenses, live }
    }

    pub(crate) fn reset(&self) {
        self.entries().clear();
    }

    fn entries(&self) -> MutexGuard<'_, Vec<IssuedLicense>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
