//! The core's side of a license exchange, lent to a foreign engine for one call.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use larder_core::ports::LicenseExchange;

use crate::error::FfiError;
use crate::records::{ExchangeAnswer, ExchangeMessage};

/// One conversation between a CDM and its servers. See `larder.udl`.
pub struct FfiExchange {
    exchange: Arc<dyn LicenseExchange>,
}

impl FfiExchange {
    pub(crate) fn new(exchange: Arc<dyn LicenseExchange>) -> Self {
        Self { exchange }
    }

    /// Sends the CDM's message and returns the server's answer. The core refuses it once the call it was lent to is over.
    pub fn send(&self, message: ExchangeMessage) -> Result<ExchangeAnswer, FfiError> {
        let sent = catch_unwind(AssertUnwindSafe(|| self.exchange.send(message.into())));
        Ok(sent.map_err(|_| FfiError::panicked())??.into())
    }
}
