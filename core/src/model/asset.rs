//! An asset as an app registers, imports, refreshes and lists it.

use std::fmt;
use std::path::PathBuf;

use super::Handle;
use super::{AssetId, DrmScheme, Expiry, MediaFormat, MediaSource};

/// A registration: media on this device, and how to get licenses for it.
#[derive(Clone)]
pub struct AssetRegistration {
    /// The app's id for the asset.
    pub asset_id: AssetId,
    /// The backend's entry id, which a source URL provider is asked with. `None` means the asset id.
    pub entry_id: Option<String>,
    /// An absolute path: a manifest, a media file, or a folder that holds one manifest.
    pub path: PathBuf,
    /// The remote source of the media, with its DRM parameters.
    pub source: MediaSource,
    /// Data of the app to keep with the asset, at most 1 MiB. `None` keeps the stored data.
    pub metadata: Option<Vec<u8>>,
}

impl fmt::Debug for AssetRegistration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssetRegistration")
            .field("asset_id", &self.asset_id)
            .field("source", &self.source)
            .field("metadata_bytes", &self.metadata.as_ref().map(Vec::len))
            .finish_non_exhaustive()
    }
}

/// The changes that a refresh makes beside the new licenses.
#[derive(Clone, Debug, Default)]
pub struct Refresh {
    /// Replaces the stored source. `None` keeps it.
    pub source: Option<MediaSource>,
    /// Replaces the stored metadata. `None` keeps it.
    pub metadata: Option<Vec<u8>>,
}

/// An asset to import: another library of the same app has already stored its licenses.
#[derive(Clone, Debug)]
pub struct AssetImport {
    /// The registration. Its source may lack DRM parameters; a refresh then needs a new source.
    pub registration: AssetRegistration,
    /// The licenses. Empty for clear media.
    pub licenses: Vec<LicenseImport>,
}

/// A license to import: the CDM already holds it.
#[derive(Clone)]
pub struct LicenseImport {
    /// The key system.
    pub scheme: DrmScheme,
    /// The CDM's handle.
    pub handle: Handle,
    /// The init data that it was requested with; `None` means the init data of the media.
    pub init_data: Option<Vec<u8>>,
    /// Its expiry. If `Unknown`, the engine is asked.
    pub expires: Expiry,
    /// The playback window after the first start of a playback, in seconds. `None` if there is none, or if it is not
    /// known.
    pub playback_window_seconds: Option<u64>,
}

impl fmt::Debug for LicenseImport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LicenseImport")
            .field("scheme", &self.scheme)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// One registered asset, as lists of assets show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetInfo {
    /// The app's id for the asset.
    pub asset_id: AssetId,
    /// The backend's entry id.
    pub entry_id: String,
    /// The absolute path of the media in this run.
    pub path: PathBuf,
    /// The name of the root that the path is below. `None` for a path outside every root.
    pub root: Option<String>,
    /// The format of the media.
    pub format: MediaFormat,
    /// True if the media is protected by DRM.
    pub is_protected: bool,
    /// The time of the registration, in milliseconds since 1970-01-01 UTC.
    pub registered_at_ms: i64,
}

/// A named folder below which media lies. The name is stored; the app gives the path at each start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageRoot {
    /// A short stable name, for example `downloads`.
    pub name: String,
    /// The absolute path in this run.
    pub path: PathBuf,
}

/// The slower checks that a verification makes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verify {
    /// Check on the disk that the media is there.
    pub media: bool,
    /// Check in the secret storage and the CDM that the licenses are there, and how long they last.
    pub licenses: bool,
}
