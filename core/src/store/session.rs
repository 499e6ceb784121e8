//! Sessions: tell whether the store that is working on a row is still open.
//!
//! Every asset and license names the session that wrote it last. A session is a locked file in the store's folder,
//! which the system unlocks when the process dies. So a license in state intended whose session has ended was abandoned
//! and is recovered, and one that another process is acquiring at this moment is left alone.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::columns::Columns;
use super::file_lock::{FileLock, Mode};
use crate::error::Result;
use crate::model::{AssetId, LicenseId, Profile};

const PREFIX: &str = "larder.session-";

/// The session of one open store. Dropping it ends the session.
#[derive(Debug)]
pub(super) struct Session {
    id: String,
    file: PathBuf,
    _lock: FileLock,
}

impl Session {
    /// Begins a session.
    pub(super) fn begin(dir: &Path) -> Result<Self> {
        let fail = super::failure::file("beginning a session of the store");
        loop {
            // 128 random bits, as a license id has.
            let id = LicenseId::random()?.as_str().to_owned();
            let file = file_of(dir, &id);
            // `remove_stale` of another process may remove the file between its creation and its locking. Then another
            // name is tried.
            if let Some(lock) = FileLock::try_lock(&file, Mode::Exclusive).map_err(&fail)?
                && file.exists()
            {
                return Ok(Self { id, file, _lock: lock });
            }
        }
    }

    /// Returns the name that rows store.
    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // If this fails, the file is unlocked all the same, and removed at the next opening.
        let _ = fs::remove_file(&self.file);
    }
}

/// Tells live sessions from ended ones. Looks at the file of each session once.
pub(super) struct Sessions<'a> {
    dir: &'a Path,
    known: HashMap<String, bool>,
}

impl<'a> Sessions<'a> {
    pub(super) fn of(dir: &'a Path) -> Self {
        Self { dir, known: HashMap::new() }
    }

    /// True if the session has not ended. False for a row without a session.
    pub(super) fn is_live(&mut self, id: Option<&str>) -> bool {
        // The name comes from a file that may be damaged, so only a name that `begin` can create becomes part of a
        // path.
        let Some(id) = id.and_then(LicenseId::parse) else { return false };
        let dir = self.dir;
        *self.known.entry(id.as_str().to_owned()).or_insert_with_key(|id| is_locked(&file_of(dir, id)))
    }
}

/// A row with work that is not finished, and the session that wrote it last.
pub(super) struct Unfinished<T> {
    pub(super) asset: (Profile, AssetId),
    pub(super) session: Option<String>,
    pub(super) id: T,
}

impl<T> Unfinished<T> {
    /// Decodes the columns profile, asset_id, written_by, and then those of `id`.
    pub(super) fn decode(
        columns: &mut Columns<'_, '_>,
        id: impl FnOnce(&mut Columns<'_, '_>) -> Option<T>,
    ) -> Option<Self> {
        Some(Self {
            asset: (Profile::new(columns.text()?).ok()?, AssetId::new(columns.text()?).ok()?),
            // A session that does not decode has ended.
            session: columns.value::<Option<String>>().flatten(),
            id: id(columns)?,
        })
    }
}

/// Removes the files of ended sessions.
pub(super) fn remove_stale(dir: &Path) {
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
    fn a_session_is_live_until_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let session = Session::begin(dir.path()).unwrap();
        let id = session.id().to_owned();
        assert!(Sessions::of(dir.path()).is_live(Some(&id)));
        remove_stale(dir.path());
        assert!(Sessions::of(dir.path()).is_live(Some(&id)), "the file of a live session is not removed");
        drop(session);
        assert!(!Sessions::of(dir.path()).is_live(Some(&id)));
    }

    #[test]
    fn the_session_file_of_a_killed_process_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let left = file_of(dir.path(), &"a".repeat(32));
        fs::write(&left, "").unwrap();
        assert!(!Sessions::of(dir.path()).is_live(Some(&"a".repeat(32))));
        remove_stale(dir.path());
        assert!(!left.exists());
    }

    #[test]
    fn the_session_name_of_a_damaged_row_is_not_used_as_a_path() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let _held = FileLock::try_lock(&dir.path().join("x"), Mode::Exclusive).unwrap();
        assert!(!Sessions::of(&inner).is_live(Some("/../../x")));
        assert!(!Sessions::of(&inner).is_live(None));
    }
}
