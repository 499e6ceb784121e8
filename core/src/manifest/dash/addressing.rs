//! Where a Representation's init segment and segments are (ISO/IEC 23009-1, 5.3.9): `SegmentTemplate`, `SegmentList`,
//! `SegmentBase`, or nothing but a `BaseURL`, each inherited attribute by attribute.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::rc::Rc;

use quick_xml::events::BytesStart;

use crate::error::Result;
use crate::manifest::limits::MAX_REFERENCE_BYTES;
use crate::manifest::reference::public_name;
use crate::manifest::resolve::{Base, Part};
use crate::manifest::xml::for_each_attribute;

/// What one level says; a level below inherits what it does not say itself.
#[derive(Clone, Default)]
pub(super) struct Addressing {
    initialization: Option<Rc<str>>,
    media: Option<Rc<str>>,
    start_number: Option<u64>,
    end_number: Option<u64>,
    duration: Option<u64>,
    timescale: Option<u64>,
    /// An `Initialization` element: its source, if it is not the `BaseURL`, and its range.
    init_source: Option<Rc<str>>,
    init_range: Option<Range<u64>>,
    has_init_element: bool,
    pub(super) timeline: Option<Rc<Vec<Run>>>,
    pub(super) list: Option<Rc<Vec<ListedSegment>>>,
}

/// One `S`: a run of segments of one duration.
#[derive(Clone, Copy)]
pub(super) struct Run {
    start: Option<u64>,
    duration: u64,
    /// How often it is repeated; negative: to the next run or the end of the period.
    repeat: i64,
}

/// One `SegmentURL`.
#[derive(Clone)]
pub(super) struct ListedSegment {
    media: Option<String>,
    range: Option<Range<u64>>,
}

impl Addressing {
    /// Takes the attributes of `SegmentTemplate`, `SegmentList` or `SegmentBase`.
    pub(super) fn read_attributes(&mut self, element: &BytesStart<'_>) -> Result<()> {
        for_each_attribute(element, &mut |name, value| {
            let number = || value.trim().parse().ok();
            match name {
                "initialization" => self.initialization = reference(value),
                "media" => self.media = reference(value),
                "startNumber" => self.start_number = number(),
                "endNumber" => self.end_number = number(),
                "duration" => self.duration = number(),
                "timescale" => self.timescale = number(),
                _ => {}
            }
        })
    }

    /// Takes an `Initialization` element.
    pub(super) fn read_initialization(&mut self, element: &BytesStart<'_>) -> Result<()> {
        self.has_init_element = true;
        for_each_attribute(element, &mut |name, value| match name {
            "sourceURL" => self.init_source = reference(value),
            "range" => self.init_range = byte_range(&value),
            _ => {}
        })
    }

    /// Takes an `S` element.
    pub(super) fn read_run(&mut self, element: &BytesStart<'_>) -> Result<()> {
        let mut run = Run { start: None, duration: 0, repeat: 0 };
        for_each_attribute(element, &mut |name, value| match name {
            "t" => run.start = value.trim().parse().ok(),
            "d" => run.duration = value.trim().parse().unwrap_or(0),
            "r" => run.repeat = value.trim().parse().unwrap_or(0),
            _ => {}
        })?;
        if let Some(timeline) = self.timeline.as_mut().and_then(Rc::get_mut) {
            timeline.push(run);
        }
        Ok(())
    }

    /// Takes a `SegmentURL` element.
    pub(super) fn read_listed(&mut self, element: &BytesStart<'_>) -> Result<()> {
        let mut segment = ListedSegment { media: None, range: None };
        for_each_attribute(element, &mut |name, value| match name {
            "media" => segment.media = Some(value.into_owned()),
            "mediaRange" => segment.range = byte_range(&value),
            _ => {}
        })?;
        if let Some(list) = Rc::get_mut(self.list.get_or_insert_default()) {
            list.push(segment);
        }
        Ok(())
    }

    /// This level's, completed by the level above.
    pub(super) fn inherit(self, above: &Self) -> Self {
        let above = above.clone();
        let (init_source, init_range) = if self.has_init_element {
            (self.init_source, self.init_range)
        } else {
            (above.init_source, above.init_range)
        };
        Self {
            initialization: self.initialization.or(above.initialization),
            media: self.media.or(above.media),
            start_number: self.start_number.or(above.start_number),
            end_number: self.end_number.or(above.end_number),
            duration: self.duration.or(above.duration),
            timescale: self.timescale.or(above.timescale),
            init_source,
            init_range,
            has_init_element: self.has_init_element || above.has_init_element,
            timeline: self.timeline.or(above.timeline),
            list: self.list.or(above.list),
        }
    }
}

