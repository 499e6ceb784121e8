//! Opens the database: creates, migrates or repairs the file first if need be.
//!
//! Every open store holds a shared lock on `larder.db.lock`. Work that no other store may be open for (creating,
//! migrating and repairing the file) holds the exclusive lock. An opening that waits for the exclusive lock inspects
//! the folder again before each attempt, because another process may have done the work in the meantime.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::connect::{self, BUSY_TIMEOUT};
use super::file_lock::{FileLock, Mode};
use super::schema::{self, Found};
use super::{FILE, Notice, failure, repair, reserve};
use crate::error::{Code, Error, Result};

/// An open database, and the lock that keeps other processes from replacing it.
pub(super) struct Ready {
    pub(super) conn: Connection,
    pub(super) is_read_only: bool,
    pub(super) notice: Option<Notice>,
    /// True if the reserve file was spent.
    pub(super) was_full: bool,
    pub(super) lock: FileLock,
}

/// Opens the database in `dir`. Spends the reserve file if the disk is full.
pub(super) fn open(dir: &Path) -> Result<Ready> {
    create_folder(dir)?;
    match open_within(dir, BUSY_TIMEOUT) {
        Err(error) if error.code() == Code::DiskFull && reserve::spend(dir) => open_within(dir, BUSY_TIMEOUT)
            .map(|ready| Ready { was_full: true, ..ready })
            .inspect_err(|_| reserve::refill(dir)),
        result => result,
    }
}

fn open_within(dir: &Path, timeout: Duration) -> Result<Ready> {
    let deadline = Instant::now() + timeout;
    let lock_file = dir.join("larder.db.lock");
    let try_lock = |mode| FileLock::try_lock(&lock_file, mode).map_err(failure::file("locking the store's folder"));
    let mut notice = None;
    loop {
        let mut work = None;
        if let Some(lock) = try_lock(Mode::Shared)? {
            match inspect(dir)? {
                State::Ready { conn, is_read_only } => return ready(conn, is_read_only, notice, lock),
                State::Work(kind) => work = Some(kind),
            }
        }
        if let Some(kind) = work {
            if let Some(_alone) = try_lock(Mode::Exclusive)? {
                notice = prepare(dir)?.or(notice);
                continue;
            }
            // Another store has the file open and can use it, so the check of a suspicion can wait until that one is
            // closed.
            if kind == Work::Suspected
                && let Some(lock) = try_lock(Mode::Shared)?
                && let State::Ready { conn, is_read_only } = connect_and_inspect(dir)?
            {
                return ready(conn, is_read_only, notice, lock);
            }
        }
        if Instant::now() >= deadline {
            return Err(Error::new(Code::StoreUnavailable, timeout_message(work)));
        }
        pause();
    }
}

fn ready(conn: Connection, is_read_only: bool, notice: Option<Notice>, lock: FileLock) -> Result<Ready> {
    if is_read_only {
        connect::forbid_writes(&conn).map_err(failure::sqlite("opening the database"))?;
    }
    let notice = notice.or(is_read_only.then_some(Notice::ReadOnly));
    Ok(Ready { conn, is_read_only, notice, was_full: false, lock })
}

/// The state of the folder.
enum State {
    Ready { conn: Connection, is_read_only: bool },
    Work(Work),
}

/// The work that must be done under the exclusive lock before the store can be used.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    /// Create the file, or migrate it to this version.
    SetUp,
    /// Repair the damaged file, or finish an interrupted repair.
    Repair,
    /// Check the file, because an earlier session met damage in it.
    Suspected,
}

fn inspect(dir: &Path) -> Result<State> {
    if repair::is_interrupted(dir) {
        return Ok(State::Work(Work::Repair));
    }
    if repair::is_suspected(dir) {
        return Ok(State::Work(Work::Suspected));
    }
    connect_and_inspect(dir)
}

fn connect_and_inspect(dir: &Path) -> Result<State> {
    let file = dir.join(FILE);
    if !file.try_exists().map_err(failure::file("reaching the database"))? {
        return Ok(State::Work(Work::SetUp));
    }
    let inspected = connect::connect(&file, false).and_then(|conn| Ok((schema::inspect(&conn)?, conn)));
    match inspected {
        Ok((Found::Current, conn)) => Ok(State::Ready { conn, is_read_only: false }),
        Ok((Found::Newer, conn)) => Ok(State::Ready { conn, is_read_only: true }),
        Ok((Found::Empty | Found::Older(_), _)) => Ok(State::Work(Work::SetUp)),
        Ok((Found::Foreign, _)) => Err(foreign()),
        Err(error) if failure::is_damage(&error) => Ok(State::Work(Work::Repair)),
        Err(error) => Err(failure::sqlite("opening the database")(error)),
    }
}

/// Does the work, under the exclusive lock. Inspects the folder itself, because another process may have changed it
/// before the lock was taken.
fn prepare(dir: &Path) -> Result<Option<Notice>> {
    let mut notice = repair::finish(dir)?;
    if repair::is_damaged(dir)? {
        repair::salvage(dir)?;
        notice = repair::finish(dir)?;
    }
    repair::clear_suspicion(dir);
    match set_up(dir) {
        // A migration reads all of an older file, and may be the first to meet damage in it.
        Err(error) if error.code() == Code::StoreCorrupt && notice.is_none() => {
            repair::salvage(dir)?;
            notice = repair::finish(dir)?;
            set_up(dir)?;
        }
        result => result?,
    }
    Ok(notice)
}

fn set_up(dir: &Path) -> Result<()> {
    let fail = failure::sqlite("creating or migrating the database");
    let mut conn = connect::connect(&dir.join(FILE), true).map_err(&fail)?;
    let from = match schema::inspect(&conn).map_err(&fail)? {
        Found::Empty => 0,
        Found::Older(version) => version,
        Found::Current => schema::VERSION,
        Found::Newer => return Ok(()),
        Found::Foreign => return Err(foreign()),
    };
    connect::enable_wal(&conn).map_err(&fail)?;
    if from < schema::VERSION {
        schema::migrate(&mut conn, from).map_err(&fail)?;
    }
    sync_folder(dir)
}

/// Creates the folder and its parents durably.
fn create_folder(dir: &Path) -> Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let missing: Vec<PathBuf> = dir.ancestors().take_while(|path| !path.exists()).map(Path::to_owned).collect();
    fs::create_dir_all(dir).map_err(failure::file("creating the store's folder"))?;
    missing.iter().filter_map(|path| path.parent()).try_for_each(sync_folder)
}

/// Makes the creation, renaming and removal of files in a folder durable.
pub(super) fn sync_folder(dir: &Path) -> Result<()> {
    match fs::File::open(dir).and_then(|folder| folder.sync_all()) {
        // Some file systems cannot sync a folder, and some parent folders may not be opened.
        Err(error) if !matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::PermissionDenied) => {
            Err(failure::file("syncing the store's folder")(error))
        }
        _ => Ok(()),
    }
}

fn foreign() -> Error {
    Error::new(
        Code::StoreUnavailable,
        "the database in the store's folder belongs to another application; it was left as it is; give the store a folder \
         of its own",
    )
}

fn timeout_message(work: Option<Work>) -> &'static str {
    match work {
        Some(Work::SetUp) => "migrating the database timed out: it is open in another process; retry later",
        Some(Work::Repair | Work::Suspected) => {
            "repairing the damaged database timed out: it is open in another process; retry later"
        }
        None => "opening the database timed out: another process is creating, migrating or repairing it; retry later",
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "there is no way to wait for a lock between processes; bounded by BUSY_TIMEOUT"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(10));
}
