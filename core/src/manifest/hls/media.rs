//! Media playlists: segments with their keys and init segments.
//!
//! A segment is a record of 48 bytes that points into the playlist's text. A day of one-second segments is 4 MB.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::attributes::{Attributes, value};
use super::keys::{Key, KeyScope, KeySystem};
use super::lines::{Line, lines};
use super::variables::Variables;
use crate::manifest::presentation::{ByteRange, MediaTime, Resource, Segment};

/// A media playlist.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct MediaPlaylist {
    /// `EXT-X-VERSION`.
    pub version: Option<u64>,
    /// `EXT-X-TARGETDURATION`, in seconds.
    pub target_duration_seconds: Option<u64>,
    /// `EXT-X-MEDIA-SEQUENCE`: the number of the first segment.
    pub media_sequence: u64,
    /// `EXT-X-DISCONTINUITY-SEQUENCE`.
    pub discontinuity_sequence: u64,
    /// `EXT-X-PLAYLIST-TYPE`.
    pub playlist_type: Option<PlaylistType>,
    /// True if no segment will be added (`EXT-X-ENDLIST`).
    pub has_end: bool,
    /// True for an I-frame playlist (`EXT-X-I-FRAMES-ONLY`).
    pub is_i_frames_only: bool,
    /// Its `EXT-X-KEY` tags but `METHOD=NONE`, each once, in order.
    pub keys: Vec<Key>,
    /// Its init segments (`EXT-X-MAP`), each once, in order.
    pub inits: Vec<InitSegment>,
    /// Its variables.
    pub variables: Variables,
    /// Names of tags that were malformed.
    pub malformed_tags: BTreeSet<&'static str>,
    /// The playlist's text, then the references that variables changed.
    pub(super) text: String,
    /// The length of the playlist's own text.
    pub(super) source_bytes: usize,
    pub(super) records: Vec<Record>,
    /// The keys in effect together: for each set, where its members stand in `key_members`.
    pub(super) key_sets: Vec<(u32, u32)>,
    pub(super) key_members: Vec<u32>,
    /// Segments with a date, in order.
    pub(super) dates: Vec<(u32, Span)>,
}

/// `EXT-X-PLAYLIST-TYPE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaylistType {
    /// The playlist never changes.
    Vod,
    /// Segments are only added at the end.
    Event,
}

/// An `EXT-X-MAP` tag.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InitSegment {
    /// The resource.
    pub resource: Resource,
    /// The keys in effect where the tag stands: an index for [`MediaPlaylist::key_set`]. An init segment before the
    /// `EXT-X-KEY` tag is clear (RFC 8216, 4.3.2.4).
    pub key_set: Option<usize>,
}

/// A piece of the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) length: u32,
}

/// A segment, packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) reference: Span,
    pub(super) range: ByteRange,
    pub(super) ticks: u64,
    pub(super) key_set: u32,
    pub(super) init: u32,
    pub(super) line: u32,
    /// Digits after the point of the duration.
    pub(super) digits: u8,
    pub(super) flags: u8,
}

impl Record {
    pub(super) const NONE: u32 = u32::MAX;
    pub(super) const HAS_RANGE: u8 = 1;
    pub(super) const HAS_DURATION: u8 = 2;
    pub(super) const DISCONTINUITY: u8 = 4;
    pub(super) const GAP: u8 = 8;

    fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Without the text, which may be signed.
impl fmt::Debug for MediaPlaylist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 3;
        f.debug_struct("MediaPlaylist")
            .field("segments", &self.len())
            .field("first", &self.segments().take(SHOWN).collect::<Vec<_>>())
            .field("inits", &self.inits)
            .field("keys", &self.keys)
            .field("malformed_tags", &self.malformed_tags)
            .finish_non_exhaustive()
    }
}

impl MediaPlaylist {
    /// Returns true if segments may still be added: no `EXT-X-ENDLIST`, and not declared as `VOD`.
    pub fn is_live(&self) -> bool {
        !self.has_end && self.playlist_type != Some(PlaylistType::Vod)
    }

    /// Returns the number of segments.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Returns true without segments.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Returns the segments, in order.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'_>> {
        let mut dates = self.dates.iter().peekable();
        self.records.iter().enumerate().map(move |(index, record)| {
            let date = dates.next_if(|(of, _)| *of as usize == index).map(|(_, span)| self.text_of(*span));
            self.segment(index, *record, date)
        })
    }

    fn segment<'a>(&'a self, index: usize, record: Record, date: Option<&'a str>) -> Segment<'a> {
        let duration = record
            .has(Record::HAS_DURATION)
            .then(|| MediaTime { ticks: record.ticks, timescale: 10_u64.saturating_pow(u32::from(record.digits)) });
        Segment {
            reference: Some(Cow::Borrowed(self.text_of(record.reference))),
            range: record.has(Record::HAS_RANGE).then_some(record.range),
            start: None,
            duration,
            sequence: self.media_sequence.saturating_add(index as u64),
            key_set: (record.key_set != Record::NONE).then_some(record.key_set as usize),
            init: (record.init != Record::NONE).then_some(record.init as usize),
            is_discontinuity: record.has(Record::DISCONTINUITY),
            is_gap: record.has(Record::GAP),
            line: record.line,
            program_date_time: date,
        }
    }

    /// Returns the keys of a set: one for each key format, all for the same content key.
    pub fn key_set(&self, index: usize) -> impl Iterator<Item = &Key> {
        let (start, end) = self.key_sets.get(index).copied().unwrap_or_default();
        let members = self.key_members.get(start as usize..end as usize).unwrap_or_default();
        members.iter().filter_map(|key| self.keys.get(*key as usize))
    }

    /// Returns the IV of a segment under a key: the explicit one, or the segment's number for an identity key whose
    /// method takes an IV (RFC 8216, 5.2). `None` where the IV stands in the media.
    pub fn iv(&self, segment: &Segment<'_>, key: &Key) -> Option<[u8; 16]> {
        let is_implied = key.system() == KeySystem::Identity && matches!(&*key.method, "AES-128" | "SAMPLE-AES");
        key.iv.or_else(|| is_implied.then(|| u128::from(segment.sequence).to_be_bytes()))
    }

    /// Returns true if segments are encrypted as a whole: neither their boxes nor those of the init segment can be read.
    pub fn has_encrypted_segments(&self) -> bool {
        self.keys.iter().any(|key| key.scope() == KeyScope::Segment)
    }

    /// Returns every tag of the playlist with the text after its colon, also those that this model does not know.
    pub fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        lines(self.source()).filter_map(|line| match line {
            Line::Tag(name, list) => Some((name, list)),
            _ => None,
        })
    }

    /// Returns the `EXT-X-DATERANGE` tags of Apple's interstitials.
    pub fn interstitials(&self) -> impl Iterator<Item = Attributes> {
        self.tags()
            .filter(|(name, list)| {
                *name == "-X-DATERANGE" && value(list, "CLASS") == Some("com.apple.hls.interstitial")
            })
            .map(|(_, list)| Attributes(Arc::from(list)))
    }

    /// Returns the playlist's own text, without byte order mark.
    pub fn source(&self) -> &str {
        self.text.get(..self.source_bytes).unwrap_or_default()
    }

    pub(super) fn text_of(&self, span: Span) -> &str {
        let start = span.start as usize;
        self.text.get(start..start + span.length as usize).unwrap_or_default()
    }
}
