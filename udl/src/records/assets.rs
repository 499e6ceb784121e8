//! Registrations and what a manager answers about them.

use std::path::{Path, PathBuf};

use larder_core::model::license::Handle;
use larder_core::model::{AssetId, DrmScheme, KeyId, MediaFormat, SecurityLevel};
use larder_core::{Error, assets, model};

use super::media::MediaSource;
use super::numbers::signed;
use super::status::Expiry;

/// The input of a registration. See `larder.udl`.
#[derive(Clone)]
pub struct AssetRegistration {
    /// The app's id.
    pub asset_id: String,
    /// An absolute path.
    pub path: String,
    /// Where it came from.
    pub source: MediaSource,
    /// The backend's entry id.
    pub entry_id: Option<String>,
    /// Whatever the app wants to keep with it.
    pub metadata: Option<Vec<u8>>,
}

impl TryFrom<AssetRegistration> for model::AssetRegistration {
    type Error = Error;

    fn try_from(said: AssetRegistration) -> Result<Self, Error> {
        let AssetRegistration { asset_id, path, source, entry_id, metadata } = said;
        Ok(Self {
            asset_id: AssetId::new(asset_id)?,
            entry_id,
            path: PathBuf::from(path),
            source: source.try_into()?,
            metadata,
        })
    }
}

/// One registered asset. See `larder.udl`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetInfo {
    /// The app's id.
    pub asset_id: String,
    /// The backend's entry id.
    pub entry_id: String,
    /// Where it lies now.
    pub path: String,
    /// The root it lies under.
    pub root: Option<String>,
    /// Its format.
    pub format: MediaFormat,
    /// True if it is protected by DRM.
    pub is_protected: bool,
    /// When it was registered.
    pub registered_at_ms: i64,
}

impl From<assets::AssetInfo> for AssetInfo {
    fn from(info: assets::AssetInfo) -> Self {
        let assets::AssetInfo { asset_id, entry_id, path, root, format, is_protected, registered_at_ms } = info;
        let asset_id = asset_id.as_str().to_owned();
        Self { asset_id, entry_id, path: text(&path), root, format, is_protected, registered_at_ms }
    }
}

/// The source that a player opens. See `larder.udl`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalMediaSource {
    /// The app's id.
    pub asset_id: String,
    /// The backend's entry id.
    pub entry_id: String,
    /// A `file:` URL.
    pub url: String,
    /// Its format.
    pub format: MediaFormat,
    /// Always true.
    pub is_local: bool,
    /// One entry per license.
    pub licenses: Vec<LocalLicense>,
}

impl From<assets::LocalMediaSource> for LocalMediaSource {
    fn from(source: assets::LocalMediaSource) -> Self {
        let assets::LocalMediaSource { asset_id, entry_id, url, format, licenses } = source;
        let licenses = licenses.into_iter().map(LocalLicense::from).collect();
        Self { asset_id: asset_id.as_str().to_owned(), entry_id, url, format, is_local: true, licenses }
    }
}

/// A license that a player needs. See `larder.udl`.
#[derive(Clone, PartialEq, Eq)]
pub struct LocalLicense {
    /// Its id.
    pub license_id: String,
    /// The key system.
    pub scheme: DrmScheme,
    /// The content keys it was asked for.
    pub key_ids: Vec<String>,
    /// The init data of its request.
    pub init_data: Vec<u8>,
    /// The security level it was asked for with.
    pub security_level: SecurityLevel,
    /// When it ends.
    pub expires: Expiry,
    /// The security level it was acquired at.
    pub acquired_level: Option<String>,
}

/// Without the bytes: init data may carry account data.
impl std::fmt::Debug for LocalLicense {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalLicense")
            .field("license_id", &self.license_id)
            .field("scheme", &self.scheme)
            .field("key_ids", &self.key_ids)
            .finish_non_exhaustive()
    }
}

impl From<assets::LocalLicense> for LocalLicense {
    fn from(license: assets::LocalLicense) -> Self {
        let assets::LocalLicense { license_id, scheme, key_ids, init_data, security_level, expires, acquired_level } =
            license;
        let key_ids = key_ids.into_iter().map(KeyId::to_hex).collect();
        let license_id = license_id.as_str().to_owned();
        Self { license_id, scheme, key_ids, init_data, security_level, expires: expires.into(), acquired_level }
    }
}

/// The result of opening. See `larder.udl`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenReport {
    /// `STORE_CORRUPT` or `STORE_READ_ONLY`.
    pub notice_code: Option<String>,
    /// The same in a sentence.
    pub notice_message: Option<String>,
    /// Assets registered in this profile.
    pub assets: i32,
}

