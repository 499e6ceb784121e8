//! What all managers over one folder share: the store, and the marks of work in progress.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::cancel::Cancellation;
use crate::error::{Code, Error, Result};
use crate::license::InFlight;
use crate::model::{AssetId, Profile};
use crate::store::{Notice, ReadTx, Store};

/// One store, opened once per process and closed with its last manager.
pub(crate) struct Shared {
    pub(crate) store: Arc<Store>,
    pub(crate) notice: Option<Notice>,
    pub(crate) in_flight: Arc<InFlight>,
    /// One change at a time for each asset.
    pub(crate) changing: Busy<(Profile, AssetId)>,
    /// One reconciling at a time.
    pub(crate) reconciling: Busy<()>,
    /// Raised by every change, so that managers over this store know when their snapshot is old.
    generation: AtomicU64,
}

impl Shared {
    /// Opens the store in a folder, or joins the managers that already have; reads from it what the caller wants.
    pub(crate) fn open<T>(dir: &Path, read: impl Fn(&ReadTx<'_>) -> Result<T>) -> Result<(Arc<Self>, T)> {
        // Protects the map of open stores; held while one is opened, so that two managers never open one twice. Opening
        // calls no foreign code.
        static OPEN: Mutex<Option<HashMap<PathBuf, Weak<Shared>>>> = Mutex::new(None);
        std::fs::create_dir_all(dir).map_err(|error| folder_error(&error).caused_by(error))?;
        let key = dir.canonicalize().map_err(|error| folder_error(&error).caused_by(error))?;
        let mut guard = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        let open = guard.get_or_insert_default();
        open.retain(|_, shared| shared.strong_count() > 0);
        if let Some(shared) = open.get(&key).and_then(Weak::upgrade) {
            drop(guard);
            let value = shared.store.read(read)?;
            return Ok((shared, value));
        }
        let (opened, value) = Store::open_and_read(&key, read)?;
        let shared = Arc::new(Self {
            store: Arc::new(opened.store),
            notice: opened.notice,
            in_flight: Arc::default(),
            changing: Busy::default(),
            reconciling: Busy::default(),
            generation: AtomicU64::new(0),
        });
        open.insert(key, Arc::downgrade(&shared));
        Ok((shared, value))
    }

    /// Notes a change, whoever made it. Returns the generation before it.
    pub(crate) fn changed(&self) -> u64 {
        self.generation.fetch_add(1, Ordering::AcqRel)
    }

    /// A number that grows with every change.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }
}

fn folder_error(error: &std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            Error::new(Code::DiskFull, "the disk is full: the database's folder cannot be made")
        }
        _ => Error::new(Code::StoreUnavailable, "the database's folder cannot be made or read"),
    }
}

/// What is being worked on: each thing by one at a time. Not a lock: foreign code may run while something is claimed.
pub(crate) struct Busy<K> {
    // Protects a set of names; held for one look-up or change.
    claimed: Mutex<HashSet<K>>,
    freed: Condvar,
}

impl<K> Default for Busy<K> {
    fn default() -> Self {
        Self { claimed: Mutex::default(), freed: Condvar::new() }
    }
}

impl<K: Clone + Eq + Hash> Busy<K> {
    /// Waits for a thing and claims it until the guard is dropped. `AssetBusy` after `patience`, `Cancelled` when the
    /// caller no longer wants it.
    pub(crate) fn claim(&self, name: &K, patience: Duration, cancel: &Cancellation) -> Result<Turn<'_, K>> {
        let end = Instant::now() + patience;
        let mut claimed = self.lock();
        while claimed.contains(name) {
            cancel.check()?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::new(Code::AssetBusy, "another call is at work on this, and has been for long"));
            }
            // Short waits, because a cancellation does not wake this condition.
            let step = Duration::from_millis(50).min(left);
            (claimed, _) = self.freed.wait_timeout(claimed, step).unwrap_or_else(PoisonError::into_inner);
        }
        claimed.insert(name.clone());
        Ok(Turn { of: self, name: name.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<K>> {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Busy::claim`].
pub(crate) struct Turn<'a, K: Clone + Eq + Hash> {
    of: &'a Busy<K>,
    name: K,
}

impl<K: Clone + Eq + Hash> Drop for Turn<'_, K> {
    fn drop(&mut self) {
        self.of.lock().remove(&self.name);
        self.of.freed.notify_all();
    }
}
