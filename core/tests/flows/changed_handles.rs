//! A license that goes on under another handle: the old one is void, and releasing the new one would release what the
//! user still has.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects")]

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::world;
use crate::world::{World, id, register, settle_all};
use larder_core::assets::{LocalAssetsManager, Refresh, Verify};
use larder_core::model::license::LicenseState;
use larder_core::model::{LicenseTimes, Registration, RenewalPolicy};
use larder_core::store::Store;
use larder_core::{Cancellation, Code, Result};
use larder_testkit::cdm::{Call, Moment, Trouble};
use larder_testkit::{Mood, StorageCall};

/// With ClearKey a handle is the license itself, so every renewal makes another.
fn clear_key(world: &World) -> Registration {
    let mut registration = world.clear_key("film");
    registration.source.drm.first_mut().unwrap().renewal = RenewalPolicy::InPlace;
    registration
}

fn refresh(manager: &LocalAssetsManager) -> Result<()> {
    manager.refresh(&id("film"), Refresh::default(), &Cancellation::new()).map(drop)
}

/// One license everywhere, and it works.
#[track_caller]
fn one_license(world: &World, manager: &LocalAssetsManager) {
    settle_all(manager);
    let status = manager.verify(&id("film"), Verify { media: true, licenses: true }).unwrap();
    assert!(status.is_playable, "{}", status.message);
    assert_eq!((status.licenses.len(), world.storage.keys().len(), world.live()), (1, 1, 1));
    manager.license_handle(&status.licenses.first().unwrap().license_id).unwrap();
}

#[test]
fn a_renewed_license_that_cannot_be_stored_is_not_released() {
    let world = World::new();
    let manager = world.start();
    register(&manager, clear_key(&world)).unwrap();
    for mood in [Mood::Failing, Mood::Losing, Mood::Lying] {
        world.storage.set(StorageCall::Save, mood);
        world.clock.advance_s(60);
        refresh(&manager).unwrap_err();
        world.storage.set(StorageCall::Save, Mood::Faithful);
        one_license(&world, &manager);
    }
    world.clock.advance_s(60);
    refresh(&manager).unwrap();
    one_license(&world, &manager);
}

#[test]
fn a_renewal_on_bad_terms_is_refused_and_the_license_stays() {
    let world = World::new();
    let manager = world.start();
    register(&manager, clear_key(&world)).unwrap();
    let before = manager.status(&id("film")).unwrap().expires;
    let mut source = clear_key(&world).source;
    source.drm[0].license_url.push_str("?duration_s=9999999999");
    let bad = Refresh { source: Some(source), metadata: None };
    let error = manager.refresh(&id("film"), bad, &Cancellation::new()).unwrap_err();
    assert_eq!(error.code(), Code::LicenseDurationInvalid);
    one_license(&world, &manager);
    assert_eq!(manager.status(&id("film")).unwrap().expires, before);
}

#[test]
fn a_cancellation_that_comes_after_the_renewal_does_not_end_the_license() {
    for moment in [Moment::AfterSend, Moment::BeforeReturn] {
        let world = Arc::new(World::new());
        world.device.switch(|device| device.keeps_handle = false);
        let manager = Arc::new(world.start());
        register(&manager, world.widevine("film", RenewalPolicy::InPlace)).unwrap();
        world.device.script().plan(Call::Renew, moment, Trouble::Hang, 1);
        let cancel = Cancellation::new();
        let (theirs, raised) = (Arc::clone(&manager), cancel.clone());
        let refreshing = thread::spawn(move || theirs.refresh(&id("film"), Refresh::default(), &raised));
        assert!(world.device.script().wait_until_hanging());
        cancel.cancel();
        world.device.script().let_go();
        let _ = refreshing.join().unwrap();
        one_license(&world, &manager);
    }
}

#[test]
fn a_renewal_that_comes_too_late_is_kept() {
    for moment in [Moment::AfterSend, Moment::BeforeReturn] {
        let mut world = World::new();
        world.timeouts.engine = Duration::from_secs(3);
        world.device.switch(|device| device.keeps_handle = false);
        let manager = world.start();
        register(&manager, world.widevine("film", RenewalPolicy::InPlace)).unwrap();
        world.device.script().plan(Call::Renew, moment, Trouble::Hang, 1);
        assert_eq!(refresh(&manager).unwrap_err().code(), Code::Timeout);
        manager.settle().unwrap();
        world.device.script().let_go();
        let is_kept = || {
            manager.settle().unwrap();
            manager.verify(&id("film"), Verify { media: false, licenses: true }).unwrap().is_playable
        };
        assert!((0..500).any(|_| {
            pause();
            is_kept()
        }));
        one_license(&world, &manager);
        assert_eq!(world.device.key_set_ids().len(), 1);
    }
}

#[expect(clippy::disallowed_methods, reason = "what happens in the background has nothing to wait on")]
fn pause() {
    thread::sleep(Duration::from_millis(10));
}

