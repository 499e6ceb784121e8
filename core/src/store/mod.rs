//! The store: one SQLite file with the registrations and the license ledger of all profiles. All SQL is in this room.
//!
//! | file | contents |
//! |---|---|
//! | `tables/` | one file per table: row type, SQL, encoding, salvage, documentation of every column |
//! | `overview` | reads across tables |
//! | `transaction` | [`ReadTx`], [`WriteTx`]: a step that reads, a step that writes |
//! | `columns` | reads the columns of one row in order |
//! | `encoding`, `packed` | the encoding of the model's values in columns, and of several values in one column |
//! | `schema` | the version of the file, and its migration |
//! | `open` | opens the file: creates, migrates or repairs it first if need be |
//! | `repair`, `salvage` | sets a damaged file aside, and keeps the rows that can be read |
//! | `session` | the open store that wrote a row last, and whether it is still open |
//! | `abandoned` | takes over the work of a process that died |
//! | `asset_lock` | the lock on one asset across processes |
//! | `file_lock` | a lock on a file |
//! | `reserve` | the reserve file, so that deleting works on a full disk |
//! | `connect` | opens and configures connections |
//! | `failure` | converts the errors of SQLite and of the file system |
//!
//! The file is in WAL mode: readers do not block the writer, and the writer does not block readers, within this process
//! and across processes. Every step is one transaction, and on the disk (`synchronous=FULL`) before it is reported as
//! done.
//!
//! # Where to add a column
//!
//! In the file of the table, all in one place: a line in its documentation, a field of the row type, the SQL constants,
//! the named values of the write, and one line of `decode` at the position that the SELECT has. A field that every list
//! needs goes at the end of `pack` and `unpack` instead of a column. Then raise `schema::VERSION`, add the step
//! (`ALTER TABLE … ADD COLUMN`) to the table's `versions`, and make the golden file of the new version
//! (`core/tests/store/golden.rs`). The compiler and the tests name each place that is missing.
//!
//! # Where to add a table
//!
//! In a new file of `tables/`, and one line each in `tables::ALL` and `tables::DUMPS` (and in the map of the folder).
//! The file has `TABLE` with the `CREATE TABLE` of the new version, the row type, and `impl ReadTx` and `impl WriteTx`
//! with the functions on it. Raise `schema::VERSION` and make the golden file, as for a column. A table with thousands
//! of rows per asset keeps them in groups, many rows packed into one value (`packed.rs`), under a dense integer key.

mod abandoned;
mod asset_lock;
mod columns;
mod connect;
mod encoding;
mod failure;
mod file_lock;
mod open;
mod overview;
mod packed;
mod repair;
mod reserve;
mod salvage;
mod schema;
mod session;
mod tables;
mod transaction;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};

use rusqlite::{Connection, TransactionBehavior};

pub use self::asset_lock::AssetLock;
use self::file_lock::{FileIdentity, FileLock};
use self::session::Session;
pub use self::tables::assets::{AssetRow, AssetState, AssetSummary, StoredPath};
pub use self::tables::clock_mark::ClockMark;
pub use self::tables::licenses::{IntentKind, IntentOutcome, LicenseRow, LicenseSummary};
pub use self::transaction::{ReadTx, WriteTx};
use crate::error::{Code, Error, Result};

/// The name of the database in the store's folder.
const FILE: &str = "larder.db";

/// The registrations and the license ledger of all profiles, durable. May be used from any thread.
///
/// A step (the closure of a read or a write) is one transaction. It must be short and must not call the store again:
/// one step writes at a time, and two read.
pub struct Store {
    /// Locked for the length of one write; never while foreign code runs.
    writer: Mutex<Writer>,
    /// Each locked for the length of one read. The second is opened by the first read that finds the first one locked.
    readers: (Mutex<Connection>, OnceLock<Mutex<Connection>>),
    dir: PathBuf,
    /// Compared before each write, see [`FileIdentity`].
    identity: FileIdentity,
    is_read_only: bool,
    /// `None` if it could not be begun (read-only, a full disk). Other processes may then take over the work of this
    /// store.
    session: Option<Session>,
    /// Dropped after the connections, because closing them frees space.
    _refill: Option<reserve::Refill>,
    /// Dropped last, so that it outlives the connections.
    _lock: FileLock,
}

