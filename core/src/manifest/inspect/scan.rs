//! The media files that a manifest names: init segments, and media segments where keys may rotate.

use std::fs::File;

use crate::error::{Code, Result};
use crate::manifest::limits::{MAX_MANIFEST_BYTES, MAX_SCANNED_SEGMENTS, MAX_TOTAL_MANIFEST_BYTES};
use crate::manifest::local::{self, Absent, Folder};
use crate::manifest::mp4::{Budget, Mp4Facts};
use crate::manifest::protection::ProtectionBuilder;
use crate::manifest::protection::{IssueKind, absent_issue};
use crate::manifest::reference::Place;
use crate::manifest::resolve::Part;

/// Reads files of one folder within the limits of one title.
pub(super) struct Scanner {
    pub(super) folder: Folder,
    /// What is left to read of manifests and playlists.
    pub(super) manifest_bytes: u64,
    boxes: Budget,
    segments: usize,
}

/// A track whose segments are missing so many times in a row was not downloaded.
const MAX_MISSING: usize = 100;

impl Scanner {
    pub(super) fn new(folder: Folder) -> Self {
        Self {
            folder,
            manifest_bytes: MAX_TOTAL_MANIFEST_BYTES,
            boxes: Budget::default(),
            segments: MAX_SCANNED_SEGMENTS,
        }
    }

    /// Adds what an init segment or media file says. What is wrong with it becomes an issue; only absurd size is an error.
    pub(super) fn init(&mut self, file: &Part, facts: &mut Mp4Facts, builder: &mut ProtectionBuilder) -> Result<()> {
        match self.folder.locate(&file.place) {
            Err(absent) => builder.issue(absent_issue(absent), &file.name),
            Ok(path) => match local::open(&path) {
                Err(_) => builder.issue(IssueKind::UnreadableFile, &file.name),
                Ok(opened) => {
                    let read = facts.read(opened, file.range.clone(), &mut self.boxes);
                    note(read, &file.name, builder)?;
                }
            },
        }
        Ok(())
    }

    /// Adds what media segments say. A missing segment is no issue here: whether media is complete is asked elsewhere.
    pub(super) fn segments(
        &mut self,
        segments: impl Iterator<Item = Part>,
        facts: &mut Mp4Facts,
        builder: &mut ProtectionBuilder,
    ) -> Result<()> {
        let mut missing = 0;
        // Parts of one file follow each other: it is opened once.
        let mut open: Option<(Place, File)> = None;
        for segment in segments {
            if self.segments == 0 {
                builder.not_scanned(MAX_SCANNED_SEGMENTS);
                return Ok(());
            }
            self.segments -= 1;
            if open.as_ref().is_none_or(|(place, _)| *place != segment.place) {
                open = match self.open(&segment.place) {
                    Ok(file) => Some((segment.place, file)),
                    Err(Absent::Missing) if missing < MAX_MISSING => {
                        missing += 1;
                        continue;
                    }
                    Err(Absent::Missing | Absent::Remote) => return Ok(()),
                    Err(absent) => {
                        builder.issue(absent_issue(absent), &segment.name);
                        continue;
                    }
                };
                missing = 0;
            }
            if let Some((_, file)) = &open {
                note(facts.read(file, segment.range, &mut self.boxes), &segment.name, builder)?;
            }
        }
        Ok(())
    }

    fn open(&self, place: &Place) -> Result<File, Absent> {
        let path = self.folder.locate(place)?;
        local::open(&path).map_err(|_| Absent::Unreadable)
    }

    /// A playlist that a manifest names; None, and an issue, if it cannot be read.
    pub(super) fn manifest(
        &mut self,
        place: &Place,
        name: &str,
        builder: &mut ProtectionBuilder,
    ) -> Result<Option<Vec<u8>>> {
        let path = match self.folder.locate(place) {
            Ok(path) => path,
            Err(absent) => {
                builder.issue(absent_issue(absent), name);
                return Ok(None);
            }
        };
        match local::read_whole(&path, MAX_MANIFEST_BYTES.min(self.manifest_bytes)) {
            Ok(bytes) => {
                self.manifest_bytes -= bytes.len() as u64;
                Ok(Some(bytes))
            }
            Err(error) if error.code() == Code::ManifestTooLarge => Err(error),
            Err(_) => {
                builder.issue(IssueKind::UnreadableFile, name);
                Ok(None)
            }
        }
    }
}

/// A malformed file is an issue of the title; one beyond all limits is an error.
fn note(read: Result<()>, name: &str, builder: &mut ProtectionBuilder) -> Result<()> {
    match read {
        Err(error) if error.code() == Code::ManifestTooLarge => Err(error),
        Err(error) => {
            let is_malformed = error.code() == Code::ManifestInvalid;
            builder.issue(if is_malformed { IssueKind::MalformedFile } else { IssueKind::UnreadableFile }, name);
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}
