//! A disk that is full when a license has been granted: the license is kept or released, and never lost.
//!
//! The tests mount a small disk, which only root can do. Without root they test nothing and say so.

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
    /// Mounts a small disk at the folder of the database. `None` without the right to mount.
    fn below(device: &TestDevice) -> Option<Self> {
        fs::create_dir_all(device.data_dir()).unwrap();
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(device.data_dir()).output();
        let is_mounted = mounted.is_ok_and(|output| output.status.success());
        if !is_mounted {
            report_skipped_test();
        }
        is_mounted.then(|| Self(device.data_dir()))
    }
}

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn report_skipped_test() {
    eprintln!("a full disk is NOT tested: only root can mount a disk");
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

/// A storage outside the disk that fills the disk when it saves a value.
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
fn license_that_a_full_disk_cannot_record_is_released() {
    let device = TestDevice::new();
    let Some(disk) = Disk::below(&device) else { return };
    let manager = start(&device);
    // The first release fails, so the license has to be remembered.
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
fn full_disk_keeps_existing_licenses_and_lets_them_be_released() {
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
    // Unregistering works to the end, with the server's confirmation.
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
