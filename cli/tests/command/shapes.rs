//! The output is as `docs/guides/command.md` documents it: every example has the fields of the real output.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::larder::{Home, media, servers};

/// The fenced example ```json NAME of the guide.
fn documented(name: &str) -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guides/command.md");
    let guide = std::fs::read_to_string(path).unwrap();
    let fence = format!("```json {name}\n");
    let example =
        guide.split_once(&fence).unwrap_or_else(|| panic!("no example {name}")).1.split("```").next().unwrap();
    serde_json::from_str(example).unwrap()
}

/// Every path to a value, without positions in lists.
fn fields(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                found.insert(format!("{at}.{name}"));
                fields(member, &format!("{at}.{name}"), found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| fields(item, &format!("{at}[]"), found)),
        _ => {}
    }
}

#[track_caller]
fn assert_documented(name: &str, printed: &Value) {
    let of = |value: &Value| {
        let mut found = BTreeSet::new();
        fields(value, "", &mut found);
        found
    };
    assert_eq!(of(printed), of(&documented(name)), "{name}");
}

#[test]
fn the_examples_of_the_guide_have_the_fields_that_are_printed() {
    let (home, kit) = (Home::new(), servers());
    let film = media("dash-cenc").to_str().unwrap().to_owned();
    let mut source = documented("source");
    source["drm"][0]["license_url"] = kit.url("/clearkey/license").into();
    let source = home.file("source.json", source.to_string());
    let register = ["register", &film, "--id", "sintel", "--source", source.to_str().unwrap()];
    assert_documented("status", &home.json(register).1);
    assert_documented("status", &home.json(["status", "sintel"]).1);
    assert_documented("status", &home.json(["status"]).1[0]);
    assert_documented("list", &home.json(["list"]).1[0]);
    assert_documented("url", &home.json(["url", "sintel"]).1);
    assert_documented("renew-all", &home.json(["renew-all", "--within", "90d"]).1[0]);
    assert_documented("init-data", &home.json(["init-data", &film]).1[0]);
    assert_documented("keys-check", &home.json(["keys-check", "sintel"]).1);
    assert_documented("metadata", &home.json(["metadata", "sintel"]).1);
    assert_documented("unregister", &home.json(["unregister", "sintel"]).1);
    assert_documented("reconcile", &home.json(["reconcile"]).1);
    assert_documented("error", &home.json(["refresh", "sintel"]).1);
}

#[test]
fn the_guide_names_every_word_that_a_field_can_have() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = std::fs::read_to_string(here.join("../docs/guides/command.md")).unwrap();
    let names = std::fs::read_to_string(here.join("src/names.rs")).unwrap();
    let words = names.lines().filter_map(|line| line.split_once(" => \"")?.1.strip_suffix("\","));
    let words: Vec<_> = words.filter(|word| !word.contains(' ')).collect();
    assert!(words.len() > 30, "{words:?}");
    for word in words {
        assert!(guide.contains(&format!("`{word}`")), "{word} is not in the guide");
    }
}
