//! Code of the app that adapts requests, supplies tokens and chooses URLs.

use super::engine::{ExchangeAnswer, ExchangeKind};
use crate::error::Result;
use crate::model::AssetId;

/// The app's hand on every request to its license servers, offline registrations too.
pub trait RequestAdapter: Send + Sync {
    /// Changes a request before it is sent: URL, headers, body.
    fn adapt(&self, request: LicenseRequest) -> Result<LicenseRequest>;
    /// Unpacks a successful answer that is not in the usual wire format. `None` leaves it to the wire format.
    fn parse(&self, response: LicenseResponse) -> Result<Option<ExchangeAnswer>>;
}

/// A request as an adapter sees it.
#[derive(Clone)]
pub struct LicenseRequest {
    /// The purpose of the exchange.
    pub kind: ExchangeKind,
    /// The asset it is for.
    pub asset_id: AssetId,
    /// Where it goes.
    pub url: String,
    /// Header names and values.
    pub headers: Vec<(String, String)>,
    /// The body, already in its wire format.
    pub body: Vec<u8>,
}

/// An answer as an adapter sees it.
#[derive(Clone)]
pub struct LicenseResponse {
    /// The purpose of the exchange.
    pub kind: ExchangeKind,
    /// The asset it is for.
    pub asset_id: AssetId,
    /// The HTTP status; always a success.
    pub status: u16,
    /// Header names (lower case) and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Gives the token for requests to license servers. Asked at the time of use; tokens are never stored.
pub trait TokenProvider: Send + Sync {
    /// The value of the `Authorization` header, `None` for none.
    ///
    /// `rejected` is true when the server has just refused the token given before: get a fresh one.
    fn authorization(&self, asset_id: &AssetId, rejected: bool) -> Result<Option<String>>;
}

/// Chooses what a player plays.
pub trait SourceUrlProvider: Send + Sync {
    /// The URL to play for an entry, `None` to keep `current_url`. Asked at every start of a playback, never cached.
    fn url(&self, entry_id: &str, current_url: Option<&str>) -> Result<Option<String>>;
}
