//! The app's code in an exchange: token providers and request adapters, good, failing, hanging.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the lints know test functions, not what they call"
)]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use crate::servers::{TestServers, challenge, license_message, message, opened, whole_text};
use larder_core::model::{AssetId, DrmParams, DrmScheme};
use larder_core::ports::{
    ExchangeAnswer, ExchangeKind, ExchangeMessage, LicenseExchange as _, LicenseRequest, LicenseResponse,
    RequestAdapter, TokenProvider,
};
use larder_core::{Code, Error, Result};
use larder_testkit::{Action, Policy, Rule};

// --- tokens --------------------------------------------------------------------------------------------------------

/// Gives `first`, and `fresh` once the first was rejected; remembers how it was asked.
struct Tokens {
    first: Option<&'static str>,
    fresh: Option<&'static str>,
    asked: Mutex<Vec<bool>>,
}

impl Tokens {
    fn new(first: Option<&'static str>, fresh: Option<&'static str>) -> Arc<Self> {
        Arc::new(Self { first, fresh, asked: Mutex::default() })
    }
}

impl TokenProvider for Tokens {
    fn authorization(&self, _asset_id: &AssetId, rejected: bool) -> Result<Option<String>> {
        self.asked.lock().unwrap().push(rejected);
        Ok(if rejected { self.fresh } else { self.first }.map(str::to_owned))
    }
}

fn guarded(tokens: Option<Arc<Tokens>>) -> TestServers {
    let mut servers = TestServers::new();
    servers.kit.set_policy(Policy { require_token: Some("good-token-1".to_owned()), ..Policy::default() });
    servers.context.tokens = tokens.map(|tokens| tokens as Arc<dyn TokenProvider>);
    servers
}

#[test]
fn a_good_token_is_sent_at_once() {
    let tokens = Tokens::new(Some("Bearer good-token-1"), None);
    let servers = guarded(Some(tokens.clone()));
    servers.ask().0.unwrap();
    assert_eq!((servers.requests(), tokens.asked.lock().unwrap().as_slice()), (1, &[false][..]));
}

#[test]
fn a_rejected_token_is_replaced_once() {
    // Without one the server says 401, with a wrong one 403.
    for first in [None, Some("Bearer stale-token-1")] {
        let tokens = Tokens::new(first, Some("Bearer good-token-1"));
        let servers = guarded(Some(tokens.clone()));
        let (answer, exchange) = servers.ask();
        answer.unwrap();
        assert_eq!((exchange.requests_made(), tokens.asked.lock().unwrap().as_slice()), (2, &[false, true][..]));
        assert!(!exchange.is_outcome_unknown());
    }
}

#[test]
fn a_token_that_stays_rejected_asks_the_user_to_sign_in() {
    let stale = Some("Bearer stale-token-1");
    for (tokens, requests) in [(None, 1), (Some(Tokens::new(stale, stale)), 2), (Some(Tokens::new(None, None)), 2)] {
        let servers = guarded(tokens);
        let (answer, exchange) = servers.ask();
        let error = answer.unwrap_err();
        assert_eq!(error.code(), Code::Unauthorized);
        assert_eq!((servers.requests(), exchange.is_outcome_unknown()), (requests, false));
        assert!(!whole_text(&error).contains("stale-token"), "{}", whole_text(&error));
    }
}

#[test]
fn a_token_goes_to_the_sources_own_server_only() {
    let tokens = Tokens::new(Some("Bearer good-token-1"), None);
    let servers = guarded(Some(tokens));
    let elsewhere = TestServers::new();
    let exchange = servers.widevine();
    let url = Some(elsewhere.kit.url("/widevine/license"));
    exchange.send(ExchangeMessage { url, ..license_message() }).unwrap();
    assert_eq!(elsewhere.kit.requests()[0].header("authorization"), None);
    let url = Some(elsewhere.kit.url("/widevine/provision"));
    exchange.send(ExchangeMessage { kind: ExchangeKind::Provisioning, url, body: b"x".to_vec() }).unwrap();
    assert_eq!(elsewhere.kit.requests()[1].header("authorization"), None);
}

struct FailingTokens(Code);

