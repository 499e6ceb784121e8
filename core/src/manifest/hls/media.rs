//! A media playlist: segments with their keys and init segments (RFC 8216, 4.3.2 and 4.3.3).

use std::collections::{BTreeMap, BTreeSet};

use super::attributes::value;
use super::lines::{Line, Variables, define, expand, lines};
use super::{KeyFormat, KeyTags, Method};
use crate::error::{Code, Error, Result};
use crate::manifest::limits::MAX_PLAYLIST_LINES;
use crate::manifest::presentation::{ByteSpan, InitSegment, Key, Segment};

/// A media playlist.
#[derive(Clone, Debug, Default)]
pub struct MediaPlaylist {
    /// The segments in order.
    pub segments: Vec<Segment>,
    /// The distinct init segments, in the order of their first use.
    pub inits: Vec<InitSegment>,
    /// The distinct keys, in the order of their first use; `METHOD=NONE` is among them if it occurs.
    pub keys: Vec<Key>,
    /// The distinct sets of keys that apply together, one per key format, as indices into `keys`.
    pub key_sets: Vec<Vec<u32>>,
    /// The longest segment, in microseconds.
    pub target_duration_us: Option<u64>,
    /// The number of the first segment, which implied IVs count from.
    pub media_sequence: u64,
    /// The number of the first discontinuity.
    pub discontinuity_sequence: u64,
    /// `VOD` or `EVENT`, as written.
    pub playlist_type: Option<String>,
    /// True if the playlist says that no segment follows.
    pub has_end: bool,
    /// Names of tags that were malformed and skipped.
    pub malformed_tags: BTreeSet<&'static str>,
}

impl MediaPlaylist {
    /// Returns true if segments may still be added: no `EXT-X-ENDLIST`, and not declared as `VOD`.
    pub fn is_live(&self) -> bool {
        !self.has_end && self.playlist_type.as_deref() != Some("VOD")
    }
}

/// Returns true for tags that only a media playlist may have.
pub(super) fn is_own_tag(name: &str) -> bool {
    matches!(name, "INF" | "-X-TARGETDURATION" | "-X-BYTERANGE" | "-X-MAP")
}

pub(super) fn read(text: &str, imported: &Variables) -> Result<MediaPlaylist> {
    let mut reader = Reader::new(imported);
    for (number, line) in lines(text) {
        match line {
            Line::Reference(reference) => reader.segment(number, reference)?,
            Line::Tag { name, list } => reader.tag(name, list)?,
        }
    }
    Ok(reader.playlist)
}

struct Reader<'a> {
    imported: &'a Variables,
    variables: Variables,
    playlist: MediaPlaylist,
    key_tags: KeyTags,
    key_index: BTreeMap<Key, u32>,
    set_index: BTreeMap<Vec<u32>, u32>,
    init_index: BTreeMap<InitSegment, u32>,
    /// The keys that apply from here on.
    current_keys: Vec<u32>,
    current_set: Option<u32>,
    current_init: Option<u32>,
    /// What the tags before a segment's reference say of it.
    next: Next,
    lines: usize,
}

#[derive(Default)]
struct Next {
    duration_us: Option<u64>,
    /// Length and, if written, offset.
    range: Option<(u64, Option<u64>)>,
    is_discontinuity: bool,
    is_gap: bool,
}

impl<'a> Reader<'a> {
    fn new(imported: &'a Variables) -> Self {
        Self {
            imported,
            variables: Variables::new(),
            playlist: MediaPlaylist::default(),
            key_tags: KeyTags::default(),
            key_index: BTreeMap::new(),
            set_index: BTreeMap::new(),
            init_index: BTreeMap::new(),
            current_keys: Vec::new(),
            current_set: None,
            current_init: None,
            next: Next::default(),
            lines: 0,
        }
    }

    fn tag(&mut self, name: &str, list: &str) -> Result<()> {
        let playlist = &mut self.playlist;
        match name {
            "-X-KEY" => {
                let list = expand(list, &self.variables)?;
                match self.key_tags.read(&list)? {
                    Some(key) => self.key(key),
                    None => _ = playlist.malformed_tags.insert("EXT-X-KEY"),
                }
            }
            // It belongs into a multivariant playlist; its keys are asked for all the same.
            "-X-SESSION-KEY" => {
                let list = expand(list, &self.variables)?;
                match self.key_tags.read(&list)? {
                    Some(key) => _ = self.index_of(key),
                    None => _ = playlist.malformed_tags.insert("EXT-X-SESSION-KEY"),
                }
            }
            "-X-MAP" => self.map(list)?,
            "INF" => self.next.duration_us = decimal_us(list.split(',').next().unwrap_or_default()),
            "-X-BYTERANGE" => {
                self.count()?;
                self.next.range = byte_range(list);
            }
            "-X-DISCONTINUITY" => self.next.is_discontinuity = true,
            "-X-GAP" => self.next.is_gap = true,
            "-X-DEFINE" => {
                if !define(&mut self.variables, list, self.imported) {
                    playlist.malformed_tags.insert("EXT-X-DEFINE");
                }
            }
            "-X-TARGETDURATION" => playlist.target_duration_us = decimal_us(list),
            "-X-MEDIA-SEQUENCE" => playlist.media_sequence = list.trim().parse().unwrap_or(0),
            "-X-DISCONTINUITY-SEQUENCE" => playlist.discontinuity_sequence = list.trim().parse().unwrap_or(0),
            "-X-PLAYLIST-TYPE" => playlist.playlist_type = Some(list.trim().to_owned()),
            "-X-ENDLIST" => playlist.has_end = true,
            _ => {}
        }
        Ok(())
    }

