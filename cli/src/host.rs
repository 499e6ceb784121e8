//! The host of a command: configuration, the desktop's ports, an open manager.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use larder_core::assets::{Config, LocalAssetsManager, Ports, ReconcileReport, StorageRoot, Timeouts};
use larder_core::license::clearkey::ClearKeyEngine;
use larder_core::model::{AssetId, Profile};
use larder_core::net::{ClientSettings, ReqwestClient};
use larder_core::ports::{Clock, DrmEngine, Executors, NetworkState, TokenProvider};
use larder_core::{Cancellation, Code, Error, Result};
use tokio::runtime::{Builder, Runtime};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::args::Global;
use crate::clock::SystemClock;
use crate::paths::absolute;
use crate::storage::{FileStorage, make_private_folder};

/// An open manager and what it lives on.
pub(crate) struct Host {
    manager: Arc<LocalAssetsManager>,
    data_dir: PathBuf,
    reconcile_timeout: Duration,
    clock: Arc<dyn Clock>,
    clear_key: Arc<ClearKeyEngine>,
    interrupted: Cancellation,
    // Last, so that it outlives the manager.
    runtime: Option<Runtime>,
}

/// How a command uses the store.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Ask. Needs no network, and touches none: nothing that waits for a server is sent by the way.
    Ask,
    /// Change something, with the network's help unless it is forbidden.
    Change,
}

impl Host {
    /// Opens the store that the options name. It is made when missing.
    pub(crate) fn open(global: &Global, purpose: Purpose) -> Result<Self> {
        let runtime = runtime()?;
        let data_dir = match &global.store {
            Some(path) => absolute(path)?,
            None => absolute(&default_store()?)?,
        };
        // The database knows URLs that may be signed. What is wrong with the folder, if anything is, says the manager.
        let _ = make_private_folder(&data_dir);
        let storage = FileStorage::new(data_dir.join("secrets"));
        storage.sweep_drafts();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let clear_key = Arc::new(ClearKeyEngine::new(Arc::clone(&clock)));
        let settings = ClientSettings { uses_environment_proxies: true, ..ClientSettings::default() };
        let ports = Ports {
            engines: vec![Arc::clone(&clear_key) as Arc<dyn DrmEngine>],
            storage: Arc::new(storage),
            http: Arc::new(ReqwestClient::new(&settings, runtime.handle().clone())?),
            clock: Arc::clone(&clock),
            request_adapter: None,
            token_provider: Some(Arc::new(EnvironmentToken)),
            source_url_provider: None,
            event_sink: None,
            executors: Executors::shared(runtime.handle().clone()),
        };
        let roots =
            global.roots.iter().map(|(name, path)| Ok(StorageRoot { name: name.clone(), path: absolute(path)? }));
        let config = Config {
            data_dir: data_dir.clone(),
            roots: roots.collect::<Result<_>>()?,
            profile: Profile::new(global.profile.as_str())?,
            timeouts: Timeouts { network: Duration::from_secs(global.timeout), ..Timeouts::default() },
            network: match purpose {
                Purpose::Change if !global.offline => NetworkState::Unknown,
                _ => NetworkState::Offline,
            },
        };
        let manager = Arc::new(LocalAssetsManager::open(config, ports)?);
        let reconcile_timeout = Duration::from_secs(global.reconcile_timeout);
        let interrupted = Cancellation::new();
        watch_interrupt(&runtime, interrupted.clone());
        Ok(Self { manager, data_dir, reconcile_timeout, clock, clear_key, interrupted, runtime: Some(runtime) })
    }

