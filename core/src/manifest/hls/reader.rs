//! From the lines of a playlist to a multivariant or a media playlist.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use url::Url;

use super::Playlist;
use super::attributes::{Attributes, position, value};
use super::keys::{Key, KeyScope, Names};
use super::lines::{Line, lines};
use super::media::{InitSegment, MediaPlaylist, PlaylistType, Record, Span};
use super::multivariant::{Multivariant, Rendition, Variant};
use super::variables::{Variables, define, expand};
use crate::error::{Code, Error, Result};
use crate::manifest::limits::{MAX_KEY_TAGS, MAX_KEYS_IN_EFFECT, MAX_PLAYLIST_LINES};
use crate::manifest::presentation::{ByteRange, MediaTime, Resource};

/// Reads a playlist. `imported` are the variables of its multivariant playlist, `url` is its own URL.
pub(super) fn read(text: &str, imported: &Variables, url: Option<&Url>) -> Result<Playlist> {
    let mut reader = Reader::new(text, imported, url);
    for (number, line) in lines(text).enumerate() {
        reader.line = u32::try_from(number).unwrap_or(u32::MAX);
        match line {
            Line::Tag(name, list) => reader.tag(name, list)?,
            Line::Reference(reference) => reader.reference(reference)?,
            Line::Other => {}
        }
    }
    reader.finish()
}

struct Reader<'a> {
    source: &'a str,
    imported: &'a Variables,
    url: Option<&'a Url>,
    /// References that variables changed, after the source's own text.
    expanded: String,
    expanded_bytes: u64,
    variables: Variables,
    malformed: BTreeSet<&'static str>,
    /// True after a tag that only a multivariant playlist may have.
    has_multivariant_tag: bool,
    /// True after a tag that only a media playlist may have.
    has_media_tag: bool,
    /// The number of the line that is read.
    line: u32,
    lines: usize,
    key_tags: usize,
    names: Names,
    key_indices: HashMap<Key, u32>,
    session_key_indices: HashMap<Key, u32>,
    init_indices: HashMap<InitSegment, u32>,
    multivariant: Multivariant,
    media: MediaPlaylist,
    /// The variant whose reference is the next line.
    variant: Option<Variant>,
    /// The tags of the next segment, as far as they are read.
    next: Record,
    /// `EXT-X-BYTERANGE` without an offset: it follows the range before it.
    follows: bool,
    date: Option<Span>,
    /// `EXT-X-MAP` of the next segment.
    map: Option<InitSegment>,
    init: u32,
    /// The keys in effect, and whether their set is stored.
    in_effect: Vec<u32>,
    key_set: Option<u32>,
}

const EMPTY: Record = Record {
    reference: Span { start: 0, length: 0 },
    range: ByteRange { start: 0, length: 0 },
    ticks: 0,
    key_set: Record::NONE,
    init: Record::NONE,
    line: 0,
    digits: 0,
    flags: 0,
};

impl<'a> Reader<'a> {
    fn new(source: &'a str, imported: &'a Variables, url: Option<&'a Url>) -> Self {
        Self {
            source,
            imported,
            url,
            expanded: String::new(),
            expanded_bytes: 0,
            variables: Variables::new(),
            malformed: BTreeSet::new(),
            has_multivariant_tag: false,
            has_media_tag: false,
            line: 0,
            lines: 0,
            key_tags: 0,
            names: Names::default(),
            key_indices: HashMap::new(),
            session_key_indices: HashMap::new(),
            init_indices: HashMap::new(),
            multivariant: Multivariant::default(),
            media: MediaPlaylist::default(),
            variant: None,
            next: EMPTY,
            follows: false,
            date: None,
            map: None,
            init: Record::NONE,
            in_effect: Vec::new(),
            key_set: None,
        }
    }

