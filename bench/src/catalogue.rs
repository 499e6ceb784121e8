//! A store of many assets, each protected and with its license, and managers over it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use larder_core::Result;
use larder_core::assets::{Config, LocalAssetsManager, Ports, StorageRoot, Timeouts};
use larder_core::license::clearkey::ClearKeyEngine;
use larder_core::model::license::{Handle, LicenseGrant, LicenseTimes, ReleaseOutcome, StoredLicense};
use larder_core::model::{
    AssetId, DrmParams, DrmScheme, Expiry, InitDataTrack, KeyCoverage, KeyId, KeyRequest, LicenseId, LicenseState,
    MediaFormat, MediaSource, Profile, SecurityLevel, TrackKind,
};
use larder_core::net::{ClientSettings, ReqwestClient};
use larder_core::ports::{Clock, DrmEngine, Executors, HttpClient, LicenseExchange, NetworkState};
use larder_core::store::{AssetRow, AssetState, IntentKind, IntentOutcome, LicenseRow, Store, StoredPath};
use larder_testkit::ScriptedStorage;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// The store, and what managers over it are given.
pub(crate) struct Catalogue {
    folder: TempDir,
    size: u32,
    runtime: Runtime,
    storage: Arc<ScriptedStorage>,
    // Made once: it reads the platform's certificates, which is not what opening is about.
    http: Arc<ReqwestClient>,
    cdm_sessions: Arc<AtomicU64>,
}

impl Catalogue {
    /// Fills a store with so many assets. Their handles lie in the storage; no media is there.
    pub(crate) fn new(size: u32) -> Result<Self, Box<dyn std::error::Error>> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let catalogue = Self {
            folder: tempfile::tempdir()?,
            size,
            http: Arc::new(ReqwestClient::new(&ClientSettings::default(), runtime.handle().clone())?),
            runtime,
            storage: Arc::default(),
            cdm_sessions: Arc::default(),
        };
        write_store(&catalogue.data_dir(), size)?;
        for number in 0..size {
            larder_core::ports::LocalDrmStorage::save(
                &*catalogue.storage,
                &license_id(number)?.storage_key(),
                handle(number).as_bytes(),
            )?;
        }
        Ok(catalogue)
    }

    pub(crate) fn size(&self) -> u32 {
        self.size
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// The database, for who reads it with SQL.
    pub(crate) fn database(&self) -> PathBuf {
        self.data_dir().join("larder.db")
    }

    /// How often the CDM had to open a session.
    pub(crate) fn cdm_sessions(&self) -> u64 {
        self.cdm_sessions.load(Ordering::SeqCst)
    }

    /// Opens a manager, offline.
    pub(crate) fn open(&self) -> Result<LocalAssetsManager> {
        let clock: Arc<dyn Clock> = Arc::new(WallClock);
        let engine =
            Counted { engine: ClearKeyEngine::new(Arc::clone(&clock)), sessions: Arc::clone(&self.cdm_sessions) };
        let ports = Ports {
            engines: vec![Arc::new(engine)],
            storage: self.storage.clone(),
            http: Arc::clone(&self.http) as Arc<dyn HttpClient>,
            clock,
            request_adapter: None,
            token_provider: None,
            source_url_provider: None,
            event_sink: None,
            executors: Executors::shared(self.runtime.handle().clone()),
        };
        let config = Config {
            data_dir: self.data_dir(),
            roots: vec![StorageRoot { name: "downloads".into(), path: self.folder.path().join("downloads") }],
            profile: Profile::default(),
            timeouts: Timeouts::default(),
            network: NetworkState::Offline,
        };
        LocalAssetsManager::open(config, ports)
    }
}

/// Writes a database with so many assets into a folder, which is made when missing.
pub(crate) fn write_store(folder: &Path, size: u32) -> Result<(), Box<dyn std::error::Error>> {
    std::fs::create_dir_all(folder)?;
    let store = Store::open(folder)?.store;
    store.write(|tx| {
        for number in 0..size {
            let license = license(number)?;
            tx.insert_asset(&asset(number)?)?;
            tx.insert_license(&license)?;
        }
        Ok(())
    })?;
    Ok(())
}

/// The id that an app has for asset number so and so.
pub(crate) fn asset_id(number: u32) -> String {
    format!("0_asset{number:06}")
}

fn license_id(number: u32) -> Result<LicenseId> {
    larder_core::assets::parse_license_id(&format!("{number:032x}"))
}

fn handle(number: u32) -> Handle {
    Handle::new(format!("handle {number}").into_bytes())
}

