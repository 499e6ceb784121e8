//! The small reader: files of one folder, with limits. Everything else in this module works on bytes.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::reference::{InsidePath, Place};
use crate::error::{Code, Error, Quoted, Result};

/// A folder of media. Nothing outside is ever opened, whatever a manifest or a link in it says.
pub(super) struct Folder {
    /// As the caller gave it: where paths are built from.
    path: PathBuf,
    /// Without links: what every opened file must lie below.
    real: PathBuf,
}

/// Why a reference cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Absent {
    /// It is on a server.
    Remote,
    /// It leaves the folder.
    Outside,
    /// No file is there.
    Missing,
    /// Something is there that cannot be read: no permission, a link loop, a folder or special file.
    Unreadable,
    /// It is no file at all: `data:` or another scheme.
    NotAFile,
}

impl Folder {
    /// Opens the folder that a manifest lies in.
    pub(super) fn of(manifest: &Path) -> Result<Self> {
        let parent = match manifest.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        Self::at(parent)
    }

    /// Opens a folder.
    pub(super) fn at(path: &Path) -> Result<Self> {
        let real = path.canonicalize().map_err(|error| io_error(path, error))?;
        Ok(Self { path: path.to_owned(), real })
    }

    /// The file that a reference means.
    pub(super) fn locate(&self, place: &Place) -> Result<PathBuf, Absent> {
        match place {
            Place::Inside(path) => self.locate_inside(path),
            Place::Remote => Err(Absent::Remote),
            Place::Outside => Err(Absent::Outside),
            Place::Inline | Place::Elsewhere => Err(Absent::NotAFile),
        }
    }

    fn locate_inside(&self, path: &InsidePath) -> Result<PathBuf, Absent> {
        let mut absent = Absent::Missing;
        for candidate in path.candidates().ok_or(Absent::Outside)? {
            match self.entry(&candidate) {
                Ok(path) => return Ok(path),
                Err(reason) if absent == Absent::Missing => absent = reason,
                Err(_) => {}
            }
        }
        Err(absent)
    }

    /// The regular file at this path below the folder, links followed within the folder only.
    pub(super) fn entry(&self, relative: &Path) -> Result<PathBuf, Absent> {
        let path = self.path.join(relative);
        let real = path.canonicalize().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Absent::Missing,
            _ => Absent::Unreadable,
        })?;
        if !real.starts_with(&self.real) {
            return Err(Absent::Outside);
        }
        match fs::metadata(&real) {
            Ok(metadata) if metadata.is_file() => Ok(path),
            _ => Err(Absent::Unreadable),
        }
    }

    /// Names of what lies directly in the folder, sorted: what is found must not depend on the file system's order.
    pub(super) fn names(&self, limit: usize) -> Result<Vec<PathBuf>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(|error| io_error(&self.path, error))? {
            let entry = entry.map_err(|error| io_error(&self.path, error))?;
            if names.len() == limit {
                return Err(Error::new(
                    Code::InvalidArgument,
                    format!(
                        "the folder {} has more than {limit} entries; give the manifest itself",
                        name_of(&self.path)
                    ),
                ));
            }
            names.push(PathBuf::from(entry.file_name()));
        }
        names.sort();
        Ok(names)
    }
}

/// The first bytes of a file.
pub(super) fn read_head(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    let file = open(path)?;
    // What says that it is empty is believed: some of the kernel's own files do so, and a read of them waits for ever.
    if file.metadata().is_ok_and(|metadata| metadata.len() == 0) {
        return Ok(head);
    }
    file.take(limit).read_to_end(&mut head).map_err(|error| io_error(path, error))?;
    Ok(head)
}

/// A whole file, if it is not larger than the limit; else [`Code::ManifestTooLarge`] before a byte is read.
pub(super) fn read_whole(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let file = open(path)?;
    let too_large = || {
        let message = format!("{} is larger than {} MiB, more than any real manifest", name_of(path), limit >> 20);
        Error::new(Code::ManifestTooLarge, message)
    };
    if file.metadata().map_err(|error| io_error(path, error))?.len() > limit {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    // It may grow while it is read.
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| io_error(path, error))?;
    if bytes.len() as u64 > limit { Err(too_large()) } else { Ok(bytes) }
}

/// Opens a regular file. A pipe or device is refused before it is opened: opening one may block for ever.
pub(super) fn open(path: &Path) -> Result<File> {
    let metadata = fs::metadata(path).map_err(|error| io_error(path, error))?;
    if !metadata.is_file() {
        return Err(Error::new(Code::MediaUnreadable, format!("{} is not a regular file", name_of(path))));
    }
    File::open(path).map_err(|error| io_error(path, error))
}

/// An error of the file system, as the caller sees it.
pub(super) fn io_error(path: &Path, error: io::Error) -> Error {
    let name = name_of(path);
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            Error::new(Code::MediaNotFound, format!("nothing is at {name}"))
        }
        io::ErrorKind::PermissionDenied => {
            Error::new(Code::MediaUnreadable, format!("{name} may not be read: permission denied"))
        }
        _ => Error::new(Code::MediaUnreadable, format!("{name} cannot be read: a link loop or a failing disk")),
    }
    .caused_by(error)
}

/// The last part of a path, fit for a message.
pub(super) fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    Quoted(&name).to_string()
}
