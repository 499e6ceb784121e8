//! Help, mistakes on the command line, and where output goes.

use std::fs::File;
use std::process::Stdio;

use crate::larder::{Home, media};

const COMMANDS: [&[&str]; 22] = [
    &["register"],
    &["status"],
    &["list"],
    &["url"],
    &["refresh"],
    &["renew-all"],
    &["unregister"],
    &["reconcile"],
    &["played"],
    &["metadata"],
    &["init-data"],
    &["keys-check"],
    &["diagnostics"],
    &["store", "dump"],
    &["testkit", "serve"],
    &["testkit", "book"],
    &["testkit", "counts"],
    &["testkit", "requests"],
    &["testkit", "faults"],
    &["testkit", "reset"],
    &["testkit", "stop"],
    &["testkit", "fetch"],
];

#[test]
fn every_command_has_help_with_an_example_on_standard_output() {
    let home = Home::new();
    for command in COMMANDS {
        let ran = home.run(command.iter().chain(&["--help"])).ends_with(0);
        assert!(ran.stdout.contains("Example:\n") && ran.stderr.is_empty(), "{ran:?}");
    }
    home.run(["--version"]).ends_with(0);
    let ran = home.run(["--help"]).ends_with(0);
    for command in COMMANDS {
        assert!(ran.stdout.contains(&format!("\n  {}", command[0])), "{command:?} is not in the help");
    }
    assert!(!home.store().exists());
}

#[test]
fn a_line_that_is_not_understood_ends_with_2_and_prints_nothing_as_data() {
    let home = Home::new();
    let lines: [&[&str]; 14] = [
        &[],
        &["frobnicate"],
        &["status", "--frobnicate"],
        &["register"],
        &["register", "/films/a"],
        &["register", "/films/a", "--id"],
        &["renew-all"],
        &["renew-all", "--within", "soon"],
        &["unregister"],
        &["unregister", "a", "--all"],
        &["--root", "downloads", "list"],
        &["--timeout", "0", "list"],
        &["testkit"],
        &["testkit", "book"],
    ];
    for line in lines {
        let ran = home.run(line).ends_with(2);
        assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{ran:?}");
    }
    assert!(!home.store().exists(), "a mistake leaves no store");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let home = Home::new();
    let mut command = home.command();
    command.args(["init-data", "--json"]).arg(media("dash-cenc"));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_behind_standard_output_is_an_error() {
    let home = Home::new();
    let mut command = home.command();
    command.args(["init-data", "--json"]).arg(media("dash-cenc"));
    let output = command.stdout(File::options().write(true).open("/dev/full").unwrap()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("DISK_FULL"), "{stderr}");
}

#[test]
fn one_field_is_printed_bare() {
    let home = Home::new();
    let ran = home.run(["status", "nobody", "--field", "why"]).ends_with(1);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("not-registered\n", ""));
    home.run(["status", "nobody", "--field", "licenses.0.state"]).ends_with(2);
}

#[cfg(unix)]
#[test]
fn a_new_store_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    home.run(["list"]).ends_with(0);
    assert_eq!(std::fs::metadata(home.store()).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_store_may_lie_anywhere_and_two_do_not_meet() {
    let home = Home::new();
    let clear = media("cmaf-clear/manifest.mpd");
    let register = |store: &str| {
        let line = ["--store", store, "register", clear.to_str().unwrap(), "--id", "film"].map(str::to_owned);
        home.run(line).ends_with(0);
    };
    register("one");
    assert_eq!(home.json(["--store", "one", "list"]).1.as_array().unwrap().len(), 1);
    assert_eq!(home.json(["--store", "two", "list"]).1.as_array().unwrap().len(), 0);
    assert_eq!(home.json(["--store", "one", "--profile", "eve", "list"]).1.as_array().unwrap().len(), 0);
}

#[test]
fn a_path_is_taken_as_people_type_it() {
    let home = Home::new();
    let films = home.path("films of mine/ä\n🍎");
    std::fs::create_dir_all(&films).unwrap();
    let films = films.canonicalize().unwrap();
    std::fs::copy(media("cmaf-clear/manifest.mpd"), films.join("manifest.mpd")).unwrap();
    std::fs::create_dir_all(home.path("elsewhere")).unwrap();
    let register = |path: &str| {
        let mut command = home.command();
        command.current_dir(home.path("elsewhere")).args(["register", path, "--id", "film"]);
        assert_eq!(command.output().unwrap().status.code(), Some(0), "{path}");
    };
    // All of them the same place: the second does not find other media under the id.
    let whole = films.to_str().unwrap();
    for path in ["../films of mine/ä\n🍎", "../films of mine//ä\n🍎/", "./../elsewhere/../films of mine/ä\n🍎/.", whole]
    {
        register(path);
    }
    let listed = home.json(["list", "--path", "films of mine/ä\n🍎/"]).1;
    assert_eq!(listed[0]["path"].as_str().unwrap(), films.to_str().unwrap());
    let url = home.run(["url", "film"]).ends_with(0).stdout;
    assert!(url.ends_with("/films%20of%20mine/%C3%A4%0A%F0%9F%8D%8E/manifest.mpd\n"), "{url}");
    assert_eq!(home.run(["list"]).stdout.lines().count(), 1, "a newline in a path makes no second line");
}
