//! Licenses: states, durations, handles, grants.

use std::fmt;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{DrmScheme, KeyId, KeyRequest, LicenseId};

/// The CDM's name for a stored license: a Widevine key set id, a FairPlay persistable key, a ClearKey key set.
///
/// Opaque bytes, never text (google/ExoPlayer#6663). Zeroed when dropped, omitted from `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Handle(Zeroizing<Vec<u8>>);

impl Handle {
    /// Creates a handle from the CDM's bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// Returns the CDM's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// True for the empty handle. Some CDMs return it when the server has denied persistence (google/ExoPlayer#3204).
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the SHA-256 digest, which the ledger stores to recognize the handle.
    pub fn digest(&self) -> HandleDigest {
        HandleDigest(Sha256::digest(self.as_bytes()).into())
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({} bytes)", self.0.len())
    }
}

/// The SHA-256 digest of a handle.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HandleDigest(pub [u8; 32]);

impl fmt::Debug for HandleDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HandleDigest(…)")
    }
}

/// The state of a license in the ledger. Each step to the next state is one transaction; [`crate::license`] documents
/// the recovery from a crash between two of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LicenseState {
    /// The CDM has been asked; it is not known yet whether it holds the license.
    Intended,
    /// The handle is in the secret storage and was read back.
    Stored,
    /// The license belongs to its asset, and players use it.
    Active,
    /// A successor is active; this license will be released.
    Superseded,
    /// Its release is queued until the server can be reached.
    Releasing,
    /// The server has confirmed the release; only the handle remains to be removed.
    Released,
    /// The license was removed without the server's confirmation: release is not supported, or was refused for good.
    Forgotten,
}

impl LicenseState {
    /// All states.
    pub const ALL: [Self; 7] = [
        Self::Intended,
        Self::Stored,
        Self::Active,
        Self::Superseded,
        Self::Releasing,
        Self::Released,
        Self::Forgotten,
    ];

    /// Returns the stable name, as stored.
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

    /// Returns the state of a stable name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// A duration as a CDM or a server reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LicenseDuration {
    /// It was not reported. This is the default.
    #[default]
    Unknown,
    /// No limit.
    Unlimited,
    /// This number of seconds from now.
    Seconds(u64),
}

impl LicenseDuration {
    /// Returns the expiry of a license whose duration was reported at a time in milliseconds since 1970-01-01 UTC.
    pub fn expiry_from(self, reported_at_ms: i64) -> Expiry {
        match self {
            Self::Unknown => Expiry::Unknown,
            Self::Unlimited => Expiry::Never,
            Self::Seconds(seconds) => Expiry::after(reported_at_ms, seconds),
        }
    }
}

/// The durations of a license, as a CDM reports them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LicenseTimes {
    /// The time until the license can no longer start a playback.
    pub license: LicenseDuration,
    /// The playback window after the first start of a playback (FairPlay's dual expiry, Widevine's playback duration).
    pub playback: LicenseDuration,
}

/// The time at which a license expires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Expiry {
    /// Neither the CDM nor the server reported it. This is the default.
    #[default]
    Unknown,
    /// The license does not expire.
    Never,
    /// At this time, in milliseconds since 1970-01-01 UTC.
    At(i64),
}

impl Expiry {
    /// Returns the expiry `seconds` after a time in milliseconds since 1970-01-01 UTC. Saturates at the largest time.
    pub fn after(start_ms: i64, seconds: u64) -> Self {
        let duration_ms = i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX);
        Self::At(start_ms.saturating_add(duration_ms))
    }

    /// Returns the earlier expiry. `At` wins over `Unknown`, and `Unknown` wins over `Never`.
    #[must_use]
    pub fn or_earlier(self, other: Self) -> Self {
        match (self, other) {
            (Self::At(a), Self::At(b)) => Self::At(a.min(b)),
            (Self::At(a), _) | (_, Self::At(a)) => Self::At(a),
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Never, Self::Never) => Self::Never,
        }
    }

    /// True if the license has expired at `now_ms`.
    pub fn is_over(self, now_ms: i64) -> bool {
        matches!(self, Self::At(at_ms) if at_ms <= now_ms)
    }

    /// Returns the whole seconds until the expiry: 0 after it, `None` if it is not known or never comes.
    pub fn remaining_seconds(self, now_ms: i64) -> Option<u64> {
        match self {
            Self::At(at_ms) => Some(u64::try_from(at_ms.saturating_sub(now_ms).max(0) / 1000).unwrap_or(0)),
            Self::Never | Self::Unknown => None,
        }
    }
}

/// The result of comparing a license's keys with those that the media needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KeyCoverage {
    /// The CDM does not list the keys, or the media does not name them. Does not block playback. This is the default.
    #[default]
    Unknown,
    /// The license has every needed key.
    Covered,
    /// The license lacks a needed key.
    Missing,
}

/// A license that an engine got from a server.
#[derive(Clone, Debug)]
pub struct LicenseGrant {
    /// The CDM's handle, and its relation to a renewed license.
    pub handle: GrantedHandle,
    /// The durations that the CDM reports. The core combines them with the server's `persistence_duration`.
    pub times: LicenseTimes,
    /// The usable content keys of the license, if the CDM lists them.
    pub key_ids: Option<Vec<KeyId>>,
    /// The security level of the session, as the CDM names it, if it has levels. The license opens at this level only.
    pub acquired_level: Option<String>,
}

/// The handle of a granted license, and its relation to the license that was renewed.
#[derive(Clone, Debug)]
pub enum GrantedHandle {
    /// A separate license. After a renewal, the old license is still to be released.
    New(Handle),
    /// Renewal in place: the held license, under the same handle.
    Same,
    /// Renewal in place: the held license, under a new handle. The old handle is void; releasing it would release this
    /// license.
    Changed(Handle),
}

/// A license as the core passes it to an engine: the handle, and the parameters of its session.
#[derive(Clone, Debug)]
pub struct StoredLicense {
    /// Its id in the ledger.
    pub license_id: LicenseId,
    /// The key system.
    pub scheme: DrmScheme,
    /// The CDM's handle.
    pub handle: Handle,
    /// The request that it was acquired with: only the same session parameters open it again (shaka-player#10510).
    pub request: KeyRequest,
    /// The security level that it was acquired at, if the CDM reported it.
    pub acquired_level: Option<String>,
}

/// The result of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReleaseOutcome {
    /// The server has confirmed the release.
    Released,
    /// This CDM or server cannot release; the license was removed from the device.
    NotSupported,
    /// The CDM no longer had the license.
    Forgotten,
}
