//! An HTTP client of the app's own, in place of the built-in one.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests; clippy only knows so inside #[test]"
)]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use crate::support::{Device, Gate, code, failed, protected, servers, uncancelled, wait};
use larder_ffi::{FfiDelegates, FfiError, FfiHttpClient, FfiManager, HttpHeader, HttpRequest, HttpResponse};

/// A client of a few lines; what it does with a request is up to each test.
struct Client<F>(F, Mutex<Vec<HttpRequest>>);

impl<F: Fn(&HttpRequest) -> Result<HttpResponse, FfiError> + Send + Sync> FfiHttpClient for Client<F> {
    fn send(&self, request: HttpRequest) -> Result<HttpResponse, FfiError> {
        self.1.lock().unwrap().push(request.clone());
        (self.0)(&request)
    }
}

type Answering = Client<Box<dyn Fn(&HttpRequest) -> Result<HttpResponse, FfiError> + Send + Sync>>;

fn client(answer: impl Fn(&HttpRequest) -> Result<HttpResponse, FfiError> + Send + Sync + 'static) -> Arc<Answering> {
    Arc::new(Client(Box::new(answer), Mutex::default()))
}

fn manager(device: &Device, client: &Arc<Answering>) -> FfiManager {
    let delegates = FfiDelegates { http_client: Some(Arc::clone(client) as _), ..device.delegates() };
    FfiManager::new(device.config(), delegates).unwrap()
}

/// HTTP/1.0, so that the end of the answer is the end of the connection.
fn over_a_socket(request: &HttpRequest) -> HttpResponse {
    let (host, path) = request.url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    let headers: String = request.headers.iter().map(|h| format!("{}: {}\r\n", h.name, h.value)).collect();
    let (method, length) = (&request.method, request.body.len());
    write!(stream, "{method} /{path} HTTP/1.0\r\nHost: {host}\r\n{headers}Content-Length: {length}\r\n\r\n").unwrap();
    stream.write_all(&request.body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| HttpHeader { name: name.into(), value: value.into() }).collect();
    HttpResponse { status, headers, body: answer[end + 4..].to_vec() }
}

#[test]
fn a_license_is_got_through_it() {
    let (device, servers) = (Device::new(), servers());
    let client = client(|request| Ok(over_a_socket(request)));
    let manager = manager(&device, &client);
    let path = device.download("dash-cenc");
    let status = wait(manager.register_asset(protected("a", &path, &servers), uncancelled())).unwrap();
    assert!(status.is_playable);
    let seen = client.1.lock().unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].method.as_str(), seen[0].url.as_str()), ("POST", &*servers.url("/clearkey/license")));
    assert!(seen[0].timeout_ms > 0 && seen[0].timeout_ms <= 10_000, "{}", seen[0].timeout_ms);
}

#[test]
fn what_it_throws_keeps_a_code_of_the_network_and_nothing_else() {
    let servers = servers();
    for (thrown, expected) in [("TLS", "TLS"), ("OFFLINE", "OFFLINE"), ("LICENSE_DENIED", "NETWORK"), ("X", "NETWORK")]
    {
        let device = Device::new();
        let path = device.download("dash-cenc");
        let manager = manager(&device, &client(move |_| Err(failed(thrown, "why"))));
        assert_eq!(code(wait(manager.register_asset(protected("a", &path, &servers), uncancelled()))), expected);
    }
}

#[test]
fn one_that_hangs_costs_no_more_than_its_time() {
    let (device, servers) = (Device::new(), servers());
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let client = client(move |_| {
        held.pass();
        Err(failed("NETWORK", "much later"))
    });
    let config = larder_ffi::LarderConfig { network_timeout_seconds: 1, ..device.config() };
    let delegates = FfiDelegates { http_client: Some(client as _), ..device.delegates() };
    let manager = FfiManager::new(config, delegates).unwrap();
    let path = device.download("dash-cenc");
    assert_eq!(code(wait(manager.register_asset(protected("a", &path, &servers), uncancelled()))), "TIMEOUT");
    gate.open();
}

#[test]
fn it_is_never_asked_while_the_app_is_offline() {
    let (device, servers) = (Device::new(), servers());
    let client = client(|_| panic!("asked"));
    let manager = manager(&device, &client);
    manager.set_network_state(larder_ffi::NetworkState::Offline).unwrap();
    let path = device.download("dash-cenc");
    assert_eq!(code(wait(manager.register_asset(protected("a", &path, &servers), uncancelled()))), "OFFLINE");
    assert!(client.1.lock().unwrap().is_empty());
}
