//! A license that goes on under another handle. The old handle is void, and a release of the new one would release the
//! license that the user still has.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects")]

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::test_device::{TestDevice, id, reconcile_all, register};
use larder_core::assets::{LocalAssetsManager, Refresh, Verify};
use larder_core::model::license::LicenseState;
use larder_core::model::{AssetRegistration, LicenseTimes, RenewalPolicy};
use larder_core::store::Store;
use larder_core::{Cancellation, Code, Result};
use larder_testkit::cdm::{Call, Moment, Trouble};
use larder_testkit::{Mood, StorageCall, eventually};

/// Returns a ClearKey title. A ClearKey handle is the license itself, so every renewal changes it.
fn clear_key(device: &TestDevice) -> AssetRegistration {
    let mut registration = device.clear_key("film");
    registration.source.drm.first_mut().unwrap().renewal = RenewalPolicy::InPlace;
    registration
}

fn refresh(manager: &LocalAssetsManager) -> Result<()> {
    manager.refresh(&id("film"), Refresh::default(), &Cancellation::new()).map(drop)
}

/// Asserts that ledger, storage and server have one license, and that it is playable.
#[track_caller]
fn assert_one_license(device: &TestDevice, manager: &LocalAssetsManager) {
    reconcile_all(manager);
    let status = manager.verify_asset(&id("film"), Verify { media: true, licenses: true }).unwrap();
    assert!(status.is_playable, "{}", status.message);
    assert_eq!((status.licenses.len(), device.storage.keys().len(), device.live()), (1, 1, 1));
    manager.license_handle(&status.licenses.first().unwrap().license_id).unwrap();
}

#[test]
fn renewed_license_that_cannot_be_stored_is_not_released() {
    let device = TestDevice::new();
    let manager = device.start();
    register(&manager, clear_key(&device)).unwrap();
    for mood in [Mood::Failing, Mood::Losing, Mood::Lying] {
        device.storage.set(StorageCall::Save, mood);
        device.clock.advance_seconds(60);
        refresh(&manager).unwrap_err();
        device.storage.set(StorageCall::Save, Mood::Faithful);
        assert_one_license(&device, &manager);
    }
    device.clock.advance_seconds(60);
    refresh(&manager).unwrap();
    assert_one_license(&device, &manager);
}

#[test]
fn renewal_with_an_implausible_duration_is_refused_and_the_license_stays() {
    let device = TestDevice::new();
    let manager = device.start();
    register(&manager, clear_key(&device)).unwrap();
    let before = manager.status(&id("film")).unwrap().expires;
    let mut source = clear_key(&device).source;
    source.drm[0].license_url.push_str("?duration_seconds=9999999999");
    let bad = Refresh { source: Some(source), metadata: None };
    let error = manager.refresh(&id("film"), bad, &Cancellation::new()).unwrap_err();
    assert_eq!(error.code(), Code::LicenseDurationInvalid);
    assert_one_license(&device, &manager);
    assert_eq!(manager.status(&id("film")).unwrap().expires, before);
}

#[test]
fn cancellation_after_the_renewal_was_granted_keeps_the_license() {
    for moment in [Moment::AfterSend, Moment::BeforeReturn] {
        let device = Arc::new(TestDevice::new());
        device.widevine.switch(|device| device.keeps_handle = false);
        let manager = Arc::new(device.start());
        register(&manager, device.widevine("film", RenewalPolicy::InPlace)).unwrap();
        device.widevine.script().plan(Call::Renew, moment, Trouble::Hang, 1);
        let cancel = Cancellation::new();
        let (worker_manager, worker_cancel) = (Arc::clone(&manager), cancel.clone());
        let refreshing = thread::spawn(move || worker_manager.refresh(&id("film"), Refresh::default(), &worker_cancel));
        assert!(device.widevine.script().wait_until_hanging());
        cancel.cancel();
        device.widevine.script().let_go();
        let _ = refreshing.join().unwrap();
        assert_one_license(&device, &manager);
    }
}

#[test]
fn renewal_that_arrives_after_the_timeout_is_kept() {
    for moment in [Moment::AfterSend, Moment::BeforeReturn] {
        let mut device = TestDevice::new();
        device.timeouts.engine = Duration::from_secs(3);
        device.widevine.switch(|device| device.keeps_handle = false);
        let manager = device.start();
        register(&manager, device.widevine("film", RenewalPolicy::InPlace)).unwrap();
        device.widevine.script().plan(Call::Renew, moment, Trouble::Hang, 1);
        assert_eq!(refresh(&manager).unwrap_err().code(), Code::Timeout);
        manager.reconcile().unwrap();
        device.widevine.script().let_go();
        let is_kept = || {
            manager.reconcile().unwrap();
            manager.verify_asset(&id("film"), Verify { media: false, licenses: true }).unwrap().is_playable
        };
        eventually("the handle of the renewal is kept", is_kept);
        assert_one_license(&device, &manager);
        assert_eq!(device.widevine.key_set_ids().len(), 1);
    }
}

