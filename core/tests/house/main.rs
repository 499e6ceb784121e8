//! Rules for the core's sources: the order of the rooms and the tests of the invariants (docs/architecture.md), and a
//! complete map at the head of every folder.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects")]

mod architecture;
mod maps;
mod rooms;
mod source;

use std::path::PathBuf;

/// The sources of the core.
fn sources() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")
}
