//! The app's own source URL provider.

use std::sync::Arc;

use larder_core::ports::SourceUrlProvider;
use larder_core::{Code, Result};

use crate::error::FfiError;

/// Chooses what a player plays. See `larder.udl`.
#[uniffi::trait_interface]
pub trait FfiSourceUrlProvider: Send + Sync {
    /// The URL to play, `None` to keep `current_url`.
    fn url(&self, entry_id: String, current_url: Option<String>) -> Result<Option<String>, FfiError>;
}

pub(crate) struct SourceUrls(pub(crate) Arc<dyn FfiSourceUrlProvider>);

impl SourceUrlProvider for SourceUrls {
    fn url(&self, entry_id: &str, current_url: Option<&str>) -> Result<Option<String>> {
        let answer = self.0.url(entry_id.to_owned(), current_url.map(str::to_owned));
        answer.map_err(|error| error.into_core(Code::DelegateFailed, |_| true))
    }
}
