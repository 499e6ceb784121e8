//! The steps of a license, with the data that each of them writes.

use crate::error::Code;
use crate::license::grant::CheckedGrant;
use crate::model::license::HandleDigest;
use crate::model::{DrmParams, Expiry, KeyCoverage, KeyId};
use crate::store::LicenseRow;

/// A step of a license. The table of the [module](super) states where each step is legal and where it leads.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Adds an intent, before the engine is asked for the license.
    Intend,
    /// Adds a license that another library stored.
    Import,
    /// Records a granted license, whose handle is in the secret storage and was read back.
    Store(Box<Grant>),
    /// Records that the license that this one replaces goes on under another handle, which voids the old one. Written
    /// before the new handle is stored, so that recovery recognizes the handle.
    Continue(Box<Grant>),
    /// As `Continue`, where no call waits for the license any more. Recovery finishes it.
    LeaveContinuation(Box<Grant>),
    /// Records that the new handle of a continued license is in the secret storage and was read back.
    StoreContinuation,
    /// Marks the outcome of an intent as unknown, for this reason: the license may have been granted. Recovery finds
    /// out.
    LoseTrack(Code),
    /// Records a granted license that could neither be stored nor released, for this reason. Its digest is kept, so
    /// that recovery finds the license again if the CDM lists its licenses.
    Strand {
        /// The handle's digest.
        digest: HandleDigest,
        /// Why it could not be stored.
        error: Code,
    },
    /// Removes an intent that led to no license.
    DiscardUngranted,
    /// Removes an intent of which recovery found no license.
    DiscardUnknown,
    /// Removes an intent whose license was released before it was stored.
    DiscardReleased,
    /// Makes a stored license the one that players use, and ends the license that it replaces.
    Activate(Predecessor),
    /// Records a renewal under the same handle.
    Renew(Box<Grant>),
    /// Records an earlier expiry than the grant's, as the CDM reports it.
    Shorten(Expiry),
    /// Retires a license that has an active successor, or that is not needed any more. It will be released.
    Supersede,
    /// Queues the release of a granted license that will not be used, under the handle with this digest.
    ReleaseUnused(HandleDigest),
    /// Queues the release of a license whose asset, or whose registration, is gone.
    QueueRelease,
    /// Begins an attempt to release. Until the lease ends, no other call and no other process releases it.
    BeginRelease {
        /// The end of the lease, in milliseconds since 1970-01-01 UTC.
        lease_until_ms: i64,
    },
    /// Ends a failed attempt, and plans the next one.
    PostponeRelease {
        /// Why it failed.
        error: Code,
        /// The time from which on the next attempt is due, in milliseconds since 1970-01-01 UTC.
        next_attempt_at_ms: i64,
        /// The number of attempts that the server has refused.
        attempts: u32,
    },
    /// Makes a license active again whose release failed, and which the CDM still has.
    Restore,
    /// Records that the server has confirmed the release.
    ConfirmRelease,
    /// Ends a license without its server's knowledge.
    Forget,
    /// Removes a license that has ended and whose handle is removed.
    Erase,
}

impl Step {
    /// Returns the step's name, as the table writes it.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Intend => "Intend",
            Self::Import => "Import",
            Self::Store(_) => "Store",
            Self::Continue(_) => "Continue",
            Self::LeaveContinuation(_) => "LeaveContinuation",
            Self::StoreContinuation => "StoreContinuation",
            Self::LoseTrack(_) => "LoseTrack",
            Self::Strand { .. } => "Strand",
            Self::DiscardUngranted => "DiscardUngranted",
            Self::DiscardUnknown => "DiscardUnknown",
            Self::DiscardReleased => "DiscardReleased",
            Self::Activate(_) => "Activate",
            Self::Renew(_) => "Renew",
            Self::Shorten(_) => "Shorten",
            Self::Supersede => "Supersede",
            Self::ReleaseUnused(_) => "ReleaseUnused",
            Self::QueueRelease => "QueueRelease",
            Self::BeginRelease { .. } => "BeginRelease",
            Self::PostponeRelease { .. } => "PostponeRelease",
            Self::Restore => "Restore",
            Self::ConfirmRelease => "ConfirmRelease",
            Self::Forget => "Forget",
            Self::Erase => "Erase",
        }
    }
}

/// The end of the license that a newly active license replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Predecessor {
    /// It is released, unless its successor has the same handle.
    IsReleased,
    /// Its successor is the same license under another handle: a release of the old one would release the new one. Only
    /// its record goes.
    LivesOn,
}

/// A granted license, as the ledger records it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    /// The digest of the handle; `None` if the handle stays as it is.
    pub(crate) digest: Option<HandleDigest>,
    /// Its duration and its keys.
    pub(crate) terms: Terms,
    /// The server and its parameters, where they replace those of an earlier grant.
    pub(crate) params: Option<DrmParams>,
    /// The FairPlay certificate that it was requested with, which is kept with it.
    pub(crate) certificate: Option<Vec<u8>>,
}

impl Grant {
    pub(super) fn write_to(&self, row: &mut LicenseRow) {
        row.handle_digest = self.digest.or(row.handle_digest);
        self.terms.write_to(row);
        if let Some(params) = &self.params {
            row.params.clone_from(params);
        }
        if self.certificate.is_some() {
            row.request.certificate.clone_from(&self.certificate);
        }
    }
}

/// The terms of a grant: its times and its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    /// The time of the grant or renewal, in milliseconds since 1970-01-01 UTC.
    pub(crate) granted_at_ms: i64,
    /// The expiry of the license.
    pub(crate) expires: Expiry,
    /// The playback duration after the first start, in seconds; `None` for no limit of its own.
    pub(crate) playback_window_seconds: Option<u64>,
    /// The coverage of the requested keys.
    pub(crate) coverage: KeyCoverage,
    /// The content keys in it, if the CDM lists them.
    pub(crate) key_ids: Option<Vec<KeyId>>,
    /// The security level that it was acquired at; `None` keeps the level that is recorded.
    pub(crate) acquired_level: Option<String>,
}

impl Terms {
    /// The terms of a grant that has passed its checks.
    pub(crate) fn granted(checked: &CheckedGrant, now_ms: i64) -> Self {
        Self {
            granted_at_ms: now_ms,
            expires: checked.expires,
            playback_window_seconds: checked.playback_window_seconds,
            coverage: checked.coverage,
            key_ids: checked.key_ids.clone(),
            acquired_level: checked.acquired_level.clone(),
        }
    }

    /// The terms of a license that is in the ledger.
    pub(crate) fn of(row: &LicenseRow) -> Self {
        Self {
            granted_at_ms: row.granted_at_ms,
            expires: row.expires,
            playback_window_seconds: row.playback_window_seconds,
            coverage: row.coverage,
            key_ids: row.key_ids.clone(),
            acquired_level: row.acquired_level.clone(),
        }
    }

    fn write_to(&self, row: &mut LicenseRow) {
        row.granted_at_ms = self.granted_at_ms;
        row.expires = self.expires;
        row.playback_window_seconds = self.playback_window_seconds;
        row.coverage = self.coverage;
        row.key_ids.clone_from(&self.key_ids);
        if self.acquired_level.is_some() {
            row.acquired_level.clone_from(&self.acquired_level);
        }
    }
}
