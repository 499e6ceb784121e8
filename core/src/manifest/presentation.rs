//! The media model: the periods, tracks and segments of a title, for every manifest format alike.
//!
//! References stay as they are written, so that one model serves a local folder and a URL: `resolve.rs` resolves them
//! when they are needed. Times are integers in a timescale, never floats.
//!
//! | type | in HLS | in DASH |
//! |---|---|---|
//! | [`Presentation`] | made from a [`Multivariant`](super::hls::Multivariant) playlist | an MPD |
//! | [`Period`] | one, for the whole title | `Period` |
//! | [`TrackSet`] | the variants; then each rendition group | `AdaptationSet` |
//! | [`Track`] | a variant or a rendition | `Representation` |
//! | [`Segment`] | a segment of a [`MediaPlaylist`](super::hls::MediaPlaylist) | a `SegmentURL`, an expanded template, or one file |
//!
//! An HLS media playlist is a document of its own: its track holds only the reference ([`TrackMedia::Playlist`]), and the
//! reader of the title loads it when it needs the segments, one playlist at a time. Segments are made by iterators and
//! are never a list of strings: half a megabyte of manifest may stand for millions of segments.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::dash::{ContentProtection, SegmentAddressing};
use super::hls::Key;
use super::resolve::{Target, public_name};
use crate::model::{MediaFormat, TrackKind};

/// A point in time or a duration: `ticks / timescale` seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MediaTime {
    /// The number of ticks.
    pub ticks: u64,
    /// Ticks per second; not zero.
    pub timescale: u64,
}

impl MediaTime {
    /// Returns the time in another timescale, rounded down. Saturates.
    pub fn in_timescale(self, timescale: u64) -> u64 {
        let ticks = u128::from(self.ticks) * u128::from(timescale) / u128::from(self.timescale.max(1));
        u64::try_from(ticks).unwrap_or(u64::MAX)
    }

    /// Reads a decimal number of seconds (`9.9766`) without loss, up to 18 digits.
    pub fn from_decimal(text: &str) -> Option<Self> {
        let (mut ticks, mut timescale, mut is_fraction, mut has_digit) = (0_u64, 1_u64, false, false);
        for byte in text.bytes() {
            match byte {
                b'0'..=b'9' => {
                    has_digit = true;
                    let next = ticks.checked_mul(10).and_then(|ticks| ticks.checked_add(u64::from(byte - b'0')));
                    match next {
                        Some(next) if !is_fraction => ticks = next,
                        Some(next) if timescale < 1_000_000_000_000_000_000 => {
                            ticks = next;
                            timescale *= 10;
                        }
                        // Digits beyond the eighteenth of a fraction are dropped.
                        _ if is_fraction => {}
                        _ => return None,
                    }
                }
                b'.' if !is_fraction => is_fraction = true,
                _ => return None,
            }
        }
        has_digit.then_some(Self { ticks, timescale })
    }
}

/// Seconds, with all digits that a decimal timescale has; for messages and for `--json`.
impl fmt::Display for MediaTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let timescale = self.timescale.max(1);
        let (whole, rest) = (self.ticks / timescale, self.ticks % timescale);
        if rest == 0 {
            return write!(f, "{whole}");
        }
        // Nine digits where the timescale is no power of ten.
        let digits = (1..=18).find(|digits| 10_u64.pow(*digits) == timescale).unwrap_or(9);
        let fraction = u128::from(rest) * 10_u128.pow(digits) / u128::from(timescale);
        let text = format!("{fraction:0width$}", width = digits as usize);
        write!(f, "{whole}.{}", text.trim_end_matches('0'))
    }
}

/// Bytes of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ByteRange {
    /// The first byte.
    pub start: u64,
    /// The number of bytes.
    pub length: u64,
}

impl ByteRange {
    /// Returns the byte after the last one. Saturates.
    pub fn end(self) -> u64 {
        self.start.saturating_add(self.length)
    }

    /// Returns the range of byte positions.
    pub fn positions(self) -> Range<u64> {
        self.start..self.end()
    }
}

