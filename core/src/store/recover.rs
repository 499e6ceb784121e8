//! A damaged file: set it aside, keep what can be read.
//!
//! The steps, each of which may be the last before the process is killed:
//!
//! 1. *Salvage.* What can be read of `larder.db` is written to `larder.db.building`. Begun anew if interrupted.
//! 2. `larder.db.building` becomes `larder.db.new`: from here on only *finish* is left, as often as it takes.
//! 3. *Finish.* `larder.db-wal`, `-shm` and `larder.db` become `larder.db.corrupt-<n>…`, then `larder.db.new` becomes
//!    `larder.db`.
//!
//! All of it under the exclusive lock: no store is open, in this process or another, and no connection either.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _, Row};

use super::open::sync_folder;
use super::read::{self, ReadTx};
use super::schema::{self, Found};
use super::write::WriteTx;
use super::{FILE, Notice, connect, failure, headroom};
use crate::error::{Code, Error, Result};

const SUSPECTED: &str = "larder.damaged";
const BUILDING: &str = "larder.db.building";
const NEW: &str = "larder.db.new";
const CORRUPT: &str = "larder.db.corrupt-";

/// How many damaged files are kept for whoever wants to look into them.
const KEPT: u32 = 3;

/// Remembers that a step met damage, so that the next opening checks the file.
pub(super) fn suspect(dir: &Path) {
    if let Err(error) = fs::write(dir.join(SUSPECTED), "") {
        tracing::warn!(kind = %error.kind(), "damage to the store cannot be noted");
    }
}

pub(super) fn is_suspected(dir: &Path) -> bool {
    dir.join(SUSPECTED).exists()
}

pub(super) fn clear_suspicion(dir: &Path) {
    let _ = fs::remove_file(dir.join(SUSPECTED));
}

/// True if the steps above were begun and not finished.
pub(super) fn is_interrupted(dir: &Path) -> bool {
    dir.join(NEW).exists()
}

/// True if SQLite says that the file is damaged. An earlier suspicion makes it look at every page.
pub(super) fn is_damaged(dir: &Path) -> Result<bool> {
    let file = dir.join(FILE);
    if !file.try_exists().map_err(failure::file("the database cannot be reached"))? {
        return Ok(false);
    }
    // SQLite takes a file of no bytes for a new one. Ours never has none again once it has been used.
    let is_cut = fs::metadata(&file).is_ok_and(|meta| meta.len() == 0) && headroom::has_been_kept(dir);
    if is_cut {
        return Ok(true);
    }
    let result = connect::connect(&file, false).and_then(|conn| {
        let found = schema::inspect(&conn)?;
        Ok(found == Found::Current && is_suspected(dir) && !is_sound(&conn)?)
    });
    match result {
        Err(error) if failure::is_damage(&error) => Ok(true),
        result => result.map_err(failure::sqlite("does not open")),
    }
}

/// SQLite's own check of every page and index.
pub(super) fn is_sound(conn: &Connection) -> rusqlite::Result<bool> {
    let verdict: String = conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    Ok(verdict == "ok")
}

/// Steps 1 and 2.
pub(super) fn salvage(dir: &Path) -> Result<()> {
    refuse_what_is_not_ours(&dir.join(FILE))?;
    let building = dir.join(BUILDING);
    remove_database(&building)?;
    let built = build(&dir.join(FILE), &building);
    if built.is_err() {
        let _ = remove_database(&building);
    }
    built?;
    fs::rename(&building, dir.join(NEW)).map_err(failure::file("the repaired database cannot be put in place"))?;
    sync_folder(dir)
}

/// Step 3, if it is due.
pub(super) fn finish(dir: &Path) -> Result<Option<Notice>> {
    if !is_interrupted(dir) {
        return Ok(None);
    }
    let fail = failure::file("the damaged database cannot be set aside");
    // The file itself is moved last: until then the same number is found again, and afterwards the number is its own.
    let is_moved = !dir.join(FILE).exists();
    let number = last_number(dir)? + u32::from(!is_moved);
    let file_name = format!("{CORRUPT}{number}");
    for suffix in ["-shm", "-wal", ""] {
        rename_if_there(&dir.join(format!("{FILE}{suffix}")), &dir.join(format!("{file_name}{suffix}")))
            .map_err(&fail)?;
    }
    let (assets_kept, licenses_kept) = count(&dir.join(NEW))?;
    fs::rename(dir.join(NEW), dir.join(FILE)).map_err(&fail)?;
    sync_folder(dir)?;
    forget(dir, number.saturating_sub(KEPT));
    tracing::warn!(file_name, assets_kept, licenses_kept, "the store was damaged; what could be read was kept");
    Ok(Some(Notice::SetAside { file_name, assets_kept, licenses_kept }))
}