    fn tag(&mut self, name: &'a str, list: &'a str) -> Result<()> {
        match name {
            "INF" => {
                self.has_media_tag = true;
                self.duration(list.split(',').next().unwrap_or_default().trim());
            }
            "-X-BYTERANGE" => {
                self.has_media_tag = true;
                self.count()?;
                self.byte_range(list.trim());
            }
            "-X-KEY" => self.key(list)?,
            "-X-MAP" => {
                self.has_media_tag = true;
                self.map(list)?;
            }
            "-X-DISCONTINUITY" => self.next.flags |= Record::DISCONTINUITY,
            "-X-GAP" => self.next.flags |= Record::GAP,
            "-X-PROGRAM-DATE-TIME" => self.date = Some(self.span(list.trim())),
            "-X-TARGETDURATION" => {
                self.has_media_tag = true;
                self.media.target_duration_seconds = list.trim().parse().ok();
            }
            "-X-MEDIA-SEQUENCE" => self.media.media_sequence = list.trim().parse().unwrap_or(0),
            "-X-DISCONTINUITY-SEQUENCE" => self.media.discontinuity_sequence = list.trim().parse().unwrap_or(0),
            "-X-PLAYLIST-TYPE" => {
                self.media.playlist_type = match list.trim() {
                    "VOD" => Some(PlaylistType::Vod),
                    "EVENT" => Some(PlaylistType::Event),
                    _ => None,
                }
            }
            "-X-ENDLIST" => self.media.has_end = true,
            "-X-I-FRAMES-ONLY" => self.media.is_i_frames_only = true,
            "-X-VERSION" => {
                let version = list.trim().parse().ok();
                (self.media.version, self.multivariant.version) = (version, version);
            }
            "-X-DEFINE" => {
                if !define(list, self.imported, self.url, &mut self.variables) {
                    self.malformed.insert("EXT-X-DEFINE");
                }
            }
            _ => self.multivariant_tag(name, list)?,
        }
        Ok(())
    }

    fn multivariant_tag(&mut self, name: &'a str, list: &'a str) -> Result<()> {
        let is_i_frame = name == "-X-I-FRAME-STREAM-INF";
        match name {
            "-X-STREAM-INF" | "-X-I-FRAME-STREAM-INF" => {
                self.count()?;
                let attributes = self.attributes(list)?;
                let span = self.line_of(name, list);
                let mut variant = Variant { reference: Arc::default(), is_i_frame, attributes, span };
                if is_i_frame {
                    variant.reference = variant.attributes.get("URI").map(Arc::from).unwrap_or_default();
                    self.push_variant(variant);
                } else {
                    self.variant = Some(variant);
                }
            }
            "-X-MEDIA" => self.rendition(name, list)?,
            "-X-SESSION-KEY" => return self.session_key(list),
            "-X-SESSION-DATA" => {
                self.count()?;
                let attributes = self.attributes(list)?;
                self.multivariant.session_data.push(attributes);
            }
            "-X-CONTENT-STEERING" => {
                self.multivariant.steering = Some(self.attributes(list)?);
                return Ok(());
            }
            _ => return Ok(()),
        }
        self.has_multivariant_tag = true;
        Ok(())
    }

    fn reference(&mut self, line: &'a str) -> Result<()> {
        self.count()?;
        if let Some(mut variant) = self.variant.take() {
            variant.reference = Arc::from(self.expanded(line)?);
            self.push_variant(variant);
            return Ok(());
        }
        let reference = match self.expanded(line)? {
            Cow::Borrowed(line) => self.span(line),
            Cow::Owned(text) => self.span_of_expanded(&text),
        };
        self.segment(reference);
        Ok(())
    }

    fn segment(&mut self, reference: Span) {
        if let Some(map) = self.map.take() {
            self.init = index_of(&mut self.init_indices, &mut self.media.inits, map);
        }
        let mut record = std::mem::replace(&mut self.next, EMPTY);
        if std::mem::take(&mut self.follows) {
            // Without an offset the range follows the one before it, in the same resource (RFC 8216, 4.3.2.2).
            let before = self.media.records.last().filter(|last| last.flags & Record::HAS_RANGE != 0);
            let before = before.filter(|last| self.text(last.reference) == self.text(reference));
            record.range.start = before.map_or(0, |last| last.range.end());
        }
        record.reference = reference;
        record.line = self.line;
        record.init = self.init;
        record.key_set = self.key_set();
        if let Some(date) = self.date.take() {
            self.media.dates.push((u32::try_from(self.media.records.len()).unwrap_or(u32::MAX), date));
        }
        self.media.records.push(record);
    }

    fn duration(&mut self, text: &str) {
        let Some(MediaTime { ticks, timescale }) = MediaTime::from_decimal(text) else { return };
        self.next.ticks = ticks;
        self.next.digits = u8::try_from(timescale.checked_ilog10().unwrap_or(0)).unwrap_or(0);
        self.next.flags |= Record::HAS_DURATION;
    }

