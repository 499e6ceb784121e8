//! Which HTTP status is which error.

use crate::error::{Code, Error};

/// Converts a server's final status to an error; `None` for success (2xx).
///
/// 408, 425 and 429 count as the server's failure, not as the caller's: the same request may succeed later.
pub fn status_error(what: &str, status: u16) -> Option<Error> {
    let code = match status {
        200..=299 => return None,
        300..=399 => Code::Redirect,
        401 | 403 => Code::Unauthorized,
        408 | 425 | 429 => Code::ServerFailed,
        400..=499 => Code::ServerRejected,
        _ => Code::ServerFailed,
    };
    Some(Error::new(code, format!("the {what} answered with HTTP status {status}")).with_http_status(status))
}

/// True if the same request may succeed soon.
pub(super) fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504 | 507 | 509 | 520..=599)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_its_code() {
        for (status, code) in [
            (200, None),
            (204, None),
            (304, Some(Code::Redirect)),
            (400, Some(Code::ServerRejected)),
            (401, Some(Code::Unauthorized)),
            (403, Some(Code::Unauthorized)),
            (404, Some(Code::ServerRejected)),
            (429, Some(Code::ServerFailed)),
            (500, Some(Code::ServerFailed)),
            (503, Some(Code::ServerFailed)),
            (999, Some(Code::ServerFailed)),
        ] {
            let error = status_error("license server", status);
            assert_eq!(error.as_ref().map(Error::code), code, "{status}");
            assert_eq!(error.and_then(|e| e.http_status()), code.map(|_| status));
        }
    }
}