/// Says no to a damaged file of somebody else, or of a newer Larder, as far as its header can be read.
fn refuse_what_is_not_ours(file: &Path) -> Result<()> {
    let mut header = [0_u8; 100];
    let read = fs::File::open(file).and_then(|mut file| file.read_exact(&mut header));
    match read {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
        read => read.map_err(failure::file("the damaged database cannot be read"))?,
    }
    // Offsets: sqlite.org/fileformat2.html, 1.3.
    let (Some(b"SQLite format 3\0"), Some(version), Some(id)) =
        (header.first_chunk::<16>(), number_at(&header, 60), number_at(&header, 68))
    else {
        return Ok(());
    };
    match schema::classify(id, version, false) {
        Found::Newer => Err(Error::new(
            Code::StoreReadOnly,
            "the database is damaged and was written by a newer Larder, which alone can repair it",
        )),
        Found::Foreign if id != 0 => Err(Error::new(
            Code::StoreUnavailable,
            "the database in the store's folder is damaged and not Larder's; it is left alone",
        )),
        _ => Ok(()),
    }
}

fn number_at(header: &[u8], offset: usize) -> Option<i32> {
    header.get(offset..)?.first_chunk().map(|bytes| i32::from_be_bytes(*bytes))
}

fn build(damaged: &Path, building: &Path) -> Result<()> {
    let fail = failure::sqlite("cannot be repaired");
    let mut new = connect::connect(building, true).map_err(&fail)?;
    schema::migrate(&mut new, 0).map_err(&fail)?;
    let Some((old, version)) = readable(damaged).map_err(&fail)? else { return Ok(()) };
    let tx = new.transaction().map_err(&fail)?;
    let to = WriteTx::new(ReadTx::new(&tx), None);
    let select = format!("{} WHERE a.id = ?1", read::SELECT_ASSET);
    copy_rows(&old, ASSET_KEYS, &select, read::decode_asset, |row| match to.asset(&row.profile, &row.asset_id)? {
        None => to.insert_asset(&row),
        Some(_) => Ok(()),
    })?;
    let select = format!("{} WHERE l.id = ?1", read::select_license(version));
    copy_rows(&old, LICENSE_KEYS, &select, read::decode_license, |row| match to.license(&row.license_id)? {
        None => to.insert_license(&row),
        Some(_) => Ok(()),
    })?;
    match ReadTx::new(&old).clock_mark() {
        Ok(Some(mark)) => to.set_clock_mark(&mark)?,
        Err(error) if !matches!(error.code(), Code::StoreCorrupt | Code::Internal) => return Err(error),
        _ => {}
    }
    tx.commit().map_err(&fail)
}

/// Connects to a damaged file. Returns the connection and the file's version, or `None` if nothing can be read.
fn readable(damaged: &Path) -> rusqlite::Result<Option<(Connection, i32)>> {
    match connect::connect_to_damaged(damaged).and_then(|conn| Ok((schema::inspect(&conn)?, conn))) {
        Err(error) if failure::is_damage(&error) => Ok(None),
        Ok((Found::Older(version), conn)) => Ok(Some((conn, version))),
        result => result.map(|(_, conn)| Some((conn, schema::VERSION))),
    }
}

/// Where the keys of the assets may be found: the tables from both ends, and their indexes, which lie on other pages.
const ASSET_KEYS: &[&str] = &[
    "SELECT id FROM assets NOT INDEXED ORDER BY id",
    "SELECT id FROM assets NOT INDEXED ORDER BY id DESC",
    "SELECT id FROM assets INDEXED BY sqlite_autoindex_assets_1 ORDER BY profile, asset_id",
    "SELECT id FROM assets INDEXED BY sqlite_autoindex_assets_1 ORDER BY profile DESC, asset_id DESC",
    "SELECT id FROM asset_details ORDER BY id",
    "SELECT id FROM asset_details ORDER BY id DESC",
];

