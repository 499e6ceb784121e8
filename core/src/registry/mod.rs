//! The state that every flow of a manager works on. The flows themselves are in [`assets`](crate::assets), above.
//!
//! | file | what |
//! |---|---|
//! | `config` | the settings and the objects that a manager is made of |
//! | `shared` | the state that all managers over one folder share |
//! | `locks` | one lock per asset, in this process and across processes |
//! | `snapshot`, `cached_asset` | the registrations in memory, which look-ups and statuses are answered from |
//! | `paths` | media paths, stored relative to named roots |
//! | `clock_guard` | notices a device clock that was set back |
//! | `conditions` | the device conditions that the platform reported |
//! | `source_urls` | the app's source URL provider and the mode of the registry beside it |

mod cached_asset;
mod clock_guard;
mod conditions;
mod config;
mod locks;
pub(crate) mod paths;
mod shared;
mod snapshot;
mod source_urls;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, Weak};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use self::clock_guard::ClockGuard;
use self::conditions::Conditions;
use self::locks::AssetGuard;
use self::shared::Shared;
use self::source_urls::SourceUrls;
use crate::cancel::Cancellation;
use crate::error::{Code, Error, Result};
use crate::license::certificates::Certificates;
use crate::license::exchange::{ExchangeContext, check_params};
use crate::license::{Engines, Licensing, SecretStore};
use crate::manifest::LocalMedia;
use crate::model::{AssetId, DrmParams, LicenseState, Profile, ReconcileReport, StorageRoot};
use crate::net::{Network, RetryPolicy, ServerTime};
use crate::ports::{DeviceConditions, EventDispatcher, Executors, NetworkState};
use crate::store::{AssetRow, AssetState, LicenseRow, Notice, Store, StoredPath};

pub(crate) use self::cached_asset::CachedAsset;
pub use self::config::{Config, Ports, Timeouts};
pub(crate) use self::snapshot::Snapshot;

/// The inside of one manager.
pub(crate) struct Registry {
    pub(crate) config: Config,
    pub(crate) licensing: Arc<Licensing>,
    pub(crate) source_urls: SourceUrls,
    pub(crate) shared: Arc<Shared>,
    clock_guard: ClockGuard,
    conditions: Conditions,
    // Protects the current roots; held to copy the pointer or to replace it.
    roots: RwLock<Arc<[StorageRoot]>>,
    // Protects the snapshot; held for a look-up, or while one asset or the whole profile is read from the store. No
    // foreign code runs under it.
    snapshot: RwLock<Snapshot>,
    /// The generation of the shared state that the snapshot has. Written under the snapshot's lock; it only grows.
    seen_generation: AtomicU64,
    // The reconciliation that was done and not yet reported to the app. Protects two counts; held to add or take them.
    unreported: Mutex<ReconcileReport>,
    is_closed: AtomicBool,
    /// Runs the work that no caller waits for.
    background: Handle,
    /// Delivers events to the app; `None` if it takes none.
    events: Option<EventDispatcher>,
}

impl Registry {
    /// Opens the store and reads the profile. Does not run recovery.
    pub(crate) fn open(config: Config, ports: Ports) -> Result<Arc<Self>> {
        config.check()?;
        let roots: Arc<[StorageRoot]> = config.roots.as_slice().into();
        let (shared, snapshot) = Shared::open(&config.data_dir, |tx| Snapshot::load(tx, &config.profile, &roots))?;
        let store = Arc::clone(&shared.store);
        let timeouts = config.timeouts;
        let Executors { foreign, background } = ports.executors;
        let events = ports.event_sink.map(EventDispatcher::start).transpose()?;
        // The network is made first, and reports server times to the clock guard of the registry that is made after it.
        let guard_cell: Arc<OnceLock<Weak<Self>>> = Arc::default();
        let reports_to = Arc::clone(&guard_cell);
        let network = Network::new(Arc::clone(&ports.http), retry_policy(timeouts.network)).with_server_time(Arc::new(
            move |time| {
                if let Some(registry) = reports_to.get().and_then(Weak::upgrade) {
                    registry.take_server_time(time);
                }
            },
        ));
        network.set_state(config.network);
        let licensing = Arc::new(Licensing {
            store: Arc::clone(&store),
            secret_store: SecretStore::new(Arc::clone(&ports.storage), foreign.clone(), timeouts.delegate),
            engines: Engines::new(ports.engines, foreign.clone(), timeouts.engine),
            exchanges: ExchangeContext {
                network: Arc::new(network),
                runtime: foreign.clone(),
                adapter: ports.request_adapter,
                tokens: ports.token_provider,
                delegate_timeout: timeouts.delegate,
                certificates: Certificates::default(),
            },
            clock: Arc::clone(&ports.clock),
            in_flight: Arc::clone(&shared.in_flight),
        });
        let source_urls = SourceUrls::new(ports.source_url_provider, foreign, timeouts.delegate);
        let registry = Arc::new(Self {
            config,
            shared,
            licensing,
            clock_guard: ClockGuard::new(ports.clock),
            source_urls,
            conditions: Conditions::default(),
            roots: RwLock::new(roots),
            snapshot: RwLock::new(snapshot),
            // If other managers have changed the store since it was opened, the first look-up reads it again.
            seen_generation: AtomicU64::new(0),
            unreported: Mutex::default(),
            is_closed: AtomicBool::new(false),
            background,
            events,
        });
        // The only place that sets the cell.
        let _ = guard_cell.set(Arc::downgrade(&registry));
        Ok(registry)
    }