    /// Changes something, then sends what that (or an earlier run) left for a server.
    ///
    /// An app lives on and lets this happen in the background. A command that ended without waiting would leave releases
    /// half sent; one that waited without end would hang with its server.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&LocalAssetsManager) -> Result<T>) -> Result<T> {
        let result = change(&self.manager);
        match self.reconcile_in_time() {
            Some(Ok(done)) => tracing::debug!(released = done.released, pending = done.pending, "reconciled"),
            // What cannot be sent waits for the next run, and the status says so.
            Some(Err(error)) => tracing::info!(code = %error.code(), "reconciling waits"),
            None => tracing::info!("reconciling takes long and waits for the next run"),
        }
        result
    }

    /// `None` if the time is up: then nothing more is sent, and what is being sent counts as not sent.
    fn reconcile_in_time(&self) -> Option<Result<ReconcileReport>> {
        let (reconciled, reconciling) = mpsc::channel();
        let manager = Arc::clone(&self.manager);
        self.runtime.as_ref()?.spawn_blocking(move || reconciled.send(manager.reconcile()));
        let done = reconciling.recv_timeout(self.reconcile_timeout).ok();
        if done.is_none() {
            // It fails only for a manager that is closed.
            let _ = self.manager.set_network_state(NetworkState::Offline);
        }
        done
    }

    /// The open manager.
    pub(crate) fn manager(&self) -> &LocalAssetsManager {
        &self.manager
    }

    /// The absolute path of the store's folder.
    pub(crate) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Raised by the first Ctrl-C: the call then ends at its next step, with nothing half done.
    pub(crate) fn interrupted(&self) -> &Cancellation {
        &self.interrupted
    }

    /// The engine, as a software player has it: it tells the keys of a handle.
    pub(crate) fn clear_key(&self) -> &ClearKeyEngine {
        &self.clear_key
    }

    /// The time as the manager sees it.
    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.manager.close();
        if let Some(runtime) = self.runtime.take() {
            // A hanging server must not keep the command.
            runtime.shutdown_background();
        }
    }
}

/// Two workers, as on a phone.
pub(crate) fn runtime() -> Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("larder")
        .enable_all()
        .build()
        .map_err(|cause| Error::new(Code::Internal, "no thread can be started").caused_by(cause))
}

fn watch_interrupt(runtime: &Runtime, interrupted: Cancellation) {
    runtime.spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            interrupted.cancel();
        }
        // The second one does not wait: what was begun is cleaned up at the next opening.
        if tokio::signal::ctrl_c().await.is_ok() {
            std::process::exit(130);
        }
    });
}

/// The token for license servers: `$LARDER_TOKEN`, an `Authorization` header. Not an option, because the options of a
/// process are there for everybody to read.
struct EnvironmentToken;

impl TokenProvider for EnvironmentToken {
    fn authorization(&self, _asset_id: &AssetId, rejected: bool) -> Result<Option<String>> {
        // There is no fresher one to give.
        if rejected {
            return Ok(None);
        }
        Ok(env::var("LARDER_TOKEN").ok().filter(|token| !token.is_empty()))
    }
}

/// Starts the log to standard error if it is wanted: Larder's own lines, not those of the libraries below it, which
/// know nothing of secrets.
pub(crate) fn start_log(global: &Global) {
    if !global.verbose {
        return;
    }
    let ours = Targets::new()
        .with_target("larder", LevelFilter::DEBUG)
        .with_target("larder_core", LevelFilter::DEBUG)
        .with_target("larder_testkit", LevelFilter::DEBUG);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    // It fails only if there is a log already.
    let _ = tracing_subscriber::registry().with(lines).with(ours).try_init();
}

/// Where programs of this platform keep the data of their user.
fn default_store() -> Result<PathBuf> {
    let folder = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if let Some(store) = env::var_os("LARDER_STORE").filter(|path| !path.is_empty()) {
        return Ok(PathBuf::from(store));
    }
    let home = || folder("HOME").or_else(|| env::home_dir().filter(|home| home.is_absolute()));
    let below = |home: PathBuf, path: &str| home.join(Path::new(path));
    let data = if cfg!(target_os = "macos") {
        home().map(|home| below(home, "Library/Application Support"))
    } else if cfg!(windows) {
        folder("LOCALAPPDATA").or_else(|| home().map(|home| below(home, "AppData/Local")))
    } else {
        folder("XDG_DATA_HOME").or_else(|| home().map(|home| below(home, ".local/share")))
    };
    data.map(|data| data.join("larder"))
        .ok_or_else(|| Error::new(Code::InvalidArgument, "this user has no data folder: give one with --store"))
}
