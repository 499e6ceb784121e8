//! Calls that run at the same time, on one asset and on several.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects")]

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::test_device::{TestDevice, id, reconcile_all, register};
use larder_core::Code;
use larder_core::assets::{LocalAssetsManager, Ports, Verify};
use larder_core::model::{
    LicenseDuration, LicenseTimes, MediaFormat, MediaSource, PlayabilityReason, Profile, RenewalPolicy,
};
use larder_core::ports::{AssetEvent, EventSink, Executors, NetworkState};
use larder_core::store::{AssetRow, AssetState, Store, StoredPath};
use larder_testkit::cdm::{Call, Moment, Trouble};
use larder_testkit::{Action, Mood, Rule, StorageCall, eventually};
use tokio::runtime::Builder;

/// While the storage hangs, the CDM lists a license that the ledger does not know yet. Recovery must not take it for
/// the license of the other intent, whose outcome is unknown.
#[test]
fn license_being_stored_is_not_taken_for_that_of_a_timed_out_intent() {
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
fn handle_rotated_after_unregister_is_released_under_the_new_handle() {
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
    assert_eq!(device.live(), 0, "the release under the new handle is confirmed");
    assert_eq!(device.storage.keys(), Vec::<String>::new());
    assert!(manager.license_handle_changed(&license, &changed, times).is_err(), "the license is gone");
}

#[test]
fn handle_rotated_during_unregister_leaves_no_license_behind() {
    let device = Arc::new(TestDevice::new());
    let manager = Arc::new(device.start());
    let status = register(&manager, device.fair_play("film")).unwrap();
    let license = status.licenses[0].license_id.clone();
    let handle = manager.license_handle(&license).unwrap();
    let (changed, _) = device.fairplay.start_playback(&handle).unwrap().updated.unwrap();

    device.storage.set_times(StorageCall::Save, Mood::Hanging, 1);
    let shared = Arc::clone(&manager);
    let times = LicenseTimes { license: LicenseDuration::Seconds(60), playback: LicenseDuration::Unknown };
    let changing = thread::spawn(move || shared.license_handle_changed(&license, &changed, times));
    assert!(device.storage.wait_until_hanging());
    let shared = Arc::clone(&manager);
    let (done, is_done) = mpsc::channel();
    let unregistering = thread::spawn(move || {
        shared.unregister(&id("film")).unwrap();
        let _ = done.send(());
    });
    // In either order of the two calls nothing may be left.
    let _ = is_done.recv_timeout(Duration::from_millis(300));
    device.storage.let_go();
    let _ = changing.join().unwrap();
    unregistering.join().unwrap();
    reconcile_all(&manager);
    assert_eq!(manager.status(&id("film")).unwrap().why, PlayabilityReason::NotRegistered);
    assert_eq!(device.storage.keys(), Vec::<String>::new());
    assert!(manager.diagnostics().unwrap().contains("\"licenses\":[]"));
}

#[test]
fn pending_release_is_sent_when_the_network_is_back() {
    let device = TestDevice::new();
    let manager = device.start();
    register(&manager, device.clear_key("film")).unwrap();
    let rule = device.servers.add_fault(Rule::on("", Action::Refuse { for_ms: None })).unwrap();
    manager.unregister(&id("film")).unwrap();
    assert_eq!(manager.reconcile().unwrap().pending, 1);
    device.servers.remove_fault(rule).unwrap();
    // The clock stands still, so the pause after the failure does not end by itself.
    manager.set_network_state(NetworkState::Online).unwrap();
    eventually("the release is sent", || device.live() == 0);
}

#[test]
fn queries_succeed_while_assets_are_registered_and_unregistered() {
    let device = Arc::new(TestDevice::new());
    let manager = Arc::new(device.start());
    register(&manager, device.clear("stays")).unwrap();
    let (done, is_done) = mpsc::channel();
    for name in ["a", "b"] {
        let (manager, device, done) = (Arc::clone(&manager), Arc::clone(&device), done.clone());
        thread::spawn(move || {
            for _ in 0..40 {
                let status = register(&manager, device.clear(name)).unwrap();
                assert!(status.is_playable, "{name} is registered, but its status is not playable");
                assert!(manager.unregister(&id(name)).unwrap().was_registered);
                assert_eq!(manager.status(&id(name)).unwrap().why, PlayabilityReason::NotRegistered);
            }
            let _ = done.send(());
        });
    }
    let shared = Arc::clone(&manager);
    thread::spawn(move || {
        for _ in 0..400 {
            shared.diagnostics().unwrap();
            assert!(shared.assets().unwrap().iter().any(|asset| asset.asset_id == id("stays")));
            shared.statuses().unwrap();
            shared.source_url("stays", None).unwrap();
        }
        let _ = done.send(());
    });
    for _ in 0..3 {
        is_done.recv_timeout(Duration::from_secs(120)).expect("a call hangs or has failed");
    }
    assert_eq!(manager.assets().unwrap().len(), 1);
}

#[test]
fn reconciliation_starts_while_every_foreign_thread_hangs() {
    let mut device = TestDevice::new();
    device.timeouts.engine = Duration::from_secs(1);
    device.timeouts.delegate = Duration::from_secs(1);
    let interrupted = AssetRow {
        profile: Profile::default(),
        asset_id: id("film"),
        entry_id: "film".to_owned(),
        state: AssetState::Registering,
        path: StoredPath { root: Some("downloads".to_owned()), path: "dash-cenc".to_owned(), manifest: None },
        format: MediaFormat::Dash,
        is_protected: true,
        source: MediaSource::default(),
        metadata: None,
        required_keys: Vec::new(),
        key_files_missing: false,
        registered_at_ms: 1,
        updated_at_ms: 1,
        playback_started_at_ms: None,
    };
    let dir = device.data_dir();
    Store::open(&dir).unwrap().store.write(|tx| tx.insert_asset(&interrupted)).unwrap();

    let foreign = Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    let (go, may_go) = mpsc::channel::<()>();
    foreign.handle().spawn_blocking(move || may_go.recv());
    let executors = Executors { foreign: foreign.handle().clone(), background: device.runtime.handle().clone() };
    let manager = LocalAssetsManager::open(device.config(), Ports { executors, ..device.ports() }).unwrap();
    let is_there = || Store::open(&dir).unwrap().store.read(|tx| tx.asset(&Profile::default(), &id("film"))).unwrap();
    eventually("the interrupted registration is recovered", || is_there().is_none());
    drop(go);
    drop(manager);
}

#[test]
fn each_change_of_an_asset_is_an_event() {
    struct Recorder(Mutex<mpsc::Sender<AssetEvent>>);
    impl EventSink for Recorder {
        fn deliver(&self, events: Vec<AssetEvent>) {
            events.into_iter().for_each(|event| self.0.lock().unwrap().send(event).unwrap());
        }
    }
    let device = TestDevice::new();
    let (sender, events) = mpsc::channel();
    let event_sink = Some(Arc::new(Recorder(Mutex::new(sender))) as Arc<dyn EventSink>);
    let manager = LocalAssetsManager::open(device.config(), Ports { event_sink, ..device.ports() }).unwrap();
    let next = || events.recv_timeout(Duration::from_secs(60)).unwrap();
    register(&manager, device.clear("film")).unwrap();
    assert_eq!(next(), AssetEvent::Changed(id("film")));
    manager.playback_started(&id("film"), 1).unwrap();
    assert_eq!(next(), AssetEvent::Changed(id("film")));
    manager.unregister(&id("film")).unwrap();
    assert_eq!(next(), AssetEvent::Changed(id("film")));
    drop(manager);
    assert!(events.recv_timeout(Duration::from_secs(60)).is_err(), "the sink is released with its manager");
}
