//! Converts a failed request to an error. The one place that knows how reqwest, hyper and rustls nest their errors.

use std::error::Error as StdError;
use std::io;

use crate::error::{Code, Error};

/// Converts a failure of the client. The URL is removed from the cause, too.
pub(super) fn request_failed(error: reqwest::Error) -> Error {
    let error = error.without_url();
    let (code, message) = classify(&error);
    Error::new(code, message).caused_by(error)
}

fn classify(error: &reqwest::Error) -> (Code, &'static str) {
    if find::<rustls::Error>(error).is_some() {
        return (Code::Tls, "the secure connection could not be made: check the server's certificate and the clock");
    }
    if error.is_dns() {
        return (Code::Offline, "the server's name could not be resolved");
    }
    if error.is_connect() {
        return match find::<io::Error>(error).map(innermost_kind) {
            // The connection stood and broke while TLS began.
            Some(io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => {
                (Code::Network, "the server closed the connection before it was secure")
            }
            // Nothing was sent, so nothing is in doubt: this is not `Timeout`.
            Some(io::ErrorKind::TimedOut) => (Code::Offline, "the server could not be reached in time"),
            _ if error.is_timeout() => (Code::Offline, "the server could not be reached in time"),
            Some(io::ErrorKind::ConnectionRefused) => (Code::Offline, "the server refused the connection"),
            _ => (Code::Offline, "the server could not be reached"),
        };
    }
    if error.is_timeout() {
        return (Code::Timeout, "the server did not answer in time; the outcome is unknown");
    }
    if error.is_decode() {
        return (Code::Network, "the answer ended early or was damaged");
    }
    (Code::Network, "the connection broke, or the answer was not HTTP")
}

/// The first error of this type in the chain of causes.
fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = cause(error);
    }
    None
}

/// As `source`, but an [`io::Error`] around another error gives that one; its `source` skips it.
fn cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

/// The kind of the innermost of nested I/O errors: the outer ones say `Other`.
fn innermost_kind(error: &io::Error) -> io::ErrorKind {
    let mut kind = error.kind();
    let mut next = cause(error);
    while let Some(error) = next {
        if let Some(inner) = error.downcast_ref::<io::Error>() {
            kind = inner.kind();
        }
        next = cause(error);
    }
    kind
}
