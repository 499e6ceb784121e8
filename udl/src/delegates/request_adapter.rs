//! The app's hand on requests to license servers.

use std::sync::Arc;

use larder_core::ports::{self, RequestAdapter};
use larder_core::{Code, Error, Result};

use crate::error::FfiError;
use crate::records::{ExchangeAnswer, LicenseRequest, LicenseResponse};

/// The app's hand on requests. See `larder.udl`.
#[uniffi::trait_interface]
pub trait FfiRequestAdapter: Send + Sync {
    /// Changes a request before it is sent.
    fn adapt(&self, request: LicenseRequest) -> Result<LicenseRequest, FfiError>;
    /// Unpacks an answer that is not in the usual wire format, `None` to leave that to Larder.
    fn parse(&self, response: LicenseResponse) -> Result<Option<ExchangeAnswer>, FfiError>;
}

pub(crate) struct Adapter(pub(crate) Arc<dyn FfiRequestAdapter>);

impl RequestAdapter for Adapter {
    fn adapt(&self, request: ports::LicenseRequest) -> Result<ports::LicenseRequest> {
        // What it is about and for whom is ours to say: an adapter changes URL, headers and body.
        let (kind, asset_id) = (request.kind, request.asset_id.clone());
        let LicenseRequest { url, headers, body, .. } = self.0.adapt(request.into()).map_err(thrown)?;
        let headers = headers.into_iter().map(|header| (header.name, header.value)).collect();
        Ok(ports::LicenseRequest { kind, asset_id, url, headers, body })
    }

    fn parse(&self, response: ports::LicenseResponse) -> Result<Option<ports::ExchangeAnswer>> {
        let answer = self.0.parse(response.into()).map_err(thrown)?;
        Ok(answer.map(ports::ExchangeAnswer::from))
    }
}

fn thrown(error: FfiError) -> Error {
    error.into_core(Code::DelegateFailed, |_| true)
}
