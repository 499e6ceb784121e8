//! Downloads through the transports, against an origin with faults.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the lints know test functions, not what they call"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use larder_core::net::{ClientSettings, HttpClientTransport, Network, ReqwestClient, RetryPolicy, Transfers, Trust};
use larder_core::ports::{
    ByteRange, ByteSink, Flow, NetworkState, ResponseHead, TransferDeadlines, TransferEnd, TransferRequest, Transport,
    Validator,
};
use larder_core::{Code, Result};
use larder_testkit::{Action, Options, Rule, Testkit, media_root};

use crate::servers::{client, runtime};

const FILE: &str = "dash-cenc/manifest.mpd";

fn origin() -> Testkit {
    Testkit::start(Options { media_root: Some(media_root()), ..Options::default() }).unwrap()
}

fn content() -> Vec<u8> {
    std::fs::read(media_root().join(FILE)).unwrap()
}

fn reqwest_client() -> ReqwestClient {
    client(ClientSettings { trust: Trust::ExtraRootsOnly, ..ClientSettings::default() })
}

/// Both implementations that run here, by name.
fn transports() -> [(&'static str, Arc<dyn Transport>); 2] {
    let ranged = HttpClientTransport::new(Arc::new(reqwest_client()), runtime());
    [("streamed", Arc::new(reqwest_client())), ("in ranges", Arc::new(ranged))]
}

#[derive(Default)]
struct Recorder {
    head: Option<ResponseHead>,
    body: Vec<u8>,
    stop_at_head: bool,
    stop_after_bytes: Option<usize>,
}

impl ByteSink for Recorder {
    fn head(&mut self, head: &ResponseHead) -> Result<Flow> {
        assert!(self.head.replace(head.clone()).is_none(), "one head per transfer");
        Ok(if self.stop_at_head { Flow::Stop } else { Flow::Continue })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<Flow> {
        self.body.extend_from_slice(bytes);
        Ok(if self.stop_after_bytes.is_some_and(|limit| self.body.len() >= limit) {
            Flow::Stop
        } else {
            Flow::Continue
        })
    }
}

impl Recorder {
    fn status(&self) -> u16 {
        self.head.as_ref().unwrap().status
    }
}

fn request(url: String) -> TransferRequest {
    TransferRequest {
        url,
        headers: Vec::new(),
        range: None,
        if_range: None,
        deadlines: TransferDeadlines { head_ms: 5_000, stall_ms: 500 },
    }
}

fn fetch(transport: &dyn Transport, request: TransferRequest, sink: &mut Recorder) -> Result<TransferEnd> {
    runtime().block_on(transport.fetch(request, sink))
}

fn transfers(transport: Arc<dyn Transport>, state: NetworkState) -> (Transfers, Arc<Network>) {
    let network = Arc::new(Network::new(Arc::new(reqwest_client()), RetryPolicy::default()));
    network.set_state(state);
    (Transfers::new(Arc::clone(&network), transport), network)
}

#[test]
fn a_whole_file_and_each_kind_of_range_arrive_with_their_heads() {
    let (kit, content) = (origin(), content());
    let total = content.len() as u64;
    for (name, transport) in transports() {
        for range in [
            None,
            Some(ByteRange { start: 0, end: None }),
            Some(ByteRange { start: 0, end: Some(1) }),
            Some(ByteRange { start: 100, end: Some(300) }),
            Some(ByteRange { start: total - 7, end: None }),
            Some(ByteRange { start: total - 7, end: Some(total + 50) }),
        ] {
            let mut sink = Recorder::default();
            let request = TransferRequest { range, ..request(kit.url(&format!("/media/{FILE}"))) };
            assert_eq!(fetch(&*transport, request, &mut sink).unwrap(), TransferEnd::Complete, "{name} {range:?}");
            let asked = range.unwrap_or(ByteRange { start: 0, end: None });
            let end = asked.end.unwrap_or(total).min(total);
            assert_eq!(sink.body, content[asked.start as usize..end as usize], "{name} {range:?}");
            let head = sink.head.unwrap();
            assert_eq!(head.status, if range.is_some() { 206 } else { 200 }, "{name} {range:?}");
            assert_eq!(head.body_bytes(), Some(end - asked.start), "{name} {range:?}");
            if range.is_some() {
                let sent = ByteRange { start: asked.start, end: Some(end) };
                assert_eq!(head.content_range(), Some((sent, Some(total))), "{name} {range:?}");
            }
        }
    }
}

#[test]
fn a_sink_ends_a_transfer_at_its_head_or_in_its_body() {
    let kit = origin();
    for (name, transport) in transports() {
        let mut sink = Recorder { stop_at_head: true, ..Recorder::default() };
        let end = fetch(&*transport, request(kit.url(&format!("/media/{FILE}"))), &mut sink).unwrap();
        assert_eq!((end, sink.body.len()), (TransferEnd::Stopped, 0), "{name}");
        let mut sink = Recorder { stop_after_bytes: Some(1), ..Recorder::default() };
        let end = fetch(&*transport, request(kit.url(&format!("/media/{FILE}"))), &mut sink).unwrap();
        assert_eq!(end, TransferEnd::Stopped, "{name}");
        assert!(!sink.body.is_empty(), "{name}");
    }
}

#[test]
fn an_error_status_is_a_head_and_not_an_error() {
    let kit = origin();
    for (name, transport) in transports() {
        let mut sink = Recorder::default();
        fetch(&*transport, request(kit.url("/media/not/there")), &mut sink).unwrap();
        assert_eq!(sink.status(), 404, "{name}");
    }
}

#[test]
fn a_resource_with_another_validator_is_sent_whole() {
    let (kit, content) = (origin(), content());
    for (name, transport) in transports() {
        let url = kit.url(&format!("/media/{FILE}"));
        let range = Some(ByteRange { start: 10, end: Some(20) });
        let mut first = Recorder::default();
        fetch(&*transport, TransferRequest { range, ..request(url.clone()) }, &mut first).unwrap();
        let validator = first.head.unwrap().validator().expect("the origin sends a strong ETag");
        for (if_range, status, body) in
            [(validator, 206, &content[10..20]), (Validator::ETag("\"another\"".to_owned()), 200, &content[..])]
        {
            let mut sink = Recorder::default();
            let request = TransferRequest { range, if_range: Some(if_range), ..request(url.clone()) };
            fetch(&*transport, request, &mut sink).unwrap();
            assert_eq!((sink.status(), sink.body.as_slice()), (status, body), "{name}");
        }
    }
}

#[test]
fn each_fault_of_a_network_has_its_code() {
    let kit = origin();
    for (name, transport) in transports() {
        for (action, code) in [
            (Action::Hang, Code::Timeout),
            (Action::Reset, Code::Network),
            (Action::Garbage, Code::Network),
            (Action::Drop { after_bytes: 10, reset: false }, Code::Network),
            (Action::Drop { after_bytes: 10, reset: true }, Code::Network),
            (Action::ContentLength { difference: 10 }, Code::Network),
        ] {
            kit.add_fault(Rule::on("/media", action.clone())).unwrap();
            let mut sink = Recorder::default();
            let mut request = request(kit.url(&format!("/media/{FILE}")));
            request.deadlines.head_ms = 500;
            let begun = Instant::now();
            let error = fetch(&*transport, request, &mut sink).unwrap_err();
            assert_eq!(error.code(), code, "{name} {action:?}");
            assert!(!format!("{error} {:?}", error).contains("/media"), "{name} {action:?}");
            assert!(begun.elapsed() < Duration::from_secs(30), "{name} {action:?}");
            kit.reset().unwrap();
        }
    }
    drop(kit);
    let mut sink = Recorder::default();
    let error = fetch(&*transports()[0].1, request("http://127.0.0.1:1/x".to_owned()), &mut sink).unwrap_err();
    assert_eq!(error.code(), Code::Offline);
}

#[test]
fn a_slow_body_arrives_and_a_stalled_one_times_out() {
    let (kit, content) = (origin(), content());
    let transport = reqwest_client();
    let url = || kit.url(&format!("/media/{FILE}"));
    let pieces = content.len() as u64 / 8 + 1;
    kit.add_fault(Rule::on("/media", Action::Drip { bytes: pieces, interval_ms: 200 })).unwrap();
    let mut sink = Recorder::default();
    assert_eq!(fetch(&transport, request(url()), &mut sink).unwrap(), TransferEnd::Complete);
    assert_eq!(sink.body, content, "the whole took longer than the stall timeout");
    kit.reset().unwrap();

    kit.add_fault(Rule::on("/media", Action::Drip { bytes: pieces, interval_ms: 60_000 })).unwrap();
    let mut sink = Recorder::default();
    assert_eq!(fetch(&transport, request(url()), &mut sink).unwrap_err().code(), Code::Timeout);
    assert!(content.starts_with(&sink.body) && sink.body.len() < content.len(), "the sink has a prefix");
}

#[test]
fn a_server_that_ignores_ranges_sends_the_whole_resource() {
    let (kit, content) = (origin(), content());
    kit.add_fault(Rule::on("/media", Action::IgnoreRange)).unwrap();
    for (name, transport) in transports() {
        let range = Some(ByteRange { start: 10, end: Some(20) });
        let mut sink = Recorder::default();
        fetch(&*transport, TransferRequest { range, ..request(kit.url(&format!("/media/{FILE}"))) }, &mut sink)
            .unwrap();
        assert_eq!((sink.status(), &sink.body), (200, &content), "{name}");
    }
}

/// The origin has no file of this size, so a client of the test stands for the app's.
#[test]
fn an_apps_client_is_asked_for_bounded_ranges_and_content_that_changes_is_refused() {
    use larder_core::net::ranges::MAX_RANGE_BYTES;
    use larder_core::ports::{HttpClient, HttpRequest, HttpResponse};
    use std::sync::Mutex;

    const TOTAL: u64 = 2 * MAX_RANGE_BYTES + 5;
    struct Big {
        etags: Mutex<Vec<&'static str>>,
        asked: Mutex<Vec<String>>,
    }
    impl HttpClient for Big {
        fn send(&self, request: HttpRequest) -> Result<HttpResponse> {
            let range = request.headers.iter().find(|(name, _)| name == "Range").unwrap().1.clone();
            let (first, last) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
            let (first, last): (u64, u64) = (first.parse().unwrap(), last.parse().unwrap());
            let last = last.min(TOTAL - 1);
            self.asked.lock().unwrap().push(range);
            let mut etags = self.etags.lock().unwrap();
            let etag = if etags.len() > 1 { etags.remove(0) } else { etags[0] };
            let headers = vec![
                ("content-range".to_owned(), format!("bytes {first}-{last}/{TOTAL}")),
                ("etag".to_owned(), etag.to_owned()),
            ];
            let body = (first..=last).map(|at| at as u8).collect();
            Ok(HttpResponse { status: 206, headers, body })
        }
    }
    for (etags, is_whole) in [(vec!["\"a\""], true), (vec!["\"a\"", "\"b\""], false)] {
        let big = Arc::new(Big { etags: Mutex::new(etags), asked: Mutex::default() });
        let transport = HttpClientTransport::new(Arc::clone(&big) as Arc<dyn HttpClient>, runtime());
        let mut sink = Recorder::default();
        let end = fetch(&transport, request("https://host/big".to_owned()), &mut sink);
        if is_whole {
            assert_eq!(end.unwrap(), TransferEnd::Complete);
            assert_eq!((sink.status(), sink.body.len() as u64), (200, TOTAL));
            assert!(sink.body.iter().enumerate().all(|(at, byte)| *byte == at as u8));
            assert_eq!(sink.head.unwrap().body_bytes(), Some(TOTAL));
            let expected = ["bytes=0-8388607", "bytes=8388608-16777215", "bytes=16777216-16777220"];
            assert_eq!(*big.asked.lock().unwrap(), expected);
        } else {
            assert_eq!(end.unwrap_err().code(), Code::Network);
            assert_eq!(sink.body.len() as u64, MAX_RANGE_BYTES, "no byte of the other content arrived");
        }
    }
}

#[test]
fn redirects_are_followed_and_the_last_url_is_told() {
    let kit = origin();
    let target = kit.url(&format!("/media/{FILE}"));
    for (name, transport) in transports() {
        kit.add_fault(Rule::on("/media/start", Action::Redirect { to: target.clone(), status: 302 })).unwrap();
        let (transfers, network) = transfers(transport, NetworkState::Unknown);
        let mut sink = Recorder::default();
        let end =
            runtime().block_on(transfers.fetch(request(kit.url("/media/start?token=s3cret")), &mut sink)).unwrap();
        assert_eq!(end, TransferEnd::Complete, "{name}");
        assert_eq!(sink.body, content(), "{name}");
        assert_eq!(sink.head.unwrap().url, target, "{name}");
        assert_eq!(network.requests_made(), 2, "{name}");
        kit.add_fault(Rule::on("/media/loop", Action::RedirectLoop { status: 302 })).unwrap();
        let endless = runtime().block_on(transfers.fetch(request(kit.url("/media/loop")), &mut Recorder::default()));
        assert_eq!(endless.unwrap_err().code(), Code::Redirect, "{name}");
        kit.reset().unwrap();
    }
}

#[test]
fn offline_mode_makes_no_request() {
    let kit = origin();
    for (name, transport) in transports() {
        let (transfers, network) = transfers(transport, NetworkState::Offline);
        let mut sink = Recorder::default();
        let error = runtime().block_on(transfers.fetch(request(kit.url("/media/x")), &mut sink)).unwrap_err();
        assert_eq!((error.code(), network.requests_made()), (Code::Offline, 0), "{name}");
        assert_eq!(kit.counts().requests, 0, "{name}");
        let error =
            runtime().block_on(transfers.fetch(request("file:///etc/passwd".to_owned()), &mut sink)).unwrap_err();
        assert_eq!(error.code(), Code::UrlInvalid, "{name}");
    }
}

#[test]
fn a_request_shows_neither_its_url_nor_its_headers() {
    let mut request = request("https://host/a?sig=s3cret".to_owned());
    request.headers.push(("Cookie".to_owned(), "s3cret".to_owned()));
    let head = ResponseHead { status: 200, headers: request.headers.clone(), url: request.url.clone() };
    assert!(!format!("{request:?} {head:?}").contains("s3cret"));
}
