//! Servers on loopback and exchanges with them.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the lints know test functions, not what they call"
)]

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use larder_core::cancel::Cancellation;
use larder_core::license::certificates::Certificates;
use larder_core::license::exchange::{Exchange, ExchangeContext};
use larder_core::model::{AssetId, DrmParams, DrmScheme, KeyRequest, SecurityLevel};
use larder_core::net::{ClientSettings, Network, ReqwestClient, RetryPolicy, Trust};
use larder_core::ports::{ExchangeAnswer, ExchangeKind, ExchangeMessage, LicenseExchange as _};
use larder_core::{Error, Result};
use larder_testkit::{Options, Testkit};
use serde_json::{Value, json};
use tokio::runtime::{Handle, Runtime};

/// One runtime for all tests of a file, as an app has one.
pub(crate) fn runtime() -> Handle {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let build = || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    RUNTIME.get_or_init(build).handle().clone()
}

/// As the default, with pauses that tests can wait for.
pub(crate) fn policy() -> RetryPolicy {
    RetryPolicy { attempt_timeout_ms: 10_000, first_pause_ms: 20, longest_pause_ms: 2_000, ..RetryPolicy::default() }
}

/// For servers that never answer.
pub(crate) fn impatient() -> RetryPolicy {
    RetryPolicy { attempt_timeout_ms: 400, ..policy() }
}

pub(crate) fn client(settings: ClientSettings) -> ReqwestClient {
    ReqwestClient::new(&settings, runtime()).unwrap()
}

pub(crate) fn network(policy: RetryPolicy) -> Arc<Network> {
    let settings = ClientSettings { trust: Trust::ExtraRootsOnly, ..ClientSettings::default() };
    Arc::new(Network::new(Arc::new(client(settings)), policy))
}

/// A testkit and a network.
pub(crate) struct TestServers {
    pub(crate) kit: Testkit,
    pub(crate) context: ExchangeContext,
    pub(crate) cancellation: Cancellation,
}

impl TestServers {
    pub(crate) fn new() -> Self {
        Self::with(policy())
    }

    pub(crate) fn with(policy: RetryPolicy) -> Self {
        let context = ExchangeContext {
            network: network(policy),
            runtime: runtime(),
            adapter: None,
            tokens: None,
            delegate_timeout: Duration::from_secs(10),
            certificates: Certificates::default(),
        };
        Self { kit: Testkit::start(Options::default()).unwrap(), context, cancellation: Cancellation::new() }
    }

    pub(crate) fn exchange(&self, params: DrmParams) -> Arc<Exchange> {
        self.exchange_for(params, None)
    }

    pub(crate) fn exchange_for(&self, params: DrmParams, request: Option<&KeyRequest>) -> Arc<Exchange> {
        let asset_id = AssetId::new("film").unwrap();
        Exchange::new(self.context.clone(), asset_id, params, request, self.cancellation.clone())
    }

    pub(crate) fn widevine(&self) -> Arc<Exchange> {
        self.exchange(DrmParams::new(DrmScheme::Widevine, self.kit.url("/widevine/license")))
    }

    /// One widevine license, and the exchange that got it.
    pub(crate) fn ask(&self) -> (Result<ExchangeAnswer>, Arc<Exchange>) {
        let exchange = self.widevine();
        (exchange.send(license_message()), exchange)
    }

    pub(crate) fn requests(&self) -> u64 {
        self.kit.counts().requests
    }
}

pub(crate) fn message(kind: ExchangeKind, body: impl Into<Vec<u8>>) -> ExchangeMessage {
    ExchangeMessage { kind, url: None, body: body.into() }
}

/// Makes a message of the testkit's Widevine CDM.
pub(crate) fn challenge(op: &str, license_id: Option<&str>) -> Vec<u8> {
    let mut challenge = json!({ "op": op, "kids": ["0a".repeat(16)], "device": "device-1", "nonce": 7 });
    if let Some(id) = license_id {
        challenge["license_id"] = id.into();
    }
    [b"WVC\x01".as_slice(), challenge.to_string().as_bytes()].concat()
}

pub(crate) fn license_message() -> ExchangeMessage {
    message(ExchangeKind::License, challenge("license", None))
}

/// The JSON behind a testkit message's four magic bytes.
pub(crate) fn opened(answer: &ExchangeAnswer, magic: &str) -> Value {
    serde_json::from_slice(answer.body.strip_prefix(magic.as_bytes()).unwrap()).unwrap()
}

pub(crate) fn key_request(scheme: DrmScheme, init_data: impl Into<Vec<u8>>) -> KeyRequest {
    KeyRequest {
        scheme,
        init_data: init_data.into(),
        key_ids: Vec::new(),
        mime: "video/mp4".to_owned(),
        certificate: None,
        security_level: SecurityLevel::Default,
    }
}

/// An error and all its causes, as text: what must not tell a secret.
pub(crate) fn whole_text(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {}", error.message());
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(" {error} {error:?}"));
        cause = error.source();
    }
    text
}
