//! A process that dies between any two neighbouring states of a license: nothing is lost, nothing leaks.
//!
//! A crash is a copy of the database's folder at the moment when the app hangs in foreign code; device, storage and
//! servers go on as they are. The app is then started over the copy.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects")]

use std::sync::Arc;
use std::thread;

use crate::world;
use crate::world::{World, id, register, settle_all};
use larder_core::assets::{Config, LocalAssetsManager, Refresh, Verify};
use larder_core::model::license::LicenseState;
use larder_core::model::{LicenseId, Profile, RenewalPolicy, Why};
use larder_core::ports::NetworkState;
use larder_core::store::{AssetState, LicenseRow, Store};
use larder_core::{Cancellation, Remedy};
use larder_testkit::cdm::{Call, Moment, Trouble};
use larder_testkit::{Mood, StorageCall};

/// The database as it is now, under another path: what a killed process would leave.
fn crash(world: &World) -> Config {
    let mut config = world.config();
    config.data_dir = world.folder.path().join("after-the-crash");
    world::copy(&world.data_dir(), &config.data_dir);
    config
}

/// Runs `work` on a thread of its own until it hangs, crashes there, and starts the app again.
fn crash_while(
    world: &Arc<World>,
    manager: LocalAssetsManager,
    work: impl FnOnce(&LocalAssetsManager, &World) + Send + 'static,
    wait_until_hanging: impl FnOnce(&World) -> bool,
) -> LocalAssetsManager {
    let theirs = Arc::clone(world);
    // Never joined: it hangs for as long as the test runs.
    thread::spawn(move || work(&manager, &theirs));
    assert!(wait_until_hanging(world), "it did not come to the point");
    let config = crash(world);
    world.storage.set(StorageCall::Save, Mood::Faithful);
    world.storage.set(StorageCall::Load, Mood::Faithful);
    world.storage.set(StorageCall::Remove, Mood::Faithful);
    world.try_start(config).unwrap()
}

fn renew(manager: &LocalAssetsManager, _: &World) {
    drop(manager.refresh(&id("film"), Refresh::default(), &Cancellation::new()));
}

fn give_back(manager: &LocalAssetsManager, _: &World) {
    manager.unregister(&id("film")).unwrap();
    drop(manager.settle());
}

fn no_trace(world: &World, manager: &LocalAssetsManager) {
    settle_all(manager);
    assert_eq!(manager.status(&id("film")).unwrap().why, Why::NotRegistered);
    assert!(manager.diagnostics().unwrap().contains("\"licenses\":[]"), "{}", manager.diagnostics().unwrap());
    assert!(world.device.key_set_ids().is_empty(), "the CDM holds nothing");
    assert!(world.storage.keys().is_empty(), "the storage holds nothing");
}

#[test]
fn a_registration_that_dies_in_the_cdm_leaves_no_trace() {
    for (moment, issued, live) in [
        (Moment::Start, 0, 0),
        (Moment::BeforeSend, 0, 0),
        // The server granted what never reached the device: nothing is there to give back.
        (Moment::AfterSend, 1, 1),
        (Moment::BeforeReturn, 1, 0),
    ] {
        let world = Arc::new(World::new());
        let manager = world.start();
        world.device.script().plan(Call::Acquire, moment, Trouble::Hang, 1);
        let manager = crash_while(
            &world,
            manager,
            |manager, world| drop(register(manager, world.widevine("film", RenewalPolicy::default()))),
            |world| world.device.script().wait_until_hanging(),
        );
        no_trace(&world, &manager);
        assert_eq!((world.servers.book().licenses.len(), world.live()), (issued, live), "{moment:?}");
        assert!(register(&manager, world.widevine("film", RenewalPolicy::default())).unwrap().is_playable);
    }
}

#[test]
fn a_registration_that_dies_in_the_storage_leaves_no_trace() {
    for call in [StorageCall::Save, StorageCall::Load] {
        let world = Arc::new(World::new());
        let manager = world.start();
        world.storage.set(call, Mood::Hanging);
        let manager = crash_while(
            &world,
            manager,
            |manager, world| drop(register(manager, world.widevine("film", RenewalPolicy::default()))),
            |world| world.storage.wait_until_hanging(),
        );
        no_trace(&world, &manager);
        assert_eq!(world.live(), 0, "{call:?}");
    }
}