/// A store that was opened.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: Store,
    /// An event of the opening that the app should know of.
    pub notice: Option<Notice>,
}

/// An event of the opening that the app should know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The file was damaged. It was set aside, and the rows that could be read were kept in a new file.
    SetAside {
        /// The new name of the damaged file, in the same folder.
        file_name: String,
        /// The number of assets that were kept.
        assets_kept: u64,
        /// The number of licenses that were kept.
        licenses_kept: u64,
    },
    /// The file was written by a newer Larder. It is open for reading only.
    ReadOnly,
}

impl Notice {
    /// Returns the code that the app gets: [`Code::StoreCorrupt`] or [`Code::StoreReadOnly`].
    pub fn code(&self) -> Code {
        match self {
            Self::SetAside { .. } => Code::StoreCorrupt,
            Self::ReadOnly => Code::StoreReadOnly,
        }
    }
}

impl Store {
    /// Opens the store in `dir`, and creates the folder if it is absent.
    ///
    /// [`Code::StoreUnavailable`] if the folder or file cannot be used at the moment (locked by another process for
    /// longer than five seconds, no permission, a missing volume, an I/O error, the database of another application):
    /// nothing was changed. [`Code::DiskFull`] if there is no room for it.
    pub fn open(dir: &Path) -> Result<Opened> {
        let dir = std::path::absolute(dir).map_err(failure::file("finding the store's folder"))?;
        let open::Ready { conn, is_read_only, notice, was_full, lock } = open::open(&dir)?;
        let fail = failure::sqlite("opening the database");
        let readers = (connect_reader(&dir).map_err(&fail)?, OnceLock::new());
        let mut session = None;
        if !is_read_only {
            connect::limit_wal(&conn).map_err(&fail)?;
            session::remove_stale(&dir);
            asset_lock::remove_stale(&dir);
            session =
                Session::begin(&dir).inspect_err(|error| tracing::warn!(%error, "store session start failed")).ok();
            if !was_full {
                reserve::create(&dir);
            }
        }
        let refill = was_full.then(|| reserve::Refill::new(&dir));
        let writer = Mutex::new(Writer::new(conn).map_err(&fail)?);
        let identity = FileIdentity::of(&dir.join(FILE));
        let store = Self { writer, readers, dir, identity, is_read_only, session, _refill: refill, _lock: lock };
        Ok(Opened { store, notice })
    }

