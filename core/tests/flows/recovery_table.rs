//! Recovery's table, row by row: the test reads it from the documentation of `core/src/license/recover.rs`, makes the
//! situation of each row, starts the app over it, and checks the outcome that the row states. A row without a situation
//! here, a situation without a row, and an outcome without a check all fail.
//!
//! A situation is the database, the secret storage and the CDM at the moment when the process died.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test says what it expects")]

use std::collections::BTreeSet;

use larder_core::assets::{Config, LocalAssetsManager, Refresh, Verify};
use larder_core::model::license::{Handle, LicenseState};
use larder_core::model::{LicenseId, PlayabilityReason, Profile, RenewalPolicy};
use larder_core::ports::NetworkState;
use larder_core::store::{AssetState, IntentKind, LicenseRow, Store, WriteTx};
use larder_core::{Cancellation, Code, Result};
use larder_testkit::cdm::{Call, Moment, Trouble};

use crate::test_device::{TestDevice, id, reconcile_all, register};

/// One row: the situation, and the outcome of recovery.
fn table() -> Vec<(&'static str, &'static str)> {
    let source = include_str!("../../src/license/recover.rs");
    let rows = source.lines().filter_map(|line| line.strip_prefix("//! | ")).filter(|row| !row.starts_with("found"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_end_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 3, "{row}");
        (cells[0], cells[2])
    })
    .collect()
}

#[test]
fn every_row_of_the_table_has_its_outcome() {
    let table = table();
    let found: BTreeSet<&str> = table.iter().map(|(found, _)| *found).collect();
    assert_eq!(found, SITUATIONS.iter().map(|(found, _)| *found).collect(), "a situation for every row");
    assert_eq!(found.len(), table.len(), "each situation once");
    for (found, outcome) in table {
        let make = SITUATIONS.iter().find(|(text, _)| *text == found).unwrap().1;
        let check = OUTCOMES.iter().find(|(text, _)| *text == outcome).unwrap_or_else(|| panic!("{outcome}")).1;
        let situation = make();
        let manager = situation.device.try_start(situation.config.clone()).unwrap();
        reconcile_all(&manager);
        // The name of the row goes before the failure of its check.
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&situation, &manager)));
        assert!(checked.is_ok(), "{found} -> {outcome}");
    }
}

/// A device with a title, and a database that a dead process left.
struct Situation {
    device: TestDevice,
    config: Config,
    /// The license of the film before the crash.
    old: LicenseRow,
    /// The handle under which the license goes on, in the situations of a continuation.
    new_handle: Option<Handle>,
}

