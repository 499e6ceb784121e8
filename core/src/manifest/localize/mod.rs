//! A manifest with other references and fewer tracks, and nothing else changed. Pure.
//!
//! The text itself is edited: attributes and tags that the model does not know stay as they are, in their order and on their
//! lines. Without an edit the result is the text, byte by byte.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use quick_xml::events::Event;
use quick_xml::reader::Reader;
use url::Url;

use super::hls::{Line, Variables, attributes, define, expand};
use super::limits::MAX_XML_DEPTH;
use super::xml::{local_name, resolve};
use crate::error::{Code, Error, Result};
use crate::model::MediaFormat;

/// The place of a track in its manifest, counted from 0.
///
/// For DASH: the period, the adaptation set in it, the Representation in that. For HLS the period is 0, the set is
/// [`VARIANTS`], [`AUDIO`] or [`SUBTITLES`], and the track counts within it, variants with the same URI once. These are the
/// numbers of Media3's `StreamKey`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackAt {
    /// The period.
    pub period: usize,
    /// The adaptation set, or the kind of HLS track.
    pub set: usize,
    /// The track in its set.
    pub track: usize,
}

/// [`TrackAt::set`] of HLS variants, I-frame playlists included.
pub const VARIANTS: usize = 0;
/// [`TrackAt::set`] of HLS audio renditions with a URI.
pub const AUDIO: usize = 1;
/// [`TrackAt::set`] of HLS subtitle renditions with a URI.
pub const SUBTITLES: usize = 2;

/// A reference as a manifest writes it, entities and variables replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference<'a> {
    /// What the reference is for.
    pub kind: ReferenceKind,
    /// The reference.
    pub text: &'a str,
}

/// What a reference is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReferenceKind {
    /// HLS: a media playlist. DASH has none.
    Playlist,
    /// A media segment, or a DASH template that stands for many.
    Segment,
    /// An init segment or its template.
    Init,
    /// A key of HLS media.
    Key,
    /// The base of the references below it (`BaseURL`); `is_top` for those of the MPD itself.
    Base {
        /// True for a `BaseURL` of the MPD itself.
        is_top: bool,
    },
    /// Anything else: session data, indexes, `xlink:href`, `Location`, interstitials.
    Other,
}

/// Decides about tracks and references.
pub trait Edits {
    /// Returns false for a track that is to be left out.
    fn keeps(&mut self, track: TrackAt) -> bool;

    /// Returns the new reference; `None` to keep it as it is written.
    fn replace(&mut self, reference: Reference<'_>) -> Option<String>;
}

/// Rewrites a manifest.
///
/// A group of HLS renditions that is left empty disappears from the variants that name it; a DASH set or period without a track
/// disappears. Fails with [`Code::ManifestInvalid`] for a text that is no manifest of this format, and with
/// [`Code::FormatUnsupported`] for MP4.
pub fn rewrite(text: &str, format: MediaFormat, edits: &mut dyn Edits) -> Result<String> {
    match format {
        MediaFormat::Hls => rewrite_hls(text, edits),
        MediaFormat::Dash => rewrite_dash(text, edits, None),
        MediaFormat::Mp4 => Err(Error::new(Code::FormatUnsupported, "an MP4 file has no manifest to rewrite")),
    }
}

/// Makes every reference of a manifest independent of the manifest's own place: HLS references become absolute, and an MPD gets
/// an absolute `BaseURL`. Keeps the tracks that `keeps` returns true for.
///
/// Fails as [`rewrite`] does, and with [`Code::UrlInvalid`] for a reference that no URL can be made of.
pub fn make_absolute(
    text: &str,
    format: MediaFormat,
    url: &str,
    keeps: &mut dyn FnMut(TrackAt) -> bool,
) -> Result<String> {
    let url = &Url::parse(url)
        .map_err(|cause| Error::new(Code::UrlInvalid, "the manifest's URL is not absolute").caused_by(cause))?;
    let mut edits = Absolute { url, format, keeps, failed: false };
    let rewritten = match format {
        MediaFormat::Dash => rewrite_dash(text, &mut edits, Some(url.as_str())),
        _ => rewrite(text, format, &mut edits),
    }?;
    if edits.failed {
        return Err(Error::new(Code::UrlInvalid, "a reference in the manifest is not a URL"));
    }
    Ok(rewritten)
}

struct Absolute<'a> {
    url: &'a Url,
    format: MediaFormat,
    keeps: &'a mut dyn FnMut(TrackAt) -> bool,
    failed: bool,
}

