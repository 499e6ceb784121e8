//! The network, as seen by the rest of the core: one request to a server, with everything that a phone's network does.
//!
//! | file | what |
//! |---|---|
//! | [`network`] | [`Network`]: redirects, retries, offline mode, counts; what flows use |
//! | [`client`] | [`ReqwestClient`]: one request, the default [`HttpClient`](crate::ports::HttpClient) |
//! | `stream` | [`ReqwestClient`] as the default [`Transport`](crate::ports::Transport): one download, streamed |
//! | [`ranges`] | [`HttpClientTransport`]: an app's HTTP client as a transport, in bounded ranges |
//! | [`transfers`] | [`Transfers`]: redirects, offline mode and URL checks around a transport |
//! | [`tls`] | which root certificates are trusted |
//! | [`redirect`], [`retry`] | the two policies, pure |
//! | [`status`], `failure` | the error of an HTTP status, and of a request that got no response |
//! | `state` | the network state that every request obeys |
//! | [`time`] | HTTP dates: a server's clock, `Retry-After` |
//! | [`url`] | which URLs are fit to be asked |
//! | [`redact`] | what of a URL or a server's message may be shown |
//!
//! Nothing here logs or reports a path, a query, a header or a body.

pub mod client;
mod failure;
pub mod network;
pub mod ranges;
pub mod redact;
pub mod redirect;
pub mod retry;
mod state;
pub mod status;
mod stream;
pub mod time;
pub mod tls;
pub mod transfers;
pub mod url;

pub use client::{ClientSettings, ReqwestClient};
pub use network::{Network, Outbound, Outcome, Unwatched, Watch};
pub use ranges::HttpClientTransport;
pub use redact::shown;
pub use retry::RetryPolicy;
pub use time::ServerTime;
pub use tls::Trust;
pub use transfers::Transfers;
pub use url::check_url;
