//! Every fault, as a client meets it.

#![allow(clippy::unwrap_used, reason = "the lint knows test functions, not what they call")]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::client::{Client, connect, raw};
use larder_core::model::KeyId;
use larder_testkit::{Action, ContentKey, KeyTable, Options, RequestKind, Rule, Testkit};
use reqwest::Method;
use serde_json::json;

const BODY: &[u8] = b"0123456789abcdefghij";

fn kit() -> Testkit {
    let kit = Testkit::start(Options::default()).unwrap();
    kit.origin().put("/f/a.m4s", BODY);
    kit
}

/// A kit with one fault on everything.
fn struck(action: Action) -> Testkit {
    let kit = kit();
    kit.add_fault(Rule::on("", action)).unwrap();
    kit
}

/// Returns the bytes on the wire for one GET, until the server closes.
fn wire(kit: &Testkit) -> (String, Vec<u8>) {
    let answer = raw(&kit.base_url(), "GET /f/a.m4s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    let (head, body) = answer.split_at(end);
    (String::from_utf8(head.to_vec()).unwrap(), body.to_vec())
}

fn get_error(kit: &Testkit) -> reqwest::Error {
    Client::new().try_send(Method::GET, &kit.url("/f/a.m4s"), &[], "").unwrap_err()
}

#[test]
fn a_status_with_retry_after() {
    let kit = struck(Action::Status { status: 503, retry_after_seconds: Some(7) });
    let answer = Client::new().get(&kit.url("/f/a.m4s"));
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("7")));
    assert!(answer.header("date").is_some());
}

#[test]
fn a_delay() {
    let kit = struck(Action::Delay { delay_ms: 300 });
    let start = Instant::now();
    assert_eq!(Client::new().get(&kit.url("/f/a.m4s")).body, BODY);
    assert!(start.elapsed() >= Duration::from_millis(300));
}

#[test]
fn a_hang_ends_with_the_clients_patience_and_the_next_request_is_served() {
    let kit = kit();
    kit.add_fault(Rule::on("/f/", Action::Hang).times(1)).unwrap();
    let impatient = Client::with(|builder| builder.timeout(Duration::from_millis(300)));
    let url = kit.url("/f/a.m4s");
    assert!(impatient.try_send(Method::GET, &url, &[], "").unwrap_err().is_timeout());
    assert_eq!(Client::new().get(&url).body, BODY);
}

#[test]
fn a_hanging_answer_keeps_no_testkit_from_ending() {
    let kit = struck(Action::Hang);
    let mut stream = connect(&kit.base_url());
    write!(stream, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    while kit.counts().requests == 0 {
        std::thread::yield_now();
    }
    drop(kit);
    assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)));
}

