//! The contract from its Rust side, as a binding calls it.

mod cancellation;
mod delegates;
mod lifecycle;
mod own_client;

#[path = "../support/mod.rs"]
mod support;
