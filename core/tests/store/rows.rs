//! Writes rows and reads them back.

use larder_core::model::{DrmScheme, Expiry, KeyCoverage, LicenseState, MediaFormat, Profile};
use larder_core::store::{AssetState, AssetSummary, ClockMark, LicenseRow, LicenseSummary};
use larder_core::{Code, Error};

use crate::samples::{clear_asset, full_asset, full_license, id, intent, key, license_id, open};

fn user() -> Profile {
    Profile::new("user 7").unwrap()
}

#[test]
fn every_field_of_every_row_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mark =
        ClockMark { wall_ms: 5, since_boot_ms: Some(6), boot_id: Some("boot".to_owned()), rollback_suspected: true };
    let (assets, licenses) =
        ([full_asset("a"), clear_asset("b")], [full_license(1, "a"), intent(2, "b"), intent(3, "gone")]);
    {
        let store = open(dir.path());
        store
            .write(|tx| {
                assets.iter().try_for_each(|row| tx.insert_asset(row))?;
                licenses.iter().try_for_each(|row| tx.insert_license(row))?;
                tx.set_clock_mark(&mark)
            })
            .unwrap();
    }
    let store = open(dir.path());
    store
        .read(|tx| {
            for row in &assets {
                assert_eq!(tx.asset(&row.profile, &row.asset_id)?.as_ref(), Some(row));
            }
            for row in &licenses {
                assert_eq!(tx.license(&row.license_id)?.as_ref(), Some(row));
                assert_eq!(tx.licenses_of(&row.profile, &row.asset_id)?, std::slice::from_ref(row));
            }
            assert_eq!(tx.clock_mark()?, Some(mark.clone()));
            assert_eq!(tx.profiles()?.into_iter().collect::<Vec<_>>(), [Profile::default(), user()]);
            Ok(())
        })
        .unwrap();
}

#[test]
fn extreme_values_survive() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut never = intent(1, "..");
    never.expires = Expiry::Never;
    never.playback_window_seconds = Some(u64::MAX);
    never.held_before = Some(Vec::new());
    never.key_ids = Some(Vec::new());
    never.state = LicenseState::Forgotten;
    let mut early = intent(2, "a/b\n🍎");
    early.expires = Expiry::At(i64::MIN);
    early.coverage = KeyCoverage::Covered;
    let mut asset = clear_asset(&"x".repeat(1024));
    asset.metadata = Some(vec![7; 1 << 20]);
    store
        .write(|tx| {
            tx.insert_license(&never)?;
            tx.insert_license(&early)?;
            tx.insert_asset(&asset)
        })
        .unwrap();
    never.playback_window_seconds = Some(u64::try_from(i64::MAX).unwrap());
    store
        .read(|tx| {
            assert_eq!(tx.license(&never.license_id)?.as_ref(), Some(&never));
            assert_eq!(tx.license(&early.license_id)?.as_ref(), Some(&early));
            assert_eq!(tx.asset(&asset.profile, &asset.asset_id)?.as_ref(), Some(&asset));
            assert_eq!(tx.clock_mark()?, None);
            Ok(())
        })
        .unwrap();
}

#[test]
fn rows_are_updated_and_deleted_without_remains() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut asset = full_asset("a");
    let mut license = full_license(1, "a");
    store
        .write(|tx| {
            tx.insert_asset(&asset)?;
            tx.insert_license(&license)
        })
        .unwrap();

    asset.state = AssetState::Registered;
    asset.metadata = None;
    asset.required_keys.clear();
    asset.source = larder_core::model::MediaSource::default();
    asset.path.root = None;
    license.request.init_data = b"other".to_vec();
    license.held_before = None;
    license.expires = Expiry::Never;
    store
        .write(|tx| {
            tx.update_asset(&asset)?;
            tx.update_license(&license)?;
            tx.set_license_state(&license.license_id, LicenseState::Releasing)
        })
        .unwrap();
    license.state = LicenseState::Releasing;
    let found =
        store.read(|tx| Ok((tx.asset(&asset.profile, &asset.asset_id)?, tx.license(&license.license_id)?))).unwrap();
    assert_eq!(found, (Some(asset.clone()), Some(license.clone())));

    let remove = || {
        store.write_with_reserve(|tx| {
            Ok((tx.delete_asset(&asset.profile, &asset.asset_id)?, tx.delete_license(&license.license_id)?))
        })
    };
    assert_eq!(remove().unwrap(), (true, true));
    assert_eq!(remove().unwrap(), (false, false));
    // No remains conflict with the next rows of the same ids.
    store
        .write(|tx| {
            tx.insert_asset(&asset)?;
            tx.insert_license(&license)
        })
        .unwrap();
}

