//! Servers to test an offline player against: an origin, licence servers that keep a book, faults by rule.
//!
//! Everything listens on loopback, in a thread of its own, and is used alike from Rust tests ([`Testkit`]), from the
//! command (`larder testkit serve`) and so over HTTP from Kotlin and Swift tests.
//!
//! | file | what |
//! |---|---|
//! | [`server`](Testkit) | start, stop, start again on the same port |
//! | [`origin`](Origin) | files: ranges, validators, gzip, redirects |
//! | [`license`] | licence servers: ClearKey, Widevine-like, FairPlay-like |
//! | [`policy`](Policy), [`book`](BookPage) | what they grant, what they granted and took back |
//! | [`faults`](Rule) | which requests are struck, and how |
//! | [`seen`](Counts) | counts and a journal of requests |
//! | [`admin`] | all of that over HTTP |
//! | `http`, `connection`, `backend`, `wire` | bytes, one connection, who answers, how bytes are written in JSON |

pub mod admin;
mod backend;
mod book;
mod connection;
mod faults;
mod http;
pub mod license;
mod origin;
mod policy;
mod seen;
mod server;
mod wire;

pub use book::{BookPage, IssuedLicense, Scheme};
pub use faults::{Action, ActiveRule, Rule};
pub use license::fairplay::certificate;
pub use origin::Origin;
pub use policy::{ContentKey, KeyTable, Policy, read_key_table};
pub use seen::{Counts, RequestKind, SeenRequest};
pub use server::{Options, Testkit};
