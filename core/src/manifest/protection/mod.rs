//! The protection of a title: its init data, the keys of each track, its key files, and the issues found on the way.
//!
//! Pure functions over the media model. Documents and media files are read through the port in `files`.
//!
//! | file | what |
//! |---|---|
//! | `hls`, `dash` | from playlists or a presentation to findings |
//! | `builder` | collects findings |
//! | `answer` | from findings to a [`Protection`] |
//! | `scan` | searches media files for keys |

mod answer;
pub(super) mod builder;
pub(super) mod dash;
pub(super) mod hls;
pub(super) mod scan;

use std::collections::BTreeSet;
use std::fmt;

use super::files::Absent;
use super::resolve;
use crate::error::{Code, Error, Quoted, Result};
use crate::model::{DrmScheme, InitData, InitDataTrack, KeyId, TrackKind};

/// How a title is protected. Equal for equal media, whatever the order of its tracks, boxes and attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protection {
    /// True if a license is needed. AES-128 with a key file needs none: see [`Protection::key_files`].
    pub is_protected: bool,
    /// All init data, of every key system, known to Larder or not. Sorted.
    pub init_data: Vec<InitData>,
    /// The protected tracks and the keys that each needs, as far as the media says. Sorted. A track that is not listed is
    /// clear; a track without key ids needs keys that the media does not name.
    pub required_keys: Vec<TrackKeys>,
    /// The container's MIME type, as a CDM wants it: `video/mp4`, `video/mp2t` or `video/webm`.
    pub mime: &'static str,
    /// Key files that the playlists name (AES-128, SAMPLE-AES with identity keys). Sorted.
    pub key_files: Vec<KeyFile>,
    /// License servers that the manifest itself names (`Laurl`). Sorted.
    pub license_urls: Vec<LicenseUrl>,
    /// Files that could not be read and oddities of the media, for the log and for the packager. Sorted.
    pub issues: Vec<Issue>,
}

/// The keys that one track needs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TrackKeys {
    /// The track.
    pub track: InitDataTrack,
    /// Its content keys, sorted. Empty if the media does not name them.
    pub key_ids: Vec<KeyId>,
}

impl Protection {
    /// Returns the init data of one key system.
    ///
    /// Fails with [`Code::SessionKeyMissing`] for FairPlay and [`Code::InitDataMissing`] for others if protected media
    /// has none; clear media has an empty list.
    pub fn for_scheme(&self, scheme: DrmScheme) -> Result<Vec<&InitData>> {
        let found: Vec<&InitData> = self.init_data.iter().filter(|data| data.scheme == Some(scheme)).collect();
        if !found.is_empty() || !self.is_protected {
            return Ok(found);
        }
        Err(match scheme {
            DrmScheme::FairPlay => session_key_missing(),
            _ => Error::new(
                Code::InitDataMissing,
                format!("the media is protected, but has no init data for {scheme}: neither a PSSH box nor a key tag"),
            ),
        })
    }

    /// Returns the keys of all tracks together.
    pub fn required_key_ids(&self) -> BTreeSet<KeyId> {
        self.required_keys.iter().flat_map(|track| track.key_ids.iter().copied()).collect()
    }
}

fn session_key_missing() -> Error {
    Error::new(
        Code::SessionKeyMissing,
        "the media is protected with FairPlay, but no playlist names an skd:// key; keep the EXT-X-SESSION-KEY and \
         EXT-X-KEY tags with KEYFORMAT=\"com.apple.streamingkeydelivery\" when downloading",
    )
}

/// A key file that a playlist names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyFile {
    /// The URI as the playlist gives it. May be signed: never log it.
    pub uri: String,
    /// The state of the file.
    pub state: KeyFileState,
}

/// Without query and user info.
impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyFile").field("name", &public(&self.uri)).field("state", &self.state).finish()
    }
}

/// A license server that a manifest names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LicenseUrl {
    /// The key system, if the descriptor names one that Larder knows.
    pub scheme: Option<DrmScheme>,
    /// The URL as written. May be signed: never log it.
    pub url: String,
}

