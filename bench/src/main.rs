//! Figures as ratios against peers, one table a run. Not tests: nothing fails here, and a noisy machine shows.
//!
//! | file | what |
//! |---|---|
//! | [`table`] | one row a figure: what, how much, against what, the budget |
//! | [`measure`] | subject and peer in turns, medians |
//! | [`catalogue`] | a store of 10,000 assets, and managers over it |
//! | [`lookup`], [`statuses`], [`opening`] | what an app waits for |
//! | [`licenses`] | round trips, counted by the server |
//! | [`parsing`] | manifests into the media model, and back |
//!
//! `larder-bench [ROWS]`: ROWS is a file with rows that others measured (the JVM's, the library's size), one a line:
//! figure, value, peer, ratio, budget, separated by tabs. `scripts/bench` makes it. `larder-bench --store FOLDER` writes
//! the catalogue's database into a folder, for those others, and measures nothing.

#![allow(clippy::print_stdout, reason = "a table is what this is for")]

mod catalogue;
mod licenses;
mod lookup;
mod measure;
mod opening;
mod parsing;
mod statuses;
mod table;

use std::error::Error;
use std::path::Path;

use catalogue::Catalogue;
use table::Table;

const ASSETS: u32 = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let rows = arguments.next();
    if rows.as_ref().is_some_and(|first| first == "--store") {
        let folder = arguments.next().ok_or("--store wants a folder")?;
        return catalogue::write_store(Path::new(&folder), ASSETS);
    }
    let mut table = Table::default();
    let catalogue = Catalogue::new(ASSETS)?;
    lookup::measure(&catalogue, &mut table)?;
    statuses::measure(&catalogue, &mut table)?;
    opening::measure(&catalogue, &mut table)?;
    licenses::measure(&mut table)?;
    parsing::measure(&mut table)?;
    if let Some(rows) = rows {
        table.add_lines(&std::fs::read_to_string(rows)?);
    }
    print!("{}", table.text());
    Ok(())
}
