//! The origin over real sockets.

#![allow(clippy::unwrap_used, reason = "the lint knows test functions, not what they call")]

use std::io::{Read as _, Write as _};

use crate::client::{Client, connect, raw};
use larder_testkit::{Options, Testkit};

const BODY: &[u8] = b"0123456789abcdefghij";

fn kit() -> Testkit {
    let kit = Testkit::start(Options::default()).unwrap();
    kit.origin().put("/made/part.m4s", BODY);
    kit.origin().put("/made/list.m3u8", "#EXTM3U\n".repeat(500));
    kit
}

#[test]
fn a_file_comes_with_type_length_and_validators() {
    let kit = kit();
    let answer = Client::new().get(&kit.url("/made/part.m4s"));
    assert_eq!((answer.status, answer.body.as_slice()), (200, BODY));
    assert_eq!(answer.header("content-type"), Some("video/iso.segment"));
    assert_eq!(answer.header("content-length"), Some("20"));
    assert_eq!(answer.header("accept-ranges"), Some("bytes"));
    assert!(answer.header("etag").unwrap().starts_with('"'));
    assert!(answer.header("last-modified").unwrap().ends_with("GMT"));
    assert!(answer.header("date").unwrap().ends_with("GMT"));
    assert_eq!(Client::new().get(&kit.url("/made/other")).status, 404);
}

#[test]
fn head_says_what_get_would_and_sends_nothing() {
    let kit = kit();
    let answer = raw(&kit.base_url(), "HEAD /made/part.m4s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let text = String::from_utf8(answer).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    assert!(text.contains("Content-Length: 20\r\n") && text.ends_with("\r\n\r\n"), "{text}");
}

#[test]
fn ranges_give_the_bytes_asked_for() {
    let (kit, client) = (kit(), Client::new());
    let url = kit.url("/made/part.m4s");
    for (range, body, content_range) in [
        ("bytes=0-3", "0123", "bytes 0-3/20"),
        ("bytes=16-", "ghij", "bytes 16-19/20"),
        ("bytes=-2", "ij", "bytes 18-19/20"),
    ] {
        let answer = client.get_with(&url, &[("Range", range)]);
        assert_eq!((answer.status, answer.text().as_str()), (206, body));
        assert_eq!(answer.header("content-range"), Some(content_range));
    }
    let answer = client.get_with(&url, &[("Range", "bytes=20-")]);
    assert_eq!((answer.status, answer.header("content-range")), (416, Some("bytes */20")));
}

#[test]
fn if_range_of_another_version_gets_the_whole() {
    let (kit, client) = (kit(), Client::new());
    let url = kit.url("/made/part.m4s");
    let first = client.get(&url);
    let (etag, date) = (first.header("etag").unwrap(), first.header("last-modified").unwrap());
    for known in [etag, date] {
        assert_eq!(client.get_with(&url, &[("Range", "bytes=1-2"), ("If-Range", known)]).status, 206);
    }
    kit.origin().put("/made/part.m4s", &b"another version, longer"[..]);
    for known in [etag, date] {
        let answer = client.get_with(&url, &[("Range", "bytes=1-2"), ("If-Range", known)]);
        assert_eq!((answer.status, answer.text().as_str()), (200, "another version, longer"));
        assert_eq!(client.get_with(&url, &[("If-Match", etag)]).status, 412);
    }
}

#[test]
fn a_client_that_has_the_version_is_told_so() {
    let (kit, client) = (kit(), Client::new());
    let url = kit.url("/made/part.m4s");
    let first = client.get(&url);
    let (etag, date) = (first.header("etag").unwrap(), first.header("last-modified").unwrap());
    for (name, value) in [("If-None-Match", etag), ("If-None-Match", "*"), ("If-Modified-Since", date)] {
        let answer = client.get_with(&url, &[(name, value)]);
        assert_eq!((answer.status, answer.body.len()), (304, 0), "{name}");
        assert_eq!(answer.header("etag"), Some(etag));
    }
    assert_eq!(client.get_with(&url, &[("If-None-Match", "\"other\"")]).status, 200);
    // If-None-Match wins over a date that would say "unchanged" (RFC 9110, 13.2.2).
    let both = [("If-None-Match", "\"other\""), ("If-Modified-Since", date)];
    assert_eq!(client.get_with(&url, &both).status, 200);
}

#[test]
fn text_is_gzipped_for_a_client_that_says_so_and_segments_are_not() {
    let (kit, client) = (kit(), Client::new());
    let url = kit.url("/made/list.m3u8");
    let plain = client.get(&url);
    let packed = client.get_with(&url, &[("Accept-Encoding", "br, gzip")]);
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert_ne!(packed.header("etag"), plain.header("etag"));
    assert!(packed.body.len() < plain.body.len());
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(packed.body.as_slice()).read_to_end(&mut text).unwrap();
    assert_eq!(text, plain.body);
    for (path, accept) in [("/made/part.m4s", "gzip"), ("/made/list.m3u8", "gzip;q=0"), ("/made/list.m3u8", "br")] {
        let answer = client.get_with(&kit.url(path), &[("Accept-Encoding", accept)]);
        assert_eq!(answer.header("content-encoding"), None, "{path} {accept}");
    }
}

#[test]
fn redirects_lead_to_the_file_in_as_many_hops_as_asked() {
    let kit = kit();
    let url = kit.url("/redirect/307?to=/made/part.m4s&hops=3");
    let one = Client::new().get(&url);
    assert_eq!(one.status, 307);
    assert!(one.header("location").unwrap().contains("hops=2"));
    assert_eq!(Client::following().get(&url).body, BODY);
    assert_eq!(kit.counts().by_path["GET /redirect/307"], 4);
    assert_eq!(Client::new().get(&kit.url("/redirect/200?to=/x")).status, 400);
}

#[test]
fn one_connection_carries_many_requests() {
    let kit = kit();
    let mut stream = connect(&kit.base_url());
    for (at, last) in BODY.iter().enumerate().take(5) {
        write!(stream, "GET /made/part.m4s HTTP/1.1\r\nHost: x\r\nRange: bytes={at}-{at}\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(&[b'\r', b'\n', b'\r', b'\n', *last]) {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 206"));
    }
    let counts = kit.counts();
    assert_eq!((counts.connections, counts.requests), (1, 5));
    assert_eq!(kit.requests()[4].header("range"), Some("bytes=4-4"));
}

