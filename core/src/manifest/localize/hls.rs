//! Rewrites a playlist, line by line.

use std::collections::{BTreeMap, BTreeSet};

use url::Url;

use super::{
    AUDIO, Edits, NewRange, Patches, Reference, ReferenceKind, Replacement, SUBTITLES, TrackAt, VARIANTS, VIDEO,
};
use crate::error::Result;
use crate::manifest::hls::attributes::{attributes, position, value};
use crate::manifest::hls::lines::{Line, read, whole_lines};
use crate::manifest::hls::variables::{Variables, define, expand};
use crate::manifest::hls::{byte_range, is_audio, not_a_playlist};
use crate::manifest::presentation::ByteRange;

/// Tags whose attributes hold references, the attribute, and its use.
const REFERENCES: [(&str, &str, ReferenceKind); 13] = [
    ("-X-KEY", "URI", ReferenceKind::Key),
    ("-X-SESSION-KEY", "URI", ReferenceKind::Key),
    ("-X-MAP", "URI", ReferenceKind::Init),
    ("-X-MEDIA", "URI", ReferenceKind::Playlist),
    ("-X-I-FRAME-STREAM-INF", "URI", ReferenceKind::Playlist),
    ("-X-IMAGE-STREAM-INF", "URI", ReferenceKind::Playlist),
    ("-X-SESSION-DATA", "URI", ReferenceKind::Other),
    ("-X-PART", "URI", ReferenceKind::Segment),
    ("-X-PRELOAD-HINT", "URI", ReferenceKind::Other),
    ("-X-RENDITION-REPORT", "URI", ReferenceKind::Other),
    ("-X-CONTENT-STEERING", "SERVER-URI", ReferenceKind::Other),
    ("-X-DATERANGE", "X-ASSET-URI", ReferenceKind::Other),
    ("-X-DATERANGE", "X-ASSET-LIST", ReferenceKind::Other),
];

pub(super) fn rewrite(text: &str, url: Option<&Url>, edits: &mut dyn Edits) -> Result<String> {
    let start = text.trim_start_matches('\u{feff}').trim_start();
    if !start.starts_with("#EXTM3U") {
        return Err(not_a_playlist(start));
    }
    let mut rewriter = Rewriter {
        text,
        url,
        edits,
        patches: Patches::default(),
        variables: Variables::new(),
        expanded_bytes: 0,
        before_reference: None,
        range: None,
        last: None,
    };
    let dropped = rewriter.dropped()?;
    rewriter.variables = Variables::new();
    for (number, line) in whole_lines(text).enumerate() {
        rewriter.line(number, line, &dropped)?;
    }
    Ok(rewriter.patches.apply(text))
}

struct Rewriter<'a, 'e> {
    text: &'a str,
    url: Option<&'a Url>,
    edits: &'e mut dyn Edits,
    patches: Patches,
    variables: Variables,
    expanded_bytes: u64,
    /// The line of an `EXT-X-STREAM-INF` tag whose reference follows, and whether the variant is kept.
    before_reference: Option<(usize, bool)>,
    /// The `EXT-X-BYTERANGE` line of the next segment.
    range: Option<RangeLine<'a>>,
    /// The last segment with a range: its reference, and the end of the range.
    last: Option<(&'a str, u64)>,
}

/// An `EXT-X-BYTERANGE` line.
#[derive(Clone, Copy)]
struct RangeLine<'a> {
    line: &'a str,
    list: &'a str,
    length: u64,
    start: Option<u64>,
}

/// The lines and groups of a multivariant playlist that are left out.
#[derive(Default)]
struct Dropped<'a> {
    /// Numbers of tags. A variant's reference follows its tag.
    lines: BTreeSet<usize>,
    /// Attribute and name of groups without a rendition.
    empty_groups: BTreeSet<(&'a str, &'a str)>,
}

