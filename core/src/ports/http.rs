//! The HTTP client for small requests, and the platform's judgement of servers.

use std::fmt;

use crate::error::Result;

/// The network, one request at a time: no redirects, no retries, no cache; the core does those.
pub trait HttpClient: Send + Sync {
    /// Sends a request and reads the whole answer, at most `max_body_bytes` of it.
    ///
    /// Any HTTP status is success here. Fails with `Offline`, `Timeout`, `Network`, `Tls` or `ResponseTooLarge`.
    fn send(&self, request: HttpRequest) -> Result<HttpResponse>;
}

/// One HTTP request.
#[derive(Clone)]
pub struct HttpRequest {
    /// `GET`, `POST`, …
    pub method: &'static str,
    /// An absolute http or https URL.
    pub url: String,
    /// Header names and values.
    pub headers: Vec<(String, String)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
    /// From the start of the connection to the last byte, in milliseconds.
    pub timeout_ms: u64,
    /// A longer answer is an error.
    pub max_body_bytes: usize,
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// One HTTP answer.
#[derive(Clone)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// Header names and values, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, unpacked if it was compressed.
    pub body: Vec<u8>,
}

impl HttpResponse {
    /// The first value of a header, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponse")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Whether a server may be trusted, for platforms where only the app's process can ask (Android).
pub trait ServerTrust: Send + Sync {
    /// Judges a chain of certificates in DER, the server's own first. Any error refuses the server.
    ///
    /// `host` is a DNS name or an IP address, and that the certificate is for it has been checked; a platform wants it
    /// because its trust may differ from host to host. It is called during a handshake, on the runtime's thread, and
    /// must not use the network through Larder.
    fn verify(&self, chain: Vec<Vec<u8>>, host: &str) -> Result<()>;

    /// `UrlInvalid` if the app's configuration forbids plain http to this host. Called before each such request, where
    /// blocking is allowed.
    fn check_cleartext(&self, host: &str) -> Result<()>;
}
