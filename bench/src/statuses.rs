//! The status of everything, as a list on a screen shows it.

use std::error::Error;
use std::hint::black_box;

use rusqlite::Connection;

use crate::catalogue::Catalogue;
use crate::measure::{Turns, in_turns};
use crate::table::Table;

pub(crate) fn measure(catalogue: &Catalogue, table: &mut Table) -> Result<(), Box<dyn Error>> {
    let manager = catalogue.open()?;
    let connection = Connection::open(catalogue.database())?;
    let before = catalogue.cdm_sessions();
    let (statuses_ns, sql_ns) = in_turns(
        &Turns { count: 40, calls: 1 },
        || -> Result<(), Box<dyn Error>> {
            let statuses = black_box(manager.statuses()?);
            if statuses.iter().any(|status| !status.is_playable) {
                return Err("an asset of the catalogue is not playable".into());
            }
            Ok(())
        },
        || {
            black_box(read_rows(&connection)?);
            Ok(())
        },
    )?;
    let sessions = catalogue.cdm_sessions() - before;
    table.compared("status of 10,000 assets", statuses_ns, "the rows alone, with SQL", sql_ns, "<= 20 ms");
    table.plain("... CDM sessions meanwhile", sessions.to_string(), "0");
    Ok(())
}

/// Reads the rows that a status is computed from, and computes none.
pub(crate) fn read_rows(connection: &Connection) -> Result<usize, rusqlite::Error> {
    let mut cells = 0;
    for table in ["assets", "licenses"] {
        let mut statement = connection.prepare(&format!("SELECT * FROM {table}"))?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            for column in 0..columns {
                black_box(row.get_ref(column)?);
                cells += 1;
            }
        }
    }
    Ok(cells)
}
