//! The client and the network around it, on real sockets: TLS, limits, threads, server time.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the lints know test functions, not what they call"
)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::servers::{client, policy, runtime, whole_text};
use larder_core::cancel::Cancellation;
use larder_core::net::{
    ClientSettings, Network, Outbound, Outcome, ReqwestClient, RetryPolicy, ServerTime, Trust, Unwatched, Watch,
};
use larder_core::ports::{HttpClient, HttpRequest, HttpResponse, ServerTrust};
use larder_core::{Code, Error, Result};
use larder_testkit::{Action, Options, Policy, Rule, Testkit};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

const CA: &[u8] = include_bytes!("tls/ca.der");
const LOCALHOST: (&[u8], &[u8]) = (include_bytes!("tls/localhost.der"), include_bytes!("tls/localhost.key.der"));
const OTHER: (&[u8], &[u8]) = (include_bytes!("tls/other.der"), include_bytes!("tls/other.key.der"));

fn trusting_nobody() -> ClientSettings {
    ClientSettings { trust: Trust::ExtraRootsOnly, ..ClientSettings::default() }
}

fn trusting() -> ClientSettings {
    ClientSettings { extra_roots: vec![CA.to_vec()], ..trusting_nobody() }
}

fn get(url: impl Into<String>) -> HttpRequest {
    HttpRequest {
        method: "GET",
        url: url.into(),
        headers: Vec::new(),
        body: Vec::new(),
        timeout_ms: 10_000,
        max_body_bytes: 100_000,
    }
}

fn outbound(url: String) -> Outbound {
    Outbound {
        what: "server",
        method: "POST",
        url,
        headers: vec![("Authorization".to_owned(), "Bearer marker".to_owned())],
        body: b"challenge".to_vec(),
        max_body_bytes: 100_000,
        is_repeatable: false,
    }
}

/// A server that answers every connection with these bytes and closes it. Gives its port.
fn answering(bytes: impl Into<Vec<u8>>) -> u16 {
    let bytes = bytes.into();
    serve(move |mut stream| {
        read_head(&mut stream);
        let _ = stream.write_all(&bytes);
    })
}

/// The same behind TLS.
fn answering_securely((certificate, key): (&'static [u8], &'static [u8]), bytes: impl Into<Vec<u8>>) -> u16 {
    let bytes = bytes.into();
    let key = PrivateKeyDer::try_from(key.to_vec()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    // Not with_single_cert: that refuses a key that is not the certificate's, and one test wants such a server.
    let key = provider.key_provider.load_private_key(key).unwrap();
    let certified = CertifiedKey::new(vec![CertificateDer::from(certificate.to_vec())], key);
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    let config = Arc::new(config);
    serve(move |stream| {
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
        read_head(&mut stream);
        let _ = stream.write_all(&bytes);
        stream.conn.send_close_notify();
        let _ = stream.flush();
    })
}

fn serve(answer: impl Fn(TcpStream) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || answer(stream));
        }
    });
    port
}

fn read_head(stream: &mut impl Read) {
    let mut seen = Vec::new();
    let mut byte = [0_u8; 1];
    while !seen.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
        seen.push(byte[0]);
    }
}

fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).into_bytes()
}

// --- TLS -----------------------------------------------------------------------------------------------------------

/// A platform that trusts what an authority has signed, as far as a test needs one.
struct PlatformTrust {
    refuses: bool,
    asked: Mutex<Vec<(usize, String)>>,
}

impl PlatformTrust {
    fn new(refuses: bool) -> Arc<Self> {
        Arc::new(Self { refuses, asked: Mutex::default() })
    }
}

impl ServerTrust for PlatformTrust {
    fn verify(&self, chain: Vec<Vec<u8>>, host: &str) -> larder_core::Result<()> {
        self.asked.lock().unwrap().push((chain.len(), host.to_owned()));
        if self.refuses { Err(Error::new(Code::DelegateFailed, "not today")) } else { Ok(()) }
    }

    fn check_cleartext(&self, host: &str) -> larder_core::Result<()> {
        self.asked.lock().unwrap().push((0, host.to_owned()));
        if self.refuses { Err(Error::new(Code::UrlInvalid, "no plain http")) } else { Ok(()) }
    }
}

