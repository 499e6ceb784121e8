//! Damaged files are set aside, and the rows that can be read are kept.

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use larder_core::Code;
use larder_core::model::Profile;
use larder_core::store::{AssetRow, AssetSummary, ClockMark, LicenseRow, Notice, Opened, Store};

use crate::samples::{clear_asset, full_asset, full_license, open};

const PAGE: u64 = 4096;

pub(crate) fn db(dir: &Path) -> PathBuf {
    dir.join("larder.db")
}

fn user() -> Profile {
    Profile::new("user 7").unwrap()
}

fn asset(number: u64) -> AssetRow {
    full_asset(&format!("asset {number}"))
}

fn license(number: u64) -> LicenseRow {
    full_license(number, &format!("asset {number}"))
}

fn mark() -> ClockMark {
    ClockMark { wall_ms: 9, since_boot_ms: None, boot_id: None, rollback_suspected: false }
}

/// Writes assets with these numbers, each with a license.
pub(crate) fn fill(store: &Store, numbers: std::ops::Range<u64>) {
    store
        .write(|tx| {
            tx.set_clock_mark(&mark())?;
            numbers.into_iter().try_for_each(|number| {
                tx.insert_asset(&asset(number))?;
                tx.insert_license(&license(number))
            })
        })
        .unwrap();
}

/// The folder of a closed store with so many assets, each with a license.
fn filled(count: u64) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fill(&open(dir.path()), 0..count);
    dir
}

fn overwrite(file: &Path, offset: u64, bytes: &[u8]) {
    let mut file = fs::File::options().write(true).open(file).unwrap();
    file.seek(SeekFrom::Start(offset)).unwrap();
    file.write_all(bytes).unwrap();
}

fn pages(file: &Path) -> u64 {
    fs::metadata(file).unwrap().len() / PAGE
}

/// SQLite takes an empty file for a new database.
#[test]
fn a_file_that_was_cut_to_nothing_is_reported_as_damaged() {
    let dir = filled(3);
    fs::File::options().write(true).open(db(dir.path())).unwrap().set_len(0).unwrap();
    let opened = Store::open(dir.path()).unwrap();
    let Some(Notice::SetAside { assets_kept: 0, licenses_kept: 0, .. }) = opened.notice else {
        panic!("{:?}", opened.notice)
    };
    fill(&opened.store, 0..1);
    drop(opened);
    assert_eq!(Store::open(dir.path()).unwrap().notice, None, "the notice comes once");
    // A process that is killed while it creates the first store leaves such a file, too. There was nothing to lose.
    let new = tempfile::tempdir().unwrap();
    fs::write(db(new.path()), "").unwrap();
    assert_eq!(Store::open(new.path()).unwrap().notice, None);
}

/// Opens and lists a damaged store, and waits for the repair as [`open_repaired`] does.
fn open_and_list(dir: &Path) -> (Opened, Vec<AssetSummary>) {
    let is_damaged = |error: &larder_core::Error| error.code() == Code::StoreCorrupt;
    until(|| match Store::open_and_read(dir, |tx| tx.summaries(&user())) {
        Err(error) if is_damaged(&error) => None,
        result => Some(result.unwrap()),
    })
}

/// Opens a store in which damage was met, until an opening has repaired it.
///
/// Between the fork and the exec of another test's process, that process has a copy of this test's locks. An opening
/// that meets them leaves the repair to a later one.
fn open_repaired(dir: &Path) -> Opened {
    until(|| Some(Store::open(dir).unwrap()).filter(|opened| opened.notice.is_some()))
}

fn until<T>(attempt: impl Fn() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match attempt() {
            Some(value) => return value,
            None => assert!(Instant::now() < deadline, "the damaged file was not repaired in time"),
        }
    }
}

/// Returns the number of assets and licenses, and expects that each is as it was written.
fn count_intact(store: &Store, count: u64) -> (u64, u64) {
    store
        .read(|tx| {
            let mut kept = (0, 0);
            for number in 0..count {
                let (asset, license) = (asset(number), license(number));
                if let Some(found) = tx.asset(&asset.profile, &asset.asset_id)? {
                    assert_eq!(found, asset);
                    kept.0 += 1;
                }
                if let Some(found) = tx.license(&license.license_id)? {
                    assert_eq!(found, license);
                    kept.1 += 1;
                }
            }
            Ok(kept)
        })
        .unwrap()
}