    /// Opens the store and runs a step that reads, for the snapshot that every opening needs.
    ///
    /// Repairs damage that only this step meets, as [`open`](Self::open) repairs the damage that it meets itself.
    pub fn open_and_read<T>(dir: &Path, step: impl Fn(&ReadTx<'_>) -> Result<T>) -> Result<(Opened, T)> {
        let opened = Self::open(dir)?;
        match opened.store.read(&step) {
            Err(error) if error.code() == Code::StoreCorrupt => {
                drop(opened);
                let opened = Self::open(dir)?;
                let value = opened.store.read(&step)?;
                Ok((opened, value))
            }
            result => result.map(|value| (opened, value)),
        }
    }

    /// Runs a step that reads. It sees one state of the store, whatever is written in the meantime.
    pub fn read<T>(&self, step: impl FnOnce(&ReadTx<'_>) -> Result<T>) -> Result<T> {
        let conn = self.reader();
        let result = conn
            .unchecked_transaction()
            .map_err(failure::sqlite("reading the database"))
            .and_then(|tx| step(&ReadTx::new(&tx)));
        self.note(result)
    }

    /// Runs a step that writes. After `Ok` the change is durable; after `Err` nothing was changed.
    ///
    /// [`Code::StoreReadOnly`] if the file was written by a newer Larder, [`Code::StoreUnavailable`] if another process
    /// writes for longer than five seconds, [`Code::DiskFull`] if there is no room.
    pub fn write<T>(&self, step: impl FnOnce(&WriteTx<'_>) -> Result<T>) -> Result<T> {
        let result = self.try_write(step);
        self.note(result)
    }

    /// As [`write`](Self::write), and spends the reserve file if the disk is full. The step may run twice.
    ///
    /// For steps that must succeed so that space is freed, or so that a license is not lost: deleting, releasing,
    /// recovery. They insert and update rows, too. A step of another kind uses [`write`](Self::write), so that the
    /// reserve is there when it is needed.
    pub fn write_with_reserve<T>(&self, mut step: impl FnMut(&WriteTx<'_>) -> Result<T>) -> Result<T> {
        match self.write(&mut step) {
            Err(error) if error.code() == Code::DiskFull => {
                reserve::spend(&self.dir);
                // The part of the log that was copied back into the database is free space, too.
                self.checkpoint();
                let result = self.write(&mut step);
                self.checkpoint();
                reserve::refill(&self.dir);
                result
            }
            result => result,
        }
    }

    /// True if another process has committed since the last call, or since the store was opened.
    pub fn changed_elsewhere(&self) -> Result<bool> {
        // While this store is writing, the answer is no. The next look-up asks again.
        let mut writer = match self.writer.try_lock() {
            Ok(writer) => writer,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(false),
        };
        writer.changed_elsewhere().map_err(failure::sqlite("reading the database"))
    }

    /// True if the file was written by a newer Larder and is open for reading only.
    pub fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    /// Checks every page of the file, which takes as long as reading it. [`Code::StoreCorrupt`] if it is damaged: the
    /// next opening repairs it.
    pub fn check(&self) -> Result<()> {
        let verdict = repair::passes_check(&self.reader()).map_err(failure::sqlite("checking the database"));
        self.note(verdict.and_then(|passes| {
            passes
                .then_some(())
                .ok_or_else(|| Error::new(Code::StoreCorrupt, "the database is damaged; the next opening repairs it"))
        }))
    }

    fn check_writable(&self) -> Result<()> {
        if self.is_read_only {
            let message =
                "the database was written by a newer Larder and cannot be changed by this one; update the app";
            return Err(Error::new(Code::StoreReadOnly, message));
        }
        Ok(())
    }

    fn try_write<T>(&self, step: impl FnOnce(&WriteTx<'_>) -> Result<T>) -> Result<T> {
        self.check_writable()?;
        let fail = failure::sqlite("writing to the database");
        let mut writer = self.writer();
        if !self.identity.is_still_at(&self.dir.join(FILE)) {
            let message = "the database was moved or removed while it was open; open the store again";
            return Err(Error::new(Code::StoreUnavailable, message));
        }
        let tx = writer.conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&fail)?;
        let value = step(&WriteTx::new(ReadTx::new(&tx), self.session.as_ref().map(Session::id)))?;
        tx.commit().map_err(&fail)?;
        Ok(value)
    }

    fn checkpoint(&self) {
        if let Err(error) = connect::checkpoint(&self.writer().conn) {
            tracing::debug!(code = ?error.sqlite_extended_error_code(), "database checkpoint failed");
        }
    }

    /// Records damage for the next opening. Reports an internal error in a file of a newer Larder as such a file's.
    fn note<T>(&self, result: Result<T>) -> Result<T> {
        match result {
            Err(error) if self.is_read_only && error.code() == Code::Internal => {
                let message =
                    "the database was written by a newer Larder and cannot be read by this one; update the app";
                Err(Error::new(Code::StoreReadOnly, message).caused_by(error))
            }
            Err(error) if error.code() == Code::StoreCorrupt && !self.is_read_only => {
                repair::suspect(&self.dir);
                Err(error)
            }
            result => result,
        }
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        // A poisoned lock is usable: the transaction of the step that panicked was rolled back.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reader(&self) -> MutexGuard<'_, Connection> {
        let (first, second) = &self.readers;
        let mut reader = first;
        match first.try_lock() {
            Ok(conn) => return conn,
            Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {}
        }
        if second.get().is_none()
            && let Ok(conn) = connect_reader(&self.dir)
        {
            // If another read has opened it in the meantime, that connection stays.
            let _ = second.set(conn);
        }
        if let Some(second) = second.get() {
            reader = second;
        }
        reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("dir", &self.dir).field("is_read_only", &self.is_read_only).finish()
    }
}

fn connect_reader(dir: &Path) -> rusqlite::Result<Mutex<Connection>> {
    let conn = connect::connect(&dir.join(FILE), false)?;
    connect::forbid_writes(&conn)?;
    Ok(Mutex::new(conn))
}

struct Writer {
    conn: Connection,
    seen_version: i64,
}

impl Writer {
    fn new(conn: Connection) -> rusqlite::Result<Self> {
        let seen_version = data_version(&conn)?;
        Ok(Self { conn, seen_version })
    }

    fn changed_elsewhere(&mut self) -> rusqlite::Result<bool> {
        let version = data_version(&self.conn)?;
        Ok(std::mem::replace(&mut self.seen_version, version) != version)
    }
}

/// Returns a number that changes when another connection commits. It is read on the writer's connection: its own
/// commits do not count, and the readers commit nothing.
fn data_version(conn: &Connection) -> rusqlite::Result<i64> {
    conn.pragma_query_value(None, "data_version", |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pragma(conn: &Connection, name: &str) -> String {
        conn.pragma_query_value(None, name, |row| {
            Ok(match row.get_ref(0)? {
                rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                text => text.as_str()?.to_owned(),
            })
        })
        .unwrap()
    }

    #[test]
    fn every_connection_commits_durably() {
        let dir = tempfile::tempdir().unwrap();
        for _ in ["new", "opened again"] {
            let store = Store::open(dir.path()).unwrap().store;
            let writer = store.writer();
            for (name, value) in [
                ("journal_mode", "wal"),
                ("synchronous", "2"),
                ("fullfsync", "1"),
                ("temp_store", "2"),
                ("foreign_keys", "1"),
                ("busy_timeout", "5000"),
                ("application_id", "1282565234"),
                ("user_version", &schema::VERSION.to_string()),
            ] {
                assert_eq!(pragma(&writer.conn, name), value, "{name}");
            }
            let (first, second) = (store.reader(), store.reader());
            assert_eq!((pragma(&first, "query_only"), pragma(&second, "query_only")), ("1".into(), "1".into()));
        }
    }

    /// Simulates a full disk on every platform by a limit on the pages of the file. `core/tests/store/full_disk.rs` has
    /// a real one.
    #[test]
    fn a_file_that_cannot_grow_refuses_larger_rows_and_takes_smaller_ones() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap().store;
        let mark = |number| ClockMark {
            wall_ms: number,
            since_boot_ms: None,
            boot_id: Some("x".repeat(20_000)),
            rollback_suspected: false,
        };
        store.write(|tx| tx.set_clock_mark(&ClockMark { boot_id: None, ..mark(1) })).unwrap();
        store.writer().conn.pragma_update_and_check(None, "max_page_count", 1, |_| Ok(())).unwrap();
        for result in
            [store.write(|tx| tx.set_clock_mark(&mark(2))), store.write_with_reserve(|tx| tx.set_clock_mark(&mark(2)))]
        {
            assert_eq!(result.unwrap_err().code(), Code::DiskFull);
        }
        assert_eq!(store.read(|tx| tx.clock_mark()).unwrap().unwrap().wall_ms, 1);
        store.write_with_reserve(|tx| tx.set_clock_mark(&ClockMark { boot_id: None, ..mark(3) })).unwrap();
        assert_eq!(store.read(|tx| tx.clock_mark()).unwrap().unwrap().wall_ms, 3);
    }
}