    pub(crate) fn store(&self) -> &Store {
        &self.shared.store
    }

    /// Returns the reconciliation that was done and not yet reported.
    pub(crate) fn unreported(&self) -> MutexGuard<'_, ReconcileReport> {
        self.unreported.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn profile(&self) -> &Profile {
        &self.config.profile
    }

    /// Returns the current roots.
    pub(crate) fn roots(&self) -> Arc<[StorageRoot]> {
        Arc::clone(&self.roots.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the roots after a volume was mounted or removed. The next look-up resolves every path again.
    ///
    /// Fails with `InvalidArgument` or `RelativePath`.
    pub(crate) fn set_roots(&self, roots: &[StorageRoot]) -> Result<()> {
        paths::check_roots(roots)?;
        let mut current = self.roots.write().unwrap_or_else(PoisonError::into_inner);
        if **current == *roots {
            return Ok(());
        }
        *current = roots.into();
        drop(current);
        self.shared.changed();
        Ok(())
    }

    /// Fails with `Closed` once the manager is closed.
    pub(crate) fn check_open(&self) -> Result<()> {
        if self.is_closed.load(Ordering::Acquire) {
            return Err(Error::new(Code::Closed, "the manager was closed"));
        }
        Ok(())
    }

    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
    }

    /// Locks an asset for a change, in this process and across processes. Then recovers the state that a dead process
    /// left of it.
    ///
    /// Fails with `AssetBusy` if the asset is not free in time, and with `Cancelled` if the caller cancels.
    pub(crate) fn lock_asset(&self, asset_id: &AssetId, cancel: &Cancellation) -> Result<AssetGuard<'_>> {
        let timeout = self.config.timeouts.engine;
        let end = Instant::now() + timeout;
        let name = (self.profile().clone(), asset_id.clone());
        let in_process = self.shared.assets.lock(&name, timeout, cancel)?;
        let between_processes = loop {
            if let Some(lock) = self.store().try_lock_asset(self.profile(), asset_id)? {
                break lock;
            }
            if Instant::now() >= end {
                return Err(locks::busy("another process", "changing this asset", timeout));
            }
            // There is no way to wait for a lock between processes but to try it again.
            cancel.wait(Duration::from_millis(20))?;
        };
        if self.licensing.recover_asset(&between_processes)? {
            self.changed(asset_id)?;
        }
        Ok(AssetGuard { _between_processes: between_processes, _in_process: in_process })
    }

    /// Returns the snapshot, after reading it again if another manager of this process has changed something.
    pub(crate) fn view(&self) -> Result<RwLockReadGuard<'_, Snapshot>> {
        let generation = self.shared.generation();
        if self.seen_generation.load(Ordering::Acquire) != generation {
            self.reload_all(generation)?;
        }
        Ok(self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// As [`view`](Self::view), and also reads again if another process has changed something.
    pub(crate) fn fresh_view(&self) -> Result<RwLockReadGuard<'_, Snapshot>> {
        if self.store().changed_elsewhere()? {
            self.shared.changed();
        }
        self.view()
    }

    fn reload_all(&self, generation: u64) -> Result<()> {
        let snapshot = self.store().read(|tx| Snapshot::load(tx, self.profile(), &self.roots()))?;
        let mut current = self.snapshot.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have loaded a newer snapshot while this one was read: the newer one stays.
        if self.seen_generation.load(Ordering::Acquire) < generation {
            *current = snapshot;
            self.seen_generation.store(generation, Ordering::Release);
        }
        Ok(())
    }

    /// Publishes a change to one asset: updates the snapshot, marks those of other managers as old, and adds an event.
    pub(crate) fn changed(&self, asset_id: &AssetId) -> Result<()> {
        self.reload(asset_id)?;
        if let Some(events) = &self.events {
            events.changed(asset_id);
        }
        Ok(())
    }

    fn reload(&self, asset_id: &AssetId) -> Result<()> {
        let mut snapshot = self.snapshot.write().unwrap_or_else(PoisonError::into_inner);
        let before = self.shared.changed();
        if self.seen_generation.load(Ordering::Acquire) != before {
            // Another manager has changed something, too: the next look-up reads the whole profile.
            return Ok(());
        }
        self.store().read(|tx| snapshot.reload(tx, self.profile(), asset_id, &self.roots()))?;
        self.seen_generation.store(before + 1, Ordering::Release);
        Ok(())
    }

