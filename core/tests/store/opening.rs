//! Opens folders and files of every kind.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use larder_core::Code;
use larder_core::model::Profile;
use larder_core::store::{Notice, Store};
use rusqlite::Connection;

use crate::other_process::OtherProcess;
use crate::samples::{clear_asset, full_asset, open};

fn db(dir: &Path) -> PathBuf {
    dir.join("larder.db")
}

/// The folder of a closed store with two assets.
fn filled() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.write(|tx| tx.insert_asset(&clear_asset("a"))).unwrap();
    store.write(|tx| tx.insert_asset(&full_asset("b"))).unwrap();
    dir
}

fn execute(dir: &Path, sql: &str) {
    Connection::open(db(dir)).unwrap().execute_batch(sql).unwrap();
}

fn expect_open_fails(dir: &Path, code: Code) {
    let error = Store::open(dir).unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    assert!(!error.message().contains(dir.to_str().unwrap()));
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_closed_store_has_database_lock_and_reserve_file() {
    let dir = filled();
    assert_eq!(names(dir.path()), ["larder.db", "larder.db.lock", "larder.reserve"]);
    assert!(fs::metadata(dir.path().join("larder.reserve")).unwrap().len() >= 512 * 1024);
}

#[test]
fn a_file_of_a_newer_version_is_opened_read_only_and_not_changed() {
    let dir = filled();
    execute(
        dir.path(),
        "ALTER TABLE assets ADD COLUMN rating TEXT; CREATE TABLE ratings (id); PRAGMA user_version = 99",
    );
    let before = fs::read(db(dir.path())).unwrap();
    {
        let opened = Store::open(dir.path()).unwrap();
        assert_eq!(opened.notice, Some(Notice::ReadOnly));
        assert_eq!(opened.notice.unwrap().code(), Code::StoreReadOnly);
        let store = opened.store;
        assert!(store.is_read_only());
        let row = full_asset("b");
        assert_eq!(store.read(|tx| tx.asset(&row.profile, &row.asset_id)).unwrap(), Some(row.clone()));
        assert_eq!(store.read(|tx| tx.summaries(&Profile::default())).unwrap().len(), 1);
        for error in [
            store.write(|_| Ok(())).unwrap_err(),
            store.write_with_reserve(|tx| tx.delete_asset(&row.profile, &row.asset_id)).unwrap_err(),
        ] {
            assert_eq!(error.code(), Code::StoreReadOnly);
        }
        assert!(store.interrupted().unwrap().is_empty());
        assert!(!store.changed_elsewhere().unwrap());
    }
    assert_eq!(fs::read(db(dir.path())).unwrap(), before);
}

#[test]
fn a_newer_file_with_unreadable_tables_reports_read_only() {
    let dir = filled();
    execute(dir.path(), "ALTER TABLE assets RENAME COLUMN summary TO digest; PRAGMA user_version = 7");
    let store = Store::open(dir.path()).unwrap().store;
    let error = store.read(|tx| tx.summaries(&Profile::default())).unwrap_err();
    assert_eq!(error.code(), Code::StoreReadOnly);
    assert_eq!(store.read(|tx| tx.clock_mark()).unwrap(), None);
}

#[test]
fn a_row_with_an_unknown_value_is_skipped_and_can_be_replaced() {
    let dir = filled();
    execute(
        dir.path(),
        "INSERT INTO assets SELECT 9, profile, 'c', state, CAST(X'63' || substr(summary, 2) AS BLOB), written_by
         FROM assets WHERE asset_id = 'a';
         INSERT INTO asset_details SELECT 9, source, required_keys, metadata FROM asset_details WHERE id = 1",
    );
    let store = open(dir.path());
    let ids: Vec<_> = store.read(|tx| tx.summaries(&Profile::default())).unwrap();
    assert_eq!(ids.len(), 1);
    let row = clear_asset("c");
    assert_eq!(store.read(|tx| tx.asset(&row.profile, &row.asset_id)).unwrap(), None);
    store.write(|tx| tx.insert_asset(&row)).unwrap();
    assert_eq!(store.read(|tx| tx.asset(&row.profile, &row.asset_id)).unwrap(), Some(row.clone()));
}

#[test]
fn the_database_of_another_application_is_not_changed() {
    for sql in ["CREATE TABLE t (x)", "PRAGMA application_id = 7; CREATE TABLE t (x)", "PRAGMA user_version = 1"] {
        let dir = tempfile::tempdir().unwrap();
        execute(dir.path(), sql);
        let before = fs::read(db(dir.path())).unwrap();
        expect_open_fails(dir.path(), Code::StoreUnavailable);
        assert_eq!(fs::read(db(dir.path())).unwrap(), before);
    }
}

#[test]
fn an_empty_file_becomes_a_new_store() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(db(dir.path()), "").unwrap();
    open(dir.path()).write(|tx| tx.insert_asset(&clear_asset("a"))).unwrap();
}

