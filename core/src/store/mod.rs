//! The store: one SQLite file that holds registrations and the license ledger. The only place with SQL.
//!
//! | file | what |
//! |---|---|
//! | [`rows`] | what is kept, as typed rows |
//! | `schema` | the tables, and how an older file becomes a current one |
//! | `encoding`, `packed` | how values look in a column |
//! | `read`, `write` | a step that reads, a step that changes: [`ReadTx`], [`WriteTx`] |
//! | `open` | making the file ready, alone |
//! | `recover` | setting a damaged file aside, keeping what can be read |
//! | `claim` | who is at work on an asset, in this process or another |
//! | `adopt`, `session` | who wrote a row, and taking over what a dead process left |
//! | `headroom` | room for deleting on a full disk |
//! | `connect`, `lock` | one connection, one lock between processes |
//! | `failure` | SQLite's errors as ours |
//!
//! The file is in WAL mode: readers never wait for the writer, nor he for them, in this process or in another. Every
//! step is one transaction, and on the disk (`synchronous=FULL`) before it is reported as done.

mod adopt;
mod claim;
mod connect;
mod encoding;
mod failure;
mod headroom;
mod lock;
mod open;
mod packed;
mod read;
mod recover;
pub mod rows;
mod schema;
mod session;
mod write;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};

use rusqlite::{Connection, TransactionBehavior};

pub use self::claim::Claim;
use self::lock::{FileLock, Place};
pub use self::read::ReadTx;
pub use self::rows::{
    AssetRow, AssetState, AssetSummary, ClockMark, IntentKind, IntentOutcome, LicenseRow, LicenseSummary, StoredPath,
};
use self::session::Session;
pub use self::write::WriteTx;
use crate::error::{Code, Error, Result};

/// The database's file in the store's folder.
const FILE: &str = "larder.db";

