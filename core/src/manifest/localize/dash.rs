//! Rewrites an MPD, element by element.

use std::borrow::Cow;
use std::ops::Range;

use quick_xml::events::Event;
use quick_xml::reader::Reader;
use url::Url;

use super::{Edits, NewRange, Patches, Reference, ReferenceKind, TrackAt};
use crate::error::{Code, Error, Result};
use crate::manifest::dash;
use crate::manifest::hls::attributes::position as position_of;
use crate::manifest::limits::MAX_XML_DEPTH;
use crate::manifest::presentation::{ByteRange, MediaTime};
use crate::manifest::xml::{local_name, resolve};

/// An attribute that holds a reference.
struct ReferenceAttribute {
    element: &'static str,
    name: &'static str,
    kind: ReferenceKind,
    /// The attribute beside it that names bytes of the resource.
    range: Option<&'static str>,
}

const fn reference(
    element: &'static str,
    name: &'static str,
    kind: ReferenceKind,
    range: Option<&'static str>,
) -> ReferenceAttribute {
    ReferenceAttribute { element, name, kind, range }
}

const REFERENCES: [ReferenceAttribute; 9] = [
    reference("SegmentTemplate", "media", ReferenceKind::Segment, None),
    reference("SegmentTemplate", "initialization", ReferenceKind::Init, None),
    reference("SegmentTemplate", "index", ReferenceKind::Other, None),
    reference("SegmentTemplate", "bitstreamSwitching", ReferenceKind::Other, None),
    reference("SegmentURL", "media", ReferenceKind::Segment, Some("mediaRange")),
    reference("SegmentURL", "index", ReferenceKind::Other, Some("indexRange")),
    reference("Initialization", "sourceURL", ReferenceKind::Init, Some("range")),
    reference("RepresentationIndex", "sourceURL", ReferenceKind::Other, Some("range")),
    reference("BitstreamSwitching", "sourceURL", ReferenceKind::Other, Some("range")),
];

/// The levels below the MPD.
const LEVELS: [&str; 3] = ["Period", "AdaptationSet", "Representation"];

/// An open level: its start in the text, its number, the levels seen in it, and whether it or one of them is kept.
struct OpenLevel {
    start: usize,
    number: usize,
    seen: usize,
    has_kept: bool,
    depth: usize,
}