/// The same for the licenses.
const LICENSE_KEYS: &[&str] = &[
    "SELECT id FROM licenses NOT INDEXED ORDER BY id",
    "SELECT id FROM licenses NOT INDEXED ORDER BY id DESC",
    "SELECT id FROM licenses INDEXED BY sqlite_autoindex_licenses_1 ORDER BY license_id",
    "SELECT id FROM licenses INDEXED BY sqlite_autoindex_licenses_1 ORDER BY license_id DESC",
    "SELECT id FROM licenses INDEXED BY licenses_by_asset ORDER BY profile, asset_id",
    "SELECT id FROM license_details ORDER BY id",
    "SELECT id FROM license_details ORDER BY id DESC",
];

/// A damaged tree may lead in circles, and keys are dense: neither is followed further than this.
const MOST_KEYS: i64 = 200_000;

/// Every row that can be read, one by one, in the order in which they were made.
fn copy_rows<T>(
    old: &Connection,
    keys: &[&str],
    select: &str,
    decode: fn(&Row<'_>) -> Option<T>,
    put: impl Fn(T) -> Result<()>,
) -> Result<()> {
    let Some(mut select) = skip_spoilt(old.prepare(select))? else { return Ok(()) };
    for key in keys_of(old, keys)? {
        let row = skip_spoilt(select.query_row([key], |row| Ok(decode(row))).optional())?;
        if let Some(value) = row.flatten().flatten() {
            put(value)?;
        }
    }
    Ok(())
}

fn keys_of(old: &Connection, queries: &[&str]) -> Result<BTreeSet<i64>> {
    let mut keys = BTreeSet::new();
    for query in queries {
        let Some(mut statement) = skip_spoilt(old.prepare(query))? else { continue };
        let Some(mut rows) = skip_spoilt(statement.query([]))? else { continue };
        let mut left = MOST_KEYS;
        while left > 0
            && let Some(Some(row)) = skip_spoilt(rows.next())?
        {
            keys.extend(row.get::<_, i64>(0));
            left -= 1;
        }
    }
    // Those between the ones found, for a page that no scan got past.
    let last = keys.last().copied().unwrap_or(0);
    keys.extend(1..=last.min(MOST_KEYS));
    Ok(keys)
}

/// `None` for what is damaged. A full disk or a failing one is no reason to leave a row behind: that ends the salvage.
fn skip_spoilt<T>(result: rusqlite::Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) => match failure::sqlite("cannot be repaired")(error) {
            error if matches!(error.code(), Code::StoreCorrupt | Code::Internal) => Ok(None),
            error => Err(error),
        },
    }
}

fn count(file: &Path) -> Result<(u64, u64)> {
    let count = |conn: &Connection, sql| conn.query_row(sql, [], |row| row.get::<_, u32>(0)).map(u64::from);
    connect::connect(file, false)
        .and_then(|conn| {
            Ok((count(&conn, "SELECT count(*) FROM assets")?, count(&conn, "SELECT count(*) FROM licenses")?))
        })
        .map_err(failure::sqlite("cannot be repaired"))
}

/// The number of the last file that was set aside, 0 if none was.
fn last_number(dir: &Path) -> Result<u32> {
    let entries = fs::read_dir(dir).map_err(failure::file("the store's folder cannot be read"))?;
    let numbers = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str().and_then(|name| name.strip_prefix(CORRUPT)?.parse().ok()));
    Ok(numbers.max().unwrap_or(0))
}

fn forget(dir: &Path, number: u32) {
    for suffix in ["-shm", "-wal", ""] {
        let _ = fs::remove_file(dir.join(format!("{CORRUPT}{number}{suffix}")));
    }
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn remove_database(file: &Path) -> Result<()> {
    for suffix in ["", "-journal", "-wal", "-shm"] {
        let mut name = file.as_os_str().to_owned();
        name.push(suffix);
        match fs::remove_file(PathBuf::from(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failure::file("what an interrupted repair left cannot be removed")(error));
            }
            _ => {}
        }
    }
    Ok(())
}
