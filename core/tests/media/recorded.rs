//! Holds the protection of every file in `testkit/media` to a recording, so that a change of the readers cannot change
//! a result unnoticed.

#![allow(clippy::unwrap_used, reason = "tests may say what they expect")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use larder_core::manifest;

use crate::init_data::page;
use crate::written::testkit;

/// Every regular file below a folder, sorted by path.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.path().is_dir() { folders.push(entry.path()) } else { files.push(entry.path()) }
        }
    }
    files.sort();
    files
}

/// One section for each path: the protection, or the error code.
fn recording(root: &Path, paths: &[PathBuf]) -> String {
    let mut text = String::new();
    for path in paths {
        let _ = writeln!(text, "== {}", path.strip_prefix(root).unwrap().display());
        match manifest::find(path).and_then(|media| manifest::inspect(&media)) {
            Ok(found) => {
                text += &page(&found);
                found.license_urls.iter().for_each(|license| _ = writeln!(text, "license url {}", license.url));
            }
            Err(error) => _ = writeln!(text, "{}", error.code()),
        }
    }
    text
}

#[test]
fn protection_of_every_file_of_the_testkit() {
    let root = testkit("");
    insta::assert_snapshot!(recording(&root, &files_below(&root)));
}
