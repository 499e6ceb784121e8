//! Opening: find out what lies in the folder, and make it ready.
//!
//! Every open store holds `larder.db.lock` shared. What must not meet another open store (making a new file, migrating,
//! setting a damaged file aside) is done under the same lock, held exclusively. Whoever waits for that looks again each
//! time whether somebody else has done the work meanwhile.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::connect::{self, BUSY_TIMEOUT};
use super::lock::{FileLock, Mode};
use super::schema::{self, Found};
use super::{FILE, Notice, failure, headroom, recover};
use crate::error::{Code, Error, Result};

/// An open database, the lock that keeps it where it is, and what was done to get there.
pub(super) struct Ready {
    pub(super) conn: Connection,
    pub(super) is_read_only: bool,
    pub(super) notice: Option<Notice>,
    /// True if it needed the headroom.
    pub(super) was_full: bool,
    pub(super) lock: FileLock,
}

/// Opens the database in `dir`, with the headroom's help if the disk is full.
pub(super) fn open(dir: &Path) -> Result<Ready> {
    make_folder(dir)?;
    match open_within(dir, BUSY_TIMEOUT) {
        Err(error) if error.code() == Code::DiskFull && headroom::release(dir) => open_within(dir, BUSY_TIMEOUT)
            .map(|ready| Ready { was_full: true, ..ready })
            .inspect_err(|_| headroom::keep_what_is_left(dir)),
        result => result,
    }
}

fn open_within(dir: &Path, timeout: Duration) -> Result<Ready> {
    let deadline = Instant::now() + timeout;
    let lock_file = dir.join("larder.db.lock");
    let try_lock =
        |mode| FileLock::try_lock(&lock_file, mode).map_err(failure::file("the store's lock cannot be taken"));
    let mut notice = None;
    loop {
        let mut work = None;
        if let Some(lock) = try_lock(Mode::Shared)? {
            match look(dir)? {
                State::Ready { conn, is_read_only } => return ready(conn, is_read_only, notice, lock),
                State::Work(kind) => work = Some(kind),
            }
        }
        if let Some(kind) = work {
            if let Some(_alone) = try_lock(Mode::Exclusive)? {
                notice = prepare(dir)?.or(notice);
                continue;
            }
            // Another store may have it open, and works: a suspicion can wait until that one is closed.
            if kind == Work::Suspected
                && let Some(lock) = try_lock(Mode::Shared)?
                && let State::Ready { conn, is_read_only } = connect_and_look(dir)?
            {
                return ready(conn, is_read_only, notice, lock);
            }
        }
        if Instant::now() >= deadline {
            return Err(Error::new(Code::StoreUnavailable, in_the_way(work)));
        }
        pause();
    }
}

fn ready(conn: Connection, is_read_only: bool, notice: Option<Notice>, lock: FileLock) -> Result<Ready> {
    if is_read_only {
        connect::forbid_writes(&conn).map_err(failure::sqlite("does not open"))?;
    }
    let notice = notice.or(is_read_only.then_some(Notice::ReadOnly));
    Ok(Ready { conn, is_read_only, notice, was_full: false, lock })
}

/// What lies in the folder.
enum State {
    Ready { conn: Connection, is_read_only: bool },
    Work(Work),
}

/// What has to be done alone before the store can be used.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    /// Make the file, or bring it to this version.
    SetUp,
    /// Set the damaged file aside, or go on with that.
    Repair,
    /// Check the file: an earlier session met damage in it.
    Suspected,
}

fn look(dir: &Path) -> Result<State> {
    if recover::is_interrupted(dir) {
        return Ok(State::Work(Work::Repair));
    }
    if recover::is_suspected(dir) {
        return Ok(State::Work(Work::Suspected));
    }
    connect_and_look(dir)
}

fn connect_and_look(dir: &Path) -> Result<State> {
    let file = dir.join(FILE);
    if !file.try_exists().map_err(failure::file("the database cannot be reached"))? {
        return Ok(State::Work(Work::SetUp));
    }
    let inspected = connect::connect(&file, false).and_then(|conn| Ok((schema::inspect(&conn)?, conn)));
    match inspected {
        Ok((Found::Current, conn)) => Ok(State::Ready { conn, is_read_only: false }),
        Ok((Found::Newer, conn)) => Ok(State::Ready { conn, is_read_only: true }),
        Ok((Found::Empty | Found::Older(_), _)) => Ok(State::Work(Work::SetUp)),
        Ok((Found::Foreign, _)) => Err(foreign()),
        Err(error) if failure::is_damage(&error) => Ok(State::Work(Work::Repair)),
        Err(error) => Err(failure::sqlite("does not open")(error)),
    }
}

/// Does what is to be done, alone. Told again what there is: it may have changed before the lock was had.
fn prepare(dir: &Path) -> Result<Option<Notice>> {
    let mut notice = recover::finish(dir)?;
    if recover::is_damaged(dir)? {
        recover::salvage(dir)?;
        notice = recover::finish(dir)?;
    }
    recover::clear_suspicion(dir);
    match set_up(dir) {
        // A migration reads all of an older file, and may be the first to meet damage in it.
        Err(error) if error.code() == Code::StoreCorrupt && notice.is_none() => {
            recover::salvage(dir)?;
            notice = recover::finish(dir)?;
            set_up(dir)?;
        }
        result => result?,
    }
    Ok(notice)
}

fn set_up(dir: &Path) -> Result<()> {
    let fail = failure::sqlite("cannot be made ready");
    let mut conn = connect::connect(&dir.join(FILE), true).map_err(&fail)?;
    let from = match schema::inspect(&conn).map_err(&fail)? {
        Found::Empty => 0,
        Found::Older(version) => version,
        Found::Current => schema::VERSION,
        Found::Newer => return Ok(()),
        Found::Foreign => return Err(foreign()),
    };
    connect::log_ahead(&conn).map_err(&fail)?;
    if from < schema::VERSION {
        schema::migrate(&mut conn, from).map_err(&fail)?;
    }
    sync_folder(dir)
}

/// Makes the folder durably, with those above it.
fn make_folder(dir: &Path) -> Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let missing: Vec<PathBuf> = dir.ancestors().take_while(|path| !path.exists()).map(Path::to_owned).collect();
    fs::create_dir_all(dir).map_err(failure::file("the store's folder cannot be made"))?;
    missing.iter().filter_map(|path| path.parent()).try_for_each(sync_folder)
}

/// Makes what was created, renamed or removed in a folder durable.
pub(super) fn sync_folder(dir: &Path) -> Result<()> {
    match fs::File::open(dir).and_then(|folder| folder.sync_all()) {
        // Not every file system can, and not every folder above ours may be opened.
        Err(error) if !matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::PermissionDenied) => {
            Err(failure::file("the store's folder cannot be synced")(error))
        }
        _ => Ok(()),
    }
}

fn foreign() -> Error {
    Error::new(Code::StoreUnavailable, "the database in the store's folder is not Larder's; it is left alone")
}

fn in_the_way(work: Option<Work>) -> &'static str {
    match work {
        Some(Work::SetUp) => "the database is of an older version and open in another process",
        Some(Work::Repair | Work::Suspected) => "the database is damaged and open in another process",
        None => "another process is making the database ready",
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a lock between processes has nothing to wait on; bounded by BUSY_TIMEOUT"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(10));
}