impl<'a> Rewriter<'a, '_> {
    fn line(&mut self, number: usize, line: &'a str, dropped: &Dropped<'a>) -> Result<()> {
        let parsed = read(line.trim_start_matches('\u{feff}').trim());
        if dropped.lines.contains(&number) {
            self.patches.remove(position(self.text, line));
            if let Line::Tag("-X-STREAM-INF", _) = parsed {
                self.before_reference = Some((number, false));
            }
            return Ok(());
        }
        match parsed {
            Line::Reference(reference) => match self.before_reference.take() {
                Some((_, false)) => self.patches.remove(position(self.text, line)),
                Some((_, true)) => {
                    let new = self.new_reference(ReferenceKind::Playlist, reference, None)?;
                    if let Some(new) = new {
                        self.patches.replace(position(self.text, reference), new.reference);
                    }
                }
                None => self.segment(line, reference)?,
            },
            Line::Tag("-X-BYTERANGE", list) => {
                self.range = byte_range(list).map(|(length, start)| RangeLine { line, list, length, start });
            }
            Line::Tag("-X-DEFINE", list) => self.define(list),
            Line::Tag("-X-STREAM-INF", list) => {
                self.before_reference = Some((number, true));
                self.remove_empty_groups(list, &dropped.empty_groups);
            }
            Line::Tag(name, list) => {
                for (_, attribute, kind) in REFERENCES.iter().filter(|(tag, ..)| *tag == name) {
                    if let Some(reference) = value(list, attribute).filter(|reference| !reference.is_empty()) {
                        self.attribute(*kind, list, reference)?;
                    }
                }
            }
            Line::Other => {}
        }
        Ok(())
    }

    fn new_reference(
        &mut self,
        kind: ReferenceKind,
        reference: &'a str,
        range: Option<ByteRange>,
    ) -> Result<Option<Replacement>> {
        let expanded = expand(reference, &self.variables, &mut self.expanded_bytes)?;
        Ok(self.edits.replace(Reference { kind, text: &expanded, range }))
    }

    /// Rewrites the reference of a segment and its `EXT-X-BYTERANGE`, which becomes the last tag before the reference.
    fn segment(&mut self, line: &'a str, reference: &'a str) -> Result<()> {
        let written = self.range.take();
        let range = written.map(|written| {
            let before = self.last.filter(|(last, _)| *last == reference).map_or(0, |(_, end)| end);
            ByteRange { start: written.start.unwrap_or(before), length: written.length }
        });
        self.last = range.map(|range| (reference, range.end()));
        let Some(new) = self.new_reference(ReferenceKind::Segment, reference, range)? else { return Ok(()) };
        let span = position(self.text, reference);
        match (new.range, written, range) {
            (NewRange::Part(part), ..) => {
                let end = line.get(line.trim_end_matches(['\n', '\r']).len()..).filter(|end| !end.is_empty());
                let tag = format!("#EXT-X-BYTERANGE:{}@{}{}", part.length, part.start, end.unwrap_or("\n"));
                self.patches.replace(position(self.text, line).start..span.end, tag + &new.reference);
            }
            (NewRange::AsWritten, Some(RangeLine { list, start: None, .. }), Some(range)) => {
                // The range before it may have another reference now.
                self.patches.replace(position(self.text, list), format!("{}@{}", range.length, range.start));
                self.patches.replace(span, new.reference);
            }
            _ => self.patches.replace(span, new.reference),
        }
        if let (NewRange::Part(_) | NewRange::Whole, Some(written)) = (new.range, written) {
            self.patches.remove(position(self.text, written.line));
        }
        Ok(())
    }

    /// Rewrites a reference in an attribute, and the `BYTERANGE` attribute beside it.
    fn attribute(&mut self, kind: ReferenceKind, list: &'a str, reference: &'a str) -> Result<()> {
        let written = attributes(list).find(|attribute| attribute.name == "BYTERANGE");
        let range = written
            .and_then(|attribute| byte_range(attribute.value))
            .map(|(length, start)| ByteRange { start: start.unwrap_or(0), length });
        let Some(new) = self.new_reference(kind, reference, range)? else { return Ok(()) };
        // A quote would end the attribute; a URL has none.
        let mut text = new.reference.replace('"', "%22");
        let mut span = position(self.text, reference);
        match (new.range, written) {
            (NewRange::Part(part), Some(written)) if kind == ReferenceKind::Init => {
                self.patches.replace(position(self.text, written.value), format!("{}@{}", part.length, part.start));
            }
            (NewRange::Part(part), None) if kind == ReferenceKind::Init => {
                let is_quoted = self.text.get(span.end..).is_some_and(|after| after.starts_with('"'));
                span.end += usize::from(is_quoted);
                let quote = if is_quoted { "\"" } else { "" };
                text = format!("{text}{quote},BYTERANGE=\"{}@{}\"", part.length, part.start);
            }
            (NewRange::Whole, Some(written)) => {
                self.remove_attribute(written.name, written.value, written.is_quoted);
            }
            _ => {}
        }
        self.patches.replace(span, text);
        Ok(())
    }

    /// Reads a variable. One that is read from the URL of the playlist is written with its value: the rewritten playlist has
    /// another URL, and players refuse a variable without a value.
    fn define(&mut self, list: &'a str) {
        let is_known = define(list, &Variables::new(), self.url, &mut self.variables);
        let Some(name) = value(list, "QUERYPARAM").filter(|_| is_known) else { return };
        let known = self.variables.get(name).unwrap_or_default();
        if !known.contains(['"', '\n', '\r']) {
            let new = format!("NAME=\"{name}\",VALUE=\"{known}\"");
            self.patches.replace(position(self.text, list), new);
        }
    }

    /// Finds out which tracks are left out.
    fn dropped(&mut self) -> Result<Dropped<'a>> {
        let mut dropped = Dropped::default();
        // Each variant's reference and whether it is kept: a player tells variants apart by their references.
        let mut variants: BTreeMap<String, bool> = BTreeMap::new();
        let mut counts = [0; 4];
        let mut groups: BTreeMap<(&str, &str), bool> = BTreeMap::new();
        let mut tag_of_reference = None;
        for (number, line) in whole_lines(self.text).enumerate() {
            let (variant, reference) = match read(line.trim_start_matches('\u{feff}').trim()) {
                Line::Tag("-X-STREAM-INF", _) => {
                    tag_of_reference = Some(number);
                    continue;
                }
                Line::Reference(reference) => match tag_of_reference.take() {
                    Some(tag) => (tag, reference),
                    None => continue,
                },
                Line::Tag("-X-I-FRAME-STREAM-INF", list) => (number, value(list, "URI").unwrap_or_default()),
                Line::Tag("-X-DEFINE", list) => {
                    define(list, &Variables::new(), self.url, &mut self.variables);
                    continue;
                }
                Line::Tag("-X-MEDIA", list) => {
                    let (attribute, set) = match value(list, "TYPE") {
                        Some("AUDIO") => ("AUDIO", AUDIO),
                        Some("SUBTITLES") => ("SUBTITLES", SUBTITLES),
                        Some("VIDEO") => ("VIDEO", VIDEO),
                        _ => continue,
                    };
                    let is_kept = self.keeps_rendition(list, set, &mut counts);
                    if !is_kept {
                        dropped.lines.insert(number);
                    }
                    let group = value(list, "GROUP-ID").unwrap_or_default();
                    *groups.entry((attribute, group)).or_insert(false) |= is_kept;
                    continue;
                }
                _ => continue,
            };
            let key = self.variant_key(reference)?;
            let next = variants.len();
            let is_kept = match variants.get(&key) {
                Some(known) => *known,
                None => {
                    let is_kept = self.edits.keeps(TrackAt { period: 0, set: VARIANTS, track: next });
                    variants.insert(key, is_kept);
                    is_kept
                }
            };
            if !is_kept {
                dropped.lines.insert(variant);
            }
        }
        dropped.empty_groups = groups.into_iter().filter(|(_, is_used)| !is_used).map(|(group, _)| group).collect();
        Ok(dropped)
    }

    /// A rendition without a reference is inside the variants, and stays.
    fn keeps_rendition(&mut self, list: &str, set: usize, counts: &mut [usize; 4]) -> bool {
        let has_reference = value(list, "URI").is_some_and(|uri| !uri.is_empty());
        let Some(count) = counts.get_mut(set).filter(|_| has_reference) else { return true };
        let track = std::mem::replace(count, *count + 1);
        self.edits.keeps(TrackAt { period: 0, set, track })
    }

    /// The reference of a variant, resolved if possible.
    fn variant_key(&mut self, reference: &str) -> Result<String> {
        let expanded = expand(reference, &self.variables, &mut self.expanded_bytes)?;
        let url = self.url.and_then(|url| url.join(&expanded).ok());
        Ok(url.map_or_else(|| expanded.into_owned(), String::from))
    }

    /// Removes the attributes of a variant that name groups without a rendition, and the codecs of their kind: a player
    /// rejects a variant for a codec that nothing needs any more.
    fn remove_empty_groups(&mut self, list: &'a str, empty: &BTreeSet<(&'a str, &'a str)>) {
        if empty.is_empty() {
            return;
        }
        let is_empty = |name: &'static str| value(list, name).is_some_and(|group| empty.contains(&(name, group)));
        let (audio, subtitles) = (is_empty("AUDIO"), is_empty("SUBTITLES"));
        for attribute in attributes(list) {
            let is_group = matches!(attribute.name, "AUDIO" | "SUBTITLES" | "VIDEO");
            if is_group && empty.contains(&(attribute.name, attribute.value)) {
                self.remove_attribute(attribute.name, attribute.value, attribute.is_quoted);
            }
            if attribute.name == "CODECS" && (audio || subtitles) {
                let is_kept = |codec: &&str| !(audio && is_audio(codec) || subtitles && is_text(codec));
                let kept: Vec<&str> = attribute.value.split(',').filter(is_kept).collect();
                // A variant of one kind alone keeps what it says.
                if !kept.is_empty() && kept.len() < attribute.value.split(',').count() {
                    self.patches.replace(position(self.text, attribute.value), kept.join(","));
                }
            }
        }
    }

    /// Removes an attribute with the comma before it or, at the head of the list, the comma after it.
    fn remove_attribute(&mut self, name: &str, value: &str, is_quoted: bool) {
        let (name, value) = (position(self.text, name), position(self.text, value));
        let mut end = value.end + usize::from(is_quoted);
        let before = self.text.get(..name.start).unwrap_or_default().trim_end_matches([' ', '\t']);
        let start = if before.ends_with(',') {
            before.len() - 1
        } else {
            end += usize::from(self.text.get(end..).unwrap_or_default().starts_with(','));
            name.start
        };
        self.patches.remove(start..end);
    }
}

fn is_text(codec: &str) -> bool {
    matches!(codec.trim().split('.').next(), Some("wvtt" | "stpp"))
}
