//! The reserve file. It does nothing but take up space, which is freed so that deleting works on a full disk.
//!
//! SQLite writes before it deletes, so without a reserve nothing can be deleted from a full disk: Media3 cannot remove
//! a download then for that reason (google/ExoPlayer#5914).

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Enough for the shared-memory file and a log of a hundred pages.
const BYTES: u64 = 512 * 1024;

/// A smaller rest is not worth a file.
const LEAST_BYTES: u64 = 64 * 1024;

/// Creates the file if it is absent and there is room for all of it. It is no error if there is not.
pub(super) fn create(dir: &Path) {
    // A smaller file would only take the last bytes of the disk from others.
    fill_if_smaller(dir, BYTES);
}

/// Refills the file with as much space as is available, so that opening the store again and again on a full disk does
/// not use the reserve up.
pub(super) fn refill(dir: &Path) {
    fill_if_smaller(dir, LEAST_BYTES);
}

/// Frees the space. Returns true if there was any.
pub(super) fn spend(dir: &Path) -> bool {
    fs::remove_file(file_of(dir)).is_ok()
}

/// True if the file exists: a store has been open here before.
pub(super) fn exists(dir: &Path) -> bool {
    file_of(dir).exists()
}

/// The reserve of a store that was opened on a full disk. Refills the file now and when it is dropped: closing the
/// store frees space that belongs to the reserve.
#[derive(Debug)]
pub(super) struct Refill(PathBuf);

impl Refill {
    pub(super) fn new(dir: &Path) -> Self {
        refill(dir);
        Self(dir.to_owned())
    }
}

impl Drop for Refill {
    fn drop(&mut self) {
        refill(&self.0);
    }
}

fn fill_if_smaller(dir: &Path, least: u64) {
    let file = file_of(dir);
    if fs::metadata(&file).is_ok_and(|meta| meta.len() >= BYTES) {
        return;
    }
    if let Err(error) = fill(&file, least) {
        let _ = fs::remove_file(&file);
        tracing::debug!(kind = %error.kind(), "reserve file creation failed");
    }
}

fn fill(file: &Path, least: u64) -> io::Result<()> {
    // The bytes are written: a file that is only set to its length is sparse and takes up no space.
    let chunk = [0x4c_u8; 16 * 1024];
    let mut out = fs::File::create(file)?;
    let mut written = 0;
    while written < BYTES {
        match out.write_all(&chunk) {
            Err(error) if written < least => return Err(error),
            Err(_) => break,
            Ok(()) => {}
        }
        written += chunk.len() as u64;
    }
    // A file system that allocates late reports only here that there is no room.
    out.sync_all()
}

fn file_of(dir: &Path) -> PathBuf {
    dir.join("larder.reserve")
}