#[test]
fn a_registration_that_dies_before_its_last_step_is_completed() {
    let world = World::new();
    let manager = world.start();
    register(&manager, world.widevine("film", RenewalPolicy::default())).unwrap();
    let config = crash(&world);
    put_back(&config, |row| row == LicenseState::Active, LicenseState::Stored, true);
    let manager = world.try_start(config).unwrap();
    settle_all(&manager);
    let status = manager.verify(&id("film"), Verify { media: true, licenses: true }).unwrap();
    assert!(status.is_playable, "{}", status.message);
    assert_eq!(world.live(), 1);
}

#[test]
fn a_registration_that_dies_between_two_licenses_gives_the_first_back() {
    let world = World::new();
    let manager = world.start();
    register(&manager, world.widevine("film", RenewalPolicy::default())).unwrap();
    let config = crash(&world);
    put_back(&config, |row| row == LicenseState::Active, LicenseState::Stored, true);
    {
        let store = Store::open(&config.data_dir).unwrap().store;
        let mut row = store.read(|tx| tx.licenses_in(&[LicenseState::Stored])).unwrap().remove(0);
        row.license_id = LicenseId::random().unwrap();
        row.state = LicenseState::Intended;
        row.handle_digest = None;
        store.write(|tx| tx.insert_license(&row)).unwrap();
    }
    let manager = world.try_start(config).unwrap();
    no_trace(&world, &manager);
    assert_eq!(world.live(), 0);
}

#[test]
fn a_registration_that_dies_while_it_gives_a_refused_license_back_is_not_completed() {
    let world = World::new();
    let manager = world.start();
    register(&manager, world.widevine("film", RenewalPolicy::default())).unwrap();
    // An earlier registration's license that still waits for its server says nothing about this one.
    for earlier in [false, true] {
        let config = crash(&world);
        let store = Store::open(&config.data_dir).unwrap().store;
        let mut row = store.read(|tx| tx.licenses_in(&[LicenseState::Active])).unwrap().remove(0);
        let waiting = LicenseRow {
            license_id: LicenseId::random().unwrap(),
            state: LicenseState::Releasing,
            handle_digest: None,
            ..row.clone()
        };
        store
            .write(|tx| {
                tx.delete_license(&row.license_id)?;
                row.state = LicenseState::Stored;
                let rows = if earlier { [&waiting, &row] } else { [&row, &waiting] };
                rows.into_iter().try_for_each(|row| tx.insert_license(row))?;
                let mut asset = tx.asset(&Profile::default(), &id("film"))?.unwrap();
                asset.state = AssetState::Registering;
                tx.update_asset(&asset)
            })
            .unwrap();
        drop(store);
        let data_dir = config.data_dir.clone();
        let after = world.try_start(Config { network: NetworkState::Offline, ..config }).unwrap();
        after.settle().unwrap();
        assert_eq!(after.status(&id("film")).unwrap().is_registered, earlier);
        drop(after);
        std::fs::remove_dir_all(data_dir).unwrap();
    }
}

/// The app asks for the same title again before anybody has looked after what was left of the first time.
#[test]
fn what_a_dead_process_left_of_an_asset_is_settled_by_whoever_changes_it_next() {
    for registers_again in [true, false] {
        let world = Arc::new(World::new());
        let manager = world.start();
        world.storage.set(StorageCall::Load, Mood::Hanging);
        let manager = crash_while(
            &world,
            manager,
            |manager, world| drop(register(manager, world.widevine("film", RenewalPolicy::default()))),
            |world| world.storage.wait_until_hanging(),
        );
        if registers_again {
            assert!(register(&manager, world.widevine("film", RenewalPolicy::default())).unwrap().is_playable);
        }
        manager.unregister(&id("film")).unwrap();
        no_trace(&world, &manager);
        assert_eq!(world.live(), 0);
    }
}

