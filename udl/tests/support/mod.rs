//! Rust implementations of the platform's part: a storage with faults, an engine that records its calls, media
//! that was "downloaded", servers.
#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests; clippy only knows so inside #[test]"
)]

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use larder_ffi::{
    AssetRegistration, DrmParams, DrmScheme, ExchangeKind, ExchangeMessage, FfiCancellation, FfiDelegates,
    FfiDrmEngine, FfiDrmStorage, FfiError, FfiExchange, FfiManager, GrantedHandle, KeyRequest, LarderConfig,
    LicenseDuration, LicenseGrant, LicenseTimes, LicenseWire, MediaSource, NetworkState, ReleaseOutcome, Remedy,
    RenewalPolicy, SecurityLevel, StoredLicense,
};
use larder_testkit::{Options, Testkit, copy_dir, media_root};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Longer than anything takes that is not broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for an operation, as a coroutine would.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

pub(crate) fn code<T>(outcome: Result<T, FfiError>) -> String {
    match outcome {
        Ok(_) => "OK".to_owned(),
        Err(FfiError::Failed { code, .. }) => code,
    }
}

/// Makes the error that an adapter throws when the app's own code has failed.
pub(crate) fn failed(code: &str, reason: &str) -> FfiError {
    FfiError::Failed {
        code: code.to_owned(),
        reason: reason.to_owned(),
        remedy: Remedy::Nothing,
        is_retryable: false,
        http_status: None,
    }
}

/// A device: a folder for Larder, a folder of downloads, a storage, an engine.
pub(crate) struct Device {
    pub(crate) folder: TempDir,
    pub(crate) storage: Arc<Storage>,
    pub(crate) engine: Arc<Engine>,
}

impl Device {
    pub(crate) fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), storage: Arc::default(), engine: Arc::default() }
    }

    pub(crate) fn config(&self) -> LarderConfig {
        LarderConfig {
            data_dir: text(&self.folder.path().join("larder")),
            roots: Vec::new(),
            profile: String::new(),
            network_timeout_seconds: 10,
            engine_timeout_seconds: 20,
            delegate_timeout_seconds: 10,
            user_agent: String::new(),
            software_clear_key: false,
            extra_root_certificates: Vec::new(),
            network: NetworkState::Unknown,
        }
    }

    pub(crate) fn delegates(&self) -> FfiDelegates {
        FfiDelegates {
            storage: Arc::clone(&self.storage) as _,
            engines: vec![Arc::clone(&self.engine) as _],
            request_adapter: None,
            token_provider: None,
            source_url_provider: None,
            http_client: None,
            server_trust: None,
        }
    }

    pub(crate) fn manager(&self) -> Arc<FfiManager> {
        Arc::new(FfiManager::new(self.config(), self.delegates()).unwrap())
    }

    /// Copies one of the testkit's titles to the device, as a download would. Returns what to register: the title's
    /// folder, or a manifest in it (`cmaf-clear/manifest.mpd`; that folder has two).
    pub(crate) fn download(&self, what: &str) -> String {
        let title = what.split('/').next().unwrap();
        let downloads = self.folder.path().join("downloads");
        copy_dir(&media_root().join(title), &downloads.join(title)).unwrap();
        text(&downloads.join(what))
    }
}

/// Servers with the testkit's media and its keys.
pub(crate) fn servers() -> Testkit {
    Testkit::start(Options { media_root: Some(media_root()), ..Options::default() }).unwrap()
}

pub(crate) fn clear(asset_id: &str, path: &str) -> AssetRegistration {
    let source =
        MediaSource { id: "clear".into(), url: "https://origin.example/master.m3u8".into(), ..Default::default() };
    AssetRegistration { asset_id: asset_id.into(), path: path.into(), source, entry_id: None, metadata: None }
}

pub(crate) fn protected(asset_id: &str, path: &str, servers: &Testkit) -> AssetRegistration {
    let drm = vec![DrmParams {
        scheme: DrmScheme::ClearKey,
        license_url: servers.url("/clearkey/license"),
        certificate: None,
        certificate_url: None,
        wire: LicenseWire::Standard,
        renewal: RenewalPolicy::AcquireThenRelease,
        security_level: SecurityLevel::Default,
    }];
    let url = servers.url("/media/dash-cenc/manifest.mpd");
    let source = MediaSource { id: "dash".into(), url, drm, ..Default::default() };
    AssetRegistration { asset_id: asset_id.into(), path: path.into(), source, entry_id: None, metadata: None }
}

