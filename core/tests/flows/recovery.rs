//! A process that dies between any two neighbouring states of a license: nothing is lost, nothing leaks.
//!
//! A crash is a copy of the database's folder at the moment when the app hangs in foreign code. Device, storage and
//! servers stay as they are. The app is then started over the copy.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects")]

use std::sync::Arc;
use std::thread;

use crate::test_device::{TestDevice, id, reconcile_all, register};
use larder_core::assets::{Config, LocalAssetsManager, Refresh, Verify};
use larder_core::model::license::LicenseState;
use larder_core::model::{LicenseId, PlayabilityReason, Profile, RenewalPolicy};
use larder_core::ports::NetworkState;
use larder_core::store::{AssetState, LicenseRow, Store};
use larder_core::{Cancellation, Remedy};
use larder_testkit::cdm::{Call, Moment, Trouble};
use larder_testkit::{Mood, StorageCall};

/// Copies the database to another path, as a killed process would leave it.
fn crash(device: &TestDevice) -> Config {
    let mut config = device.config();
    config.data_dir = device.folder.path().join("after-the-crash");
    larder_testkit::copy_dir(&device.data_dir(), &config.data_dir).unwrap();
    config
}

/// Runs `work` on a thread of its own until it hangs, simulates a crash there, and starts the app again.
fn crash_while(
    device: &Arc<TestDevice>,
    manager: LocalAssetsManager,
    work: impl FnOnce(&LocalAssetsManager, &TestDevice) + Send + 'static,
    wait_until_hanging: impl FnOnce(&TestDevice) -> bool,
) -> LocalAssetsManager {
    let worker_device = Arc::clone(device);
    // Never joined: it hangs for as long as the test runs.
    thread::spawn(move || work(&manager, &worker_device));
    assert!(wait_until_hanging(device), "the call reaches the kill point");
    let config = crash(device);
    device.storage.set(StorageCall::Save, Mood::Faithful);
    device.storage.set(StorageCall::Load, Mood::Faithful);
    device.storage.set(StorageCall::Remove, Mood::Faithful);
    device.try_start(config).unwrap()
}

fn renew(manager: &LocalAssetsManager, _: &TestDevice) {
    drop(manager.refresh(&id("film"), Refresh::default(), &Cancellation::new()));
}

fn unregister(manager: &LocalAssetsManager, _: &TestDevice) {
    manager.unregister(&id("film")).unwrap();
    drop(manager.reconcile());
}

fn assert_no_trace(device: &TestDevice, manager: &LocalAssetsManager) {
    reconcile_all(manager);
    assert_eq!(manager.status(&id("film")).unwrap().why, PlayabilityReason::NotRegistered);
    assert!(manager.diagnostics().unwrap().contains("\"licenses\":[]"), "{}", manager.diagnostics().unwrap());
    assert!(device.widevine.key_set_ids().is_empty(), "the CDM holds nothing");
    assert!(device.storage.keys().is_empty(), "the storage holds nothing");
}

#[test]
fn crash_during_registration_in_the_cdm_leaves_no_trace() {
    for (moment, issued, live) in [
        (Moment::Start, 0, 0),
        (Moment::BeforeSend, 0, 0),
        // The server granted a license that never reached the device, so there is nothing to release.
        (Moment::AfterSend, 1, 1),
        (Moment::BeforeReturn, 1, 0),
    ] {
        let device = Arc::new(TestDevice::new());
        let manager = device.start();
        device.widevine.script().plan(Call::Acquire, moment, Trouble::Hang, 1);
        let manager = crash_while(
            &device,
            manager,
            |manager, device| drop(register(manager, device.widevine("film", RenewalPolicy::default()))),
            |device| device.widevine.script().wait_until_hanging(),
        );
        assert_no_trace(&device, &manager);
        assert_eq!((device.servers.book().licenses.len(), device.live()), (issued, live), "{moment:?}");
        assert!(register(&manager, device.widevine("film", RenewalPolicy::default())).unwrap().is_playable);
    }
}

