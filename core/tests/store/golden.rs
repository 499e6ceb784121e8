//! Files of released versions. Each is frozen: every later Larder must read all of it.

use std::fs;
use std::path::{Path, PathBuf};

use larder_core::model::{LicenseState, Profile};
use larder_core::store::{AssetRow, ClockMark, LicenseRow};
use rusqlite::Connection;

use crate::samples::{clear_asset, full_asset, full_license, intent, open};

fn fixture(version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/store-v{version}.db"))
}

/// What every file holds, as far as its version knows it.
fn assets() -> [AssetRow; 2] {
    [clear_asset("least"), full_asset("most")]
}

fn licenses() -> Vec<LicenseRow> {
    let mut licenses = vec![intent(1, "least"), full_license(2, "most")];
    licenses.extend(
        (10..)
            .zip(LicenseState::ALL)
            .map(|(number, state)| LicenseRow { state, ..full_license(number, "of every state") }),
    );
    licenses
}

/// Version 1 knew no level.
fn licenses_of(version: u32) -> Vec<LicenseRow> {
    let known = |row: LicenseRow| LicenseRow { acquired_level: row.acquired_level.filter(|_| version > 1), ..row };
    licenses().into_iter().map(known).collect()
}

fn mark() -> ClockMark {
    ClockMark {
        wall_ms: 1_700_000_000_005,
        since_boot_ms: Some(77),
        boot_id: Some("0f-boot".to_owned()),
        rollback_suspected: true,
    }
}

#[test]
fn every_version_is_read_whole() {
    for version in 1..=2 {
        is_read_whole(version);
    }
}

fn is_read_whole(version: u32) {
    let dir = tempfile::tempdir().unwrap();
    fs::copy(fixture(version), dir.path().join("larder.db")).unwrap();
    let store = open(dir.path());
    store
        .read(|tx| {
            for row in assets() {
                assert_eq!(tx.asset(&row.profile, &row.asset_id)?, Some(row));
            }
            for row in licenses_of(version) {
                assert_eq!(tx.license(&row.license_id)?, Some(row));
            }
            assert_eq!(tx.licenses_in(&LicenseState::ALL)?.len(), licenses().len());
            assert_eq!(tx.clock_mark()?, Some(mark()));
            assert_eq!(
                tx.profiles()?.into_iter().collect::<Vec<_>>(),
                [Profile::default(), assets()[1].profile.clone()]
            );
            Ok(())
        })
        .unwrap();
    store.write(|tx| tx.insert_asset(&clear_asset("new"))).unwrap();
    store.check().unwrap();
}

#[test]
fn a_new_file_has_the_schema_of_a_migrated_one() {
    let (new, migrated) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::copy(fixture(1), migrated.path().join("larder.db")).unwrap();
    let schema = |dir: &Path| -> Vec<(String, Option<String>)> {
        drop(open(dir));
        let conn = Connection::open(dir.join("larder.db")).unwrap();
        let mut statement = conn.prepare("SELECT name, sql FROM sqlite_master ORDER BY name").unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap).collect()
    };
    assert_eq!(schema(new.path()), schema(migrated.path()));
}

/// `cargo test -p larder-core --test store -- --ignored make_the_file_of_version_2`, once, before the version is
/// released: after that its file never changes, and a new version gets one of its own.
#[test]
#[ignore = "not a test: writes the fixture"]
fn make_the_file_of_version_2() {
    let dir = tempfile::tempdir().unwrap();
    {
        let store = open(dir.path());
        store
            .write(|tx| {
                assets().iter().try_for_each(|row| tx.insert_asset(row))?;
                licenses().iter().try_for_each(|row| tx.insert_license(row))?;
                tx.set_clock_mark(&mark())
            })
            .unwrap();
    }
    fs::create_dir_all(fixture(2).parent().unwrap()).unwrap();
    fs::copy(dir.path().join("larder.db"), fixture(2)).unwrap();
}
