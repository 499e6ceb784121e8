//! A repair that was killed between two of its steps goes on at the next opening.

use std::fs;
use std::path::Path;

use larder_core::model::Profile;
use larder_core::store::{Notice, Store};

use crate::damage::{db, fill};
use crate::samples::open;

/// A damaged file with its log, and beside it what a repair has made of it.
fn halfway() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fill(&open(dir.path()), 0..7);
    fs::rename(db(dir.path()), dir.path().join("larder.db.new")).unwrap();
    fs::write(db(dir.path()), "damaged".repeat(100)).unwrap();
    fs::write(dir.path().join("larder.db-wal"), "its log").unwrap();
    dir
}

fn finishes(dir: &Path) {
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
fn killed_before_anything_was_moved() {
    let dir = halfway();
    finishes(dir.path());
    assert_eq!(fs::read(dir.path().join("larder.db.corrupt-1-wal")).unwrap(), b"its log");
    assert!(fs::read(dir.path().join("larder.db.corrupt-1")).unwrap().starts_with(b"damaged"));
}

#[test]
fn killed_after_the_log_was_moved() {
    let dir = halfway();
    fs::rename(dir.path().join("larder.db-wal"), dir.path().join("larder.db.corrupt-1-wal")).unwrap();
    finishes(dir.path());
    assert_eq!(fs::read(dir.path().join("larder.db.corrupt-1-wal")).unwrap(), b"its log");
}

#[test]
fn killed_after_the_file_was_moved() {
    let dir = halfway();
    fs::rename(dir.path().join("larder.db-wal"), dir.path().join("larder.db.corrupt-1-wal")).unwrap();
    fs::rename(db(dir.path()), dir.path().join("larder.db.corrupt-1")).unwrap();
    finishes(dir.path());
}

#[test]
fn killed_while_the_new_file_was_being_written() {
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