#[test]
fn a_refresh_that_dies_keeps_the_asset_playable() {
    for moment in [Moment::Start, Moment::BeforeSend, Moment::AfterSend, Moment::BeforeReturn] {
        let world = Arc::new(World::new());
        let manager = world.start();
        register(&manager, world.widevine("film", RenewalPolicy::default())).unwrap();
        world.device.script().plan(Call::Acquire, moment, Trouble::Hang, 1);
        let manager = crash_while(&world, manager, renew, |world| world.device.script().wait_until_hanging());
        let status = manager.verify(&id("film"), Verify { media: true, licenses: true }).unwrap();
        assert!(status.is_playable, "{moment:?}: {}", status.message);
        settle_all(&manager);
        assert_eq!((world.device.key_set_ids().len(), world.storage.keys().len()), (1, 1), "{moment:?}");
        let lost_on_the_way = usize::from(moment == Moment::AfterSend);
        assert_eq!(world.live(), 1 + lost_on_the_way, "{moment:?}");
    }
}

#[test]
fn a_refresh_that_dies_before_its_last_step_is_completed() {
    let world = World::new();
    let manager = world.start();
    let before = register(&manager, world.widevine("film", RenewalPolicy::default())).unwrap();
    // Nothing is released meanwhile.
    world.device.script().plan(Call::Release, Moment::Start, Trouble::Fail(larder_core::Code::CdmBusy), 100);
    manager.refresh(&id("film"), Refresh::default(), &Cancellation::new()).unwrap();
    let config = crash(&world);
    put_back(&config, |row| row == LicenseState::Active, LicenseState::Stored, false);
    put_back(&config, is_leaving, LicenseState::Active, false);
    world.device.script().clear();
    let manager = world.try_start(config).unwrap();
    settle_all(&manager);
    let status = manager.verify(&id("film"), Verify { media: true, licenses: true }).unwrap();
    assert!(status.is_playable && status.licenses.len() == 1, "{status:?}");
    assert_ne!(status.licenses[0].license_id, before.licenses[0].license_id);
    assert_eq!((world.live(), world.device.key_set_ids().len()), (1, 1));
}

#[test]
fn a_renewal_in_place_that_dies_keeps_the_license() {
    for moment in [Moment::Start, Moment::BeforeSend, Moment::AfterSend, Moment::BeforeReturn] {
        let world = Arc::new(World::new());
        let manager = world.start();
        register(&manager, world.widevine("film", RenewalPolicy::InPlace)).unwrap();
        world.device.script().plan(Call::Renew, moment, Trouble::Hang, 1);
        let manager = crash_while(&world, manager, renew, |world| world.device.script().wait_until_hanging());
        settle_all(&manager);
        let status = manager.verify(&id("film"), Verify { media: true, licenses: true }).unwrap();
        assert!(status.is_playable, "{moment:?}: {}", status.message);
        assert_eq!((world.live(), world.device.key_set_ids().len()), (1, 1), "{moment:?}");
    }
}

#[test]
fn a_release_that_dies_is_done_again() {
    for moment in [Moment::Start, Moment::BeforeSend, Moment::AfterSend, Moment::BeforeReturn] {
        let world = Arc::new(World::new());
        let manager = world.start();
        register(&manager, world.widevine("film", RenewalPolicy::default())).unwrap();
        world.device.script().plan(Call::Release, moment, Trouble::Hang, 1);
        let manager = crash_while(&world, manager, give_back, |world| world.device.script().wait_until_hanging());
        // A release that was under way may still be: it is tried again when its time is over.
        world.clock.advance_s(3600);
        no_trace(&world, &manager);
        assert_eq!(world.live(), 0, "{moment:?}");
    }
}

#[test]
fn a_proof_of_release_that_is_made_once_is_sent_after_a_restart() {
    let world = World::new();
    world.apple.switch(|device| device.releases = true);
    let manager = world.start();
    register(&manager, world.fair_play("film")).unwrap();
    world.servers.stop().unwrap();
    manager.unregister(&id("film")).unwrap();
    assert_eq!(manager.settle().unwrap().pending, 1);
    drop(manager);
    assert_eq!(world.storage.keys().len(), 2, "the handle and the proof");

    world.servers.resume().unwrap();
    let manager = world.start();
    no_trace(&world, &manager);
    assert_eq!(world.live(), 0);
    assert_eq!(world.apple.script().calls(Call::Release), 1, "there is no second proof");
}