#[test]
fn plain_http_is_sent_only_where_the_platform_permits_it() {
    let port = answering(ok("hello"));
    for (host, asked) in [("127.0.0.1", "127.0.0.1"), ("[::1]", "::1")] {
        let strict = PlatformTrust::new(true);
        let client = client(ClientSettings { trust: Trust::Asking(Arc::clone(&strict) as _), ..trusting() });
        let error = client.send(get(format!("http://{host}:{port}/"))).unwrap_err();
        assert_eq!(error.code(), Code::UrlInvalid, "{}", whole_text(&error));
        assert_eq!(*strict.asked.lock().unwrap(), [(0, asked.to_owned())]);
    }
    let client = client(ClientSettings { trust: Trust::Asking(PlatformTrust::new(false)), ..trusting() });
    assert_eq!(client.send(get(format!("http://127.0.0.1:{port}/"))).unwrap().body, b"hello");
}

#[test]
fn a_private_authority_is_trusted_if_the_app_says_so() {
    let port = answering_securely(LOCALHOST, ok("hello"));
    for trust in [Trust::ExtraRootsOnly, Trust::Platform, Trust::Asking(PlatformTrust::new(true))] {
        let client = client(ClientSettings { trust: trust.clone(), ..trusting() });
        for host in ["localhost", "127.0.0.1"] {
            let response = client.send(get(format!("https://{host}:{port}/"))).unwrap();
            assert_eq!(response.body, b"hello", "{trust:?} {host}");
        }
    }
}

#[test]
fn a_platform_that_is_asked_decides_and_is_told_the_host() {
    let port = answering_securely(LOCALHOST, ok("hello"));
    let friendly = PlatformTrust::new(false);
    let trust = Trust::Asking(Arc::clone(&friendly) as _);
    let response = client(ClientSettings { trust, ..trusting_nobody() });
    assert_eq!(response.send(get(format!("https://localhost:{port}/"))).unwrap().body, b"hello");
    assert_eq!(*friendly.asked.lock().unwrap(), [(1, "localhost".to_owned())]);

    let trust = Trust::Asking(PlatformTrust::new(true));
    let error = client(ClientSettings { trust, ..trusting_nobody() });
    let error = error.send(get(format!("https://localhost:{port}/"))).unwrap_err();
    assert_eq!(error.code(), Code::Tls, "{}", whole_text(&error));
}

#[test]
fn a_name_that_is_not_the_servers_is_refused_before_the_platform_is_asked() {
    let port = answering_securely(OTHER, ok("hello"));
    let friendly = PlatformTrust::new(false);
    let client = client(ClientSettings { trust: Trust::Asking(Arc::clone(&friendly) as _), ..trusting_nobody() });
    let error = client.send(get(format!("https://localhost:{port}/"))).unwrap_err();
    assert_eq!(error.code(), Code::Tls, "{}", whole_text(&error));
    assert!(friendly.asked.lock().unwrap().is_empty());
}

#[test]
fn a_server_without_the_key_of_its_certificate_is_refused_whoever_trusts_the_chain() {
    let port = answering_securely((LOCALHOST.0, OTHER.1), ok("hello"));
    let client = client(ClientSettings { trust: Trust::Asking(PlatformTrust::new(false)), ..trusting_nobody() });
    assert!(client.send(get(format!("https://localhost:{port}/"))).is_err());
}

#[test]
fn a_certificate_that_is_not_trusted_is_a_tls_error() {
    let unknown = answering_securely(LOCALHOST, ok("hello"));
    let wrong_host = answering_securely(OTHER, ok("hello"));
    for (settings, port) in [
        (trusting_nobody(), unknown),
        (ClientSettings::default(), unknown),
        (trusting(), wrong_host),
        (ClientSettings { trust: Trust::Platform, ..trusting() }, wrong_host),
    ] {
        let error = client(settings).send(get(format!("https://localhost:{port}/marker?marker"))).unwrap_err();
        assert_eq!(error.code(), Code::Tls, "{}", whole_text(&error));
        assert!(!whole_text(&error).contains("marker"), "{}", whole_text(&error));
    }
}

#[test]
fn a_server_that_speaks_no_tls_is_a_tls_error() {
    let port = serve(|mut stream| {
        let _ = stream.write_all(&ok("hello"));
        read_head(&mut stream);
    });
    let error = client(trusting_nobody()).send(get(format!("https://localhost:{port}/"))).unwrap_err();
    assert_eq!(error.code(), Code::Tls, "{}", whole_text(&error));
}

#[test]
fn a_server_that_hangs_up_during_the_handshake_is_a_network_error() {
    let port = serve(drop);
    let error = client(trusting_nobody()).send(get(format!("https://localhost:{port}/"))).unwrap_err();
    assert_eq!(error.code(), Code::Network, "{}", whole_text(&error));
}

#[test]
fn an_extra_root_that_is_no_certificate_is_refused() {
    for trust in [Trust::ExtraRootsOnly, Trust::Platform] {
        let extra_roots = vec![b"not a certificate".to_vec()];
        let settings = ClientSettings { trust, extra_roots, ..trusting_nobody() };
        assert!(ReqwestClient::new(&settings, runtime()).is_err(), "{:?}", settings.trust);
    }
}

