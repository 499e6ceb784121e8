//! `init-data`: what media asks for, as programs read it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::larder::{AUDIO_KEY_ID, Home, VIDEO_KEY_ID, media};

fn schemes(found: &Value) -> BTreeSet<&str> {
    found.as_array().unwrap().iter().filter_map(|one| one["scheme"].as_str()).collect()
}

fn key_ids(found: &Value) -> BTreeSet<&str> {
    found
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|one| one["key_ids"].as_array().unwrap())
        .map(|id| id.as_str().unwrap())
        .collect()
}

#[test]
fn a_dash_title_asks_for_both_keys_in_three_key_systems() {
    let home = Home::new();
    let (status, found) = home.json(["init-data".into(), media("dash-cenc")]);
    assert_eq!(status, 0);
    assert_eq!(schemes(&found), BTreeSet::from(["clearkey", "playready", "widevine"]));
    assert_eq!(key_ids(&found), BTreeSet::from([VIDEO_KEY_ID, AUDIO_KEY_ID]));
    for one in found.as_array().unwrap() {
        assert!(one["pssh"].is_string() && one["system_id"].as_str().unwrap().len() == 36, "{one}");
    }
    assert!(!home.store().exists(), "a question about media leaves no store");
}

#[test]
fn a_folder_a_manifest_and_a_relative_path_to_it_say_the_same() {
    let home = Home::new();
    let folder = home.json(["init-data".into(), media("dash-cenc")]);
    let manifest = home.json(["init-data".into(), media("dash-cenc/manifest.mpd")]);
    assert_eq!(folder, manifest);
    let mut command = home.command();
    let output = command.current_dir(media("")).args(["init-data", "dash-cenc", "--json"]).output().unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), folder.1);
}

#[test]
fn a_media_file_alone_says_what_it_asks_for() {
    let (status, found) = Home::new().json(["init-data".into(), media("dash-cenc/video-234/init.mp4")]);
    assert_eq!(status, 0);
    assert!(schemes(&found).contains("widevine"), "{found}");
    assert!(key_ids(&found).contains(VIDEO_KEY_ID), "{found}");
}

#[test]
fn a_fairplay_title_names_its_skd_uri() {
    let (_, found) = Home::new().json(["init-data".into(), media("hls-cbcs")]);
    let uris: Vec<_> =
        found.as_array().unwrap().iter().filter(|one| one["scheme"] == "fairplay").map(|one| &one["uri"]).collect();
    assert!(!uris.is_empty() && uris.iter().all(|uri| uri.as_str().unwrap().starts_with("skd://")), "{found}");
}

#[test]
fn clear_media_asks_for_nothing() {
    let home = Home::new();
    for title in ["cmaf-clear/manifest.mpd", "cmaf-clear/master.m3u8", "hls-aes128"] {
        let (status, found) = home.json(["init-data".into(), media(title)]);
        assert_eq!((status, found), (0, json!([])), "{title}");
    }
}

#[test]
fn what_is_no_media_is_a_typed_error() {
    let home = Home::new();
    for (name, content, code) in [
        ("empty.m3u8", "", "MANIFEST_INVALID"),
        ("page.mpd", "<!DOCTYPE html><html><body>Not found</body></html>", "MANIFEST_INVALID"),
        ("notes.txt", "groceries", "FORMAT_UNSUPPORTED"),
        ("cut.mpd", "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"><Period", "MANIFEST_INVALID"),
    ] {
        let path = home.file(name, content);
        home.fails(["init-data".into(), path], code).ends_with(2);
    }
    home.fails(["init-data", "nowhere"], "MEDIA_NOT_FOUND").ends_with(2);
}

#[test]
fn entities_do_not_grow() {
    let mut text = String::from("<?xml version=\"1.0\"?><!DOCTYPE MPD [<!ENTITY a0 \"ha\">");
    for level in 1..40 {
        let below = level - 1;
        text.push_str(&format!("<!ENTITY a{level} \"&a{below};&a{below};&a{below};&a{below};\">"));
    }
    text.push_str("]><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"><Title>&a39;</Title></MPD>");
    let home = Home::new();
    let path = home.file("laughs.mpd", text);
    let ran = home.run(["init-data".into(), path]);
    assert!(matches!(ran.status, 0 | 2), "{ran:?}");
    assert!(ran.stdout.len() + ran.stderr.len() < 1000, "{ran:?}");
}

#[test]
fn a_manifest_out_of_all_proportion_is_refused_in_time() {
    let home = Home::new();
    // 200 MB, most of it a hole.
    let path = home.file("huge.mpd", "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"><Period>");
    std::fs::File::options().append(true).open(&path).unwrap().set_len(200 * 1024 * 1024).unwrap();
    home.fails(["init-data".into(), path], "MANIFEST_TOO_LARGE").ends_with(2);
    let path = home.file("huge.m3u8", "#EXTM3U\n#EXT-X-VERSION:7\n");
    std::fs::File::options().append(true).open(&path).unwrap().set_len(200 * 1024 * 1024).unwrap();
    home.fails(["init-data".into(), path], "MANIFEST_TOO_LARGE").ends_with(2);

    let deep = format!("<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\">{}", "<Period>".repeat(100_000));
    let ran = home.run(["init-data".into(), home.file("deep.mpd", deep)]).ends_with(2);
    assert!(ran.stderr.contains("MANIFEST_"), "{ran:?}");
}

#[test]
fn a_manifest_in_another_encoding_is_read_or_refused() {
    let home = Home::new();
    let text = std::fs::read_to_string(media("dash-cenc/manifest.mpd")).unwrap();
    let wide = text.replace("encoding=\"UTF-8\"", "encoding=\"UTF-16\"");
    let wide: Vec<u8> = [0xff, 0xfe].into_iter().chain(wide.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    for (name, content) in [("wide.mpd", wide), ("broken.mpd", [text.as_bytes(), &[0xff, 0xfe, 0xfd]].concat())] {
        let ran = home.run(["init-data".into(), home.file(name, content)]);
        assert!(matches!(ran.status, 0 | 2), "{ran:?}");
        assert!(ran.status == 0 || ran.stderr.starts_with("larder: MANIFEST_INVALID: "), "{ran:?}");
    }
}
