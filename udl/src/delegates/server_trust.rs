//! Whether a server may be trusted, asked of the platform.

use std::sync::Arc;

use larder_core::ports::ServerTrust;
use larder_core::{Code, Result};

use crate::error::FfiError;

/// The platform's judgement of a server's certificates. See `larder.udl`.
#[uniffi::trait_interface]
pub trait FfiServerTrust: Send + Sync {
    /// Throws to refuse.
    fn verify(&self, chain: Vec<Vec<u8>>, host: String) -> Result<(), FfiError>;
    /// Throws to refuse plain http.
    fn check_cleartext(&self, host: String) -> Result<(), FfiError>;
}

pub(crate) struct Platform(pub(crate) Arc<dyn FfiServerTrust>);

impl ServerTrust for Platform {
    fn verify(&self, chain: Vec<Vec<u8>>, host: &str) -> Result<()> {
        self.0.verify(chain, host.to_owned()).map_err(|error| error.into_core(Code::Tls, |code| code == Code::Tls))
    }

    fn check_cleartext(&self, host: &str) -> Result<()> {
        let refused = self.0.check_cleartext(host.to_owned());
        refused.map_err(|error| error.into_core(Code::UrlInvalid, |code| code == Code::UrlInvalid))
    }
}