#[test]
fn nothing_follows_from_https_to_http() {
    let kit = Testkit::start(Options::default()).unwrap();
    let target = kit.url("/widevine/license");
    let port = answering_securely(
        LOCALHOST,
        format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n"),
    );
    let network = Network::new(Arc::new(client(trusting())), policy());
    let request = outbound(format!("https://localhost:{port}/license"));
    let error = network.send(&request, &Cancellation::new(), &Unwatched).unwrap_err();
    assert_eq!(error.code(), Code::Redirect);
    assert!(error.message().contains("https to http"), "{error}");
    assert_eq!(kit.counts().requests, 0);
}

#[test]
fn another_origin_gets_the_challenge_and_no_credentials() {
    let kit = Testkit::start(Options::default()).unwrap();
    let target = kit.url("/elsewhere");
    let port = answering(format!("HTTP/1.1 307 x\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n"));
    let network = Network::new(Arc::new(client(trusting_nobody())), policy());
    let request = outbound(format!("http://127.0.0.1:{port}/license"));
    network.send(&request, &Cancellation::new(), &Unwatched).unwrap();
    let seen = &kit.requests()[0];
    assert_eq!((seen.method.as_str(), seen.body.as_slice()), ("POST", &b"challenge"[..]));
    assert_eq!(seen.header("authorization"), None);
}

// --- limits --------------------------------------------------------------------------------------------------------

#[test]
fn a_long_answer_is_cut_off_whether_it_says_so_or_not() {
    let long = "x".repeat(100_001);
    let chunked =
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{long}\r\n0\r\n\r\n", long.len());
    let endless = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{long}");
    for answer in [ok(&long), chunked.into_bytes(), endless.into_bytes()] {
        let port = answering(answer);
        let error = client(trusting_nobody()).send(get(format!("http://127.0.0.1:{port}/"))).unwrap_err();
        assert_eq!(error.code(), Code::ResponseTooLarge, "{}", whole_text(&error));
    }
    let port = answering(ok(&"x".repeat(100_000)));
    assert!(client(trusting_nobody()).send(get(format!("http://127.0.0.1:{port}/"))).is_ok());
}

fn gzipped(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn ok_gzipped(packed: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", packed.len());
    [head.as_bytes(), packed].concat()
}

#[test]
fn a_compressed_answer_is_unpacked_within_the_same_limit() {
    let send = |packed: &[u8]| {
        let port = answering(ok_gzipped(packed));
        client(trusting_nobody()).send(get(format!("http://127.0.0.1:{port}/")))
    };
    assert_eq!(send(&gzipped(b"license")).unwrap().body, b"license");
    let bomb = gzipped(&vec![0; 64 * 1024 * 1024]);
    assert!(bomb.len() < 100_000, "small on the wire");
    assert_eq!(send(&bomb).unwrap_err().code(), Code::ResponseTooLarge);
    let packed = gzipped(&b"license".repeat(1000));
    assert_eq!(send(&packed[..packed.len() / 2]).unwrap_err().code(), Code::Network);
    assert_eq!(send(b"not gzip at all").unwrap_err().code(), Code::Network);
}

#[test]
fn endless_headers_are_no_answer() {
    let endless = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X-Header: value\r\n".repeat(100_000));
    let port = answering(endless);
    let error = client(trusting_nobody()).send(get(format!("http://127.0.0.1:{port}/"))).unwrap_err();
    assert_eq!(error.code(), Code::Network, "{}", whole_text(&error));
}

#[test]
fn a_connection_that_is_accepted_and_closed_is_a_network_error() {
    let port = serve(drop);
    let error = client(trusting_nobody()).send(get(format!("http://127.0.0.1:{port}/"))).unwrap_err();
    assert_eq!(error.code(), Code::Network, "{}", whole_text(&error));
}

#[test]
fn a_malformed_request_is_refused_and_not_quoted() {
    let marked = |change: fn(&mut HttpRequest)| {
        let mut request = get("http://127.0.0.1:9/");
        change(&mut request);
        client(trusting_nobody()).send(request).unwrap_err()
    };
    for error in [
        marked(|request| request.url = "marker".to_owned()),
        marked(|request| request.headers.push(("marker marker".to_owned(), "x".to_owned()))),
        marked(|request| request.headers.push(("X-Ok".to_owned(), "marker\r\nmarker".to_owned()))),
        marked(|request| request.method = "mar ker"),
    ] {
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(!whole_text(&error).contains("mar"), "{}", whole_text(&error));
    }
}

// --- threads -------------------------------------------------------------------------------------------------------

#[test]
fn a_client_may_be_called_from_a_worker_of_the_runtime() {
    let port = answering(ok("hello"));
    let client = client(trusting_nobody());
    let call = runtime().spawn(async move { client.send(get(format!("http://127.0.0.1:{port}/"))) });
    assert_eq!(runtime().block_on(call).unwrap().unwrap().body, b"hello");
}

#[test]
fn a_client_called_from_the_only_worker_ends_and_does_not_hang_or_panic() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = ReqwestClient::new(&trusting_nobody(), runtime.handle().clone()).unwrap();
    let started = Instant::now();
    let request = HttpRequest { timeout_ms: 200, ..get("http://127.0.0.1:9/") };
    let error = runtime.block_on(async move { client.send(request) }).unwrap_err();
    assert_eq!(error.code(), Code::Timeout);
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_runtime_that_has_ended_is_an_error() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let client = ReqwestClient::new(&trusting_nobody(), runtime.handle().clone()).unwrap();
    runtime.shutdown_background();
    let error = client.send(HttpRequest { timeout_ms: 500, ..get("http://127.0.0.1:9/") }).unwrap_err();
    assert!(matches!(error.code(), Code::Network | Code::Timeout), "{error}");
}

