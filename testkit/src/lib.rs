//! Servers to test an offline player against: an origin, licence servers that keep a book, faults by rule.
//!
//! Everything listens on loopback, in a thread of its own, and is used alike from Rust tests ([`Testkit`]), from the
//! command (`larder testkit serve`) and so over HTTP from Kotlin and Swift tests.
//!
//! | file | what |
//! |---|---|
//! | [`server`](Testkit) | start, stop, start again on the same port |
//! | [`origin`](Origin) | files: ranges, validators, gzip, redirects |
//! | `seen` | counts and a journal of requests |
//! | `http`, `connection`, `backend` | bytes, one connection, who answers |

#![allow(dead_code, reason = "the licence servers, which use the rest, come next")]
mod backend;
mod connection;
mod http;
mod origin;
mod seen;
mod server;
mod wire;

pub use http::Request;
pub use origin::Origin;
pub use seen::{Counts, RequestKind, SeenRequest};
pub use server::{Options, Testkit};
