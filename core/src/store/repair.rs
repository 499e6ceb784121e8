//! Repairs a damaged file: sets it aside, and keeps the rows that can be read in a new one.
//!
//! The process may be killed after each of these steps:
//!
//! 1. *Salvage.* The readable rows of `larder.db` are written to `larder.db.building`. If this is interrupted, it
//!    starts again.
//! 2. `larder.db.building` is renamed to `larder.db.new`. From here on only *finish* is left, and it can be repeated.
//! 3. *Finish.* `larder.db-wal`, `-shm` and `larder.db` are renamed to `larder.db.corrupt-<n>…`, then `larder.db.new`
//!    is renamed to `larder.db`.
//!
//! All steps hold the exclusive lock of the store's folder: no store and no connection is open, in this process or
//! another.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::open::sync_folder;
use super::schema::{self, Found};
use super::transaction::{ReadTx, WriteTx};
use super::{FILE, Notice, connect, failure, reserve, tables};
use crate::error::{Code, Error, Result};

const SUSPECTED: &str = "larder.damaged";
const BUILDING: &str = "larder.db.building";
const NEW: &str = "larder.db.new";
const CORRUPT: &str = "larder.db.corrupt-";

/// The number of damaged files that are kept for an analysis.
const KEPT: u32 = 3;

/// Records that a transaction met damage, so that the next opening checks the file.
pub(super) fn suspect(dir: &Path) {
    if let Err(error) = fs::write(dir.join(SUSPECTED), "") {
        tracing::warn!(kind = %error.kind(), "database damage record failed");
    }
}

/// True if a transaction met damage since the last check.
pub(super) fn is_suspected(dir: &Path) -> bool {
    dir.join(SUSPECTED).exists()
}

/// Removes the record of [`suspect`].
pub(super) fn clear_suspicion(dir: &Path) {
    let _ = fs::remove_file(dir.join(SUSPECTED));
}

/// True if step 2 is done and step 3 is not.
pub(super) fn is_interrupted(dir: &Path) -> bool {
    dir.join(NEW).exists()
}

/// True if SQLite reports damage. If damage is suspected, SQLite checks every page.
pub(super) fn is_damaged(dir: &Path) -> Result<bool> {
    let file = dir.join(FILE);
    if !file.try_exists().map_err(failure::file("reaching the database"))? {
        return Ok(false);
    }
    // SQLite takes a file of no bytes for a new database. Larder's file is never empty once it has been used.
    let is_cut = fs::metadata(&file).is_ok_and(|meta| meta.len() == 0) && reserve::exists(dir);
    if is_cut {
        return Ok(true);
    }
    let result = connect::connect(&file, false).and_then(|conn| {
        let found = schema::inspect(&conn)?;
        Ok(found == Found::Current && is_suspected(dir) && !passes_check(&conn)?)
    });
    match result {
        Err(error) if failure::is_damage(&error) => Ok(true),
        result => result.map_err(failure::sqlite("opening the database")),
    }
}

/// Runs SQLite's check of every page and index.
pub(super) fn passes_check(conn: &Connection) -> rusqlite::Result<bool> {
    let verdict: String = conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    Ok(verdict == "ok")
}

/// Does steps 1 and 2.
pub(super) fn salvage(dir: &Path) -> Result<()> {
    refuse_foreign_and_newer(&dir.join(FILE))?;
    let building = dir.join(BUILDING);
    remove_database(&building)?;
    let built = build(&dir.join(FILE), &building);
    if built.is_err() {
        let _ = remove_database(&building);
    }
    built?;
    fs::rename(&building, dir.join(NEW)).map_err(failure::file("renaming the repaired database"))?;
    sync_folder(dir)
}

/// Does step 3, if step 2 is done.
pub(super) fn finish(dir: &Path) -> Result<Option<Notice>> {
    if !is_interrupted(dir) {
        return Ok(None);
    }
    let fail = failure::file("setting the damaged database aside");
    // The database itself is renamed last. Until then a repetition finds the same free number; afterwards the number is
    // the last one that was given.
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
    remove_corrupt(dir, number.saturating_sub(KEPT));
    tracing::warn!(file_name, assets_kept, licenses_kept, "damaged database set aside; readable rows kept");
    Ok(Some(Notice::SetAside { file_name, assets_kept, licenses_kept }))
}

/// Refuses a damaged file of another application or of a newer Larder, as far as its header can be read.
fn refuse_foreign_and_newer(file: &Path) -> Result<()> {
    let mut header = [0_u8; 100];
    let read = fs::File::open(file).and_then(|mut file| file.read_exact(&mut header));
    match read {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
        read => read.map_err(failure::file("reading the damaged database"))?,
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
            "the database is damaged and was written by a newer Larder; update the app to repair it",
        )),
        Found::Foreign if id != 0 => Err(Error::new(
            Code::StoreUnavailable,
            "the database in the store's folder is damaged and of another application; it was left as it is; give the \
             store a folder of its own",
        )),
        _ => Ok(()),
    }
}

fn number_at(header: &[u8], offset: usize) -> Option<i32> {
    header.get(offset..)?.first_chunk().map(|bytes| i32::from_be_bytes(*bytes))
}

fn build(damaged: &Path, building: &Path) -> Result<()> {
    let fail = failure::sqlite("repairing the database");
    let mut new = connect::connect(building, true).map_err(&fail)?;
    schema::migrate(&mut new, 0).map_err(&fail)?;
    let Some((old, version)) = readable(damaged).map_err(&fail)? else { return Ok(()) };
    let tx = new.transaction().map_err(&fail)?;
    let to = WriteTx::new(ReadTx::new(&tx), None);
    tables::ALL.iter().try_for_each(|table| (table.salvage)(&old, version, &to))?;
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

/// Counts the assets and the licenses.
fn count(file: &Path) -> Result<(u64, u64)> {
    let count = |conn: &Connection, sql| conn.query_row(sql, [], |row| row.get::<_, u32>(0)).map(u64::from);
    connect::connect(file, false)
        .and_then(|conn| {
            Ok((count(&conn, "SELECT count(*) FROM assets")?, count(&conn, "SELECT count(*) FROM licenses")?))
        })
        .map_err(failure::sqlite("repairing the database"))
}

/// Returns the number of the last file that was set aside, 0 if none was.
fn last_number(dir: &Path) -> Result<u32> {
    let entries = fs::read_dir(dir).map_err(failure::file("reading the store's folder"))?;
    let numbers = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str().and_then(|name| name.strip_prefix(CORRUPT)?.parse().ok()));
    Ok(numbers.max().unwrap_or(0))
}

fn remove_corrupt(dir: &Path, number: u32) {
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
                return Err(failure::file("removing the files of an interrupted repair")(error));
            }
            _ => {}
        }
    }
    Ok(())
}
