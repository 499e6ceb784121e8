//! The admin over HTTP: what tests in other languages use.

#![allow(clippy::unwrap_used, reason = "the lint knows test functions, not what they call")]

use crate::client::Client;
use larder_testkit::{Options, Testkit};
use reqwest::Method;
use serde_json::{Value, json};

fn kit() -> Testkit {
    Testkit::start(Options::default()).unwrap()
}

const KEYS: &str = r#"{"01010101-0101-0101-0101-010101010101": "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"}"#;

fn license(client: &Client, kit: &Testkit) -> Value {
    let message = json!({ "kids": ["AQEBAQEBAQEBAQEBAQEBAQ"], "type": "persistent-license" });
    client.post_json(&kit.url("/clearkey/license?asset=film"), &message).json()
}

#[test]
fn keys_go_in_and_book_counts_and_requests_come_out() {
    let (kit, client) = (kit(), Client::new());
    for base in [kit.base_url(), kit.admin_url()] {
        assert_eq!(client.post(&format!("{base}/admin/keys"), KEYS).status, 200);
    }
    let license = license(&client, &kit);
    assert_eq!(license["keys"][0]["k"], "oaGhoaGhoaGhoaGhoaGhoQ");

    let book = client.get(&kit.url("/admin/book")).json();
    assert_eq!(book["live"], 1);
    let entry = &book["licenses"][0];
    assert_eq!((&entry["license_id"], &entry["scheme"]), (&license["license_id"], &json!("clearkey")));
    assert_eq!((&entry["asset"], &entry["key_ids"]), (&json!("film"), &json!(["01".repeat(16)])));
    assert_eq!((&entry["renewals"], &entry["released_at_ms"]), (&json!(0), &Value::Null));

    let counts = client.get(&kit.url("/admin/counts")).json();
    assert_eq!(counts["requests"], 1, "the admin's own requests are not counted");
    assert_eq!(counts["by_path"], json!({ "POST /clearkey/license": 1 }));
    assert_eq!(counts["by_kind"], json!({ "license": 1 }));

    let seen = client.get(&kit.url("/admin/requests")).json();
    assert_eq!((&seen[0]["path"], &seen[0]["query"]), (&json!("/clearkey/license"), &json!("asset=film")));
    assert!(seen[0]["headers"].as_array().unwrap().contains(&json!(["content-type", "application/json"])));
    assert_eq!(kit.requests()[0].body, br#"{"kids":["AQEBAQEBAQEBAQEBAQEBAQ"],"type":"persistent-license"}"#);
}

#[test]
fn a_policy_is_changed_member_by_member() {
    let (kit, client) = (kit(), Client::new());
    let url = kit.url("/admin/policy");
    let answer = client
        .post_json(&url, &json!({ "duration_seconds": null, "require_token": "t", "omit_keys": ["01".repeat(16)] }));
    assert_eq!((answer.status, &answer.json()), (200, &client.get(&url).json()));
    assert_eq!(client.post_json(&url, &json!({ "renew_in_place": false })).status, 200);
    let policy = kit.policy();
    assert_eq!((policy.duration_seconds, policy.require_token.as_deref()), (None, Some("t")));
    assert_eq!((policy.renew_in_place, policy.persist, policy.omit_keys.len()), (false, true, 1));
    for wrong in [json!({ "durations": 1 }), json!({ "persist": "yes" }), json!([]), json!({ "omit_keys": ["x"] })] {
        assert_eq!(client.post_json(&url, &wrong).status, 400, "{wrong}");
    }
    assert_eq!(kit.policy(), policy);
}

#[test]
fn the_servers_clock_is_shifted_by_policy() {
    let (kit, client) = (kit(), Client::new());
    let year = |client: &Client| -> i32 {
        let date = client.get(&kit.url("/x")).header("date").unwrap().to_owned();
        date.split(' ').nth(3).unwrap().parse().unwrap()
    };
    let now = year(&client);
    client.post_json(&kit.url("/admin/policy"), &json!({ "clock_ahead_ms": 10 * 365 * 24 * 3600 * 1000_i64 }));
    assert!((9..=11).contains(&(year(&client) - now)));
    client.post_json(&kit.url("/admin/policy"), &json!({ "clock_ahead_ms": -400 * 24 * 3600 * 1000_i64 }));
    assert!((-2..=-1).contains(&(year(&client) - now)));
}

#[test]
fn faults_are_added_listed_and_taken_away() {
    let (kit, client) = (kit(), Client::new());
    let url = kit.url("/admin/faults");
    let ids = client.post_json(
        &url,
        &json!([
            { "path": "/a", "count": 1, "action": { "kind": "status", "status": 503, "retry_after_seconds": 1 } },
            { "path": "/a", "method": "POST", "nth": 2, "after_handling": true, "action": { "kind": "empty" } },
        ]),
    );
    assert_eq!(ids.json(), json!({ "ids": [1, 2] }));
    let one = json!({ "request_kind": "release", "action": { "kind": "hang" } });
    assert_eq!(client.post_json(&url, &one).json(), json!({ "ids": [3] }));

    let statuses: Vec<u16> = (0..2).map(|_| client.get(&kit.url("/a")).status).collect();
    assert_eq!(statuses, [503, 404]);
    let list = client.get(&url).json();
    assert_eq!((&list[0]["matched"], &list[0]["struck"]), (&json!(2), &json!(1)));
    assert_eq!(list[2]["rule"]["action"]["kind"], "hang");

    assert_eq!(client.delete(&format!("{url}/2")).status, 200);
    assert_eq!(client.delete(&format!("{url}/2")).status, 404);
    assert_eq!(kit.faults().len(), 2);
    assert_eq!(client.delete(&url).status, 200);
    assert!(kit.faults().is_empty());
}

#[test]
fn every_action_is_read_as_it_is_written() {
    let (kit, client) = (kit(), Client::new());
    for action in [
        json!({ "kind": "status", "status": 418 }),
        json!({ "kind": "delay", "delay_ms": 1 }),
        json!({ "kind": "hang" }),
        json!({ "kind": "reset" }),
        json!({ "kind": "refuse", "for_ms": 1 }),
        json!({ "kind": "garbage" }),
        json!({ "kind": "redirect", "to": "/x" }),
        json!({ "kind": "redirect_loop", "status": 307 }),
        json!({ "kind": "empty" }),
        json!({ "kind": "html" }),
        json!({ "kind": "body", "text": "t" }),
        json!({ "kind": "content_type", "content_type": "a/b" }),
        json!({ "kind": "header", "name": "n", "value": null }),
        json!({ "kind": "content_length", "difference": -1 }),
        json!({ "kind": "drop", "after_bytes": 1 }),
        json!({ "kind": "truncate", "to_bytes": 1 }),
        json!({ "kind": "drip", "bytes": 1, "interval_ms": 1 }),
        json!({ "kind": "chunked" }),
        json!({ "kind": "ignore_range" }),
    ] {
        let answer = client.post_json(&format!("{}/admin/faults", kit.admin_url()), &json!({ "action": action }));
        assert_eq!(answer.status, 200, "{action}: {}", answer.text());
    }
    for wrong in [
        json!({ "action": { "kind": "explode" } }),
        json!({ "action": { "kind": "drop" } }),
        json!({ "action": { "kind": "delay", "delay_ms": 1, "delay_seconds": 1 } }),
        json!({ "action": { "kind": "hang" }, "paths": "/x" }),
        json!({}),
    ] {
        let answer = client.post_json(&format!("{}/admin/faults", kit.admin_url()), &wrong);
        assert_eq!(answer.status, 400, "{wrong}");
        assert!(answer.json()["error"].is_string());
    }
}

#[test]
fn the_admin_port_answers_whatever_happens_to_the_public_one() {
    let (kit, client) = (kit(), Client::new());
    let admin = |path: &str| format!("{}/admin/{path}", kit.admin_url());
    let public = || client.try_send(Method::GET, &kit.url("/x"), &[], "").map(|answer| answer.status);

    client.post_json(&admin("faults"), &json!({ "action": { "kind": "hang" } }));
    assert_eq!(client.get(&kit.url("/admin/faults")).status, 200, "no fault strikes the admin");
    client.delete(&admin("faults"));

    assert_eq!(client.post(&admin("stop"), "").status, 200);
    assert!(public().unwrap_err().is_connect());
    assert_eq!(client.get(&admin("book")).status, 200);
    assert_eq!(client.post(&admin("resume"), "").status, 200);
    assert_eq!(public().unwrap(), 404);

    let refuse = json!({ "action": { "kind": "refuse" } });
    assert_eq!(client.post_json(&admin("faults"), &refuse).status, 200);
    assert!(public().unwrap_err().is_connect());
    client.delete(&admin("faults"));
    assert_eq!(public().unwrap(), 404);

    for (path, body) in [("stop", json!(null)), ("resume", json!(null)), ("faults", refuse)] {
        assert_eq!(client.post_json(&kit.url(&format!("/admin/{path}")), &body).status, 409);
    }
    assert_eq!(client.get(&format!("{}/media/x", kit.admin_url())).status, 404);
    assert_eq!(client.get(&admin("nothing")).status, 404);
}

#[test]
fn files_are_put_and_taken_away() {
    let (kit, client) = (kit(), Client::new());
    let file = kit.url("/admin/files/made/up%20list.m3u8");
    assert_eq!(client.try_send(Method::PUT, &file, &[], "#EXTM3U\n").unwrap().status, 200);
    let answer = client.get(&kit.url("/made/up%20list.m3u8"));
    assert_eq!(
        (answer.text().as_str(), answer.header("content-type")),
        ("#EXTM3U\n", Some("application/vnd.apple.mpegurl"))
    );
    assert_eq!(client.delete(&file).status, 200);
    assert_eq!(client.delete(&file).status, 404);
    assert_eq!(client.get(&kit.url("/made/up%20list.m3u8")).status, 404);
}

#[test]
fn a_reset_forgets_all_but_the_files() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("keys.json"), KEYS).unwrap();
    let kit = Testkit::start(Options { media_root: Some(folder.path().into()), ..Options::default() }).unwrap();
    let client = Client::new();
    kit.origin().put("/kept.txt", "kept");
    client.post(&kit.url("/admin/keys"), r#"{"02020202020202020202020202020202": "b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2"}"#);
    client.post_json(&kit.url("/admin/policy"), &json!({ "persist": false }));
    client.post_json(&kit.url("/admin/faults"), &json!({ "path": "/none", "action": { "kind": "hang" } }));
    license(&client, &kit);

    assert_eq!(client.post(&kit.url("/admin/reset"), "").status, 200);
    assert_eq!((kit.book().licenses.len(), kit.counts().requests, kit.faults().len()), (0, 0, 0));
    assert_eq!(kit.policy(), larder_testkit::Policy::default());
    assert_eq!(kit.keys().len(), 1, "the keys of keys.json are back, the others gone");
    assert_eq!(client.get(&kit.url("/kept.txt")).text(), "kept");
    assert_eq!(license(&client, &kit)["type"], "persistent-license");
}

#[test]
fn a_media_folder_with_a_broken_key_table_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    for broken in ["{", r#"{"01": "02"}"#, r#"{"01010101010101010101010101010101": "short"}"#] {
        std::fs::write(folder.path().join("keys.json"), broken).unwrap();
        let options = Options { media_root: Some(folder.path().into()), ..Options::default() };
        assert!(Testkit::start(options).unwrap_err().to_string().contains("keys.json"));
    }
}
