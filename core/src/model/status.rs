//! The status of an asset: whether it plays, why not, and what to do.

use super::license::{Expiry, KeyCoverage, LicenseState};
use super::media::MediaFormat;
use super::{AssetId, DrmScheme, KeyId, LicenseId};
use crate::error::Remedy;

/// The status of one asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetStatus {
    /// The asset.
    pub asset_id: AssetId,
    /// True if the registration exists and is complete.
    pub is_registered: bool,
    /// True if a player can start it now without a network, as far as was checked.
    pub is_playable: bool,
    /// The first reason that blocks playback, or [`PlayabilityReason::Playable`].
    pub why: PlayabilityReason,
    /// The reason in a sentence for developers. Safe to log.
    pub message: String,
    /// The action that the caller can take.
    pub remedy: Remedy,
    /// The earliest expiry of its licenses and of a running playback window. `Never` for clear media.
    pub expires: Expiry,
    /// The end of the playback window alone: `Never` without one, `Unknown` before the first playback.
    pub playback_expires: Expiry,
    /// The playback window after the first start, in seconds. `None` if the licenses do not limit it.
    pub playback_window_seconds: Option<u64>,
    /// The licenses of the asset.
    pub licenses: Vec<LicenseStatus>,
    /// The presence of the media. `NotChecked` unless a verification asked for it.
    pub media: MediaPresence,
    /// Conditions that do not block playback but need attention.
    pub warnings: Vec<Warning>,
    /// The format. `None` if the asset is not registered.
    pub format: Option<MediaFormat>,
    /// The name of the root that the path is below. `None` for a path outside every root, and for an unknown asset.
    pub root: Option<String>,
    /// The number of licenses of this asset id, of this or an earlier registration, whose release is pending.
    pub pending_releases: u32,
    /// The time of this status, in milliseconds since 1970-01-01 UTC.
    pub checked_at_ms: i64,
}

/// The first reason that blocks playback, in the order in which they are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PlayabilityReason {
    /// Nothing blocks playback.
    Playable,
    /// The asset is not registered.
    NotRegistered,
    /// The registration has begun and is not complete.
    Registering,
    /// The asset needs a license and has none.
    LicenseMissing,
    /// The secret storage no longer returns the handle of a license.
    LicenseUnreadable,
    /// The CDM no longer has a license.
    LicenseVanished,
    /// A license has expired.
    LicenseExpired,
    /// The playback window after the first playback has ended.
    PlaybackWindowOver,
    /// A track needs a key that no license has.
    KeyMissing,
    /// The volume of the media is not mounted, for example an ejected card.
    VolumeMissing,
    /// The media is not at its path.
    MediaMissing,
}

/// The status of one license.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LicenseStatus {
    /// The id of the license.
    pub license_id: LicenseId,
    /// The key system.
    pub scheme: DrmScheme,
    /// The state in the ledger.
    pub state: LicenseState,
    /// The expiry.
    pub expires: Expiry,
    /// The content keys that it was requested for.
    pub key_ids: Vec<KeyId>,
    /// The result of comparing its keys with those that the media needs.
    pub coverage: KeyCoverage,
    /// The time of the grant or of the last renewal, in milliseconds since 1970-01-01 UTC.
    pub granted_at_ms: i64,
}

/// The presence of an asset's media.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MediaPresence {
    /// Not checked. This is the default.
    #[default]
    NotChecked,
    /// The manifest or media file is there and can be read. Files that it names may be missing: an app may have
    /// downloaded only some of the renditions.
    Present,
    /// The manifest or media file is not there, or cannot be read.
    Missing,
}

/// A condition that does not block playback but needs attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Warning {
    /// The device's clock was set back since the last use; expiry times may be wrong.
    ClockRollbackSuspected,
    /// The path is outside every root. It is stored as an absolute path, which an update of the app may break.
    PathOutsideRoots,
    /// An AES-128 key file that a playlist names is not on the device.
    KeyFileNotLocal,
    /// Less than a minute is left. Some players then refuse to start, for example ExoPlayer.
    LessThanAMinuteLeft,
    /// The license was granted for less than an hour, which is typical of a test license.
    ShortLicense,
    /// The expiry of a license is not known: neither the CDM nor the server reported it.
    ExpiryUnknown,
}
