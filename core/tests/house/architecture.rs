//! `docs/architecture.md`: the tests that its table of invariants names exist. A test that is renamed without the page
//! fails here.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::source::rust_files;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Returns the rows of the table of invariants: number, and the cell "shown by".
fn invariants(page: &str) -> Vec<(u32, String)> {
    let rows = page.lines().filter(|line| line.starts_with("| "));
    rows.filter_map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [number, _, _, shown_by] = cells[..] else { return None };
        Some((number.parse().ok()?, shown_by.to_owned()))
    })
    .collect()
}

/// Returns the tests that a cell names: words in code font with underscores and no path.
fn named_tests(cell: &str) -> Vec<&str> {
    let words = cell.split('`').skip(1).step_by(2);
    words.filter(|word| word.matches('_').count() > 2 && !word.contains(['/', '.'])).collect()
}

#[test]
fn every_invariant_names_tests_that_exist() {
    let page = fs::read_to_string(repository().join("docs/architecture.md")).unwrap();
    let rows = invariants(&page);
    let numbers: Vec<u32> = rows.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=16).collect::<Vec<u32>>());

    let folders = ["core/src", "core/tests", "udl/src", "udl/tests", "cli/tests"];
    let files = folders.iter().flat_map(|folder| rust_files(&repository().join(folder)));
    let sources: Vec<String> = files.map(|file| fs::read_to_string(file).unwrap()).collect();
    let functions: BTreeSet<&str> = sources
        .iter()
        .flat_map(|text| text.lines().filter_map(|line| line.trim_start().strip_prefix("fn ")?.split('(').next()))
        .collect();
    for (number, cell) in &rows {
        for test in named_tests(cell) {
            assert!(functions.contains(test), "invariant {number} names `{test}`, which no test has");
        }
        assert!(!cell.is_empty(), "invariant {number} says nothing of what shows it");
    }
}
