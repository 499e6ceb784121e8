//! Figures as ratios against peers, one table a run. Not tests: nothing fails here, and a noisy machine shows.
//!
//! | file | what |
//! |---|---|
//! | [`table`] | one row a figure: what, how much, against what, the budget |
//! | [`measure`] | subject and peer in turns, medians |
//! | [`catalogue`] | a store of 10,000 assets, and managers over it |
//! | [`lookup`], [`statuses`], [`opening`] | what an app waits for |
//! | [`licences`] | round trips, counted by the server |
//!
//! `larder-bench [ROWS]`: ROWS is a file with rows that others measured (the JVM's, the library's size), one a line:
//! figure, value, peer, ratio, budget, separated by tabs. `scripts/bench` makes it.

#![allow(clippy::print_stdout, reason = "a table is what this is for")]

mod catalogue;
mod licences;
mod lookup;
mod measure;
mod opening;
mod statuses;
mod table;

use std::error::Error;

use catalogue::Catalogue;
use table::Table;

fn main() -> Result<(), Box<dyn Error>> {
    let mut table = Table::default();
    let catalogue = Catalogue::new(10_000)?;
    lookup::measure(&catalogue, &mut table)?;
    statuses::measure(&catalogue, &mut table)?;
    opening::measure(&catalogue, &mut table)?;
    licences::measure(&mut table)?;
    if let Some(rows) = std::env::args_os().nth(1) {
        table.add_lines(&std::fs::read_to_string(rows)?);
    }
    print!("{}", table.text());
    Ok(())
}
