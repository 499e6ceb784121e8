//! The other process of a test: this test binary, started again in a role.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use larder_core::model::{LicenseState, Profile};
use larder_core::store::{AssetState, Store};

use crate::samples::{clear_asset, id, intent};

const ROLE: &str = "LARDER_TEST_ROLE";
const DIR: &str = "LARDER_TEST_DIR";
const NAME: &str = "LARDER_TEST_NAME";

/// A running process in a role. Dropping it kills the process.
pub(crate) struct OtherProcess {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl OtherProcess {
    /// Starts `role` on the store in `dir`. `name` becomes a part of the ids that it writes.
    pub(crate) fn start(role: &str, dir: &Path, name: &str) -> Self {
        Self::run(Command::new(std::env::current_exe().unwrap()), role, dir, name)
    }

    /// As [`start`](Self::start), by a given command.
    pub(crate) fn run(mut command: Command, role: &str, dir: &Path, name: &str) -> Self {
        let mut child = command
            .args(["other_process::run_role", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
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

    /// Returns the next line that it reports, `None` after its end.
    pub(crate) fn next_report(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            // The test harness prints on the same line before the first report.
            if let Some((_, report)) = line.trim_end().split_once("> ") {
                return Some(report.to_owned());
            }
        }
    }

    /// Lets a process go on that waits in [`wait_for_signal`].
    pub(crate) fn signal(&mut self) {
        self.input.write_all(b"go on\n").unwrap();
    }

    /// Kills it with SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end, and expects success.
    pub(crate) fn join(mut self) {
        while self.next_report().is_some() {}
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for OtherProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(clippy::print_stdout, reason = "the other process reports on its standard output")]
/// Prints a line for [`OtherProcess::next_report`].
fn report(what: impl std::fmt::Display) {
    println!("> {what}");
    std::io::stdout().flush().unwrap();
}

fn wait_for_signal() {
    std::io::stdin().lock().read_line(&mut String::new()).unwrap();
}

#[test]
#[ignore = "not a test: the other process, started by tests"]
fn run_role() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let dir = std::path::PathBuf::from(std::env::var_os(DIR).unwrap());
    let name = std::env::var(NAME).unwrap();
    match role.as_str() {
        "open" => match Store::open(&dir) {
            Ok(_) => report("opened"),
            Err(error) => report(error.code()),
        },
        "insert" => {
            let store = Store::open(&dir).unwrap().store;
            for number in 0..100 {
                store.write(|tx| tx.insert_asset(&clear_asset(&format!("{name}-{number}")))).unwrap();
            }
        }
        // Writes an asset and its license per transaction, and reports each after its commit, until it is killed.
        "write" => {
            let store = Store::open(&dir).unwrap().store;
            let first: u64 = name.parse().unwrap();
            for number in first.. {
                let asset_id = number.to_string();
                store
                    .write(|tx| {
                        tx.insert_asset(&clear_asset(&asset_id))?;
                        tx.insert_license(&intent(number, &asset_id))?;
                        // A large row from time to time, so that the log is copied back between two transactions.
                        if number % 7 == 0 {
                            let mut large = clear_asset(&asset_id);
                            large.metadata = Some(vec![7; 300_000]);
                            tx.update_asset(&large)?;
                        }
                        Ok(())
                    })
                    .unwrap();
                report(number);
            }
        }
        "hold" => {
            let store = Store::open(&dir).unwrap().store;
            store
                .write(|tx| {
                    tx.insert_asset(&clear_asset(&name))?;
                    report("holding");
                    wait_for_signal();
                    Ok(())
                })
                .unwrap();
        }
        "register" => {
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
            report("registering");
            wait_for_signal();
        }
        "lock" => {
            let store = Store::open(&dir).unwrap().store;
            let _lock = store.try_lock_asset(&Profile::default(), &id(&name)).unwrap().unwrap();
            report("locked");
            wait_for_signal();
        }
        other => panic!("unknown role: {other}"),
    }
}
