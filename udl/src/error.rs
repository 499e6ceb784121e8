//! The error that leaves the process, and the way back for one that foreign code throws.
//!
//! Outward, a core error gives its code, message, remedy, HTTP status and whether a retry can help; its source, which
//! may quote a URL or an exception, stays behind. Inward, a delegate's [`FfiError`] becomes a core error again: a code
//! that Larder knows is kept, so that an engine can pass on what `send` threw; anything else becomes the code that the
//! delegate's port documents. An unexpected foreign exception is reported without its text, which holds a stack
//! trace and text of the app's author.

use std::panic::{AssertUnwindSafe, catch_unwind};

use larder_core::error::{Code, Error, Remedy};

/// Why a call failed. See `larder.udl`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FfiError {
    /// Every error: what differs is its code.
    #[error("{code}: {reason}")]
    Failed {
        /// A stable constant.
        code: String,
        /// For developers, safe to log.
        reason: String,
        /// The action that the caller can take.
        remedy: Remedy,
        /// True if the same call may succeed later.
        is_retryable: bool,
        /// The HTTP status behind it.
        http_status: Option<u16>,
    },
}

/// A foreign text longer than this is cut: it ends in logs and messages.
const MAX_REASON_CHARS: usize = 300;

impl FfiError {
    /// An error of a code of Larder's.
    pub(crate) fn new(code: Code, reason: impl Into<String>) -> Self {
        Self::Failed {
            code: code.as_str().to_owned(),
            reason: reason.into(),
            remedy: code.remedy(),
            is_retryable: code.is_retryable(),
            http_status: None,
        }
    }

    /// A panic in Larder. Its text went to the process's panic hook; it may hold anything, so it goes nowhere else.
    pub(crate) fn panicked() -> Self {
        tracing::error!("an operation panicked");
        Self::new(Code::Internal, "a defect in Larder: an operation panicked")
    }

    /// The core's form of an error that foreign code threw. `fallback` replaces a code that is not one of `allowed`.
    pub(crate) fn into_core(self, fallback: Code, allowed: impl Fn(Code) -> bool) -> Error {
        let Self::Failed { code, reason, http_status, .. } = self;
        let code = Code::ALL.iter().copied().find(|known| known.as_str() == code);
        let code = code.filter(|code| allowed(*code)).unwrap_or(fallback);
        let error = Error::new(code, one_line(&reason));
        match http_status {
            Some(status) => error.with_http_status(status),
            None => error,
        }
    }
}

impl From<Error> for FfiError {
    fn from(error: Error) -> Self {
        Self::Failed {
            code: error.code().as_str().to_owned(),
            reason: error.message().to_owned(),
            remedy: error.remedy(),
            is_retryable: error.is_retryable(),
            http_status: error.http_status(),
        }
    }
}

/// Converts UniFFI's error for an exception that is no [`FfiError`]. Its reason is the whole stack trace, which is dropped.
impl From<uniffi::UnexpectedUniFFICallbackError> for FfiError {
    fn from(_: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::new(Code::DelegateFailed, "a callback of the app threw an exception of its own")
    }
}

/// A panic as an error: in Swift one that escapes would end the app.
pub(crate) fn catching<T>(work: impl FnOnce() -> Result<T, FfiError>) -> Result<T, FfiError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(FfiError::panicked()))
}

/// A foreign text, fit for a message of ours: one line, no control characters, not too long.
fn one_line(text: &str) -> String {
    let mut chars = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut line: String = chars.by_ref().take(MAX_REASON_CHARS).collect();
    if chars.next().is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thrown(code: &str, reason: &str) -> FfiError {
        FfiError::Failed {
            code: code.into(),
            reason: reason.into(),
            remedy: Remedy::Nothing,
            is_retryable: false,
            http_status: Some(403),
        }
    }

    #[test]
    fn the_source_of_an_error_stays_in_the_process() {
        let error = Error::new(Code::Network, "the connection broke").caused_by("https://host/?token=secret");
        let outside = format!("{0} {0:?}", FfiError::from(error));
        assert!(outside.contains("NETWORK: the connection broke") && !outside.contains("secret"), "{outside}");
    }

    #[test]
    fn a_known_code_survives_the_way_in_with_remedy_and_status_of_its_own() {
        let error = thrown("UNAUTHORIZED", "token refused").into_core(Code::CdmFailed, |_| true);
        assert_eq!((error.code(), error.http_status()), (Code::Unauthorized, Some(403)));
        assert_eq!(error.remedy(), Remedy::SignIn);
    }

    #[test]
    fn an_unknown_or_forbidden_code_becomes_the_ports_own() {
        assert_eq!(thrown("NO_SUCH", "").into_core(Code::CdmFailed, |_| true).code(), Code::CdmFailed);
        assert_eq!(thrown("OFFLINE", "").into_core(Code::StorageFailed, |_| false).code(), Code::StorageFailed);
    }

    #[test]
    fn a_foreign_text_is_one_short_line() {
        let error = thrown("CDM_FAILED", &"a\n".repeat(1000)).into_core(Code::CdmFailed, |_| true);
        assert!(!error.message().contains('\n') && error.message().chars().count() <= 301);
    }

    #[test]
    fn an_unexpected_exceptions_stack_trace_is_dropped() {
        let trace = "java.lang.IllegalStateException: token=secret\n\tat app.Storage.save(Storage.kt:7)";
        let error = FfiError::from(uniffi::UnexpectedUniFFICallbackError::new(trace));
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("DELEGATE_FAILED") && !shown.contains("secret") && !shown.contains("at app"), "{shown}");
    }
}
