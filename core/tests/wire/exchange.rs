//! An exchange against license servers: formats, offline mode, cancellation.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the lints know test functions, not what they call"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::servers;
use crate::servers::{TestServers, challenge, impatient, key_request, license_message, message, opened, whole_text};
use larder_core::license::exchange::{Exchange, check_params};
use larder_core::model::{DrmParams, DrmScheme, LicenseWire};
use larder_core::ports::{ExchangeKind, ExchangeMessage, LicenseExchange as _, NetworkState};
use larder_core::{Code, Error};
use larder_testkit::{Action, Policy, RequestKind, Rule, eventually};
use serde_json::json;
use sha2::{Digest as _, Sha256};

// --- formats -------------------------------------------------------------------------------------------------------

#[test]
fn a_license_is_one_round_trip() {
    let servers = TestServers::new();
    let (answer, exchange) = servers.ask();
    assert_eq!(opened(&answer.unwrap(), "WVL\x01")["persist"], true);
    assert_eq!((exchange.requests_made(), servers.requests()), (1, 1));
    assert!(!exchange.is_outcome_unknown());
    let seen = &servers.kit.requests()[0];
    assert_eq!((seen.method.as_str(), seen.body.as_slice()), ("POST", challenge("license", None).as_slice()));
    assert_eq!(seen.header("content-type"), Some("application/octet-stream"));
    assert!(seen.header("user-agent").unwrap().starts_with("Larder/"));
}

#[test]
fn a_license_is_renewed_and_released() {
    let servers = TestServers::new();
    let (answer, exchange) = servers.ask();
    let id = opened(&answer.unwrap(), "WVL\x01")["license_id"].as_str().unwrap().to_owned();
    exchange.send(message(ExchangeKind::Renewal, challenge("renewal", Some(&id)))).unwrap();
    exchange.send(message(ExchangeKind::Release, challenge("release", Some(&id)))).unwrap();
    let book = servers.kit.book();
    assert_eq!((book.licenses[0].renewals, book.live), (1, 0));
    assert_eq!(exchange.requests_made(), 3);
}

#[test]
fn a_renewal_that_the_server_refuses_is_not_the_users_fault() {
    let servers = TestServers::new();
    let (answer, exchange) = servers.ask();
    let id = opened(&answer.unwrap(), "WVL\x01")["license_id"].as_str().unwrap().to_owned();
    servers.kit.set_policy(Policy { renewable: false, ..Policy::default() });
    let refused = exchange.send(message(ExchangeKind::Renewal, challenge("renewal", Some(&id))));
    assert_eq!(refused.unwrap_err().code(), Code::RenewalNotPermitted);
}

#[test]
fn a_device_is_provisioned_where_the_cdm_says() {
    let servers = TestServers::new();
    let provision = |url: Option<String>| {
        let exchange = servers.widevine();
        exchange.send(ExchangeMessage { kind: ExchangeKind::Provisioning, url, body: b"signed-_request".to_vec() })
    };
    let answer = provision(Some(servers.kit.url("/widevine/provision?key=k"))).unwrap();
    assert!(opened(&answer, "WVP\x01")["device"].is_string());
    let seen = &servers.kit.requests()[0];
    assert_eq!((seen.method.as_str(), seen.body.len()), ("POST", 0));
    assert_eq!(seen.query.as_deref(), Some("key=k&signedRequest=signed-_request"));
    assert_eq!(seen.header("content-length"), Some("0"));

    assert_eq!(provision(None).unwrap_err().code(), Code::ProvisioningFailed);
    assert_eq!(provision(Some("file:///x".to_owned())).unwrap_err().code(), Code::UrlInvalid);
    let gone = provision(Some(servers.kit.url("/nowhere"))).unwrap_err();
    assert_eq!((gone.code(), gone.http_status()), (Code::ProvisioningFailed, Some(405)));
}

fn spc(certificate: &[u8]) -> Vec<u8> {
    let digest: String = Sha256::digest(certificate).iter().map(|byte| format!("{byte:02x}")).collect();
    let spc = json!({ "op": "license", "content_id": "film-1", "certificate_sha256": digest, "persist": true });
    [b"SPC\x01".as_slice(), spc.to_string().as_bytes()].concat()
}