#[test]
fn an_asset_id_is_unique_within_its_profile() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mine = clear_asset("a");
    let mut theirs = clear_asset("a");
    theirs.profile = user();
    store.write(|tx| tx.insert_asset(&mine)).unwrap();
    store.write(|tx| tx.insert_asset(&theirs)).unwrap();
    assert_eq!(store.write(|tx| tx.insert_asset(&mine)).unwrap_err().code(), Code::AssetExists);
    let error = store.write(|tx| tx.update_asset(&full_asset("b"))).unwrap_err();
    assert_eq!(error.code(), Code::AssetNotFound);
    let error = store.write(|tx| tx.update_license(&intent(1, "a"))).unwrap_err();
    assert_eq!(error.code(), Code::Internal);
}

#[test]
fn a_transaction_that_fails_or_panics_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let error = store
        .write(|tx| {
            tx.insert_asset(&clear_asset("a"))?;
            Err::<(), _>(Error::new(Code::Cancelled, "cancelled by the test"))
        })
        .unwrap_err();
    assert_eq!(error.code(), Code::Cancelled);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        store.write(|tx| {
            tx.insert_asset(&clear_asset("a")).unwrap();
            if tx.asset(&Profile::default(), &id("a")).unwrap().is_some() {
                panic!("a defect in a transaction");
            }
            Ok(())
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(store.read(|tx| tx.summaries(&Profile::default())).unwrap(), []);
    store.write(|tx| tx.insert_asset(&clear_asset("a"))).unwrap();
}

#[test]
fn summaries_have_all_that_a_status_needs() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let asset = full_asset("a");
    store
        .write(|tx| {
            tx.insert_asset(&clear_asset("of another profile"))?;
            tx.insert_asset(&asset)?;
            for (number, state) in (1..).zip(LicenseState::ALL) {
                let mut license = full_license(number, "a");
                license.state = state;
                tx.insert_license(&license)?;
            }
            let mut queued = full_license(100, "unregistered");
            queued.state = LicenseState::Releasing;
            tx.insert_license(&queued)
        })
        .unwrap();

    let summaries = store.read(|tx| tx.summaries(&user())).unwrap();
    let [summary] = summaries.as_slice() else { panic!("{summaries:?}") };
    assert_eq!(summary.asset_id, asset.asset_id);
    assert_eq!(summary.entry_id, asset.entry_id);
    assert_eq!(summary.state, AssetState::Registering);
    assert_eq!(summary.path, asset.path);
    assert_eq!(summary.format, MediaFormat::Hls);
    assert!(summary.is_protected && summary.key_files_missing);
    assert_eq!(summary.required_key_ids, [key(3), key(9)], "sorted, each once");
    assert_eq!(summary.playback_started_at_ms, asset.playback_started_at_ms);
    assert_eq!((summary.registered_at_ms, summary.updated_at_ms), (asset.registered_at_ms, asset.updated_at_ms));
    let without_licenses = AssetSummary { licenses: Vec::new(), ..summary.clone() };
    assert_eq!(without_licenses, AssetSummary::from(&asset), "a row has the summary that is read from the database");
    assert_eq!(summary.licenses[2], LicenseSummary::from(&full_license(3, "a")));
    let states: Vec<_> = summary.licenses.iter().map(|license| license.state).collect();
    assert_eq!(states, [LicenseState::Intended, LicenseState::Stored, LicenseState::Active]);
    assert_eq!(
        summary.licenses[2],
        LicenseSummary {
            license_id: license_id(3),
            scheme: DrmScheme::FairPlay,
            state: LicenseState::Active,
            expires: Expiry::At(1_800_000_000_000),
            granted_at_ms: 1_700_000_000_003,
            playback_window_seconds: Some(172_800),
            coverage: KeyCoverage::Missing,
            requested_key_ids: vec![key(9), key(3)],
        }
    );

    let pending = store.read(|tx| tx.pending_releases(&user())).unwrap();
    assert_eq!(pending.len(), 2);
    assert_eq!((pending[&id("a")], pending[&id("unregistered")]), (2, 1));

    let queue = store.read(|tx| tx.licenses_in(&[LicenseState::Superseded, LicenseState::Releasing])).unwrap();
    let ids: Vec<_> = queue.into_iter().map(|license| license.license_id).collect();
    assert_eq!(ids, [license_id(4), license_id(5), license_id(100)]);
    assert_eq!(store.read(|tx| tx.licenses_in(&[])).unwrap(), []);
}

