//! What the manager is given and what it answers, beside the domain's own types.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::paths;
use crate::error::{Code, Result};
use crate::license::MANY_LICENSES;
use crate::model::{
    AssetId, AssetRegistration, DrmScheme, Expiry, KeyId, LicenseId, MediaFormat, MediaSource, Profile, SecurityLevel,
    license,
};
use crate::ports::{
    Clock, DrmEngine, HttpClient, LocalDrmStorage, NetworkState, RequestAdapter, SourceUrlProvider, TokenProvider,
};

/// Where and for whom a manager works: what the app said.
#[derive(Clone, Debug)]
pub struct Config {
    /// Absolute path of the folder for the database.
    pub data_dir: PathBuf,
    /// Folders below which media lies.
    pub roots: Vec<StorageRoot>,
    /// The user's namespace.
    pub profile: Profile,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// What is known of the network when opening begins. `Offline` keeps the work in the background off it, too: setting
    /// the state afterwards would come too late for that.
    pub network: NetworkState,
}

impl Config {
    /// Whether it makes sense, as far as can be told without touching the disk; what opening checks first.
    ///
    /// Fails with `InvalidArgument` or `RelativePath`.
    pub fn check(&self) -> Result<()> {
        paths::check(&self.data_dir)?;
        paths::check_roots(&self.roots)
    }
}

/// A folder with a name. The name is stored, the path is given anew at each start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageRoot {
    /// A short stable name, for example `downloads`.
    pub name: String,
    /// The absolute path in this run.
    pub path: PathBuf,
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// One request to a server.
    pub network: Duration,
    /// One call of an engine, its exchange included.
    pub engine: Duration,
    /// One call of the app's storage, adapter or provider.
    pub delegate: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { network: Duration::from_secs(15), engine: Duration::from_secs(60), delegate: Duration::from_secs(10) }
    }
}

/// What the platform and the app give.
#[derive(Clone)]
pub struct Ports {
    /// One engine per scheme; the first of a scheme counts.
    pub engines: Vec<Arc<dyn DrmEngine>>,
    /// The secret storage.
    pub storage: Arc<dyn LocalDrmStorage>,
    /// The network.
    pub http: Arc<dyn HttpClient>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The app's hand on requests.
    pub request_adapter: Option<Arc<dyn RequestAdapter>>,
    /// The app's tokens.
    pub token_provider: Option<Arc<dyn TokenProvider>>,
    /// The app's own source URL provider.
    pub source_url_provider: Option<Arc<dyn SourceUrlProvider>>,
    /// Where foreign calls get their threads.
    pub runtime: Handle,
}

/// What opening found and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenReport {
    /// `StoreCorrupt` if a damaged database was set aside, `StoreReadOnly` if a newer Larder wrote it.
    pub notice: Option<(Code, String)>,
    /// Assets registered in this profile.
    pub assets: u32,
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

/// What a player plays instead of the remote source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalMediaSource {
    /// The app's id.
    pub asset_id: AssetId,
    /// The backend's entry id.
    pub entry_id: String,
    /// A `file:` URL of the manifest or media file.
    pub url: String,
    /// Its format.
    pub format: MediaFormat,
    /// One entry per license. Empty for clear media.
    pub licenses: Vec<LocalLicense>,
}

/// A license that a player needs for a local source.
#[derive(Clone, PartialEq, Eq)]
pub struct LocalLicense {
    /// Its id.
    pub license_id: LicenseId,
    /// The key system.
    pub scheme: DrmScheme,
    /// The content keys it was asked for.
    pub key_ids: Vec<KeyId>,
    /// What it was asked for with, as the CDM takes it.
    pub init_data: Vec<u8>,
    /// The security level it was asked for with; a player opens its session with the same.
    pub security_level: SecurityLevel,
    /// When it ends.
    pub expires: Expiry,
    /// The security level it was acquired at (`L1`), if the engine said so: it opens at that one only.
    pub acquired_level: Option<String>,
}

impl std::fmt::Debug for LocalLicense {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalLicense")
            .field("license_id", &self.license_id)
            .field("scheme", &self.scheme)
            .field("key_ids", &self.key_ids)
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

/// What an unregistration did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnregisterResult {
    /// False if there was no such asset.
    pub was_registered: bool,
    /// Licenses whose release waits for the server.
    pub pending_releases: u32,
}

/// What a bulk renewal did with one asset.
#[derive(Debug)]
pub struct RenewalResult {
    /// The asset.
    pub asset_id: AssetId,
    /// Why it was not renewed.
    pub error: Option<crate::Error>,
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
    pub handle: license::Handle,
    /// What it was asked for with; `None` for what the media says.
    pub init_data: Option<Vec<u8>>,
    /// When it ends. If `Unknown`, the engine is asked.
    pub expires: Expiry,
    /// How long it may be played once playback has begun, in seconds. `None`: as long as it is stored, or nobody knows.
    pub playback_window_seconds: Option<u64>,
}

impl std::fmt::Debug for LicenseImport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LicenseImport")
            .field("scheme", &self.scheme)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// What an import did with one asset.
#[derive(Debug)]
pub struct ImportResult {
    /// The asset.
    pub asset_id: AssetId,
    /// Why it was not imported.
    pub error: Option<crate::Error>,
}

/// What reconciling did since it was last asked for, in the background too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReconcileReport {
    /// Licenses that the server has confirmed as released.
    pub released: u32,
    /// Licenses that were removed without the server.
    pub forgotten: u32,
    /// Licenses whose release still waits.
    pub pending: u32,
    /// Licenses in the CDM that are not ours: counted, never touched.
    pub foreign: u32,
    /// Licenses that the CDMs hold for this app now, ours and others'; `None` if none can list them.
    pub held: Option<u32>,
}

impl ReconcileReport {
    /// True if the CDMs hold so many that a device may soon open none any more (google/ExoPlayer#11202).
    pub fn is_crowded(&self) -> bool {
        self.held.is_some_and(|held| held >= MANY_LICENSES)
    }
}

/// Which slower questions a status asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verify {
    /// Ask the disk whether the media is there.
    pub media: bool,
    /// Ask storage and CDM whether the licenses are there and what is left of them.
    pub licenses: bool,
}

/// When the registry answers a source URL provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SourceUrlMode {
    /// Never. This is the default.
    #[default]
    Off,
    /// Whenever a playable asset is registered.
    LocalAlways,
    /// Only while the app says that there is no network.
    LocalWhenOffline,
}

/// Who is asked first for a source URL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SourceUrlOrder {
    /// The app's provider, then the registry. This is the default.
    #[default]
    AppFirst,
    /// The registry, then the app's provider.
    RegistryFirst,
}
