//! The maps: the table at the head of a folder's entry file names every file of the folder, and nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::source::rust_files;
use crate::sources;

/// A folder with more files than this beside its entry file has a map.
const FILES_WITHOUT_A_MAP: usize = 3;

/// Returns the faults of a folder's map, in sentences. `files` are the names beside the entry file.
fn violations(entry: &str, text: &str, files: &BTreeSet<String>) -> Vec<String> {
    let Some(named) = names_in_map(text) else {
        let needs_a_map = files.len() > FILES_WITHOUT_A_MAP;
        return needs_a_map.then(|| format!("{entry}: no map for {} files", files.len())).into_iter().collect();
    };
    let missing = files.difference(&named).map(|file| format!("{entry}: the map does not name {file}"));
    let strange = named.difference(files).map(|name| format!("{entry}: the map names {name}, which is not there"));
    missing.chain(strange).collect()
}

/// Returns the names in code font in the first column of the table whose head is `| file |` or `| module |`.
fn names_in_map(text: &str) -> Option<BTreeSet<String>> {
    let head = text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim);
    let table = head.skip_while(|line| !line.starts_with("| file |") && !line.starts_with("| module |"));
    let mut rows = table.take_while(|line| line.starts_with('|'));
    rows.next()?;
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    let names = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    Some(
        names
            .map(|name| name.trim_start_matches("mod@").trim_end_matches('/').trim_end_matches(".rs").to_owned())
            .collect(),
    )
}

/// Returns the names of the files and folders that a folder has beside its entry file. Unit tests are not on the map.
fn files_of(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let names = entries.filter(|path| path.is_dir() || path.extension().is_some_and(|extension| extension == "rs"));
    names
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|name| !matches!(name.as_str(), "mod" | "lib" | "tests"))
        .collect()
}

/// Returns every folder with its entry file: `lib.rs`, `mod.rs`, or the file of the folder's name beside it.
fn folders() -> Vec<(PathBuf, PathBuf)> {
    let files = rust_files(&sources());
    let folders: BTreeSet<PathBuf> = files.iter().map(|file| file.parent().unwrap().to_owned()).collect();
    folders
        .into_iter()
        .map(|folder| {
            let candidates = [folder.join("lib.rs"), folder.join("mod.rs"), folder.with_extension("rs")];
            let entry = candidates.into_iter().find(|file| file.exists());
            (entry.unwrap_or_else(|| panic!("{} has no entry file", folder.display())), folder)
        })
        .collect()
}

#[test]
fn every_map_names_the_files_of_its_folder() {
    let found: Vec<String> = folders()
        .iter()
        .flat_map(|(entry, folder)| {
            let shown = entry.strip_prefix(sources()).unwrap().display().to_string();
            violations(&shown, &fs::read_to_string(entry).unwrap(), &files_of(folder))
        })
        .collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn the_check_of_the_maps_finds_a_missing_and_a_strange_name() {
    let files = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let map = "//! Rooms.\n//!\n//! | file | what |\n//! |---|---|\n//! | [`one`], `two/` | uses `six` |\n//!\n//! | `x` | y |\n";
    let find = |names: &[&str]| violations("mod.rs", map, &files(names));
    assert_eq!(find(&["one", "two"]), [""; 0]);
    assert_eq!(find(&["one", "two", "three"]), ["mod.rs: the map does not name three"]);
    assert_eq!(find(&["one"]), ["mod.rs: the map names two, which is not there"]);
    let without = |names: &[&str]| violations("mod.rs", "//! Rooms.\n", &files(names));
    assert_eq!(without(&["a", "b", "c"]), [""; 0]);
    assert_eq!(without(&["a", "b", "c", "d"]), ["mod.rs: no map for 4 files"]);
}
