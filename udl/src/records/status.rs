//! An asset's status.

use larder_core::assets::parse_license_id;
use larder_core::model::{
    self, AssetId, DrmScheme, KeyCoverage, KeyId, LicenseState, MediaFormat, MediaPresence, PlayabilityReason, Warning,
    license,
};
use larder_core::{Code, Error, Remedy};

use super::numbers::{signed, signed_64, unsigned, unsigned_64};

/// Everything an app needs to show or decide about one asset. See `larder.udl`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetStatus {
    /// The asset asked about.
    pub asset_id: String,
    /// True if a registration exists and is complete.
    pub is_registered: bool,
    /// True if a player can start it now.
    pub is_playable: bool,
    /// The first reason that stands in the way.
    pub why: PlayabilityReason,
    /// The same in a sentence.
    pub message: String,
    /// The action that the caller can take.
    pub remedy: Remedy,
    /// The earliest end among its licenses.
    pub expires: Expiry,
    /// Seconds until then.
    pub remaining_seconds: Option<i64>,
    /// The end of the playback window alone.
    pub playback_expires: Expiry,
    /// How long it plays after the first start, in seconds.
    pub playback_window_seconds: Option<i64>,
    /// One entry per license.
    pub licenses: Vec<LicenseStatus>,
    /// Whether the media itself was found.
    pub media: MediaPresence,
    /// Things that deserve attention.
    pub warnings: Vec<Warning>,
    /// The format.
    pub format: Option<MediaFormat>,
    /// The name of the root.
    pub root: Option<String>,
    /// Licenses whose release still waits.
    pub pending_releases: i32,
    /// When this was found out.
    pub checked_at_ms: i64,
}

impl From<model::AssetStatus> for AssetStatus {
    fn from(status: model::AssetStatus) -> Self {
        Self {
            asset_id: status.asset_id.as_str().to_owned(),
            is_registered: status.is_registered,
            is_playable: status.is_playable,
            why: status.why,
            message: status.message,
            remedy: status.remedy,
            expires: status.expires.into(),
            remaining_seconds: status.expires.remaining_seconds(status.checked_at_ms).map(signed_64),
            playback_expires: status.playback_expires.into(),
            playback_window_seconds: status.playback_window_seconds.map(signed_64),
            licenses: status.licenses.into_iter().map(LicenseStatus::from).collect(),
            media: status.media,
            warnings: status.warnings,
            format: status.format,
            root: status.root,
            pending_releases: signed(status.pending_releases),
            checked_at_ms: status.checked_at_ms,
        }
    }
}

/// Fails for a status whose ids Larder did not make: an app may make one by hand.
impl TryFrom<AssetStatus> for model::AssetStatus {
    type Error = Error;

    fn try_from(status: AssetStatus) -> Result<Self, Error> {
        Ok(Self {
            asset_id: AssetId::new(status.asset_id)?,
            is_registered: status.is_registered,
            is_playable: status.is_playable,
            why: status.why,
            message: status.message,
            remedy: status.remedy,
            expires: status.expires.into(),
            playback_expires: status.playback_expires.into(),
            playback_window_seconds: status.playback_window_seconds.map(unsigned_64),
            licenses: status.licenses.into_iter().map(model::LicenseStatus::try_from).collect::<Result<_, _>>()?,
            media: status.media,
            warnings: status.warnings,
            format: status.format,
            root: status.root,
            pending_releases: unsigned(status.pending_releases),
            checked_at_ms: status.checked_at_ms,
        })
    }
}

/// When something ends. See `larder.udl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// It has no end.
    Never,
    /// At this time.
    At {
        /// In milliseconds since 1970-01-01 UTC.
        at_ms: i64,
    },
    /// Neither CDM nor server said.
    Unknown,
}

impl From<license::Expiry> for Expiry {
    fn from(expiry: license::Expiry) -> Self {
        match expiry {
            license::Expiry::Never => Self::Never,
            license::Expiry::At(at_ms) => Self::At { at_ms },
            license::Expiry::Unknown => Self::Unknown,
        }
    }
}

impl From<Expiry> for license::Expiry {
    fn from(expiry: Expiry) -> Self {
        match expiry {
            Expiry::Never => Self::Never,
            Expiry::At { at_ms } => Self::At(at_ms),
            Expiry::Unknown => Self::Unknown,
        }
    }
}

/// One license in a status. See `larder.udl`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LicenseStatus {
    /// Its id.
    pub license_id: String,
    /// The key system.
    pub scheme: DrmScheme,
    /// Where it stands.
    pub state: LicenseState,
    /// When it ends.
    pub expires: Expiry,
    /// The content keys it was asked for.
    pub key_ids: Vec<String>,
    /// Whether it has them.
    pub coverage: KeyCoverage,
    /// When it was granted or last renewed.
    pub granted_at_ms: i64,
}

impl From<model::LicenseStatus> for LicenseStatus {
    fn from(status: model::LicenseStatus) -> Self {
        let model::LicenseStatus { license_id, scheme, state, expires, key_ids, coverage, granted_at_ms } = status;
        let key_ids = key_ids.into_iter().map(KeyId::to_hex).collect();
        Self {
            license_id: license_id.as_str().to_owned(),
            scheme,
            state,
            expires: expires.into(),
            key_ids,
            coverage,
            granted_at_ms,
        }
    }
}

impl TryFrom<LicenseStatus> for model::LicenseStatus {
    type Error = Error;

    fn try_from(status: LicenseStatus) -> Result<Self, Error> {
        let LicenseStatus { license_id, scheme, state, expires, key_ids, coverage, granted_at_ms } = status;
        let license_id = parse_license_id(&license_id)?;
        let key_ids =
            key_ids.iter().map(|id| KeyId::parse(id)).collect::<Option<_>>().ok_or_else(|| {
                Error::new(Code::InvalidArgument, "a key id in the status is not 32 hexadecimal digits")
            })?;
        Ok(Self { license_id, scheme, state, expires: expires.into(), key_ids, coverage, granted_at_ms })
    }
}
