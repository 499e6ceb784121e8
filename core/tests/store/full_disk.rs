//! Full disks: nothing is lost, and deleting works.

use std::fs;
use std::path::Path;
use std::process::Command;

use larder_core::Code;
use larder_core::model::Profile;
use larder_core::store::Store;

use crate::samples::{clear_asset, open};

/// A small disk. Only root can mount one; the unit tests of the store limit the size of the file instead.
struct Disk(tempfile::TempDir);

impl Disk {
    /// Returns `None` without the right to mount.
    fn new(size: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(dir.path())
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then_some(Self(dir))
    }

    fn store(&self) -> std::path::PathBuf {
        self.0.path().join("store")
    }

    /// Fills the disk up to a few bytes. Returns the file that takes up the space.
    fn fill(&self) -> std::path::PathBuf {
        let file = self.0.path().join("filler");
        for chunk in [64 * 1024, 4096] {
            let mut content = fs::read(&file).unwrap_or_default();
            loop {
                content.extend(vec![1; chunk]);
                if fs::write(&file, &content).is_err() {
                    content.truncate(content.len() - chunk);
                    fs::write(&file, &content).unwrap();
                    break;
                }
            }
        }
        file
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

fn ids(store: &Store) -> Vec<String> {
    let summaries = store.read(|tx| tx.summaries(&Profile::default())).unwrap();
    summaries.into_iter().map(|asset| asset.asset_id.as_str().to_owned()).collect()
}

fn insert_until_full(store: &Store, first: u32) -> u32 {
    for number in first.. {
        let mut asset = clear_asset(&format!("{number:05}"));
        asset.metadata = Some(vec![7; 2000]);
        match store.write(|tx| tx.insert_asset(&asset)) {
            Ok(()) => {}
            Err(error) => {
                assert_eq!(error.code(), Code::DiskFull, "{error}");
                assert!(error.is_retryable());
                return number;
            }
        }
    }
    unreachable!()
}

fn delete(store: &Store, number: u32) {
    let asset = clear_asset(&format!("{number:05}"));
    assert!(store.write_with_reserve(|tx| tx.delete_asset(&asset.profile, &asset.asset_id)).unwrap());
}

fn has_reserve(dir: &Path) -> bool {
    fs::metadata(dir.join("larder.reserve")).is_ok_and(|meta| meta.len() >= 512 * 1024)
}

#[test]
fn a_full_disk_refuses_new_rows_and_lets_old_ones_be_deleted() {
    let Some(disk) = Disk::new("4m") else { return };
    let store = open(&disk.store());
    assert!(has_reserve(&disk.store()));
    let count = insert_until_full(&store, 0);
    assert!(count > 50, "{count}");
    assert_eq!(ids(&store).len(), count as usize, "the refused row is absent, all others are there");
    store.check().unwrap();

    for number in 0..count / 2 {
        delete(&store, number);
    }
    assert_eq!(ids(&store).len(), (count - count / 2) as usize);
    store.check().unwrap();
    // The file has room again, but the disk has not.
    store.write_with_reserve(|tx| tx.insert_asset(&clear_asset("one more"))).unwrap();
    drop(store);
    assert_eq!(ids(&open(&disk.store())).len(), (count - count / 2) as usize + 1);
}

#[test]
fn a_store_opens_and_deletes_on_a_disk_that_was_filled_while_it_was_closed() {
    let Some(disk) = Disk::new("4m") else { return };
    {
        let store = open(&disk.store());
        for number in 0..20 {
            store.write(|tx| tx.insert_asset(&clear_asset(&format!("{number:05}")))).unwrap();
        }
    }
    let filler = disk.fill();
    {
        // The store was closed cleanly, so it must create its log and shared memory again, which need room.
        let store = open(&disk.store());
        assert_eq!(ids(&store).len(), 20);
        for number in 0..20 {
            delete(&store, number);
        }
        assert!(!has_reserve(&disk.store()));
    }
    fs::remove_file(filler).unwrap();
    assert_eq!(ids(&open(&disk.store())), Vec::<String>::new());
    assert!(has_reserve(&disk.store()), "it is created again when there is room");
}

/// The app is started again and again, and each time other apps have filled the rest of the disk.
#[test]
fn opening_on_a_full_disk_does_not_use_up_the_reserve() {
    let Some(disk) = Disk::new("4m") else { return };
    {
        let store = open(&disk.store());
        for number in 0..40 {
            store.write(|tx| tx.insert_asset(&clear_asset(&format!("{number:05}")))).unwrap();
        }
    }
    for round in 0..10 {
        disk.fill();
        let store = open(&disk.store());
        assert_eq!(ids(&store).len(), 40 - round as usize);
        let mut large = clear_asset("new");
        large.metadata = Some(vec![7; 20_000]);
        let refused = store.write(|tx| tx.insert_asset(&large)).unwrap_err();
        assert_eq!(refused.code(), Code::DiskFull, "round {round}: an ordinary write does not spend the reserve");
        delete(&store, round);
    }
}

#[test]
fn creating_a_store_on_a_full_disk_fails_with_disk_full() {
    let Some(disk) = Disk::new("256k") else { return };
    let filler = disk.fill();
    let error = Store::open(&disk.store()).unwrap_err();
    assert_eq!(error.code(), Code::DiskFull, "{error}");
    fs::remove_file(filler).unwrap();
    let store = open(&disk.store());
    assert!(!has_reserve(&disk.store()), "there is no room for it, which is no error");
    store.write(|tx| tx.insert_asset(&clear_asset("a"))).unwrap();
}

#[test]
fn a_damaged_file_on_a_full_disk_is_repaired_when_there_is_room() {
    let Some(disk) = Disk::new("8m") else { return };
    {
        let store = open(&disk.store());
        for number in 0..300 {
            store.write(|tx| tx.insert_asset(&clear_asset(&format!("{number:05}")))).unwrap();
        }
    }
    fs::remove_file(disk.store().join("larder.reserve")).unwrap();
    let db = disk.store().join("larder.db");
    let length = fs::metadata(&db).unwrap().len();
    fs::File::options().write(true).open(&db).unwrap().set_len(length - 4096).unwrap();
    let before = fs::read(&db).unwrap();
    let filler = disk.fill();

    assert_eq!(Store::open(&disk.store()).unwrap_err().code(), Code::DiskFull);
    assert_eq!(fs::read(&db).unwrap(), before);
    fs::remove_file(filler).unwrap();
    let opened = Store::open(&disk.store()).unwrap();
    assert!(opened.notice.is_some());
    assert!(ids(&opened.store).len() > 200);
}