    /// Returns the stored form of a path that the app gave, for look-ups.
    pub(crate) fn stored_path(&self, path: &Path) -> Result<StoredPath> {
        paths::to_stored(path, None, &self.roots())
    }

    /// Returns the stored form of the path that an asset is registered with, and of the manifest below it.
    pub(crate) fn locate(&self, path: &Path, media: &LocalMedia) -> Result<StoredPath> {
        let manifest = media.manifest.strip_prefix(path).ok().filter(|manifest| !manifest.as_os_str().is_empty());
        paths::to_stored(path, manifest, &self.roots())
    }

    /// Returns the row of a registered asset. Fails with `AssetNotFound`.
    pub(crate) fn registered_row(&self, asset_id: &AssetId) -> Result<AssetRow> {
        let row = self.store().read(|tx| tx.asset(self.profile(), asset_id))?;
        row.filter(|row| row.state == AssetState::Registered).ok_or_else(|| not_found(asset_id))
    }

    /// Returns the rows of an asset's active licenses.
    pub(crate) fn active_rows(&self, asset_id: &AssetId) -> Result<Vec<LicenseRow>> {
        let rows = self.store().read(|tx| tx.licenses_of(self.profile(), asset_id))?;
        Ok(rows.into_iter().filter(|row| row.state == LicenseState::Active).collect())
    }

    /// Fails early where a license request cannot succeed: with `UrlInvalid` or `DrmParamsMissing` for a bad URL, and
    /// with `Offline` while the network state is `Offline`.
    pub(crate) fn check_reachable(&self, params: &DrmParams) -> Result<()> {
        check_params(params)?;
        if self.network_state() == NetworkState::Offline {
            let message = "a license is needed, but the network state is Offline; nothing was changed";
            return Err(Error::new(Code::Offline, message));
        }
        Ok(())
    }

    /// Runs `work` on the background executor, unless the manager has been dropped by then. Hanging foreign calls do
    /// not keep it from starting.
    pub(crate) fn run_in_background(self: &Arc<Self>, work: impl FnOnce(&Arc<Self>) + Send + 'static) {
        let registry = Arc::downgrade(self);
        drop(self.background.spawn_blocking(move || {
            if let Some(registry) = registry.upgrade() {
                work(&registry);
            }
        }));
    }

    /// Returns the device's time, in milliseconds since 1970-01-01 UTC.
    pub(crate) fn now_ms(&self) -> i64 {
        self.clock_guard.now_ms()
    }

    /// Reads the clock and tells whether it was set back, see [`ClockGuard::observe`].
    pub(crate) fn observe_clock(&self) -> Result<bool> {
        self.clock_guard.observe(self.store())
    }

    /// Returns the notice of opening the store, if there is one.
    pub(crate) fn notice(&self) -> Option<&Notice> {
        self.shared.notice.as_ref()
    }

    /// Returns the network state that every request obeys.
    pub(crate) fn network_state(&self) -> NetworkState {
        self.licensing.network().state()
    }

    /// Sets the network state. Returns the previous one.
    pub(crate) fn set_network_state(&self, state: NetworkState) -> NetworkState {
        let before = self.network_state();
        self.licensing.network().set_state(state);
        before
    }

    /// Returns the conditions that the platform last reported, with the current network state.
    pub(crate) fn conditions(&self) -> DeviceConditions {
        DeviceConditions { network: self.network_state(), ..self.conditions.get() }
    }

    /// Stores a report of the platform, without its network state: see [`set_network_state`](Self::set_network_state).
    pub(crate) fn set_conditions(&self, conditions: DeviceConditions) {
        self.conditions.set(conditions);
    }

    /// Returns the number of requests made so far, including retries and redirects.
    pub(crate) fn requests_made(&self) -> u64 {
        self.licensing.network().requests_made()
    }

    fn take_server_time(&self, time: ServerTime) {
        if let Err(error) = self.clock_guard.confirm(self.store(), time) {
            tracing::warn!(code = %error.code(), "clock confirmation failed");
        }
    }
}

/// Returns the error for an asset that is not registered.
pub(crate) fn not_found(asset_id: &AssetId) -> Error {
    Error::new(Code::AssetNotFound, format!("no asset {asset_id} is registered in this profile"))
}

/// Returns the default policy with the app's timeout for one request. The engine's timeout limits the call as a whole.
fn retry_policy(timeout: Duration) -> RetryPolicy {
    let attempt_timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
    let default = RetryPolicy::default();
    RetryPolicy { attempt_timeout_ms, deadline_ms: default.deadline_ms.max(attempt_timeout_ms), ..default }
}
