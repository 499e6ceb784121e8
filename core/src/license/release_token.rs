//! FairPlay's secure token, which confirms to the server that a key was invalidated.
//!
//! The CDM makes it once, in the same call that invalidates the key. It is stored before it is sent, and a retry sends
//! the stored token.

use std::sync::Arc;

use super::exchange::Exchange;
use super::licensing::Licensing;
use crate::cancel::Cancellation;
use crate::error::Result;
use crate::model::DrmScheme;
use crate::model::license::ReleaseOutcome;
use crate::ports::{ExchangeAnswer, ExchangeKind, ExchangeMessage, LicenseExchange};
use crate::store::LicenseRow;

/// True for a license whose CDM makes its release message once.
pub(super) fn has_release_token(row: &LicenseRow) -> bool {
    row.request.scheme == DrmScheme::FairPlay
}

impl Licensing {
    /// Sends a stored secure token: the CDM has invalidated the key, and the server has not confirmed it yet.
    pub(super) fn send_release_token(&self, row: &LicenseRow, token: Vec<u8>) -> Result<ReleaseOutcome> {
        let message = ExchangeMessage { kind: ExchangeKind::Release, url: None, body: token };
        match self.exchange(row, &Cancellation::new()).send(message) {
            Ok(_) => Ok(ReleaseOutcome::Released),
            // The server does not support releases.
            Err(error) if matches!(error.http_status(), Some(404 | 405)) => Ok(ReleaseOutcome::NotSupported),
            Err(error) => Err(error),
        }
    }

    /// Returns the network for an engine's release call. For FairPlay it stores the secure token before it sends it.
    pub(super) fn release_exchange(
        self: &Arc<Self>,
        row: &LicenseRow,
        exchange: &Arc<Exchange>,
    ) -> Arc<dyn LicenseExchange> {
        let exchange = Arc::clone(exchange);
        if has_release_token(row) {
            Arc::new(TokenStoringExchange { licensing: Arc::clone(self), row: row.clone(), exchange })
        } else {
            exchange
        }
    }
}

/// Stores the secure token of a release before it is sent.
struct TokenStoringExchange {
    licensing: Arc<Licensing>,
    row: LicenseRow,
    exchange: Arc<Exchange>,
}

impl LicenseExchange for TokenStoringExchange {
    fn send(&self, message: ExchangeMessage) -> Result<ExchangeAnswer> {
        if message.kind == ExchangeKind::Release {
            let (licensing, license_id) = (&self.licensing, &self.row.license_id);
            // The token is removed with the license's row. Without a row (the release was given up, or was never
            // queued) it would stay in the storage, so it is not stored.
            let is_queued = licensing.store.read(|tx| tx.license(license_id))?.is_some();
            // A storage that fails now does not stop the release: the key is void already.
            if is_queued && let Err(error) = licensing.secret_store.store_release_token(license_id, &message.body) {
                tracing::warn!(%license_id, code = %error.code(), "secure token of a license release not stored");
            }
        }
        self.exchange.send(message)
    }
}
