//! The ClearKey server: W3C EME, 9.1, and what we add to it.

#![allow(clippy::unwrap_used, reason = "the lint knows test functions, not what they call")]

use crate::client::{Answer, Client};
use larder_core::model::KeyId;
use larder_testkit::{ContentKey, KeyTable, Options, Policy, RequestKind, Scheme, Testkit};
use serde_json::{Value, json};

/// 16 bytes of 0x01, of 0x02 and of 0x03, in base64url.
const KIDS: [&str; 3] = ["AQEBAQEBAQEBAQEBAQEBAQ", "AgICAgICAgICAgICAgICAg", "AwMDAwMDAwMDAwMDAwMDAw"];

struct Server {
    kit: Testkit,
    client: Client,
}

impl Server {
    fn new() -> Self {
        let kit = Testkit::start(Options::default()).unwrap();
        kit.add_keys(KeyTable::from([
            (KeyId([1; 16]), ContentKey([0xa1; 16])),
            (KeyId([2; 16]), ContentKey([0xa2; 16])),
        ]));
        Self { kit, client: Client::new() }
    }

    fn post(&self, query: &str, message: &Value) -> Answer {
        self.client.post_json(&self.kit.url(&format!("/clearkey/license{query}")), message)
    }

    fn license(&self) -> Value {
        let answer = self.post("", &json!({ "kids": &KIDS[..2], "type": "persistent-license" }));
        assert_eq!(answer.status, 200);
        answer.json()
    }
}

#[test]
fn a_license_is_a_jwk_set_with_id_and_times() {
    let server = Server::new();
    let answer = server.post("?asset=film", &json!({ "kids": KIDS, "type": "persistent-license" }));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let license = answer.json();
    // Base64url of sixteen 0xa1 and 0xa2; the third key is not known here.
    assert_eq!(
        license["keys"],
        json!([
            { "kty": "oct", "kid": KIDS[0], "k": "oaGhoaGhoaGhoaGhoaGhoQ" },
            { "kty": "oct", "kid": KIDS[1], "k": "oqKioqKioqKioqKioqKiog" },
        ])
    );
    assert_eq!(license["type"], "persistent-license");
    assert_eq!(
        (&license["duration_seconds"], &license["playback_duration_seconds"]),
        (&json!(2_592_000), &json!(172_800))
    );
    assert_eq!(license["renewable"], true);

    let book = server.kit.book();
    let entry = &book.licenses[0];
    assert_eq!((book.live, book.licenses.len()), (1, 1));
    assert_eq!(license["license_id"], entry.license_id.as_str());
    assert_eq!((entry.scheme, entry.asset.as_deref()), (Scheme::ClearKey, Some("film")));
    assert_eq!(entry.key_ids, [KeyId([1; 16]), KeyId([2; 16])]);
    assert!(entry.issued_at_ms > 1_700_000_000_000);
    assert_eq!(server.kit.counts().of(RequestKind::License), 1);
}

#[test]
fn policy_and_license_url_decide_the_terms() {
    let server = Server::new();
    let ask = |query: &str| server.post(query, &json!({ "kids": &KIDS[..2], "type": "persistent-license" })).json();

    server.kit.set_policy(Policy { duration_seconds: None, playback_seconds: Some(0), ..Policy::default() });
    let license = ask("");
    assert_eq!((license.get("duration_seconds"), &license["playback_duration_seconds"]), (None, &json!(0)));
    let license = ask("?duration_seconds=-7&playback_seconds=never&renewable=false");
    assert_eq!((&license["duration_seconds"], license.get("playback_duration_seconds")), (&json!(-7), None));
    assert_eq!(license["renewable"], false);
    assert_eq!(ask("?persist=false")["type"], "temporary");
    assert_eq!(server.kit.book().live, 2, "a temporary license is nobody's to give back");

    server.kit.set_policy(Policy { omit_keys: vec![KeyId([1; 16])], ..Policy::default() });
    assert_eq!(ask("")["keys"].as_array().unwrap().len(), 1);
    server.kit.set_policy(Policy { omit_keys: vec![KeyId([1; 16]), KeyId([2; 16])], ..Policy::default() });
    assert_eq!(ask("")["keys"], json!([]));
}

