//! The main job on the command line: register online, look up offline, refresh, unregister, reconcile.

use larder_testkit::copy_dir;
use serde_json::{Value, json};

use crate::larder::{AUDIO_KEY_ID, Home, VIDEO_KEY_ID, media, servers};

fn path(title: &str) -> String {
    media(title).to_str().unwrap().to_owned()
}

#[test]
fn clear_media_is_registered_and_found_without_any_network() {
    let home = Home::new();
    for (title, id) in [("cmaf-clear/master.m3u8", "clear"), ("hls-aes128", "aes")] {
        let (status, registered) = home.json(["--offline", "register", &path(title), "--id", id]);
        assert_eq!((status, &registered["why"]), (0, &json!("playable")), "{registered}");
        assert_eq!((&registered["licenses"], &registered["expires"]["kind"]), (&json!([]), &json!("never")));
        assert_eq!(registered["warnings"], json!(["path-outside-roots"]));
    }
    let (_, list) = home.json(["list"]);
    let ids: Vec<_> = list.as_array().unwrap().iter().map(|asset| asset["asset_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["aes", "clear"]);
    let (status, url) = home.json(["url", "clear"]);
    assert_eq!(status, 0);
    let local = url["url"].as_str().unwrap();
    assert!(local.starts_with("file:///") && local.ends_with("/cmaf-clear/master.m3u8"), "{local}");
}

#[test]
fn a_protected_title_gets_its_license_in_one_round_trip_and_gives_it_back() {
    let (home, kit) = (Home::new(), servers());
    let source = home.clearkey_source(&kit.url("/clearkey/license?duration_seconds=604800"));
    let register = ["register", &path("dash-cenc"), "--id", "film", "--source", source.to_str().unwrap()];
    let (status, registered) = home.json(register);
    assert_eq!((status, &registered["is_playable"]), (0, &json!(true)), "{registered}");
    let [license] = registered["licenses"].as_array().unwrap().as_slice() else { panic!("{registered}") };
    assert_eq!((&license["state"], &license["coverage"]), (&json!("active"), &json!("covered")));
    let mut keys: Vec<_> = license["key_ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    keys.sort_unstable();
    assert_eq!(keys, [AUDIO_KEY_ID, VIDEO_KEY_ID]);
    let left_seconds = registered["expires"]["remaining_seconds"].as_u64().unwrap();
    assert!((604_000..=604_800).contains(&left_seconds), "{left_seconds}");
    assert_eq!(kit.counts().requests, 1, "one license is one round trip");

    let before = license["license_id"].clone();
    let (status, refreshed) = home.json(["refresh", "film"]);
    assert_eq!(status, 0, "{refreshed}");
    assert_ne!(refreshed["licenses"][0]["license_id"], before);
    let book = kit.book();
    assert_eq!((book.licenses.len(), book.live), (2, 1));
    assert!(book.licenses[0].released_at_ms.unwrap() >= book.licenses[1].issued_at_ms);

    let (status, gone) = home.json(["unregister", "film"]);
    assert_eq!((status, gone), (0, json!({ "was_registered": true, "pending_releases": 0 })));
    assert_eq!(kit.book().live, 0);
    assert_eq!(home.json(["unregister", "film"]).0, 1);
}

#[test]
fn offline_the_old_license_still_works_and_what_must_go_back_waits() {
    let (home, kit) = (Home::new(), servers());
    let source = home.clearkey_source(&kit.url("/clearkey/license"));
    let source = source.to_str().unwrap();
    home.run(["register", &path("dash-cenc"), "--id", "film", "--source", source]).ends_with(0);
    kit.stop().unwrap();

    home.fails(["refresh", "film"], "OFFLINE").ends_with(2);
    home.run(["status", "film", "--verify"]).ends_with(0);
    home.run(["keys-check", "film"]).ends_with(0);
    home.fails(["register", &path("dash-cenc"), "--id", "other", "--source", source], "OFFLINE").ends_with(2);
    assert_eq!(home.json(["status", "other"]).1["why"], "not-registered");

    let (status, gone) = home.json(["unregister", "film"]);
    assert_eq!((status, gone), (0, json!({ "was_registered": true, "pending_releases": 1 })));
    let (status, after) = home.json(["status", "film"]);
    assert_eq!((status, &after["why"], &after["pending_releases"]), (1, &json!("not-registered"), &json!(1)));
    assert_eq!(home.json(["url", "film"]).0, 1);
    assert_eq!(home.json(["reconcile"]).0, 1, "a release still waits");

    kit.resume().unwrap();
    let (status, reconciled) = home.json(["reconcile"]);
    assert_eq!((status, &reconciled["released"], &reconciled["pending"]), (0, &json!(1), &json!(0)), "{reconciled}");
    assert_eq!(kit.book().live, 0);
    assert_eq!(home.json(["reconcile"]).1["released"], 0, "nothing is released twice");
}

#[test]
fn with_offline_not_one_call_is_made() {
    let (home, kit) = (Home::new(), servers());
    let source = home.clearkey_source(&kit.url("/clearkey/license"));
    home.run(["register", &path("dash-cenc"), "--id", "film", "--source", source.to_str().unwrap()]).ends_with(0);
    let before = kit.counts();
    home.fails(["--offline", "refresh", "film"], "OFFLINE").ends_with(2);
    for question in [&["status", "film", "--verify"][..], &["url", "film"], &["list"], &["keys-check", "film"]] {
        home.run(["--offline"].iter().chain(question)).ends_with(0);
    }
    home.run(["--offline", "unregister", "film"]).ends_with(0);
    home.run(["--offline", "reconcile"]).ends_with(1);
    // A question sends nothing by the way, though a release waits.
    home.run(["status", "film"]).ends_with(1);
    home.run(["list"]).ends_with(0);
    assert_eq!((kit.counts().requests, kit.counts().connections), (before.requests, before.connections));
    home.run(["reconcile"]).ends_with(0);
}

#[test]
fn the_url_is_the_local_one_when_that_is_wanted_and_else_the_current_one() {
    let home = Home::new();
    let clear = path("cmaf-clear/master.m3u8");
    home.run(["register", &clear, "--id", "film-1080", "--entry", "film"]).ends_with(0);
    let remote = "https://cdn.example.com/film.m3u8";
    let url = |line: &[&str]| -> (i32, Value) { home.json(["url"].iter().chain(line)) };
    let is_local = |answer: &(i32, Value)| answer.0 == 0 && answer.1["is_local"] == true;
    assert!(is_local(&url(&["film"])), "by entry");
    assert!(is_local(&url(&["film-1080"])), "by asset");
    assert!(is_local(&url(&["film", "--current", remote, "--prefer-local", "when-offline", "--offline"])));
    let kept = (0, json!({ "url": remote, "is_local": false }));
    assert_eq!(url(&["film", "--current", remote, "--prefer-local", "when-offline"]), kept);
    assert_eq!(url(&["unknown", "--current", remote]), kept);
    assert_eq!(url(&["unknown"]), (1, json!({ "url": null, "is_local": false })));
}

#[test]
fn the_database_is_dumped_row_by_row() {
    let (home, kit) = (Home::new(), servers());
    let source = home.clearkey_source(&kit.url("/clearkey/license"));
    home.run(["register", &path("dash-cenc"), "--id", "film", "--source", source.to_str().unwrap()]).ends_with(0);
    let clear = path("cmaf-clear/master.m3u8");
    home.run(["--profile", "eve", "register", &clear, "--id", "clear"]).ends_with(0);
    let rows = home.json(["store", "dump"]).1;
    let of = |table: &str| -> Vec<Value> {
        rows.as_array().unwrap().iter().filter(|row| row["table"] == table).cloned().collect()
    };
    let assets: Vec<_> = of("assets").iter().map(|row| (row["asset_id"].clone(), row["profile"].clone())).collect();
    assert_eq!(assets, [(json!("film"), json!("")), (json!("clear"), json!("eve"))], "all profiles");
    assert_eq!((&of("licenses")[0]["state"], of("licenses").len()), (&json!("active"), 1));
    assert_eq!(of("clock_mark").len(), 1);
    let lines = home.run(["store", "dump"]).ends_with(0).stdout;
    assert_eq!(lines.lines().count(), rows.as_array().unwrap().len());
    assert!(lines.lines().all(|line| serde_json::from_str::<Value>(line).unwrap().is_object()));
}

#[test]
fn a_root_may_move_with_its_media() {
    let home = Home::new();
    let file = home.file("films/a/index.m3u8", std::fs::read(media("cmaf-clear/video-108.m3u8")).unwrap());
    let root = |at: &str| format!("films={}", home.path(at).display());
    let (_, registered) = home.json(["--root", &root("films"), "register", file.to_str().unwrap(), "--id", "film"]);
    assert_eq!((&registered["root"], &registered["warnings"]), (&json!("films"), &json!([])));
    std::fs::rename(home.path("films"), home.path("moved")).unwrap();
    let (status, verified) = home.json(["--root", &root("films"), "status", "film", "--verify"]);
    assert_eq!((status, &verified["why"], &verified["media"]), (1, &json!("media-missing"), &json!("missing")));
    let ran = home.run(["--root", &root("moved"), "url", "film"]).ends_with(0);
    assert!(ran.stdout.contains("/moved/a/index.m3u8"), "{ran:?}");
}

#[test]
fn metadata_is_kept_byte_by_byte() {
    let home = Home::new();
    let info = home.file("info.json", "{\"title\": \"Sintel\"}");
    let clear = path("cmaf-clear/master.m3u8");
    home.run(["register", &clear, "--id", "a", "--metadata", info.to_str().unwrap()]).ends_with(0);
    home.run(["register", &clear, "--id", "b"]).ends_with(0);
    assert_eq!(home.run(["metadata", "a"]).ends_with(0).stdout, "{\"title\": \"Sintel\"}");
    assert_eq!(
        home.json(["metadata", "a"]),
        (0, json!({ "asset_id": "a", "metadata": "eyJ0aXRsZSI6ICJTaW50ZWwifQ==" }))
    );
    assert_eq!(home.run(["metadata", "b"]).ends_with(1).stdout, "");
    assert_eq!(home.json(["metadata", "b"]), (1, json!({ "asset_id": "b", "metadata": null })));
    home.fails(["metadata", "c"], "ASSET_NOT_FOUND").ends_with(1);
    let other = home.file("other.json", "{}");
    home.run(["refresh", "a", "--metadata", other.to_str().unwrap()]).ends_with(0);
    assert_eq!(home.run(["metadata", "a"]).ends_with(0).stdout, "{}");
    let huge = home.file("huge", vec![b'x'; 1024 * 1024 + 1]);
    home.fails(["refresh", "a", "--metadata", huge.to_str().unwrap()], "INVALID_ARGUMENT").ends_with(2);
}

#[test]
fn the_same_id_for_other_media_is_refused() {
    let home = Home::new();
    home.run(["register", &path("cmaf-clear/master.m3u8"), "--id", "film"]).ends_with(0);
    home.run(["register", &path("cmaf-clear/master.m3u8"), "--id", "film"]).ends_with(0);
    home.fails(["register", &path("hls-aes128"), "--id", "film"], "ASSET_EXISTS").ends_with(2);
}

#[test]
fn renew_all_renews_what_ends_soon() {
    let (home, kit) = (Home::new(), servers());
    for (id, duration) in [("short", "duration_seconds=7200"), ("long", "duration_seconds=2592000")] {
        let source = home.clearkey_source(&kit.url(&format!("/clearkey/license?{duration}")));
        home.run(["register", &path("dash-cenc"), "--id", id, "--source", source.to_str().unwrap()]).ends_with(0);
    }
    assert_eq!(home.json(["renew-all", "--within", "1d"]), (0, json!([{ "asset_id": "short", "error": null }])));
    kit.stop().unwrap();
    let (status, renewals) = home.json(["renew-all", "--within", "60d"]);
    assert_eq!((status, renewals.as_array().unwrap().len()), (2, 2), "{renewals}");
    assert!(renewals.as_array().unwrap().iter().all(|renewal| renewal["error"]["code"] == "OFFLINE"), "{renewals}");
    home.run(["status"]).ends_with(0);
}

#[test]
fn unregister_all_signs_a_profile_out_and_leaves_others_alone() {
    let (home, kit) = (Home::new(), servers());
    let source = home.clearkey_source(&kit.url("/clearkey/license"));
    for profile in ["anna", "ben"] {
        let source = source.to_str().unwrap();
        home.run(["--profile", profile, "register", &path("dash-cenc"), "--id", "film", "--source", source])
            .ends_with(0);
    }
    assert_eq!(home.json(["--profile", "anna", "unregister", "--all"]), (0, json!({ "removed": 1 })));
    home.run(["--profile", "anna", "status", "film"]).ends_with(1);
    home.run(["--profile", "ben", "status", "film"]).ends_with(0);
    assert_eq!(kit.book().live, 1);
}

#[test]
fn a_playback_starts_the_window() {
    let (home, kit) = (Home::new(), servers());
    let source = home.clearkey_source(&kit.url("/clearkey/license?playback_seconds=7200"));
    home.run(["register", &path("dash-cenc"), "--id", "film", "--source", source.to_str().unwrap()]).ends_with(0);
    let (_, before) = home.json(["status", "film"]);
    assert_eq!(
        (&before["playback_window_seconds"], &before["playback_expires"]["kind"]),
        (&json!(7200), &json!("unknown"))
    );
    let (_, after) = home.json(["played", "film"]);
    let left_seconds = after["playback_expires"]["remaining_seconds"].as_u64().unwrap();
    assert!((7000..=7200).contains(&left_seconds), "{after}");
    home.fails(["played", "nobody"], "ASSET_NOT_FOUND").ends_with(1);
}

#[test]
fn keys_check_tells_media_that_was_damaged_from_media_that_plays() {
    let (home, kit) = (Home::new(), servers());
    copy_dir(&media("dash-cenc"), &home.path("film")).unwrap();
    let source = home.clearkey_source(&kit.url("/clearkey/license"));
    let film = home.path("film").to_str().unwrap().to_owned();
    home.run(["register", &film, "--id", "film", "--source", source.to_str().unwrap()]).ends_with(0);
    let (status, proof) = home.json(["keys-check", "film"]);
    assert_eq!(status, 0, "{proof}");
    home.run(["register", &path("cmaf-clear/master.m3u8"), "--id", "clear"]).ends_with(0);
    home.run(["keys-check", "clear"]).ends_with(1);
    home.fails(["keys-check", "nobody"], "ASSET_NOT_FOUND").ends_with(1);
    for segment in ["1.m4s", "2.m4s", "3.m4s"] {
        let path = home.path("film/video-234").join(segment);
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle - 2000..].fill(0x55);
        std::fs::write(&path, bytes).unwrap();
    }
    home.run(["keys-check", "film"]).ends_with(1);
}

#[cfg(unix)]
#[test]
fn an_interrupted_registration_leaves_nothing_and_gives_its_license_back() {
    use larder_testkit::{Action, Rule};
    let (home, kit) = (Home::new(), servers());
    kit.add_fault(Rule::on("/clearkey", Action::Delay { delay_ms: 1500 }).times(1)).unwrap();
    let source = home.clearkey_source(&kit.url("/clearkey/license"));
    let mut command = home.command();
    command.args(["--json", "register", &path("dash-cenc"), "--id", "film", "--source"]).arg(source);
    let child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null()).spawn().unwrap();
    let asked = (0..600).any(|_| {
        std::thread::park_timeout(std::time::Duration::from_millis(50));
        kit.counts().requests > 0
    });
    assert!(asked, "the license server was never asked");
    std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &answer["error"]["code"]), (Some(2), &json!("CANCELLED")), "{answer}");
    assert_eq!(home.json(["list"]), (0, json!([])));
    let book = kit.book();
    assert_eq!((book.licenses.len(), book.live), (1, 0), "what was granted went back");
}