#[test]
fn crash_during_registration_in_the_secret_storage_leaves_no_trace() {
    for call in [StorageCall::Save, StorageCall::Load] {
        let device = Arc::new(TestDevice::new());
        let manager = device.start();
        device.storage.set(call, Mood::Hanging);
        let manager = crash_while(
            &device,
            manager,
            |manager, device| drop(register(manager, device.widevine("film", RenewalPolicy::default()))),
            |device| device.storage.wait_until_hanging(),
        );
        assert_no_trace(&device, &manager);
        assert_eq!(device.live(), 0, "{call:?}");
    }
}

#[test]
fn crash_before_the_last_step_of_a_registration_completes_it() {
    let device = TestDevice::new();
    let manager = device.start();
    register(&manager, device.widevine("film", RenewalPolicy::default())).unwrap();
    let config = crash(&device);
    reset_states(&config, |row| row == LicenseState::Active, LicenseState::Stored, true);
    let manager = device.try_start(config).unwrap();
    reconcile_all(&manager);
    let status = manager.verify_asset(&id("film"), Verify { media: true, licenses: true }).unwrap();
    assert!(status.is_playable, "{}", status.message);
    assert_eq!(device.live(), 1);
}

#[test]
fn crash_between_two_licenses_of_a_registration_releases_the_first() {
    let device = TestDevice::new();
    let manager = device.start();
    register(&manager, device.widevine("film", RenewalPolicy::default())).unwrap();
    let config = crash(&device);
    reset_states(&config, |row| row == LicenseState::Active, LicenseState::Stored, true);
    {
        let store = Store::open(&config.data_dir).unwrap().store;
        let mut row = store.read(|tx| tx.licenses_in(&[LicenseState::Stored])).unwrap().remove(0);
        row.license_id = LicenseId::random().unwrap();
        row.state = LicenseState::Intended;
        row.handle_digest = None;
        store.write(|tx| tx.insert_license(&row)).unwrap();
    }
    let manager = device.try_start(config).unwrap();
    assert_no_trace(&device, &manager);
    assert_eq!(device.live(), 0);
}

#[test]
fn crash_while_a_refused_license_is_released_does_not_complete_the_registration() {
    let device = TestDevice::new();
    let manager = device.start();
    register(&manager, device.widevine("film", RenewalPolicy::default())).unwrap();
    // A queued release of an earlier registration does not count.
    for earlier in [false, true] {
        let config = crash(&device);
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
        let after = device.try_start(Config { network: NetworkState::Offline, ..config }).unwrap();
        after.reconcile().unwrap();
        assert_eq!(after.status(&id("film")).unwrap().is_registered, earlier);
        drop(after);
        std::fs::remove_dir_all(data_dir).unwrap();
    }
}

#[test]
fn interrupted_registration_is_recovered_by_the_next_change_of_the_asset() {
    for registers_again in [true, false] {
        let device = Arc::new(TestDevice::new());
        let manager = device.start();
        device.storage.set(StorageCall::Load, Mood::Hanging);
        let manager = crash_while(
            &device,
            manager,
            |manager, device| drop(register(manager, device.widevine("film", RenewalPolicy::default()))),
            |device| device.storage.wait_until_hanging(),
        );
        if registers_again {
            assert!(register(&manager, device.widevine("film", RenewalPolicy::default())).unwrap().is_playable);
        }
        manager.unregister(&id("film")).unwrap();
        assert_no_trace(&device, &manager);
        assert_eq!(device.live(), 0);
    }
}

#[test]
fn crash_during_refresh_keeps_the_asset_playable() {
    for moment in [Moment::Start, Moment::BeforeSend, Moment::AfterSend, Moment::BeforeReturn] {
        let device = Arc::new(TestDevice::new());
        let manager = device.start();
        register(&manager, device.widevine("film", RenewalPolicy::default())).unwrap();
        device.widevine.script().plan(Call::Acquire, moment, Trouble::Hang, 1);
        let manager = crash_while(&device, manager, renew, |device| device.widevine.script().wait_until_hanging());
        let status = manager.verify_asset(&id("film"), Verify { media: true, licenses: true }).unwrap();
        assert!(status.is_playable, "{moment:?}: {}", status.message);
        reconcile_all(&manager);
        assert_eq!((device.widevine.key_set_ids().len(), device.storage.keys().len()), (1, 1), "{moment:?}");
        let lost_on_the_way = usize::from(moment == Moment::AfterSend);
        assert_eq!(device.live(), 1 + lost_on_the_way, "{moment:?}");
    }
}

