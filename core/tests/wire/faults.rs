//! Faults of servers and networks: each has its own code, ends in time, and reveals nothing secret.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the lints know test functions, not what they call"
)]

use std::time::{Duration, Instant};

use crate::servers::{TestServers, challenge, impatient, license_message, message, opened, policy, whole_text};
use larder_core::model::{DrmParams, DrmScheme};
use larder_core::net::RetryPolicy;
use larder_core::ports::{ExchangeKind, LicenseExchange as _};
use larder_core::{Code, Remedy};
use larder_testkit::{Action, RequestKind, Rule};

/// A fault, and what becomes of a license request under it.
struct Case {
    action: Action,
    code: Code,
    requests: u64,
    is_outcome_unknown: bool,
}

fn case(action: Action, code: Code, requests: u64, is_outcome_unknown: bool) -> Case {
    Case { action, code, requests, is_outcome_unknown }
}

fn status(status: u16) -> Action {
    Action::Status { status, retry_after_seconds: None }
}

fn check(case: &Case, servers: &TestServers) {
    let rule = Rule::on("/widevine", case.action.clone());
    servers.kit.add_fault(rule).unwrap();
    let started = Instant::now();
    let (answer, exchange) = servers.ask();
    let error = answer.err().unwrap_or_else(|| panic!("{:?} was a license", case.action));
    assert_eq!(error.code(), case.code, "{:?}", case.action);
    assert_ne!(error.remedy(), Remedy::Nothing, "{:?}", case.action);
    assert_eq!(u64::from(exchange.requests_made()), case.requests, "{:?}", case.action);
    assert_eq!(exchange.is_outcome_unknown(), case.is_outcome_unknown, "{:?}", case.action);
    assert!(started.elapsed() < Duration::from_secs(60), "{:?} took {:?}", case.action, started.elapsed());
    let text = whole_text(&error);
    assert!(!text.contains("/widevine"), "a path is part of a signed URL: {text}");
    servers.kit.reset().unwrap();
}

#[test]
fn each_status_has_its_code_and_its_number_of_attempts() {
    let servers = TestServers::new();
    for (number, code, requests) in [
        (400, Code::ServerRejected, 1),
        (401, Code::Unauthorized, 1),
        (403, Code::Unauthorized, 1),
        (404, Code::ServerRejected, 1),
        (410, Code::ServerRejected, 1),
        (304, Code::Redirect, 1),
        (408, Code::ServerFailed, 3),
        (429, Code::ServerFailed, 3),
        (500, Code::ServerFailed, 3),
        (501, Code::ServerFailed, 1),
        (502, Code::ServerFailed, 3),
        (503, Code::ServerFailed, 3),
        (504, Code::ServerFailed, 3),
    ] {
        check(&case(status(number), code, requests, false), &servers);
    }
}

#[test]
fn a_broken_connection_is_tried_again_and_leaves_the_outcome_unknown() {
    let servers = TestServers::new();
    for action in [
        Action::Reset,
        Action::Garbage,
        Action::Drop { after_bytes: 3, reset: false },
        Action::Drop { after_bytes: 3, reset: true },
        Action::ContentLength { difference: 10 },
    ] {
        check(&case(action, Code::Network, 3, true), &servers);
    }
}

