//! Opening what is there, whatever it is.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use larder_core::Code;
use larder_core::model::Profile;
use larder_core::store::{Notice, Store};
use rusqlite::Connection;

use crate::other_process::Other;
use crate::samples::{clear_asset, full_asset, open};

fn db(dir: &Path) -> PathBuf {
    dir.join("larder.db")
}

/// A store of two assets, closed.
fn filled() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.write(|tx| tx.insert_asset(&clear_asset("a"))).unwrap();
    store.write(|tx| tx.insert_asset(&full_asset("b"))).unwrap();
    dir
}

fn tamper(dir: &Path, sql: &str) {
    Connection::open(db(dir)).unwrap().execute_batch(sql).unwrap();
}

fn fails_with(dir: &Path, code: Code) {
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
fn a_closed_store_leaves_one_file_of_data() {
    let dir = filled();
    assert_eq!(names(dir.path()), ["larder.db", "larder.db.lock", "larder.reserve"]);
    assert!(fs::metadata(dir.path().join("larder.reserve")).unwrap().len() >= 512 * 1024);
}

#[test]
fn a_file_of_a_newer_version_is_read_and_never_changed() {
    let dir = filled();
    tamper(dir.path(), "ALTER TABLE assets ADD COLUMN mood TEXT; CREATE TABLE moods (id); PRAGMA user_version = 99");
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
fn a_newer_file_that_cannot_be_read_says_so() {
    let dir = filled();
    tamper(dir.path(), "ALTER TABLE assets RENAME COLUMN summary TO digest; PRAGMA user_version = 7");
    let store = Store::open(dir.path()).unwrap().store;
    let error = store.read(|tx| tx.summaries(&Profile::default())).unwrap_err();
    assert_eq!(error.code(), Code::StoreReadOnly);
    assert_eq!(store.read(|tx| tx.clock_mark()).unwrap(), None);
}

#[test]
fn a_row_with_a_value_from_the_future_is_left_out_and_the_others_are_not() {
    let dir = filled();
    tamper(
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
fn somebody_elses_database_is_left_alone() {
    for sql in ["CREATE TABLE t (x)", "PRAGMA application_id = 7; CREATE TABLE t (x)", "PRAGMA user_version = 1"] {
        let dir = tempfile::tempdir().unwrap();
        tamper(dir.path(), sql);
        let before = fs::read(db(dir.path())).unwrap();
        fails_with(dir.path(), Code::StoreUnavailable);
        assert_eq!(fs::read(db(dir.path())).unwrap(), before);
    }
}

#[test]
fn an_empty_file_is_a_new_store() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(db(dir.path()), "").unwrap();
    open(dir.path()).write(|tx| tx.insert_asset(&clear_asset("a"))).unwrap();
}

#[test]
fn a_missing_volume_or_a_wrong_place_is_unavailable_and_nothing_is_touched() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "mine").unwrap();
    fails_with(&file, Code::StoreUnavailable);
    fails_with(&file.join("inner"), Code::StoreUnavailable);
    assert_eq!(fs::read(&file).unwrap(), b"mine");

    let dangling = tempfile::tempdir().unwrap();
    symlink("/no/such/volume/larder.db", db(dangling.path())).unwrap();
    fails_with(dangling.path(), Code::StoreUnavailable);

    let circular = tempfile::tempdir().unwrap();
    symlink(db(circular.path()), db(circular.path())).unwrap();
    fails_with(circular.path(), Code::StoreUnavailable);

    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(db(folder.path())).unwrap();
    fails_with(folder.path(), Code::StoreUnavailable);
    assert_eq!(names(folder.path()), ["larder.db", "larder.db.lock"]);
}

#[test]
fn a_file_or_folder_without_permission_is_unavailable_and_nothing_is_touched() {
    let dir = filled();
    let before = fs::read(db(dir.path())).unwrap();
    fs::set_permissions(dir.path().join("larder.db.lock"), PermissionsExt::from_mode(0o666)).unwrap();
    for (folder_mode, file_mode) in [(0o000, 0o600), (0o555, 0o444), (0o777, 0o000)] {
        fs::set_permissions(db(dir.path()), PermissionsExt::from_mode(file_mode)).unwrap();
        fs::set_permissions(dir.path(), PermissionsExt::from_mode(folder_mode)).unwrap();
        let (_home, command) = as_somebody_else();
        let code = Other::run(command, "open", dir.path(), "").hear();
        fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o700)).unwrap();
        assert_eq!(code.as_deref(), Some("STORE_UNAVAILABLE"), "{folder_mode:o} {file_mode:o}");
    }
    fs::set_permissions(db(dir.path()), PermissionsExt::from_mode(0o600)).unwrap();
    assert_eq!(fs::read(db(dir.path())).unwrap(), before);
    assert!(names(dir.path()).iter().all(|name| !name.contains("corrupt")));
    open(dir.path());
}

/// This test binary as a user that permissions hold for: root is asked by none.
fn as_somebody_else() -> (tempfile::TempDir, Command) {
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
fn a_file_that_vanished_while_open_loses_nothing_silently() {
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
fn a_relative_folder_is_the_one_that_it_was_at_the_start() {
    let dir = tempfile::tempdir_in(".").unwrap();
    let relative = Path::new(dir.path().file_name().unwrap());
    let store = open(relative);
    store.write(|tx| tx.insert_asset(&clear_asset("a"))).unwrap();
    assert!(db(relative).exists());
}