impl TokenProvider for FailingTokens {
    fn authorization(&self, _: &AssetId, _: bool) -> Result<Option<String>> {
        Err(Error::new(self.0, "the refresh token marker-123 is not valid"))
    }
}

#[test]
fn a_token_provider_that_fails_says_what_the_user_can_do() {
    for (code, expected) in [
        (Code::Unauthorized, Code::Unauthorized),
        (Code::Offline, Code::Offline),
        (Code::Internal, Code::DelegateFailed),
        (Code::DelegateFailed, Code::DelegateFailed),
    ] {
        let mut servers = TestServers::new();
        servers.context.tokens = Some(Arc::new(FailingTokens(code)));
        let error = servers.ask().0.unwrap_err();
        assert_eq!(error.code(), expected);
        assert!(!error.message().contains("marker"), "the app's own words may quote a token: {error}");
        assert_eq!(servers.requests(), 0);
    }
}

// --- adapters ------------------------------------------------------------------------------------------------------

type Adapt = dyn Fn(LicenseRequest) -> Result<LicenseRequest> + Send + Sync;
type Parse = dyn Fn(LicenseResponse) -> Result<Option<ExchangeAnswer>> + Send + Sync;

struct Adapter {
    adapt: Box<Adapt>,
    parse: Box<Parse>,
}

impl RequestAdapter for Adapter {
    fn adapt(&self, request: LicenseRequest) -> Result<LicenseRequest> {
        (self.adapt)(request)
    }
    fn parse(&self, response: LicenseResponse) -> Result<Option<ExchangeAnswer>> {
        (self.parse)(response)
    }
}

fn adapted_by(
    adapt: impl Fn(LicenseRequest) -> Result<LicenseRequest> + Send + Sync + 'static,
    parse: impl Fn(LicenseResponse) -> Result<Option<ExchangeAnswer>> + Send + Sync + 'static,
) -> TestServers {
    let mut servers = TestServers::new();
    servers.context.adapter = Some(Arc::new(Adapter { adapt: Box::new(adapt), parse: Box::new(parse) }));
    servers.context.delegate_timeout = Duration::from_secs(2);
    servers
}

#[test]
fn an_adapter_changes_url_headers_and_body_and_unpacks_the_answer() {
    // A service that wants the challenge in hexadecimal JSON, and wraps its license.
    let servers = adapted_by(
        |mut request| {
            assert_eq!((request.kind, request.asset_id.as_str()), (ExchangeKind::License, "film"));
            request.url = format!("{}?asset=film", request.url.replace("/wrong", "/widevine/license"));
            request.headers.retain(|(name, _)| name != "Content-Type");
            request.headers.push(("customData".to_owned(), "custom-value".to_owned()));
            request.headers.push(("Content-Length".to_owned(), "1".to_owned()));
            request.body = request.body.strip_prefix(b"wrapped:").unwrap().to_vec();
            Ok(request)
        },
        |response| {
            assert_eq!(response.status, 200);
            let body = [b"unwrapped:".to_vec(), response.body].concat();
            Ok(Some(ExchangeAnswer { body, persistence_duration_seconds: Some(77) }))
        },
    );
    let exchange = servers.exchange(DrmParams::new(DrmScheme::Widevine, servers.kit.url("/wrong")));
    let body = [b"wrapped:".to_vec(), challenge("license", None)].concat();
    let answer = exchange.send(message(ExchangeKind::License, body)).unwrap();
    assert!(answer.body.starts_with(b"unwrapped:WVL\x01"));
    assert_eq!(exchange.facts().persistence_duration_seconds, Some(77));
    let seen = &servers.kit.requests()[0];
    assert_eq!((seen.query.as_deref(), seen.header("customdata")), (Some("asset=film"), Some("custom-value")));
    assert_eq!(seen.header("content-type"), None);
    assert_eq!(servers.kit.book().licenses[0].asset.as_deref(), Some("film"));
}

