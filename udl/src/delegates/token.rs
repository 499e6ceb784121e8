//! The app's tokens for license servers.

use std::sync::Arc;

use larder_core::model::AssetId;
use larder_core::ports::TokenProvider;
use larder_core::{Code, Result};

use crate::error::FfiError;

/// Gives tokens at the time of use. See `larder.udl`.
#[uniffi::trait_interface]
pub trait FfiTokenProvider: Send + Sync {
    /// The value of the `Authorization` header, `None` for none.
    fn authorization(&self, asset_id: String, rejected: bool) -> Result<Option<String>, FfiError>;
}

pub(crate) struct Tokens(pub(crate) Arc<dyn FfiTokenProvider>);

impl TokenProvider for Tokens {
    fn authorization(&self, asset_id: &AssetId, rejected: bool) -> Result<Option<String>> {
        let answer = self.0.authorization(asset_id.as_str().to_owned(), rejected);
        answer.map_err(|error| error.into_core(Code::DelegateFailed, |_| true))
    }
}
