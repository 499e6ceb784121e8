//! The columns of one row, read in the order of the SELECT. No other file counts columns.

use rusqlite::Row;
use rusqlite::types::{FromSql, ValueRef};

use super::encoding::Coded;

/// A cursor over the columns of one row. Each call reads the next column, so the calls follow the order of the SELECT.
///
/// Every function returns `None` for a value that does not decode: a damaged value, or a value of a newer Larder.
pub(super) struct Columns<'r, 's> {
    row: &'r Row<'s>,
    next: usize,
}

impl<'r, 's> Columns<'r, 's> {
    pub(super) fn of(row: &'r Row<'s>) -> Self {
        Self { row, next: 0 }
    }

    /// Returns a value of a type that SQLite knows. An `Option` reads NULL as `None`.
    pub(super) fn value<T: FromSql>(&mut self) -> Option<T> {
        T::column_result(self.raw()?).ok()
    }

    /// Returns a text, borrowed from the row: the many small columns of a list are not copied twice.
    pub(super) fn text(&mut self) -> Option<&'r str> {
        self.raw()?.as_str().ok()
    }

    /// Returns a BLOB, borrowed from the row.
    pub(super) fn blob(&mut self) -> Option<&'r [u8]> {
        self.raw()?.as_blob().ok()
    }

    /// Returns an enumeration.
    pub(super) fn coded<T: Coded>(&mut self) -> Option<T> {
        T::decode(self.raw()?.as_i64().ok()?.try_into().ok()?)
    }

    /// Returns `Some(None)` for NULL, and what `decode` makes of any other value.
    pub(super) fn optional<S: FromSql, T>(&mut self, decode: impl FnOnce(S) -> Option<T>) -> Option<Option<T>> {
        match self.value::<Option<S>>()? {
            Some(stored) => decode(stored).map(Some),
            None => Some(None),
        }
    }

    fn raw(&mut self) -> Option<ValueRef<'r>> {
        let value = self.row.get_ref(self.next).ok()?;
        self.next += 1;
        Some(value)
    }
}
