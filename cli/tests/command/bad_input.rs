//! Mistakes on the command line: each gives a typed error with a remedy, in time, and nothing is left
//! behind.

use std::path::Path;

use larder_testkit::{Action, Rule};
use serde_json::json;

use crate::larder::{Home, media, servers};

fn clear() -> String {
    media("cmaf-clear/master.m3u8").to_str().unwrap().to_owned()
}

#[track_caller]
fn nothing_is_registered(home: &Home) {
    assert_eq!(home.json(["list"]), (0, json!([])));
}

#[test]
fn an_id_is_data_and_never_a_path() {
    let home = Home::new();
    for id in ["..", "a/b", "/etc/passwd", "🍎", "-", " ", "a\nb", "%2e%2e", "CON", "'; DROP TABLE assets; --"] {
        home.run(["register", &clear(), &format!("--id={id}")]).ends_with(0);
        let (status, answer) = home.json(["status", "--", id]);
        assert_eq!((status, &answer["asset_id"]), (0, &json!(id)));
        home.run(["url", "--", id]).ends_with(0);
        home.run(["unregister", "--", id]).ends_with(0);
    }
    nothing_is_registered(&home);
    let mut names: Vec<_> = walk(&home.path(""));
    names.retain(|name| !name.contains("/store/larder.") && !name.ends_with("/store") && !name.ends_with("/secrets"));
    assert_eq!(names, Vec::<String>::new(), "only files of Larder's own names are in the store");
}

fn walk(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        names.push(path.to_str().unwrap().to_owned());
        if path.is_dir() {
            names.extend(walk(&path));
        }
    }
    names
}

#[test]
fn an_id_that_is_none_is_refused_by_every_command() {
    let home = Home::new();
    for id in [String::new(), "x".repeat(1025), "x".repeat(100_000)] {
        let id = id.as_str();
        for line in [&["status"][..], &["refresh"], &["unregister"], &["played"], &["metadata"], &["keys-check"]] {
            let ran = home.fails(line.iter().chain(&["--", id]), "INVALID_ARGUMENT").ends_with(2);
            assert!(ran.stderr.len() < 1000, "an error does not repeat a huge argument");
        }
        home.fails(["register", &clear(), "--id", id], "INVALID_ARGUMENT").ends_with(2);
    }
    home.fails(["--profile", &"p".repeat(2000), "list"], "INVALID_ARGUMENT").ends_with(2);
    nothing_is_registered(&home);
}

#[cfg(unix)]
#[test]
fn a_path_that_leads_nowhere_is_a_typed_error() {
    use std::os::unix::fs::symlink;
    let home = Home::new();
    symlink(home.path("loop-b"), home.path("loop-a")).unwrap();
    symlink(home.path("loop-a"), home.path("loop-b")).unwrap();
    home.file("empty-folder/.keep", "");
    home.file("page.m3u8", "<html>captive portal</html>");
    for (path, code) in [
        ("nowhere", "MEDIA_NOT_FOUND"),
        ("nowhere/manifest.mpd", "MEDIA_NOT_FOUND"),
        ("loop-a", "MEDIA_UNREADABLE"),
        ("/dev/zero", "MEDIA_UNREADABLE"),
        ("empty-folder", "FORMAT_UNSUPPORTED"),
        ("page.m3u8", "MANIFEST_INVALID"),
    ] {
        home.fails(["register", path, "--id", "film"], code).ends_with(2);
    }
    nothing_is_registered(&home);
}

#[test]
fn a_license_url_that_is_none_is_refused_before_anything_is_asked() {
    let home = Home::new();
    let film = media("dash-cenc").to_str().unwrap().to_owned();
    for url in [
        "license",
        "//host/license",
        "file:///etc/passwd",
        "ftp://host/license",
        "javascript:alert(1)",
        "http://",
        "https://user:SECRET@host/license",
        "https://SECRET@host/license",
    ] {
        let source = home.clearkey_source(url);
        let ran = home.fails(["register", &film, "--id", "film", "--source", source.to_str().unwrap()], "URL_INVALID");
        assert!(!ran.ends_with(2).stderr.contains("SECRET"), "{url}");
    }
    let source = home.clearkey_source("");
    home.fails(["register", &film, "--id", "film", "--source", source.to_str().unwrap()], "DRM_PARAMS_MISSING")
        .ends_with(2);
    nothing_is_registered(&home);
}

#[test]
fn a_source_that_is_none_is_refused() {
    let home = Home::new();
    for content in [
        "",
        "null",
        "[]",
        "{\"drm\": 5}",
        "{\"license\": \"x\"}",
        "{\"drm\": [{\"scheme\": \"rot13\", \"license_url\": \"x\"}]}",
    ] {
        let source = home.file("bad.json", content);
        home.fails(["register", &clear(), "--id", "film", "--source", source.to_str().unwrap()], "INVALID_ARGUMENT")
            .ends_with(2);
    }
    let deep = home.file("deep.json", "[".repeat(200_000));
    home.fails(["register", &clear(), "--id", "film", "--source", deep.to_str().unwrap()], "INVALID_ARGUMENT")
        .ends_with(2);
    for missing in ["nowhere.json", "."] {
        home.fails(["register", &clear(), "--id", "film", "--source", missing], "INVALID_ARGUMENT").ends_with(2);
    }
    nothing_is_registered(&home);
}

