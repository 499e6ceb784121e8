//! HLS playlists (RFC 8216): bytes to keys, init segments and media playlists. Pure.
//!
//! m3u8-rs reads playlists; [`keys`] reads the key tags beside it, and `tidy` keeps its known flaws away.

mod attributes;
pub mod keys;
mod tidy;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use m3u8_rs::{AlternativeMediaType, parse_master_playlist, parse_media_playlist};

pub use keys::{KeyFormat, KeyTag, Method};
pub use tidy::Variables;

use super::reference::public_name;
use super::text;
use crate::error::{Code, Error, Result};
use crate::model::TrackKind;

/// A playlist, as far as protection goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Playlist {
    /// It names media playlists.
    Multivariant(Multivariant),
    /// It names segments.
    Media(Media),
}

/// A multivariant playlist.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Multivariant {
    /// The media playlists that it names, once each, by their references.
    pub renditions: Vec<Rendition>,
    /// Its key tags, once each.
    pub keys: BTreeSet<KeyTag>,
    /// Its variables, for its media playlists.
    pub variables: Variables,
    /// Names of tags that were malformed.
    pub malformed_tags: BTreeSet<&'static str>,
}

/// Without the variables' values, which may be tokens.
impl fmt::Debug for Multivariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Multivariant")
            .field("renditions", &self.renditions)
            .field("keys", &self.keys)
            .field("variables", &self.variables.len())
            .field("malformed_tags", &self.malformed_tags)
            .finish()
    }
}

/// A media playlist that a multivariant playlist names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rendition {
    /// What it is, by its tag and codecs.
    pub kind: TrackKind,
    /// Its reference.
    pub uri: String,
}

/// Without the query, which may be signed.
impl fmt::Debug for Rendition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.kind.as_str(), public_name(&self.uri))
    }
}

/// A media playlist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Media {
    /// Its key tags, once each.
    pub keys: BTreeSet<KeyTag>,
    /// Its init segments, once each.
    pub maps: BTreeSet<Source>,
    /// Its segments.
    pub segments: Vec<Source>,
    /// Names of tags that were malformed.
    pub malformed_tags: BTreeSet<&'static str>,
}

/// A file that a playlist names, or a part of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// Its reference.
    pub uri: String,
    /// Where in the file, if it is a part: first byte and length.
    pub bytes: Option<(u64, u64)>,
}

/// Without the query, which may be signed.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", public_name(&self.uri), self.bytes)
    }
}

impl Source {
    /// The part as a range of bytes.
    pub fn range(&self) -> Option<Range<u64>> {
        self.bytes.map(|(start, length)| start..start.saturating_add(length))
    }
}

/// Reads a playlist. `imported` are the variables of the multivariant playlist that names it, if one does.
///
/// Fails with [`Code::ManifestInvalid`] if it is no playlist, is in another encoding, or mixes tags of both kinds
/// (RFC 8216, 4.3.4), with [`Code::ManifestTooLarge`] beyond the [`limits`](super::limits).
pub fn read(bytes: &[u8], imported: &Variables) -> Result<Playlist> {
    let text = text::decode(bytes)?;
    let start = text.trim_start();
    if !start.starts_with("#EXTM3U") {
        return Err(not_a_playlist(start));
    }
    let tidied = tidy::tidy(start, imported)?;
    match (tidied.has_multivariant_tag, tidied.has_media_tag) {
        (true, true) => Err(Error::new(
            Code::ManifestInvalid,
            "the playlist mixes tags of multivariant and media playlists (RFC 8216, 4.3.4)",
        )),
        (true, false) => multivariant(tidied).map(Playlist::Multivariant),
        (false, true) => media(tidied).map(Playlist::Media),
        (false, false) => Err(Error::new(Code::ManifestInvalid, "the playlist names neither playlists nor segments")),
    }
}

fn multivariant(tidied: tidy::Tidied) -> Result<Multivariant> {
    let (_, parsed) = parse_master_playlist(tidied.text.as_bytes()).map_err(|_| unreadable())?;
    let variants = parsed.variants.into_iter().map(|variant| {
        let kind = if variant.resolution.is_none() && variant.codecs.as_deref().is_some_and(is_sound) {
            TrackKind::Audio
        } else {
            TrackKind::Video
        };
        Rendition { kind, uri: variant.uri }
    });
    let renditions = parsed.alternatives.into_iter().filter_map(|media| {
        let kind = match media.media_type {
            AlternativeMediaType::Audio => TrackKind::Audio,
            AlternativeMediaType::Video => TrackKind::Video,
            AlternativeMediaType::Subtitles | AlternativeMediaType::ClosedCaptions => TrackKind::Text,
            AlternativeMediaType::Other(_) => TrackKind::Other,
        };
        Some(Rendition { kind, uri: media.uri? })
    });
    // A playlist that is a rendition and a variant, too, is one entry, of the kind that the rendition says.
    let mut by_uri = BTreeMap::new();
    for rendition in variants.chain(renditions).filter(|rendition| !rendition.uri.is_empty()) {
        by_uri
            .entry(rendition.uri)
            .and_modify(|kind: &mut TrackKind| *kind = (*kind).max(rendition.kind))
            .or_insert(rendition.kind);
    }
    Ok(Multivariant {
        renditions: by_uri.into_iter().map(|(uri, kind)| Rendition { kind, uri }).collect(),
        keys: tidied.keys,
        variables: tidied.variables,
        malformed_tags: tidied.malformed,
    })
}

fn media(tidied: tidy::Tidied) -> Result<Media> {
    let (_, parsed) = parse_media_playlist(tidied.text.as_bytes()).map_err(|_| unreadable())?;
    let mut maps = BTreeSet::new();
    let mut segments: Vec<Source> = Vec::with_capacity(parsed.segments.len());
    for segment in parsed.segments {
        if let Some(map) = segment.map {
            let bytes = map.byte_range.map(|range| (range.offset.unwrap_or(0), range.length));
            maps.insert(Source { uri: map.uri, bytes });
        }
        let bytes = segment.byte_range.map(|range| {
            // Without an offset it follows the part before it (RFC 8216, 4.3.2.2).
            let follows = segments.last().filter(|last| last.uri == segment.uri).and_then(Source::range);
            (range.offset.or(follows.map(|range| range.end)).unwrap_or(0), range.length)
        });
        segments.push(Source { uri: segment.uri, bytes });
    }
    Ok(Media { keys: tidied.keys, maps, segments, malformed_tags: tidied.malformed })
}

/// True if no codec of a list has a picture (RFC 6381 names).
fn is_sound(codecs: &str) -> bool {
    const SOUND: [&str; 10] = ["mp4a", "ac-3", "ec-3", "ac-4", "opus", "flac", "alac", "dts", "mhm", "mha"];
    codecs
        .split(',')
        .map(|codec| codec.trim().to_ascii_lowercase())
        .all(|codec| SOUND.iter().any(|sound| codec.starts_with(sound)))
}

fn not_a_playlist(text: &str) -> Error {
    let message = match text.get(..1) {
        None => "the playlist is empty",
        Some("<") => "the playlist is XML or a web page, not #EXTM3U",
        Some(_) => "the playlist does not begin with #EXTM3U",
    };
    Error::new(Code::ManifestInvalid, message)
}

fn unreadable() -> Error {
    Error::new(Code::ManifestInvalid, "the playlist is malformed")
}

#[cfg(test)]
mod tests;