#[test]
fn crash_before_the_last_step_of_a_refresh_completes_it() {
    let device = TestDevice::new();
    let manager = device.start();
    let before = register(&manager, device.widevine("film", RenewalPolicy::default())).unwrap();
    // The release is postponed, so that both licenses are there.
    device.widevine.script().plan(Call::Release, Moment::Start, Trouble::Fail(larder_core::Code::CdmBusy), 100);
    manager.refresh(&id("film"), Refresh::default(), &Cancellation::new()).unwrap();
    let config = crash(&device);
    reset_states(&config, |row| row == LicenseState::Active, LicenseState::Stored, false);
    reset_states(&config, is_releasing, LicenseState::Active, false);
    device.widevine.script().clear();
    let manager = device.try_start(config).unwrap();
    reconcile_all(&manager);
    let status = manager.verify_asset(&id("film"), Verify { media: true, licenses: true }).unwrap();
    assert!(status.is_playable && status.licenses.len() == 1, "{status:?}");
    assert_ne!(status.licenses[0].license_id, before.licenses[0].license_id);
    assert_eq!((device.live(), device.widevine.key_set_ids().len()), (1, 1));
}

#[test]
fn crash_during_an_in_place_renewal_keeps_the_license() {
    for moment in [Moment::Start, Moment::BeforeSend, Moment::AfterSend, Moment::BeforeReturn] {
        let device = Arc::new(TestDevice::new());
        let manager = device.start();
        register(&manager, device.widevine("film", RenewalPolicy::InPlace)).unwrap();
        device.widevine.script().plan(Call::Renew, moment, Trouble::Hang, 1);
        let manager = crash_while(&device, manager, renew, |device| device.widevine.script().wait_until_hanging());
        reconcile_all(&manager);
        let status = manager.verify_asset(&id("film"), Verify { media: true, licenses: true }).unwrap();
        assert!(status.is_playable, "{moment:?}: {}", status.message);
        assert_eq!((device.live(), device.widevine.key_set_ids().len()), (1, 1), "{moment:?}");
    }
}

#[test]
fn crash_during_a_release_repeats_it() {
    for moment in [Moment::Start, Moment::BeforeSend, Moment::AfterSend, Moment::BeforeReturn] {
        let device = Arc::new(TestDevice::new());
        let manager = device.start();
        register(&manager, device.widevine("film", RenewalPolicy::default())).unwrap();
        device.widevine.script().plan(Call::Release, moment, Trouble::Hang, 1);
        let manager = crash_while(&device, manager, unregister, |device| device.widevine.script().wait_until_hanging());
        // The release may still be in progress, so it is repeated after its lease.
        device.clock.advance_seconds(3600);
        assert_no_trace(&device, &manager);
        assert_eq!(device.live(), 0, "{moment:?}");
    }
}

#[test]
fn stored_secure_token_is_sent_after_a_restart() {
    let device = TestDevice::new();
    device.fairplay.switch(|device| device.releases = true);
    let manager = device.start();
    register(&manager, device.fair_play("film")).unwrap();
    device.servers.stop().unwrap();
    manager.unregister(&id("film")).unwrap();
    assert_eq!(manager.reconcile().unwrap().pending, 1);
    drop(manager);
    assert_eq!(device.storage.keys().len(), 2, "the handle and the secure token");

    device.servers.resume().unwrap();
    let manager = device.start();
    assert_no_trace(&device, &manager);
    assert_eq!(device.live(), 0);
    assert_eq!(device.fairplay.script().calls(Call::Release), 1, "the CDM makes no second token");
}