#[test]
fn a_fair_play_release_that_dies_is_done_again_with_its_proof_and_ends_without_one() {
    for (moment, live) in [(Moment::Start, 0), (Moment::BeforeSend, 1), (Moment::AfterSend, 0)] {
        let world = Arc::new(World::new());
        world.apple.switch(|device| device.releases = true);
        let manager = world.start();
        register(&manager, world.fair_play("film")).unwrap();
        world.apple.script().plan(Call::Release, moment, Trouble::Hang, 1);
        let manager = crash_while(&world, manager, give_back, |world| world.apple.script().wait_until_hanging());
        world.clock.advance_s(3600);
        no_trace(&world, &manager);
        assert_eq!(world.live(), live, "{moment:?}: a proof that nobody has kept is lost with its process");
    }
}

#[test]
fn a_handle_that_was_not_removed_before_the_crash_is_removed_after_it() {
    let world = Arc::new(World::new());
    let manager = world.start();
    register(&manager, world.widevine("film", RenewalPolicy::default())).unwrap();
    world.storage.set(StorageCall::Remove, Mood::Hanging);
    let manager = crash_while(&world, manager, give_back, |world| world.storage.wait_until_hanging());
    assert_eq!(world.live(), 0, "the server had heard of it");
    no_trace(&world, &manager);
}

#[test]
fn a_cdm_that_cannot_list_is_believed_to_hold_nothing() {
    let world = Arc::new(World::new());
    world.device.switch(|device| device.lists = false);
    let manager = world.start();
    world.device.script().plan(Call::Acquire, Moment::BeforeReturn, Trouble::Hang, 1);
    let manager = crash_while(
        &world,
        manager,
        |manager, world| drop(register(manager, world.widevine("film", RenewalPolicy::default()))),
        |world| world.device.script().wait_until_hanging(),
    );
    settle_all(&manager);
    assert_eq!(manager.status(&id("film")).unwrap().why, Why::NotRegistered);
    assert!(register(&manager, world.widevine("film", RenewalPolicy::default())).unwrap().is_playable);
}

#[test]
fn a_refresh_that_dies_after_its_release_says_what_is_missing_and_is_made_good_online() {
    for heal in ["refresh", "renew all", "register"] {
        let world = Arc::new(World::new());
        let manager = world.start();
        let registration = world.widevine("film", RenewalPolicy::ReleaseThenAcquire);
        register(&manager, registration.clone()).unwrap();
        world.device.script().plan(Call::Acquire, Moment::BeforeSend, Trouble::Hang, 1);
        let manager = crash_while(&world, manager, renew, |world| world.device.script().wait_until_hanging());
        manager.set_network_state(NetworkState::Offline).unwrap();
        settle_all(&manager);
        let status = manager.status(&id("film")).unwrap();
        assert!(status.is_registered && !status.is_playable, "{status:?}");
        assert_eq!((status.why, status.remedy), (Why::LicenseMissing, Remedy::Reregister));
        assert!(status.message.contains("refresh"), "{}", status.message);
        manager.set_network_state(NetworkState::Online).unwrap();
        match heal {
            "refresh" => drop(manager.refresh(&id("film"), Refresh::default(), &Cancellation::new()).unwrap()),
            "renew all" => {
                let renewals = manager.renew_all(0, &Cancellation::new()).unwrap();
                assert!(renewals.len() == 1 && renewals[0].error.is_none(), "{renewals:?}");
            }
            _ => drop(register(&manager, registration).unwrap()),
        }
        settle_all(&manager);
        assert!(manager.verify(&id("film"), Verify { media: true, licenses: true }).unwrap().is_playable, "{heal}");
        assert_eq!((world.live(), world.device.key_set_ids().len(), world.storage.keys().len()), (1, 1, 1), "{heal}");
    }
}

#[test]
fn a_refresh_that_dies_with_its_release_does_not_call_playable_what_the_server_has_back() {
    for moment in [Moment::BeforeSend, Moment::AfterSend, Moment::BeforeReturn] {
        let world = Arc::new(World::new());
        let manager = world.start();
        register(&manager, world.widevine("film", RenewalPolicy::ReleaseThenAcquire)).unwrap();
        world.device.script().plan(Call::Release, moment, Trouble::Hang, 1);
        let manager = crash_while(&world, manager, renew, |world| world.device.script().wait_until_hanging());
        let status = manager.status(&id("film")).unwrap();
        assert_eq!((status.why, status.is_playable), (Why::LicenseMissing, false), "{moment:?}");
        settle_all(&manager);
        assert_eq!((world.live(), world.device.key_set_ids().len()), (0, 0), "{moment:?}");
        assert!(manager.renew_all(0, &Cancellation::new()).unwrap()[0].error.is_none());
        assert!(manager.verify(&id("film"), Verify { media: true, licenses: true }).unwrap().is_playable, "{moment:?}");
        assert_eq!((world.live(), world.storage.keys().len()), (1, 1), "{moment:?}");
    }
}