impl Edits for Absolute<'_> {
    fn keeps(&mut self, track: TrackAt) -> bool {
        (self.keeps)(track)
    }

    fn replace(&mut self, reference: Reference<'_>) -> Option<String> {
        let is_concerned = match self.format {
            MediaFormat::Dash => reference.kind == ReferenceKind::Base { is_top: true },
            _ => true,
        };
        if !is_concerned {
            return None;
        }
        // `skd:` and `data:` are absolute, and pass unchanged.
        match self.url.join(reference.text.trim()) {
            Ok(_) if Url::parse(reference.text.trim()).is_ok() => None,
            Ok(url) => Some(url.into()),
            Err(_) => {
                self.failed = true;
                None
            }
        }
    }
}

/// Replacements of spans of a text. A span inside a removed one is not applied.
#[derive(Default)]
struct Patches(BTreeMap<(usize, std::cmp::Reverse<usize>), String>);

impl Patches {
    fn replace(&mut self, span: Range<usize>, text: String) {
        self.0.insert((span.start, std::cmp::Reverse(span.end)), text);
    }

    fn remove(&mut self, span: Range<usize>) {
        self.replace(span, String::new());
    }

    fn apply(self, text: &str) -> String {
        let mut result = String::with_capacity(text.len());
        let mut done = 0;
        for ((start, std::cmp::Reverse(end)), replacement) in self.0 {
            if start < done {
                continue;
            }
            result.push_str(text.get(done..start).unwrap_or_default());
            result.push_str(&replacement);
            done = end;
        }
        result.push_str(text.get(done..).unwrap_or_default());
        result
    }
}

/// Returns where a part of a text lies in it.
fn span_of(text: &str, part: &str) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    start..start + part.len()
}

// ------------------------------------------------------------------------------------------------------------------ HLS

/// Tags whose attributes hold references, the attribute, and what it is for.
const HLS_REFERENCES: [(&str, &str, ReferenceKind); 12] = [
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
];

fn rewrite_hls(text: &str, edits: &mut dyn Edits) -> Result<String> {
    if !text.trim_start_matches('\u{feff}').trim_start().starts_with("#EXTM3U") {
        return Err(Error::new(Code::ManifestInvalid, "the playlist does not begin with #EXTM3U"));
    }
    let dropped = dropped_in_hls(text, edits);
    let mut patches = Patches::default();
    let mut variables = Variables::new();
    let mut is_variant = false;
    let mut drops_next_reference = false;
    for (number, line) in text.split_inclusive(['\n', '\r']).enumerate() {
        let Some(parsed) = Line::read(line) else { continue };
        if dropped.lines.contains(&number) {
            patches.remove(span_of(text, line));
            drops_next_reference |= matches!(parsed, Line::Tag { name: "-X-STREAM-INF", .. });
            continue;
        }
        match parsed {
            Line::Reference(reference) => {
                let was_variant = std::mem::take(&mut is_variant);
                if std::mem::take(&mut drops_next_reference) {
                    patches.remove(span_of(text, line));
                    continue;
                }
                let kind = if was_variant { ReferenceKind::Playlist } else { ReferenceKind::Segment };
                let expanded = expand(reference, &variables)?;
                if let Some(new) = edits.replace(Reference { kind, text: &expanded }) {
                    patches.replace(span_of(text, reference), new);
                }
            }
            Line::Tag { name: "-X-DEFINE", list } => _ = define(&mut variables, list, &Variables::new()),
            Line::Tag { name: "-X-STREAM-INF", list } => {
                is_variant = true;
                remove_empty_groups(text, list, &dropped.empty_groups, &mut patches);
            }
            Line::Tag { name, list } => {
                for (_, attribute_name, kind) in HLS_REFERENCES.iter().filter(|(tag, ..)| *tag == name) {
                    let found = attributes(list).find(|attribute| attribute.name == *attribute_name);
                    let Some(attribute) = found.filter(|attribute| !attribute.value.is_empty()) else { continue };
                    let expanded = expand(attribute.value, &variables)?;
                    if let Some(new) = edits.replace(Reference { kind: *kind, text: &expanded }) {
                        // A quote would end the attribute; a URL has none.
                        patches.replace(span_of(text, attribute.value), new.replace('"', "%22"));
                    }
                }
            }
        }
    }
    Ok(patches.apply(text))
}

