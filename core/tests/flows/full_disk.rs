//! A disk that is full just when something has been granted: it is given back, or kept, and never lost.
//!
//! The disk is a small one of its own, which only root can make; for others these tests are nothing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use crate::test_device::{TestDevice, id, reconcile_all, register};
use larder_core::assets::{LocalAssetsManager, Ports, Refresh};
use larder_core::model::{PlayabilityReason, RenewalPolicy};
use larder_core::ports::LocalDrmStorage;
use larder_core::{Cancellation, Code, Result};
use larder_testkit::ScriptedStorage;
use larder_testkit::cdm::{Call, Moment, Trouble};

struct Disk(PathBuf);

impl Disk {
    /// Puts a disk under the database.
    fn below(device: &TestDevice) -> Option<Self> {
        fs::create_dir_all(device.data_dir()).unwrap();
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(device.data_dir()).output();
        let is_mounted = mounted.is_ok_and(|output| output.status.success());
        if !is_mounted {
            say_that_nothing_is_tested();
        }
        is_mounted.then(|| Self(device.data_dir()))
    }
}

#[expect(clippy::print_stderr, reason = "a test that tests nothing says so")]
fn say_that_nothing_is_tested() {
    eprintln!("a full disk is NOT tested: only root can mount a small one");
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn fill(disk: &Path) {
    let mut filler = fs::File::create(disk.join("filler")).unwrap();
    while filler.write_all(&[1; 4096]).is_ok() {}
}

/// A storage elsewhere; the disk is full once it has been asked to save.
struct FillsTheDisk {
    storage: Arc<ScriptedStorage>,
    disk: PathBuf,
}

impl LocalDrmStorage for FillsTheDisk {
    fn save(&self, key: &str, value: &[u8]) -> Result<()> {
        self.storage.save(key, value)?;
        fill(&self.disk);
        Ok(())
    }

    fn load(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.storage.load(key)
    }

    fn remove(&self, key: &str) -> Result<()> {
        self.storage.remove(key)
    }
}

fn start(device: &TestDevice) -> LocalAssetsManager {
    let storage = Arc::new(FillsTheDisk { storage: Arc::clone(&device.storage), disk: device.data_dir() });
    LocalAssetsManager::open(device.config(), Ports { storage, ..device.ports() }).unwrap()
}

#[test]
fn a_license_that_the_full_ledger_cannot_take_goes_back() {
    let device = TestDevice::new();
    let Some(disk) = Disk::below(&device) else { return };
    let manager = start(&device);
    // Not at once, either: it has to be remembered.
    device.widevine.script().plan(Call::Release, Moment::Start, Trouble::Fail(Code::CdmBusy), 1);
    let error = register(&manager, device.widevine("film", RenewalPolicy::default())).unwrap_err();
    assert_eq!(error.code(), Code::DiskFull, "{error}");
    reconcile_all(&manager);
    assert_eq!(manager.status(&id("film")).unwrap().why, PlayabilityReason::NotRegistered);
    assert_eq!((device.live(), device.storage.keys()), (0, vec![]), "{}", manager.diagnostics().unwrap());
    assert!(device.widevine.key_set_ids().is_empty());
    drop((manager, disk));
}

#[test]
fn a_full_disk_keeps_what_there_was_and_lets_it_go() {
    let device = TestDevice::new();
    let Some(disk) = Disk::below(&device) else { return };
    let manager = device.start();
    register(&manager, device.clear_key("film")).unwrap();
    register(&manager, device.clear_key("other")).unwrap();
    drop(manager);
    let manager = start(&device);
    let error = manager.refresh(&id("film"), Refresh::default(), &Cancellation::new()).unwrap_err();
    assert_eq!(error.code(), Code::DiskFull, "{error}");
    reconcile_all(&manager);
    assert!(manager.status(&id("film")).unwrap().is_playable);
    assert_eq!((device.live(), device.storage.keys().len()), (2, 2));
    // The whole way, with the server's word.
    assert!(manager.unregister(&id("film")).unwrap().was_registered);
    reconcile_all(&manager);
    assert_eq!((device.live(), device.storage.keys().len()), (1, 1));
    drop(manager);

    let manager = device.start();
    assert!(manager.status(&id("other")).unwrap().is_playable);
    assert!(manager.unregister(&id("other")).unwrap().was_registered);
    reconcile_all(&manager);
    assert_eq!((device.live(), device.storage.keys().len()), (0, 0));
    drop((manager, disk));
}
