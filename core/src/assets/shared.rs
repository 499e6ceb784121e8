//! What all managers over one folder share: the store, the marks of work in progress, and who else has it open.

use std::collections::{HashMap, HashSet};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::cancel::Cancellation;
use crate::error::{Code, Error, Result};
use crate::license::InFlight;
use crate::model::{AssetId, Profile};
use crate::store::{Notice, Store};

/// One store, opened once per process and closed with its last manager.
pub(crate) struct Shared {
    pub(crate) store: Arc<Store>,
    pub(crate) notice: Option<Notice>,
    pub(crate) in_flight: Arc<InFlight>,
    pub(crate) busy: Busy,
    /// Raised by every change, so that managers over this store know when their snapshot is old.
    generation: AtomicU64,
    /// True if no other process had the store open when this one opened it.
    pub(crate) opened_alone: bool,
    // Held for the life of the process's use of the store: others see that somebody is here.
    _presence: Option<File>,
}

impl Shared {
    /// Opens the store in a folder, or joins the managers that already have.
    pub(crate) fn open(dir: &Path) -> Result<Arc<Self>> {
        // Protects the map of open stores; held while one is opened, so that two managers never open one twice. Opening
        // calls no foreign code.
        static OPEN: Mutex<Option<HashMap<PathBuf, Weak<Shared>>>> = Mutex::new(None);
        std::fs::create_dir_all(dir).map_err(|error| folder_error(&error).caused_by(error))?;
        let key = dir.canonicalize().map_err(|error| folder_error(&error).caused_by(error))?;
        let mut guard = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        let open = guard.get_or_insert_default();
        open.retain(|_, shared| shared.strong_count() > 0);
        if let Some(shared) = open.get(&key).and_then(Weak::upgrade) {
            return Ok(shared);
        }
        let (presence, opened_alone) = enter(&key);
        let opened = Store::open(&key)?;
        let shared = Arc::new(Self {
            store: Arc::new(opened.store),
            notice: opened.notice,
            in_flight: Arc::default(),
            busy: Busy::default(),
            generation: AtomicU64::new(0),
            opened_alone,
            _presence: presence,
        });
        open.insert(key, Arc::downgrade(&shared));
        Ok(shared)
    }

    /// Notes a change, whoever made it.
    pub(crate) fn changed(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// A number that grows with every change.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }
}

/// Takes the presence lock: alone if nobody else has it, else together with the others. A file system without locks
/// means that nobody can be seen: then intents of others are told by their age alone.
fn enter(dir: &Path) -> (Option<File>, bool) {
    let Ok(file) = File::options().create(true).truncate(false).write(true).open(dir.join("larder.lock")) else {
        return (None, false);
    };
    let alone = match file.try_lock() {
        Ok(()) => true,
        Err(TryLockError::WouldBlock) => false,
        Err(TryLockError::Error(_)) => return (None, false),
    };
    // From alone to together with whoever comes. The step is not atomic everywhere; the worst case is that two
    // processes which start at the same moment both believe to be alone, and the age of intents protects them.
    match file.lock_shared() {
        Ok(()) => (Some(file), alone),
        Err(_) => (None, false),
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

/// Which assets are being changed: one change at a time for each.
#[derive(Default)]
pub(crate) struct Busy {
    // Protects a set of names; held for one look-up or change, never while an asset is being changed.
    assets: Mutex<HashSet<(Profile, AssetId)>>,
    freed: Condvar,
}

impl Busy {
    /// Waits for the asset and claims it until the guard is dropped. `AssetBusy` after `patience`, `Cancelled` when the
    /// caller no longer wants it.
    pub(crate) fn claim<'a>(
        &'a self,
        profile: &Profile,
        asset_id: &AssetId,
        patience: Duration,
        cancel: &Cancellation,
    ) -> Result<Turn<'a>> {
        let name = (profile.clone(), asset_id.clone());
        let end = Instant::now() + patience;
        let mut assets = self.lock();
        while assets.contains(&name) {
            cancel.check()?;
            if Instant::now() >= end {
                return Err(Error::new(Code::AssetBusy, format!("another call is changing the asset {asset_id}")));
            }
            // Short waits, because a cancellation does not wake this condition.
            let step = Duration::from_millis(50).min(end.saturating_duration_since(Instant::now()));
            (assets, _) = self.freed.wait_timeout(assets, step).unwrap_or_else(PoisonError::into_inner);
        }
        assets.insert(name.clone());
        Ok(Turn { of: self, name })
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<(Profile, AssetId)>> {
        self.assets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Busy::claim`].
pub(crate) struct Turn<'a> {
    of: &'a Busy,
    name: (Profile, AssetId),
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.of.lock().remove(&self.name);
        self.of.freed.notify_all();
    }
}