fn set_aside(notice: Option<Notice>) -> (String, u64, u64) {
    match notice {
        Some(Notice::SetAside { file_name, assets_kept, licenses_kept }) => (file_name, assets_kept, licenses_kept),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_that_is_no_database_is_set_aside_unchanged() {
    for content in [b"<html>not found</html>".repeat(200), vec![0; 8192], vec![0x53; 100]] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(db(dir.path()), &content).unwrap();
        let opened = Store::open(dir.path()).unwrap();
        assert_eq!(opened.notice.as_ref().map(Notice::code), Some(Code::StoreCorrupt));
        assert_eq!(set_aside(opened.notice), ("larder.db.corrupt-1".to_owned(), 0, 0));
        assert_eq!(fs::read(dir.path().join("larder.db.corrupt-1")).unwrap(), content);
        fill(&opened.store, 0..3);
        drop(opened.store);
        assert_eq!(count_intact(&open(dir.path()), 3), (3, 3));
    }
}

#[test]
fn a_truncated_file_keeps_the_rows_that_are_left() {
    let dir = filled(400);
    let all = pages(&db(dir.path()));
    let file = fs::File::options().write(true).open(db(dir.path())).unwrap();
    file.set_len(all / 2 * PAGE + 100).unwrap();
    drop(file);
    let (opened, listed) = open_and_list(dir.path());
    let (_, assets, licenses) = set_aside(opened.notice);
    assert!((20..400).contains(&assets) && (20..400).contains(&licenses), "{assets} {licenses}");
    assert_eq!(count_intact(&opened.store, 400), (assets, licenses));
    assert_eq!(listed.len() as u64, assets);
    opened.store.check().unwrap();
}

/// Destroys each page of the file in turn.
#[test]
fn any_destroyed_page_costs_only_its_own_rows() {
    const COUNT: u64 = 60;
    let whole = filled(COUNT);
    let mut lost = Vec::new();
    for page in 0..pages(&db(whole.path())) {
        let dir = tempfile::tempdir().unwrap();
        fs::copy(db(whole.path()), db(dir.path())).unwrap();
        overwrite(&db(dir.path()), page * PAGE, &[0xff; PAGE as usize]);
        // The list meets some of the damage, the check all of it.
        let (opened, _) = open_and_list(dir.path());
        let opened = match (opened.notice.is_some(), opened.store.check()) {
            (false, Err(error)) => {
                assert_eq!(error.code(), Code::StoreCorrupt);
                drop(opened);
                open_repaired(dir.path())
            }
            (_, check) => {
                check.unwrap();
                opened
            }
        };
        let Notice::SetAside { assets_kept, licenses_kept, .. } =
            opened.notice.unwrap_or_else(|| panic!("page {page}: its damage was not noticed"))
        else {
            panic!("page {page}")
        };
        assert_eq!(count_intact(&opened.store, COUNT), (assets_kept, licenses_kept));
        opened.store.check().unwrap();
        assert!(page == 0 || opened.store.read(|tx| tx.clock_mark()).unwrap().is_none_or(|found| found == mark()));
        lost.push((COUNT - assets_kept) + (COUNT - licenses_kept));
    }
    // The first page names the tables. The root page of a table is the only way to the rows that no index leads to.
    let expensive = lost.iter().filter(|lost| **lost > COUNT / 2).count();
    assert!(expensive <= 5, "{lost:?}");
    assert!(lost.iter().skip(1).all(|lost| *lost <= COUNT), "{lost:?}");
    assert!(lost.iter().filter(|lost| **lost == 0).count() >= 4, "a page of an index costs no row: {lost:?}");
}

#[test]
fn single_flipped_bits_cause_neither_a_panic_nor_invented_rows() {
    const COUNT: u64 = 20;
    let whole = filled(COUNT);
    let bytes = fs::read(db(whole.path())).unwrap();
    for (step, offset) in (0..bytes.len()).step_by(bytes.len() / 150).enumerate() {
        let dir = tempfile::tempdir().unwrap();
        let mut damaged = bytes.clone();
        damaged[offset + step % 7] ^= 1 << (step % 8);
        fs::write(db(dir.path()), damaged).unwrap();
        // A flipped bit in the header may look like another version or another application.
        let Ok((opened, listed)) = Store::open_and_read(dir.path(), |tx| tx.summaries(&user())) else {
            assert!(offset < 100, "{offset}");
            continue;
        };
        assert!(listed.len() as u64 <= COUNT);
        if opened.store.check().is_err() {
            drop(opened);
            // See `open_repaired`.
            until(|| Store::open(dir.path()).unwrap().store.check().is_ok().then_some(()));
        }
    }
}

#[test]
fn damage_that_a_read_meets_is_reported_without_values_and_repaired_at_the_next_opening() {
    let dir = filled(100);
    // Every page but the first is damaged, so that the next read of a row meets damage.
    for page in 1..pages(&db(dir.path())) {
        overwrite(&db(dir.path()), page * PAGE + 8, &[0xee; 64]);
    }
    let store = open(dir.path());
    let error = store.read(|tx| tx.asset(&user(), &asset(50).asset_id)).unwrap_err();
    assert_eq!(error.code(), Code::StoreCorrupt);
    assert_eq!(
        error.message(),
        "reading an asset from the database failed: the file is damaged; the next opening repairs it (SQLite 11)"
    );
    // The file is not moved while a store has it open.
    let second = open(dir.path());
    assert!(!dir.path().join("larder.db.corrupt-1").exists());
    drop((store, second));
    set_aside(open_repaired(dir.path()).notice);
    open(dir.path()).check().unwrap();
}

#[test]
fn a_suspicion_of_damage_that_proves_wrong_costs_no_rows() {
    let dir = filled(30);
    fs::write(dir.path().join("larder.damaged"), "").unwrap();
    assert_eq!(count_intact(&open(dir.path()), 30), (30, 30));
    assert!(!dir.path().join("larder.damaged").exists());
}

#[test]
fn a_damaged_file_is_not_moved_while_another_store_has_it_open() {
    let dir = filled(10);
    let store = open(dir.path());
    overwrite(&db(dir.path()), 0, &[0xee; 100]);
    let error = Store::open(dir.path()).unwrap_err();
    assert_eq!(error.code(), Code::StoreUnavailable);
    assert!(!dir.path().join("larder.db.corrupt-1").exists());
    drop(store);
    assert!(set_aside(Store::open(dir.path()).unwrap().notice).0.ends_with("-1"));
}

#[test]
fn a_damaged_file_of_a_newer_larder_is_not_changed() {
    let dir = filled(50);
    rusqlite::Connection::open(db(dir.path())).unwrap().pragma_update(None, "user_version", 9).unwrap();
    let file = fs::File::options().write(true).open(db(dir.path())).unwrap();
    file.set_len(8 * PAGE).unwrap();
    let before = fs::read(db(dir.path())).unwrap();
    assert_eq!(Store::open(dir.path()).unwrap_err().code(), Code::StoreReadOnly);
    assert_eq!(fs::read(db(dir.path())).unwrap(), before);
}

/// The folder of a killed process, whose last transactions are in the log only.
fn killed(count: u64) -> tempfile::TempDir {
    let (dir, source) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fill(&open(source.path()), 0..count / 2);
    let store = open(source.path());
    fill(&store, count / 2..count);
    for name in ["larder.db", "larder.db-wal"] {
        fs::copy(source.path().join(name), dir.path().join(name)).unwrap();
    }
    dir
}

#[test]
fn the_log_of_a_damaged_file_is_salvaged_and_set_aside_with_it() {
    let dir = killed(40);
    assert_eq!(count_intact(&open(dir.path()), 40), (40, 40), "without damage every row is there");

    let dir = killed(40);
    let file = fs::File::options().write(true).open(db(dir.path())).unwrap();
    file.set_len(3 * PAGE).unwrap();
    drop(file);
    let (opened, _) = open_and_list(dir.path());
    let store = if opened.notice.is_none() {
        // The log has all that a list needs, but not the details of the assets.
        assert_eq!(opened.store.check().unwrap_err().code(), Code::StoreCorrupt);
        drop(opened);
        open_repaired(dir.path()).store
    } else {
        drop(opened);
        open(dir.path())
    };
    let kept = count_intact(&store, 40);
    assert!(kept.0 >= 20 && kept.1 >= 20 && kept != (40, 40), "{kept:?}");
    assert!(dir.path().join("larder.db.corrupt-1").exists());
    assert!(dir.path().join("larder.db.corrupt-1-wal").exists());
}

#[test]
fn the_last_three_damaged_files_are_kept_under_rising_numbers() {
    let dir = tempfile::tempdir().unwrap();
    for number in 1..=5 {
        fs::write(db(dir.path()), vec![number; 5000]).unwrap();
        let notice = Store::open(dir.path()).unwrap().notice;
        assert_eq!(set_aside(notice).0, format!("larder.db.corrupt-{number}"));
        let _ = fs::remove_file(dir.path().join("larder.db-wal"));
    }
    let mut first = [0; 1];
    for number in [3, 4, 5] {
        let file = dir.path().join(format!("larder.db.corrupt-{number}"));
        fs::File::open(file).unwrap().read_exact(&mut first).unwrap();
        assert_eq!(first[0], number);
    }
    assert!(!dir.path().join("larder.db.corrupt-2").exists());
    open(dir.path()).write(|tx| tx.insert_asset(&clear_asset("a"))).unwrap();
}
