//! Headroom: a file that does nothing but take up space, so that something can be deleted when the disk is full.
//!
//! SQLite writes before it deletes. Media3 cannot remove a download from a full disk for that reason
//! (google/ExoPlayer#5914).

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Enough for the shared-memory file and a log of a hundred pages.
const BYTES: u64 = 512 * 1024;

/// Makes the file if it is not there and there is room for it. Its absence is no error.
pub(super) fn keep(dir: &Path) {
    let file = file_of(dir);
    if fs::metadata(&file).is_ok_and(|meta| meta.len() >= BYTES) {
        return;
    }
    if let Err(error) = fill(&file) {
        // A part of it would only take the last bytes from others.
        let _ = fs::remove_file(&file);
        tracing::debug!(kind = %error.kind(), "no headroom is kept for deleting on a full disk");
    }
}

/// Gives the space back. True if there was any.
pub(super) fn release(dir: &Path) -> bool {
    fs::remove_file(file_of(dir)).is_ok()
}

fn fill(file: &Path) -> io::Result<()> {
    // Written, not set to a length: a sparse file takes up nothing.
    let chunk = [0x4c_u8; 16 * 1024];
    let mut out = fs::File::create(file)?;
    let mut written = 0;
    while written < BYTES {
        out.write_all(&chunk)?;
        written += chunk.len() as u64;
    }
    // File systems that allocate late say only now that there is no room.
    out.sync_all()
}

fn file_of(dir: &Path) -> PathBuf {
    dir.join("larder.headroom")
}
