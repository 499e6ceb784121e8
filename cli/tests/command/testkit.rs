//! `testkit …`: the servers as a process, and the clients of their admin.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Stdio};

use serde_json::json;

use crate::larder::{Home, media, servers};

/// `larder testkit serve`, ended with the test.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn served_files_are_downloaded_counted_and_refused_while_the_servers_are_down() {
    let home = Home::new();
    let mut command = home.command();
    command.args(["testkit", "serve", "--print-url", "--media"]).arg(media(""));
    let mut served = Served(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let mut lines = BufReader::new(served.0.stdout.take().unwrap()).lines();
    let (url, admin) = (lines.next().unwrap().unwrap(), lines.next().unwrap().unwrap());

    let base = format!("{url}/media/");
    let fetch =
        |names: &str| home.run_with_input(["testkit", "fetch", &base, "--to", "films", "--field", "files"], names);
    let names = "hls-aes128/master.m3u8\nhls-aes128/aes128.key\nhls-aes128/video-234/0.ts\n";
    assert_eq!(fetch(names).ends_with(0).stdout, "3\n");
    for name in names.lines() {
        let (there, here) =
            (std::fs::read(media(name)).unwrap(), std::fs::read(home.path("films").join(name)).unwrap());
        assert!(there == here, "{name}");
    }

    let requests =
        |status: i32| home.run(["testkit", "counts", "--url", &admin, "--field", "requests"]).ends_with(status);
    assert_eq!(requests(0).stdout, "3\n");
    home.run(["testkit", "stop", "--url", &admin]).ends_with(0);
    assert!(fetch(names).ends_with(2).stderr.contains("OFFLINE"));
    home.run(["testkit", "resume", "--url", &admin]).ends_with(0);
    fetch(names).ends_with(0);
    home.run(["testkit", "reset", "--url", &admin]).ends_with(0);
    assert_eq!(requests(0).stdout, "0\n");
    home.fails(["testkit", "stop", "--url", &url], "SERVER_REJECTED").ends_with(2);
}

#[test]
fn what_is_listed_never_leaves_the_folder() {
    let (home, kit) = (Home::new(), servers());
    let base = kit.url("/media/");
    for name in ["../keys.json", "/etc/passwd", "a/../../keys.json"] {
        let ran = home.run_with_input(["testkit", "fetch", &base, "--to", "films"], name).ends_with(2);
        assert!(ran.stderr.contains("INVALID_ARGUMENT"), "{ran:?}");
    }
    assert!(!home.path("keys.json").exists());
    assert_eq!(kit.counts().requests, 0);
}

#[test]
fn a_file_that_is_not_there_is_the_servers_refusal() {
    let (home, kit) = (Home::new(), servers());
    let ran =
        home.run_with_input(["testkit", "fetch", &kit.url("/media"), "--to", "films"], "nothing.m4s\n").ends_with(2);
    assert!(ran.stderr.contains("SERVER_REJECTED"), "{ran:?}");
}

#[test]
fn faults_are_set_listed_and_cleared() {
    let (home, kit) = (Home::new(), servers());
    let admin = kit.admin_url();
    let rule = json!({ "path": "/media", "action": { "kind": "status", "status": 503 } });
    let path = home.file("rules.json", rule.to_string());
    let (status, rules) = home.json(["testkit", "faults", "--url", &admin, "--set", path.to_str().unwrap()]);
    assert_eq!((status, rules.as_array().unwrap().len()), (0, 1), "{rules}");
    let ran = home.run_with_input(["testkit", "fetch", &kit.url("/media"), "--to", "f"], "keys.json").ends_with(2);
    assert!(ran.stderr.contains("503"), "{ran:?}");
    let (_, rules) = home.json(["testkit", "faults", "--url", &admin, "--clear"]);
    assert_eq!(rules, json!([]));
    home.run_with_input(["testkit", "fetch", &kit.url("/media"), "--to", "f"], "keys.json").ends_with(0);
}

#[test]
fn an_admin_url_that_is_none_is_a_typed_error() {
    let home = Home::new();
    for url in ["", "file:///etc/passwd", "http://user:pass@127.0.0.1:1", "nonsense"] {
        home.fails(["testkit", "book", "--url", url], "URL_INVALID").ends_with(2);
    }
}

#[test]
fn a_port_that_is_taken_is_said() {
    let (home, kit) = (Home::new(), servers());
    let port = kit.base_url().rsplit(':').next().unwrap().to_owned();
    home.fails(["testkit", "serve", "--port", &port], "INVALID_ARGUMENT").ends_with(2);
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_the_servers_as_asked() {
    let home = Home::new();
    let mut command = home.command();
    command.args(["testkit", "serve", "--json"]).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut served = Served(command.spawn().unwrap());
    let mut stdout = served.0.stdout.take().unwrap();
    // They serve once something was printed.
    stdout.read_exact(&mut [0]).unwrap();
    // The handler is set up right after that: ask until it is heard.
    let ended = (0..100).find_map(|_| {
        let pid = served.0.id().to_string();
        std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap();
        std::thread::park_timeout(std::time::Duration::from_millis(50));
        served.0.try_wait().unwrap()
    });
    // A process that dies of the signal has no exit status.
    assert_eq!(ended.unwrap().code(), Some(0));
}
