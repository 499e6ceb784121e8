//! The tables, and how an older file becomes a current one.
//!
//! SQLite 3.36 (iOS 15, macOS 12) must understand every statement of the store: no `STRICT` tables (3.37).
//!
//! What a list needs of a row lies packed in a narrow table, the rest beside it in a `_details` table, so that the
//! snapshot of 10,000 assets reads four megabytes and not twenty, and few columns. Every table has a dense integer key:
//! a damaged file is read row by row along it. Enumerations are small integers, fixed in `encoding.rs`; content key ids
//! and handle digests are concatenated into blobs; `written_by` is a session (see `session.rs`).
//!
//! A released version is frozen: a golden file of it lies in `core/tests/fixtures`. A new version adds a step to
//! [`MIGRATIONS`]; it keeps the columns below, so that an older Larder can still read a newer file.

use rusqlite::Connection;

/// The sub-states of a license `l` with the details `d`, as versions 1 and 2 encoded them. An intent that knew a grant, a
/// handle and a predecessor was a continuation: `granted_at_ms` follows scheme, coverage and expiry in the summary, and is
/// 0 before a grant. An intent with an error had an unknown outcome. A release without an error was being tried, and its
/// next attempt was the end of the lease.
macro_rules! sub_states_before_3 {
    () => {
        "l.state = 0 AND d.replaces IS NOT NULL AND d.handle_digest IS NOT NULL
        AND substr(l.summary, CASE substr(l.summary, 3, 1) WHEN x'02' THEN 12 ELSE 4 END, 8) <> x'0000000000000000',
    l.state = 0 AND d.last_error IS NOT NULL,
    CASE WHEN l.state = 4 AND d.last_error IS NULL THEN nullif(d.next_attempt_at_ms, 0) END,
    CASE WHEN l.state = 4 AND d.last_error IS NULL THEN 0 ELSE d.next_attempt_at_ms END"
    };
}

/// "Lrdr": tells our file from any other SQLite database.
pub(super) const APPLICATION_ID: i32 = 0x4c72_6472;

/// The version that this Larder writes.
pub(super) const VERSION: i32 = MIGRATIONS.len() as i32;

/// `MIGRATIONS[n]` makes version n + 1 of version n. Version 0 is an empty file.
const MIGRATIONS: &[&str] = &[VERSION_1, VERSION_2, VERSION_3];

const VERSION_1: &str = "
CREATE TABLE assets (
    id INTEGER PRIMARY KEY,
    profile TEXT NOT NULL,
    asset_id TEXT NOT NULL CHECK (asset_id <> ''),
    state INTEGER NOT NULL CHECK (state IN (0, 1)),
    summary BLOB NOT NULL,
    written_by TEXT,
    UNIQUE (profile, asset_id)
);
CREATE TABLE asset_details (
    id INTEGER PRIMARY KEY REFERENCES assets (id) ON DELETE CASCADE,
    source TEXT NOT NULL,
    required_keys TEXT NOT NULL,
    metadata BLOB
);
CREATE TABLE licenses (
    id INTEGER PRIMARY KEY,
    license_id TEXT NOT NULL UNIQUE CHECK (length(license_id) = 32),
    profile TEXT NOT NULL,
    asset_id TEXT NOT NULL CHECK (asset_id <> ''),
    state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 6),
    summary BLOB NOT NULL,
    written_by TEXT
);
CREATE INDEX licenses_by_asset ON licenses (profile, asset_id);
CREATE INDEX licenses_by_state ON licenses (state);
CREATE TABLE license_details (
    id INTEGER PRIMARY KEY REFERENCES licenses (id) ON DELETE CASCADE,
    init_data BLOB NOT NULL,
    mime TEXT NOT NULL,
    certificate BLOB,
    security_level INTEGER NOT NULL,
    params TEXT NOT NULL,
    handle_digest BLOB CHECK (length(handle_digest) = 32),
    held_before BLOB CHECK (length(held_before) % 32 = 0),
    replaces TEXT,
    key_ids BLOB CHECK (length(key_ids) % 16 = 0),
    release_attempts INTEGER NOT NULL,
    next_attempt_at_ms INTEGER NOT NULL,
    last_error TEXT
);
CREATE TABLE clock_mark (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    wall_ms INTEGER NOT NULL,
    since_boot_ms INTEGER,
    boot_id TEXT,
    rollback_suspected INTEGER NOT NULL CHECK (rollback_suspected IN (0, 1))
);
";

