//! Larder's core: all behaviour, no platform.
//!
//! | module | what |
//! |---|---|
//! | [`model`] | the words of the domain as types |
//! | [`error`] | one error with a code, a message that is safe to log, and a remedy |
//! | [`ports`] | what the core needs from a platform and from the app |
//! | [`cancel`], [`guard`] | operations that end: on the caller's wish, or when foreign code hangs |
//! | [`clock`] | the system's own time |
//! | [`assets`] | `LocalAssetsManager`: register, refresh, unregister, status, local source, source URLs |
//! | [`compat`] | for apps that move from PlayKit |
//! | [`manifest`] | HLS, DASH and MP4 boxes: bytes in, facts out |
//! | [`store`] | registrations and the license ledger in SQLite |
//! | [`license`] | licenses: exchange with servers, wire formats, grant checks, the ClearKey engine |
//! | [`net`] | one request to a server: redirects, retries, offline mode, what may be shown of it |

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
