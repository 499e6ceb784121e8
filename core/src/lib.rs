//! Larder's core: all behaviour, no platform.
//!
//! | module | what |
//! |---|---|
//! | [`model`] | the words of the domain as types |
//! | [`error`] | one error with a code, a message that is safe to log, and a remedy |
//! | [`manifest`] | HLS, DASH and MP4 boxes: bytes in, facts out |

#![forbid(unsafe_code)]

pub mod error;
pub mod manifest;
pub mod model;

pub use error::{Code, Error, Remedy, Result};
