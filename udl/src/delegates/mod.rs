//! The app's and the platform's implementations, as the core's ports.
//!
//! Each file holds one foreign trait and its adapter. The core calls an adapter on a thread of its own pool, bounded in
//! time and never under a lock; the adapter converts, calls, converts back and decides what a thrown error may mean.

mod engine;
mod http_client;
mod request_adapter;
mod server_trust;
mod source_url;
mod storage;
mod token;

use std::sync::Arc;

pub use engine::FfiDrmEngine;
pub use http_client::FfiHttpClient;
pub use request_adapter::FfiRequestAdapter;
pub use server_trust::FfiServerTrust;
pub use source_url::FfiSourceUrlProvider;
pub use storage::FfiDrmStorage;
pub use token::FfiTokenProvider;

pub(crate) use engine::Engine;
pub(crate) use http_client::Http;
pub(crate) use request_adapter::Adapter;
pub(crate) use server_trust::Platform;
pub(crate) use source_url::SourceUrls;
pub(crate) use storage::Storage;
pub(crate) use token::Tokens;

/// Everything a platform gives to a manager. See `larder.udl`.
pub struct FfiDelegates {
    /// The secret storage.
    pub storage: Arc<dyn FfiDrmStorage>,
    /// One engine per scheme.
    pub engines: Vec<Arc<dyn FfiDrmEngine>>,
    /// The app's hand on requests.
    pub request_adapter: Option<Arc<dyn FfiRequestAdapter>>,
    /// The app's tokens.
    pub token_provider: Option<Arc<dyn FfiTokenProvider>>,
    /// The app's own source URL provider.
    pub source_url_provider: Option<Arc<dyn FfiSourceUrlProvider>>,
    /// The app's HTTP client, in place of the built-in one.
    pub http_client: Option<Arc<dyn FfiHttpClient>>,
    /// The platform's judgement of servers, where only the app's process can ask.
    pub server_trust: Option<Arc<dyn FfiServerTrust>>,
}
