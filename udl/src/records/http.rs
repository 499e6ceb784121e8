//! Requests and answers, as adapters and the app's own HTTP client meet them.

use std::fmt;

use larder_core::ports::{self, ExchangeKind};

use super::numbers::signed_64;

/// One header of a request or an answer. See `larder.udl`.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpHeader {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
}

/// The name alone: a value may be a token.
impl fmt::Debug for HttpHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpHeader").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A request to a license server, as an adapter sees it. See `larder.udl`.
#[derive(Clone)]
pub struct LicenseRequest {
    /// The purpose of the exchange.
    pub kind: ExchangeKind,
    /// The asset it is for.
    pub asset_id: String,
    /// Where it goes.
    pub url: String,
    /// Its headers.
    pub headers: Vec<HttpHeader>,
    /// The body.
    pub body: Vec<u8>,
}

/// Without URL and body: both may hold what opens a license.
impl fmt::Debug for LicenseRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LicenseRequest")
            .field("kind", &self.kind)
            .field("asset_id", &self.asset_id)
            .field("headers", &self.headers)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl From<ports::LicenseRequest> for LicenseRequest {
    fn from(request: ports::LicenseRequest) -> Self {
        let ports::LicenseRequest { kind, asset_id, url, headers, body } = request;
        Self { kind, asset_id: asset_id.as_str().to_owned(), url, headers: records(headers), body }
    }
}

/// A successful answer of a license server, as an adapter sees it. See `larder.udl`.
#[derive(Clone)]
pub struct LicenseResponse {
    /// The purpose of the exchange.
    pub kind: ExchangeKind,
    /// The asset it is for.
    pub asset_id: String,
    /// The HTTP status.
    pub status: i32,
    /// Its headers.
    pub headers: Vec<HttpHeader>,
    /// The body.
    pub body: Vec<u8>,
}

impl From<ports::LicenseResponse> for LicenseResponse {
    fn from(response: ports::LicenseResponse) -> Self {
        let ports::LicenseResponse { kind, asset_id, status, headers, body } = response;
        Self {
            kind,
            asset_id: asset_id.as_str().to_owned(),
            status: i32::from(status),
            headers: records(headers),
            body,
        }
    }
}

/// One request for the app's HTTP client. See `larder.udl`.
#[derive(Clone)]
pub struct HttpRequest {
    /// `GET`, `POST`, …
    pub method: String,
    /// Where it goes.
    pub url: String,
    /// Its headers.
    pub headers: Vec<HttpHeader>,
    /// The body.
    pub body: Vec<u8>,
    /// From the start of the connection to the last byte, in milliseconds.
    pub timeout_ms: i64,
    /// A longer answer is an error.
    pub max_body_bytes: i64,
}

/// Without URL and body, as above.
impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("headers", &self.headers)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl From<ports::HttpRequest> for HttpRequest {
    fn from(request: ports::HttpRequest) -> Self {
        let ports::HttpRequest { method, url, headers, body, timeout_ms, max_body_bytes } = request;
        Self {
            method: method.to_owned(),
            url,
            headers: records(headers),
            body,
            timeout_ms: signed_64(timeout_ms),
            max_body_bytes: i64::try_from(max_body_bytes).unwrap_or(i64::MAX),
        }
    }
}

/// The response that the app's HTTP client received. See `larder.udl`.
#[derive(Clone)]
pub struct HttpResponse {
    /// The HTTP status.
    pub status: i32,
    /// Its headers.
    pub headers: Vec<HttpHeader>,
    /// The body.
    pub body: Vec<u8>,
}

/// Without the body: it may be a license.
impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponse")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

fn records(headers: Vec<(String, String)>) -> Vec<HttpHeader> {
    headers.into_iter().map(|(name, value)| HttpHeader { name, value }).collect()
}
