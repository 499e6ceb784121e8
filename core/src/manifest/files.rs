//! The port through which documents and media files of a title are read. `local` implements it for a folder.

use std::io::{Read, Seek};

use super::resolve::Target;
use crate::error::Result;

/// Reads the documents and media files of a title.
pub(super) trait MediaFiles {
    /// Returns a whole document. Fails with [`Code::ManifestTooLarge`] beyond `limit` bytes; the inner error says why the
    /// document cannot be read.
    fn document(&mut self, target: &Target, limit: u64) -> Result<Result<Vec<u8>, Absent>>;

    /// Opens a media file.
    fn open(&mut self, target: &Target) -> Result<Box<dyn MediaFile>, Absent>;

    /// Returns the length of a file.
    fn length(&mut self, target: &Target) -> Result<u64, Absent>;
}

/// An open media file.
pub(super) trait MediaFile: Read + Seek {}

impl<T: Read + Seek> MediaFile for T {}

/// Why a reference cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Absent {
    /// It is on a server.
    Remote,
    /// It leaves the folder.
    Outside,
    /// No file is there.
    Missing,
    /// The file cannot be read: no permission, a link loop, a folder or special file.
    Unreadable,
    /// It is not a file: `data:` or another scheme.
    NotAFile,
}