    fn byte_range(&mut self, text: &str) {
        let Some((length, start)) = byte_range(text) else { return };
        self.next.range = ByteRange { start: start.unwrap_or(0), length };
        self.next.flags |= Record::HAS_RANGE;
        self.follows = start.is_none();
    }

    fn map(&mut self, list: &'a str) -> Result<()> {
        let list = self.expanded(list)?;
        let Some(uri) = value(&list, "URI").filter(|uri| !uri.is_empty()) else {
            self.malformed.insert("EXT-X-MAP");
            return Ok(());
        };
        self.lines += 1;
        // Without an offset a player begins at 0 (RFC 8216bis requires the offset).
        let range = value(&list, "BYTERANGE")
            .and_then(byte_range)
            .map(|(length, start)| ByteRange { start: start.unwrap_or(0), length });
        let resource = Resource { reference: Some(Arc::from(uri)), range };
        let key_set = self.key_set();
        self.map = Some(InitSegment { resource, key_set: (key_set != Record::NONE).then_some(key_set as usize) });
        self.check_lines()
    }

    fn key(&mut self, list: &'a str) -> Result<()> {
        let Some(key) = self.read_key("EXT-X-KEY", list)? else { return Ok(()) };
        self.key_set = None;
        if key.scope() == KeyScope::Nothing {
            self.in_effect.clear();
            return Ok(());
        }
        // It replaces the key of the same format (RFC 8216, 4.3.2.4).
        let format = key.format.clone();
        let keys = &self.media.keys;
        self.in_effect.retain(|other| keys.get(*other as usize).is_some_and(|other| other.format != format));
        let index = index_of(&mut self.key_indices, &mut self.media.keys, key);
        self.in_effect.push(index);
        if self.in_effect.len() > MAX_KEYS_IN_EFFECT {
            return Err(Error::new(
                Code::ManifestTooLarge,
                format!("the playlist has more than {MAX_KEYS_IN_EFFECT} keys in effect for one segment"),
            ));
        }
        Ok(())
    }

    fn session_key(&mut self, list: &'a str) -> Result<()> {
        let Some(key) = self.read_key("EXT-X-SESSION-KEY", list)? else { return Ok(()) };
        if key.scope() != KeyScope::Nothing {
            index_of(&mut self.session_key_indices, &mut self.multivariant.keys, key);
        }
        Ok(())
    }

    fn read_key(&mut self, name: &'static str, list: &'a str) -> Result<Option<Key>> {
        self.key_tags += 1;
        if self.key_tags > MAX_KEY_TAGS {
            return Err(Error::new(
                Code::ManifestTooLarge,
                format!("the playlist has more than {MAX_KEY_TAGS} key tags"),
            ));
        }
        let key = Key::read(&self.expanded(list)?, &mut self.names);
        if key.is_none() {
            self.malformed.insert(name);
        }
        Ok(key)
    }

    /// The set of the keys in effect, stored once for all segments that it holds for.
    fn key_set(&mut self) -> u32 {
        if self.in_effect.is_empty() {
            return Record::NONE;
        }
        if let Some(set) = self.key_set {
            return set;
        }
        let start = u32::try_from(self.media.key_members.len()).unwrap_or(u32::MAX);
        self.media.key_members.extend(&self.in_effect);
        let end = u32::try_from(self.media.key_members.len()).unwrap_or(u32::MAX);
        let set = u32::try_from(self.media.key_sets.len()).unwrap_or(Record::NONE);
        self.media.key_sets.push((start, end));
        self.key_set = Some(set);
        set
    }

    fn rendition(&mut self, name: &'a str, list: &'a str) -> Result<()> {
        self.count()?;
        let attributes = self.attributes(list)?;
        let span = self.line_of(name, list);
        let kind = attributes.get("TYPE");
        // Without a URI the rendition is inside the variants' segments.
        let has_uri = value(&attributes.0, "URI").is_some();
        let reference = attributes.get("URI").map(Arc::from);
        let is_malformed = has_uri && (reference.is_none() || matches!(kind, None | Some("CLOSED-CAPTIONS")));
        if is_malformed && value(&attributes.0, "TYPE").is_some() {
            self.malformed.insert("EXT-X-MEDIA");
        }
        let reference = reference.filter(|_| !is_malformed);
        self.multivariant.renditions.push(Rendition { reference, attributes, span });
        Ok(())
    }

