//! Pages and sources that are generated from the code are compared with it, so that the two cannot drift apart.
//! `UPDATE_DOCS=1 cargo test -p larder-cli --test docs` writes them again.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the lint knows test functions, not what they call")]

mod error_codes;
mod errors;
mod snippets;
#[cfg(unix)]
mod walkthroughs;

use std::path::PathBuf;

/// A file of the repository.
fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Fails if a page is not as it should be, or writes it if that is asked for.
fn assert_page(path: &str, expected: &str) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(repository(path), expected).unwrap();
    }
    let found = read(path);
    let differs = found.lines().zip(expected.lines()).position(|(a, b)| a != b);
    assert!(
        found == expected,
        "{path} differs from the code (first at line {:?}); run UPDATE_DOCS=1 cargo test -p larder-cli --test docs",
        differs.map(|line| line + 1)
    );
}
