//! Start, stop, start again on the same port.

#![allow(clippy::unwrap_used, reason = "the lint knows test functions, not what they call")]

mod client;

use std::io::{ErrorKind, Read as _};
use std::net::TcpStream;

use client::{Client, connect};
use larder_testkit::{Options, Testkit};
use reqwest::Method;

#[test]
fn stopped_servers_refuse_and_resumed_ones_answer_at_the_same_url() {
    let kit = Testkit::start(Options::default()).unwrap();
    kit.origin().put("/film.mpd", "<MPD/>");
    let (client, url) = (Client::new(), kit.url("/film.mpd"));
    for _ in 0..5 {
        assert_eq!(client.get(&url).status, 200);
        kit.stop().unwrap();
        kit.stop().unwrap();
        let error = client.try_send(Method::GET, &url, &[], "").unwrap_err();
        assert!(error.is_connect(), "{error:?}");
        kit.resume().unwrap();
        kit.resume().unwrap();
    }
    assert_eq!(client.get(&url).status, 200);
    assert_eq!(kit.url("/film.mpd"), url);
}

#[test]
fn stopping_breaks_open_connections_off() {
    let kit = Testkit::start(Options::default()).unwrap();
    let mut idle = connect(&kit.base_url());
    Client::new().get(&kit.url("/x"));
    kit.stop().unwrap();
    assert!(matches!(idle.read(&mut [0]), Ok(0) | Err(_)));
}

#[test]
fn a_dropped_testkit_frees_its_port_for_the_next() {
    let kit = Testkit::start(Options::default()).unwrap();
    let url = kit.base_url();
    let port = url.rsplit(':').next().unwrap().parse().unwrap();
    Client::new().get(&url);
    drop(kit);
    assert!(TcpStream::connect(url.trim_start_matches("http://")).is_err());
    let again = Testkit::start(Options { port, ..Options::default() }).unwrap();
    assert_eq!(again.base_url(), url);
    assert_eq!(Client::new().get(&url).status, 404);
}

#[test]
fn a_taken_port_is_an_error() {
    let kit = Testkit::start(Options::default()).unwrap();
    let port = kit.base_url().rsplit(':').next().unwrap().parse().unwrap();
    assert_eq!(Testkit::start(Options { port, ..Options::default() }).unwrap_err().kind(), ErrorKind::AddrInUse);
}

#[test]
fn it_starts_stops_and_drops_inside_an_async_test() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let kit = Testkit::start(Options::default()).unwrap();
        kit.stop().unwrap();
        kit.resume().unwrap();
        assert!(tokio::net::TcpStream::connect(kit.base_url().trim_start_matches("http://")).await.is_ok());
    });
}
