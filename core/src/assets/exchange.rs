//! The network for a platform that gets licenses before anything is registered: while it downloads.

use super::register::check_source;
use crate::cancel::Cancellation;
use crate::error::{Code, Error, Result};
use crate::license::exchange::Exchange;
use crate::model::{AssetId, DrmScheme, MediaSource};
use crate::ports::{ExchangeAnswer, ExchangeKind, ExchangeMessage, LicenseExchange as _};
use crate::registry::Registry;

impl Registry {
    /// Sends one message, as an engine's exchange would.
    pub(crate) fn exchange_unregistered(
        &self,
        asset_id: &AssetId,
        source: &MediaSource,
        scheme: DrmScheme,
        message: ExchangeMessage,
    ) -> Result<ExchangeAnswer> {
        check_source(source)?;
        let params = source.drm.iter().find(|params| params.scheme == scheme).cloned();
        let params = params.ok_or_else(|| {
            Error::new(Code::DrmParamsMissing, format!("the source has no DRM parameters for {scheme}"))
        })?;
        self.check_reachable(&params)?;
        let context = self.licensing.exchanges.clone();
        let exchange = Exchange::new(context, asset_id.clone(), params, None, Cancellation::new());
        match message.kind {
            // The source may have it; only what is not there is fetched.
            ExchangeKind::Certificate => {
                let body = exchange.certificate()?;
                Ok(ExchangeAnswer { body, persistence_duration_seconds: None })
            }
            _ => exchange.send(message),
        }
    }
}
