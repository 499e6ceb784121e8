//! A license exchange without the core: raw bytes to the servers of a testkit.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "the lint knows test functions, not what they call")]

use std::sync::{Arc, Mutex};

use larder_core::model::license::{Handle, StoredLicense};
use larder_core::model::{KeyRequest, LicenseId};
use larder_core::ports::{ExchangeAnswer, ExchangeKind, ExchangeMessage, LicenseExchange};
use larder_core::{Code, Error, Result};

use crate::client::Client;

pub(crate) struct RawExchange {
    client: Client,
    license_url: String,
    pub(crate) kinds: Mutex<Vec<ExchangeKind>>,
}

impl RawExchange {
    pub(crate) fn to(license_url: String) -> Arc<Self> {
        Arc::new(Self { client: Client::new(), license_url, kinds: Mutex::default() })
    }
}

impl LicenseExchange for RawExchange {
    fn send(&self, message: ExchangeMessage) -> Result<ExchangeAnswer> {
        self.kinds.lock().unwrap().push(message.kind);
        let answer = match (message.kind, message.url) {
            (ExchangeKind::Provisioning, Some(url)) => {
                let signed = String::from_utf8(message.body).unwrap();
                self.client.post(&format!("{url}?signedRequest={signed}"), "")
            }
            _ => self.client.post(&self.license_url, message.body),
        };
        match answer.status {
            200 => Ok(ExchangeAnswer { body: answer.body, persistence_duration_seconds: None }),
            status => Err(Error::new(Code::ServerRejected, "the server rejects").with_http_status(status)),
        }
    }
}

/// A license as the ledger would hand it over.
pub(crate) fn stored(request: &KeyRequest, handle: &Handle) -> StoredLicense {
    StoredLicense {
        license_id: LicenseId::random().unwrap(),
        scheme: request.scheme,
        handle: handle.clone(),
        request: request.clone(),
        acquired_level: None,
    }
}
