//! The Widevine-like server: raw bytes both ways, provisioning by URL.

#![allow(clippy::unwrap_used, reason = "the lint knows test functions, not what they call")]

use crate::client::{Answer, Client};
use larder_core::model::KeyId;
use larder_testkit::{Options, Policy, RequestKind, Scheme, Testkit};
use serde_json::{Value, json};

const KID: &str = "000102030405060708090a0b0c0d0e0f";

struct Server {
    kit: Testkit,
    client: Client,
}

impl Server {
    fn new() -> Self {
        Self { kit: Testkit::start(Options::default()).unwrap(), client: Client::new() }
    }

    fn post(&self, message: &Value) -> Answer {
        self.client.post(&self.kit.url("/widevine/license?asset=film"), format!("WVC\x01{message}"))
    }
}

fn opened(answer: &Answer, magic: &str) -> Value {
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
    let text = answer.text();
    serde_json::from_str(text.strip_prefix(magic).unwrap()).unwrap()
}

#[test]
fn a_device_is_provisioned_by_url_and_an_unprovisioned_one_is_refused() {
    let server = Server::new();
    let message = |device: &str| json!({ "op": "license", "kids": [KID], "device": device, "nonce": 7 });
    assert_eq!(server.post(&message("")).status, 400);

    let answer = server.client.post(&server.kit.url("/widevine/provision?signedRequest=abc"), "");
    let device = opened(&answer, "WVP\x01")["device"].as_str().unwrap().to_owned();
    assert_eq!(server.client.post(&server.kit.url("/widevine/provision"), "").status, 400);

    let license = opened(&server.post(&message(&device)), "WVL\x01");
    assert_eq!((&license["kids"], &license["nonce"]), (&json!([KID]), &json!(7)));
    assert_eq!((&license["persist"], &license["renewable"]), (&json!(true), &json!(true)));
    assert_eq!((&license["duration_seconds"], &license["playback_seconds"]), (&json!(2_592_000), &json!(172_800)));

    let entry = &server.kit.book().licenses[0];
    assert_eq!((entry.scheme, entry.asset.as_deref()), (Scheme::Widevine, Some("film")));
    assert_eq!((entry.device.as_deref(), entry.key_ids[0]), (Some(device.as_str()), KeyId::parse(KID).unwrap()));
    assert_eq!(server.kit.counts().of(RequestKind::Provisioning), 2);
}

#[test]
fn renewal_and_release_go_by_the_license_id() {
    let server = Server::new();
    let ask = |op: &str, held: Option<&Value>| {
        server.post(&json!({ "op": op, "kids": [KID], "license_id": held, "device": "d", "nonce": 1 }))
    };
    let held = opened(&ask("license", None), "WVL\x01")["license_id"].clone();
    assert_eq!(opened(&ask("renewal", Some(&held)), "WVL\x01")["license_id"], held);
    server.kit.set_policy(Policy { renew_in_place: false, ..Policy::default() });
    let successor = opened(&ask("renewal", Some(&held)), "WVL\x01")["license_id"].clone();
    assert_ne!(successor, held);
    assert_eq!(server.kit.book().live, 2);

    for id in [&held, &successor, &held] {
        assert_eq!(opened(&ask("release", Some(id)), "WVL\x01")["released"], true);
    }
    assert_eq!(server.kit.book().live, 0);
    assert_eq!(ask("renewal", Some(&held)).status, 409);
    assert_eq!(ask("release", Some(&json!("other"))).status, 404);
    assert_eq!(ask("renewal", None).status, 400);
}

#[test]
fn the_policy_can_deny_persistence_and_leave_keys_out() {
    let server = Server::new();
    let omit_keys = vec![KeyId::parse(KID).unwrap()];
    server.kit.set_policy(Policy { persist: false, omit_keys, duration_seconds: None, ..Policy::default() });
    let answer = server.post(&json!({ "op": "license", "kids": [KID, "ff".repeat(16)], "device": "d", "nonce": 1 }));
    let license = opened(&answer, "WVL\x01");
    assert_eq!((&license["persist"], &license["kids"]), (&json!(false), &json!(["ff".repeat(16)])));
    assert_eq!(license.get("duration_seconds"), None);
    assert_eq!(server.kit.book().live, 0);
}

#[test]
fn what_is_not_a_challenge_is_refused() {
    let server = Server::new();
    let url = server.kit.url("/widevine/license");
    for body in [
        "",
        "WVC\x01",
        "WVC\x01{}",
        "{\"op\":\"license\"}",
        "WVC\x01{\"op\":\"license\",\"kids\":[\"x\"],\"device\":\"d\",\"nonce\":1}",
    ] {
        assert_eq!(server.client.post(&url, body).status, 400, "{body}");
    }
    assert_eq!(server.post(&json!({ "op": "license", "kids": [], "device": "d", "nonce": 1 })).status, 400);
    assert_eq!(server.kit.counts().of(RequestKind::License), 1);
}
