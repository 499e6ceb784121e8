//! The command as its users meet it: another process, its exit status, what it prints where.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests say what they expect, their helpers too"
)]

mod bad_input;
mod larder;
mod main_job;
mod media;
mod memory_storage;
mod processes;
mod redaction;
mod shapes;
mod testkit;
mod usage;
