//! Kills a repair between two of its steps. The next opening finishes it.

use std::fs;
use std::path::Path;

use larder_core::model::Profile;
use larder_core::store::{Notice, Store};

use crate::damage::{db, fill};
use crate::samples::open;

/// A damaged file with its log, and beside it the new file of an interrupted repair.
fn interrupted_repair() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fill(&open(dir.path()), 0..7);
    fs::rename(db(dir.path()), dir.path().join("larder.db.new")).unwrap();
    fs::write(db(dir.path()), "damaged".repeat(100)).unwrap();
    fs::write(dir.path().join("larder.db-wal"), "its log").unwrap();
    dir
}

fn expect_finished(dir: &Path) {
    let opened = Store::open(dir).unwrap();
    let expected = Notice::SetAside { file_name: "larder.db.corrupt-1".to_owned(), assets_kept: 7, licenses_kept: 7 };
    assert_eq!(opened.notice, Some(expected));
    let user = Profile::new("user 7").unwrap();
    assert_eq!(opened.store.read(|tx| tx.summaries(&user)).unwrap().len(), 7);
    opened.store.check().unwrap();
    assert!(!dir.join("larder.db.new").exists());
    drop(opened);
    open(dir);
}

#[test]
fn repair_killed_before_the_first_rename_is_finished() {
    let dir = interrupted_repair();
    expect_finished(dir.path());
    assert_eq!(fs::read(dir.path().join("larder.db.corrupt-1-wal")).unwrap(), b"its log");
    assert!(fs::read(dir.path().join("larder.db.corrupt-1")).unwrap().starts_with(b"damaged"));
}

#[test]
fn repair_killed_after_renaming_the_log_is_finished() {
    let dir = interrupted_repair();
    fs::rename(dir.path().join("larder.db-wal"), dir.path().join("larder.db.corrupt-1-wal")).unwrap();
    expect_finished(dir.path());
    assert_eq!(fs::read(dir.path().join("larder.db.corrupt-1-wal")).unwrap(), b"its log");
}

#[test]
fn repair_killed_after_renaming_the_database_is_finished() {
    let dir = interrupted_repair();
    fs::rename(dir.path().join("larder.db-wal"), dir.path().join("larder.db.corrupt-1-wal")).unwrap();
    fs::rename(db(dir.path()), dir.path().join("larder.db.corrupt-1")).unwrap();
    expect_finished(dir.path());
}

#[test]
fn repair_killed_while_writing_the_new_file_starts_again() {
    let dir = tempfile::tempdir().unwrap();
    fill(&open(dir.path()), 0..50);
    let damaged = fs::File::options().write(true).open(db(dir.path())).unwrap();
    damaged.set_len(5 * 4096).unwrap();
    fs::write(dir.path().join("larder.db.building"), "half of it").unwrap();
    fs::write(dir.path().join("larder.db.building-journal"), "half of it").unwrap();
    let opened = Store::open(dir.path()).unwrap();
    assert!(matches!(opened.notice, Some(Notice::SetAside { .. })));
    opened.store.check().unwrap();
    assert!(!dir.path().join("larder.db.building").exists());
    assert!(!dir.path().join("larder.db.building-journal").exists());
}
