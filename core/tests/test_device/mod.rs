//! A device to test in: an app with a manager, its device, its storage and its clock, and the servers it talks to.
//! Everything that lasts from one run of the app to the next is here; the manager is what a restart replaces.

#![allow(dead_code, reason = "each test file uses its part of the device")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects")]
#![allow(unreachable_pub, reason = "a module of several test crates")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use larder_core::assets::{Config, LocalAssetsManager, Ports, StorageRoot, Timeouts};
use larder_core::license::clearkey::ClearKeyEngine;
use larder_core::model::{
    AssetId, AssetRegistration, AssetStatus, DrmParams, DrmScheme, MediaFormat, MediaSource, Profile, RenewalPolicy,
};
use larder_core::net::{ClientSettings, ReqwestClient};
use larder_core::ports::{
    Clock, DrmEngine, Executors, LocalDrmStorage, NetworkState, RequestAdapter, SourceUrlProvider, TokenProvider,
};
use larder_core::{Cancellation, Result};
use larder_testkit::cdm::{FairPlayDevice, ScriptedFairPlay, ScriptedWidevine, WidevineDevice};
use larder_testkit::{ManualClock, Options, ScriptedStorage, Testkit, copy_dir, media_root};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// See the module.
pub struct TestDevice {
    pub servers: Arc<Testkit>,
    pub widevine: Arc<WidevineDevice>,
    pub fairplay: Arc<FairPlayDevice>,
    pub storage: Arc<ScriptedStorage>,
    pub clock: Arc<ManualClock>,
    pub folder: TempDir,
    pub timeouts: Timeouts,
    pub adapter: Option<Arc<dyn RequestAdapter>>,
    pub tokens: Option<Arc<dyn TokenProvider>>,
    pub source_urls: Option<Arc<dyn SourceUrlProvider>>,
    pub runtime: Arc<Runtime>,
}

impl TestDevice {
    pub fn new() -> Self {
        let servers = Testkit::start(Options { media_root: Some(media_root()), ..Options::default() }).unwrap();
        let clock = Arc::new(ManualClock::at(now_ms()));
        let folder = tempfile::tempdir().unwrap();
        for title in ["cmaf-clear", "dash-cenc", "hls-cbcs", "hls-aes128"] {
            copy_dir(&media_root().join(title), &folder.path().join("downloads").join(title)).unwrap();
        }
        Self {
            widevine: Arc::new(WidevineDevice::new(servers.url("/widevine/provision"), Arc::clone(&clock) as _)),
            fairplay: Arc::new(FairPlayDevice::new(Arc::clone(&clock) as _)),
            servers: Arc::new(servers),
            storage: Arc::default(),
            clock,
            folder,
            timeouts: Timeouts {
                network: Duration::from_secs(5),
                engine: Duration::from_secs(20),
                delegate: Duration::from_secs(5),
            },
            adapter: None,
            tokens: None,
            source_urls: None,
            runtime: Arc::new(
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap(),
            ),
        }
    }

    /// Starts the app.
    pub fn start(&self) -> LocalAssetsManager {
        self.try_start(self.config()).unwrap()
    }

    pub fn try_start(&self, config: Config) -> Result<LocalAssetsManager> {
        LocalAssetsManager::open(config, self.ports())
    }

    pub fn config(&self) -> Config {
        Config {
            data_dir: self.data_dir(),
            roots: vec![StorageRoot { name: "downloads".into(), path: self.folder.path().join("downloads") }],
            profile: Profile::default(),
            timeouts: self.timeouts,
            network: NetworkState::Unknown,
        }
    }

    pub fn ports(&self) -> Ports {
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let engines: Vec<Arc<dyn DrmEngine>> = vec![
            Arc::new(ClearKeyEngine::new(Arc::clone(&clock))),
            Arc::new(ScriptedWidevine::new(Arc::clone(&self.widevine))),
            Arc::new(ScriptedFairPlay::new(Arc::clone(&self.fairplay))),
        ];
        let http = ReqwestClient::new(&ClientSettings::default(), self.runtime.handle().clone()).unwrap();
        Ports {
            engines,
            storage: Arc::clone(&self.storage) as Arc<dyn LocalDrmStorage>,
            http: Arc::new(http),
            clock,
            request_adapter: self.adapter.clone(),
            token_provider: self.tokens.clone(),
            source_url_provider: self.source_urls.clone(),
            event_sink: None,
            executors: Executors::shared(self.runtime.handle().clone()),
        }
    }

    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Where the app has put a title.
    pub fn path(&self, title: &str) -> PathBuf {
        self.folder.path().join("downloads").join(title)
    }

    /// Clear media.
    pub fn clear(&self, id: &str) -> AssetRegistration {
        let mut registration = self.registration(id, "cmaf-clear", vec![]);
        // The folder holds an HLS playlist, too.
        registration.source.format = Some(MediaFormat::Dash);
        registration
    }

    /// The two-key DASH title with ClearKey.
    pub fn clear_key(&self, id: &str) -> AssetRegistration {
        let params = DrmParams::new(DrmScheme::ClearKey, self.servers.url("/clearkey/license"));
        self.registration(id, "dash-cenc", vec![params])
    }

    /// The two-key DASH title with Widevine.
    pub fn widevine(&self, id: &str, renewal: RenewalPolicy) -> AssetRegistration {
        let params =
            DrmParams { renewal, ..DrmParams::new(DrmScheme::Widevine, self.servers.url("/widevine/license")) };
        self.registration(id, "dash-cenc", vec![params])
    }

    /// The HLS title with FairPlay, by uDRM.
    pub fn fair_play(&self, id: &str) -> AssetRegistration {
        let params = DrmParams {
            certificate_url: Some(self.servers.url("/fairplay/certificate")),
            ..DrmParams::new(DrmScheme::FairPlay, self.servers.url("/fairplay/udrm"))
        };
        self.registration(id, "hls-cbcs", vec![params])
    }

    pub fn registration(&self, id: &str, title: &str, drm: Vec<DrmParams>) -> AssetRegistration {
        AssetRegistration {
            asset_id: AssetId::new(id).unwrap(),
            entry_id: None,
            path: self.path(title),
            source: MediaSource { id: "s".into(), url: self.servers.url("/media/x"), format: None, drm },
            metadata: None,
        }
    }

    /// Licenses that the servers have issued for storage and not got back.
    pub fn live(&self) -> usize {
        self.servers.book().live
    }
}

/// Registers without ever cancelling.
pub fn register(manager: &LocalAssetsManager, registration: AssetRegistration) -> Result<AssetStatus> {
    manager.register(registration, &Cancellation::new())
}

pub fn id(text: &str) -> AssetId {
    AssetId::new(text).unwrap()
}

/// Reconciles again and again until nothing waits any more; fails the test if that does not happen.
pub fn reconcile_all(manager: &LocalAssetsManager) {
    for _ in 0..100 {
        if manager.reconcile().unwrap().pending == 0 {
            return;
        }
        std::thread::yield_now();
    }
    panic!("releases are still pending: {}", manager.diagnostics().unwrap());
}

/// The machine's time: the servers' `Date` is the machine's, too.
#[expect(clippy::disallowed_methods, reason = "tests start their own clock at the machine's time")]
fn now_ms() -> i64 {
    i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()).unwrap()
}
