//! The tables. One file per table has the type of its rows, its SQL, the encoding of its columns, its salvage from a
//! damaged file, and the documentation of every column.
//!
//! | file | tables |
//! |---|---|
//! | [`assets`] | `assets`, `asset_details` |
//! | [`licenses`] | `licenses`, `license_details` |
//! | [`clock_mark`] | `clock_mark` |
//!
//! What a list of all rows needs is packed into one value of a narrow table (the column `summary`), and the rest is in
//! a `_details` table beside it. So the snapshot of 10,000 assets reads four megabytes and not twenty, and decodes 7
//! columns per asset and license instead of 23.
//!
//! Every table has a dense integer key: a damaged file is read row by row along it. Enumerations are small integers
//! with fixed numbers ([`Coded`](super::encoding::Coded)). Content key ids and handle digests are concatenated into one
//! BLOB per column.

use rusqlite::Connection;
use serde_json::Value;

use super::transaction::{ReadTx, WriteTx};
use crate::error::Result;

pub(super) mod assets;
pub(super) mod clock_mark;
pub(super) mod licenses;

/// A table, or a narrow table and its `_details`.
pub(super) struct Table {
    /// The versions of the schema that changed the table, oldest first, each with the SQL that leads to it. Frozen once
    /// released: a change is a new version.
    pub(super) versions: &'static [(i32, &'static str)],
    /// Copies the rows that can be read from a damaged file of a version into a new store.
    pub(super) salvage: fn(damaged: &Connection, version: i32, to: &WriteTx<'_>) -> Result<()>,
}

/// Every table, in the order in which they are created and salvaged.
pub(super) const ALL: &[Table] = &[assets::TABLE, licenses::TABLE, clock_mark::TABLE];

/// Returns every row of a table as JSON for people, without secrets: of a URL the host, of a BLOB the length, of a
/// digest the beginning.
pub(super) type Dump = fn(&ReadTx<'_>) -> Result<Vec<Value>>;

/// The dump of every table. Not a part of [`Table`], so that a library that never dumps is linked without it.
pub(super) const DUMPS: [(&str, Dump); ALL.len()] =
    [("assets", assets::dump), ("licenses", licenses::dump), ("clock_mark", clock_mark::dump)];

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;

    /// The sources of all tables.
    fn sources() -> String {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/tables");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        files.map(|file| std::fs::read_to_string(file).unwrap()).collect()
    }

    #[test]
    fn every_column_of_every_table_is_documented() {
        let sources = sources();
        let mut conn = Connection::open_in_memory().unwrap();
        schema::migrate(&mut conn, 0).unwrap();
        let columns =
            "SELECT t.name, c.name FROM sqlite_master t JOIN pragma_table_info(t.name) c WHERE t.type = 'table'";
        let mut statement = conn.prepare(columns).unwrap();
        let columns = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        let columns: Vec<(String, String)> = columns.map(rusqlite::Result::unwrap).collect();
        assert!(columns.len() > 30, "{columns:?}");
        for (table, column) in columns {
            let line = format!("//! - `{table}.{column}`: ");
            assert!(sources.contains(&line), "no documentation begins with {line}");
        }
    }
}
