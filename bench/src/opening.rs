//! Opening a store, and what runs in the background after it.

use std::error::Error;
use std::time::Instant;

use rusqlite::Connection;

use crate::catalogue::Catalogue;
use crate::measure::best;
use crate::statuses::read_rows;
use crate::table::{Table, time};

pub(crate) fn measure(catalogue: &Catalogue, table: &mut Table) -> Result<(), Box<dyn Error>> {
    let (mut opened_ns, mut reconciled_ns, mut sql_ns) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..25 {
        let begun = Instant::now();
        let manager = catalogue.open()?;
        opened_ns.push(begun.elapsed().as_nanos() as f64);
        // What opening began in the background has to end before the store closes: a second manager would share it.
        let begun = Instant::now();
        manager.reconcile()?;
        reconciled_ns.push(begun.elapsed().as_nanos() as f64);
        drop(manager);

        let begun = Instant::now();
        let connection = Connection::open(catalogue.database())?;
        read_rows(&connection)?;
        sql_ns.push(begun.elapsed().as_nanos() as f64);
    }
    let peer = "open and read the rows, with SQL";
    table.compared("open a store of 10,000 assets", best(&opened_ns), peer, best(&sql_ns), "<= 20 ms");
    table.plain("... recovery and reconciliation after it", time(best(&reconciled_ns)), "in the background");
    Ok(())
}