    fn push_variant(&mut self, variant: Variant) {
        if !variant.reference.is_empty() {
            self.multivariant.variants.push(variant);
        }
    }

    fn attributes(&mut self, list: &'a str) -> Result<Attributes> {
        Ok(Attributes(Arc::from(self.expanded(list)?)))
    }

    fn expanded(&mut self, text: &'a str) -> Result<Cow<'a, str>> {
        expand(text, &self.variables, &mut self.expanded_bytes)
    }

    /// Where the whole tag stands.
    fn line_of(&self, name: &'a str, list: &'a str) -> Range<usize> {
        let list = position(self.source, list);
        let start =
            if list.is_empty() { position(self.source, name).start } else { list.start.saturating_sub(name.len() + 1) };
        start.saturating_sub("#EXT".len())..list.end.max(position(self.source, name).end)
    }

    fn span(&self, part: &str) -> Span {
        let position = position(self.source, part);
        Span {
            start: u32::try_from(position.start).unwrap_or(u32::MAX),
            length: u32::try_from(position.len()).unwrap_or(0),
        }
    }

    fn span_of_expanded(&mut self, text: &str) -> Span {
        let start = u32::try_from(self.source.len() + self.expanded.len()).unwrap_or(u32::MAX);
        self.expanded.push_str(text);
        Span { start, length: u32::try_from(text.len()).unwrap_or(0) }
    }

    fn text(&self, span: Span) -> &str {
        let start = span.start as usize;
        let (text, start) = match start.checked_sub(self.source.len()) {
            Some(start) => (self.expanded.as_str(), start),
            None => (self.source, start),
        };
        text.get(start..start + span.length as usize).unwrap_or_default()
    }

    /// Counts a line that the model keeps.
    fn count(&mut self) -> Result<()> {
        self.lines += 1;
        self.check_lines()
    }

    fn check_lines(&self) -> Result<()> {
        if self.lines > MAX_PLAYLIST_LINES {
            return Err(Error::new(
                Code::ManifestTooLarge,
                format!("the playlist has more than {MAX_PLAYLIST_LINES} tags and segments"),
            ));
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Playlist> {
        match (self.has_multivariant_tag, self.has_media_tag) {
            (true, true) => Err(Error::new(
                Code::ManifestInvalid,
                "the playlist mixes tags of multivariant and media playlists (RFC 8216, 4.3.4)",
            )),
            (true, false) => {
                // Some packagers write EXT-X-KEY where EXT-X-SESSION-KEY belongs, and the reverse.
                self.multivariant.keys.append(&mut self.media.keys);
                Ok(Playlist::Multivariant(Multivariant {
                    variables: self.variables,
                    malformed_tags: self.malformed,
                    ..self.multivariant
                }))
            }
            (false, true) => {
                self.media.keys.append(&mut self.multivariant.keys);
                self.media.source_bytes = self.source.len();
                let text = [self.source, &self.expanded].concat();
                Ok(Playlist::Media(MediaPlaylist {
                    variables: self.variables,
                    malformed_tags: self.malformed,
                    text,
                    ..self.media
                }))
            }
            (false, false) => {
                Err(Error::new(Code::ManifestInvalid, "the playlist names neither playlists nor segments"))
            }
        }
    }
}

/// Returns the index of a value in a list in which each stands once.
fn index_of<T: Clone + Eq + std::hash::Hash>(indices: &mut HashMap<T, u32>, list: &mut Vec<T>, value: T) -> u32 {
    if let Some(known) = indices.get(&value) {
        return *known;
    }
    let index = u32::try_from(list.len()).unwrap_or(Record::NONE);
    list.push(value.clone());
    indices.insert(value, index);
    index
}

/// Reads `length` or `length@offset`. Text after the numbers is ignored: some packagers write a comment there.
pub(in crate::manifest) fn byte_range(text: &str) -> Option<(u64, Option<u64>)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '@').unwrap_or(text.len());
    let numbers = text.get(..end)?;
    let (length, start) = match numbers.split_once('@') {
        Some((length, start)) => (length, Some(start.parse().ok()?)),
        None => (numbers, None),
    };
    Some((length.parse().ok()?, start))
}
