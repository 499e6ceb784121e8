//! The state that all managers over one folder share: the store, and the locks of the work in progress.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::locks::NamedLocks;
use crate::error::{Code, Error, Result};
use crate::license::InFlight;
use crate::model::{AssetId, Profile};
use crate::store::{Notice, ReadTx, Store};

/// One store, opened once per process and closed with its last manager.
pub(crate) struct Shared {
    pub(crate) store: Arc<Store>,
    pub(crate) notice: Option<Notice>,
    pub(crate) in_flight: Arc<InFlight>,
    /// Held while a flow changes an asset.
    pub(crate) assets: NamedLocks<(Profile, AssetId)>,
    /// Held while one manager reconciles.
    pub(crate) reconciling: NamedLocks<()>,
    /// Raised by every change, so that managers over this store know when their snapshot is stale.
    generation: AtomicU64,
}

impl Shared {
    /// Opens the store in a folder, or joins the managers that have opened it already, and reads from it with `read`.
    pub(crate) fn open<T>(dir: &Path, read: impl Fn(&ReadTx<'_>) -> Result<T>) -> Result<(Arc<Self>, T)> {
        // Protects the map of open stores; held while a store is opened, so that two managers never open one twice.
        // Opening calls no foreign code.
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
            assets: NamedLocks::new("changing this asset"),
            reconciling: NamedLocks::new("reconciling"),
            generation: AtomicU64::new(0),
        });
        open.insert(key, Arc::downgrade(&shared));
        Ok((shared, value))
    }

    /// Notes that a manager has changed something. Returns the generation before the change.
    pub(crate) fn changed(&self) -> u64 {
        self.generation.fetch_add(1, Ordering::AcqRel)
    }

    /// Returns a number that grows with every change.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }
}

fn folder_error(error: &std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            Error::new(Code::DiskFull, "the disk is full: cannot create the folder of the database; free space")
        }
        _ => Error::new(Code::StoreUnavailable, "cannot create or read the folder of the database"),
    }
}
