//! The table `clock_mark`: one row, the clock as it was last seen. The clock guard compares it with the current clock
//! to notice that the clock was set back.
//!
//! The clock guard (`registry/clock_guard.rs`) writes all columns together: when the store is opened, from time to time
//! while it is open, and when a server's date clears a suspicion.
//!
//! - `clock_mark.id`: always 1, so that there is one row at most.
//! - `clock_mark.wall_ms`: the wall clock, in milliseconds since 1970-01-01 UTC.
//! - `clock_mark.since_boot_ms`: the time since the device was started, sleep included, in milliseconds. NULL if the
//!   platform does not tell.
//! - `clock_mark.boot_id`: a name of the device's start; another start has another name. NULL if the platform does not
//!   tell.
//! - `clock_mark.rollback_suspected`: 1 from the moment a rollback is noticed until a server's date clears it,
//!   otherwise 0.

use rusqlite::{Connection, params};
use serde_json::{Value, json};

use super::super::columns::Columns;
use super::super::failure;
use super::super::salvage;
use super::super::transaction::{ReadTx, WriteTx};
use super::Table;
use crate::error::Result;

pub(super) const TABLE: Table = Table { versions: &[(1, VERSION_1)], salvage };

const VERSION_1: &str = "
CREATE TABLE clock_mark (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    wall_ms INTEGER NOT NULL,
    since_boot_ms INTEGER,
    boot_id TEXT,
    rollback_suspected INTEGER NOT NULL CHECK (rollback_suspected IN (0, 1))
);
";

/// The columns of [`decode`].
const SELECT: &str = "SELECT wall_ms, since_boot_ms, boot_id, rollback_suspected FROM clock_mark";

const REPLACE: &str = "INSERT OR REPLACE INTO clock_mark (id, wall_ms, since_boot_ms, boot_id, rollback_suspected)
    VALUES (1, ?1, ?2, ?3, ?4)";

/// The clock as it was last seen, by which a rollback is noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockMark {
    /// The wall clock, in milliseconds since 1970-01-01 UTC.
    pub wall_ms: i64,
    /// The time since the device was started, sleep included, in milliseconds. `None` if the platform does not tell.
    pub since_boot_ms: Option<i64>,
    /// A name of the device's start. `None` if the platform does not tell.
    pub boot_id: Option<String>,
    /// True from the moment a rollback is noticed until a server's date clears it.
    pub rollback_suspected: bool,
}

impl ReadTx<'_> {
    /// Returns the clock as it was last seen, `None` in a new store.
    pub fn clock_mark(&self) -> Result<Option<ClockMark>> {
        let fail = failure::sqlite("reading the clock mark from the database");
        Ok(self.rows("clock_mark", SELECT, [], decode).map_err(fail)?.pop())
    }
}

impl WriteTx<'_> {
    /// Replaces the clock mark.
    pub fn set_clock_mark(&self, mark: &ClockMark) -> Result<()> {
        let values = params![mark.wall_ms, mark.since_boot_ms, mark.boot_id, mark.rollback_suspected];
        let fail = failure::sqlite("writing the clock mark to the database");
        self.conn().execute(REPLACE, values).map(drop).map_err(fail)
    }
}

fn decode(columns: &mut Columns<'_, '_>) -> Option<ClockMark> {
    Some(ClockMark {
        wall_ms: columns.value()?,
        since_boot_ms: columns.value()?,
        boot_id: columns.value()?,
        rollback_suspected: columns.value()?,
    })
}

pub(super) fn dump(tx: &ReadTx<'_>) -> Result<Vec<Value>> {
    let dump = |mark: ClockMark| {
        json!({
            "wall_ms": mark.wall_ms,
            "since_boot_ms": mark.since_boot_ms,
            "boot_id": mark.boot_id,
            "rollback_suspected": mark.rollback_suspected,
        })
    };
    Ok(tx.clock_mark()?.map(dump).into_iter().collect())
}

fn salvage(damaged: &Connection, _version: i32, to: &WriteTx<'_>) -> Result<()> {
    let mark = salvage::skip_damaged(ReadTx::new(damaged).rows("clock_mark", SELECT, [], decode))?;
    match mark.and_then(|mut rows| rows.pop()) {
        Some(mark) => to.set_clock_mark(&mark),
        None => Ok(()),
    }
}
