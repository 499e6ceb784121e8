//! The store through its public API: what it keeps, what it survives, and what it refuses.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests say what they expect, helpers too")]

mod damage;
mod full_disk;
mod golden;
mod opening;
mod other_process;
mod processes;
mod repair;
mod rows;
mod samples;