#[test]
fn a_missing_volume_or_a_wrong_path_is_unavailable_and_not_changed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "content").unwrap();
    expect_open_fails(&file, Code::StoreUnavailable);
    expect_open_fails(&file.join("inner"), Code::StoreUnavailable);
    assert_eq!(fs::read(&file).unwrap(), b"content");

    let dangling = tempfile::tempdir().unwrap();
    symlink("/no/such/volume/larder.db", db(dangling.path())).unwrap();
    expect_open_fails(dangling.path(), Code::StoreUnavailable);

    let circular = tempfile::tempdir().unwrap();
    symlink(db(circular.path()), db(circular.path())).unwrap();
    expect_open_fails(circular.path(), Code::StoreUnavailable);

    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(db(folder.path())).unwrap();
    expect_open_fails(folder.path(), Code::StoreUnavailable);
    assert_eq!(names(folder.path()), ["larder.db", "larder.db.lock"]);
}

#[test]
fn a_file_or_folder_without_permission_is_unavailable_and_not_changed() {
    let dir = filled();
    let before = fs::read(db(dir.path())).unwrap();
    fs::set_permissions(dir.path().join("larder.db.lock"), PermissionsExt::from_mode(0o666)).unwrap();
    for (folder_mode, file_mode) in [(0o000, 0o600), (0o555, 0o444), (0o777, 0o000)] {
        fs::set_permissions(db(dir.path()), PermissionsExt::from_mode(file_mode)).unwrap();
        fs::set_permissions(dir.path(), PermissionsExt::from_mode(folder_mode)).unwrap();
        let (_home, command) = as_ordinary_user();
        let code = OtherProcess::run(command, "open", dir.path(), "").next_report();
        fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o700)).unwrap();
        assert_eq!(code.as_deref(), Some("STORE_UNAVAILABLE"), "{folder_mode:o} {file_mode:o}");
    }
    fs::set_permissions(db(dir.path()), PermissionsExt::from_mode(0o600)).unwrap();
    assert_eq!(fs::read(db(dir.path())).unwrap(), before);
    assert!(names(dir.path()).iter().all(|name| !name.contains("corrupt")));
    open(dir.path());
}

/// Returns a command that runs this test binary as an ordinary user, because permissions do not hold for root.
fn as_ordinary_user() -> (tempfile::TempDir, Command) {
    use std::os::unix::process::CommandExt as _;
    let home = tempfile::tempdir().unwrap();
    fs::set_permissions(home.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let exe = home.path().join("test");
    fs::copy(std::env::current_exe().unwrap(), &exe).unwrap();
    let mut command = Command::new(exe);
    if fs::metadata(home.path()).unwrap().uid() == 0 {
        command.uid(65534).gid(65534);
    }
    (home, command)
}

#[test]
fn a_write_fails_after_the_file_was_moved_away_or_replaced() {
    let dir = filled();
    let store = open(dir.path());
    let away = dir.path().join("away");
    fs::rename(db(dir.path()), &away).unwrap();
    let error = store.write(|tx| tx.insert_asset(&clear_asset("c"))).unwrap_err();
    assert_eq!(error.code(), Code::StoreUnavailable, "{error}");
    fs::write(db(dir.path()), "another").unwrap();
    assert_eq!(store.write(|_| Ok(())).unwrap_err().code(), Code::StoreUnavailable);
    fs::rename(&away, db(dir.path())).unwrap();
    store.write(|tx| tx.insert_asset(&clear_asset("c"))).unwrap();
}

#[test]
fn a_store_can_be_opened_by_a_relative_path() {
    let dir = tempfile::tempdir_in(".").unwrap();
    let relative = Path::new(dir.path().file_name().unwrap());
    let store = open(relative);
    store.write(|tx| tx.insert_asset(&clear_asset("a"))).unwrap();
    assert!(db(relative).exists());
}
