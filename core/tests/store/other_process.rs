//! The other process of a test: this test binary, started again with a role.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use larder_core::model::{LicenseState, Profile};
use larder_core::store::{AssetState, Store};

use crate::samples::{clear_asset, id, intent};

const ROLE: &str = "LARDER_TEST_ROLE";
const DIR: &str = "LARDER_TEST_DIR";
const NAME: &str = "LARDER_TEST_NAME";

/// A running process with a role. Killed when dropped.
pub(crate) struct Other {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Other {
    /// Starts `role` on the store in `dir`; `name` tells its rows from others'.
    pub(crate) fn start(role: &str, dir: &Path, name: &str) -> Self {
        Self::run(Command::new(std::env::current_exe().unwrap()), role, dir, name)
    }

    pub(crate) fn run(mut command: Command, role: &str, dir: &Path, name: &str) -> Self {
        let mut child = command
            .args(["other_process::play", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .env(DIR, dir)
            .env(NAME, name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, input, output: BufReader::new(output) }
    }

    /// The next thing it says; `None` once it has ended.
    pub(crate) fn hear(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            // The test harness prints on the same line before the first word.
            if let Some((_, said)) = line.trim_end().split_once("> ") {
                return Some(said.to_owned());
            }
        }
    }

    pub(crate) fn tell(&mut self) {
        self.input.write_all(b"go on\n").unwrap();
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its good end.
    pub(crate) fn end(mut self) {
        while self.hear().is_some() {}
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(clippy::print_stdout, reason = "how the other process talks")]
fn say(what: impl std::fmt::Display) {
    println!("> {what}");
    std::io::stdout().flush().unwrap();
}

fn wait_for_word() {
    std::io::stdin().lock().read_line(&mut String::new()).unwrap();
}

#[test]
#[ignore = "not a test: the other process of tests, started by them"]
fn play() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let dir = std::path::PathBuf::from(std::env::var_os(DIR).unwrap());
    let name = std::env::var(NAME).unwrap();
    match role.as_str() {
        "open" => match Store::open(&dir) {
            Ok(_) => say("opened"),
            Err(error) => say(error.code()),
        },
        "insert" => {
            let store = Store::open(&dir).unwrap().store;
            for number in 0..100 {
                store.write(|tx| tx.insert_asset(&clear_asset(&format!("{name}-{number}")))).unwrap();
            }
        }
        // Each step an asset and its license, reported after it is done; until killed.
        "step" => {
            let store = Store::open(&dir).unwrap().store;
            let first: u64 = name.parse().unwrap();
            for number in first.. {
                let asset_id = number.to_string();
                store
                    .write(|tx| {
                        tx.insert_asset(&clear_asset(&asset_id))?;
                        tx.insert_license(&intent(number, &asset_id))?;
                        // Now and then much at once, so that the log is copied back in mid-flight.
                        if number % 7 == 0 {
                            let mut large = clear_asset(&asset_id);
                            large.metadata = Some(vec![7; 300_000]);
                            tx.update_asset(&large)?;
                        }
                        Ok(())
                    })
                    .unwrap();
                say(number);
            }
        }
        "hold" => {
            let store = Store::open(&dir).unwrap().store;
            store
                .write(|tx| {
                    tx.insert_asset(&clear_asset(&name))?;
                    say("holding");
                    wait_for_word();
                    Ok(())
                })
                .unwrap();
        }
        "begin" => {
            let store = Store::open(&dir).unwrap().store;
            let mut asset = clear_asset(&name);
            asset.state = AssetState::Registering;
            let mut done = intent(2, &name);
            done.state = LicenseState::Active;
            store
                .write(|tx| {
                    tx.insert_asset(&asset)?;
                    tx.insert_license(&done)?;
                    tx.insert_license(&intent(1, &name))
                })
                .unwrap();
            assert_eq!(store.read(|tx| tx.summaries(&Profile::default())).unwrap().len(), 1);
            say("begun");
            wait_for_word();
        }
        "lock" => {
            let store = Store::open(&dir).unwrap().store;
            let _lock = store.try_lock_asset(&Profile::default(), &id(&name)).unwrap().unwrap();
            say("locked");
            wait_for_word();
        }
        other => panic!("no such role: {other}"),
    }
}
