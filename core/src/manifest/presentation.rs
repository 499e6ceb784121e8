//! The media model: one presentation as its manifest describes it, for HLS and DASH alike. No I/O.
//!
//! References stay as they are written. [`resolve`](super::resolve) turns them into a place in a folder or into a URL, so that
//! the same model describes downloaded media and media on a server. Times are integers: microseconds for HLS, which writes
//! decimal seconds, and units of a timescale for DASH.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use super::dash::{ContentProtection, Files};
use super::hls::{KeyTag, Variables};
use super::reference::public_name;
use crate::model::TrackKind;

/// What a manifest presents.
#[derive(Clone, Debug, Default)]
pub struct Presentation {
    /// True if the manifest may still grow (DASH `type="dynamic"`). An HLS media playlist says so itself:
    /// [`MediaPlaylist::is_live`](super::hls::MediaPlaylist::is_live).
    pub is_live: bool,
    /// The periods in order. HLS has one.
    pub periods: Vec<Period>,
    /// Keys for the whole presentation (`EXT-X-SESSION-KEY`), in order.
    pub session_keys: Vec<Key>,
    /// DASH descriptors at the MPD. The standard has none there; some packagers write them.
    pub protection: Vec<ContentProtection>,
    /// HLS variables, which media playlists import.
    pub variables: Variables,
    /// Public names of references that replace whole elements (`xlink:href`). They are not followed.
    pub linked: Vec<String>,
    /// Names of tags that were malformed and skipped.
    pub malformed_tags: BTreeSet<&'static str>,
}

/// A part of the presentation's time.
#[derive(Clone, Debug, Default)]
pub struct Period {
    /// `Period@id`.
    pub id: Option<String>,
    /// Descriptors at the period: as little standard as those at the MPD.
    pub protection: Vec<ContentProtection>,
    /// Groups of alternatives: adaptation sets. HLS has one group.
    pub sets: Vec<TrackSet>,
}

/// Tracks with the same content.
#[derive(Clone, Debug, Default)]
pub struct TrackSet {
    /// `AdaptationSet@id`.
    pub id: Option<String>,
    /// Descriptors that apply to all its tracks.
    pub protection: Vec<ContentProtection>,
    /// The tracks in the order of the manifest.
    pub tracks: Vec<Track>,
}

/// One stream that a player can choose: a DASH Representation, an HLS variant or rendition.
#[derive(Clone, Debug, Default)]
pub struct Track {
    /// What it contains.
    pub kind: TrackKind,
    /// `Representation@id`, or the stable id of an HLS variant or rendition.
    pub id: String,
    /// The language as written (BCP 47 or ISO 639).
    pub language: Option<String>,
    /// The name for people: `Label`, `NAME`.
    pub label: Option<String>,
    /// DASH `Role@value`, HLS `CHARACTERISTICS`, in order.
    pub roles: Vec<String>,
    /// Bits per second at peak.
    pub bandwidth: Option<u64>,
    /// RFC 6381 codecs.
    pub codecs: Option<String>,
    /// The MIME type in lower case; empty if the manifest does not say.
    pub mime: String,
    /// Width and height in pixels.
    pub resolution: Option<(u32, u32)>,
    /// Frames per second as written: `25`, `30000/1001`, `23.976`.
    pub frame_rate: Option<String>,
    /// Audio channels as written: `2`, `16/JOC`.
    pub channels: Option<String>,
    /// The HLS group that this rendition belongs to.
    pub group: Option<String>,
    /// The HLS groups that this variant plays with.
    pub plays_with: PlaysWith,
    /// True if a player should select it by default.
    pub is_default: bool,
    /// True for forced subtitles.
    pub is_forced: bool,
    /// True for tracks that only serve seeking: I-frame playlists, trick-play sets.
    pub is_trick_play: bool,
    /// DASH descriptors of its own.
    pub protection: Vec<ContentProtection>,
    /// Where its media is.
    pub media: TrackMedia,
}