#[test]
fn a_renewal_that_dies_in_the_cdm_goes_on_under_the_handle_that_is_there() {
    for moment in [Moment::Start, Moment::BeforeSend, Moment::AfterSend, Moment::BeforeReturn] {
        let world = Arc::new(World::new());
        world.device.switch(|device| device.keeps_handle = false);
        let manager = world.start();
        register(&manager, world.widevine("film", RenewalPolicy::InPlace)).unwrap();
        world.device.script().plan(Call::Renew, moment, Trouble::Hang, 1);
        thread::spawn(move || drop(refresh(&manager)));
        assert!(world.device.script().wait_until_hanging());
        let manager = start_after_a_crash(&world);
        one_license(&world, &manager);
        assert_eq!(world.device.key_set_ids().len(), 1, "{moment:?}");
        // The world ends when the dead have left it.
        world.device.script().let_go();
    }
}

/// The app over what a process that is killed now would leave.
fn start_after_a_crash(world: &World) -> LocalAssetsManager {
    let mut config = world.config();
    config.data_dir = world.folder.path().join("after-the-crash");
    world::copy(&world.data_dir(), &config.data_dir);
    world.try_start(config).unwrap()
}

/// Kills the app between the storage and the ledger: `work` is let go on behind the back of what is started afterwards.
fn die_after_the_save(
    world: &Arc<World>,
    manager: &Arc<LocalAssetsManager>,
    work: impl FnOnce() + Send + 'static,
) -> LocalAssetsManager {
    world.storage.set_times(StorageCall::Save, Mood::Hanging, 1);
    // The dead remove nothing.
    world.storage.set(StorageCall::Remove, Mood::Failing);
    let dying = thread::spawn(work);
    assert!(world.storage.wait_until_hanging());
    let mut config = world.config();
    config.data_dir = world.folder.path().join("after-the-crash");
    world::copy(&world.data_dir(), &config.data_dir);
    world.storage.let_go();
    dying.join().unwrap();
    // Waits for what it does in the background.
    manager.settle().unwrap();
    manager.close();
    world.storage.set(StorageCall::Remove, Mood::Faithful);
    assert_eq!(world.storage.keys().len(), 2, "the old handle and the new one");
    world.try_start(config).unwrap()
}

fn renewal_that_died_after_the_save(world: &Arc<World>) -> LocalAssetsManager {
    let manager = Arc::new(world.start());
    register(&manager, clear_key(world)).unwrap();
    world.clock.advance_s(60);
    let theirs = Arc::clone(&manager);
    die_after_the_save(world, &manager, move || refresh(&theirs).unwrap())
}

#[test]
fn a_renewed_license_that_was_stored_before_the_crash_goes_on_after_it() {
    let world = Arc::new(World::new());
    let manager = renewal_that_died_after_the_save(&world);
    one_license(&world, &manager);
}

#[test]
fn a_handle_that_changed_by_itself_is_kept_through_a_crash() {
    let world = Arc::new(World::new());
    let manager = Arc::new(world.start());
    let status = register(&manager, world.fair_play("film")).unwrap();
    let license = status.licenses[0].license_id.clone();
    let handle = manager.license_handle(&license).unwrap();
    let (changed, times) = world.apple.start_playback(&handle).unwrap().updated.unwrap();

    let (theirs, new) = (Arc::clone(&manager), changed.clone());
    let manager = die_after_the_save(&world, &manager, move || drop(theirs.handle_changed(&license, &new, times)));
    one_license(&world, &manager);
    let license = manager.local_source(&id("film"), None).unwrap().licenses.remove(0);
    assert_eq!(manager.license_handle(&license.license_id).unwrap(), changed);
}

#[test]
fn a_handle_that_was_not_stored_before_the_crash_leaves_nothing_in_the_ledger() {
    let world = Arc::new(World::new());
    let manager = Arc::new(world.start());
    let status = register(&manager, world.fair_play("film")).unwrap();
    let license = status.licenses[0].license_id.clone();
    let handle = manager.license_handle(&license).unwrap();
    let changed = world.apple.start_playback(&handle).unwrap().updated.unwrap().0;
    world.storage.set_times(StorageCall::Save, Mood::Hanging, 1);
    let (theirs, old) = (Arc::clone(&manager), license.clone());
    thread::spawn(move || drop(theirs.handle_changed(&old, &changed, LicenseTimes::default())));
    assert!(world.storage.wait_until_hanging());
    let manager = start_after_a_crash(&world);
    settle_all(&manager);
    assert_eq!(manager.license_handle(&license).unwrap(), handle, "the old one is all there is");
    let store = Store::open(&world.folder.path().join("after-the-crash")).unwrap().store;
    let rows = store.read(|tx| tx.licenses_in(&LicenseState::ALL)).unwrap();
    assert_eq!(rows.len(), 1);
    world.storage.let_go();
}

#[test]
fn an_asset_that_was_unregistered_meanwhile_takes_the_new_handle_with_it() {
    let world = Arc::new(World::new());
    let manager = renewal_that_died_after_the_save(&world);
    manager.unregister(&id("film")).unwrap();
    settle_all(&manager);
    assert_eq!((world.live(), world.storage.keys()), (0, vec![]));
}
