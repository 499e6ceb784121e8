//! `store dump`: the rows of the database, for people.

use larder_core::Result;
use larder_core::store::Store;

use crate::Answer;
use crate::args::StoreCommand;
use crate::host::Host;
use crate::output::Output;

/// Runs a command on the database itself.
pub(crate) fn run(command: &StoreCommand, host: &Host, output: &Output) -> Result<Answer> {
    match command {
        StoreCommand::Dump => dump(host, output),
    }
}

/// Prints every row of every table and every profile, one JSON object per line.
fn dump(host: &Host, output: &Output) -> Result<Answer> {
    // The manager has created, migrated or repaired the database. This is a second connection to it.
    let store = Store::open(host.data_dir())?.store;
    let mut rows = store.read(|tx| tx.dump())?;
    for (table, row) in &mut rows {
        row["table"] = (*table).into();
    }
    let rows: Vec<_> = rows.into_iter().map(|(_, row)| row).collect();
    output.data(&rows, |lines| rows.iter().for_each(|row| lines.push_str(&format!("{row}\n"))))?;
    Ok(Answer::Yes)
}
