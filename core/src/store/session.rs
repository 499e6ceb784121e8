//! Sessions: which open store is working on a row, and whether it still is.
//!
//! Every row bears the session that wrote it last. A session is a locked file in the store's folder; the system gives
//! the lock back when the process dies. So a license in intent whose session has ended was abandoned and is recovered,
//! while one that another process is getting at this moment is left alone.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::lock::{FileLock, Mode};
use crate::error::Result;
use crate::model::LicenseId;

const PREFIX: &str = "larder.session-";

/// The session of one open store. Ends when dropped.
#[derive(Debug)]
pub(super) struct Session {
    id: String,
    file: PathBuf,
    _lock: FileLock,
}

impl Session {
    /// Begins a session in the store's folder.
    pub(super) fn begin(dir: &Path) -> Result<Self> {
        let fail = super::failure::file("the store's session cannot be begun");
        loop {
            // 128 random bits under the name that they have elsewhere.
            let id = LicenseId::random()?.as_str().to_owned();
            let file = file_of(dir, &id);
            // Between making and locking, `sweep` of another process may take it for dead; then another name is tried.
            if let Some(lock) = FileLock::try_lock(&file, Mode::Exclusive).map_err(&fail)?
                && file.exists()
            {
                return Ok(Self { id, file, _lock: lock });
            }
        }
    }

    /// What rows bear.
    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // If it stays behind it is unlocked, and swept at the next opening.
        let _ = fs::remove_file(&self.file);
    }
}

/// Tells live sessions from ended ones, asking about each once.
pub(super) struct Sessions<'a> {
    dir: &'a Path,
    known: HashMap<String, bool>,
}

impl<'a> Sessions<'a> {
    pub(super) fn of(dir: &'a Path) -> Self {
        Self { dir, known: HashMap::new() }
    }

    /// False for a session that has ended, and for a row without one.
    pub(super) fn is_live(&mut self, id: Option<&str>) -> bool {
        // It comes from a file that may be damaged: only what we could have made becomes part of a path.
        let Some(id) = id.and_then(LicenseId::parse) else { return false };
        let dir = self.dir;
        *self.known.entry(id.as_str().to_owned()).or_insert_with_key(|id| is_locked(&file_of(dir, id)))
    }
}

/// Removes the files of ended sessions.
pub(super) fn sweep(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let is_session = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        if is_session && let Ok(Some(_lock)) = FileLock::try_lock_existing(&entry.path(), Mode::Exclusive) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn is_locked(file: &Path) -> bool {
    match FileLock::try_lock_existing(file, Mode::Shared) {
        Ok(lock) => lock.is_none(),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

fn file_of(dir: &Path, id: &str) -> PathBuf {
    dir.join(format!("{PREFIX}{id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_lives_until_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let session = Session::begin(dir.path()).unwrap();
        let id = session.id().to_owned();
        assert!(Sessions::of(dir.path()).is_live(Some(&id)));
        sweep(dir.path());
        assert!(Sessions::of(dir.path()).is_live(Some(&id)), "a live one is not swept");
        drop(session);
        assert!(!Sessions::of(dir.path()).is_live(Some(&id)));
    }

    #[test]
    fn what_a_killed_process_leaves_behind_is_swept() {
        let dir = tempfile::tempdir().unwrap();
        let left = file_of(dir.path(), &"a".repeat(32));
        fs::write(&left, "").unwrap();
        assert!(!Sessions::of(dir.path()).is_live(Some(&"a".repeat(32))));
        sweep(dir.path());
        assert!(!left.exists());
    }

    #[test]
    fn a_session_from_a_damaged_row_is_no_path() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let _held = FileLock::try_lock(&dir.path().join("x"), Mode::Exclusive).unwrap();
        assert!(!Sessions::of(&inner).is_live(Some("/../../x")));
        assert!(!Sessions::of(&inner).is_live(None));
    }
}