#[test]
fn a_success_that_holds_no_license_is_told_apart() {
    let servers = TestServers::new();
    let body = |text: &str| Action::Body { text: text.to_owned(), content_type: "application/octet-stream".to_owned() };
    check(&case(Action::Empty, Code::LicenseEmpty, 1, true), &servers);
    check(&case(Action::Html, Code::LicenseNotALicense, 1, false), &servers);
    check(&case(body(r#"{"error":"no"}"#), Code::LicenseDenied, 1, false), &servers);
    check(&case(body(&"x".repeat(1024 * 1024 + 1)), Code::ResponseTooLarge, 1, true), &servers);
}

#[test]
fn a_truncated_license_is_malformed() {
    let servers = TestServers::new();
    servers.kit.add_fault(Rule::on("/fairplay/udrm", Action::Truncate { to_bytes: 5 })).unwrap();
    let params = DrmParams::new(DrmScheme::FairPlay, servers.kit.url("/fairplay/udrm"));
    let error = servers.exchange(params).send(license_message()).unwrap_err();
    assert_eq!(error.code(), Code::LicenseMalformed);
}

#[test]
fn a_server_that_never_answers_times_out_once() {
    let servers = TestServers::with(impatient());
    check(&case(Action::Hang, Code::Timeout, 1, true), &servers);
    check(&case(Action::Drip { bytes: 1, interval_ms: 150 }, Code::Timeout, 1, true), &servers);
    check(&case(Action::Delay { delay_ms: 60_000 }, Code::Timeout, 1, true), &servers);
}

#[test]
fn a_timeout_leaves_what_the_server_granted_to_be_found_out() {
    let servers = TestServers::with(impatient());
    servers.kit.add_fault(Rule::on("/", Action::Hang).after_handling()).unwrap();
    let (answer, exchange) = servers.ask();
    let error = answer.unwrap_err();
    assert_eq!(error.code(), Code::Timeout);
    assert!(error.message().contains("outcome is unknown"), "{error}");
    assert!(exchange.is_outcome_unknown());
    assert_eq!(servers.kit.book().live, 1, "one license, not one per attempt");
}

#[test]
fn a_slow_answer_within_the_timeout_is_an_answer() {
    let servers = TestServers::new();
    servers.kit.add_fault(Rule::on("/", Action::Delay { delay_ms: 300 })).unwrap();
    servers.kit.add_fault(Rule::on("/", Action::Drip { bytes: 40, interval_ms: 10 })).unwrap();
    servers.kit.add_fault(Rule::on("/", Action::Chunked)).unwrap();
    servers.ask().0.unwrap();
}

#[test]
fn a_refused_connection_is_offline_at_once() {
    let servers = TestServers::new();
    servers.kit.stop().unwrap();
    let started = Instant::now();
    let (answer, exchange) = servers.ask();
    let error = answer.unwrap_err();
    assert_eq!((error.code(), error.remedy()), (Code::Offline, Remedy::GoOnline));
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert_eq!(servers.context.network.requests_made(), 1, "no second attempt");
    assert!(!exchange.is_outcome_unknown());
    servers.kit.resume().unwrap();
    servers.ask().0.unwrap();
}

#[test]
fn a_name_that_does_not_resolve_is_offline() {
    let servers = TestServers::new();
    let exchange = servers.exchange(DrmParams::new(DrmScheme::Widevine, "http://no-such-host.invalid/license"));
    let error = exchange.send(license_message()).unwrap_err();
    assert_eq!(error.code(), Code::Offline, "{}", whole_text(&error));
}

#[test]
fn redirects_end() {
    let servers = TestServers::new();
    check(&case(Action::RedirectLoop { status: 302 }, Code::Redirect, 6, false), &servers);
    let itself = Action::Redirect { to: "/widevine/license".to_owned(), status: 307 };
    check(&case(itself, Code::Redirect, 1, false), &servers);
    for to in ["file:///etc/passwd", "http://user@127.0.0.1/", "http://", "gopher://host/"] {
        check(&case(Action::Redirect { to: to.to_owned(), status: 302 }, Code::Redirect, 1, false), &servers);
    }
    servers.kit.add_fault(Rule::on("/widevine", status(302))).unwrap();
    assert_eq!(servers.ask().0.unwrap_err().code(), Code::Redirect, "without a Location");
}

#[test]
fn a_redirected_challenge_arrives_whole() {
    for status in [301, 302, 307, 308] {
        let servers = TestServers::new();
        let to = servers.kit.url("/widevine/license?moved=1");
        servers.kit.add_fault(Rule::on("/old", Action::Redirect { to, status })).unwrap();
        let exchange = servers.exchange(DrmParams::new(DrmScheme::Widevine, servers.kit.url("/old")));
        let answer = exchange.send(license_message()).unwrap();
        assert_eq!(opened(&answer, "WVL\x01")["nonce"], 7, "{status}");
        assert_eq!(exchange.requests_made(), 2);
    }
}

#[test]
fn a_failing_server_that_recovers_is_success() {
    for action in
        [status(500), Action::Status { status: 503, retry_after_seconds: Some(1) }, Action::Reset, Action::Garbage]
    {
        let servers = TestServers::new();
        servers.kit.add_fault(Rule::on("/", action).times(2)).unwrap();
        let (answer, exchange) = servers.ask();
        answer.unwrap();
        assert_eq!(exchange.requests_made(), 3);
        assert!(!exchange.is_outcome_unknown());
    }
}

#[test]
fn a_server_that_asks_for_a_long_pause_is_not_waited_for() {
    let servers = TestServers::new();
    let started = Instant::now();
    check(
        &case(Action::Status { status: 503, retry_after_seconds: Some(3600) }, Code::ServerFailed, 1, false),
        &servers,
    );
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn the_whole_call_has_a_deadline() {
    let servers = TestServers::with(RetryPolicy { attempts: 1_000, deadline_ms: 1_500, ..policy() });
    servers.kit.add_fault(Rule::on("/", status(500))).unwrap();
    let started = Instant::now();
    assert_eq!(servers.ask().0.unwrap_err().code(), Code::ServerFailed);
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_release_is_tried_again_on_a_failing_server_and_never_confirmed_by_a_portal() {
    let servers = TestServers::new();
    let (answer, exchange) = servers.ask();
    let id = opened(&answer.unwrap(), "WVL\x01")["license_id"].as_str().unwrap().to_owned();
    let release = || exchange.send(message(ExchangeKind::Release, challenge("release", Some(&id))));
    servers.kit.add_fault(Rule::on("/", Action::Html).kind(RequestKind::Release)).unwrap();
    assert_eq!(release().unwrap_err().code(), Code::LicenseNotALicense);
    servers.kit.clear_faults().unwrap();
    servers.kit.add_fault(Rule::on("/", status(500)).kind(RequestKind::Release).times(1)).unwrap();
    release().unwrap();
    assert_eq!(servers.kit.book().live, 0);
}

#[test]
fn what_the_server_says_is_told_without_what_it_repeats() {
    let servers = TestServers::new();
    let said = r#"{"message":"session Zzyzxmarker of user 4711 in https://host/?sig=marker is over, error 4032"}"#;
    let body = Action::Body { text: said.to_owned(), content_type: "application/json".to_owned() };
    servers.kit.add_fault(Rule::on("/fairplay", body)).unwrap();
    let url = servers.kit.url("/fairplay/udrm?session=Zzyzxmarker");
    let error = servers.exchange(DrmParams::new(DrmScheme::FairPlay, url)).send(license_message()).unwrap_err();
    assert_eq!(error.code(), Code::LicenseDenied);
    assert!(error.message().contains("error 4032") && error.message().contains("user 4711"), "{error}");
    assert!(!whole_text(&error).to_lowercase().contains("marker"), "{error}");
}