fn asset(number: u32) -> Result<AssetRow> {
    let track = |kind, name: &str| InitDataTrack { kind, name: name.to_owned() };
    Ok(AssetRow {
        profile: Profile::default(),
        asset_id: AssetId::new(asset_id(number))?,
        entry_id: asset_id(number),
        state: AssetState::Registered,
        path: StoredPath {
            root: Some("downloads".into()),
            path: format!("films/{number:06}"),
            manifest: Some("manifest.mpd".into()),
        },
        format: MediaFormat::Dash,
        is_protected: true,
        source: MediaSource {
            id: "main".into(),
            url: format!("https://cdn.example.com/films/{number:06}/manifest.mpd"),
            format: Some(MediaFormat::Dash),
            drm: vec![params()],
        },
        metadata: Some(vec![b'm'; 300]),
        required_keys: vec![
            (track(TrackKind::Video, "1"), vec![key_id(number, 0)]),
            (track(TrackKind::Audio, "2"), vec![key_id(number, 1)]),
        ],
        key_files_missing: false,
        registered_at_ms: WallClock.now_ms(),
        updated_at_ms: WallClock.now_ms(),
        playback_started_at_ms: None,
    })
}

fn license(number: u32) -> Result<LicenseRow> {
    let now_ms = WallClock.now_ms();
    let key_ids = vec![key_id(number, 0), key_id(number, 1)];
    Ok(LicenseRow {
        license_id: license_id(number)?,
        profile: Profile::default(),
        asset_id: AssetId::new(asset_id(number))?,
        state: LicenseState::Active,
        request: KeyRequest {
            scheme: DrmScheme::ClearKey,
            init_data: vec![0; 60],
            key_ids: key_ids.clone(),
            mime: "video/mp4".into(),
            certificate: None,
            security_level: SecurityLevel::Default,
        },
        params: params(),
        handle_digest: Some(handle(number).digest()),
        held_before: None,
        replaces: None,
        granted_at_ms: now_ms,
        expires: Expiry::At(now_ms + 7 * 86_400_000),
        playback_window_seconds: Some(172_800),
        coverage: KeyCoverage::Covered,
        key_ids: Some(key_ids),
        kind: IntentKind::New,
        outcome: IntentOutcome::InProgress,
        lease_until_ms: None,
        release_attempts: 0,
        next_attempt_at_ms: 0,
        last_error: None,
        acquired_level: None,
    })
}

fn params() -> DrmParams {
    DrmParams::new(DrmScheme::ClearKey, "https://license.example.com/clearkey")
}

fn key_id(number: u32, track: u8) -> KeyId {
    let mut bytes = [track; 16];
    for (byte, of_number) in bytes.iter_mut().zip(number.to_be_bytes()) {
        *byte = of_number;
    }
    KeyId(bytes)
}

/// The system's time.
pub(crate) struct WallClock;

impl Clock for WallClock {
    #[allow(clippy::disallowed_methods, reason = "this is the clock port")]
    fn now_ms(&self) -> i64 {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
    }

    fn since_boot_ms(&self) -> Option<i64> {
        None
    }

    fn boot_id(&self) -> Option<String> {
        None
    }
}

/// An engine that counts the calls for which a CDM opens a session. A listing is none.
struct Counted {
    engine: ClearKeyEngine,
    sessions: Arc<AtomicU64>,
}

impl Counted {
    fn session(&self) -> &ClearKeyEngine {
        self.sessions.fetch_add(1, Ordering::SeqCst);
        &self.engine
    }
}

impl DrmEngine for Counted {
    fn scheme(&self) -> DrmScheme {
        DrmScheme::ClearKey
    }

    fn acquire(&self, request: &KeyRequest, exchange: Arc<dyn LicenseExchange>) -> Result<LicenseGrant> {
        self.session().acquire(request, exchange)
    }

    fn renew(
        &self,
        held: &StoredLicense,
        request: &KeyRequest,
        exchange: Arc<dyn LicenseExchange>,
    ) -> Result<LicenseGrant> {
        self.session().renew(held, request, exchange)
    }

    fn inspect(&self, held: &StoredLicense) -> Result<LicenseTimes> {
        self.session().inspect(held)
    }

    fn release(&self, held: &StoredLicense, exchange: Arc<dyn LicenseExchange>) -> Result<ReleaseOutcome> {
        self.session().release(held, exchange)
    }

    fn remove(&self, held: &StoredLicense) -> Result<()> {
        self.session().remove(held)
    }

    fn held(&self) -> Result<Option<Vec<Handle>>> {
        self.engine.held()
    }
}
