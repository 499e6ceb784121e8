//! The order inside the core's sources: which room may use which (docs/architecture.md, "Layers"), and that the map at
//! the head of every folder is complete.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects")]

mod maps;
mod rooms;
mod source;

use std::path::PathBuf;

/// The sources of the core.
fn sources() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")
}
