//! The transactions of the store. The functions that read and write rows are with their tables, in `tables/`; those
//! that read several tables are in `overview.rs`.

use std::ops::Deref;

use rusqlite::{Connection, Params};

use super::columns::Columns;

/// A read transaction: one consistent state of the store. Do not call the [`Store`](super::Store) within it.
///
/// A row that does not decode (a damaged value, an enumeration of a newer Larder) is treated as absent, with a warning
/// in the log, so that one bad row does not hide the others.
#[derive(Debug)]
pub struct ReadTx<'a> {
    conn: &'a Connection,
}

impl<'a> ReadTx<'a> {
    pub(super) fn new(conn: &'a Connection) -> Self {
        Self { conn }
    }

    pub(super) fn conn(&self) -> &'a Connection {
        self.conn
    }

    /// Runs a query and returns the rows that decode. `table` names the rows in the log.
    pub(super) fn rows<T>(
        &self,
        table: &'static str,
        sql: &str,
        values: impl Params,
        mut decode: impl FnMut(&mut Columns<'_, '_>) -> Option<T>,
    ) -> rusqlite::Result<Vec<T>> {
        let mut rows = Vec::new();
        self.each_row(table, sql, values, |columns| decode(columns).map(|row| rows.push(row)))?;
        Ok(rows)
    }

    /// Runs a query and passes each row to `take`, which returns `None` for a row that does not decode.
    pub(super) fn each_row(
        &self,
        table: &'static str,
        sql: &str,
        values: impl Params,
        mut take: impl FnMut(&mut Columns<'_, '_>) -> Option<()>,
    ) -> rusqlite::Result<()> {
        let mut statement = self.conn.prepare(sql)?;
        let mut rows = statement.query(values)?;
        while let Some(row) = rows.next()? {
            if take(&mut Columns::of(row)).is_none() {
                tracing::warn!(table, "database row skipped: it does not decode");
            }
        }
        Ok(())
    }
}

/// A write transaction. All of its changes are durable when [`Store::write`](super::Store::write) returns, or none.
#[derive(Debug)]
pub struct WriteTx<'a> {
    read: ReadTx<'a>,
    session: Option<&'a str>,
}

impl<'a> WriteTx<'a> {
    pub(super) fn new(read: ReadTx<'a>, session: Option<&'a str>) -> Self {
        Self { read, session }
    }

    /// Returns the session that the written rows name, see `session.rs`.
    pub(super) fn session(&self) -> Option<&'a str> {
        self.session
    }
}

impl<'a> Deref for WriteTx<'a> {
    type Target = ReadTx<'a>;

    fn deref(&self) -> &ReadTx<'a> {
        &self.read
    }
}
