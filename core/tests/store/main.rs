//! The store through its public API: what it keeps, what it survives, and what it refuses.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests say what they expect, their helpers too"
)]

mod rows;
mod samples;
