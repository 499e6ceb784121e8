//! License requests for media that is not registered yet: for a platform that gets licenses while it downloads.

use super::validate;
use crate::error::{Code, Error, Result};
use crate::model::{AssetId, DrmScheme, MediaSource};
use crate::ports::{ExchangeAnswer, ExchangeKind, ExchangeMessage, LicenseExchange as _};
use crate::registry::Registry;

/// Sends one message to the servers of a source, as an engine's exchange would.
pub(super) fn exchange(
    registry: &Registry,
    asset_id: &AssetId,
    source: &MediaSource,
    scheme: DrmScheme,
    message: ExchangeMessage,
) -> Result<ExchangeAnswer> {
    validate::check_source(source)?;
    let params = source.drm.iter().find(|params| params.scheme == scheme).cloned();
    let params = params
        .ok_or_else(|| Error::new(Code::DrmParamsMissing, format!("the source has no DRM parameters for {scheme}")))?;
    registry.check_reachable(&params)?;
    let exchange = registry.licensing.exchange_for(asset_id, params);
    match message.kind {
        // The source may carry the certificate; it is fetched only if it does not.
        ExchangeKind::Certificate => {
            let body = exchange.certificate()?;
            Ok(ExchangeAnswer { body, persistence_duration_seconds: None })
        }
        _ => exchange.send(message),
    }
}
