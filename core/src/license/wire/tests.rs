//! Tables of requests and responses, with the expected packing, answer or error.

use super::*;
use crate::error::Code;

const HTML: &[u8] = b"<!DOCTYPE html>\n<html><body>Welcome to our Wi-Fi</body></html>";
/// The beginning of a Widevine license: field 1, then length-delimited fields.
const LICENSE: &[u8] = b"\x08\x02\x12\x10\x0a\x04key!\xff\xfe";

fn reply<'a>(kind: ExchangeKind, content_type: &'a str, body: &[u8]) -> Reply<'a> {
    let content_type = (!content_type.is_empty()).then_some(content_type);
    Reply { kind, content_type, body: body.to_vec(), sent: &["Bearer opensesame"] }
}

fn license(format: Format, content_type: &str, body: &[u8]) -> Result<ExchangeAnswer> {
    unpack(format, reply(ExchangeKind::License, content_type, body))
}

fn code(result: Result<ExchangeAnswer>) -> Code {
    result.unwrap_err().code()
}

#[test]
fn the_standard_format_depends_on_the_scheme() {
    use DrmScheme::{ClearKey, FairPlay, PlayReady, Widevine};
    for (scheme, wire, format) in [
        (Widevine, LicenseWire::Standard, Format::Raw),
        (PlayReady, LicenseWire::Standard, Format::Soap),
        (FairPlay, LicenseWire::Standard, Format::Udrm),
        (ClearKey, LicenseWire::Standard, Format::ClearKey),
        (FairPlay, LicenseWire::Raw, Format::Raw),
        (FairPlay, LicenseWire::Form, Format::Form),
        (Widevine, LicenseWire::Base64, Format::Base64),
        (FairPlay, LicenseWire::Udrm, Format::Udrm),
    ] {
        assert_eq!(Format::of(scheme, wire), format, "{scheme} {wire:?}");
    }
}

#[test]
fn a_message_is_packed_in_the_format_of_its_server() {
    let spc = b"spc\xfb\xff+";
    for (format, content_type, body) in [
        (Format::Raw, "application/octet-stream", &spc[..]),
        (Format::Soap, "text/xml; charset=utf-8", &spc[..]),
        (Format::Base64, "application/octet-stream", b"c3Bj+/8r"),
        (Format::Udrm, "application/octet-stream", b"c3Bj+/8r"),
        (Format::Form, "application/x-www-form-urlencoded", b"spc=c3Bj%2B%2F8r&assetId=a+title%26more"),
        (Format::ClearKey, "application/json", &spc[..]),
    ] {
        let packed = pack(format, spc, Some("a title&more"));
        assert_eq!(packed.body, body, "{format:?}");
        assert!(packed.headers.contains(&("Content-Type", content_type)), "{format:?}");
    }
}

#[test]
fn a_binary_license_passes_unchanged_with_any_content_type() {
    for content_type in ["application/octet-stream", "", "text/html", "application/json", "video/mp4"] {
        assert_eq!(license(Format::Raw, content_type, LICENSE).unwrap().body, LICENSE, "{content_type}");
    }
}

