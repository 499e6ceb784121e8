//! Locks between processes, on files of their own.
//!
//! A lock belongs to an open file: two stores of one process exclude each other as two processes do, and the system
//! unlocks the file when the process dies, in whatever way.
//!
//! `std::fs::File::lock` is not used: before Rust 1.98 it fails with "unsupported" on Android (rust-lang/rust#148325).
//! The database's file itself is never locked, nor opened in any other way, while a connection is open: closing it
//! would drop all of SQLite's own locks on it in this process (sqlite.org/howtocorrupt.html, 2.2).

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// The mode of a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Other shared locks may be held at the same time.
    Shared,
    /// No other lock may be held at the same time.
    Exclusive,
}

/// A held lock. Dropping it unlocks the file.
#[derive(Debug)]
pub(super) struct FileLock {
    file: File,
}

impl FileLock {
    /// Creates the file if it is absent, and locks it. Returns `None` if another lock is in the way.
    pub(super) fn try_lock(path: &Path, mode: Mode) -> io::Result<Option<Self>> {
        Self::on(OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?, mode)
    }

    /// As [`try_lock`](Self::try_lock), but fails if the file is absent.
    pub(super) fn try_lock_existing(path: &Path, mode: Mode) -> io::Result<Option<Self>> {
        Self::on(File::open(path)?, mode)
    }

    /// True if the path still names the locked file, and not another file that has replaced it.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        self.file.metadata().is_ok_and(|meta| FileIdentity::of_metadata(&meta).is_still_at(path))
    }

    fn on(file: File, mode: Mode) -> io::Result<Option<Self>> {
        let operation = match mode {
            Mode::Shared => FlockOperation::NonBlockingLockShared,
            Mode::Exclusive => FlockOperation::NonBlockingLockExclusive,
        };
        loop {
            return match flock(&file, operation) {
                Ok(()) => Ok(Some(Self { file })),
                Err(Errno::WOULDBLOCK) => Ok(None),
                Err(Errno::INTR) => continue,
                // A file system without locks (some FUSE mounts). SQLite has to assume, too, that one process uses it.
                Err(Errno::NOSYS | Errno::OPNOTSUPP | Errno::NOLCK) => Ok(Some(Self { file })),
                Err(errno) => Err(errno.into()),
            };
        }
    }
}

/// The device and inode of the file that a path named, if there was one.
///
/// In WAL mode SQLite does not notice that its file was moved away, and commits go into a file that the next opening
/// does not find. So the store compares the identity before each write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileIdentity(Option<(u64, u64)>);

impl FileIdentity {
    pub(super) fn of(path: &Path) -> Self {
        fs::metadata(path).map_or(Self(None), |meta| Self::of_metadata(&meta))
    }

    fn of_metadata(meta: &fs::Metadata) -> Self {
        Self(Some((meta.dev(), meta.ino())))
    }

    /// True if the path still names that file.
    pub(super) fn is_still_at(self, path: &Path) -> bool {
        self == Self::of(path) && self.0.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_shared_or_exclusive_until_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let take = |mode| FileLock::try_lock(&path, mode).unwrap();
        let (first, second) = (take(Mode::Shared), take(Mode::Shared));
        assert!(first.is_some() && second.is_some());
        assert!(take(Mode::Exclusive).is_none());
        drop((first, second));
        let alone = take(Mode::Exclusive);
        assert!(alone.is_some());
        assert!(take(Mode::Shared).is_none() && take(Mode::Exclusive).is_none());
    }
}