/// The `BaseURL` elements of one level, and those of the levels above (5.6). Shared by everything below the level.
#[derive(Debug)]
pub(super) struct BaseUrls {
    pub(super) above: Option<Rc<BaseUrls>>,
    /// Alternatives, in order. Never empty.
    pub(super) urls: Vec<String>,
}

impl BaseUrls {
    /// Returns the base and the alternative that was chosen for it.
    fn resolve<B: Base>(&self, manifest: &B) -> (B, &str) {
        let above = self.above.as_ref().map_or_else(|| manifest.clone(), |above| above.resolve(manifest).0);
        let joined = self.urls.iter().map(|url| (above.join(url), url.as_str()));
        let preferred = joined.clone().find(|(base, _)| base.is_preferred());
        preferred.or_else(|| joined.clone().next()).unwrap_or((above, ""))
    }
}

/// The files of one Representation.
#[derive(Clone)]
pub struct Files {
    /// The innermost level that has a `BaseURL`; `None` if everything is relative to the manifest itself.
    pub(super) base: Option<Rc<BaseUrls>>,
    pub(super) addressing: Addressing,
    pub(super) id: Rc<str>,
    pub(super) bandwidth: Rc<str>,
    pub(super) period_seconds: Option<f64>,
}

/// Without templates, which may be signed.
impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Files {
    /// Returns the init segment, resolved against the manifest's own place. For a single file it is the file, of which
    /// [`Part::range`] may tell the interesting part.
    pub fn init<B: Base>(&self, manifest: &B) -> Option<Part<B>> {
        let addressing = &self.addressing;
        if let Some(template) = &addressing.initialization {
            return Some(self.part(manifest, &self.fill(template, None, None)?, None));
        }
        if addressing.has_init_element {
            return match &addressing.init_source {
                Some(source) => Some(self.part(manifest, source, addressing.init_range.clone())),
                None => self.whole(manifest, addressing.init_range.clone()),
            };
        }
        if addressing.media.is_some() || addressing.list.is_some() { None } else { self.whole(manifest, None) }
    }

    /// Returns the media segments in order, resolved against the manifest's own place. A single file is one segment. They are
    /// made one by one: a template may stand for millions.
    pub fn segments<'a, B: Base + 'a>(&'a self, manifest: &B) -> Box<dyn Iterator<Item = Part<B>> + 'a> {
        let addressing = &self.addressing;
        if let Some(media) = &addressing.media {
            let base = self.base(manifest);
            let numbered = self.numbers_and_times();
            return Box::new(numbered.map_while(move |(number, time)| {
                Some(Part::new(&base, &self.fill(media, Some(number), time)?, None))
            }));
        }
        if let Some(list) = &addressing.list {
            let (base, whole) = (self.base(manifest), self.whole(manifest, None));
            return Box::new(list.iter().filter_map(move |segment| match &segment.media {
                Some(media) => Some(Part::new(&base, media, segment.range.clone())),
                None => whole.clone().map(|whole| Part { range: segment.range.clone(), ..whole }),
            }));
        }
        Box::new(self.whole(manifest, None).into_iter())
    }

    /// Returns the init segment's reference and range as written, templates filled; no reference stands for the `BaseURL`.
    pub fn init_as_written(&self) -> Option<(Option<String>, Option<Range<u64>>)> {
        let addressing = &self.addressing;
        if let Some(template) = &addressing.initialization {
            return Some((Some(self.fill(template, None, None)?), None));
        }
        let source = addressing.init_source.as_deref().map(str::to_owned);
        addressing.has_init_element.then(|| (source, addressing.init_range.clone()))
    }

    /// Returns the units a second of segment times.
    pub fn timescale(&self) -> u64 {
        self.addressing.timescale.unwrap_or(1)
    }

    fn base<B: Base>(&self, manifest: &B) -> B {
        self.base.as_ref().map_or_else(|| manifest.clone(), |base| base.resolve(manifest).0)
    }

    fn part<B: Base>(&self, manifest: &B, reference: &str, range: Option<Range<u64>>) -> Part<B> {
        Part::new(&self.base(manifest), reference, range)
    }

    /// The resource that the `BaseURL` names; `None` if that is the manifest itself.
    fn whole<B: Base>(&self, manifest: &B, range: Option<Range<u64>>) -> Option<Part<B>> {
        let (place, reference) = self.base.as_ref()?.resolve(manifest);
        Some(Part { place, name: public_name(reference), range })
    }

    /// Number and time of each segment of a template.
    fn numbers_and_times(&self) -> Box<dyn Iterator<Item = (u64, Option<u64>)> + '_> {
        let addressing = &self.addressing;
        let first = addressing.start_number.unwrap_or(1);
        let numbers = (first..=addressing.end_number.unwrap_or(u64::MAX)).take_while(|number| *number < u64::MAX);
        if let Some(timeline) = &addressing.timeline {
            return Box::new(numbers.zip(self.times(timeline).map(Some)));
        }
        let count = match (addressing.duration.filter(|duration| *duration > 0), self.period_seconds) {
            // Rounded up: the last segment may be short. Casts saturate.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
            (Some(duration), Some(period_seconds)) => {
                (period_seconds * addressing.timescale.unwrap_or(1) as f64 / duration as f64).ceil() as usize
            }
            // A template without any length is one segment, unless it says where it ends.
            (None, _) if addressing.end_number.is_none() => 1,
            // As long as there are files; the reader has its own limit.
            _ => usize::MAX,
        };
        let duration = addressing.duration.unwrap_or(0);
        Box::new(numbers.take(count).map(move |number| (number, (number - first).checked_mul(duration))))
    }

    fn times<'a>(&'a self, timeline: &'a [Run]) -> impl Iterator<Item = u64> + 'a {
        let mut next_start = 0_u64;
        timeline.iter().enumerate().flat_map(move |(index, run)| {
            let start = run.start.unwrap_or(next_start);
            let duration = run.duration.max(1);
            let count = match u64::try_from(run.repeat) {
                Ok(repeat) => repeat.saturating_add(1),
                Err(_) => {
                    let end = timeline.get(index + 1).and_then(|next| next.start).or_else(|| self.period_end());
                    end.map_or(1, |end| end.saturating_sub(start).div_ceil(duration))
                }
            };
            next_start = start.saturating_add(duration.saturating_mul(count));
            (0..count).map_while(move |step| start.checked_add(step.checked_mul(duration)?))
        })
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    fn period_end(&self) -> Option<u64> {
        self.period_seconds
            .map(|period_seconds| (period_seconds * self.addressing.timescale.unwrap_or(1) as f64) as u64)
    }

    /// A template with its `$…$` identifiers replaced (5.3.9.4.4). None if one is unknown or has no value here.
    fn fill(&self, template: &str, number: Option<u64>, time: Option<u64>) -> Option<String> {
        let mut filled = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('$') {
            filled.push_str(before);
            let (identifier, after) = after.split_once('$')?;
            let (name, format) = identifier.split_once('%').unwrap_or((identifier, ""));
            match name {
                "" => filled.push('$'),
                "RepresentationID" => filled.push_str(&self.id),
                "Bandwidth" => filled.push_str(&padded(&self.bandwidth, format)?),
                "Number" => filled.push_str(&padded(&number?.to_string(), format)?),
                "Time" => filled.push_str(&padded(&time?.to_string(), format)?),
                _ => return None,
            }
            rest = after;
        }
        filled.push_str(rest);
        Some(filled)
    }
}

/// `%0[width]d`.
fn padded(digits: &str, format: &str) -> Option<String> {
    const MAX_WIDTH: usize = 64;
    if format.is_empty() {
        return Some(digits.to_owned());
    }
    let width: usize = format.strip_prefix('0')?.strip_suffix(['d', 'i', 'u'])?.parse().ok()?;
    (width <= MAX_WIDTH).then(|| format!("{digits:0>width$}"))
}

/// `first-last`, both included (RFC 7233).
fn byte_range(text: &str) -> Option<Range<u64>> {
    let (first, last) = text.trim().split_once('-')?;
    Some(first.parse().ok()?..last.parse::<u64>().ok()?.checked_add(1)?)
}

fn reference(value: Cow<'_, str>) -> Option<Rc<str>> {
    (value.len() <= MAX_REFERENCE_BYTES).then(|| Rc::from(value.as_ref()))
}

/// A duration in seconds (ISO 8601, as in XML Schema): `PT1H2M3.5S`. Years and months do not occur in media.
pub(super) fn seconds(text: &str) -> Option<f64> {
    let mut rest = text.trim().strip_prefix('P')?;
    let mut total = 0.0;
    let mut in_time = false;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('T') {
            in_time = true;
            rest = after;
            continue;
        }
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(end);
        let mut after = after.chars();
        let unit = match (after.next()?, in_time) {
            ('D', false) => 86_400.0,
            ('H', true) => 3_600.0,
            ('M', true) => 60.0,
            ('S', true) => 1.0,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * unit;
        rest = after.as_str();
    }
    Some(total)
}
