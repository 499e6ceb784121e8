//! Servers and fakes for tests of offline playback: an origin, license servers that record every license, faults by rule, scripted CDMs.
//!
//! The servers listen on loopback, in a thread of their own, and are used alike from Rust tests ([`Testkit`]), from the
//! command (`larder testkit serve`) and so over HTTP from Kotlin and Swift tests.
//!
//! | file | what |
//! |---|---|
//! | [`server`](Testkit) | start, stop, start again on the same port |
//! | [`origin`](Origin) | files: ranges, validators, gzip, redirects |
//! | [`license`] | license servers: ClearKey, Widevine-like, FairPlay-like |
//! | [`policy`](Policy), [`book`](BookPage) | what they grant, what they granted and took back |
//! | [`faults`](Rule) | which requests are struck, and how |
//! | [`seen`](Counts) | counts and a journal of requests |
//! | [`admin`] | all of that over HTTP |
//! | [`cdm`] | scripted CDMs: one like MediaDrm, one like AVFoundation |
//! | [`storage`](ScriptedStorage), [`clock`](ManualClock) | a secret storage with moods, a clock that a test moves |
//! | [`playback`] | proof that stored keys really decrypt stored media |
//! | `fixtures` | the sample media, copies of it, waiting for background work: [`media_root`], [`copy_dir`], [`eventually`] |
//! | `http`, `connection`, `backend`, `wire`, `gate` | bytes, one connection, who answers, how bytes are written in JSON, where calls hang |

pub mod admin;
mod backend;
mod book;
pub mod cdm;
mod clock;
mod connection;
mod faults;
mod fixtures;
mod gate;
mod http;
pub mod license;
mod origin;
pub mod playback;
mod policy;
mod seen;
mod server;
mod storage;
mod wire;

pub use book::{BookPage, IssuedLicense, Scheme};
pub use clock::ManualClock;
pub use faults::{Action, ActiveRule, Rule};
pub use fixtures::{copy_dir, eventually, media_root};
pub use license::fairplay::certificate;
pub use origin::Origin;
pub use policy::{ContentKey, KeyTable, Policy, read_key_table};
pub use seen::{Counts, RequestKind, SeenRequest};
pub use server::{Options, Testkit};
pub use storage::{Mood, ScriptedStorage, StorageCall};
