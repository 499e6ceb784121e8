//! Several calls, and several managers, at work on one thing at the same time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects")]

use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::test_device::{TestDevice, id, reconcile_all, register};
use larder_core::Code;
use larder_core::assets::Verify;
use larder_core::model::{LicenseDuration, LicenseTimes, PlayabilityReason, RenewalPolicy};
use larder_core::ports::NetworkState;
use larder_testkit::cdm::{Call, Moment, Trouble};
use larder_testkit::{Action, Mood, Rule, StorageCall};

/// The CDM holds it, the storage has not taken it yet: to one who only compares lists it looks like a license that an
/// intent of unknown outcome has left behind.
#[test]
fn a_license_that_is_being_got_is_not_taken_for_one_that_was_lost() {
    let mut device = TestDevice::new();
    device.timeouts.engine = Duration::from_secs(4);
    device.timeouts.delegate = Duration::from_secs(60);
    let device = Arc::new(device);
    let manager = Arc::new(device.start());
    let begin = |name: &'static str| {
        let (manager, device) = (Arc::clone(&manager), Arc::clone(&device));
        thread::spawn(move || register(&manager, device.widevine(name, RenewalPolicy::default())))
    };
    device.widevine.script().plan(Call::Acquire, Moment::Start, Trouble::Hang, 1);
    let lost = begin("lost");
    assert!(device.widevine.script().wait_until_hanging());
    device.storage.set_times(StorageCall::Save, Mood::Hanging, 1);
    let film = begin("film");
    assert!(device.storage.wait_until_hanging());
    assert_eq!(lost.join().unwrap().unwrap_err().code(), Code::Timeout);
    manager.reconcile().unwrap();

    device.storage.let_go();
    assert!(film.join().unwrap().unwrap().is_playable);
    reconcile_all(&manager);
    let status = manager.verify_asset(&id("film"), Verify { media: true, licenses: true }).unwrap();
    assert!(status.is_playable, "{}", status.message);
    assert_eq!((device.live(), device.widevine.key_set_ids().len(), device.storage.keys().len()), (1, 1, 1));
    assert_eq!(manager.status(&id("lost")).unwrap().why, PlayabilityReason::NotRegistered);
    device.widevine.script().let_go();
}

#[test]
fn a_handle_whose_change_is_told_after_its_asset_went_goes_back_in_the_old_ones_place() {
    let device = TestDevice::new();
    device.fairplay.switch(|device| device.releases = true);
    let manager = device.start();
    let status = register(&manager, device.fair_play("film")).unwrap();
    let license = status.licenses[0].license_id.clone();
    let handle = manager.license_handle(&license).unwrap();
    let (changed, times) = device.fairplay.start_playback(&handle).unwrap().updated.unwrap();

    manager.set_network_state(NetworkState::Offline).unwrap();
    manager.unregister(&id("film")).unwrap();
    manager.license_handle_changed(&license, &changed, times).unwrap();
    manager.set_network_state(NetworkState::Online).unwrap();
    reconcile_all(&manager);
    assert_eq!(device.live(), 0, "the old handle is void and proves nothing any more");
    assert_eq!(device.storage.keys(), Vec::<String>::new());
    assert!(manager.license_handle_changed(&license, &changed, times).is_err(), "there is nothing to change any more");
}

#[test]
fn a_handle_that_changes_while_its_asset_goes_leaves_no_license_behind() {
    let device = Arc::new(TestDevice::new());
    let manager = Arc::new(device.start());
    let status = register(&manager, device.fair_play("film")).unwrap();
    let license = status.licenses[0].license_id.clone();
    let handle = manager.license_handle(&license).unwrap();
    let (changed, _) = device.fairplay.start_playback(&handle).unwrap().updated.unwrap();

    device.storage.set_times(StorageCall::Save, Mood::Hanging, 1);
    let theirs = Arc::clone(&manager);
    let times = LicenseTimes { license: LicenseDuration::Seconds(60), playback: LicenseDuration::Unknown };
    let changing = thread::spawn(move || theirs.license_handle_changed(&license, &changed, times));
    assert!(device.storage.wait_until_hanging());
    let theirs = Arc::clone(&manager);
    let (gone, is_gone) = mpsc::channel();
    let leaving = thread::spawn(move || {
        theirs.unregister(&id("film")).unwrap();
        let _ = gone.send(());
    });
    // Whether it waits or not: nothing may be left.
    let _ = is_gone.recv_timeout(Duration::from_millis(300));
    device.storage.let_go();
    let _ = changing.join().unwrap();
    leaving.join().unwrap();
    reconcile_all(&manager);
    assert_eq!(manager.status(&id("film")).unwrap().why, PlayabilityReason::NotRegistered);
    assert_eq!(device.storage.keys(), Vec::<String>::new());
    assert!(manager.diagnostics().unwrap().contains("\"licenses\":[]"));
}

#[test]
fn what_waits_for_a_network_is_sent_when_there_is_one() {
    let device = TestDevice::new();
    let manager = device.start();
    register(&manager, device.clear_key("film")).unwrap();
    let rule = device.servers.add_fault(Rule::on("", Action::Refuse { for_ms: None })).unwrap();
    manager.unregister(&id("film")).unwrap();
    assert_eq!(manager.reconcile().unwrap().pending, 1);
    device.servers.remove_fault(rule).unwrap();
    // The clock stands still: no pause ends by itself.
    manager.set_network_state(NetworkState::Online).unwrap();
    for _ in 0..2000 {
        if device.live() == 0 {
            return;
        }
        pause();
    }
    panic!("nothing was sent");
}

#[expect(clippy::disallowed_methods, reason = "what happens in the background has nothing to wait on")]
fn pause() {
    thread::sleep(Duration::from_millis(10));
}

#[test]
fn every_question_can_be_asked_while_assets_come_and_go() {
    let device = Arc::new(TestDevice::new());
    let manager = Arc::new(device.start());
    register(&manager, device.clear("stays")).unwrap();
    let (done, is_done) = mpsc::channel();
    for name in ["a", "b"] {
        let (manager, device, done) = (Arc::clone(&manager), Arc::clone(&device), done.clone());
        thread::spawn(move || {
            for _ in 0..40 {
                let status = register(&manager, device.clear(name)).unwrap();
                assert!(status.is_playable, "{name} is registered, and its status says otherwise");
                assert!(manager.unregister(&id(name)).unwrap().was_registered);
                assert_eq!(manager.status(&id(name)).unwrap().why, PlayabilityReason::NotRegistered);
            }
            let _ = done.send(());
        });
    }
    let theirs = Arc::clone(&manager);
    thread::spawn(move || {
        for _ in 0..400 {
            theirs.diagnostics().unwrap();
            assert!(theirs.assets().unwrap().iter().any(|asset| asset.asset_id == id("stays")));
            theirs.statuses().unwrap();
            theirs.source_url("stays", None).unwrap();
        }
        let _ = done.send(());
    });
    for _ in 0..3 {
        is_done.recv_timeout(Duration::from_secs(120)).expect("a call never came back, or failed");
    }
    assert_eq!(manager.assets().unwrap().len(), 1);
}
