//! The desktop's secret storage: one file a value, readable by its owner alone.
//!
//! What a keychain does on a phone. The files protect against other users of the machine, not against its owner; a
//! license that must resist its owner needs a hardware CDM, and no handle of one of those is worth reading.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use larder_core::ports::LocalDrmStorage;
use larder_core::{Code, Error, Result};

/// Real handles have some kilobytes at most.
const MAX_VALUE_BYTES: u64 = 1024 * 1024;

/// Values as files of one folder.
pub(crate) struct FileStorage {
    folder: PathBuf,
}

impl FileStorage {
    /// Storage in this folder, which is made (for its owner alone) at the first save.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The file of a key. Keys are Larder's own (`larder.license.<hex>`); anything else is refused, so that no key can
    /// become another path.
    fn file(&self, key: &str) -> Result<PathBuf> {
        let is_ours = !key.is_empty()
            && key.len() <= 128
            && !key.starts_with('.')
            && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_'));
        if is_ours {
            Ok(self.folder.join(key))
        } else {
            Err(Error::new(Code::StorageFailed, "this is not the name of a secret"))
        }
    }
}

impl FileStorage {
    /// Removes what killed processes have left half written: a draft is a secret, too. A living one holds its draft's lock.
    pub(crate) fn sweep_drafts(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let is_draft = entry.file_name().to_str().is_some_and(|name| name.starts_with('.'));
            if is_draft && File::open(entry.path()).is_ok_and(|draft| draft.try_lock().is_ok()) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// An empty file for a value that is being written, under a name that no other has.
    fn draft(&self, key: &str) -> io::Result<(PathBuf, File)> {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        loop {
            let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
            let path = self.folder.join(format!(".{key}.{}.{serial}", std::process::id()));
            let file = create_private(&path)?;
            // A file system without locks refuses the sweeper's lock, too, so it removes nothing there.
            let _ = file.lock();
            // Between making and locking, another process may have taken it for a dead one's.
            if path.exists() {
                return Ok((path, file));
            }
        }
    }
}

impl LocalDrmStorage for FileStorage {
    /// Writes another file and renames it, so that a crash leaves the old value or the new one.
    fn save(&self, key: &str, value: &[u8]) -> Result<()> {
        let target = self.file(key)?;
        make_private_folder(&self.folder).map_err(failed("made"))?;
        let (draft, mut file) = self.draft(key).map_err(failed("written"))?;
        let written = file.write_all(value).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&draft, &target));
        if let Err(error) = written {
            let _ = fs::remove_file(&draft);
            return Err(failed("written")(error));
        }
        sync_folder(&self.folder).map_err(failed("written"))
    }

    fn load(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let file = match File::open(self.file(key)?) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("read")(error)),
        };
        let mut value = Vec::new();
        file.take(MAX_VALUE_BYTES + 1).read_to_end(&mut value).map_err(failed("read"))?;
        if value.len() as u64 > MAX_VALUE_BYTES {
            return Err(Error::new(Code::StorageFailed, "a secret's file has more than 1 MiB"));
        }
        Ok(Some(value))
    }

    fn remove(&self, key: &str) -> Result<()> {
        match fs::remove_file(self.file(key)?) {
            Ok(()) => sync_folder(&self.folder).map_err(failed("removed")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed("removed")(error)),
        }
    }
}

fn failed(what: &'static str) -> impl Fn(io::Error) -> Error {
    move |cause| {
        let code = if cause.kind() == io::ErrorKind::StorageFull { Code::DiskFull } else { Code::StorageFailed };
        Error::new(code, format!("a secret cannot be {what}: {}", cause.kind())).caused_by(cause)
    }
}

/// Makes a folder that its owner alone may enter, if it is not there.
pub(crate) fn make_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// A rename is durable once its folder is.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Windows has no such call; its rename is journalled.
#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storage() -> (tempfile::TempDir, FileStorage) {
        let home = tempfile::tempdir().unwrap();
        let storage = FileStorage::new(home.path().join("secrets"));
        (home, storage)
    }

    #[test]
    fn a_draft_that_a_killed_process_has_left_is_swept_and_one_that_is_being_written_is_not() {
        let (_home, storage) = storage();
        storage.save("larder.license.00", b"one").unwrap();
        let (living, _locked) = storage.draft("larder.license.01").unwrap();
        let dead = storage.folder.join(".larder.license.02.1.0");
        fs::write(&dead, "half a sec").unwrap();
        storage.sweep_drafts();
        assert!(living.exists() && !dead.exists());
        assert_eq!(storage.load("larder.license.00").unwrap().unwrap(), b"one");
    }

    #[test]
    fn a_value_is_given_back_replaced_and_removed() {
        let (_home, storage) = storage();
        assert_eq!(storage.load("larder.license.00").unwrap(), None);
        storage.save("larder.license.00", b"one").unwrap();
        storage.save("larder.license.00", b"\0two\xff").unwrap();
        assert_eq!(storage.load("larder.license.00").unwrap().unwrap(), b"\0two\xff");
        storage.remove("larder.license.00").unwrap();
        storage.remove("larder.license.00").unwrap();
        assert_eq!(storage.load("larder.license.00").unwrap(), None);
    }

    #[test]
    fn nothing_but_the_value_is_left_in_the_folder() {
        let (home, storage) = storage();
        storage.save("larder.license.00", b"one").unwrap();
        storage.save("larder.license.00", b"two").unwrap();
        let names: Vec<_> =
            fs::read_dir(home.path().join("secrets")).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["larder.license.00"]);
    }

    #[test]
    fn a_name_that_is_not_ours_never_becomes_a_path() {
        let (home, storage) = storage();
        for key in ["", "..", "../x", "a/b", "/etc/passwd", ".hidden", "A", "a\0", "ü", &"a".repeat(129)] {
            assert_eq!(storage.save(key, b"x").unwrap_err().code(), Code::StorageFailed, "{key}");
            assert_eq!(storage.load(key).unwrap_err().code(), Code::StorageFailed, "{key}");
            assert_eq!(storage.remove(key).unwrap_err().code(), Code::StorageFailed, "{key}");
        }
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read() {
        use std::os::unix::fs::PermissionsExt as _;
        let (home, storage) = storage();
        storage.save("larder.license.00", b"one").unwrap();
        let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(home.path().join("secrets")), 0o700);
        assert_eq!(mode(home.path().join("secrets/larder.license.00")), 0o600);
    }

    #[test]
    fn a_folder_that_cannot_be_is_a_typed_error() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("file"), b"").unwrap();
        let storage = FileStorage::new(home.path().join("file/secrets"));
        assert_eq!(storage.save("a", b"x").unwrap_err().code(), Code::StorageFailed);
    }
}
