//! The store: one SQLite file that holds registrations and the licence ledger. The only place with SQL.
//!
//! | file | what |
//! |---|---|
//! | [`rows`] | what is kept, as typed rows |
//! | `schema` | the tables, and how an older file becomes a current one |
//! | `encoding` | how a value looks in a column |
//! | `read`, `write` | a step that reads, a step that changes: [`ReadTx`], [`WriteTx`] |
//! | `connect` | one connection, set up |
//! | `failure` | SQLite's errors as ours |
//!
//! The file is in WAL mode: readers never wait for the writer, nor he for them, in this process or in another. Every
//! step is one transaction, and on the disk (`synchronous=FULL`) before it is reported as done.

mod connect;
mod encoding;
mod failure;
mod read;
pub mod rows;
mod schema;
mod write;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use rusqlite::{Connection, TransactionBehavior};

pub use self::read::ReadTx;
pub use self::rows::{AssetRow, AssetState, AssetSummary, ClockMark, LicenseRow, LicenseSummary, StoredPath};
pub use self::write::WriteTx;
use crate::error::{Code, Error, Result};

/// The database's file in the store's folder.
const FILE: &str = "larder.db";

/// Registrations and the licence ledger of all profiles, durable. Use it from any thread.
///
/// Steps must be short and must not call the store again: one writes at a time, two read.
pub struct Store {
    /// Held for the length of one write; never while foreign code runs.
    writer: Mutex<Writer>,
    readers: [Mutex<Connection>; 2],
    dir: PathBuf,
    is_read_only: bool,
}

/// A store, and what opening it had to do.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: Store,
    /// Something the app should know.
    pub notice: Option<Notice>,
}

/// What opening a store had to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The file was damaged. It was set aside, and what could be read was kept in a new one.
    SetAside {
        /// The damaged file's new name, in the same folder.
        file_name: String,
        /// How many assets were kept.
        assets_kept: u64,
        /// How many licences were kept.
        licenses_kept: u64,
    },
    /// The file was written by a newer Larder. It is open for reading.
    ReadOnly,
}

impl Notice {
    /// The code that stands for it: [`Code::StoreCorrupt`] or [`Code::StoreReadOnly`].
    pub fn code(&self) -> Code {
        match self {
            Self::SetAside { .. } => Code::StoreCorrupt,
            Self::ReadOnly => Code::StoreReadOnly,
        }
    }
}

impl Store {
    /// Opens the store in `dir`, which is made if it is not there.
    ///
    /// [`Code::StoreUnavailable`] if the folder or file cannot be used at the moment (locked by another process for
    /// longer than five seconds, permission, a missing volume, an I/O error, somebody else's database): nothing is
    /// touched. [`Code::DiskFull`] if there is no room for it.
    pub fn open(dir: &Path) -> Result<Opened> {
        fs::create_dir_all(dir).map_err(failure::file("the store's folder cannot be made"))?;
        let file = dir.join(FILE);
        let fail = failure::sqlite("does not open");
        let mut conn = connect::connect(&file, true).map_err(&fail)?;
        let found = schema::inspect(&conn).map_err(&fail)?;
        match found {
            schema::Found::Empty => {
                conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).map_err(&fail)?;
                schema::migrate(&mut conn, 0).map_err(&fail)?;
            }
            schema::Found::Older(version) => schema::migrate(&mut conn, version).map_err(&fail)?,
            schema::Found::Current | schema::Found::Newer => {}
            schema::Found::Foreign => {
                return Err(Error::new(Code::StoreUnavailable, "the database in the store's folder is not Larder's"));
            }
        }
        let is_read_only = found == schema::Found::Newer;
        let reader = || -> Result<_> {
            let conn = connect::connect(&file, false).map_err(&fail)?;
            connect::forbid_writes(&conn).map_err(&fail)?;
            Ok(Mutex::new(conn))
        };
        connect::bound_log(&conn).map_err(&fail)?;
        let readers = [reader()?, reader()?];
        let writer = Mutex::new(Writer::new(conn).map_err(&fail)?);
        let store = Self { writer, readers, dir: dir.to_owned(), is_read_only };
        Ok(Opened { store, notice: is_read_only.then_some(Notice::ReadOnly) })
    }

    /// Runs a step that reads: it sees one state of the store, whatever is written meanwhile.
    pub fn read<T>(&self, step: impl FnOnce(&ReadTx<'_>) -> Result<T>) -> Result<T> {
        let conn = self.reader();
        let tx = conn.unchecked_transaction().map_err(failure::sqlite("cannot be read"))?;
        step(&ReadTx::new(&tx))
    }

    /// Runs a step that changes the store. When this returns `Ok` the change is durable; on `Err` nothing was changed.
    ///
    /// [`Code::StoreReadOnly`] if the file was written by a newer Larder, [`Code::StoreUnavailable`] if another process
    /// writes for longer than five seconds, [`Code::DiskFull`] if there is no room.
    pub fn write<T>(&self, step: impl FnOnce(&WriteTx<'_>) -> Result<T>) -> Result<T> {
        if self.is_read_only {
            return Err(Error::new(Code::StoreReadOnly, "the database was written by a newer Larder"));
        }
        let fail = failure::sqlite("cannot be written");
        let mut writer = self.writer();
        let tx = writer.conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&fail)?;
        let result = step(&WriteTx::new(ReadTx::new(&tx), None))?;
        tx.commit().map_err(&fail)?;
        Ok(result)
    }

    /// As [`write`](Self::write), for a step that removes: it works on a full disk too.
    pub fn delete<T>(&self, mut step: impl FnMut(&WriteTx<'_>) -> Result<T>) -> Result<T> {
        self.write(&mut step)
    }

    /// True if another process has committed since this was last asked (or since the store was opened).
    pub fn changed_elsewhere(&self) -> Result<bool> {
        // While a step of ours is being written the answer is no: it is asked again before the next look-up.
        let mut writer = match self.writer.try_lock() {
            Ok(writer) => writer,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(false),
        };
        writer.changed_elsewhere().map_err(failure::sqlite("cannot be read"))
    }

    /// True if the file was written by a newer Larder and is open for reading only.
    pub fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        // Poisoned by a step that panicked: its transaction was rolled back when it unwound.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reader(&self) -> MutexGuard<'_, Connection> {
        let [first, second] = &self.readers;
        match first.try_lock() {
            Ok(conn) => conn,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => second.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("dir", &self.dir).field("is_read_only", &self.is_read_only).finish()
    }
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

/// Changes when another connection commits. Asked on the writer, whose own commits do not count; the readers have none.
fn data_version(conn: &Connection) -> rusqlite::Result<i64> {
    conn.pragma_query_value(None, "data_version", |row| row.get(0))
}
