//! Opens and configures the connections of the store.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

/// The time that a statement waits for the transaction of another process.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

const FLAGS: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// Opens `file`. Creates it only if `create` is true: a missing file must not become an empty store by accident.
pub(super) fn connect(file: &Path, create: bool) -> rusqlite::Result<Connection> {
    let mut flags = FLAGS;
    flags.set(OpenFlags::SQLITE_OPEN_CREATE, create);
    let conn = Connection::open_with_flags(file, flags)?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    conn.execute_batch(
        // FULL: in WAL mode, a commit is on the disk when it returns. fullfsync: on Apple systems, fsync alone leaves
        // the data in the cache of the drive. temp_store: Android has no usable temporary folder.
        "PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = ON;
         PRAGMA trusted_schema = OFF;",
    )?;
    Ok(conn)
}

/// Opens a damaged `file` so that SQLite reads as much of it as it can, and changes nothing.
pub(super) fn connect_to_damaged(file: &Path) -> rusqlite::Result<Connection> {
    let conn = Connection::open_with_flags(file, FLAGS)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    conn.execute_batch(
        // writable_schema lets SQLite read a file that is shorter than its header says, and a schema with flaws. It is
        // the first, because other settings read the schema.
        "PRAGMA writable_schema = ON; PRAGMA cell_size_check = ON; PRAGMA query_only = ON;
         PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;",
    )?;
    Ok(conn)
}

/// Makes `conn` refuse writes.
pub(super) fn forbid_writes(conn: &Connection) -> rusqlite::Result<()> {
    conn.pragma_update(None, "query_only", true)
}

/// Switches the file to WAL mode. The mode is a property of the file and stays.
pub(super) fn enable_wal(conn: &Connection) -> rusqlite::Result<()> {
    conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))
}

/// Limits the size of the log after it was copied back into the database.
pub(super) fn limit_wal(conn: &Connection) -> rusqlite::Result<()> {
    const LOG_BYTES: i64 = 1 << 20;
    conn.pragma_update_and_check(None, "journal_size_limit", LOG_BYTES, |_| Ok(()))
}

/// Copies the log back into the database and truncates it, as far as no reader needs it.
pub(super) fn checkpoint(conn: &Connection) -> rusqlite::Result<()> {
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}