#[test]
fn each_kind_of_response_that_is_not_a_license_has_its_code() {
    let json = "application/json";
    for (format, content_type, body, expected) in [
        (Format::Raw, "", &b""[..], Code::LicenseEmpty),
        (Format::Raw, "", b" \r\n", Code::LicenseEmpty),
        (Format::Udrm, json, b"", Code::LicenseEmpty),
        (Format::ClearKey, json, b"", Code::LicenseEmpty),
        (Format::Raw, "text/html", HTML, Code::LicenseNotALicense),
        (Format::Raw, "application/octet-stream", HTML, Code::LicenseNotALicense),
        (Format::Raw, "", b"\xef\xbb\xbf  <HTML>", Code::LicenseNotALicense),
        (Format::Raw, "text/plain", b"no such page", Code::LicenseNotALicense),
        (Format::Raw, "", b"<?xml version=\"1.0\"?><error/>", Code::LicenseNotALicense),
        (Format::Raw, json, b"{}", Code::LicenseNotALicense),
        (Format::Raw, json, b"[1]", Code::LicenseNotALicense),
        (Format::Raw, json, br#"{"message":"no"}"#, Code::LicenseDenied),
        (Format::Soap, "text/html", HTML, Code::LicenseNotALicense),
        (Format::Soap, "text/xml", b"<soap:Envelope><soap:Fault>x</soap:Fault></soap:Envelope>", Code::LicenseDenied),
        (Format::Base64, "text/html", HTML, Code::LicenseNotALicense),
        (Format::Base64, "", b"this is not it", Code::LicenseNotALicense),
        (Format::Base64, "", b"\x01\x02\x03", Code::LicenseMalformed),
        (Format::Base64, json, br#"{"error":"no"}"#, Code::LicenseDenied),
        (Format::Form, "", b"<ckc>!!!</ckc>", Code::LicenseMalformed),
        (Format::Form, "", b"<ckc></ckc>", Code::LicenseMalformed),
        (Format::Udrm, "text/html", HTML, Code::LicenseNotALicense),
        (Format::Udrm, json, HTML, Code::LicenseNotALicense),
        (Format::Udrm, "text/html", b"please log in", Code::LicenseNotALicense),
        (Format::Udrm, json, b"please log in", Code::LicenseMalformed),
        (Format::Udrm, json, br#"{"ckc":"#, Code::LicenseMalformed),
        (Format::Udrm, json, b"[]", Code::LicenseMalformed),
        (Format::Udrm, json, b"null", Code::LicenseMalformed),
        (Format::Udrm, json, b"{}", Code::LicenseMalformed),
        (Format::Udrm, json, br#"{"ckc":""}"#, Code::LicenseMalformed),
        (Format::Udrm, json, br#"{"ckc":null}"#, Code::LicenseMalformed),
        (Format::Udrm, json, br#"{"ckc":7}"#, Code::LicenseMalformed),
        (Format::Udrm, json, br#"{"ckc":"%%%"}"#, Code::LicenseMalformed),
        (Format::Udrm, json, br#"{"ckc":"QUJD","persistence_duration":{}}"#, Code::LicenseMalformed),
        (Format::Udrm, json, br#"{"message":"not entitled"}"#, Code::LicenseDenied),
        (Format::Udrm, json, br#"{"error":{"message":"not entitled"}}"#, Code::LicenseDenied),
        (Format::Udrm, json, br#"{"error":{"code":4032}}"#, Code::LicenseDenied),
        (Format::ClearKey, "text/html", HTML, Code::LicenseNotALicense),
        (Format::ClearKey, json, b"{", Code::LicenseMalformed),
        (Format::ClearKey, json, br#"{"kids":[]}"#, Code::LicenseMalformed),
        (Format::ClearKey, json, br#"{"keys":"no"}"#, Code::LicenseMalformed),
        (Format::ClearKey, json, br#"{"error":"no"}"#, Code::LicenseDenied),
    ] {
        let shown = String::from_utf8_lossy(body);
        assert_eq!(code(license(format, content_type, body)), expected, "{format:?} {content_type} {shown}");
    }
}

#[test]
fn deeply_nested_json_is_malformed_and_does_not_crash() {
    for format in [Format::Udrm, Format::ClearKey] {
        assert_eq!(code(license(format, "application/json", &b"[".repeat(500_000))), Code::LicenseMalformed);
        assert_eq!(code(license(format, "application/json", &br#"{"ckc":"#.repeat(100_000))), Code::LicenseMalformed);
    }
}

#[test]
fn every_prefix_of_a_response_is_an_answer_or_an_error() {
    let answers = [
        (Format::Udrm, &br#"{"ckc":"QUJDREVG","persistence_duration":60,"x":[1]}"#[..]),
        (Format::Form, b"<ckc>QUJDREVG</ckc>"),
        (Format::ClearKey, br#"{"keys":[{"kty":"oct","kid":"AQ","k":"AQ"}],"type":"persistent-license"}"#),
        (Format::Raw, LICENSE),
    ];
    for (format, whole) in answers {
        assert!(license(format, "", whole).is_ok());
        for length in 0..whole.len() {
            let result = license(format, "", &whole[..length]);
            if matches!(format, Format::Udrm | Format::ClearKey) {
                assert!(result.is_err(), "{format:?} {length}");
            }
        }
    }
}

#[test]
fn base64_is_read_with_and_without_padding_line_breaks_and_tag() {
    for body in
        ["QUJD/w==", "QUJD/w", "QUJD_w", "QUJD\r\n/w==\n", " QUJD/w== ", "<ckc>QUJD/w==</ckc>", "<CKC>QUJD/w</CKC>"]
    {
        for format in [Format::Base64, Format::Form] {
            assert_eq!(license(format, "text/html", body.as_bytes()).unwrap().body, b"ABC\xff", "{body}");
        }
    }
}

#[test]
fn udrm_persistence_duration_is_read_as_number_or_text() {
    for (member, expected) in [
        ("", None),
        (r#","persistence_duration":null"#, None),
        (r#","persistence_duration":604800"#, Some(604_800)),
        (r#","persistence_duration":"604800""#, Some(604_800)),
        (r#","persistence_duration":3600.9"#, Some(3600)),
        (r#","persistence_duration":0"#, Some(0)),
        (r#","persistence_duration":-1"#, Some(0)),
        (r#","persistence_duration":1e300"#, Some(u64::MAX)),
    ] {
        let body = format!(r#"{{"ckc":"QUJD"{member}}}"#);
        let answer = license(Format::Udrm, "application/json", body.as_bytes()).unwrap();
        assert_eq!((answer.body.as_slice(), answer.persistence_duration_seconds), (&b"ABC"[..], expected), "{body}");
    }
}

#[test]
fn a_release_is_confirmed_by_an_empty_body_but_not_by_a_web_page() {
    let release = |format, body: &[u8]| unpack(format, reply(ExchangeKind::Release, "text/html", body));
    for format in [Format::Raw, Format::Soap, Format::Base64, Format::Form, Format::Udrm] {
        assert!(release(format, b"").is_ok(), "{format:?}");
        assert_eq!(code(release(format, HTML)), Code::LicenseNotALicense, "{format:?}");
    }
    assert!(release(Format::Udrm, b"{}").is_ok());
    assert_eq!(code(release(Format::ClearKey, b"")), Code::LicenseEmpty);
    assert_eq!(code(release(Format::ClearKey, HTML)), Code::LicenseNotALicense);
    assert!(release(Format::ClearKey, br#"{"kids":["AQ"]}"#).is_ok());
    assert_eq!(code(release(Format::ClearKey, br#"{"keys":[]}"#)), Code::LicenseMalformed);
}

#[test]
fn a_refusal_is_quoted_without_the_secrets_of_the_request() {
    for (format, body) in [
        (Format::Udrm, r#"{"message":"token opensesame of abc-123-def is not entitled"}"#),
        (Format::ClearKey, r#"{"error":"token opensesame of abc-123-def is not entitled"}"#),
        (Format::Raw, r#"{"error":{"message":"token opensesame of abc-123-def is not entitled"}}"#),
    ] {
        let error = license(format, "application/json", body.as_bytes()).unwrap_err();
        assert_eq!(
            error.message(),
            r#"the license server refused the license: "token … of … is not entitled""#,
            "{format:?}"
        );
    }
}

#[test]
fn a_provisioning_response_is_opaque_but_neither_empty_nor_a_web_page() {
    let provisioning = |body: &[u8]| unpack_provisioning(reply(ExchangeKind::Provisioning, "text/html", body));
    assert_eq!(provisioning(br#"{"signedResponse":"x"}"#).unwrap().body, br#"{"signedResponse":"x"}"#);
    assert_eq!(provisioning(b"WVP1 text").unwrap().body, b"WVP1 text");
    assert_eq!(code(provisioning(b"")), Code::LicenseEmpty);
    assert_eq!(code(provisioning(HTML)), Code::LicenseNotALicense);
}

#[test]
fn a_provisioning_message_is_added_to_the_query_of_the_url() {
    for (url, message, expected) in [
        ("https://host/provision?key=k", "abc-_=", "https://host/provision?key=k&signedRequest=abc-_="),
        ("https://host/provision", "abc", "https://host/provision?signedRequest=abc"),
        ("https://host/provision?", "abc", "https://host/provision?signedRequest=abc"),
        ("https://host/provision?a=b&", "abc", "https://host/provision?a=b&signedRequest=abc"),
        ("https://host/provision#top", "abc", "https://host/provision?signedRequest=abc"),
        ("https://host/p?k=k", "a%2Bb c&d#e\n", "https://host/p?k=k&signedRequest=a%2Bb%20c%26d%23e%0A"),
    ] {
        assert_eq!(provisioning_url(url, message.as_bytes()), expected);
    }
}

#[test]
fn a_certificate_is_read_in_der_base64_and_pem() {
    let der = [&[0x30, 0x82, 0x01, 0x00][..], &[7; 256]].concat();
    let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &der);
    let lines = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect::<Vec<_>>();
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"));
    let read = |body: &[u8]| fairplay::unpack_certificate(reply(ExchangeKind::Certificate, "", body));
    for body in [
        &der[..],
        text.as_bytes(),
        pem.as_bytes(),
        &[0x30, 0x03, 1, 2, 3],
        &[&[0x30, 0x81, 0x80][..], &[1; 128]].concat(),
    ] {
        assert!(read(body).is_ok(), "{}", String::from_utf8_lossy(body));
    }
    assert_eq!(read(pem.as_bytes()).unwrap(), der);
    let cut = &der[..der.len() - 1];
    for body in [&b""[..], b"hello", b"QUJD", cut, &[0x30], &[0x30, 0x00], &[0x30, 0x82, 0x01], br#"{"error":"no"}"#] {
        assert_eq!(read(body).unwrap_err().code(), Code::CertificateMissing, "{}", String::from_utf8_lossy(body));
    }
    assert_eq!(read(HTML).unwrap_err().code(), Code::LicenseNotALicense);
}

#[test]
fn the_content_id_is_read_from_a_fairplay_key_uri() {
    for (uri, expected) in [
        ("skd://asset-1", Some("asset-1")),
        ("SKD://asset-1/", Some("asset-1")),
        ("skd://drmtoday?assetId=a%20b&variantId=x", Some("a b")),
        ("skd://host/path?x=y", Some("host/path?x=y")),
        ("skd://", None),
        ("https://host/", None),
        ("", None),
    ] {
        assert_eq!(fairplay::content_id(uri.as_bytes()).as_deref(), expected, "{uri}");
    }
    assert_eq!(fairplay::content_id(b"skd://\xff"), None);
    assert_eq!(fairplay::content_id("skd:/\u{fc}x".as_bytes()), None);
}

proptest::proptest! {
    #[test]
    fn no_response_makes_a_wire_format_panic(
        body in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
        start in proptest::sample::select(vec![&b""[..], b"{", b"{\"ckc\":\"", b"<ckc>", b"{\"keys\":[", b"\x30\x82"]),
        content_type in proptest::sample::select(vec!["", "text/html", "application/json"]),
    ) {
        let body = [start, &body].concat();
        for format in [Format::Raw, Format::Soap, Format::Base64, Format::Form, Format::Udrm, Format::ClearKey] {
            for kind in [ExchangeKind::License, ExchangeKind::Release] {
                if let Ok(answer) = unpack(format, reply(kind, content_type, &body)) {
                    proptest::prop_assert!(answer.body.len() <= body.len());
                }
            }
        }
        let _ = unpack_provisioning(reply(ExchangeKind::Provisioning, content_type, &body));
        let _ = fairplay::unpack_certificate(reply(ExchangeKind::Certificate, content_type, &body));
        let _ = fairplay::content_id(&body);
        let _ = refusal(&body, &["sent"]);
    }

    #[test]
    fn a_url_is_refused_or_has_an_http_scheme_and_a_host_and_no_credentials(text in "(http|https|file|skd)?:?/{0,3}[a-z@:0-9.\\[\\] ?#%/\\\\-]{0,40}") {
        if let Ok(url) = crate::net::check_url("URL", &text) {
            proptest::prop_assert!(matches!(url.scheme(), "http" | "https"));
            proptest::prop_assert!(url.host_str().is_some_and(|host| !host.is_empty()));
            proptest::prop_assert!(url.username().is_empty() && url.password().is_none());
        }
    }
}
