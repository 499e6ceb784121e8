//! Reads the media files that a manifest names: init segments, and media segments where keys may rotate.

use super::builder::ProtectionBuilder;
use super::{IssueKind, absent_issue};
use crate::error::{Code, Result};
use crate::manifest::files::{Absent, MediaFile, MediaFiles};
use crate::manifest::limits::{MAX_MANIFEST_BYTES, MAX_SCANNED_SEGMENTS, MAX_TOTAL_MANIFEST_BYTES};
use crate::manifest::mp4::{Budget, Mp4Facts};
use crate::manifest::resolve::{Part, Target};

/// Reads files within the limits of one title.
pub(in crate::manifest) struct Scanner<'a> {
    files: &'a mut dyn MediaFiles,
    /// The bytes of documents that may still be read.
    document_bytes: u64,
    boxes: Budget,
    segments: usize,
}

/// A track whose segments are missing so many times in a row was not downloaded.
const MAX_MISSING: usize = 100;

impl<'a> Scanner<'a> {
    pub(in crate::manifest) fn new(files: &'a mut dyn MediaFiles) -> Self {
        Self {
            files,
            document_bytes: MAX_TOTAL_MANIFEST_BYTES,
            boxes: Budget::default(),
            segments: MAX_SCANNED_SEGMENTS,
        }
    }

    /// Adds the facts of an init segment or media file. A flaw in it becomes an issue; only absurd size is an error.
    pub(super) fn init(&mut self, file: &Part, facts: &mut Mp4Facts, builder: &mut ProtectionBuilder) -> Result<()> {
        match self.files.open(&file.target) {
            Err(absent) => {
                builder.issue(absent_issue(absent), &file.name);
                Ok(())
            }
            Ok(mut opened) => {
                let read = facts.read(&mut opened, file.range.clone(), &mut self.boxes);
                note(read, &file.name, builder)
            }
        }
    }

    /// Adds the facts of media segments. A missing segment is no issue here: completeness is checked elsewhere.
    pub(super) fn segments(
        &mut self,
        segments: &mut dyn Iterator<Item = Part>,
        facts: &mut Mp4Facts,
        builder: &mut ProtectionBuilder,
    ) -> Result<()> {
        let mut missing = 0;
        // Parts of one file follow each other: it is opened once.
        let mut open: Option<(Target, Box<dyn MediaFile>)> = None;
        for segment in segments {
            if self.segments == 0 {
                builder.not_scanned(MAX_SCANNED_SEGMENTS);
                return Ok(());
            }
            self.segments -= 1;
            if open.as_ref().is_none_or(|(target, _)| *target != segment.target) {
                open = match self.files.open(&segment.target) {
                    Ok(file) => Some((segment.target, file)),
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
            if let Some((_, file)) = &mut open {
                note(facts.read(file, segment.range, &mut self.boxes), &segment.name, builder)?;
            }
        }
        Ok(())
    }

    /// Returns a document that a manifest names; `None`, and an issue, if it cannot be read.
    pub(super) fn document(
        &mut self,
        target: &Target,
        name: &str,
        builder: &mut ProtectionBuilder,
    ) -> Result<Option<Vec<u8>>> {
        match self.files.document(target, MAX_MANIFEST_BYTES.min(self.document_bytes))? {
            Ok(bytes) => {
                self.document_bytes = self.document_bytes.saturating_sub(bytes.len() as u64);
                Ok(Some(bytes))
            }
            Err(absent) => {
                builder.issue(absent_issue(absent), name);
                Ok(None)
            }
        }
    }

    /// Returns the length of a file.
    pub(super) fn length(&mut self, target: &Target) -> Result<u64, Absent> {
        self.files.length(target)
    }
}

/// Turns a malformed file into an issue of the title. A file beyond all limits is an error.
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