/// A title as its manifest describes it.
#[derive(Clone, Debug)]
pub struct Presentation {
    /// The format of the manifest.
    pub format: MediaFormat,
    /// True if the manifest may still grow (`MPD@type="dynamic"`). An HLS media playlist says so itself:
    /// [`MediaPlaylist::is_live`](super::hls::MediaPlaylist::is_live).
    pub is_live: bool,
    /// The whole duration, if the manifest says it.
    pub duration: Option<MediaTime>,
    /// Keys that the multivariant playlist announces (`EXT-X-SESSION-KEY`).
    pub session_keys: Vec<Key>,
    /// Descriptors at the top of the MPD. ISO/IEC 23009-1 has none there; some packagers write them.
    pub protection: Vec<ContentProtection>,
    /// The periods, in order.
    pub periods: Vec<Period>,
    /// Names of references that stand for whole elements (`xlink:href`); they are not followed.
    pub linked: Vec<String>,
}

/// A part of the presentation's time.
#[derive(Clone, Debug, Default)]
pub struct Period {
    /// `Period@id`.
    pub id: Option<Arc<str>>,
    /// When it starts: `@start`, or the end of the period before it.
    pub start: Option<MediaTime>,
    /// How long it lasts: `@duration`, or until the next period or the end of the presentation.
    pub duration: Option<MediaTime>,
    /// Descriptors at the period: as little standard as those at the top.
    pub protection: Vec<ContentProtection>,
    /// The sets of tracks, in the manifest's order.
    pub sets: Vec<TrackSet>,
    /// Where its element stands in the manifest's text.
    pub span: Range<usize>,
}

/// Tracks with the same content: an `AdaptationSet`, the variants, or a rendition group.
#[derive(Clone, Debug, Default)]
pub struct TrackSet {
    /// `AdaptationSet@id`, or `GROUP-ID`.
    pub id: Option<Arc<str>>,
    /// Descriptors that hold for all its tracks.
    pub protection: Vec<ContentProtection>,
    /// `Label` elements that hold for all its tracks.
    pub labels: Vec<Arc<str>>,
    /// `Role`, `Accessibility`, `EssentialProperty` and `SupplementalProperty` elements that hold for all its tracks.
    pub properties: Vec<Property>,
    /// The tracks, in the manifest's order.
    pub tracks: Vec<Track>,
    /// Where its element stands in the manifest's text; empty in HLS.
    pub span: Range<usize>,
}

/// One track.
#[derive(Clone, Debug, Default)]
pub struct Track {
    /// `Representation@id`, `STABLE-VARIANT-ID` or `STABLE-RENDITION-ID`; empty without.
    pub id: Arc<str>,
    /// The kind of media.
    pub kind: TrackKind,
    /// The language, as written (BCP 47 or ISO 639).
    pub language: Option<Arc<str>>,
    /// `Label` elements of its own, or `NAME`.
    pub labels: Vec<Arc<str>>,
    /// `Role`, `Accessibility`, `EssentialProperty` and `SupplementalProperty` elements of its own, or `CHARACTERISTICS`.
    pub properties: Vec<Property>,
    /// Peak bits per second.
    pub bandwidth: Option<u64>,
    /// RFC 6381 names.
    pub codecs: Option<Arc<str>>,
    /// The MIME type in lower case, `video/mp4` for example; empty if the manifest does not say.
    pub mime: Arc<str>,
    /// `@contentType`, as written.
    pub content_type: Option<Arc<str>>,
    /// Width and height in pixels.
    pub resolution: Option<(u32, u32)>,
    /// Frames per second, as written: `25`, `30000/1001` or `29.97`.
    pub frame_rate: Option<Arc<str>>,
    /// Audio channels, as written: `2`, `6/JOC`.
    pub channels: Option<Arc<str>>,
    /// `Representation@dependencyId`: the tracks that this one needs.
    pub depends_on: Option<Arc<str>>,
    /// The HLS group that this rendition belongs to.
    pub group: Option<Arc<str>>,
    /// The HLS groups that this variant plays with.
    pub plays_with: PlaysWith,
    /// True if a player selects it without being asked (`DEFAULT=YES`, or the role `main`).
    pub is_default: bool,
    /// True for subtitles that are shown whatever the user chose (`FORCED=YES`, or a role `forced-subtitle`).
    pub is_forced: bool,
    /// True for tracks that only serve seeking: I-frame playlists, trick-play sets.
    pub is_trick_play: bool,
    /// Descriptors of its own.
    pub protection: Vec<ContentProtection>,
    /// Its init segment and segments.
    pub media: TrackMedia,
    /// Where its element or line stands in the manifest's text.
    pub span: Range<usize>,
}

