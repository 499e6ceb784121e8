//! The lock that a call holds on one asset for longer than one transaction, in this process and across processes.
//!
//! A registration waits for a license server between its first transaction and its last. Meanwhile its lock keeps other
//! processes away from the asset. The lock is a locked file in the store's folder, which the system unlocks when the
//! process dies.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::file_lock::{FileLock, Mode};
use super::{Store, failure};
use crate::error::Result;
use crate::model::{AssetId, Profile};

const PREFIX: &str = "larder.asset-";

/// The right to change one asset. Dropping it unlocks the asset.
#[derive(Debug)]
pub struct AssetLock {
    profile: Profile,
    asset_id: AssetId,
    /// `None` on a disk so full that not even an empty file can be created: deleting must still work.
    held: Option<(PathBuf, FileLock)>,
}

impl AssetLock {
    /// Returns the profile that the asset belongs to.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Returns the asset.
    pub fn asset_id(&self) -> &AssetId {
        &self.asset_id
    }
}

impl Drop for AssetLock {
    fn drop(&mut self) {
        // The file is removed while it is locked. A process that has opened it in the meantime finds that the path does
        // not name its file any more, and creates another one.
        if let Some((file, _)) = &self.held {
            let _ = fs::remove_file(file);
        }
    }
}

impl Store {
    /// Locks an asset, which need not be registered. Returns `None` while another call or process holds the lock.
    ///
    /// [`Code::StoreReadOnly`](crate::Code::StoreReadOnly) if the file was written by a newer Larder.
    pub fn try_lock_asset(&self, profile: &Profile, asset_id: &AssetId) -> Result<Option<AssetLock>> {
        self.check_writable()?;
        let lock = |held| AssetLock { profile: profile.clone(), asset_id: asset_id.clone(), held };
        let file = file_of(&self.dir, profile, asset_id);
        loop {
            match FileLock::try_lock(&file, Mode::Exclusive) {
                Ok(Some(held)) if held.is_at(&file) => return Ok(Some(lock(Some((file, held))))),
                // The last holder has just removed the file.
                Ok(Some(_)) => {}
                Ok(None) => return Ok(None),
                Err(error) if failure::is_full(&error) => return Ok(Some(lock(None))),
                Err(error) => return Err(failure::file("locking the asset")(error)),
            }
        }
    }
}

/// Removes the files that killed processes have left.
pub(super) fn remove_stale(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let is_asset_lock = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        if is_asset_lock
            && let Ok(Some(lock)) = FileLock::try_lock_existing(&entry.path(), Mode::Exclusive)
            && lock.is_at(&entry.path())
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Names the file by a digest, because an asset id never becomes a path.
fn file_of(dir: &Path, profile: &Profile, asset_id: &AssetId) -> PathBuf {
    let mut digest = Sha256::new();
    digest.update((profile.as_str().len() as u64).to_be_bytes());
    digest.update(profile.as_str());
    digest.update(asset_id.as_str());
    let digest = digest.finalize();
    let name: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    dir.join(format!("{PREFIX}{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> AssetId {
        AssetId::new(text).unwrap()
    }

    fn count_files(dir: &Path) -> usize {
        let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_str().unwrap().starts_with(PREFIX)).count()
    }

    #[test]
    fn an_asset_is_locked_by_one_store_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let [one, two] = [(); 2].map(|()| Store::open(dir.path()).unwrap().store);
        let default = Profile::default();
        let lock = one.try_lock_asset(&default, &id("a")).unwrap().unwrap();
        assert!(two.try_lock_asset(&default, &id("a")).unwrap().is_none());
        assert!(one.try_lock_asset(&default, &id("a")).unwrap().is_none(), "nor twice by the same store");
        let eve = Profile::new("eve").unwrap();
        let others = [two.try_lock_asset(&default, &id("b")).unwrap(), two.try_lock_asset(&eve, &id("a")).unwrap()];
        assert!(others.iter().all(Option::is_some), "other assets are free");
        drop(lock);
        assert!(two.try_lock_asset(&default, &id("a")).unwrap().is_some());
        drop(others);
        assert_eq!(count_files(dir.path()), 0);
    }

    #[test]
    fn the_file_of_a_killed_process_is_removed_and_a_held_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap().store;
        let _held = store.try_lock_asset(&Profile::default(), &id("a")).unwrap().unwrap();
        fs::write(dir.path().join(format!("{PREFIX}{}", "0".repeat(32))), "").unwrap();
        remove_stale(dir.path());
        assert_eq!(count_files(dir.path()), 1);
        assert!(store.try_lock_asset(&Profile::default(), &id("a")).unwrap().is_none());
    }

    /// Each unlock removes the file that the other threads are trying to lock.
    #[test]
    fn a_lock_that_changes_hands_is_never_held_twice() {
        use std::sync::atomic::{AtomicU32, Ordering};
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap().store;
        let (holders, locked) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while locked.load(Ordering::SeqCst) < 2000 {
                        let Some(_lock) = store.try_lock_asset(&Profile::default(), &id("a")).unwrap() else {
                            continue;
                        };
                        assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0);
                        locked.fetch_add(1, Ordering::SeqCst);
                        holders.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
    }
}
