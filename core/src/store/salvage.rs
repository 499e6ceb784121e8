//! Reads the rows of a damaged file that can be read, each by itself.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension as _};

use super::columns::Columns;
use super::failure;
use crate::error::{Code, Result};

/// A damaged tree may lead in circles, and keys are dense, so neither is followed further than this.
const MOST_KEYS: i64 = 200_000;

/// The rows of one table in a damaged file.
pub(super) struct Rows<'a, T> {
    /// Queries that list keys of the table, each by another way through the file: the table from both ends, and its
    /// indexes, which are on other pages.
    pub(super) keys: &'a [&'a str],
    /// Selects the row of one key.
    pub(super) select: &'a str,
    pub(super) decode: fn(&mut Columns<'_, '_>) -> Option<T>,
}

impl<T> Rows<'_, T> {
    /// Passes every row that can be read to `insert`, in the order in which the rows were created.
    pub(super) fn copy(&self, damaged: &Connection, insert: impl Fn(&T) -> Result<()>) -> Result<()> {
        let Some(mut select) = skip_damaged(damaged.prepare(self.select))? else { return Ok(()) };
        for key in self.find_keys(damaged)? {
            let decoded = select.query_row([key], |row| Ok((self.decode)(&mut Columns::of(row)))).optional();
            if let Some(row) = skip_damaged(decoded)?.flatten().flatten() {
                insert(&row)?;
            }
        }
        Ok(())
    }

    fn find_keys(&self, damaged: &Connection) -> Result<BTreeSet<i64>> {
        let mut keys = BTreeSet::new();
        for query in self.keys {
            let Some(mut statement) = skip_damaged(damaged.prepare(query))? else { continue };
            let Some(mut rows) = skip_damaged(statement.query([]))? else { continue };
            let mut left = MOST_KEYS;
            while left > 0
                && let Some(Some(row)) = skip_damaged(rows.next())?
            {
                keys.extend(row.get::<_, i64>(0));
                left -= 1;
            }
        }
        // The keys between those that were found, for a page that no scan got past.
        let last = keys.last().copied().unwrap_or(0);
        keys.extend(1..=last.min(MOST_KEYS));
        Ok(keys)
    }
}

/// Returns `None` for damage. Any other error, a full disk for example, ends the salvage: it is no reason to leave a
/// row behind.
pub(super) fn skip_damaged<T>(result: rusqlite::Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) => match failure::sqlite("repairing the database")(error) {
            error if matches!(error.code(), Code::StoreCorrupt | Code::Internal) => Ok(None),
            error => Err(error),
        },
    }
}
