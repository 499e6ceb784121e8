//! What a manager is made of. The flows in the files beside this one work on it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, Weak};
use std::time::{Duration, Instant};

use super::clock_guard::ClockGuard;
use super::conditions::Conditions;
use super::paths;
use super::shared::{Shared, Turn};
use super::snapshot::Snapshot;
use super::source_urls::SourceUrls;
use super::types::{Config, Ports, ReconcileReport, StorageRoot};
use crate::cancel::Cancellation;
use crate::error::{Code, Error, Result};
use crate::license::certificates::Certificates;
use crate::license::exchange::ExchangeContext;
use crate::license::{Engines, Licensing, Vault};
use crate::model::{AssetId, Profile};
use crate::net::{Network, RetryPolicy, ServerTime};
use crate::ports::Clock;
use crate::store::{Claim, Store};

/// A manager's inside.
pub(crate) struct Registry {
    pub(crate) config: Config,
    pub(crate) shared: Arc<Shared>,
    pub(crate) licensing: Arc<Licensing>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) clock_guard: ClockGuard,
    pub(crate) source_urls: SourceUrls,
    pub(super) conditions: Conditions,
    // Protects which roots are there; held to copy the pointer or to replace it.
    roots: RwLock<Arc<[StorageRoot]>>,
    // Protects the snapshot; held for a look-up, or while one asset or the whole is read again from the store. No
    // foreign code runs under it.
    snapshot: RwLock<Snapshot>,
    /// Which of the store's generations the snapshot has. Written under the snapshot's lock, and only upwards.
    seen_generation: AtomicU64,
    // What was reconciled and not yet told. Protects two counts; held to add to them or take them.
    unreported: Mutex<ReconcileReport>,
    is_closed: AtomicBool,
}

