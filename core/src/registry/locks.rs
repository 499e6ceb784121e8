//! Locks that are held for as long as a flow works on one thing, in this process and across processes.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::cancel::Cancellation;
use crate::error::{Code, Error, Result};
use crate::model::{AssetId, Profile};
use crate::store::AssetLock;

/// One lock per name. Unlike a mutex, such a lock may be held while foreign code runs: waiting for it is bounded in
/// time and can be cancelled.
pub(crate) struct NamedLocks<K> {
    // Protects the set of locked names; held for one look-up or change.
    locked: Mutex<HashSet<K>>,
    released: Condvar,
    /// The work that is done under such a lock, for the error of a call that waits too long.
    work: &'static str,
}

impl<K: Clone + Eq + Hash> NamedLocks<K> {
    pub(super) fn new(work: &'static str) -> Self {
        Self { locked: Mutex::default(), released: Condvar::new(), work }
    }

    /// Waits for the lock of a name and takes it until the guard is dropped.
    ///
    /// Fails with `AssetBusy` after `timeout`, and with `Cancelled` when the caller cancels.
    pub(crate) fn lock(&self, name: &K, timeout: Duration, cancel: &Cancellation) -> Result<NamedLock<'_, K>> {
        let end = Instant::now() + timeout;
        let mut locked = self.names();
        while locked.contains(name) {
            cancel.check()?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(busy("another call", self.work, timeout));
            }
            // Short waits, because a cancellation does not wake this condition.
            let step = Duration::from_millis(50).min(left);
            (locked, _) = self.released.wait_timeout(locked, step).unwrap_or_else(PoisonError::into_inner);
        }
        locked.insert(name.clone());
        Ok(NamedLock { locks: self, name: name.clone() })
    }

    fn names(&self) -> MutexGuard<'_, HashSet<K>> {
        self.locked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The guard of one name, see [`NamedLocks::lock`].
pub(crate) struct NamedLock<'a, K: Clone + Eq + Hash> {
    locks: &'a NamedLocks<K>,
    name: K,
}

impl<K: Clone + Eq + Hash> Drop for NamedLock<'_, K> {
    fn drop(&mut self) {
        self.locks.names().remove(&self.name);
        self.locks.released.notify_all();
    }
}

/// The guard of one asset, see [`Registry::lock_asset`](super::Registry::lock_asset).
///
/// Dropped in the order of the fields: the lock between processes first, so that a call of this process that waits for
/// the second one finds the first one free.
pub(crate) struct AssetGuard<'a> {
    pub(super) _between_processes: AssetLock,
    pub(super) _in_process: NamedLock<'a, (Profile, AssetId)>,
}

/// The error for a lock that was not free in time.
pub(super) fn busy(holder: &str, work: &str, timeout: Duration) -> Error {
    Error::new(Code::AssetBusy, format!("{holder} was still {work} after {timeout:?}; retry later"))
}