#[test]
fn crash_during_a_renewal_in_the_cdm_continues_under_the_handle_that_the_cdm_has() {
    for moment in [Moment::Start, Moment::BeforeSend, Moment::AfterSend, Moment::BeforeReturn] {
        let device = Arc::new(TestDevice::new());
        device.widevine.switch(|device| device.keeps_handle = false);
        let manager = device.start();
        register(&manager, device.widevine("film", RenewalPolicy::InPlace)).unwrap();
        device.widevine.script().plan(Call::Renew, moment, Trouble::Hang, 1);
        thread::spawn(move || drop(refresh(&manager)));
        assert!(device.widevine.script().wait_until_hanging());
        let manager = start_after_a_crash(&device);
        assert_one_license(&device, &manager);
        assert_eq!(device.widevine.key_set_ids().len(), 1, "{moment:?}");
        // The device is dropped after the hanging call has left it.
        device.widevine.script().let_go();
    }
}

/// Starts the app over a copy of the database, as a process that is killed now would leave it.
fn start_after_a_crash(device: &TestDevice) -> LocalAssetsManager {
    let mut config = device.config();
    config.data_dir = device.folder.path().join("after-the-crash");
    larder_testkit::copy_dir(&device.data_dir(), &config.data_dir).unwrap();
    device.try_start(config).unwrap()
}

/// Simulates a crash between the secret storage and the ledger. `work` of the old process ends before the app is
/// started again over the copy.
fn crash_after_the_save(
    device: &Arc<TestDevice>,
    manager: &Arc<LocalAssetsManager>,
    work: impl FnOnce() + Send + 'static,
) -> LocalAssetsManager {
    device.storage.set_times(StorageCall::Save, Mood::Hanging, 1);
    // A dead process removes nothing.
    device.storage.set(StorageCall::Remove, Mood::Failing);
    let crashing = thread::spawn(work);
    assert!(device.storage.wait_until_hanging());
    let mut config = device.config();
    config.data_dir = device.folder.path().join("after-the-crash");
    larder_testkit::copy_dir(&device.data_dir(), &config.data_dir).unwrap();
    device.storage.let_go();
    crashing.join().unwrap();
    // Waits for its work in the background.
    manager.reconcile().unwrap();
    manager.close();
    device.storage.set(StorageCall::Remove, Mood::Faithful);
    assert_eq!(device.storage.keys().len(), 2, "the old handle and the new one");
    device.try_start(config).unwrap()
}

fn crash_of_a_renewal_after_the_save(device: &Arc<TestDevice>) -> LocalAssetsManager {
    let manager = Arc::new(device.start());
    register(&manager, clear_key(device)).unwrap();
    device.clock.advance_seconds(60);
    let worker_manager = Arc::clone(&manager);
    crash_after_the_save(device, &manager, move || refresh(&worker_manager).unwrap())
}

#[test]
fn renewed_license_that_was_stored_before_the_crash_is_active_after_it() {
    let device = Arc::new(TestDevice::new());
    let manager = crash_of_a_renewal_after_the_save(&device);
    assert_one_license(&device, &manager);
}

#[test]
fn handle_that_the_cdm_rotated_is_kept_through_a_crash() {
    let device = Arc::new(TestDevice::new());
    let manager = Arc::new(device.start());
    let status = register(&manager, device.fair_play("film")).unwrap();
    let license = status.licenses[0].license_id.clone();
    let handle = manager.license_handle(&license).unwrap();
    let (changed, times) = device.fairplay.start_playback(&handle).unwrap().updated.unwrap();

    let (worker_manager, new) = (Arc::clone(&manager), changed.clone());
    let manager = crash_after_the_save(&device, &manager, move || {
        drop(worker_manager.license_handle_changed(&license, &new, times))
    });
    assert_one_license(&device, &manager);
    let license = manager.local_media_source(&id("film"), None).unwrap().licenses.remove(0);
    assert_eq!(manager.license_handle(&license.license_id).unwrap(), changed);
}

#[test]
fn rotated_handle_that_was_not_stored_before_the_crash_leaves_the_old_license() {
    let device = Arc::new(TestDevice::new());
    let manager = Arc::new(device.start());
    let status = register(&manager, device.fair_play("film")).unwrap();
    let license = status.licenses[0].license_id.clone();
    let handle = manager.license_handle(&license).unwrap();
    let changed = device.fairplay.start_playback(&handle).unwrap().updated.unwrap().0;
    device.storage.set_times(StorageCall::Save, Mood::Hanging, 1);
    let (worker_manager, old) = (Arc::clone(&manager), license.clone());
    thread::spawn(move || drop(worker_manager.license_handle_changed(&old, &changed, LicenseTimes::default())));
    assert!(device.storage.wait_until_hanging());
    let manager = start_after_a_crash(&device);
    reconcile_all(&manager);
    assert_eq!(manager.license_handle(&license).unwrap(), handle, "the old license is unchanged");
    let store = Store::open(&device.folder.path().join("after-the-crash")).unwrap().store;
    let rows = store.read(|tx| tx.licenses_in(&LicenseState::ALL)).unwrap();
    assert_eq!(rows.len(), 1);
    device.storage.let_go();
}

#[test]
fn unregistration_before_recovery_releases_the_license_under_its_new_handle() {
    let device = Arc::new(TestDevice::new());
    let manager = crash_of_a_renewal_after_the_save(&device);
    manager.unregister(&id("film")).unwrap();
    reconcile_all(&manager);
    assert_eq!((device.live(), device.storage.keys()), (0, vec![]));
}