impl Registry {
    /// Opens the store and reads the profile. Recovery is not done yet.
    pub(crate) fn open(config: Config, ports: Ports) -> Result<Arc<Self>> {
        config.check()?;
        let roots: Arc<[StorageRoot]> = config.roots.as_slice().into();
        let (shared, snapshot) = Shared::open(&config.data_dir, |tx| Snapshot::load(tx, &config.profile, &roots))?;
        let clock_guard = ClockGuard::new(Arc::clone(&ports.clock));
        let store = Arc::clone(&shared.store);
        let timeouts = config.timeouts;
        // The network is made before the registry whose clock guard it reports to.
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
            vault: Vault::new(Arc::clone(&ports.storage), ports.runtime.clone(), timeouts.delegate),
            engines: Engines::new(ports.engines, ports.runtime.clone(), timeouts.engine),
            exchanges: ExchangeContext {
                network: Arc::new(network),
                runtime: ports.runtime.clone(),
                adapter: ports.request_adapter,
                tokens: ports.token_provider,
                delegate_timeout: timeouts.delegate,
                certificates: Certificates::default(),
            },
            clock: Arc::clone(&ports.clock),
            in_flight: Arc::clone(&shared.in_flight),
        });
        let source_urls = SourceUrls::new(ports.source_url_provider, ports.runtime, timeouts.delegate);
        let registry = Arc::new(Self {
            config,
            shared,
            licensing,
            clock: ports.clock,
            clock_guard,
            source_urls,
            conditions: Conditions::default(),
            roots: RwLock::new(roots),
            snapshot: RwLock::new(snapshot),
            // A store that others have changed already is read again at the first look.
            seen_generation: AtomicU64::new(0),
            unreported: Mutex::default(),
            is_closed: AtomicBool::new(false),
        });
        // Set once, here.
        let _ = guard_cell.set(Arc::downgrade(&registry));
        Ok(registry)
    }

    pub(crate) fn store(&self) -> &Store {
        &self.shared.store
    }

    pub(crate) fn unreported(&self) -> MutexGuard<'_, ReconcileReport> {
        self.unreported.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn profile(&self) -> &Profile {
        &self.config.profile
    }

    /// The roots that are there now.
    pub(crate) fn roots(&self) -> Arc<[StorageRoot]> {
        Arc::clone(&self.roots.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes other roots: a volume has come or gone. Every path is found anew at the next look.
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

    /// Claims an asset for a change, in this process and before others, and puts right what a dead one was doing to it.
    pub(crate) fn turn(&self, asset_id: &AssetId, cancel: &Cancellation) -> Result<AssetTurn<'_>> {
        let patience = self.config.timeouts.engine;
        let end = Instant::now() + patience;
        let name = (self.profile().clone(), asset_id.clone());
        let here = self.shared.changing.claim(&name, patience, cancel)?;
        let claim = loop {
            if let Some(claim) = self.store().try_claim(self.profile(), asset_id)? {
                break claim;
            }
            if Instant::now() >= end {
                return Err(Error::new(Code::AssetBusy, "another process is at work on this, and has been for long"));
            }
            // A lock between processes has nothing to wait on.
            cancel.wait(Duration::from_millis(20))?;
        };
        if self.licensing.recover_asset(&claim)? {
            self.changed(asset_id)?;
        }
        Ok(AssetTurn { _claim: claim, _here: here })
    }

    /// The snapshot, read again if another manager of this process has changed something.
    pub(crate) fn view(&self) -> Result<RwLockReadGuard<'_, Snapshot>> {
        let generation = self.shared.generation();
        if self.seen_generation.load(Ordering::Acquire) != generation {
            self.reload_all(generation)?;
        }
        Ok(self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// As [`view`](Self::view), after looking whether another process has changed something.
    pub(crate) fn fresh_view(&self) -> Result<RwLockReadGuard<'_, Snapshot>> {
        if self.store().changed_elsewhere()? {
            self.shared.changed();
        }
        self.view()
    }

    fn reload_all(&self, generation: u64) -> Result<()> {
        let snapshot = self.store().read(|tx| Snapshot::load(tx, self.profile(), &self.roots()))?;
        let mut current = self.snapshot.write().unwrap_or_else(PoisonError::into_inner);
        // While it was read somebody may have taken in what came after it: the newer one stays.
        if self.seen_generation.load(Ordering::Acquire) < generation {
            *current = snapshot;
            self.seen_generation.store(generation, Ordering::Release);
        }
        Ok(())
    }

    /// Takes a change of ours to one asset into the snapshot, and tells the other managers.
    pub(crate) fn changed(&self, asset_id: &AssetId) -> Result<()> {
        let mut snapshot = self.snapshot.write().unwrap_or_else(PoisonError::into_inner);
        let before = self.shared.changed();
        if self.seen_generation.load(Ordering::Acquire) != before {
            // Others have changed something, too: the next look reads everything.
            return Ok(());
        }
        self.store().read(|tx| snapshot.reload(tx, self.profile(), asset_id, &self.roots()))?;
        self.seen_generation.store(before + 1, Ordering::Release);
        Ok(())
    }

    /// The stored form of a path that the app gave, to look it up by.
    pub(crate) fn stored_path(&self, path: &Path) -> Result<crate::store::StoredPath> {
        paths::to_stored(path, None, &self.roots())
    }

    fn take_server_time(&self, time: ServerTime) {
        if let Err(error) = self.clock_guard.confirm(self.store(), time) {
            tracing::warn!(code = %error.code(), "a server's clock was not taken into account");
        }
    }
}

/// See [`Registry::turn`]. Given back in this order: who waits in this process then finds the asset free.
pub(crate) struct AssetTurn<'a> {
    _claim: Claim,
    _here: Turn<'a, (Profile, AssetId)>,
}

/// The default policy, with the app's own timeout for one request. The engine's time limits the whole.
fn retry_policy(timeout: Duration) -> RetryPolicy {
    let attempt_timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
    let default = RetryPolicy::default();
    RetryPolicy { attempt_timeout_ms, deadline_ms: default.deadline_ms.max(attempt_timeout_ms), ..default }
}