/// Lines and groups of a multivariant playlist that are left out.
#[derive(Default)]
struct Dropped {
    /// Numbers of tags. A variant's reference follows its tag.
    lines: BTreeSet<usize>,
    /// Attribute and name of groups without a rendition.
    empty_groups: BTreeSet<(&'static str, String)>,
}

fn dropped_in_hls(text: &str, edits: &mut dyn Edits) -> Dropped {
    let mut dropped = Dropped::default();
    // The references of variants, by which Media3 tells them apart, and whether each is kept.
    let mut variants: BTreeMap<String, bool> = BTreeMap::new();
    let mut counts = [0, 0];
    let mut groups: BTreeMap<(&'static str, String), bool> = BTreeMap::new();
    let mut variant_line = None;
    let mut keep_variant = |reference: &str, edits: &mut dyn Edits| {
        let next = variants.len();
        *variants
            .entry(reference.to_owned())
            .or_insert_with(|| edits.keeps(TrackAt { period: 0, set: VARIANTS, track: next }))
    };
    for (number, line) in text.split_inclusive(['\n', '\r']).enumerate() {
        match Line::read(line) {
            Some(Line::Tag { name: "-X-STREAM-INF", .. }) => variant_line = Some(number),
            Some(Line::Reference(reference)) => {
                if let Some(tag) = variant_line.take()
                    && !keep_variant(reference, edits)
                {
                    dropped.lines.insert(tag);
                }
            }
            Some(Line::Tag { name: "-X-I-FRAME-STREAM-INF", list }) => {
                let reference = super::hls::attribute_value(list, "URI").unwrap_or_default();
                if !keep_variant(reference, edits) {
                    dropped.lines.insert(number);
                }
            }
            Some(Line::Tag { name: "-X-MEDIA", list }) => {
                let has_reference = super::hls::attribute_value(list, "URI").is_some_and(|uri| !uri.is_empty());
                let (attribute, kept) = match super::hls::attribute_value(list, "TYPE") {
                    Some("AUDIO") => ("AUDIO", keep_rendition(AUDIO, has_reference, &mut counts, edits)),
                    Some("SUBTITLES") => ("SUBTITLES", keep_rendition(SUBTITLES, has_reference, &mut counts, edits)),
                    _ => continue,
                };
                if !kept {
                    dropped.lines.insert(number);
                }
                let group = super::hls::attribute_value(list, "GROUP-ID").unwrap_or_default();
                *groups.entry((attribute, group.to_owned())).or_insert(false) |= kept;
            }
            _ => {}
        }
    }
    dropped.empty_groups = groups.into_iter().filter(|(_, is_used)| !is_used).map(|(group, _)| group).collect();
    dropped
}

/// A rendition without a reference is inside the variants, and stays.
fn keep_rendition(set: usize, has_reference: bool, counts: &mut [usize; 2], edits: &mut dyn Edits) -> bool {
    let Some(count) = counts.get_mut(set - AUDIO).filter(|_| has_reference) else { return true };
    let track = std::mem::replace(count, *count + 1);
    edits.keeps(TrackAt { period: 0, set, track })
}

/// Removes the attributes of a variant that name groups without a rendition.
fn remove_empty_groups(text: &str, list: &str, empty: &BTreeSet<(&'static str, String)>, patches: &mut Patches) {
    if empty.is_empty() {
        return;
    }
    for attribute in attributes(list) {
        let is_empty = empty.iter().any(|(name, group)| *name == attribute.name && group == attribute.value);
        if !is_empty {
            continue;
        }
        // From the comma before it, or up to the comma after it.
        let (name, value) = (span_of(text, attribute.name), span_of(text, attribute.value));
        let mut end = value.end + usize::from(attribute.is_quoted);
        let before = text.get(..name.start).unwrap_or_default().trim_end_matches([' ', '\t']);
        let start = if before.ends_with(',') {
            before.len() - 1
        } else {
            end += usize::from(text.get(end..).unwrap_or_default().starts_with(','));
            name.start
        };
        patches.remove(start..end);
    }
}

// ----------------------------------------------------------------------------------------------------------------- DASH

/// Attributes that hold references: the element, the attribute, and what it is for.
const DASH_REFERENCES: [(&str, &str, ReferenceKind); 9] = [
    ("SegmentTemplate", "media", ReferenceKind::Segment),
    ("SegmentTemplate", "initialization", ReferenceKind::Init),
    ("SegmentTemplate", "index", ReferenceKind::Other),
    ("SegmentTemplate", "bitstreamSwitching", ReferenceKind::Other),
    ("SegmentURL", "media", ReferenceKind::Segment),
    ("SegmentURL", "index", ReferenceKind::Other),
    ("Initialization", "sourceURL", ReferenceKind::Init),
    ("RepresentationIndex", "sourceURL", ReferenceKind::Other),
    ("BitstreamSwitching", "sourceURL", ReferenceKind::Other),
];

/// The levels below the MPD.
const LEVELS: [&str; 3] = ["Period", "AdaptationSet", "Representation"];

/// An open level: its start in the text, its number, the tracks or levels seen in it, and whether one of them is kept.
struct OpenLevel {
    start: usize,
    number: usize,
    seen: usize,
    has_kept: bool,
    depth: usize,
}

fn rewrite_dash(text: &str, edits: &mut dyn Edits, base: Option<&str>) -> Result<String> {
    let mut rewriter = DashRewriter {
        text,
        edits,
        patches: Patches::default(),
        open: Vec::new(),
        periods: 0,
        text_of: None,
        has_top_base: false,
        top_start_end: None,
    };
    let mut reader = Reader::from_str(text);
    let mut depth = 0_usize;
    loop {
        let start = position(&reader);
        let event = reader.read_event().map_err(|cause| {
            Error::new(Code::ManifestInvalid, format!("the XML is malformed near byte {start}")).caused_by(cause)
        })?;
        let end = position(&reader);
        match event {
            Event::Start(element) => {
                depth += 1;
                if depth > MAX_XML_DEPTH {
                    let message = format!("the XML is nested deeper than {MAX_XML_DEPTH} elements");
                    return Err(Error::new(Code::ManifestTooLarge, message));
                }
                rewriter.start(local_name(&element), start..end, depth)?;
            }
            Event::Empty(element) => {
                let name = local_name(&element).to_owned();
                rewriter.start(&name, start..end, depth + 1)?;
                rewriter.end(end, depth + 1);
            }
            Event::End(_) => {
                rewriter.end_text(start);
                rewriter.end(end, depth);
                depth = depth.saturating_sub(1);
            }
            Event::Text(part) => rewriter.add_text(&part.xml10_content()),
            Event::CData(part) => rewriter.add_text(&part.xml10_content()),
            Event::GeneralRef(reference) => {
                let character = resolve(&reference)?;
                rewriter.add_text(character.encode_utf8(&mut [0; 4]));
            }
            Event::DocType(_) => {
                return Err(Error::new(Code::ManifestInvalid, "the XML has a document type (DTD); none is allowed"));
            }
            Event::Eof => break,
            _ => {}
        }
    }
    let Some(top) = rewriter.top_start_end.filter(|_| depth == 0) else {
        return Err(Error::new(Code::ManifestInvalid, "the XML is no complete MPD"));
    };
    if let (Some(base), false) = (base, rewriter.has_top_base) {
        rewriter.patches.replace(top..top, format!("<BaseURL>{}</BaseURL>", escaped(base)));
    }
    Ok(rewriter.patches.apply(text))
}

fn position(reader: &Reader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
}

struct DashRewriter<'a, 'e> {
    text: &'a str,
    edits: &'e mut dyn Edits,
    patches: Patches,
    open: Vec<OpenLevel>,
    periods: usize,
    /// An open element whose text is a reference: its kind, where its text starts, and the text.
    text_of: Option<(ReferenceKind, usize, String)>,
    has_top_base: bool,
    /// The end of the MPD's start tag.
    top_start_end: Option<usize>,
}

impl DashRewriter<'_, '_> {
    fn start(&mut self, name: &str, tag: Range<usize>, depth: usize) -> Result<()> {
        if depth == 1 {
            if name != "MPD" || self.top_start_end.is_some() {
                return Err(Error::new(Code::ManifestInvalid, "the XML is no DASH manifest: its root is not one MPD"));
            }
            self.top_start_end = Some(tag.end);
        }
        let level = self.open.len();
        if depth == level + 2 && LEVELS.get(level) == Some(&name) {
            let seen = self.open.last_mut().map_or(&mut self.periods, |above| &mut above.seen);
            let number = *seen;
            *seen += 1;
            self.open.push(OpenLevel { start: tag.start, number, seen: 0, has_kept: false, depth });
        }
        match name {
            "BaseURL" => {
                self.has_top_base |= depth == 2;
                self.text_of = Some((ReferenceKind::Base { is_top: depth == 2 }, tag.end, String::new()));
            }
            "Location" | "PatchLocation" if depth == 2 => {
                self.text_of = Some((ReferenceKind::Other, tag.end, String::new()));
            }
            _ => {}
        }
        self.attributes(name, tag)
    }

    fn attributes(&mut self, element: &str, tag: Range<usize>) -> Result<()> {
        let text = self.text;
        let raw = text.get(tag).unwrap_or_default();
        for (name, value) in raw_attributes(raw) {
            let local = name.rsplit(':').next().unwrap_or(name);
            let known = DASH_REFERENCES.iter().find(|(of, attribute, _)| *of == element && *attribute == local);
            let kind = match known {
                Some((_, _, kind)) => *kind,
                None if local == "href" && name != local => ReferenceKind::Other,
                None => continue,
            };
            let written = unescaped(value)?;
            if let Some(new) = self.edits.replace(Reference { kind, text: &written }) {
                self.patches.replace(span_of(text, value), escaped(&new));
            }
        }
        Ok(())
    }

    fn add_text(&mut self, part: &str) {
        if let Some((_, _, text)) = &mut self.text_of {
            text.push_str(part);
        }
    }

    /// The text of an element ends here.
    fn end_text(&mut self, at: usize) {
        if let Some((kind, start, written)) = self.text_of.take()
            && let Some(new) = self.edits.replace(Reference { kind, text: written.trim() })
        {
            self.patches.replace(start..at, escaped(&new));
        }
    }

    fn end(&mut self, end: usize, depth: usize) {
        self.text_of = None;
        let Some(level) = self.open.pop_if(|level| level.depth == depth) else { return };
        let is_kept = match self.open.as_slice() {
            [period, set] => {
                let track = TrackAt { period: period.number, set: set.number, track: level.number };
                self.edits.keeps(track)
            }
            // A level that never had a track stays as it is.
            _ => level.has_kept || level.seen == 0,
        };
        if is_kept {
            if let Some(above) = self.open.last_mut() {
                above.has_kept = true;
            }
        } else {
            self.patches.remove(level.start..end);
        }
    }
}

/// Returns name and raw value of each attribute of a tag.
fn raw_attributes(tag: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest =
        tag.trim_start_matches('<').split_once(|c: char| c.is_ascii_whitespace()).map_or("", |(_, rest)| rest);
    std::iter::from_fn(move || {
        let (name, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let quote = after.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        let (value, next) = after.get(1..)?.split_once(quote)?;
        rest = next;
        Some((name.trim(), value))
    })
}

fn unescaped(value: &str) -> Result<std::borrow::Cow<'_, str>> {
    quick_xml::escape::unescape(value)
        .map_err(|cause| Error::new(Code::ManifestInvalid, "an attribute in the XML is malformed").caused_by(cause))
}

fn escaped(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}

#[cfg(test)]
mod tests;