#[test]
fn a_folder_is_served_and_no_path_leads_out_of_it() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret.txt"), "secret").unwrap();
    let root = outside.path().join("media");
    std::fs::create_dir_all(root.join("film")).unwrap();
    std::fs::write(root.join("film/a b.mpd"), "<MPD/>").unwrap();
    std::os::unix::fs::symlink("../secret.txt", root.join("link.txt")).unwrap();
    let kit = Testkit::start(Options { media_root: Some(root), ..Options::default() }).unwrap();

    let answer = Client::new().get(&kit.url("/media/film/a%20b.mpd"));
    assert_eq!((answer.status, answer.text().as_str()), (200, "<MPD/>"));
    assert_eq!(answer.header("content-type"), Some("application/dash+xml"));
    for path in [
        "/media/../secret.txt",
        "/media/film/../../secret.txt",
        "/media/%2e%2e/secret.txt",
        "/media/..%2fsecret.txt",
        "/media/film%2f..%2f..%2fsecret.txt",
        "/media/link.txt",
        "/media/film",
        "/media/",
        "/media//film/a%20b.mpd",
        "/media/film/a%20b.mpd%00",
    ] {
        // A bare socket: reqwest would tidy the path up before it sends it.
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = raw(&kit.base_url(), &request);
        assert!(answer.starts_with(b"HTTP/1.1 404"), "{path}: {}", String::from_utf8_lossy(&answer));
    }
}

#[test]
fn a_large_file_arrives_whole() {
    let folder = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> = (0..3_000_001_u32).map(|i| (i % 251) as u8).collect();
    std::fs::write(folder.path().join("big.bin"), &bytes).unwrap();
    let kit = Testkit::start(Options { media_root: Some(folder.path().into()), ..Options::default() }).unwrap();
    assert_eq!(Client::new().get(&kit.url("/media/big.bin")).body, bytes);
    let answer = Client::new().get_with(&kit.url("/media/big.bin"), &[("Range", "bytes=1000000-2999999")]);
    assert_eq!(answer.body, bytes[1_000_000..3_000_000]);
}

#[test]
fn what_is_not_http_is_refused_and_closed() {
    let kit = kit();
    for (request, status) in [
        ("\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n".to_owned(), "400"),
        ("POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n".to_owned(), "400"),
        ("POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n".to_owned(), "413"),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffff\r\n".to_owned(), "413"),
        (format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(100_000)), "431"),
    ] {
        let answer = String::from_utf8_lossy(&raw(&kit.base_url(), &request)).into_owned();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
    assert_eq!(Client::new().post(&kit.url("/made/part.m4s"), "x").status, 405);
}