pub(crate) fn uncancelled() -> Arc<FfiCancellation> {
    Arc::new(FfiCancellation::new())
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

type Hook = Box<dyn Fn(&str) -> Result<(), FfiError> + Send + Sync>;

/// A secret storage in memory. A hook is called first, with the method's name, and may throw, panic, hang or call back.
#[derive(Default)]
pub(crate) struct Storage {
    pub(crate) values: Mutex<BTreeMap<String, Vec<u8>>>,
    hook: Mutex<Option<Arc<Hook>>>,
}

impl Storage {
    pub(crate) fn hook(&self, hook: impl Fn(&str) -> Result<(), FfiError> + Send + Sync + 'static) {
        *self.hook.lock().unwrap() = Some(Arc::new(Box::new(hook)));
    }

    pub(crate) fn unhook(&self) {
        *self.hook.lock().unwrap() = None;
    }

    fn called(&self, method: &str) -> Result<(), FfiError> {
        let hook = self.hook.lock().unwrap().clone();
        hook.map_or(Ok(()), |hook| hook(method))
    }
}

impl FfiDrmStorage for Storage {
    fn save(&self, key: String, value: Vec<u8>) -> Result<(), FfiError> {
        self.called("save")?;
        self.values.lock().unwrap().insert(key, value);
        Ok(())
    }

    fn load(&self, key: String) -> Result<Option<Vec<u8>>, FfiError> {
        self.called("load")?;
        Ok(self.values.lock().unwrap().get(&key).cloned())
    }

    fn remove(&self, key: String) -> Result<(), FfiError> {
        self.called("remove")?;
        self.values.lock().unwrap().remove(&key);
        Ok(())
    }
}

/// A CDM for ClearKey. A hook is called at each step (`acquire`, `before send`, `after send` or `send failed`, `release`, …).
#[derive(Default)]
pub(crate) struct Engine {
    hook: Mutex<Option<Arc<Hook>>>,
}

impl Engine {
    pub(crate) fn hook(&self, hook: impl Fn(&str) -> Result<(), FfiError> + Send + Sync + 'static) {
        *self.hook.lock().unwrap() = Some(Arc::new(Box::new(hook)));
    }

    fn step(&self, step: &str) -> Result<(), FfiError> {
        let hook = self.hook.lock().unwrap().clone();
        hook.map_or(Ok(()), |hook| hook(step))
    }

    fn ask(&self, kind: ExchangeKind, body: &Value, exchange: &Arc<FfiExchange>) -> Result<Vec<u8>, FfiError> {
        self.step("before send")?;
        let message = ExchangeMessage { kind, body: serde_json::to_vec(body).unwrap(), url: None };
        // A platform's CDM answers on a queue of its own.
        let exchange = Arc::clone(exchange);
        match std::thread::spawn(move || exchange.send(message)).join().unwrap() {
            Ok(answer) => self.step("after send").map(|()| answer.body),
            Err(error) => self.step("send failed").and(Err(error)),
        }
    }
}

impl FfiDrmEngine for Engine {
    fn scheme(&self) -> Result<DrmScheme, FfiError> {
        self.step("scheme")?;
        Ok(DrmScheme::ClearKey)
    }

    fn acquire(&self, request: KeyRequest, exchange: Arc<FfiExchange>) -> Result<LicenseGrant, FfiError> {
        self.step("acquire")?;
        let mut asked: Value = serde_json::from_slice(&request.init_data).unwrap();
        asked["type"] = json!("persistent-license");
        let handle = self.ask(ExchangeKind::License, &asked, &exchange)?;
        let times =
            LicenseTimes { license: LicenseDuration::Seconds { seconds: 3600 }, playback: LicenseDuration::Unlimited };
        Ok(LicenseGrant { handle: GrantedHandle::New { handle }, times, key_ids: None, acquired_level: None })
    }

    fn renew(
        &self,
        _: StoredLicense,
        request: KeyRequest,
        exchange: Arc<FfiExchange>,
    ) -> Result<LicenseGrant, FfiError> {
        self.acquire(request, exchange)
    }

    fn inspect(&self, _: StoredLicense) -> Result<LicenseTimes, FfiError> {
        self.step("inspect")?;
        Ok(LicenseTimes { license: LicenseDuration::Seconds { seconds: 1800 }, playback: LicenseDuration::Unlimited })
    }

    fn release(&self, held: StoredLicense, exchange: Arc<FfiExchange>) -> Result<ReleaseOutcome, FfiError> {
        self.step("release")?;
        let license: Value = serde_json::from_slice(&held.handle).unwrap();
        let kids: Vec<&Value> = license["keys"].as_array().unwrap().iter().map(|key| &key["kid"]).collect();
        let asked = json!({ "kids": kids, "license_id": license["license_id"] });
        self.ask(ExchangeKind::Release, &asked, &exchange)?;
        Ok(ReleaseOutcome::Released)
    }

    fn remove(&self, _held: StoredLicense) -> Result<(), FfiError> {
        self.step("remove")
    }

    fn held(&self) -> Result<Option<Vec<Vec<u8>>>, FfiError> {
        self.step("held")?;
        Ok(None)
    }
}

/// A door that callers wait at until a test opens it.
#[derive(Default)]
pub(crate) struct Gate {
    state: Mutex<(u32, bool)>,
    changed: Condvar,
}

impl Gate {
    /// Waits until it is open; at most for [`PATIENCE`].
    pub(crate) fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.0 += 1;
        self.changed.notify_all();
        drop(self.changed.wait_timeout_while(state, PATIENCE, |(_, open)| !*open).unwrap());
    }

    /// Waits until somebody waits there.
    pub(crate) fn wait_for_somebody(&self) {
        let state = self.state.lock().unwrap();
        let (state, _) = self.changed.wait_timeout_while(state, PATIENCE, |(waiting, _)| *waiting == 0).unwrap();
        assert!(state.0 > 0, "nobody came");
    }

    pub(crate) fn open(&self) {
        self.state.lock().unwrap().1 = true;
        self.changed.notify_all();
    }
}