/// Registrations and the license ledger of all profiles, durable. Use it from any thread.
///
/// Steps must be short and must not call the store again: one writes at a time, two read.
pub struct Store {
    /// Held for the length of one write; never while foreign code runs.
    writer: Mutex<Writer>,
    /// Each held for the length of one read. The second is opened by the first read that finds the other one taken.
    readers: (Mutex<Connection>, OnceLock<Mutex<Connection>>),
    dir: PathBuf,
    place: Place,
    is_read_only: bool,
    /// `None` if it could not be begun (read-only, a full disk): others may then adopt what is being worked on here.
    session: Option<Session>,
    /// After the connections, whose end gives space back.
    _headroom: Option<headroom::Given>,
    /// Last, so that it outlives the connections.
    _lock: FileLock,
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
        /// How many licenses were kept.
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
        let dir = std::path::absolute(dir).map_err(failure::file("the store's folder cannot be found"))?;
        let open::Ready { conn, is_read_only, notice, was_full, lock } = open::open(&dir)?;
        let fail = failure::sqlite("does not open");
        let readers = (connect_reader(&dir).map_err(&fail)?, OnceLock::new());
        let mut session = None;
        if !is_read_only {
            connect::bound_log(&conn).map_err(&fail)?;
            session::sweep(&dir);
            claim::sweep(&dir);
            session = Session::begin(&dir)
                .inspect_err(|error| tracing::warn!(%error, "this store cannot mark what it works on"))
                .ok();
            if !was_full {
                headroom::keep(&dir);
            }
        }
        let headroom = was_full.then(|| headroom::Given::new(&dir));
        let writer = Mutex::new(Writer::new(conn).map_err(&fail)?);
        let place = Place::of(&dir.join(FILE));
        let store = Self { writer, readers, dir, place, is_read_only, session, _headroom: headroom, _lock: lock };
        Ok(Opened { store, notice })
    }

    /// Opens the store and reads from it, for the snapshot that every opening needs.
    ///
    /// Damage that only this reading meets is repaired too, as [`open`](Self::open) repairs what it meets itself.
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

    /// Runs a step that reads: it sees one state of the store, whatever is written meanwhile.
    pub fn read<T>(&self, step: impl FnOnce(&ReadTx<'_>) -> Result<T>) -> Result<T> {
        let conn = self.reader();
        let result = conn
            .unchecked_transaction()
            .map_err(failure::sqlite("cannot be read"))
            .and_then(|tx| step(&ReadTx::new(&tx)));
        self.note(result)
    }

    /// Runs a step that changes the store. When this returns `Ok` the change is durable; on `Err` nothing was changed.
    ///
    /// [`Code::StoreReadOnly`] if the file was written by a newer Larder, [`Code::StoreUnavailable`] if another process
    /// writes for longer than five seconds, [`Code::DiskFull`] if there is no room.
    pub fn write<T>(&self, step: impl FnOnce(&WriteTx<'_>) -> Result<T>) -> Result<T> {
        let result = self.try_write(step);
        self.note(result)
    }

    /// As [`write`](Self::write), for a step that removes: it works on a full disk too. The step may run twice.
    pub fn delete<T>(&self, mut step: impl FnMut(&WriteTx<'_>) -> Result<T>) -> Result<T> {
        match self.write(&mut step) {
            Err(error) if error.code() == Code::DiskFull => {
                headroom::release(&self.dir);
                // What the log has already given to the file is room too.
                self.checkpoint();
                let result = self.write(&mut step);
                self.checkpoint();
                headroom::keep_what_is_left(&self.dir);
                result
            }
            result => result,
        }
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

    /// Looks at every page of the file; takes as long as reading it. [`Code::StoreCorrupt`] if it is damaged: it is
    /// repaired when it is opened next.
    pub fn check(&self) -> Result<()> {
        let verdict = recover::is_sound(&self.reader()).map_err(failure::sqlite("cannot be checked"));
        self.note(verdict.and_then(|is_sound| {
            is_sound.then_some(()).ok_or_else(|| Error::new(Code::StoreCorrupt, "the database is damaged"))
        }))
    }

    fn try_write<T>(&self, step: impl FnOnce(&WriteTx<'_>) -> Result<T>) -> Result<T> {
        if self.is_read_only {
            return Err(Error::new(
                Code::StoreReadOnly,
                "the database was written by a newer Larder, which alone can change it",
            ));
        }
        let fail = failure::sqlite("cannot be written");
        let mut writer = self.writer();
        if !self.place.is_still(&self.dir.join(FILE)) {
            let message = "the database's file was moved or removed while it was open; open the store again";
            return Err(Error::new(Code::StoreUnavailable, message));
        }
        let tx = writer.conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&fail)?;
        let value = step(&WriteTx::new(ReadTx::new(&tx), self.session.as_ref().map(Session::id)))?;
        tx.commit().map_err(&fail)?;
        Ok(value)
    }

    fn checkpoint(&self) {
        if let Err(error) = connect::checkpoint(&self.writer().conn) {
            tracing::debug!(code = ?error.sqlite_extended_error_code(), "the log stays as it is");
        }
    }

    /// Remembers damage for the next opening, and tells a newer layout from a defect.
    fn note<T>(&self, result: Result<T>) -> Result<T> {
        match result {
            Err(error) if self.is_read_only && error.code() == Code::Internal => {
                let message = "the database was written by a newer Larder, in a way that this one cannot read";
                Err(Error::new(Code::StoreReadOnly, message).caused_by(error))
            }
            Err(error) if error.code() == Code::StoreCorrupt && !self.is_read_only => {
                recover::suspect(&self.dir);
                Err(error)
            }
            result => result,
        }
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        // Poisoned by a step that panicked: its transaction was rolled back when it unwound.
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
            // If another read has opened it meanwhile, that one stays.
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

/// Changes when another connection commits. Asked on the writer, whose own commits do not count; the readers have none.
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
    fn a_commit_is_on_the_disk_before_it_is_reported() {
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

    /// The portable way to a full disk: a bound on the file's pages. A real one is in `core/tests/store/full_disk.rs`.
    #[test]
    fn a_file_that_may_not_grow_refuses_new_rows_and_lets_old_ones_be_deleted() {
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
        for result in [store.write(|tx| tx.set_clock_mark(&mark(2))), store.delete(|tx| tx.set_clock_mark(&mark(2)))] {
            assert_eq!(result.unwrap_err().code(), Code::DiskFull);
        }
        assert_eq!(store.read(|tx| tx.clock_mark()).unwrap().unwrap().wall_ms, 1);
        store.delete(|tx| tx.set_clock_mark(&ClockMark { boot_id: None, ..mark(3) })).unwrap();
        assert_eq!(store.read(|tx| tx.clock_mark()).unwrap().unwrap().wall_ms, 3);
    }
}
