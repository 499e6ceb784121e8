//! Multivariant playlists: variants, renditions, and what holds for the whole presentation.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::attributes::Attributes;
use super::keys::Key;
use super::variables::Variables;
use crate::manifest::presentation::{
    Period, PlaysWith, Presentation, Property, PropertyKind, Reference, Track, TrackMedia, TrackSet,
};
use crate::manifest::resolve::public_name;
use crate::model::{MediaFormat, TrackKind};

/// A multivariant playlist. Every attribute of its tags is kept, known or not.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Multivariant {
    /// `EXT-X-VERSION`.
    pub version: Option<u64>,
    /// Its variants and I-frame variants, in order.
    pub variants: Vec<Variant>,
    /// Its `EXT-X-MEDIA` tags, in order.
    pub renditions: Vec<Rendition>,
    /// Its `EXT-X-SESSION-KEY` tags, each once, in order.
    pub keys: Vec<Key>,
    /// Its `EXT-X-SESSION-DATA` tags, in order.
    pub session_data: Vec<Attributes>,
    /// Its `EXT-X-CONTENT-STEERING` tag.
    pub steering: Option<Attributes>,
    /// Its variables, for its media playlists.
    pub variables: Variables,
    /// Names of tags that were malformed.
    pub malformed_tags: BTreeSet<&'static str>,
}

/// Without the variables' values, which may be tokens.
impl fmt::Debug for Multivariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Multivariant")
            .field("variants", &self.variants)
            .field("renditions", &self.renditions)
            .field("keys", &self.keys)
            .field("variables", &self.variables)
            .field("malformed_tags", &self.malformed_tags)
            .finish()
    }
}

/// An `EXT-X-STREAM-INF` or `EXT-X-I-FRAME-STREAM-INF` tag and its reference.
#[derive(Clone, PartialEq, Eq)]
pub struct Variant {
    /// The media playlist, as written.
    pub reference: Arc<str>,
    /// True for `EXT-X-I-FRAME-STREAM-INF`.
    pub is_i_frame: bool,
    /// All attributes: `BANDWIDTH`, `CODECS`, `RESOLUTION`, `AUDIO`, `STABLE-VARIANT-ID` and so on.
    pub attributes: Attributes,
    /// Where the tag stands in the playlist, without its line end.
    pub span: Range<usize>,
}

impl Variant {
    /// Returns the kind by `RESOLUTION` and `CODECS`: audio if all codecs are audio and no resolution is given.
    pub fn kind(&self) -> TrackKind {
        let is_audio =
            self.attributes.get("RESOLUTION").is_none() && self.attributes.get("CODECS").is_some_and(is_audio);
        if is_audio { TrackKind::Audio } else { TrackKind::Video }
    }

    /// Returns width and height in pixels.
    pub fn resolution(&self) -> Option<(u32, u32)> {
        let (width, height) = self.attributes.get("RESOLUTION")?.split_once(['x', 'X'])?;
        Some((width.trim().parse().ok()?, height.trim().parse().ok()?))
    }
}

/// Without the query, which may be signed.
impl fmt::Debug for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.kind().as_str(), public_name(&self.reference))
    }
}

/// An `EXT-X-MEDIA` tag.
#[derive(Clone, PartialEq, Eq)]
pub struct Rendition {
    /// The media playlist, as written; `None` for a rendition inside the variants' segments.
    pub reference: Option<Arc<str>>,
    /// All attributes: `TYPE`, `GROUP-ID`, `NAME`, `LANGUAGE`, `DEFAULT` and so on.
    pub attributes: Attributes,
    /// Where the tag stands in the playlist, without its line end.
    pub span: Range<usize>,
}

impl Rendition {
    /// Returns the kind by `TYPE`.
    pub fn kind(&self) -> TrackKind {
        match self.attributes.get("TYPE") {
            Some("AUDIO") => TrackKind::Audio,
            Some("VIDEO") => TrackKind::Video,
            Some("SUBTITLES" | "CLOSED-CAPTIONS") => TrackKind::Text,
            _ => TrackKind::Other,
        }
    }
}

/// Without the query, which may be signed.
impl fmt::Debug for Rendition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.kind().as_str(), self.reference.as_deref().map(public_name))
    }
}

