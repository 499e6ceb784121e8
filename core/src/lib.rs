//! Larder's core: all behaviour, no platform.
//!
//! A module uses only modules above it in this table; `tests/house` checks that.
//!
//! | module | what |
//! |---|---|
//! | [`error`] | one error with a code, a message that is safe to log, and a remedy |
//! | [`model`] | the types of the domain, without I/O |
//! | [`cancel`], [`guard`] | calls that end early: cancelled by the caller, or timed out in foreign code |
//! | [`ports`] | the interfaces to the platform and the app |
//! | [`clock`] | the system's clock |
//! | [`manifest`] | HLS, DASH and MP4 boxes: reads how media is protected |
//! | [`net`] | one request to a server: redirects, retries, offline mode, redaction |
//! | [`store`] | registrations and the license ledger in SQLite |
//! | [`license`] | licenses: exchange with servers, wire formats, grant checks, release, recovery, the ClearKey engine |
//! | `registry` | the state that all flows of a manager work on: configuration, locks, snapshot, clock guard |
//! | [`assets`] | [`LocalAssetsManager`](assets::LocalAssetsManager): register, refresh, unregister, status, playback |
//! | [`compat`] | results in the form that PlayKit reported them |

#![forbid(unsafe_code)]

pub mod assets;
pub mod cancel;
pub mod clock;
pub mod compat;
pub mod error;
pub mod guard;
pub mod license;
pub mod manifest;
pub mod model;
pub mod net;
pub mod ports;
mod registry;
pub mod store;

pub use cancel::Cancellation;
pub use error::{Code, Error, Remedy, Result};