/// The text of a row's first cell, and the function that makes its situation.
type NamedSituation = (&'static str, fn() -> Situation);

/// The text of a row's last cell, and the function that checks its outcome.
type NamedOutcome = (&'static str, fn(&Situation, &LocalAssetsManager));

const SITUATIONS: &[NamedSituation] = &[
    ("`Intended`, no handle anywhere", || {
        let situation = Situation::registered();
        situation.change(|tx, old| tx.insert_license(&intent(old)));
        situation
    }),
    ("`Intended`, handle in the secret storage", acquired_but_not_in_the_ledger),
    ("`Intended`, the CDM lists a new handle", || {
        let situation = acquired_but_not_in_the_ledger();
        situation.device.storage.tamper(&situation.old.license_id.storage_key(), None);
        situation
    }),
    ("`Intended` continuation, handle in the secret storage", || {
        let (situation, intent) = continued();
        let handle = situation.new_handle.as_ref().unwrap();
        situation.device.storage.tamper(&intent.license_id.storage_key(), Some(handle.as_bytes().to_vec()));
        situation
    }),
    ("`Intended` continuation, no handle in the secret storage", || continued().0),
    ("`Intended` renewal, the CDM lists a new handle and the old one no longer", || {
        let device = TestDevice::new();
        device.widevine.switch(|device| device.keeps_handle = false);
        let manager = device.start();
        register(&manager, device.widevine("film", RenewalPolicy::InPlace)).unwrap();
        let situation = Situation::of(device);
        situation.change(|tx, old| {
            let held_before = Some(old.handle_digest.into_iter().collect());
            tx.insert_license(&LicenseRow { held_before, ..intent(old) })
        });
        // The renewal itself, of which the dead process wrote down nothing.
        let (device, key) = (&situation.device, situation.old.license_id.storage_key());
        let old_handle = device.storage.value(&key);
        manager.refresh(&id("film"), Refresh::default(), &Cancellation::new()).unwrap();
        reconcile_all(&manager);
        manager.close();
        device.storage.keys().iter().for_each(|key| device.storage.tamper(key, None));
        device.storage.tamper(&key, old_handle);
        let new_handle = Some(device.widevine.key_set_ids().remove(0));
        Situation { new_handle, ..situation }
    }),
    ("`Stored`, asset registering, another license `Intended`", || {
        let situation = Situation::registered();
        situation.change(|tx, old| {
            set(tx, old, LicenseState::Stored, Some(AssetState::Registering))?;
            tx.insert_license(&LicenseRow { replaces: None, ..intent(old) })
        });
        situation
    }),
    ("`Stored`, asset registering, no license `Intended`", || {
        let situation = Situation::registered();
        situation.change(|tx, old| set(tx, old, LicenseState::Stored, Some(AssetState::Registering)));
        situation
    }),
    ("`Stored`, asset registered", || {
        let device = TestDevice::new();
        let manager = device.start();
        let before = register(&manager, device.widevine("film", RenewalPolicy::default())).unwrap();
        // The release waits, so that both licenses are there.
        device.widevine.script().plan(Call::Release, Moment::Start, Trouble::Fail(Code::CdmBusy), 100);
        manager.refresh(&id("film"), Refresh::default(), &Cancellation::new()).unwrap();
        manager.reconcile().unwrap();
        let situation = Situation::of(device);
        situation.device.widevine.script().clear();
        let old_id = &before.licenses[0].license_id;
        situation.change(|tx, new| {
            let old = tx.license(old_id)?.unwrap();
            set(tx, new, LicenseState::Stored, None)?;
            let (lease_until_ms, next_attempt_at_ms) = (None, 0);
            tx.update_license(&LicenseRow { state: LicenseState::Active, lease_until_ms, next_attempt_at_ms, ..old })
        });
        situation
    }),
    ("`Superseded`", || unregistered(LicenseState::Superseded)),
    ("`Releasing`", || unregistered(LicenseState::Releasing)),
    ("`Releasing`, secure token in the secret storage", || {
        let device = TestDevice::new();
        device.fairplay.switch(|device| device.releases = true);
        let manager = device.start();
        register(&manager, device.fair_play("film")).unwrap();
        let situation = Situation::of(device);
        situation.device.servers.stop().unwrap();
        manager.unregister(&id("film")).unwrap();
        manager.reconcile().unwrap();
        manager.close();
        assert_eq!(situation.device.storage.keys().len(), 2, "the handle and the secure token");
        situation.device.servers.resume().unwrap();
        situation.change(|tx, old| {
            tx.delete_asset(&Profile::default(), &id("film"))?;
            set(tx, old, LicenseState::Releasing, None)
        });
        situation
    }),
    ("`Released`", || unregistered(LicenseState::Released)),
    ("`Forgotten`", || unregistered(LicenseState::Forgotten)),
];

const OUTCOMES: &[NamedOutcome] = &[
    ("the intent is removed", |situation, manager| {
        let rows = situation.rows();
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert_eq!((&rows[0].license_id, rows[0].state), (&situation.old.license_id, LicenseState::Active));
        assert_eq!(situation.counts(), (1, 1));
        let handle = manager.license_handle(&situation.old.license_id).unwrap();
        assert_eq!(Some(handle.digest()), situation.old.handle_digest);
    }),
    ("the license is released", |situation, manager| {
        assert_gone(situation, manager);
        assert_eq!(situation.counts(), (0, 0), "the server knows of the release");
    }),
    ("the license is released and the registration is removed", |situation, manager| {
        assert_gone(situation, manager);
        assert_eq!(situation.counts(), (0, 0), "the server knows of the release");
    }),
    ("the license replaces the old one", |situation, manager| {
        let rows = situation.rows();
        assert_eq!((rows.len(), rows[0].state), (1, LicenseState::Active), "{rows:?}");
        assert_ne!(rows[0].license_id, situation.old.license_id);
        assert_eq!(manager.license_handle(&rows[0].license_id).unwrap(), *situation.new_handle.as_ref().unwrap());
        assert_eq!(situation.counts(), (1, 1), "nothing is released");
    }),
    ("the registration is completed", |situation, manager| {
        assert_playable(manager);
        assert_eq!(situation.rows()[0].license_id, situation.old.license_id);
        assert_eq!(situation.counts(), (1, 1));
    }),
    ("the license becomes active and its predecessor is released", |situation, manager| {
        assert_playable(manager);
        let rows = situation.rows();
        assert_eq!((rows.len(), &rows[0].license_id), (1, &situation.old.license_id), "{rows:?}");
        assert_eq!(situation.counts(), (1, 1), "the predecessor is released");
    }),
    ("the secure token is sent", |situation, manager| {
        assert_gone(situation, manager);
        assert_eq!(situation.counts(), (0, 0), "the server knows of the release");
        assert_eq!(situation.device.fairplay.script().calls(Call::Release), 1, "the CDM makes no second token");
    }),
    ("handle and row are removed", |situation, manager| {
        assert_gone(situation, manager);
        assert_eq!(situation.counts(), (1, 0), "the server is not asked again");
    }),
];

impl Situation {
    /// A registered film with one Widevine license, and a copy of its database.
    fn registered() -> Self {
        let device = TestDevice::new();
        let manager = device.start();
        register(&manager, device.widevine("film", RenewalPolicy::default())).unwrap();
        Self::of(device)
    }

    /// The device as it is now. Its film has one active license.
    fn of(device: TestDevice) -> Self {
        let mut config = device.config();
        config.data_dir = device.folder.path().join("after-the-crash");
        larder_testkit::copy_dir(&device.data_dir(), &config.data_dir).unwrap();
        let store = Store::open(&config.data_dir).unwrap().store;
        let old = store.read(|tx| tx.licenses_in(&[LicenseState::Active])).unwrap().remove(0);
        Self { device, config, old, new_handle: None }
    }

    /// Changes the database that the dead process left.
    fn change(&self, step: impl FnOnce(&WriteTx<'_>, &LicenseRow) -> Result<()>) {
        let store = Store::open(&self.config.data_dir).unwrap().store;
        store.write(|tx| step(tx, &self.old)).unwrap();
    }

    fn rows(&self) -> Vec<LicenseRow> {
        let store = Store::open(&self.config.data_dir).unwrap().store;
        store.read(|tx| tx.licenses_in(&LicenseState::ALL)).unwrap()
    }

    /// The licenses that live at the server, and the values in the secret storage.
    fn counts(&self) -> (usize, usize) {
        (self.device.live(), self.device.storage.keys().len())
    }
}

/// An intent that replaces a license, as it is written before the engine is called.
fn intent(old: &LicenseRow) -> LicenseRow {
    let license_id = LicenseId::random().unwrap();
    let (profile, asset_id) = (old.profile.clone(), old.asset_id.clone());
    LicenseRow {
        held_before: Some(old.handle_digest.into_iter().collect()),
        replaces: Some(old.license_id.clone()),
        ..LicenseRow::intended(license_id, profile, asset_id, old.request.clone(), old.params.clone())
    }
}

/// Moves license and asset back to the states that they had when the process died.
fn set(tx: &WriteTx<'_>, license: &LicenseRow, state: LicenseState, asset: Option<AssetState>) -> Result<()> {
    tx.update_license(&LicenseRow { state, ..license.clone() })?;
    match (asset, tx.asset(&license.profile, &license.asset_id)?) {
        (Some(state), Some(mut asset)) => {
            asset.state = state;
            tx.update_asset(&asset)
        }
        _ => Ok(()),
    }
}

/// A registration that died when the license was in the CDM and in the secret storage, and not in the ledger.
fn acquired_but_not_in_the_ledger() -> Situation {
    let situation = Situation::registered();
    situation.change(|tx, old| {
        let intent = LicenseRow { license_id: old.license_id.clone(), replaces: None, ..intent(old) };
        let mut asset = tx.asset(&old.profile, &old.asset_id)?.unwrap();
        asset.state = AssetState::Registering;
        tx.update_asset(&asset)?;
        tx.update_license(&LicenseRow { held_before: Some(Vec::new()), ..intent })
    });
    situation
}

/// A FairPlay key that the CDM replaced by itself, recorded as a continuation, with its handle not stored yet.
fn continued() -> (Situation, LicenseRow) {
    let device = TestDevice::new();
    let manager = device.start();
    register(&manager, device.fair_play("film")).unwrap();
    let situation = Situation::of(device);
    let old_handle = manager.license_handle(&situation.old.license_id).unwrap();
    let new_handle = situation.device.fairplay.start_playback(&old_handle).unwrap().updated.unwrap().0;
    let row = LicenseRow {
        license_id: LicenseId::random().unwrap(),
        state: LicenseState::Intended,
        kind: IntentKind::Continuation,
        handle_digest: Some(new_handle.digest()),
        replaces: Some(situation.old.license_id.clone()),
        ..situation.old.clone()
    };
    situation.change(|tx, _| tx.insert_license(&row));
    (Situation { new_handle: Some(new_handle), ..situation }, row)
}

/// A film that was unregistered, whose license is in this state.
fn unregistered(state: LicenseState) -> Situation {
    let situation = Situation::registered();
    situation.change(|tx, old| {
        tx.delete_asset(&Profile::default(), &id("film"))?;
        set(tx, old, state, None)
    });
    situation
}

#[track_caller]
fn assert_gone(situation: &Situation, manager: &LocalAssetsManager) {
    assert_eq!(manager.status(&id("film")).unwrap().why, PlayabilityReason::NotRegistered);
    assert_eq!(situation.rows(), [], "the ledger");
    assert_eq!(situation.device.storage.keys(), [""; 0], "the secret storage");
}

#[track_caller]
fn assert_playable(manager: &LocalAssetsManager) {
    manager.set_network_state(NetworkState::Offline).unwrap();
    let status = manager.verify_asset(&id("film"), Verify { media: true, licenses: true }).unwrap();
    assert!(status.is_playable, "{}", status.message);
}