#[test]
fn fairplay_gets_its_certificate_and_its_ckc_in_every_envelope() {
    let servers = TestServers::new();
    for (path, wire) in [
        ("/fairplay/udrm", LicenseWire::Standard),
        ("/fairplay/udrm", LicenseWire::Udrm),
        ("/fairplay/plain", LicenseWire::Raw),
        ("/fairplay/base64", LicenseWire::Base64),
        ("/fairplay/form", LicenseWire::Form),
    ] {
        let params = DrmParams {
            wire,
            certificate_url: Some(servers.kit.url("/fairplay/certificate")),
            ..DrmParams::new(DrmScheme::FairPlay, servers.kit.url(path))
        };
        let request = key_request(DrmScheme::FairPlay, "skd://film-1");
        let exchange = servers.exchange_for(params, Some(&request));
        let certificate = exchange.certificate().unwrap();
        assert_eq!(certificate, servers.kit.certificate());
        let answer = exchange.send(message(ExchangeKind::License, spc(&certificate))).unwrap();
        assert_eq!(opened(&answer, "CKC\x01")["content_id"], "film-1", "{path}");
        let is_udrm = path.ends_with("udrm");
        assert_eq!(answer.persistence_duration_seconds, is_udrm.then_some(30 * 24 * 3600), "{path}");
        assert_eq!(exchange.facts().persistence_duration_seconds, answer.persistence_duration_seconds);
    }
    let form = servers.kit.requests().into_iter().find(|seen| seen.path == "/fairplay/form").unwrap();
    assert!(String::from_utf8(form.body).unwrap().ends_with("&assetId=film-1"));
    let certificate = servers.kit.requests().into_iter().find(|seen| seen.path == "/fairplay/certificate").unwrap();
    assert_eq!(certificate.method, "GET");
}

#[test]
fn udrm_says_no_with_success() {
    let servers = TestServers::new();
    let params = DrmParams::new(DrmScheme::FairPlay, servers.kit.url("/fairplay/udrm"));
    let error = servers.exchange(params).send(message(ExchangeKind::License, spc(b"another"))).unwrap_err();
    assert_eq!(error.code(), Code::LicenseDenied);
    assert!(error.message().contains("made for another certificate"), "{error}");
}

#[test]
fn a_certificate_that_cannot_be_had_is_missing() {
    let servers = TestServers::new();
    let fairplay = |certificate: Option<Vec<u8>>, certificate_url: Option<String>| {
        let license = DrmParams::new(DrmScheme::FairPlay, servers.kit.url("/fairplay/udrm"));
        servers.exchange(DrmParams { certificate, certificate_url, ..license }).certificate()
    };
    assert_eq!(fairplay(Some(servers.kit.certificate()), None).unwrap(), servers.kit.certificate());
    assert_eq!(servers.requests(), 0, "a given certificate needs no network");
    for (certificate, path, code) in [
        (None, None, Code::CertificateMissing),
        (Some(b"text".to_vec()), None, Code::CertificateMissing),
        (None, Some("/nowhere"), Code::CertificateMissing),
    ] {
        let error = fairplay(certificate, path.map(|path| servers.kit.url(path))).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    }
    servers.kit.add_fault(Rule::on("/fairplay/certificate", Action::Html)).unwrap();
    let portal = fairplay(None, Some(servers.kit.url("/fairplay/certificate")));
    assert_eq!(portal.unwrap_err().code(), Code::LicenseNotALicense);
}

#[test]
fn a_certificate_is_fetched_once_and_again_after_a_server_has_refused_it() {
    let servers = TestServers::new();
    let params = fairplay(&servers);
    let certificate = || servers.exchange(params.clone()).certificate().unwrap();
    let old = certificate();
    assert_eq!(certificate(), old);
    assert_eq!(servers.requests(), 1, "the second time it is known");

    servers.kit.set_policy(larder_testkit::Policy { certificate: 2, ..larder_testkit::Policy::default() });
    let refused = servers.exchange(params.clone()).send(message(ExchangeKind::License, spc(&old)));
    assert_eq!(refused.unwrap_err().code(), Code::LicenseDenied);
    let new = certificate();
    assert_ne!(new, old);
    assert!(servers.exchange(params.clone()).send(message(ExchangeKind::License, spc(&new))).is_ok());
    assert_eq!(certificate(), new);
    assert_eq!(servers.requests(), 4);
}

#[test]
fn a_certificate_that_many_want_at_once_is_fetched_once() {
    let servers = TestServers::new();
    servers.kit.add_fault(Rule::on("/fairplay/certificate", Action::Delay { delay_ms: 300 })).unwrap();
    let got = certificates_at_once(&servers, 8);
    assert!(got.iter().all(|got| *got.as_ref().unwrap() == servers.kit.certificate()));
    assert_eq!(servers.requests(), 1);
}

