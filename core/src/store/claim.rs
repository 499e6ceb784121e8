//! Claims: who is at work on an asset for longer than one step, in this process or another.
//!
//! A registration waits for a server between its first step and its last. A claim keeps others away from the asset
//! meanwhile: it is a locked file in the store's folder, and the system gives the lock back when its process dies.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::lock::{FileLock, Mode};
use super::{Store, failure};
use crate::error::{Code, Error, Result};
use crate::model::{AssetId, Profile};

const PREFIX: &str = "larder.claim-";

/// The right to change one asset. Given back when dropped.
#[derive(Debug)]
pub struct Claim {
    profile: Profile,
    asset_id: AssetId,
    /// `None` on a disk so full that not even an empty file can be made: something must still be deleted.
    held: Option<(PathBuf, FileLock)>,
}

impl Claim {
    /// Whose asset it is.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The asset.
    pub fn asset_id(&self) -> &AssetId {
        &self.asset_id
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Still locked: whoever has opened it meanwhile finds it gone and makes another.
        if let Some((file, _)) = &self.held {
            let _ = fs::remove_file(file);
        }
    }
}

impl Store {
    /// Claims an asset; `None` while somebody else has it. It need not be registered.
    ///
    /// [`Code::StoreReadOnly`] if the file was written by a newer Larder.
    pub fn try_claim(&self, profile: &Profile, asset_id: &AssetId) -> Result<Option<Claim>> {
        if self.is_read_only() {
            return Err(Error::new(
                Code::StoreReadOnly,
                "the database was written by a newer Larder, which alone can change it",
            ));
        }
        let claim = |held| Claim { profile: profile.clone(), asset_id: asset_id.clone(), held };
        let file = file_of(&self.dir, profile, asset_id);
        loop {
            match FileLock::try_lock(&file, Mode::Exclusive) {
                Ok(Some(lock)) if lock.is_at(&file) => return Ok(Some(claim(Some((file, lock))))),
                // The one who had it has just removed it.
                Ok(Some(_)) => {}
                Ok(None) => return Ok(None),
                Err(error) if failure::is_full(&error) => return Ok(Some(claim(None))),
                Err(error) => return Err(failure::file("the asset cannot be claimed")(error)),
            }
        }
    }
}

/// Removes the files that killed processes have left.
pub(super) fn sweep(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let is_claim = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        if is_claim
            && let Ok(Some(lock)) = FileLock::try_lock_existing(&entry.path(), Mode::Exclusive)
            && lock.is_at(&entry.path())
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// By a digest: an id never becomes a path.
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

    fn files(dir: &Path) -> usize {
        let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_str().unwrap().starts_with(PREFIX)).count()
    }

    #[test]
    fn an_asset_is_claimed_by_one_store_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let [one, two] = [(); 2].map(|()| Store::open(dir.path()).unwrap().store);
        let nobody = Profile::default();
        let claim = one.try_claim(&nobody, &id("a")).unwrap().unwrap();
        assert!(two.try_claim(&nobody, &id("a")).unwrap().is_none());
        assert!(one.try_claim(&nobody, &id("a")).unwrap().is_none(), "nor twice by the same");
        let eve = Profile::new("eve").unwrap();
        let others = [two.try_claim(&nobody, &id("b")).unwrap(), two.try_claim(&eve, &id("a")).unwrap()];
        assert!(others.iter().all(Option::is_some), "other assets are free");
        drop(claim);
        assert!(two.try_claim(&nobody, &id("a")).unwrap().is_some());
        drop(others);
        assert_eq!(files(dir.path()), 0);
    }

    #[test]
    fn what_a_killed_process_leaves_behind_is_swept_and_what_is_held_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap().store;
        let _held = store.try_claim(&Profile::default(), &id("a")).unwrap().unwrap();
        fs::write(dir.path().join(format!("{PREFIX}{}", "0".repeat(32))), "").unwrap();
        sweep(dir.path());
        assert_eq!(files(dir.path()), 1);
        assert!(store.try_claim(&Profile::default(), &id("a")).unwrap().is_none());
    }

    /// As many at once as a test can have: every change of hands removes the file that others wait for.
    #[test]
    fn a_claim_that_changes_hands_is_never_held_twice() {
        use std::sync::atomic::{AtomicU32, Ordering};
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap().store;
        let (holders, claims) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while claims.load(Ordering::SeqCst) < 2000 {
                        let Some(_claim) = store.try_claim(&Profile::default(), &id("a")).unwrap() else { continue };
                        assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0);
                        claims.fetch_add(1, Ordering::SeqCst);
                        holders.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
    }
}