impl Track {
    /// Returns false for tracks that Common Encryption does not cover: subtitles as text files, images.
    pub fn may_be_encrypted(&self) -> bool {
        let mime = self.mime.as_str();
        !(mime.starts_with("text/") || mime.starts_with("image/") || mime == "application/ttml+xml")
    }
}

/// The groups of an HLS variant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlaysWith {
    /// `AUDIO`.
    pub audio: Option<String>,
    /// `SUBTITLES`.
    pub subtitles: Option<String>,
    /// `CLOSED-CAPTIONS`; `NONE` is kept as written.
    pub closed_captions: Option<String>,
}

/// Where the media of a track is.
#[derive(Clone, Default)]
pub enum TrackMedia {
    /// Inside another track: an HLS rendition without a URI, closed captions.
    #[default]
    InOtherTrack,
    /// In segments that an HLS media playlist lists. The reference as written.
    Playlist(String),
    /// In segments that a DASH manifest addresses.
    Segments(Files),
}

/// Without the query of a reference, which may be signed.
impl fmt::Debug for TrackMedia {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InOtherTrack => f.write_str("InOtherTrack"),
            Self::Playlist(reference) => write!(f, "Playlist({:?})", public_name(reference)),
            Self::Segments(_) => f.write_str("Segments"),
        }
    }
}

/// One media segment of an HLS media playlist.
#[derive(Clone, PartialEq, Eq)]
pub struct Segment {
    /// The reference as written, variables replaced.
    pub reference: Box<str>,
    /// The bytes of the resource; `None` for all of it.
    pub range: Option<ByteSpan>,
    /// The duration in microseconds; `None` if its tag is missing or malformed.
    pub duration_us: Option<u64>,
    /// The first segment after an `EXT-X-DISCONTINUITY`.
    pub is_discontinuity: bool,
    /// The segment is missing on the server (`EXT-X-GAP`): its absence is no fault.
    pub is_gap: bool,
    /// The keys that apply, as an index into the playlist's key sets; `None` for clear segments.
    pub keys: Option<u32>,
    /// The init segment, as an index into the playlist's init segments.
    pub init: Option<u32>,
    /// The line of the reference in the document, from 0.
    pub line: u32,
}

impl Segment {
    /// Makes a segment that is a whole resource, of which nothing else is known.
    pub fn whole(reference: &str) -> Self {
        Self {
            reference: reference.into(),
            range: None,
            duration_us: None,
            is_discontinuity: false,
            is_gap: false,
            keys: None,
            init: None,
            line: 0,
        }
    }
}

/// Without the query of the reference, which may be signed.
impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", public_name(&self.reference), self.range)
    }
}

/// The initialization section of some segments (`EXT-X-MAP`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InitSegment {
    /// The reference as written, variables replaced.
    pub reference: String,
    /// The bytes of the resource; `None` for all of it.
    pub range: Option<ByteSpan>,
    /// The keys that encrypt it, as an index into the playlist's key sets: those whose tags stand before its own.
    pub keys: Option<u32>,
}

/// Without the query of the reference, which may be signed.
impl fmt::Debug for InitSegment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", public_name(&self.reference), self.range)
    }
}

/// Bytes of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSpan {
    /// The offset of the first byte.
    pub offset: u64,
    /// The number of bytes.
    pub length: u64,
}

impl ByteSpan {
    /// Returns the span as a range of offsets. A length that overflows ends at the largest offset.
    pub fn range(self) -> Range<u64> {
        self.offset..self.offset.saturating_add(self.length)
    }
}

/// A key of HLS media.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Method, URI, key format and key id.
    pub tag: KeyTag,
    /// The initialization vector; `None` if it is implied by the segment's number (RFC 8216, 4.3.2.4).
    pub iv: Option<[u8; 16]>,
    /// `KEYFORMATVERSIONS` as written.
    pub format_versions: Option<String>,
}