/// Without query and user info.
impl fmt::Debug for LicenseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LicenseUrl").field("scheme", &self.scheme).field("url", &public(&self.url)).finish()
    }
}

/// The state of a key file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyFileState {
    /// The file is in the folder and has the length of a key.
    Present,
    /// The key is in the playlist itself (`data:`).
    Inline,
    /// The file should be in the folder and is missing.
    Missing,
    /// The file has another length than 16 or 32 bytes, so it is not a key.
    NotAKey,
    /// The key is on a server: the title does not play offline.
    Remote,
    /// The file is outside the folder or unreadable.
    Refused,
}

impl KeyFileState {
    /// Returns true if playback needs no network for this key.
    pub const fn is_usable(self) -> bool {
        matches!(self, Self::Present | Self::Inline)
    }
}

/// An oddity of the media that is worth a line in the log.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Issue {
    /// The kind of oddity.
    pub kind: IssueKind,
    /// The subject: a reference without its query, a tag or a track in quotes, or a number. Escaped and shortened; safe to log.
    pub what: String,
}

/// The kinds of issues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IssueKind {
    /// A reference leads to a server; it was not fetched.
    RemoteReference,
    /// A reference leaves the manifest's folder; it was not read.
    OutsideFolder,
    /// A file that the manifest names is not there.
    MissingFile,
    /// A file that the manifest names cannot be read.
    UnreadableFile,
    /// A playlist, init segment or media file that the manifest names is malformed.
    MalformedFile,
    /// A tag or attribute is malformed; it was skipped.
    MalformedTag,
    /// A PSSH box, or the element that should contain one, is malformed; it was skipped.
    MalformedPssh,
    /// The protection scheme is one that Larder does not support.
    UnknownProtection,
    /// The init segment needs other keys than the manifest announces. The init segment is right.
    KeyIdMismatch,
    /// Too many segments to look for keys in all of them.
    SegmentsNotScanned,
    /// More issues were found than are kept.
    MoreIssues,
}

impl Issue {
    /// Returns an issue with a reference, a tag or a track.
    pub(super) fn new(kind: IssueKind, what: &str) -> Self {
        Self { kind, what: public(what) }
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = &self.what;
        match self.kind {
            IssueKind::RemoteReference => write!(f, "{what} is on a server and was not read"),
            IssueKind::OutsideFolder => write!(f, "{what} is outside the manifest's folder and was not read"),
            IssueKind::MissingFile => write!(f, "{what} is missing"),
            IssueKind::UnreadableFile => write!(f, "{what} cannot be read"),
            IssueKind::MalformedFile => write!(f, "{what} is malformed"),
            IssueKind::MalformedTag => write!(f, "{what} is malformed and was skipped"),
            IssueKind::MalformedPssh => write!(f, "a PSSH box in {what} is malformed and was skipped"),
            IssueKind::UnknownProtection => write!(f, "{what} is protected by a scheme that Larder does not know"),
            IssueKind::KeyIdMismatch => write!(f, "{what} needs other keys than the manifest announces"),
            IssueKind::SegmentsNotScanned => write!(f, "only the first {what} segments were searched for keys"),
            IssueKind::MoreIssues => write!(f, "and {what} more"),
        }
    }
}

/// Returns the kind of issue for a reference that cannot be read.
fn absent_issue(absent: Absent) -> IssueKind {
    match absent {
        Absent::Remote => IssueKind::RemoteReference,
        Absent::Outside => IssueKind::OutsideFolder,
        Absent::Missing => IssueKind::MissingFile,
        Absent::Unreadable | Absent::NotAFile => IssueKind::UnreadableFile,
    }
}

/// Returns a track of this name. Names come from manifests and are kept short: each is repeated for each of its keys.
fn track_of(kind: TrackKind, name: &str) -> InitDataTrack {
    const MAX_NAME_CHARS: usize = 256;
    InitDataTrack { kind, name: resolve::public_name(name).chars().take(MAX_NAME_CHARS).collect() }
}

fn public(reference: &str) -> String {
    Quoted(&resolve::public_name(reference)).to_string()
}