#[test]
fn crash_during_a_fair_play_release_sends_the_stored_secure_token() {
    for (moment, live) in [(Moment::Start, 0), (Moment::BeforeSend, 1), (Moment::AfterSend, 0)] {
        let device = Arc::new(TestDevice::new());
        device.fairplay.switch(|device| device.releases = true);
        let manager = device.start();
        register(&manager, device.fair_play("film")).unwrap();
        device.fairplay.script().plan(Call::Release, moment, Trouble::Hang, 1);
        let manager = crash_while(&device, manager, unregister, |device| device.fairplay.script().wait_until_hanging());
        device.clock.advance_seconds(3600);
        assert_no_trace(&device, &manager);
        assert_eq!(device.live(), live, "{moment:?}: a token that was not stored is lost with its process");
    }
}

#[test]
fn crash_before_a_released_handle_is_removed_removes_it_at_the_next_start() {
    let device = Arc::new(TestDevice::new());
    let manager = device.start();
    register(&manager, device.widevine("film", RenewalPolicy::default())).unwrap();
    device.storage.set(StorageCall::Remove, Mood::Hanging);
    let manager = crash_while(&device, manager, unregister, |device| device.storage.wait_until_hanging());
    assert_eq!(device.live(), 0, "the server has the release");
    assert_no_trace(&device, &manager);
}

#[test]
fn crash_with_a_cdm_that_cannot_list_removes_the_registration() {
    let device = Arc::new(TestDevice::new());
    device.widevine.switch(|device| device.lists = false);
    let manager = device.start();
    device.widevine.script().plan(Call::Acquire, Moment::BeforeReturn, Trouble::Hang, 1);
    let manager = crash_while(
        &device,
        manager,
        |manager, device| drop(register(manager, device.widevine("film", RenewalPolicy::default()))),
        |device| device.widevine.script().wait_until_hanging(),
    );
    reconcile_all(&manager);
    assert_eq!(manager.status(&id("film")).unwrap().why, PlayabilityReason::NotRegistered);
    assert!(register(&manager, device.widevine("film", RenewalPolicy::default())).unwrap().is_playable);
}

#[test]
fn crash_after_the_release_of_release_first_refresh_reports_license_missing_until_online() {
    for remedy in ["refresh", "renew all", "register"] {
        let device = Arc::new(TestDevice::new());
        let manager = device.start();
        let registration = device.widevine("film", RenewalPolicy::ReleaseThenAcquire);
        register(&manager, registration.clone()).unwrap();
        device.widevine.script().plan(Call::Acquire, Moment::BeforeSend, Trouble::Hang, 1);
        let manager = crash_while(&device, manager, renew, |device| device.widevine.script().wait_until_hanging());
        manager.set_network_state(NetworkState::Offline).unwrap();
        reconcile_all(&manager);
        let status = manager.status(&id("film")).unwrap();
        assert!(status.is_registered && !status.is_playable, "{status:?}");
        assert_eq!((status.why, status.remedy), (PlayabilityReason::LicenseMissing, Remedy::Reregister));
        assert!(status.message.contains("refresh"), "{}", status.message);
        manager.set_network_state(NetworkState::Online).unwrap();
        match remedy {
            "refresh" => drop(manager.refresh(&id("film"), Refresh::default(), &Cancellation::new()).unwrap()),
            "renew all" => {
                let renewals = manager.renew_all(0, &Cancellation::new()).unwrap();
                assert!(renewals.len() == 1 && renewals[0].error.is_none(), "{renewals:?}");
            }
            _ => drop(register(&manager, registration).unwrap()),
        }
        reconcile_all(&manager);
        assert!(
            manager.verify_asset(&id("film"), Verify { media: true, licenses: true }).unwrap().is_playable,
            "{remedy}"
        );
        assert_eq!(
            (device.live(), device.widevine.key_set_ids().len(), device.storage.keys().len()),
            (1, 1, 1),
            "{remedy}"
        );
    }
}