#[test]
fn a_certificate_that_one_could_not_fetch_the_others_fetch_for_themselves() {
    let servers = TestServers::new();
    let rule = Rule::on("/fairplay/certificate", Action::Status { status: 404, retry_after_seconds: None });
    servers.kit.add_fault(rule.times(1)).unwrap();
    servers.kit.add_fault(Rule::on("/fairplay/certificate", Action::Delay { delay_ms: 300 })).unwrap();
    let got = certificates_at_once(&servers, 8);
    let failures: Vec<Code> = got.iter().filter_map(|got| got.as_ref().err().map(Error::code)).collect();
    assert_eq!(failures, [Code::CertificateMissing]);
}

/// Runs many exchanges for the same service at the same time, and returns their results.
fn certificates_at_once(servers: &TestServers, count: usize) -> Vec<Result<Vec<u8>, Error>> {
    let exchanges: Vec<_> = (0..count).map(|_| servers.exchange(fairplay(servers))).collect();
    std::thread::scope(|scope| {
        let asking: Vec<_> = exchanges.iter().map(|exchange| scope.spawn(|| exchange.certificate())).collect();
        asking.into_iter().map(|asking| asking.join().unwrap()).collect()
    })
}

fn fairplay(servers: &TestServers) -> DrmParams {
    DrmParams {
        certificate_url: Some(servers.kit.url("/fairplay/certificate")),
        ..DrmParams::new(DrmScheme::FairPlay, servers.kit.url("/fairplay/udrm"))
    }
}

#[test]
fn a_certificate_is_asked_for_again_after_a_timeout() {
    let servers = TestServers::with(impatient());
    servers.kit.add_fault(Rule::on("/fairplay/certificate", Action::Hang).times(1)).unwrap();
    let exchange = servers.exchange(fairplay(&servers));
    assert_eq!(exchange.certificate().unwrap(), servers.kit.certificate());
    assert!(!exchange.is_outcome_unknown(), "a certificate is no license");
}

// --- parameters ----------------------------------------------------------------------------------------------------

#[test]
fn parameters_are_checked_before_anything_is_sent() {
    let widevine = |url: &str| DrmParams::new(DrmScheme::Widevine, url);
    let fairplay = DrmParams::new(DrmScheme::FairPlay, "https://host/");
    let table = [
        (widevine("https://host/license?a=b"), None),
        (widevine(""), Some(Code::DrmParamsMissing)),
        (widevine("https://user:marker@host/"), Some(Code::UrlInvalid)),
        (widevine("file:///marker"), Some(Code::UrlInvalid)),
        (widevine("marker://host"), Some(Code::UrlInvalid)),
        (widevine("https://"), Some(Code::UrlInvalid)),
        (widevine("/marker"), Some(Code::UrlInvalid)),
        (widevine("https://host/a marker"), Some(Code::UrlInvalid)),
        (fairplay.clone(), Some(Code::CertificateMissing)),
        (DrmParams { certificate: Some(Vec::new()), ..fairplay.clone() }, Some(Code::CertificateMissing)),
        (DrmParams { certificate: Some(vec![1]), ..fairplay.clone() }, None),
        (DrmParams { certificate: Some(vec![1; 2_000_000]), ..fairplay.clone() }, Some(Code::InvalidArgument)),
        (DrmParams { certificate_url: Some("https://host/c".into()), ..fairplay.clone() }, None),
        (DrmParams { certificate_url: Some("file:///c".into()), ..fairplay }, Some(Code::UrlInvalid)),
    ];
    for (params, expected) in table {
        let result = check_params(&params);
        assert_eq!(result.as_ref().err().map(Error::code), expected, "{}", params.license_url);
        if let Err(error) = result {
            assert!(!whole_text(&error).contains("marker"), "{error}");
        }
    }
}

#[test]
fn a_bad_license_url_makes_no_request() {
    let servers = TestServers::new();
    for url in ["https://user@host/", "file:///etc/passwd", "gopher://host/", "https://", "http://ho st/"] {
        let exchange = servers.exchange(DrmParams::new(DrmScheme::Widevine, url));
        assert_eq!(exchange.send(license_message()).unwrap_err().code(), Code::UrlInvalid, "{url}");
    }
    assert_eq!(servers.context.network.requests_made(), 0);
}