impl Track {
    /// Returns false for tracks that Common Encryption does not know: subtitles as text files, images.
    pub fn may_be_encrypted(&self) -> bool {
        let mime = &*self.mime;
        !(mime.starts_with("text/") || mime.starts_with("image/") || mime == "application/ttml+xml")
    }
}

impl TrackSet {
    /// Returns the properties of one kind (`Role` for example) that hold for a track: its own, then those of the group.
    pub fn properties_of<'a>(&'a self, track: &'a Track, kind: PropertyKind) -> impl Iterator<Item = &'a Property> {
        track.properties.iter().chain(&self.properties).filter(move |property| property.kind == kind)
    }
}

/// The HLS groups of a variant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlaysWith {
    /// `AUDIO`.
    pub audio: Option<Arc<str>>,
    /// `VIDEO`.
    pub video: Option<Arc<str>>,
    /// `SUBTITLES`.
    pub subtitles: Option<Arc<str>>,
    /// `CLOSED-CAPTIONS`; `NONE` is kept as written.
    pub closed_captions: Option<Arc<str>>,
}

/// Where the segments of a track are listed.
#[derive(Clone, Debug, Default)]
pub enum TrackMedia {
    /// Inside another track: an HLS rendition without a URI, closed captions.
    #[default]
    InOtherTrack,
    /// In a media playlist of its own, by its reference as written.
    Playlist(Reference),
    /// In the manifest itself.
    Segments(Box<SegmentAddressing>),
}

/// A reference as written. May be signed: `Debug` shows it without its query.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference(pub Arc<str>);

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", public_name(&self.0))
    }
}

/// A descriptor of a track: a scheme and a value (ISO/IEC 23009-1, 5.8.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// Which element it is.
    pub kind: PropertyKind,
    /// `@schemeIdUri`, as written.
    pub scheme: Arc<str>,
    /// `@value`, as written; empty without.
    pub value: Arc<str>,
}

/// The elements that are a [`Property`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PropertyKind {
    /// `Role`.
    Role,
    /// `Accessibility`.
    Accessibility,
    /// `EssentialProperty`: a player that does not know it must ignore the track.
    Essential,
    /// `SupplementalProperty`.
    Supplemental,
    /// One entry of HLS `CHARACTERISTICS`, as the value.
    Characteristic,
}

/// An init segment, or an index: a resource or a byte range of it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Resource {
    /// The reference as written; `None` for the resource that the `BaseURL` names.
    pub reference: Option<Arc<str>>,
    /// The bytes; `None` for all.
    pub range: Option<ByteRange>,
}

/// Without the query, which may be signed.
impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.reference.as_deref().map(public_name), self.range)
    }
}

/// One media segment.
#[derive(Clone, PartialEq, Eq)]
pub struct Segment<'a> {
    /// The reference as written, with variables and template identifiers replaced. `None` for the resource that the
    /// `BaseURL` names.
    pub reference: Option<Cow<'a, str>>,
    /// The bytes; `None` for all.
    pub range: Option<ByteRange>,
    /// When it starts on the media timeline; `None` in HLS, where segments follow each other.
    pub start: Option<MediaTime>,
    /// How long it lasts, if the manifest says it.
    pub duration: Option<MediaTime>,
    /// The number that HLS gives it (RFC 8216, 3), or `$Number$`.
    pub sequence: u64,
    /// The keys that it is encrypted with: an index for [`MediaPlaylist::key_set`](super::hls::MediaPlaylist::key_set).
    pub key_set: Option<usize>,
    /// Its init segment: an index into [`MediaPlaylist::inits`](super::hls::MediaPlaylist::inits).
    pub init: Option<usize>,
    /// True if it does not continue the segment before it (`EXT-X-DISCONTINUITY`).
    pub is_discontinuity: bool,
    /// True if the segment does not exist on the server (`EXT-X-GAP`): its absence is no fault.
    pub is_gap: bool,
    /// The line of its reference in an HLS media playlist, from 0.
    pub line: u32,
    /// `EXT-X-PROGRAM-DATE-TIME`, as written.
    pub program_date_time: Option<&'a str>,
}

/// Without the query, which may be signed.
impl fmt::Debug for Segment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment")
            .field("reference", &self.reference.as_deref().map(public_name))
            .field("range", &self.range)
            .field("sequence", &self.sequence)
            .finish_non_exhaustive()
    }
}