/// Nothing tells it from the licenses that other libraries of the app have got.
#[test]
fn a_license_whose_row_was_lost_to_damage_is_counted_and_never_touched() {
    let world = World::new();
    let manager = world.start();
    let status = register(&manager, world.widevine("film", RenewalPolicy::default())).unwrap();
    let config = crash(&world);
    {
        let store = Store::open(&config.data_dir).unwrap().store;
        store.write(|tx| tx.delete_license(&status.licenses[0].license_id).map(drop)).unwrap();
    }
    let manager = world.try_start(config).unwrap();
    let status = manager.status(&id("film")).unwrap();
    assert_eq!((status.why, status.is_playable), (Why::LicenseMissing, false));
    let settled = manager.settle().unwrap();
    assert_eq!((settled.foreign, settled.held), (1, Some(1)));
    manager.refresh(&id("film"), Refresh::default(), &Cancellation::new()).unwrap();
    manager.unregister(&id("film")).unwrap();
    settle_all(&manager);
    let settled = manager.settle().unwrap();
    assert_eq!((settled.foreign, settled.held, world.live()), (1, Some(1), 1));
}

fn is_leaving(state: LicenseState) -> bool {
    matches!(state, LicenseState::Superseded | LicenseState::Releasing)
}

/// Puts rows back to the state that they had before the step whose loss is tested.
fn put_back(config: &Config, which: impl Fn(LicenseState) -> bool, to: LicenseState, registering: bool) {
    let store = Store::open(&config.data_dir).unwrap().store;
    store
        .write(|tx| {
            for row in tx.licenses_in(&LicenseState::ALL)? {
                if which(row.state) {
                    tx.set_license_state(&row.license_id, to)?;
                }
            }
            let mut asset = tx.asset(&Profile::default(), &id("film"))?.unwrap();
            if registering {
                asset.state = AssetState::Registering;
            }
            tx.update_asset(&asset)
        })
        .unwrap();
}

#[test]
fn a_license_whose_registration_was_lost_to_damage_goes_back() {
    let world = World::new();
    let manager = world.start();
    register(&manager, world.widevine("film", RenewalPolicy::default())).unwrap();
    let config = crash(&world);
    {
        // The row that damage takes away; the damage itself is a page that holds nothing of value.
        let store = Store::open(&config.data_dir).unwrap().store;
        store.write(|tx| tx.delete_asset(&Profile::default(), &id("film")).map(drop)).unwrap();
    }
    let sound = std::fs::read(config.data_dir.join("larder.db")).unwrap();
    let damage = |page: usize| {
        let mut config = config.clone();
        config.data_dir = world.folder.path().join("damaged");
        let _ = std::fs::remove_dir_all(&config.data_dir);
        std::fs::create_dir(&config.data_dir).unwrap();
        let mut bytes = sound.clone();
        bytes[page * 4096..(page + 1) * 4096].fill(0xa5);
        std::fs::write(config.data_dir.join("larder.db"), bytes).unwrap();
        config
    };
    // Not every page leaves the license readable; look for one that does, then damage it for the app.
    let page = (1..sound.len() / 4096).rev().find(|page| {
        let opened = Store::open_and_read(&damage(*page).data_dir, |tx| tx.summaries(&Profile::default()));
        opened.is_ok_and(|(opened, _)| {
            let kept = opened.store.read(|tx| tx.licenses_in(&[LicenseState::Active]));
            opened.notice.is_some() && kept.is_ok_and(|kept| kept.len() == 1)
        })
    });
    let manager = world.try_start(damage(page.unwrap())).unwrap();
    assert_eq!(manager.report().unwrap().notice.unwrap().0, larder_core::Code::StoreCorrupt);
    settle_all(&manager);
    assert_eq!((world.live(), world.storage.keys().len(), world.device.key_set_ids().len()), (0, 0, 0));
}
