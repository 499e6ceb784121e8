//! Locks between processes, on files of their own.
//!
//! A lock belongs to its open file: two stores of one process exclude each other like two processes, and the system
//! gives a lock back when its process dies, however it dies.
//!
//! Not `std::fs::File::lock`: before Rust 1.98 it answers "unsupported" on Android (rust-lang/rust#148325). And never a
//! lock on, or any other direct access to, the database's file while a connection is open: closing such a file
//! drops all of SQLite's own locks on it in this process (sqlite.org/howtocorrupt.html, 2.2).

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// Who else may hold the lock at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Others that share it.
    Shared,
    /// Nobody.
    Exclusive,
}

/// A held lock. Dropping it gives it back.
#[derive(Debug)]
pub(super) struct FileLock {
    file: File,
}

impl FileLock {
    /// Makes the file if need be and takes the lock if it is free; `None` if it is not.
    pub(super) fn try_lock(path: &Path, mode: Mode) -> io::Result<Option<Self>> {
        Self::on(OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?, mode)
    }

    /// As [`try_lock`](Self::try_lock), on a file that must be there.
    pub(super) fn try_lock_existing(path: &Path, mode: Mode) -> io::Result<Option<Self>> {
        Self::on(File::open(path)?, mode)
    }

    /// True if the path still names the locked file, and not another of the same name.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        self.file.metadata().is_ok_and(|meta| Place(Some((meta.dev(), meta.ino()))).is_still(path))
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
                // A file system without locks (some FUSE mounts): one process uses it then, as SQLite has to assume too.
                Err(Errno::NOSYS | Errno::OPNOTSUPP | Errno::NOLCK) => Ok(Some(Self { file })),
                Err(errno) => Err(errno.into()),
            };
        }
    }
}

/// Which file a path named when it was opened. In WAL mode SQLite does not notice that its file has been moved away, and
/// commits go on into a file that nobody will find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(Option<(u64, u64)>);

impl Place {
    pub(super) fn of(path: &Path) -> Self {
        Self(fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino())))
    }

    /// True if the path still names that file.
    pub(super) fn is_still(self, path: &Path) -> bool {
        self == Self::of(path) && self.0.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_shared_or_exclusive_and_given_back_when_dropped() {
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
