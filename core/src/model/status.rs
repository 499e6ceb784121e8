//! What an app is told about an asset, and why.

use super::license::{Expiry, KeyCoverage, LicenseState};
use super::media::MediaFormat;
use super::{AssetId, DrmScheme, KeyId, LicenseId};
use crate::error::Remedy;

/// Everything an app needs to show or decide about one asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetStatus {
    /// The asset asked about.
    pub asset_id: AssetId,
    /// True if a registration exists and is complete.
    pub is_registered: bool,
    /// True if a player can start it now, without a network, as far as was checked.
    pub is_playable: bool,
    /// The first reason that stands in the way, or [`PlayabilityReason::Playable`].
    pub why: PlayabilityReason,
    /// The same in a sentence for developers. Safe to log.
    pub message: String,
    /// What the caller can do.
    pub remedy: Remedy,
    /// The earliest end among its licenses, with a running playback window counted in. `Never` for clear media.
    pub expires: Expiry,
    /// The end of the playback window alone; `Never` without one, `Unknown` before the first playback.
    pub playback_expires: Expiry,
    /// How long it plays after the first start, in seconds, if the license limits that.
    pub playback_window_seconds: Option<u64>,
    /// One entry per license of the asset.
    pub licenses: Vec<LicenseStatus>,
    /// Whether the media itself was found; not asked by default.
    pub media: MediaPresence,
    /// Things that do not block playback, but deserve attention.
    pub warnings: Vec<Warning>,
    /// The format, if registered.
    pub format: Option<MediaFormat>,
    /// The name of the root under which the path lies, `None` for one outside every root (or an unknown asset).
    pub root: Option<String>,
    /// Licenses of this asset id, of this or an earlier registration, whose release still waits for the server.
    pub pending_releases: u32,
    /// When this was found out, in milliseconds since 1970-01-01 UTC.
    pub checked_at_ms: i64,
}

/// The first reason that stands in the way of playback, in the order in which they are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PlayabilityReason {
    /// Nothing stands in the way.
    Playable,
    /// No such asset is registered.
    NotRegistered,
    /// Its registration has begun and not ended.
    Registering,
    /// A license it needs is missing.
    LicenseMissing,
    /// The secret storage does not give a license's handle back.
    LicenseUnreadable,
    /// The CDM no longer knows a license.
    LicenseVanished,
    /// A license has expired.
    LicenseExpired,
    /// The time that a license allows after the first playback is over.
    PlaybackWindowOver,
    /// A track's key is in none of its licenses.
    KeyMissing,
    /// The volume that the media lies on is not there now: an ejected card, a storage that is not mounted.
    VolumeMissing,
    /// The media is not at its path.
    MediaMissing,
}

/// One license in a status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LicenseStatus {
    /// Its id in the ledger.
    pub license_id: LicenseId,
    /// The key system.
    pub scheme: DrmScheme,
    /// Where it stands.
    pub state: LicenseState,
    /// When it ends.
    pub expires: Expiry,
    /// The keys it was asked for.
    pub key_ids: Vec<KeyId>,
    /// Whether it has them.
    pub coverage: KeyCoverage,
    /// When it was granted or last renewed, in milliseconds since 1970-01-01 UTC.
    pub granted_at_ms: i64,
}

/// Whether an asset's media was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MediaPresence {
    /// Not looked. This is the default.
    #[default]
    NotChecked,
    /// The manifest or media file is there and can be read. What it names may still be incomplete: an app may have
    /// downloaded some of its renditions only.
    Present,
    /// It is not there, or cannot be read.
    Missing,
}

/// Something that does not block playback, but deserves attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Warning {
    /// The device's clock was set back since the last use; times may be wrong.
    ClockRollbackSuspected,
    /// The path lies outside every root: it is kept absolute, and an update of the app may move it away.
    PathOutsideRoots,
    /// An AES-128 key file that the playlists name is not on the device.
    KeyFileNotLocal,
    /// Less than a minute is left; some players refuse to start (ExoPlayer does).
    LessThanAMinuteLeft,
    /// The license was granted for less than an hour: a test license?
    ShortLicense,
    /// The license's life is not known: neither the CDM nor the server said.
    ExpiryUnknown,
}