// --- server time, watching -----------------------------------------------------------------------------------------

#[test]
fn every_answer_tells_the_servers_clock_failures_too() {
    let kit = Testkit::start(Options::default()).unwrap();
    let ahead_ms = 400 * 24 * 3600 * 1000;
    kit.set_policy(Policy { clock_ahead_ms: ahead_ms, ..Policy::default() });
    let heard = Arc::new(Mutex::new(Vec::<ServerTime>::new()));
    let theirs = Arc::clone(&heard);
    let network = Network::new(Arc::new(client(trusting_nobody())), policy())
        .with_server_time(Arc::new(move |time| theirs.lock().unwrap().push(time)));
    for path in ["/nowhere", "/widevine/license"] {
        network.send(&outbound(kit.url(path)), &Cancellation::new(), &Unwatched).unwrap();
    }
    let heard = heard.lock().unwrap();
    assert_eq!(heard.len(), 2);
    #[expect(clippy::disallowed_methods, reason = "the server's clock is compared with the real one")]
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let ahead = heard[0].at_ms - i64::try_from(now.as_millis()).unwrap();
    assert!((ahead - ahead_ms).abs() < 60_000, "{ahead}");
    assert!(!heard[0].is_authentic, "plain http");
}

#[test]
fn a_watcher_sees_every_request_and_may_stop() {
    struct Stops(Mutex<Vec<Outcome>>, usize);
    impl Watch for Stops {
        fn before(&self) -> Result<()> {
            let seen = self.0.lock().unwrap().len();
            if seen < self.1 { Ok(()) } else { Err(larder_core::Error::new(Code::Closed, "enough")) }
        }
        fn after(&self, outcome: Outcome) {
            self.0.lock().unwrap().push(outcome);
        }
    }
    let kit = Testkit::start(Options::default()).unwrap();
    kit.add_fault(Rule::on("/", Action::Status { status: 503, retry_after_seconds: None }).times(1)).unwrap();
    kit.add_fault(Rule::on("/", Action::Reset).from_nth(2).times(1)).unwrap();
    let network = Network::new(Arc::new(client(trusting_nobody())), RetryPolicy { attempts: 9, ..policy() });
    let watch = Stops(Mutex::default(), 2);
    let error = network.send(&outbound(kit.url("/x")), &Cancellation::new(), &watch).unwrap_err();
    assert_eq!(error.code(), Code::Closed);
    assert_eq!(*watch.0.lock().unwrap(), [Outcome::Answered(503), Outcome::Unknown]);
    assert_eq!(network.requests_made(), 2);
}

// --- redaction -----------------------------------------------------------------------------------------------------

#[test]
fn debug_output_has_no_url_header_or_body() {
    let request = HttpRequest {
        headers: vec![("Authorization".to_owned(), "marker".to_owned())],
        body: b"marker".to_vec(),
        ..get("https://host/marker?marker")
    };
    let response = HttpResponse {
        status: 200,
        headers: vec![("set-cookie".to_owned(), "marker".to_owned())],
        body: b"marker".to_vec(),
    };
    let network = Network::new(Arc::new(client(trusting_nobody())), policy());
    let shown = format!("{request:?} {response:?} {:?} {network:?}", outbound("https://host/marker".to_owned()));
    assert!(!shown.contains("marker") && !shown.contains(&format!("{:?}", b"marker")), "{shown}");
}
