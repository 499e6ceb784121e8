//! Helpers that the tests of several crates share: the sample media, copies of it, and waiting for background work.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// The time after which [`eventually`] gives up. Far above what any background work needs on a loaded machine.
const DEADLINE: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Returns the folder of the sample media, `testkit/media`.
pub fn media_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("media")
}

/// Copies a folder with everything below it. Fails if a file cannot be read or written.
pub fn copy_dir(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_dir(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

/// Waits until `condition` holds: for background work that reports no event.
///
/// # Panics
///
/// Panics with `expectation` if the condition does not hold within a minute.
pub fn eventually(expectation: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < end, "did not happen within {DEADLINE:?}: {expectation}");
        thread::park_timeout(POLL_INTERVAL);
    }
}