impl From<assets::OpenReport> for OpenReport {
    fn from(report: assets::OpenReport) -> Self {
        let assets::OpenReport { notice, assets } = report;
        let (code, message) = notice.unzip();
        Self { notice_code: code.map(|code| code.as_str().to_owned()), notice_message: message, assets: signed(assets) }
    }
}

/// The result of an unregistration. See `larder.udl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnregisterResult {
    /// False if there was no such asset.
    pub was_registered: bool,
    /// Licenses whose release waits for the server.
    pub pending_releases: i32,
}

impl From<assets::UnregisterResult> for UnregisterResult {
    fn from(done: assets::UnregisterResult) -> Self {
        let assets::UnregisterResult { was_registered, pending_releases } = done;
        Self { was_registered, pending_releases: signed(pending_releases) }
    }
}

/// The result of a reconciliation. See `larder.udl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReconcileReport {
    /// Licenses that the server has confirmed as released.
    pub released: i32,
    /// Licenses that were removed without the server.
    pub forgotten: i32,
    /// Licenses whose release still waits.
    pub pending: i32,
    /// Licenses in the CDM that are not ours.
    pub foreign: i32,
    /// Licenses that the CDMs hold now.
    pub held: Option<i32>,
    /// True if those are many.
    pub is_crowded: bool,
}

impl From<assets::ReconcileReport> for ReconcileReport {
    fn from(done: assets::ReconcileReport) -> Self {
        let is_crowded = done.is_crowded();
        let assets::ReconcileReport { released, forgotten, pending, foreign, held } = done;
        Self {
            released: signed(released),
            forgotten: signed(forgotten),
            pending: signed(pending),
            foreign: signed(foreign),
            held: held.map(signed),
            is_crowded,
        }
    }
}

/// The result of a bulk renewal for one asset. See `larder.udl`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenewalResult {
    /// The asset.
    pub asset_id: String,
    /// True if its licenses were renewed.
    pub is_renewed: bool,
    /// The error's code if not.
    pub error_code: Option<String>,
    /// The error's message if not.
    pub error_message: Option<String>,
}

impl From<assets::RenewalResult> for RenewalResult {
    fn from(renewal: assets::RenewalResult) -> Self {
        let assets::RenewalResult { asset_id, error } = renewal;
        Self {
            asset_id: asset_id.as_str().to_owned(),
            is_renewed: error.is_none(),
            error_code: error.as_ref().map(|error| error.code().as_str().to_owned()),
            error_message: error.map(|error| error.message().to_owned()),
        }
    }
}

/// A title that another library has stored licenses for. See `larder.udl`.
#[derive(Clone)]
pub struct AssetImport {
    /// As for a registration.
    pub registration: AssetRegistration,
    /// Its licenses.
    pub licenses: Vec<LicenseImport>,
}

impl TryFrom<AssetImport> for assets::AssetImport {
    type Error = Error;

    fn try_from(import: AssetImport) -> Result<Self, Error> {
        let licenses = import.licenses.into_iter().map(assets::LicenseImport::from).collect();
        Ok(Self { registration: import.registration.try_into()?, licenses })
    }
}

/// A license that the CDM has already. See `larder.udl`.
#[derive(Clone)]
pub struct LicenseImport {
    /// The key system.
    pub scheme: DrmScheme,
    /// The CDM's handle.
    pub handle: Vec<u8>,
    /// The init data of its request.
    pub init_data: Option<Vec<u8>>,
    /// When it ends.
    pub expires: Expiry,
    /// How long it may be played once playback has begun, in seconds.
    pub playback_window_seconds: Option<i64>,
}

/// Without the bytes: the handle may be a key.
impl std::fmt::Debug for LicenseImport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LicenseImport")
            .field("scheme", &self.scheme)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

impl From<LicenseImport> for assets::LicenseImport {
    fn from(license: LicenseImport) -> Self {
        let LicenseImport { scheme, handle, init_data, expires, playback_window_seconds } = license;
        let playback_window_seconds =
            playback_window_seconds.and_then(|window_seconds| u64::try_from(window_seconds).ok());
        Self { scheme, handle: Handle::new(handle), init_data, expires: expires.into(), playback_window_seconds }
    }
}

/// The result of an import for one asset. See `larder.udl`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportResult {
    /// The asset.
    pub asset_id: String,
    /// True if it is registered now.
    pub is_imported: bool,
    /// The error's code if not.
    pub error_code: Option<String>,
    /// The error's message if not.
    pub error_message: Option<String>,
}

impl ImportResult {
    pub(crate) fn new(asset_id: String, error: Option<&Error>) -> Self {
        Self {
            asset_id,
            is_imported: error.is_none(),
            error_code: error.map(|error| error.code().as_str().to_owned()),
            error_message: error.map(|error| error.message().to_owned()),
        }
    }
}

/// Paths came in as text, so they go out as text: nothing is lost.
fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
