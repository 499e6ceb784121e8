//! Licenses: states, times, handles.

use std::fmt;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{DrmScheme, KeyId, KeyRequest, LicenseId};

/// The CDM's name for a stored license: a Widevine key set id, a FairPlay persistable key, a ClearKey key set.
///
/// Opaque bytes, never text (google/ExoPlayer#6663). Wiped from memory when dropped, absent from `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Handle(Zeroizing<Vec<u8>>);

impl Handle {
    /// Takes the CDM's bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The CDM's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// True for the empty handle, which some CDMs return when the server denied persistence (google/ExoPlayer#3204).
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the ledger stores in place of the handle, to recognise it again: SHA-256.
    pub fn digest(&self) -> HandleDigest {
        HandleDigest(Sha256::digest(self.as_bytes()).into())
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({} bytes)", self.0.len())
    }
}

/// SHA-256 of a handle.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HandleDigest(pub [u8; 32]);

impl fmt::Debug for HandleDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HandleDigest(…)")
    }
}

/// Where a license stands in the ledger. Each step to the next is one transaction; what happens after a crash between
/// two of them is said at [`crate::license`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LicenseState {
    /// The CDM is being asked; whether it holds the license is not known yet.
    Intended,
    /// Its handle lies in the secret storage and was read back.
    Stored,
    /// It belongs to its asset and is what a player uses.
    Active,
    /// A successor is active; it will be released.
    Superseded,
    /// It is to be released as soon as the server can be reached.
    Releasing,
    /// The server has confirmed its release; only its handle is still to be removed.
    Released,
    /// It was removed without the server's knowledge: release is not supported, or was refused for good.
    Forgotten,
}

impl LicenseState {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::Intended,
        Self::Stored,
        Self::Active,
        Self::Superseded,
        Self::Releasing,
        Self::Released,
        Self::Forgotten,
    ];

    /// The stable name, as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Intended => "intended",
            Self::Stored => "stored",
            Self::Active => "active",
            Self::Superseded => "superseded",
            Self::Releasing => "releasing",
            Self::Released => "released",
            Self::Forgotten => "forgotten",
        }
    }

    /// The state of a stable name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// A time span as a CDM or a server states it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LicenseDuration {
    /// It did not say. This is the default.
    #[default]
    Unknown,
    /// No limit.
    Unlimited,
    /// So many seconds from now.
    Seconds(u64),
}

/// What a CDM says about a license's life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LicenseTimes {
    /// Until it can no longer start a playback.
    pub license: LicenseDuration,
    /// How long it plays after the first playback has started (FairPlay's dual expiry, Widevine's playback duration).
    pub playback: LicenseDuration,
}

/// When a license ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Expiry {
    /// Neither CDM nor server said. This is the default.
    #[default]
    Unknown,
    /// It has no end.
    Never,
    /// At this time, in milliseconds since 1970-01-01 UTC.
    At(i64),
}

impl Expiry {
    /// So many seconds after a time in milliseconds since 1970-01-01 UTC; what is further off than numbers go, at their end.
    pub fn after(start_ms: i64, seconds: u64) -> Self {
        let duration_ms = i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX);
        Self::At(start_ms.saturating_add(duration_ms))
    }

    /// The earlier of the two; a known end is earlier than an unknown one, and that than none.
    #[must_use]
    pub fn or_earlier(self, other: Self) -> Self {
        match (self, other) {
            (Self::At(a), Self::At(b)) => Self::At(a.min(b)),
            (Self::At(a), _) | (_, Self::At(a)) => Self::At(a),
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Never, Self::Never) => Self::Never,
        }
    }

    /// True if it has ended at `now_ms`.
    pub fn is_over(self, now_ms: i64) -> bool {
        matches!(self, Self::At(at_ms) if at_ms <= now_ms)
    }

    /// Whole seconds until the end; `None` without a known end, 0 after it.
    pub fn remaining_seconds(self, now_ms: i64) -> Option<u64> {
        match self {
            Self::At(at_ms) => Some(u64::try_from(at_ms.saturating_sub(now_ms).max(0) / 1000).unwrap_or(0)),
            Self::Never | Self::Unknown => None,
        }
    }
}

/// Whether a license has the keys that the media needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KeyCoverage {
    /// The CDM does not tell, or the media does not name its keys. Does not block playback. This is the default.
    #[default]
    Unknown,
    /// Every needed key is there.
    Covered,
    /// A needed key is missing.
    Missing,
}

/// What an engine got from the server.
#[derive(Clone, Debug)]
pub struct LicenseGrant {
    /// The CDM's handle for it.
    pub handle: GrantedHandle,
    /// What the CDM says about its life. The server's own word (`persistence_duration`) is added by the core.
    pub times: LicenseTimes,
    /// The content keys in it that are usable, if the CDM tells.
    pub key_ids: Option<Vec<KeyId>>,
    /// The security level of its session as the CDM names it, where it has levels: a license opens on its own only.
    pub acquired_level: Option<String>,
}

/// Under which handle a granted license is held.
#[derive(Clone, Debug)]
pub enum GrantedHandle {
    /// A license of its own, under this handle. A renewed one leaves the old license to be released.
    New(Handle),
    /// Renewal: the held license, under the handle that it has.
    Same,
    /// Renewal: the held license, under another handle. The old handle is void; releasing it would release this one.
    Changed(Handle),
}

/// A license as the ledger hands it to an engine: the handle, and how its session was opened.
#[derive(Clone, Debug)]
pub struct StoredLicense {
    /// Its id in the ledger.
    pub license_id: LicenseId,
    /// The key system.
    pub scheme: DrmScheme,
    /// The CDM's handle.
    pub handle: Handle,
    /// What it was asked for with: the same session parameters open it again (shaka-player#10510).
    pub request: KeyRequest,
    /// The security level that it was acquired at, if the CDM said so.
    pub acquired_level: Option<String>,
}

/// How a release ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReleaseOutcome {
    /// The server has confirmed it.
    Released,
    /// This CDM or server cannot release; the license was removed from the device.
    NotSupported,
    /// The CDM no longer had it.
    Forgotten,
}
