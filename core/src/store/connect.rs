//! One connection, set up the way every connection of the store is.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

/// How long a statement waits for another process's transaction.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

const FLAGS: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// Opens `file`. Creates it only if `create` says so: a missing file must not become an empty library by accident.
pub(super) fn connect(file: &Path, create: bool) -> rusqlite::Result<Connection> {
    let mut flags = FLAGS;
    flags.set(OpenFlags::SQLITE_OPEN_CREATE, create);
    let conn = Connection::open_with_flags(file, flags)?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    conn.execute_batch(
        // FULL: a commit in WAL mode is on the disk when it returns. fullfsync: on Apple systems fsync alone leaves it
        // in the drive's cache. temp_store: Android has no usable temporary folder.
        "PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = ON;
         PRAGMA trusted_schema = OFF;",
    )?;
    Ok(conn)
}

/// Opens a damaged `file`: reads as much as SQLite lets it, and changes nothing.
pub(super) fn connect_to_damaged(file: &Path) -> rusqlite::Result<Connection> {
    let conn = Connection::open_with_flags(file, FLAGS)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    conn.execute_batch(
        // writable_schema lets SQLite read a file that is shorter than its header says, and a schema with flaws. It
        // comes before all that reads the schema, as other settings do.
        "PRAGMA writable_schema = ON; PRAGMA cell_size_check = ON; PRAGMA query_only = ON;
         PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;",
    )?;
    Ok(conn)
}

/// Makes `conn` refuse to write.
pub(super) fn forbid_writes(conn: &Connection) -> rusqlite::Result<()> {
    conn.pragma_update(None, "query_only", true)
}

/// Keeps a write-ahead log from now on, a property of the file.
pub(super) fn log_ahead(conn: &Connection) -> rusqlite::Result<()> {
    conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))
}

/// Bounds what the log keeps of the disk after it has been copied back.
pub(super) fn bound_log(conn: &Connection) -> rusqlite::Result<()> {
    const LOG_BYTES: i64 = 1 << 20;
    conn.pragma_update_and_check(None, "journal_size_limit", LOG_BYTES, |_| Ok(()))
}

/// Copies the log back into the file and gives its space back, as far as no reader needs it.
pub(super) fn checkpoint(conn: &Connection) -> rusqlite::Result<()> {
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}