#[test]
fn a_reset() {
    let kit = struck(Action::Reset);
    let mut stream = connect(&kit.base_url());
    write!(stream, "GET /f/a.m4s HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_refused_connection_until_the_rule_is_gone() {
    let kit = kit();
    let mut idle = connect(&kit.base_url());
    let id = kit.add_fault(Rule::on("", Action::Refuse { for_ms: None })).unwrap();
    assert!(matches!(idle.read(&mut [0]), Ok(0) | Err(_)), "open connections break off");
    let refused = TcpStream::connect(kit.base_url().trim_start_matches("http://")).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert!(get_error(&kit).is_connect());
    assert!(kit.remove_fault(id).unwrap());
    assert_eq!(Client::new().get(&kit.url("/f/a.m4s")).body, BODY);
}

#[test]
fn a_refused_connection_for_a_while() {
    let kit = struck(Action::Refuse { for_ms: Some(300) });
    let address = kit.base_url().trim_start_matches("http://").to_owned();
    assert!(TcpStream::connect(&address).is_err());
    let patience = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(&address).is_err() {
        assert!(Instant::now() < patience, "the port never opened again");
        std::thread::yield_now();
    }
    assert!(kit.faults().is_empty());
    assert_eq!(Client::new().get(&kit.url("/f/a.m4s")).body, BODY);
}

#[test]
fn garbage_in_place_of_http() {
    let kit = struck(Action::Garbage);
    let answer = raw(&kit.base_url(), "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(!answer.is_empty() && !answer.starts_with(b"HTTP"));
    assert!(std::str::from_utf8(&answer).is_err());
    let error = get_error(&kit);
    assert!(!error.is_connect() && !error.is_timeout(), "{error:?}");
}

#[test]
fn a_redirect() {
    let kit = kit();
    kit.add_fault(Rule::on("/old/", Action::Redirect { to: kit.url("/f/a.m4s"), status: 308 })).unwrap();
    let url = kit.url("/old/a.m4s");
    assert_eq!(Client::new().get(&url).status, 308);
    assert_eq!(Client::following().get(&url).body, BODY);
}

#[test]
fn a_redirect_loop_with_no_url_twice() {
    let kit = struck(Action::RedirectLoop { status: 302 });
    let error = Client::following().try_send(Method::GET, &kit.url("/f/a.m4s"), &[], "").unwrap_err();
    assert!(error.is_redirect(), "{error:?}");
    let mut queries: Vec<_> = kit.requests().into_iter().map(|request| request.query).collect();
    let asked = queries.len();
    queries.sort();
    queries.dedup();
    assert!(asked > 5 && queries.len() == asked, "{queries:?}");
}

#[test]
fn nothing_with_status_200() {
    let answer = Client::new().get(&struck(Action::Empty).url("/f/a.m4s"));
    assert_eq!((answer.status, answer.body.len()), (200, 0));
}

#[test]
fn a_web_page_with_status_200() {
    let answer = Client::new().get(&struck(Action::Html).url("/f/a.m4s"));
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(answer.text().starts_with("<!DOCTYPE html>"));
}

#[test]
fn another_body() {
    let action = Action::Body { text: "{}".into(), content_type: "application/json".into() };
    let answer = Client::new().get(&struck(action).url("/f/a.m4s"));
    assert_eq!((answer.text().as_str(), answer.header("content-type")), ("{}", Some("application/json")));
}

#[test]
fn a_wrong_content_type_and_a_header_set_or_taken_away() {
    let kit = struck(Action::ContentType { content_type: "text/plain".into() });
    kit.add_fault(Rule::on("", Action::Header { name: "ETag".into(), value: None })).unwrap();
    kit.add_fault(Rule::on("", Action::Header { name: "X-Odd".into(), value: Some("a\r\nb: c".into()) })).unwrap();
    let answer = Client::new().get(&kit.url("/f/a.m4s"));
    assert_eq!((answer.body.as_slice(), answer.header("content-type")), (BODY, Some("text/plain")));
    assert_eq!((answer.header("etag"), answer.header("x-odd")), (None, Some("ab: c")));
}

#[test]
fn a_content_length_that_claims_more_than_comes() {
    let kit = struck(Action::ContentLength { difference: 5 });
    let (head, body) = wire(&kit);
    assert!(head.contains("Content-Length: 25\r\n") && body == BODY, "{head}");
    get_error(&kit);
}

#[test]
fn a_content_length_that_claims_less_than_comes() {
    let (head, body) = wire(&struck(Action::ContentLength { difference: -15 }));
    assert!(head.contains("Content-Length: 5\r\n") && body == BODY, "{head}");
}

#[test]
fn a_connection_that_ends_within_the_body() {
    let kit = struck(Action::Drop { after_bytes: 7, reset: false });
    let (head, body) = wire(&kit);
    assert!(head.contains("Content-Length: 20\r\n") && body == BODY[..7], "{head}");
    get_error(&kit);
    get_error(&struck(Action::Drop { after_bytes: 0, reset: true }));
}

#[test]
fn a_body_cut_short_in_correct_http() {
    let answer = Client::new().get(&struck(Action::Truncate { to_bytes: 7 }).url("/f/a.m4s"));
    assert_eq!((answer.body.as_slice(), answer.header("content-length")), (&BODY[..7], Some("7")));
}

#[test]
fn a_body_in_drops() {
    let kit = struck(Action::Drip { bytes: 5, interval_ms: 50 });
    let start = Instant::now();
    assert_eq!(Client::new().get(&kit.url("/f/a.m4s")).body, BODY);
    assert!(start.elapsed() >= Duration::from_millis(150));
}

#[test]
fn a_body_of_unknown_length() {
    let kit = struck(Action::Chunked);
    let answer = Client::new().get(&kit.url("/f/a.m4s"));
    assert_eq!((answer.body.as_slice(), answer.header("content-length")), (BODY, None));
    // Faults add up: a chunked body that comes in drops and breaks off without the last chunk.
    kit.add_fault(Rule::on("", Action::Drip { bytes: 5, interval_ms: 1 })).unwrap();
    assert_eq!(Client::new().get(&kit.url("/f/a.m4s")).body, BODY);
    kit.add_fault(Rule::on("", Action::Drop { after_bytes: 12, reset: false })).unwrap();
    assert_eq!(wire(&kit).1, b"5\r\n01234\r\n5\r\n56789\r\n2\r\nab\r\n");
    get_error(&kit);
}

#[test]
fn a_range_that_is_not_heard() {
    let answer = Client::new().get_with(&struck(Action::IgnoreRange).url("/f/a.m4s"), &[("Range", "bytes=1-2")]);
    assert_eq!((answer.status, answer.body.as_slice()), (200, BODY));
}

#[test]
fn a_rule_strikes_what_it_names_and_when() {
    let kit = kit();
    kit.origin().put("/g/b.m4s", "b");
    let status = |status| Action::Status { status, retry_after_seconds: None };
    kit.add_fault(Rule { method: Some("HEAD".into()), ..Rule::on("/f/", status(501)) }).unwrap();
    kit.add_fault(Rule::on("/f/", status(503)).from_nth(2).times(2)).unwrap();
    let client = Client::new();
    let statuses: Vec<u16> = (0..5).map(|_| client.get(&kit.url("/f/a.m4s")).status).collect();
    assert_eq!(statuses, [200, 503, 503, 200, 200]);
    assert_eq!(client.get(&kit.url("/g/b.m4s")).status, 200);
    assert_eq!(client.try_send(Method::HEAD, &kit.url("/f/a.m4s"), &[], "").unwrap().status, 501);
    let rules = kit.faults();
    assert_eq!((rules[0].matched, rules[0].struck, rules[1].matched, rules[1].struck), (1, 1, 6, 2));
}

#[test]
fn a_license_can_be_issued_and_its_answer_lost() {
    let kit = kit();
    kit.add_keys(KeyTable::from([(KeyId([1; 16]), ContentKey([2; 16]))]));
    let body = json!({ "kids": ["AQEBAQEBAQEBAQEBAQEBAQ"], "type": "persistent-license" });
    let url = kit.url("/clearkey/license");
    let status = Action::Status { status: 500, retry_after_seconds: None };

    kit.add_fault(Rule::on("/clearkey/", status.clone()).times(1)).unwrap();
    assert_eq!(Client::new().post_json(&url, &body).status, 500);
    assert_eq!(kit.book().licenses.len(), 0, "the server did not hear of it");

    kit.clear_faults().unwrap();
    kit.add_fault(Rule::on("", status).kind(RequestKind::License).after_handling()).unwrap();
    assert_eq!(Client::new().post_json(&url, &body).status, 500);
    assert_eq!(kit.book().live, 1, "the server knows a license that the client never got");
    assert_eq!(Client::new().post_json(&url, &json!({ "kids": body["kids"] })).status, 200, "a release is not struck");

    kit.clear_faults().unwrap();
    kit.add_fault(Rule::on("/clearkey/", Action::Drop { after_bytes: 10, reset: false })).unwrap();
    assert!(Client::new().try_send(Method::POST, &url, &[], body.to_string()).is_err());
    assert_eq!(kit.book().live, 1);
}