#[test]
fn summaries_have_their_licenses_in_any_order_of_writing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let order = ["c", "unregistered", "a", "a", "d", "b", "unregistered", "d", "c"];
    store
        .write(|tx| {
            ["a", "b", "c", "d", "without"].iter().try_for_each(|id| tx.insert_asset(&full_asset(id)))?;
            (1..).zip(order).try_for_each(|(number, id)| {
                tx.insert_license(&LicenseRow { state: LicenseState::Active, ..full_license(number, id) })
            })
        })
        .unwrap();
    let summaries = store.read(|tx| tx.summaries(&user())).unwrap();
    for summary in &summaries {
        let of_it = (1..).zip(order).filter(|(_, id)| *id == summary.asset_id.as_str());
        let expected: Vec<_> = of_it.map(|(number, _)| license_id(number)).collect();
        let found: Vec<_> = summary.licenses.iter().map(|license| license.license_id.clone()).collect();
        assert_eq!(found, expected, "{}", summary.asset_id);
    }
    assert_eq!(summaries.len(), 5);
}

#[test]
fn a_dump_has_every_row_and_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mark =
        ClockMark { wall_ms: 5, since_boot_ms: Some(6), boot_id: Some("boot".to_owned()), rollback_suspected: true };
    store
        .write(|tx| {
            tx.insert_asset(&full_asset("a"))?;
            tx.insert_asset(&clear_asset("b"))?;
            tx.insert_license(&full_license(1, "a"))?;
            tx.insert_license(&intent(2, "unregistered"))?;
            tx.set_clock_mark(&mark)
        })
        .unwrap();
    let dump = store.read(|tx| tx.dump()).unwrap();
    let tables: Vec<_> = dump.iter().map(|(table, _)| *table).collect();
    assert_eq!(tables, ["assets", "assets", "licenses", "licenses", "clock_mark"]);
    let [asset, _, license, intent, _] = dump.as_slice() else { panic!("{dump:?}") };
    assert_eq!((&asset.1["asset_id"], &asset.1["source_host"]), (&"a".into(), &"cdn.example".into()));
    assert_eq!(asset.1["path"], "films/ü 🍎", "the fields of the summary are there, too");
    assert_eq!((&license.1["expires"]["at_ms"], &license.1["kind"]), (&1_800_000_000_000_i64.into(), &().into()));
    assert_eq!((&intent.1["state"], &intent.1["kind"]), (&"intended".into(), &"new".into()));

    let text = format!("{dump:?}");
    let digest = full_license(1, "a").handle_digest.unwrap().0;
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    for secret in ["s3cret", "the app's own", "/master.m3u8?", &digest[..10]] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}