    /// A key tag applies until the next one of its format (RFC 8216, 4.3.2.4); `METHOD=NONE` ends all.
    fn key(&mut self, key: Key) {
        let (format, is_none) = (key.tag.key_format.clone(), key.tag.method == Method::None);
        let index = self.index_of(key);
        if is_none {
            self.current_keys.clear();
        }
        let keys = &self.playlist.keys;
        self.current_keys.retain(|known| format_of(keys, *known) != Some(&format));
        if !is_none {
            self.current_keys.push(index);
        }
        self.current_set = None;
    }

    fn index_of(&mut self, key: Key) -> u32 {
        if let Some(known) = self.key_index.get(&key) {
            return *known;
        }
        let index = u32::try_from(self.playlist.keys.len()).unwrap_or(u32::MAX);
        self.key_index.insert(key.clone(), index);
        self.playlist.keys.push(key);
        index
    }

    /// Returns the index of the keys that apply now.
    fn key_set(&mut self) -> Option<u32> {
        if self.current_keys.is_empty() {
            return None;
        }
        if self.current_set.is_none() {
            let next = u32::try_from(self.playlist.key_sets.len()).unwrap_or(u32::MAX);
            let index = *self.set_index.entry(self.current_keys.clone()).or_insert(next);
            if index == next {
                self.playlist.key_sets.push(self.current_keys.clone());
            }
            self.current_set = Some(index);
        }
        self.current_set
    }

    fn map(&mut self, list: &str) -> Result<()> {
        let list = expand(list, &self.variables)?;
        let Some(reference) = value(&list, "URI").filter(|uri| !uri.is_empty()) else {
            self.playlist.malformed_tags.insert("EXT-X-MAP");
            return Ok(());
        };
        self.count()?;
        let range = value(&list, "BYTERANGE").and_then(byte_range);
        let range = range.map(|(length, offset)| ByteSpan { offset: offset.unwrap_or(0), length });
        let init = InitSegment { reference: reference.to_owned(), range, keys: self.key_set() };
        let next = u32::try_from(self.playlist.inits.len()).unwrap_or(u32::MAX);
        let index = *self.init_index.entry(init.clone()).or_insert(next);
        if index == next {
            self.playlist.inits.push(init);
        }
        self.current_init = Some(index);
        Ok(())
    }

    fn segment(&mut self, line: u32, reference: &str) -> Result<()> {
        self.count()?;
        let reference: Box<str> = expand(reference, &self.variables)?.into();
        let next = std::mem::take(&mut self.next);
        let range = next.range.map(|(length, offset)| {
            // Without an offset it follows the part before it (RFC 8216, 4.3.2.2).
            let previous = self.playlist.segments.last().filter(|last| last.reference == reference);
            let follows = previous.and_then(|last| last.range).map(|range| range.range().end);
            ByteSpan { offset: offset.or(follows).unwrap_or(0), length }
        });
        let (keys, init) = (self.key_set(), self.current_init);
        let Next { duration_us, is_discontinuity, is_gap, .. } = next;
        let segment = Segment { reference, range, duration_us, is_discontinuity, is_gap, keys, init, line };
        self.playlist.segments.push(segment);
        Ok(())
    }

    fn count(&mut self) -> Result<()> {
        self.lines += 1;
        if self.lines > MAX_PLAYLIST_LINES {
            let message = format!("the playlist has more than {MAX_PLAYLIST_LINES} tags and segments");
            return Err(Error::new(Code::ManifestTooLarge, message));
        }
        Ok(())
    }
}

fn format_of(keys: &[Key], index: u32) -> Option<&KeyFormat> {
    keys.get(usize::try_from(index).ok()?).map(|key| &key.tag.key_format)
}

/// `length[@offset]` (RFC 8216, 4.3.2.2). Text after the numbers is ignored, as are malformed numbers.
fn byte_range(text: &str) -> Option<(u64, Option<u64>)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '@').unwrap_or(text.len());
    let (length, offset) = match text.get(..end)?.split_once('@') {
        Some((length, offset)) => (length, offset.parse().ok()),
        None => (text.get(..end)?, None),
    };
    Some((length.parse().ok()?, offset))
}

/// Decimal seconds to microseconds, without a float: digits beyond the sixth are cut.
fn decimal_us(text: &str) -> Option<u64> {
    let text = text.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() && fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let micros =
        fraction.bytes().chain(std::iter::repeat(b'0')).take(6).fold(0, |us, digit| us * 10 + u64::from(digit - b'0'));
    whole.checked_mul(1_000_000)?.checked_add(micros)
}
