//! Tests of the store through its public API: rows, opening, damage, full disks, several processes, older versions.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what it expects, and so do its helpers"
)]

mod damage;
mod full_disk;
mod golden;
mod opening;
mod other_process;
mod processes;
mod repair;
mod rows;
mod samples;
