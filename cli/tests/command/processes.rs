//! Several commands at once on one store, and commands that are killed.

use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use larder_testkit::{Action, RequestKind, Rule, Testkit, eventually};
use serde_json::{Value, json};

use crate::larder::{Home, media, servers};

fn start(home: &Home, line: &[&str]) -> Child {
    let mut command = home.command();
    command.args(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Ends well, whatever the others do.
#[track_caller]
fn ends_well(child: Child) {
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

fn register_line<'a>(film: &'a str, id: &'a str, source: &'a str) -> Vec<&'a str> {
    vec!["register", film, "--id", id, "--source", source]
}

struct Scene {
    home: Home,
    kit: Testkit,
    film: String,
    source: String,
}

impl Scene {
    fn new() -> Self {
        let (home, kit) = (Home::new(), servers());
        let source = home.clearkey_source(&kit.url("/clearkey/license"));
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        Self { film: text(media("dash-cenc")), source: text(source), home, kit }
    }

    fn register(&self, id: &str) -> Child {
        start(&self.home, &register_line(&self.film, id, &self.source))
    }

    /// Waits until the servers have seen so many requests of this kind.
    #[track_caller]
    fn wait_for(&self, kind: RequestKind, count: u64) {
        eventually("the servers have seen the requests", || {
            self.kit.counts().by_kind.get(&kind).copied().unwrap_or(0) >= count
        });
    }

    /// Licenses, handles and the server's book tell the same: these assets and nothing else.
    #[track_caller]
    fn nothing_is_left_but(&self, ids: &[&str]) {
        let ran = self.home.run(["reconcile"]);
        assert_eq!(ran.status, 0, "{ran:?}");
        let assets = self.home.json(["status"]).1;
        let assets = assets.as_array().unwrap();
        let names: Vec<_> = assets.iter().map(|asset| asset["asset_id"].as_str().unwrap()).collect();
        assert_eq!(names, ids);
        for asset in assets {
            assert_eq!(asset["is_playable"], true, "{asset:#}");
            let states: Vec<_> = asset["licenses"].as_array().unwrap().iter().map(|l| l["state"].clone()).collect();
            assert_eq!(states, [json!("active")], "{asset:#}");
        }
        let secrets = std::fs::read_dir(self.home.store().join("secrets")).map_or(0, Iterator::count);
        assert_eq!((self.kit.book().live, secrets), (ids.len(), ids.len()));
        let names = std::fs::read_dir(self.home.store()).unwrap().map(|entry| entry.unwrap().file_name());
        let left: Vec<_> = names.filter(|name| name.to_str().unwrap().starts_with("larder.asset-")).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[expect(clippy::disallowed_methods, reason = "the kill comes at an arbitrary point in the work of another process")]
fn pause() {
    thread::sleep(Duration::from_millis(10));
}

#[test]
fn one_id_that_several_commands_register_at_once_is_registered_once() {
    let scene = Scene::new();
    scene.kit.add_fault(Rule::on("/clearkey", Action::Delay { delay_ms: 150 })).unwrap();
    let all: Vec<_> = (0..4).map(|_| scene.register("film")).collect();
    all.into_iter().for_each(ends_well);
    assert_eq!(scene.kit.book().licenses.len(), 1, "the others found it registered");
    scene.nothing_is_left_but(&["film"]);
}

#[test]
fn different_ids_do_not_wait_for_each_other() {
    let scene = Scene::new();
    scene.kit.add_fault(Rule::on("/clearkey", Action::Hang).kind(RequestKind::License).times(1)).unwrap();
    let mut slow = scene.register("slow");
    scene.wait_for(RequestKind::License, 1);
    ends_well(scene.register("quick"));
    ends_well(start(&scene.home, &["unregister", "quick"]));
    assert!(slow.try_wait().unwrap().is_none(), "it still waits for its server");
    slow.kill().unwrap();
    slow.wait().unwrap();
    scene.nothing_is_left_but(&[]);
}

#[test]
fn refreshes_at_once_leave_one_license() {
    let scene = Scene::new();
    ends_well(scene.register("film"));
    scene.kit.add_fault(Rule::on("/clearkey", Action::Delay { delay_ms: 150 })).unwrap();
    let all: Vec<_> = (0..3).map(|_| start(&scene.home, &["refresh", "film"])).collect();
    all.into_iter().for_each(ends_well);
    scene.nothing_is_left_but(&["film"]);
}

#[test]
fn an_asset_that_is_unregistered_while_another_command_registers_it_is_gone_afterwards() {
    let scene = Scene::new();
    let rule = Rule::on("/clearkey", Action::Delay { delay_ms: 400 }).kind(RequestKind::License);
    scene.kit.add_fault(rule).unwrap();
    let registering = scene.register("film");
    scene.wait_for(RequestKind::License, 1);
    let unregistering = start(&scene.home, &["unregister", "film"]);
    ends_well(registering);
    ends_well(unregistering);
    scene.nothing_is_left_but(&[]);
}

#[test]
fn a_command_that_is_killed_while_it_waits_for_a_license_leaves_nothing() {
    let scene = Scene::new();
    scene.kit.add_fault(Rule::on("/clearkey", Action::Hang).kind(RequestKind::License).times(2)).unwrap();
    for (round, line) in [vec!["unregister", "film"], vec!["status", "film"]].into_iter().enumerate() {
        let mut child = scene.register("film");
        scene.wait_for(RequestKind::License, round as u64 + 1);
        child.kill().unwrap();
        child.wait().unwrap();
        scene.home.run(line);
        scene.nothing_is_left_but(&[]);
    }
    ends_well(scene.register("film"));
    scene.nothing_is_left_but(&["film"]);
}

#[test]
fn a_release_whose_command_was_killed_is_sent_by_the_next_at_once() {
    let scene = Scene::new();
    ends_well(scene.register("film"));
    scene.kit.add_fault(Rule::on("/clearkey", Action::Hang).kind(RequestKind::Release).times(1)).unwrap();
    let mut child = start(&scene.home, &["unregister", "film"]);
    scene.wait_for(RequestKind::Release, 1);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(scene.home.json(["status", "film"]).1["pending_releases"], 1);
    let (status, done) = scene.home.json(["reconcile"]);
    assert_eq!((status, &done["released"], &done["pending"]), (0, &json!(1), &json!(0)), "{done:#}");
    scene.nothing_is_left_but(&[]);
}

#[test]
fn a_server_that_hangs_with_a_release_does_not_keep_the_command() {
    let scene = Scene::new();
    for id in ["a", "b", "c"] {
        ends_well(scene.register(id));
    }
    scene.kit.add_fault(Rule::on("/clearkey", Action::Hang).kind(RequestKind::Release)).unwrap();
    let begun = Instant::now();
    ends_well(start(&scene.home, &["--reconcile-timeout", "1", "unregister", "--all"]));
    assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
    assert_eq!(scene.home.json(["list"]).1, json!([]));
    scene.kit.clear_faults().unwrap();
    scene.nothing_is_left_but(&[]);
}

/// Kills commands at arbitrary moments. A license that is granted in the very moment has no owner on this side: those the
/// server may not have got back are few, and no more than the kills.
#[test]
fn commands_that_are_killed_at_any_moment_leave_assets_whole_or_absent() {
    let scene = Scene::new();
    let url = scene.kit.url("/clearkey/license");
    let strict = json!({ "drm": [{ "scheme": "clearkey", "license_url": url, "renewal": "release-then-acquire" }] });
    let strict = scene.home.file("strict.json", strict.to_string());
    let rounds = 24;
    for round in 0..rounds {
        let id = ["a", "b"][round / 2 % 2];
        let mut child = match round % 4 {
            0 | 1 => scene.register(id),
            2 if round % 8 > 4 => start(&scene.home, &["refresh", id, "--source", strict.to_str().unwrap()]),
            2 => start(&scene.home, &["refresh", id]),
            _ => start(&scene.home, &["unregister", id]),
        };
        thread::scope(|scope| {
            scope.spawn(|| (0..=round * 7 % 23).for_each(|_| pause()));
        });
        child.kill().unwrap();
        child.wait().unwrap();
        let assets = scene.home.json(["status"]).1;
        for asset in assets.as_array().unwrap() {
            let why = asset["why"].as_str().unwrap();
            // A strict server's license may be gone before the next one is there.
            assert!(matches!(why, "playable" | "registering" | "license-missing"), "{asset:#}");
        }
    }
    assert_eq!(scene.home.run(["reconcile"]).status, 0);
    let of_assets = licenses(&scene.home.json(["status"]).1);
    assert!(of_assets.iter().all(|(_, state)| state == "active"), "{of_assets:?}");
    let mut secrets: Vec<_> = std::fs::read_dir(scene.home.store().join("secrets"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    secrets.sort();
    let mut expected: Vec<_> = of_assets.iter().map(|(id, _)| format!("larder.license.{id}")).collect();
    expected.sort();
    assert_eq!(secrets, expected);
    let held = secrets.iter().map(|name| {
        let handle: Value =
            serde_json::from_slice(&std::fs::read(scene.home.store().join("secrets").join(name)).unwrap()).unwrap();
        handle["license_id"].as_str().unwrap().to_owned()
    });
    let book = scene.kit.book();
    for id in held {
        let at_the_server = book.licenses.iter().find(|license| license.license_id == id).unwrap();
        assert_eq!(at_the_server.released_at_ms, None, "what is called active was not given back");
    }
    assert!(scene.kit.book().live <= of_assets.len() + rounds / 4, "{}", scene.kit.book().live);
}

fn licenses(assets: &Value) -> Vec<(String, String)> {
    let all = assets.as_array().unwrap().iter().flat_map(|asset| asset["licenses"].as_array().unwrap());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    all.map(|license| (text(&license["license_id"]), text(&license["state"]))).collect()
}