#[test]
fn an_adapter_sees_every_kind_of_request() {
    let kinds = Arc::new(Mutex::new(Vec::new()));
    let theirs = Arc::clone(&kinds);
    let servers = adapted_by(
        move |request| {
            theirs.lock().unwrap().push(request.kind);
            Ok(request)
        },
        |_| Ok(None),
    );
    let (answer, exchange) = servers.ask();
    let id = opened(&answer.unwrap(), "WVL\x01")["license_id"].as_str().unwrap().to_owned();
    exchange.send(message(ExchangeKind::Renewal, challenge("renewal", Some(&id)))).unwrap();
    exchange.send(message(ExchangeKind::Release, challenge("release", Some(&id)))).unwrap();
    let url = Some(servers.kit.url("/widevine/provision"));
    exchange.send(ExchangeMessage { kind: ExchangeKind::Provisioning, url, body: b"x".to_vec() }).unwrap();
    let url = Some(servers.kit.url("/fairplay/certificate"));
    exchange.send(ExchangeMessage { kind: ExchangeKind::Certificate, url, body: Vec::new() }).unwrap();
    use ExchangeKind::{Certificate, License, Provisioning, Release, Renewal};
    assert_eq!(*kinds.lock().unwrap(), [License, Renewal, Release, Provisioning, Certificate]);
}

#[test]
fn what_an_adapter_makes_is_checked_again() {
    let header = |name: &'static str, value: &'static str| {
        move |mut request: LicenseRequest| {
            request.headers.push((name.to_owned(), value.to_owned()));
            Ok(request)
        }
    };
    let to = |url: &'static str| move |request| Ok(LicenseRequest { url: url.to_owned(), ..request });
    let table: Vec<(Box<Adapt>, Code)> = vec![
        (Box::new(to("file:///marker")), Code::UrlInvalid),
        (Box::new(to("https://marker@host/")), Code::UrlInvalid),
        (Box::new(to("")), Code::UrlInvalid),
        (Box::new(header("X-Ok", "marker\r\nInjected: yes")), Code::DelegateFailed),
        (Box::new(header("X Bad", "marker")), Code::DelegateFailed),
        (Box::new(header("", "marker")), Code::DelegateFailed),
        (Box::new(|_| Err(Error::new(Code::Internal, "marker"))), Code::DelegateFailed),
        (Box::new(|_| panic!("marker")), Code::DelegateFailed),
    ];
    for (adapt, code) in table {
        let servers = adapted_by(adapt, |_| Ok(None));
        let error = servers.ask().0.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(!format!("{error:?}").contains("marker"), "{error:?}");
        assert_eq!(servers.requests(), 0);
    }
}

#[test]
fn an_adapter_that_cannot_read_the_answer_fails_typed() {
    let empty = ExchangeAnswer { body: Vec::new(), persistence_duration_seconds: None };
    let table: Vec<(Box<Parse>, Code)> = vec![
        (Box::new(|_| Err(Error::new(Code::Internal, "marker"))), Code::DelegateFailed),
        (Box::new(|_| panic!("marker")), Code::DelegateFailed),
        (Box::new(move |_| Ok(Some(empty.clone()))), Code::LicenseEmpty),
    ];
    for (parse, code) in table {
        let servers = adapted_by(Ok, parse);
        let (answer, exchange) = servers.ask();
        assert_eq!(answer.unwrap_err().code(), code);
        assert!(exchange.is_outcome_unknown(), "the server has granted something that nobody got");
    }
}

#[test]
fn an_adapter_that_hangs_is_given_up() {
    let (go, may_go) = mpsc::channel::<()>();
    let may_go = Mutex::new(may_go);
    let servers = adapted_by(
        move |request| {
            let _ = may_go.lock().unwrap().recv_timeout(Duration::from_secs(60));
            Ok(request)
        },
        |_| Ok(None),
    );
    let started = Instant::now();
    let error = servers.ask().0.unwrap_err();
    assert_eq!(error.code(), Code::DelegateFailed);
    assert!(started.elapsed() < Duration::from_secs(20));
    assert_eq!(servers.requests(), 0);
    drop(go);
}

#[test]
fn an_adapter_hears_of_no_failed_status() {
    let calls = Arc::new(AtomicU32::new(0));
    let theirs = Arc::clone(&calls);
    let servers = adapted_by(Ok, move |_| {
        theirs.fetch_add(1, Ordering::SeqCst);
        Ok(None)
    });
    servers.kit.add_fault(Rule::on("/", Action::Status { status: 404, retry_after_seconds: None })).unwrap();
    assert_eq!(servers.ask().0.unwrap_err().code(), Code::ServerRejected);
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}
