//! The version of a database file, and its migration from an older version.
//!
//! The tables with their columns and their versions are in `tables/`. SQLite 3.36 (iOS 15, macOS 12) must understand
//! every statement of the store, so there are no `STRICT` tables (3.37).
//!
//! A released version is frozen: a golden file of it is in `core/tests/fixtures`. A new version keeps all columns of
//! the older ones, so that an older Larder can still read a newer file.

use rusqlite::Connection;

use super::tables;

/// "Lrdr": distinguishes Larder's files from other SQLite databases.
pub(super) const APPLICATION_ID: i32 = 0x4c72_6472;

/// The version that this Larder writes. Version 0 is an empty file.
pub(super) const VERSION: i32 = 3;

/// The kind of a database file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It has no tables.
    Empty,
    /// Larder's, of an older version.
    Older(i32),
    /// Larder's, of this version.
    Current,
    /// Larder's, of a version that this Larder does not know.
    Newer,
    /// Another application's.
    Foreign,
}

/// Reads the kind of a file from the file itself.
pub(super) fn inspect(conn: &Connection) -> rusqlite::Result<Found> {
    let application_id: i32 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i32 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    // This is also the first statement that reads the schema, so that a damaged schema is noticed here.
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

/// Migrates a file of version `from` to [`VERSION`], in one transaction.
pub(super) fn migrate(conn: &mut Connection, from: i32) -> rusqlite::Result<()> {
    let tx = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    for version in from + 1..=VERSION {
        let steps = tables::ALL.iter().flat_map(|table| table.versions).filter(|(to, _)| *to == version);
        for (_, sql) in steps {
            tx.execute_batch(sql)?;
        }
    }
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.pragma_update(None, "user_version", VERSION)?;
    tx.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migration_makes_an_empty_file_current_and_keeps_a_current_one() {
        let mut conn = Connection::open_in_memory().unwrap();
        assert_eq!(inspect(&conn).unwrap(), Found::Empty);
        migrate(&mut conn, 0).unwrap();
        assert_eq!(inspect(&conn).unwrap(), Found::Current);
        migrate(&mut conn, VERSION).unwrap();
        assert_eq!(inspect(&conn).unwrap(), Found::Current);
    }

    #[test]
    fn the_version_is_the_newest_of_all_tables() {
        let versions = tables::ALL.iter().flat_map(|table| table.versions).map(|(version, _)| *version);
        assert_eq!(versions.clone().max(), Some(VERSION));
        for table in tables::ALL {
            assert!(table.versions.is_sorted_by_key(|(version, _)| *version));
        }
        assert!((1..=VERSION).all(|version| versions.clone().any(|other| other == version)), "no version is left out");
    }

    #[test]
    fn only_the_application_id_makes_a_file_larders() {
        assert_eq!(classify(APPLICATION_ID, VERSION + 1, false), Found::Newer);
        assert_eq!(classify(0, 0, false), Found::Foreign);
        assert_eq!(classify(0, VERSION, false), Found::Foreign);
        assert_eq!(classify(7, 0, true), Found::Foreign);
        assert_eq!(classify(APPLICATION_ID, -1, false), Found::Foreign);
    }
}
