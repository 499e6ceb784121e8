//! The app's own HTTP client.

use std::sync::Arc;
use std::time::Duration;

use larder_core::guard::call_delegate;
use larder_core::ports::{self, HttpClient};
use larder_core::{Code, Error, Result};
use tokio::runtime::Handle;

use crate::error::FfiError;
use crate::records::{HttpRequest, HttpResponse};

/// The app's HTTP client. See `larder.udl`.
#[uniffi::trait_interface]
pub trait FfiHttpClient: Send + Sync {
    /// Sends one request and reads the whole answer.
    fn send(&self, request: HttpRequest) -> Result<HttpResponse, FfiError>;
}

/// Unlike the built-in client it may hang, whatever timeout it was told: so each call is bounded here, too.
pub(crate) struct Http {
    pub(crate) client: Arc<dyn FfiHttpClient>,
    pub(crate) foreign_calls: Handle,
}

/// The extra time that a client gets beyond its timeout before its caller stops waiting.
const GRACE: Duration = Duration::from_secs(2);

impl HttpClient for Http {
    fn send(&self, request: ports::HttpRequest) -> Result<ports::HttpResponse> {
        let timeout = Duration::from_millis(request.timeout_ms).saturating_add(GRACE);
        let max_body_bytes = request.max_body_bytes;
        let client = Arc::clone(&self.client);
        let answer = call_delegate(&self.foreign_calls, timeout, "the app's HTTP client", Code::Timeout, move || {
            client.send(request.into()).map_err(thrown)
        })?;
        checked(answer, max_body_bytes)
    }
}

/// Checks the limits that the client promised to keep.
fn checked(answer: HttpResponse, max_body_bytes: usize) -> Result<ports::HttpResponse> {
    let HttpResponse { status, headers, body } = answer;
    let Some(status) = u16::try_from(status).ok().filter(|status| (100..=599).contains(status)) else {
        return Err(Error::new(Code::DelegateFailed, "the app's HTTP client answered with what is no HTTP status"));
    };
    if body.len() > max_body_bytes {
        return Err(Error::new(Code::ResponseTooLarge, format!("the answer has more than {max_body_bytes} bytes")));
    }
    let headers = headers.into_iter().map(|header| (header.name.to_ascii_lowercase(), header.value)).collect();
    Ok(ports::HttpResponse { status, headers, body })
}

/// A client speaks of the network alone; whatever else it throws, the request has failed on its way.
fn thrown(error: FfiError) -> Error {
    error.into_core(Code::Network, |code| {
        matches!(code, Code::Offline | Code::Timeout | Code::Network | Code::Tls | Code::ResponseTooLarge)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::HttpHeader;

    #[test]
    fn names_of_headers_are_found_however_the_client_writes_them() {
        let header = HttpHeader { name: "Content-TYPE".into(), value: "text/HTML".into() };
        let answer = HttpResponse { status: 200, headers: vec![header], body: Vec::new() };
        assert_eq!(checked(answer, 0).unwrap().header("content-type"), Some("text/HTML"));
    }

    #[test]
    fn an_answer_that_is_none_is_refused() {
        for status in [-1, 0, 99, 600, i32::MAX] {
            let answer = HttpResponse { status, headers: Vec::new(), body: Vec::new() };
            assert_eq!(checked(answer, 0).unwrap_err().code(), Code::DelegateFailed, "{status}");
        }
        let answer = HttpResponse { status: 200, headers: Vec::new(), body: vec![0; 11] };
        assert_eq!(checked(answer, 10).unwrap_err().code(), Code::ResponseTooLarge);
    }
}
