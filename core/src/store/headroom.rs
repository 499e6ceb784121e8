//! Headroom: a file that does nothing but take up space, so that something can be deleted when the disk is full.
//!
//! SQLite writes before it deletes. Media3 cannot remove a download from a full disk for that reason
//! (google/ExoPlayer#5914).

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Enough for the shared-memory file and a log of a hundred pages.
const BYTES: u64 = 512 * 1024;

/// Less is not worth a file.
const LEAST_BYTES: u64 = 64 * 1024;

/// Makes the file if it is not there and there is room for it. Its absence is no error.
pub(super) fn keep(dir: &Path) {
    // A part of it would only take the last bytes from others.
    keep_at_least(dir, BYTES);
}

/// Takes back what was given away, as far as it is still there: whoever opens a full disk again and again must not eat
/// up bit by bit what deleting needs.
pub(super) fn keep_what_is_left(dir: &Path) {
    keep_at_least(dir, LEAST_BYTES);
}

fn keep_at_least(dir: &Path, least: u64) {
    let file = file_of(dir);
    if fs::metadata(&file).is_ok_and(|meta| meta.len() >= BYTES) {
        return;
    }
    if let Err(error) = fill(&file, least) {
        let _ = fs::remove_file(&file);
        tracing::debug!(kind = %error.kind(), "no headroom is kept for deleting on a full disk");
    }
}

/// The headroom of a store that was opened on a full disk. Closing the store gives space back, which belongs to it.
#[derive(Debug)]
pub(super) struct Given(PathBuf);

impl Given {
    pub(super) fn new(dir: &Path) -> Self {
        keep_what_is_left(dir);
        Self(dir.to_owned())
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        keep_what_is_left(&self.0);
    }
}

/// True if a store has been open here before, as far as that shows.
pub(super) fn has_been_kept(dir: &Path) -> bool {
    file_of(dir).exists()
}

/// Gives the space back. True if there was any.
pub(super) fn release(dir: &Path) -> bool {
    fs::remove_file(file_of(dir)).is_ok()
}

fn fill(file: &Path, least: u64) -> io::Result<()> {
    // Written, not set to a length: a sparse file takes up nothing.
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
    // File systems that allocate late say only now that there is no room.
    out.sync_all()
}

fn file_of(dir: &Path) -> PathBuf {
    dir.join("larder.headroom")
}
