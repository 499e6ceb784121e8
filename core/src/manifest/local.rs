//! Reads files of one folder, within limits. `find` uses it too; all other modules here work on bytes.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::files::{Absent, MediaFile, MediaFiles};
use super::resolve::{FolderPath, Target};
use crate::error::{Code, Error, Quoted, Result};

/// A folder of media. Nothing outside is ever opened, whatever a manifest or a link in it says.
pub(super) struct Folder {
    /// The path as the caller gave it. Paths of files are built from it.
    path: PathBuf,
    /// The path without links. Every opened file must be below it.
    real: PathBuf,
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

    /// Returns the file that a reference leads to.
    fn locate(&self, target: &Target) -> Result<PathBuf, Absent> {
        match target {
            Target::File(path) => self.locate_inside(path),
            Target::Remote(_) => Err(Absent::Remote),
            Target::Outside => Err(Absent::Outside),
            Target::Inline | Target::Elsewhere => Err(Absent::NotAFile),
        }
    }

    fn locate_inside(&self, path: &FolderPath) -> Result<PathBuf, Absent> {
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

    /// Returns the regular file at this path below the folder. Links are followed within the folder only.
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

    /// Returns the names in the folder, sorted, so that results do not depend on the file system's order.
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

impl MediaFiles for Folder {
    fn document(&mut self, target: &Target, limit: u64) -> Result<Result<Vec<u8>, Absent>> {
        let path = match self.locate(target) {
            Ok(path) => path,
            Err(absent) => return Ok(Err(absent)),
        };
        match read_whole(&path, limit) {
            Ok(bytes) => Ok(Ok(bytes)),
            Err(error) if error.code() == Code::ManifestTooLarge => Err(error),
            Err(_) => Ok(Err(Absent::Unreadable)),
        }
    }

    fn open(&mut self, target: &Target) -> Result<Box<dyn MediaFile>, Absent> {
        let path = self.locate(target)?;
        match open(&path) {
            Ok(file) => Ok(Box::new(file)),
            Err(_) => Err(Absent::Unreadable),
        }
    }

    fn length(&mut self, target: &Target) -> Result<u64, Absent> {
        let path = self.locate(target)?;
        // A file that vanishes at this moment has no bytes.
        Ok(fs::metadata(path).map_or(0, |metadata| metadata.len()))
    }
}

/// Returns the first bytes of a file.
pub(super) fn read_head(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    let file = open(path)?;
    // Do not read a file that reports no bytes: some kernel files report none, and a read of them blocks for ever.
    if file.metadata().is_ok_and(|metadata| metadata.len() == 0) {
        return Ok(head);
    }
    file.take(limit).read_to_end(&mut head).map_err(|error| io_error(path, error))?;
    Ok(head)
}

/// Returns a whole file. Fails with [`Code::ManifestTooLarge`] before a byte is read if it is larger than the limit.
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
    // The file may grow during the read.
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

/// Turns an error of the file system into the caller's error.
pub(super) fn io_error(path: &Path, error: io::Error) -> Error {
    let name = name_of(path);
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            Error::new(Code::MediaNotFound, format!("no file or folder at {name}"))
        }
        io::ErrorKind::PermissionDenied => {
            Error::new(Code::MediaUnreadable, format!("{name} cannot be read: permission denied"))
        }
        _ => Error::new(Code::MediaUnreadable, format!("{name} cannot be read: a link loop or a failing disk")),
    }
    .caused_by(error)
}

/// Returns the last component of a path, quoted for a message.
pub(super) fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    Quoted(&name).to_string()
}
