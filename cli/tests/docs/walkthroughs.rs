//! The walkthroughs of the guides work: their ```sh walkthrough blocks are run unchanged.

use std::process::Command;

#[test]
fn the_walkthrough_of_the_integration_guide_runs() {
    let said = run("docs/guides/integrating.md");
    assert!(said.contains("issued 1, live 0"), "{said}");
    assert!(said.contains("macroblocks decoded"), "{said}");
}

#[test]
fn the_walkthrough_of_the_operations_guide_runs() {
    let said = run("docs/guides/operating.md");
    assert!(said.contains("LICENSE_NOT_A_LICENSE") && said.contains("exit status 2"), "{said}");
    assert!(said.contains("not-registered") && said.contains("exit status 1"), "{said}");
    assert!(said.contains("\"sintel\": playable"), "{said}");
}

/// Runs a guide's block in an empty folder beside the test media; every line has to work.
fn run(guide: &str) -> String {
    let text = super::read(guide);
    let block = text.split_once("```sh walkthrough\n").unwrap().1.split("```").next().unwrap();
    let home = tempfile::tempdir().unwrap();
    let command = std::path::Path::new(env!("CARGO_BIN_EXE_larder"));
    let path = format!("{}:{}", command.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let media = super::repository("testkit/media").canonicalize().unwrap();
    // The repository, as far as a guide reaches into it.
    std::fs::create_dir(home.path().join("testkit")).unwrap();
    std::os::unix::fs::symlink(media, home.path().join("testkit/media")).unwrap();
    let output = Command::new("bash")
        // Job control, for `kill %1`; the servers end with the shell in any case.
        .args(["-c", &format!("set -euo pipefail; trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{block}")])
        .current_dir(home.path())
        .env("PATH", path)
        .env("LARDER_STORE", home.path().join("store"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{said}", output.status);
    said.into_owned()
}