impl Multivariant {
    /// Returns the media playlists that it names, each once, with its kind. A playlist that is both a rendition and a
    /// variant has the kind that the rendition says.
    pub fn playlists(&self) -> BTreeMap<&str, TrackKind> {
        let variants = self.variants.iter().map(|variant| (&*variant.reference, variant.kind()));
        let renditions =
            self.renditions.iter().filter_map(|rendition| Some((rendition.reference.as_deref()?, rendition.kind())));
        let mut playlists = BTreeMap::new();
        for (reference, kind) in variants.chain(renditions) {
            playlists.entry(reference).and_modify(|known: &mut TrackKind| *known = kind.max(*known)).or_insert(kind);
        }
        playlists
    }

    /// Returns the model of the title: one period; a set of variants, and one set for each rendition group.
    pub fn presentation(&self) -> Presentation {
        let variants = TrackSet { tracks: self.variants.iter().map(variant_track).collect(), ..TrackSet::default() };
        let mut sets = vec![variants];
        let mut by_group: BTreeMap<(TrackKind, Option<&str>), usize> = BTreeMap::new();
        for rendition in &self.renditions {
            let track = rendition_track(rendition);
            let group = rendition.attributes.get("GROUP-ID");
            let index = *by_group.entry((track.kind, group)).or_insert(sets.len());
            if index == sets.len() {
                sets.push(TrackSet { id: track.group.clone(), ..TrackSet::default() });
            }
            if let Some(set) = sets.get_mut(index) {
                set.tracks.push(track);
            }
        }
        Presentation {
            format: MediaFormat::Hls,
            is_live: false,
            duration: None,
            session_keys: self.keys.clone(),
            protection: Vec::new(),
            periods: vec![Period { sets, ..Period::default() }],
            linked: Vec::new(),
        }
    }
}

fn variant_track(variant: &Variant) -> Track {
    let attributes = &variant.attributes;
    Track {
        kind: variant.kind(),
        bandwidth: attributes.number("BANDWIDTH"),
        resolution: variant.resolution(),
        plays_with: PlaysWith {
            audio: attributes.shared("AUDIO"),
            video: attributes.shared("VIDEO"),
            subtitles: attributes.shared("SUBTITLES"),
            closed_captions: attributes.shared("CLOSED-CAPTIONS"),
        },
        is_trick_play: variant.is_i_frame,
        media: TrackMedia::Playlist(Reference(Arc::clone(&variant.reference))),
        span: variant.span.clone(),
        ..track(attributes, "STABLE-VARIANT-ID")
    }
}

fn rendition_track(rendition: &Rendition) -> Track {
    let reference = rendition.reference.clone();
    Track {
        kind: rendition.kind(),
        group: rendition.attributes.shared("GROUP-ID"),
        media: reference.map_or(TrackMedia::InOtherTrack, |reference| TrackMedia::Playlist(Reference(reference))),
        span: rendition.span.clone(),
        ..track(&rendition.attributes, "STABLE-RENDITION-ID")
    }
}

/// Reads the attributes that variants and renditions share.
fn track(attributes: &Attributes, id: &str) -> Track {
    let characteristics = attributes.get("CHARACTERISTICS").unwrap_or_default().split(',').map(str::trim);
    let characteristic = |value| {
        let kind = PropertyKind::Characteristic;
        Property { kind, scheme: Arc::default(), value: Arc::from(value) }
    };
    Track {
        id: attributes.shared(id).unwrap_or_default(),
        language: attributes.shared("LANGUAGE"),
        labels: attributes.shared("NAME").into_iter().collect(),
        properties: characteristics.filter(|value| !value.is_empty()).map(characteristic).collect(),
        codecs: attributes.shared("CODECS"),
        frame_rate: attributes.shared("FRAME-RATE"),
        channels: attributes.shared("CHANNELS"),
        is_default: attributes.is_yes("DEFAULT"),
        is_forced: attributes.is_yes("FORCED"),
        ..Track::default()
    }
}

/// Returns true if every codec of a list is an audio codec (RFC 6381 names).
pub(in crate::manifest) fn is_audio(codecs: &str) -> bool {
    const AUDIO: [&str; 10] = ["mp4a", "ac-3", "ec-3", "ac-4", "opus", "flac", "alac", "dts", "mhm", "mha"];
    codecs
        .split(',')
        .map(|codec| codec.trim().to_ascii_lowercase())
        .all(|codec| AUDIO.iter().any(|audio| codec.starts_with(audio)))
}
