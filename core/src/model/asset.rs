//! An asset as an app registers, imports, refreshes and lists it.

use std::fmt;
use std::path::PathBuf;

use super::Handle;
use super::{AssetId, DrmScheme, Expiry, MediaFormat, MediaSource};

/// What an app registers: media that lies on this device, and how to get licenses for it.
#[derive(Clone)]
pub struct AssetRegistration {
    /// The app's id of the asset.
    pub asset_id: AssetId,
    /// The backend's entry id, by which a source URL provider is asked. The asset id if `None`.
    pub entry_id: Option<String>,
    /// An absolute path: a manifest, a media file, or a folder that holds one manifest.
    pub path: PathBuf,
    /// Where it came from, and its DRM parameters.
    pub source: MediaSource,
    /// Whatever the app wants to keep with it; at most 1 MiB. `None` keeps what is stored.
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

/// What a refresh changes.
#[derive(Clone, Debug, Default)]
pub struct Refresh {
    /// Replaces the stored source.
    pub source: Option<MediaSource>,
    /// Replaces the stored metadata.
    pub metadata: Option<Vec<u8>>,
}

/// A title that another library of the app has stored licenses for.
#[derive(Clone, Debug)]
pub struct AssetImport {
    /// As for a registration. Its source may lack DRM parameters: then a refresh needs a fresh source.
    pub registration: AssetRegistration,
    /// Its licenses. Empty for clear media.
    pub licenses: Vec<LicenseImport>,
}

/// A license that the CDM has already.
#[derive(Clone)]
pub struct LicenseImport {
    /// The key system.
    pub scheme: DrmScheme,
    /// The CDM's handle.
    pub handle: Handle,
    /// What it was asked for with; `None` for what the media says.
    pub init_data: Option<Vec<u8>>,
    /// When it ends. If `Unknown`, the engine is asked.
    pub expires: Expiry,
    /// How long it may be played once playback has begun, in seconds. `None`: as long as it is stored, or nobody knows.
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

/// One registered asset, as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetInfo {
    /// The app's id.
    pub asset_id: AssetId,
    /// The backend's entry id.
    pub entry_id: String,
    /// Where it lies now: absolute.
    pub path: PathBuf,
    /// The root it lies under.
    pub root: Option<String>,
    /// Its format.
    pub format: MediaFormat,
    /// True if its media is protected by DRM.
    pub is_protected: bool,
    /// When it was registered, in milliseconds since 1970-01-01 UTC.
    pub registered_at_ms: i64,
}

/// A folder with a name. The name is stored, the path is given anew at each start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageRoot {
    /// A short stable name, for example `downloads`.
    pub name: String,
    /// The absolute path in this run.
    pub path: PathBuf,
}

/// Which slower questions a status asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verify {
    /// Ask the disk whether the media is there.
    pub media: bool,
    /// Ask storage and CDM whether the licenses are there and what is left of them.
    pub licenses: bool,
}