#[test]
fn a_protected_title_without_a_server_that_can_be_used_is_refused() {
    let home = Home::new();
    let film = media("dash-cenc").to_str().unwrap().to_owned();
    home.fails(["register", &film, "--id", "film"], "DRM_PARAMS_MISSING").ends_with(2);
    let source = json!({ "drm": [{ "scheme": "widevine", "license_url": "https://license.example.com/" }] });
    let source = home.file("widevine.json", source.to_string());
    home.fails(["register", &film, "--id", "film", "--source", source.to_str().unwrap()], "DRM_UNSUPPORTED")
        .ends_with(2);
    nothing_is_registered(&home);
}

#[test]
fn a_license_server_that_misbehaves_is_a_typed_error_in_time_and_leaves_no_trace() {
    let (home, kit) = (Home::new(), servers());
    let film = media("dash-cenc").to_str().unwrap().to_owned();
    let source = home.clearkey_source(&kit.url("/clearkey/license"));
    let status = |status| Action::Status { status, retry_after_seconds: None };
    for (action, code) in [
        (Action::Empty, "LICENSE_EMPTY"),
        (Action::Html, "LICENSE_NOT_A_LICENSE"),
        (Action::Body { text: "{\"keys\": 5}".into(), content_type: "application/json".into() }, "LICENSE_MALFORMED"),
        (Action::RedirectLoop { status: 302 }, "REDIRECT"),
        (status(401), "UNAUTHORIZED"),
        (status(403), "UNAUTHORIZED"),
        (status(404), "SERVER_REJECTED"),
        (status(500), "SERVER_FAILED"),
        (Action::Garbage, "NETWORK"),
        (Action::Hang, "TIMEOUT"),
    ] {
        let rule = kit.add_fault(Rule::on("/clearkey", action)).unwrap();
        let line = ["--timeout", "1", "register", &film, "--id", "film", "--source", source.to_str().unwrap()];
        home.fails(line, code).ends_with(2);
        kit.remove_fault(rule).unwrap();
        nothing_is_registered(&home);
    }
    home.run(["register", &film, "--id", "film", "--source", source.to_str().unwrap()]).ends_with(0);
}

#[test]
fn terms_that_make_no_sense_are_refused_and_given_back() {
    let (home, kit) = (Home::new(), servers());
    let film = media("dash-cenc").to_str().unwrap().to_owned();
    for (terms, code) in [
        ("persist=false", "LICENSE_PERSISTENCE_DENIED"),
        ("duration_seconds=0", "LICENSE_DURATION_INVALID"),
        ("duration_seconds=99999999999999", "LICENSE_DURATION_INVALID"),
    ] {
        let source = home.clearkey_source(&kit.url(&format!("/clearkey/license?{terms}")));
        home.fails(["register", &film, "--id", "film", "--source", source.to_str().unwrap()], code).ends_with(2);
        nothing_is_registered(&home);
    }
    home.run(["reconcile"]).ends_with(0);
    assert_eq!(kit.book().live, 0, "what was granted and refused went back");
}

#[test]
fn a_store_that_cannot_be_is_a_typed_error() {
    let home = Home::new();
    home.file("file", "");
    let ran = home.fails(["--store", "file/store", "list"], "STORE_UNAVAILABLE");
    ran.ends_with(2);
}

#[test]
fn a_damaged_store_is_set_aside_and_whoever_meets_it_is_told_once() {
    let home = Home::new();
    home.run(["register", &clear(), "--id", "film"]).ends_with(0);
    let database = home.store().join("larder.db");
    for damaged in [vec![0; 40_960], Vec::new(), b"<html>".repeat(10_000)] {
        std::fs::write(&database, damaged).unwrap();
        let ran = home.run(["list"]).ends_with(0);
        assert!(ran.stderr.contains("larder: STORE_CORRUPT: ") && ran.stderr.contains("larder.db.corrupt-"), "{ran:?}");
        assert!(ran.stderr.contains("\n  remedy: ") && ran.stdout.is_empty(), "{ran:?}");
        assert_eq!(home.run(["list"]).stderr, "");
        home.run(["register", &clear(), "--id", "film"]).ends_with(0);
    }
}

#[test]
fn a_store_of_a_newer_larder_is_read_and_not_changed() {
    let home = Home::new();
    home.run(["register", &clear(), "--id", "film"]).ends_with(0);
    // `user_version` in the header of an SQLite file.
    let database = home.store().join("larder.db");
    let mut bytes = std::fs::read(&database).unwrap();
    bytes[60..64].copy_from_slice(&99_u32.to_be_bytes());
    std::fs::write(&database, &bytes).unwrap();
    for line in [&["list"][..], &["status", "film"], &["url", "film"], &["reconcile"]] {
        let ran = home.run(line).ends_with(0);
        assert!(ran.stderr.contains("larder: STORE_READ_ONLY: "), "{ran:?}");
    }
    home.fails(["unregister", "film"], "STORE_READ_ONLY").ends_with(2);
    home.fails(["register", &clear(), "--id", "other"], "STORE_READ_ONLY").ends_with(2);
    assert_eq!(std::fs::read(&database).unwrap(), bytes);
}
