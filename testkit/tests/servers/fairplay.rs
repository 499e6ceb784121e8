//! The FairPlay-like server: one SPC and one CKC in four envelopes.

#![allow(clippy::unwrap_used, reason = "the lint knows test functions, not what they call")]

use crate::client::{Answer, Client};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use larder_testkit::{Options, Policy, RequestKind, Testkit, certificate};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

struct Server {
    kit: Testkit,
    client: Client,
}

impl Server {
    fn new() -> Self {
        Self { kit: Testkit::start(Options::default()).unwrap(), client: Client::new() }
    }

    fn udrm(&self, spc: &[u8]) -> Value {
        let answer = self.client.post(&self.kit.url("/fairplay/udrm"), STANDARD.encode(spc));
        assert_eq!(answer.status, 200, "uDRM says everything with 200");
        answer.json()
    }
}

fn spc(more: Value) -> Vec<u8> {
    let mut message = json!({
        "op": "license",
        "content_id": "0_film",
        "certificate_sha256": format!("{:x}", Sha256::digest(certificate(1))),
        "persist": true,
    });
    message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    format!("SPC\x01{message}").into_bytes()
}

fn ckc(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes.strip_prefix(b"CKC\x01").unwrap()).unwrap()
}

fn decoded(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap()
}

#[test]
fn each_envelope_carries_the_same_exchange() {
    let server = Server::new();
    let bytes = spc(json!({}));
    let text = STANDARD.encode(&bytes);
    let post = |path: &str, body: Vec<u8>| -> Answer {
        let answer = server.client.post(&server.kit.url(path), body);
        assert_eq!(answer.status, 200);
        answer
    };

    let udrm = server.udrm(&bytes);
    assert_eq!(udrm["persistence_duration"], 2_592_000);
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("assetId", "0_film")
        .append_pair("spc", &text)
        .finish();
    let form = post("/fairplay/form", form.into()).text();
    let form = form.strip_prefix("<ckc>").and_then(|rest| rest.strip_suffix("</ckc>")).unwrap();
    let answers = [
        decoded(udrm["ckc"].as_str().unwrap()),
        decoded(form),
        post("/fairplay/plain", bytes).body,
        decoded(&post("/fairplay/base64", text.into()).text()),
    ];
    for (at, answer) in answers.iter().enumerate() {
        let ckc = ckc(answer);
        assert_eq!(ckc["content_id"], "0_film");
        assert_eq!((&ckc["storage_seconds"], &ckc["playback_seconds"]), (&json!(2_592_000), &json!(172_800)));
        assert_eq!(ckc["license_id"], server.kit.book().licenses[at].license_id.as_str());
    }
    assert_eq!(server.kit.counts().of(RequestKind::License), 4);
    assert_eq!(server.kit.book().licenses[0].asset.as_deref(), Some("0_film"));
}

#[test]
fn the_certificate_is_served_and_an_spc_for_another_is_refused() {
    let server = Server::new();
    let served = server.client.get(&server.kit.url("/fairplay/certificate"));
    assert_eq!((served.status, &served.body), (200, &certificate(1)));
    assert_eq!(served.header("content-type"), Some("application/x-x509-ca-cert"));
    // DER: a SEQUENCE whose length is that of the rest.
    assert_eq!(served.body[..2], [0x30, 0x82]);
    assert_eq!(usize::from(u16::from_be_bytes([served.body[2], served.body[3]])), served.body.len() - 4);

    server.kit.set_policy(Policy { certificate: 2, ..Policy::default() });
    assert_ne!(server.client.get(&server.kit.url("/fairplay/certificate")).body, served.body);
    let answer = server.udrm(&spc(json!({})));
    assert!(answer["message"].as_str().unwrap().contains("certificate"), "{answer}");
    assert_eq!(answer.get("ckc"), None);
    assert_eq!(server.client.post(&server.kit.url("/fairplay/plain"), spc(json!({}))).status, 400);
    assert_eq!(server.kit.book().licenses.len(), 0);
    assert_eq!(server.kit.counts().of(RequestKind::Certificate), 2);
}

#[test]
fn a_key_for_streaming_has_no_persistence_duration() {
    let server = Server::new();
    assert_eq!(server.udrm(&spc(json!({ "persist": false }))).get("persistence_duration"), None);
    server.kit.set_policy(Policy { persist: false, ..Policy::default() });
    let denied = server.udrm(&spc(json!({})));
    assert_eq!(denied.get("persistence_duration"), None);
    assert_eq!(ckc(&decoded(denied["ckc"].as_str().unwrap()))["persist"], false);
    assert_eq!(server.kit.book().live, 0);
}

#[test]
fn renewal_and_release_go_by_the_license_id() {
    let server = Server::new();
    let open = |answer: Value| ckc(&decoded(answer["ckc"].as_str().unwrap()));
    let held = open(server.udrm(&spc(json!({}))))["license_id"].clone();
    assert_eq!(open(server.udrm(&spc(json!({ "license_id": held }))))["license_id"], held);
    assert_eq!(server.kit.counts().of(RequestKind::Renewal), 1);
    let release = spc(json!({ "op": "release", "license_id": held }));
    assert_eq!(open(server.udrm(&release))["released"], true);
    assert_eq!(server.kit.book().live, 0);
    assert!(server.udrm(&spc(json!({ "op": "release" })))["message"].is_string());
    assert!(server.udrm(&spc(json!({ "license_id": held })))["message"].as_str().unwrap().contains("released"));
}

#[test]
fn what_is_not_an_spc_is_refused_in_the_envelopes_own_way() {
    let server = Server::new();
    for body in ["", "????", "SPC\x01{}", &STANDARD.encode("SPC\x01"), &STANDARD.encode("ABCD{}")] {
        let answer = server.client.post(&server.kit.url("/fairplay/udrm"), body);
        assert_eq!(answer.status, 200);
        assert!(answer.json()["message"].is_string(), "{body}");
        for path in ["/fairplay/plain", "/fairplay/base64", "/fairplay/form"] {
            assert_eq!(server.client.post(&server.kit.url(path), body).status, 400, "{path} {body}");
        }
    }
    assert!(server.udrm(&spc(json!({ "content_id": "" })))["message"].is_string());
}
