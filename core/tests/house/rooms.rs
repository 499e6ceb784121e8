//! The order of the rooms: a room may use rooms on lower floors only.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::source::{code_of, rust_files};
use crate::sources;

/// The floors of the core, lowest first. Rooms on one floor do not use each other.
const FLOORS: [&[&str]; 8] = [
    &["error"],
    &["cancel", "guard", "model"],
    &["ports"],
    &["clock", "manifest", "net", "store"],
    &["license"],
    &["registry"],
    &["assets", "offline"],
    &["compat", "provider", "serve"],
];

/// Names that `lib.rs` re-exports, and the rooms they come from.
const RE_EXPORTS: [(&str, &str); 5] =
    [("Cancellation", "cancel"), ("Code", "error"), ("Error", "error"), ("Remedy", "error"), ("Result", "error")];

fn floor_of(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// Returns the violations of the order in a file, in sentences. `path` is relative to the sources.
fn violations(path: &Path, text: &str) -> Vec<String> {
    let shown = path.display();
    let modules = modules_of(path);
    let Some(room) = modules.first() else { return Vec::new() };
    let Some(floor) = floor_of(room) else { return vec![format!("{shown}: the room {room} is on no floor")] };
    let mut found = Vec::new();
    for used in rooms_used(&code_of(text), modules.len()) {
        match floor_of(&used) {
            None => found.push(format!("{shown}: crate::{used} is neither a room nor re-exported by lib.rs")),
            Some(its_floor) if its_floor >= floor && used != *room => {
                found.push(format!("{shown}: {room} must not use {used}"));
            }
            Some(_) => {}
        }
    }
    found
}

/// Returns the module path of a file: `store/tables/mod.rs` is `store`, `tables`. Empty for `lib.rs`.
fn modules_of(path: &Path) -> Vec<String> {
    let path = path.with_extension("");
    let names = path.components().map(|component| component.as_os_str().to_str().unwrap().to_owned());
    names.filter(|name| name != "mod" && name != "lib").collect()
}

/// Returns the first names after `crate::`, and those after a chain of `super::` that climbs out of the room.
fn rooms_used(code: &str, depth: usize) -> BTreeSet<String> {
    let after_crate = paths_after(code, "crate::").flat_map(first_names).map(|name| {
        let re_export = RE_EXPORTS.iter().find(|(re_exported, _)| *re_exported == name);
        re_export.map_or(name, |(_, room)| *room)
    });
    let climb = "super::".repeat(depth);
    // A chain from an inline module reaches the room's own names, too: only names of rooms count.
    let after_supers = paths_after(code, &climb).flat_map(first_names).filter(|name| floor_of(name).is_some());
    after_crate.chain(after_supers).map(str::to_owned).collect()
}

/// Returns the rest of the code after each place where `prefix` begins a path.
fn paths_after<'a>(code: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    let is_inside_a_name = |before: &str| before.ends_with(|c: char| c.is_alphanumeric() || "_$".contains(c));
    code.match_indices(prefix)
        .filter(move |(at, _)| !is_inside_a_name(code.get(..*at).unwrap_or_default()))
        .filter_map(move |(at, _)| code.get(at + prefix.len()..))
}

/// Returns the first name of a path, or all of `{a::b, c}`.
fn first_names(path: &str) -> Vec<&str> {
    let Some(group) = path.strip_prefix('{') else { return first_name(path).into_iter().collect() };
    let mut names = Vec::new();
    let (mut depth, mut begins) = (0_usize, true);
    for (at, char) in group.char_indices() {
        match char {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => begins = true,
            _ if begins && !char.is_whitespace() => {
                begins = false;
                names.extend(group.get(at..).and_then(first_name));
            }
            _ => {}
        }
    }
    names
}

fn first_name(path: &str) -> Option<&str> {
    let end = path.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(path.len());
    path.get(..end).filter(|name| !name.is_empty())
}

#[test]
fn every_room_uses_lower_floors_only() {
    let sources = sources();
    let found: Vec<String> = rust_files(&sources)
        .iter()
        .flat_map(|file| violations(file.strip_prefix(&sources).unwrap(), &fs::read_to_string(file).unwrap()))
        .collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn the_check_of_the_order_sees_the_arrows_that_are_there() {
    for (file, room) in [("license/licensing.rs", "store"), ("assets/mod.rs", "registry"), ("clock.rs", "ports")] {
        let text = fs::read_to_string(sources().join(file)).unwrap();
        assert!(rooms_used(&code_of(&text), modules_of(Path::new(file)).len()).contains(room), "{file} uses {room}");
    }
}

#[test]
fn the_check_of_the_order_finds_each_kind_of_violation() {
    let find = |path: &str, text: &str| violations(Path::new(path), text);
    for (path, text, expected) in [
        ("store/read.rs", "use crate::license::Plan;", "store/read.rs: store must not use license"),
        ("store/read.rs", "use crate::{error::Code, net::{Network, url}};", "store/read.rs: store must not use net"),
        (
            "license/wire/mod.rs",
            "fn f() { crate::registry::open() }",
            "license/wire/mod.rs: license must not use registry",
        ),
        ("license/wire/raw.rs", "use super::super::super::assets;", "license/wire/raw.rs: license must not use assets"),
        ("model/mod.rs", "pub use super::ports::Clock;", "model/mod.rs: model must not use ports"),
        ("error.rs", "use crate::model::AssetId;", "error.rs: error must not use model"),
        ("cellar/mod.rs", "", "cellar/mod.rs: the room cellar is on no floor"),
        (
            "net/mod.rs",
            "use crate::strange::X;",
            "net/mod.rs: crate::strange is neither a room nor re-exported by lib.rs",
        ),
    ] {
        assert_eq!(find(path, text), [expected], "{text}");
    }
    for (path, text) in [
        ("license/mod.rs", "use crate::store::{self, Store}; use crate::{Code, Cancellation};"),
        ("license/wire/raw.rs", "use super::super::exchange; use crate::license::grant;"),
        ("store/mod.rs", "/// See [`crate::license`].\nmod tests { use super::*; const A: &str = \"crate::net\"; }"),
        ("lib.rs", "pub mod assets;"),
    ] {
        assert_eq!(find(path, text), [""; 0], "{text}");
    }
}