/// The security level that a license was acquired at: a device may change its own.
const VERSION_2: &str = "ALTER TABLE license_details ADD COLUMN acquired_level TEXT;";

/// The columns of a license's sub-states.
const VERSION_3: &str = concat!(
    "
ALTER TABLE license_details ADD COLUMN kind INTEGER NOT NULL DEFAULT 0 CHECK (kind IN (0, 1));
ALTER TABLE license_details ADD COLUMN outcome INTEGER NOT NULL DEFAULT 0 CHECK (outcome IN (0, 1));
ALTER TABLE license_details ADD COLUMN lease_until_ms INTEGER;
UPDATE license_details AS d SET (kind, outcome, lease_until_ms, next_attempt_at_ms) =
    (SELECT ",
    sub_states_before_3!(),
    " FROM licenses l WHERE l.id = d.id) WHERE d.id IN (SELECT id FROM licenses WHERE state IN (0, 4));
"
);

/// The sub-states of a license: kind, outcome, lease, next attempt.
pub(super) const SUB_STATES: &str = "d.kind, d.outcome, d.lease_until_ms, d.next_attempt_at_ms";

/// The same in versions 1 and 2, which encoded them in other columns.
pub(super) const SUB_STATES_BEFORE_3: &str = sub_states_before_3!();

/// What a file says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing is in it yet.
    Empty,
    /// One of ours, of an older version.
    Older(i32),
    /// One of ours, of this version.
    Current,
    /// One of ours, of a version that this Larder does not know.
    Newer,
    /// A database of somebody else.
    Foreign,
}

/// Reads what the file says about itself.
pub(super) fn inspect(conn: &Connection) -> rusqlite::Result<Found> {
    let application_id: i32 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i32 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    // Also the first statement that reads the schema: a damaged one is noticed here.
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    Ok(classify(application_id, version, tables == 0))
}

pub(super) fn classify(application_id: i32, version: i32, is_empty: bool) -> Found {
    match (application_id, version) {
        (0, 0) if is_empty => Found::Empty,
        (APPLICATION_ID, VERSION) => Found::Current,
        (APPLICATION_ID, v) if (1..VERSION).contains(&v) => Found::Older(v),
        (APPLICATION_ID, v) if v > VERSION => Found::Newer,
        _ => Found::Foreign,
    }
}

/// Brings a file of version `from` to [`VERSION`], in one transaction.
pub(super) fn migrate(conn: &mut Connection, from: i32) -> rusqlite::Result<()> {
    let tx = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    for step in MIGRATIONS.iter().skip(usize::try_from(from).unwrap_or(0)) {
        tx.execute_batch(step)?;
    }
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.pragma_update(None, "user_version", VERSION)?;
    tx.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_becomes_current_and_stays_so() {
        let mut conn = Connection::open_in_memory().unwrap();
        assert_eq!(inspect(&conn).unwrap(), Found::Empty);
        migrate(&mut conn, 0).unwrap();
        assert_eq!(inspect(&conn).unwrap(), Found::Current);
        migrate(&mut conn, VERSION).unwrap();
        assert_eq!(inspect(&conn).unwrap(), Found::Current);
    }

    #[test]
    fn a_file_is_ours_only_with_our_application_id() {
        assert_eq!(classify(APPLICATION_ID, VERSION + 1, false), Found::Newer);
        assert_eq!(classify(0, 0, false), Found::Foreign);
        assert_eq!(classify(0, VERSION, false), Found::Foreign);
        assert_eq!(classify(7, 0, true), Found::Foreign);
        assert_eq!(classify(APPLICATION_ID, -1, false), Found::Foreign);
    }
}