#[test]
fn a_renewal_keeps_the_id_or_makes_a_new_license_as_the_policy_says() {
    let server = Server::new();
    let held = server.license()["license_id"].clone();
    let renewal = json!({ "kids": &KIDS[..2], "type": "persistent-license", "license_id": held });

    assert_eq!(server.post("?duration_seconds=99", &renewal).json()["license_id"], held);
    let book = server.kit.book();
    assert_eq!((book.licenses.len(), book.licenses[0].renewals, book.licenses[0].duration_seconds), (1, 1, Some(99)));
    assert!(book.licenses[0].renewed_at_ms.is_some());

    let renewed = server.post("?renew_in_place=false", &renewal).json();
    assert_ne!(renewed["license_id"], held);
    assert_eq!(renewed["keys"].as_array().unwrap().len(), 2);
    let book = server.kit.book();
    assert_eq!(book.live, 2);
    assert_eq!(book.licenses[1].renews.as_deref(), held.as_str());

    assert_eq!(server.post("?renewable=false", &renewal).status, 403);
    let unknown = json!({ "kids": KIDS, "type": "persistent-license", "license_id": "no-such" });
    assert_eq!(server.post("", &unknown).status, 404);
    assert_eq!(server.kit.counts().of(RequestKind::Renewal), 4);
}

#[test]
fn a_release_is_acknowledged_by_its_kids_and_again_when_asked_again() {
    let server = Server::new();
    let first = server.license()["license_id"].clone();
    let release = json!({ "kids": &KIDS[..2], "license_id": first });
    for _ in 0..2 {
        assert_eq!(server.post("", &release).json(), json!({ "kids": &KIDS[..2] }));
    }
    let book = server.kit.book();
    assert_eq!(book.live, 0);
    let renewal = json!({ "kids": &KIDS[..2], "type": "persistent-license", "license_id": first });
    assert_eq!(server.post("", &renewal).status, 409, "a released license cannot be renewed");
    assert_eq!(server.kit.counts().of(RequestKind::Release), 2);
}

#[test]
fn a_release_without_an_id_means_the_oldest_live_license_with_just_these_keys() {
    let server = Server::new();
    for kids in [&KIDS[..1], &KIDS[..2], &KIDS[..2]] {
        server.post("", &json!({ "kids": kids, "type": "persistent-license" }));
    }
    let released = |server: &Server| -> Vec<bool> {
        server.kit.book().licenses.iter().map(|license| license.released_at_ms.is_some()).collect()
    };
    let release = json!({ "kids": [KIDS[1], KIDS[0]] });
    server.post("", &release);
    assert_eq!(released(&server), [false, true, false]);
    server.post("", &release);
    assert_eq!(released(&server), [false, true, true]);
    assert_eq!(server.post("", &release).status, 200, "the client may not have heard the first answer");
    assert_eq!(server.post("", &json!({ "kids": [KIDS[2]] })).status, 404);
}

#[test]
fn a_token_is_asked_for_and_checked() {
    let server = Server::new();
    server.kit.set_policy(Policy { require_token: Some("tomato".into()), ..Policy::default() });
    let url = server.kit.url("/clearkey/license");
    let body = json!({ "kids": &KIDS[..1], "type": "persistent-license" }).to_string();
    let post =
        |headers: &[(&str, &str)]| server.client.try_send(reqwest::Method::POST, &url, headers, body.clone()).unwrap();
    let bare = post(&[]);
    assert_eq!((bare.status, bare.header("www-authenticate")), (401, Some("Bearer")));
    assert_eq!(post(&[("Authorization", "Basic tomato")]).status, 401);
    assert_eq!(post(&[("Authorization", "Bearer potato")]).status, 403);
    assert_eq!(server.kit.book().licenses.len(), 0);
    assert_eq!(post(&[("Authorization", "Bearer tomato")]).status, 200);
}

#[test]
fn nonsense_is_refused() {
    let server = Server::new();
    for (message, status) in [
        (json!([]), 400),
        (json!({ "type": "temporary" }), 400),
        (json!({ "kids": ["AQ"], "type": "temporary" }), 400),
        (json!({ "kids": ["AQEBAQEBAQEBAQEBAQEBAQ=="], "type": "temporary" }), 400),
        (json!({ "kids": KIDS, "type": "eternal" }), 400),
        (json!({ "kids": [KIDS[2]], "type": "temporary" }), 404),
    ] {
        let answer = server.post("", &message);
        assert_eq!(answer.status, status, "{message}");
        assert!(answer.json()["error"].is_string());
    }
    assert_eq!(server.post("?duration_seconds=soon", &json!({ "kids": KIDS, "type": "temporary" })).status, 400);
    assert_eq!(server.client.get(&server.kit.url("/clearkey/license")).status, 405);
    assert_eq!(server.kit.book().licenses.len(), 0);
}