#[test]
fn crash_during_release_first_refresh_does_not_report_playable() {
    for moment in [Moment::BeforeSend, Moment::AfterSend, Moment::BeforeReturn] {
        let device = Arc::new(TestDevice::new());
        let manager = device.start();
        register(&manager, device.widevine("film", RenewalPolicy::ReleaseThenAcquire)).unwrap();
        device.widevine.script().plan(Call::Release, moment, Trouble::Hang, 1);
        let manager = crash_while(&device, manager, renew, |device| device.widevine.script().wait_until_hanging());
        let status = manager.status(&id("film")).unwrap();
        assert_eq!((status.why, status.is_playable), (PlayabilityReason::LicenseMissing, false), "{moment:?}");
        reconcile_all(&manager);
        assert_eq!((device.live(), device.widevine.key_set_ids().len()), (0, 0), "{moment:?}");
        assert!(manager.renew_all(0, &Cancellation::new()).unwrap()[0].error.is_none());
        assert!(
            manager.verify_asset(&id("film"), Verify { media: true, licenses: true }).unwrap().is_playable,
            "{moment:?}"
        );
        assert_eq!((device.live(), device.storage.keys().len()), (1, 1), "{moment:?}");
    }
}

/// Such a license cannot be distinguished from the licenses of the app's other libraries.
#[test]
fn license_whose_row_was_lost_to_damage_is_counted_and_never_touched() {
    let device = TestDevice::new();
    let manager = device.start();
    let status = register(&manager, device.widevine("film", RenewalPolicy::default())).unwrap();
    let config = crash(&device);
    {
        let store = Store::open(&config.data_dir).unwrap().store;
        store.write(|tx| tx.delete_license(&status.licenses[0].license_id).map(drop)).unwrap();
    }
    let manager = device.try_start(config).unwrap();
    let status = manager.status(&id("film")).unwrap();
    assert_eq!((status.why, status.is_playable), (PlayabilityReason::LicenseMissing, false));
    let reconciled = manager.reconcile().unwrap();
    assert_eq!((reconciled.foreign, reconciled.held), (1, Some(1)));
    manager.refresh(&id("film"), Refresh::default(), &Cancellation::new()).unwrap();
    manager.unregister(&id("film")).unwrap();
    reconcile_all(&manager);
    let reconciled = manager.reconcile().unwrap();
    assert_eq!((reconciled.foreign, reconciled.held, device.live()), (1, Some(1), 1));
}

fn is_releasing(state: LicenseState) -> bool {
    matches!(state, LicenseState::Superseded | LicenseState::Releasing)
}

/// Resets rows to the state before the step that the crash interrupts.
fn reset_states(config: &Config, which: impl Fn(LicenseState) -> bool, to: LicenseState, registering: bool) {
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
fn license_whose_registration_was_lost_to_damage_is_released() {
    let device = TestDevice::new();
    let manager = device.start();
    register(&manager, device.widevine("film", RenewalPolicy::default())).unwrap();
    let config = crash(&device);
    {
        // Removes the row that the damage would take. The damage below is a page without rows of value.
        let store = Store::open(&config.data_dir).unwrap().store;
        store.write(|tx| tx.delete_asset(&Profile::default(), &id("film")).map(drop)).unwrap();
    }
    let intact = std::fs::read(config.data_dir.join("larder.db")).unwrap();
    let damage = |page: usize| {
        let mut config = config.clone();
        config.data_dir = device.folder.path().join("damaged");
        let _ = std::fs::remove_dir_all(&config.data_dir);
        std::fs::create_dir(&config.data_dir).unwrap();
        let mut bytes = intact.clone();
        bytes[page * 4096..(page + 1) * 4096].fill(0xa5);
        std::fs::write(config.data_dir.join("larder.db"), bytes).unwrap();
        config
    };
    // Not every page leaves the license readable. Find one that does, then damage it for the app.
    let page = (1..intact.len() / 4096).rev().find(|page| {
        let opened = Store::open_and_read(&damage(*page).data_dir, |tx| tx.summaries(&Profile::default()));
        opened.is_ok_and(|(opened, _)| {
            let kept = opened.store.read(|tx| tx.licenses_in(&[LicenseState::Active]));
            opened.notice.is_some() && kept.is_ok_and(|kept| kept.len() == 1)
        })
    });
    let manager = device.try_start(damage(page.unwrap())).unwrap();
    assert_eq!(manager.report().unwrap().notice.unwrap().0, larder_core::Code::StoreCorrupt);
    reconcile_all(&manager);
    assert_eq!((device.live(), device.storage.keys().len(), device.widevine.key_set_ids().len()), (0, 0, 0));
}