/// The `BaseURL` elements from the top of an MPD down to one level (ISO/IEC 23009-1, 5.6). Levels share what is above
/// them.
#[derive(Clone, Default)]
pub struct BaseChain(Option<Arc<BaseLevel>>);

struct BaseLevel {
    above: BaseChain,
    alternatives: Vec<Arc<str>>,
}

/// Without queries, which may be signed.
impl fmt::Debug for BaseChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.levels().into_iter().flat_map(|level| level.alternatives.iter().map(|url| public_name(url)));
        f.debug_list().entries(names).finish()
    }
}

impl BaseChain {
    /// Returns the chain with one more level. A level without `BaseURL` adds nothing.
    #[must_use]
    pub(super) fn with(&self, alternatives: Vec<Arc<str>>) -> Self {
        if alternatives.is_empty() {
            return self.clone();
        }
        Self(Some(Arc::new(BaseLevel { above: self.clone(), alternatives })))
    }

    /// Returns true if no level has a `BaseURL`.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Resolves the chain against the manifest. Returns the base, and the reference that names it in messages.
    ///
    /// Of alternatives the first that needs no server is taken, or the first of all; the others are mirrors.
    pub fn resolve(&self, manifest: &Target) -> (Target, &str) {
        let mut base = (manifest.clone(), "");
        for level in self.levels() {
            if let Some((target, index)) = base.0.join_any(&level.alternatives) {
                base = (target, level.alternatives.get(index).map_or("", |url| url));
            }
        }
        base
    }

    /// Returns the alternatives of the lowest level that has a `BaseURL`.
    pub fn alternatives(&self) -> &[Arc<str>] {
        self.0.as_ref().map_or(&[], |level| &level.alternatives)
    }

    /// The levels, the top first.
    fn levels(&self) -> Vec<&BaseLevel> {
        let mut levels: Vec<&BaseLevel> =
            std::iter::successors(self.0.as_deref(), |level| level.above.0.as_deref()).collect();
        levels.reverse();
        levels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(ticks: u64, timescale: u64) -> MediaTime {
        MediaTime { ticks, timescale }
    }

    #[test]
    fn decimal_seconds_are_read_without_loss() {
        for (text, expected) in [
            ("4", Some(time(4, 1))),
            ("9.9766", Some(time(99_766, 10_000))),
            ("0.000000001", Some(time(1, 1_000_000_000))),
            ("4.", Some(time(4, 1))),
            (".5", Some(time(5, 10))),
            ("1.0000000000000000001", Some(time(1_000_000_000_000_000_000, 1_000_000_000_000_000_000))),
            ("18446744073709551616", None),
            ("", None),
            (".", None),
            ("-1", None),
            ("1e3", None),
            ("1.2.3", None),
        ] {
            assert_eq!(MediaTime::from_decimal(text), expected, "{text}");
        }
    }

    #[test]
    fn times_are_shown_in_seconds_and_change_their_timescale() {
        assert_eq!(time(99_766, 10_000).to_string(), "9.9766");
        assert_eq!(time(1, 3).to_string(), "0.333333333");
        assert_eq!(time(8, 2).to_string(), "4");
        assert_eq!(time(1_500, 1_000).in_timescale(90_000), 135_000);
        assert_eq!(time(u64::MAX, 1).in_timescale(90_000), u64::MAX);
    }

    #[test]
    fn base_urls_resolve_level_by_level_in_a_folder_and_at_a_url() {
        let chain = |levels: &[&[&str]]| {
            levels
                .iter()
                .fold(BaseChain::default(), |chain, urls| chain.with(urls.iter().map(|url| Arc::from(*url)).collect()))
        };
        let chain = chain(&[&["https://mirror/", "root/"], &[], &["video/"]]);
        let in_folder = chain.resolve(&Target::in_folder("m.mpd"));
        assert_eq!(in_folder, (Target::in_folder("m.mpd").join("root/video/"), "video/"));
        let url = url::Url::parse("https://cdn.example/a/m.mpd").unwrap();
        let at_url = chain.resolve(&Target::at_url(url)).0;
        assert!(matches!(at_url, Target::Remote(Some(url)) if url.as_str() == "https://mirror/video/"));
    }
}