pub(super) fn rewrite(text: &str, url: Option<&Url>, edits: &mut dyn Edits) -> Result<String> {
    let mut rewriter = Rewriter {
        text,
        edits,
        patches: Patches::default(),
        open: Vec::new(),
        periods: 0,
        text_of: None,
        has_top_base: false,
        top: None,
        dropped_periods: Vec::new(),
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
                // An empty BaseURL is none.
                let has_top_base = rewriter.has_top_base;
                rewriter.start(local_name(&element), start..end, depth + 1)?;
                rewriter.end(end, depth + 1);
                rewriter.has_top_base = has_top_base;
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
    let Some(top) = rewriter.top.clone().filter(|_| depth == 0) else {
        return Err(Error::new(Code::ManifestInvalid, "the XML is no complete MPD"));
    };
    if let (Some(url), false) = (url, rewriter.has_top_base) {
        rewriter.patches.replace(top.end..top.end, format!("<BaseURL>{}</BaseURL>", escaped(url.as_str())));
    }
    if !rewriter.dropped_periods.is_empty() {
        rewriter.shift_periods()?;
    }
    Ok(rewriter.patches.apply(text))
}

fn position(reader: &Reader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
}

struct Rewriter<'a, 'e> {
    text: &'a str,
    edits: &'e mut dyn Edits,
    patches: Patches,
    open: Vec<OpenLevel>,
    periods: usize,
    /// An open element whose text is a reference: its kind, where its text starts, and the text.
    text_of: Option<(ReferenceKind, usize, String)>,
    has_top_base: bool,
    /// The MPD's start tag.
    top: Option<Range<usize>>,
    /// The numbers of the periods without a kept track.
    dropped_periods: Vec<usize>,
}

impl Rewriter<'_, '_> {
    fn start(&mut self, name: &str, tag: Range<usize>, depth: usize) -> Result<()> {
        if depth == 1 {
            if name != "MPD" || self.top.is_some() {
                return Err(Error::new(Code::ManifestInvalid, "the XML is no DASH manifest: its root is not one MPD"));
            }
            self.top = Some(tag.clone());
        }
        let level = self.open.len();
        if depth == level + 2 && LEVELS.get(level) == Some(&name) {
            let seen = self.open.last_mut().map_or(&mut self.periods, |above| &mut above.seen);
            let number = *seen;
            *seen += 1;
            let has_kept = match self.open.as_slice() {
                [period, set] => self.edits.keeps(TrackAt { period: period.number, set: set.number, track: number }),
                _ => false,
            };
            self.open.push(OpenLevel { start: tag.start, number, seen: 0, has_kept, depth });
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
        if self.is_in_dropped_track() {
            return Ok(());
        }
        let raw = self.text.get(tag).unwrap_or_default();
        for (name, value) in raw_attributes(raw) {
            let local = name.rsplit(':').next().unwrap_or(name);
            let known = REFERENCES.iter().find(|known| known.element == element && known.name == local);
            let (kind, range_name) = match known {
                Some(known) => (known.kind, known.range),
                None if local == "href" && name != local => (ReferenceKind::Other, None),
                None => continue,
            };
            let written = range_name.and_then(|range| raw_attributes(raw).find(|(name, _)| *name == range));
            let range = written.and_then(|(_, value)| byte_range(value));
            let reference = Reference { kind, text: &unescaped(value)?, range };
            let Some(new) = self.edits.replace(reference) else { continue };
            let mut text = escaped(&new.reference);
            let mut span = position_of(self.text, value);
            match (new.range, written, range_name) {
                (NewRange::Part(part), Some((_, value)), _) => {
                    self.patches.replace(position_of(self.text, value), shown(part));
                }
                (NewRange::Part(part), None, Some(range_name)) => {
                    // Behind the quote of the reference.
                    let quote = self.text.get(span.end..=span.end).unwrap_or("\"");
                    span.end += 1;
                    text = format!("{text}{quote} {range_name}=\"{}\"", shown(part));
                }
                (NewRange::Whole, Some((name, value)), _) => self.remove_attribute(name, value),
                _ => {}
            }
            self.patches.replace(span, text);
        }
        Ok(())
    }

    /// Removes an attribute and the white space before it.
    fn remove_attribute(&mut self, name: &str, value: &str) {
        let (name, value) = (position_of(self.text, name), position_of(self.text, value));
        let before = self.text.get(..name.start).unwrap_or_default().trim_end();
        self.patches.remove(before.len()..value.end + 1);
    }

    /// Returns true inside of a Representation that is left out.
    fn is_in_dropped_track(&self) -> bool {
        matches!(self.open.as_slice(), [_, _, track] if !track.has_kept)
    }

    fn add_text(&mut self, part: &str) {
        if let Some((_, _, text)) = &mut self.text_of {
            text.push_str(part);
        }
    }

    /// Ends the text of an element.
    fn end_text(&mut self, at: usize) {
        if let Some((kind, start, written)) = self.text_of.take()
            && !self.is_in_dropped_track()
            && let Some(new) = self.edits.replace(Reference { kind, text: written.trim(), range: None })
        {
            self.patches.replace(start..at, escaped(&new.reference));
        }
    }

    fn end(&mut self, end: usize, depth: usize) {
        self.text_of = None;
        let Some(level) = self.open.pop_if(|level| level.depth == depth) else { return };
        // A set or period that never had a track stays as it is.
        let is_track = self.open.len() == 2;
        let is_kept = level.has_kept || (!is_track && level.seen == 0);
        if is_kept {
            if let Some(above) = self.open.last_mut() {
                above.has_kept = true;
            }
        } else {
            self.patches.remove(level.start..end);
            if self.open.is_empty() {
                self.dropped_periods.push(level.number);
            }
        }
    }

    /// Lets the periods after a dropped one start earlier, by its duration, and shortens the presentation.
    fn shift_periods(&mut self) -> Result<()> {
        let presentation = dash::read(self.text.as_bytes())?;
        let mut shift = 0_u64;
        for (number, period) in presentation.periods.iter().enumerate() {
            if self.dropped_periods.binary_search(&number).is_ok() {
                shift = shift.saturating_add(period.duration.map_or(0, nanoseconds));
            } else if let Some(start) = period.start {
                self.set_time(period.span.start, "start", nanoseconds(start).saturating_sub(shift));
            }
        }
        if let (Some(duration), Some(top)) = (presentation.duration, self.top.clone()) {
            self.set_time(top.start, "mediaPresentationDuration", nanoseconds(duration).saturating_sub(shift));
        }
        Ok(())
    }

    /// Replaces the value of an attribute that a tag has.
    fn set_time(&mut self, tag_start: usize, attribute: &str, nanoseconds: u64) {
        let tag = self.text.get(tag_start..).map_or("", first_tag);
        if let Some((_, value)) = raw_attributes(tag).find(|(name, _)| *name == attribute) {
            let time = MediaTime { ticks: nanoseconds, timescale: NANOSECONDS };
            self.patches.replace(position_of(self.text, value), format!("PT{time}S"));
        }
    }
}

const NANOSECONDS: u64 = 1_000_000_000;

fn nanoseconds(time: MediaTime) -> u64 {
    time.in_timescale(NANOSECONDS)
}

/// Returns the tag at the head of a text. Its values may hold `>`.
fn first_tag(text: &str) -> &str {
    let mut quote = None;
    let end = text.find(|c: char| match (quote, c) {
        (None, '>') => true,
        (None, '"' | '\'') => {
            quote = Some(c);
            false
        }
        (Some(open), close) if open == close => {
            quote = None;
            false
        }
        _ => false,
    });
    text.get(..end.unwrap_or(text.len())).unwrap_or_default()
}

/// Reads `first-last`, both included.
fn byte_range(text: &str) -> Option<ByteRange> {
    let (first, last) = text.trim().split_once('-')?;
    let (start, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    Some(ByteRange { start, length: last.checked_add(1)?.saturating_sub(start) })
}

/// Writes `first-last`. A range without a byte cannot be written, and becomes its first byte.
fn shown(range: ByteRange) -> String {
    format!("{}-{}", range.start, range.end().saturating_sub(1).max(range.start))
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

fn unescaped(value: &str) -> Result<Cow<'_, str>> {
    quick_xml::escape::unescape(value)
        .map_err(|cause| Error::new(Code::ManifestInvalid, "an attribute in the XML is malformed").caused_by(cause))
}

fn escaped(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}