// --- offline, cancellation, the end of a call ----------------------------------------------------------------------

#[test]
fn offline_mode_makes_no_call_at_all() {
    let servers = TestServers::new();
    servers.context.network.set_state(NetworkState::Offline);
    for kind in [ExchangeKind::License, ExchangeKind::Renewal, ExchangeKind::Release] {
        let error = servers.widevine().send(message(kind, challenge("license", None))).unwrap_err();
        assert_eq!(error.code(), Code::Offline);
    }
    let exchange = servers.widevine();
    let url = Some(servers.kit.url("/fairplay/certificate"));
    let message = ExchangeMessage { kind: ExchangeKind::Certificate, url, body: Vec::new() };
    assert_eq!(exchange.send(message).unwrap_err().code(), Code::Offline);
    assert_eq!((servers.context.network.requests_made(), exchange.requests_made()), (0, 0));
    assert_eq!(servers.kit.counts().connections, 0);
    assert!(!exchange.is_outcome_unknown());

    servers.context.network.set_state(NetworkState::Online);
    servers.ask().0.unwrap();
}

#[test]
fn a_cancelled_call_sends_nothing() {
    let servers = TestServers::new();
    servers.cancellation.cancel();
    assert_eq!(servers.ask().0.unwrap_err().code(), Code::Cancelled);
    assert_eq!(servers.requests(), 0);
}

#[test]
fn cancelling_ends_a_pause_between_attempts() {
    let mut servers =
        TestServers::with(larder_core::net::RetryPolicy { longest_pause_ms: 60_000, ..servers::policy() });
    servers.context.delegate_timeout = Duration::from_secs(1);
    let retry_later = Action::Status { status: 503, retry_after_seconds: Some(30) };
    servers.kit.add_fault(Rule::on("/", retry_later)).unwrap();
    let flag = servers.cancellation.clone();
    let exchange = servers.widevine();
    let call = std::thread::spawn(move || exchange.send(license_message()));
    eventually("the request reached the server", || servers.requests() == 1);
    flag.cancel();
    let started = Instant::now();
    assert_eq!(call.join().unwrap().unwrap_err().code(), Code::Cancelled);
    assert!(started.elapsed() < Duration::from_secs(20), "it waited for the server's wish");
    assert_eq!(servers.requests(), 1);
}

#[test]
fn an_answer_is_given_out_although_the_caller_cancelled_meanwhile() {
    let servers = TestServers::new();
    servers.kit.add_fault(Rule::on("/", Action::Delay { delay_ms: 300 })).unwrap();
    let exchange = servers.widevine();
    let theirs = Arc::clone(&exchange);
    let call = std::thread::spawn(move || theirs.send(license_message()));
    eventually("the request reached the server", || servers.requests() == 1);
    servers.cancellation.cancel();
    call.join().unwrap().expect("the server has granted a license: only the CDM can give it back");
    assert_eq!(exchange.send(license_message()).unwrap_err().code(), Code::Cancelled);
}

#[test]
fn after_the_end_of_its_call_an_exchange_sends_nothing_and_drops_a_late_answer() {
    let servers = TestServers::new();
    let exchange = servers.widevine();
    servers.kit.add_fault(Rule::on("/", Action::Delay { delay_ms: 300 }).after_handling()).unwrap();
    let theirs = Arc::clone(&exchange);
    let call = std::thread::spawn(move || theirs.send(license_message()));
    eventually("the request reached the server", || servers.requests() == 1);
    exchange.close();
    assert_eq!(call.join().unwrap().unwrap_err().code(), Code::Cancelled);
    assert!(exchange.is_outcome_unknown(), "the server granted a license that nobody took");
    assert_eq!(servers.kit.book().live, 1);

    assert_eq!(exchange.send(license_message()).unwrap_err().code(), Code::Cancelled);
    assert_eq!(servers.requests(), 1);
}

#[test]
fn fifty_exchanges_at_once_do_not_disturb_each_other() {
    let servers = TestServers::new();
    std::thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| servers.ask().0.unwrap());
        }
    });
    assert_eq!(servers.kit.counts().of(RequestKind::License), 50);
    assert_eq!(servers.context.network.requests_made(), 50);
}

#[test]
fn one_exchange_serves_several_threads() {
    let servers = TestServers::new();
    let exchange: Arc<Exchange> = servers.widevine();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| exchange.send(license_message()).unwrap());
        }
    });
    assert_eq!(exchange.requests_made(), 8);
}
