//! Where the init segment and the segments of a Representation are (ISO/IEC 23009-1, 5.3.9): `SegmentTemplate`,
//! `SegmentList`, `SegmentBase`, or nothing but a `BaseURL`, each inherited attribute by attribute.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use quick_xml::events::BytesStart;

use crate::error::Result;
use crate::manifest::limits::MAX_REFERENCE_BYTES;
use crate::manifest::presentation::{BaseChain, ByteRange, MediaTime, Resource, Segment};
use crate::manifest::xml::for_each_attribute;

/// The addressing that one level declares. A level below inherits every attribute that it does not declare itself.
#[derive(Clone, Default)]
pub(super) struct Declared {
    initialization: Option<Arc<str>>,
    media: Option<Arc<str>>,
    start_number: Option<u64>,
    end_number: Option<u64>,
    duration: Option<u64>,
    timescale: Option<u64>,
    presentation_time_offset: Option<u64>,
    index_range: Option<ByteRange>,
    /// An `Initialization` element.
    init: Option<Resource>,
    /// A `RepresentationIndex` element.
    index: Option<Resource>,
    timeline: Option<Arc<Vec<Run>>>,
    list: Option<Arc<SegmentUrls>>,
}

/// One `S`: a run of segments of one duration.
#[derive(Clone, Copy)]
struct Run {
    start: Option<u64>,
    duration: u64,
    /// How often it is repeated; negative: to the next run or the end of the period.
    repeat: i64,
}

/// The `SegmentURL` elements of a list. Their references stand in one text.
#[derive(Default)]
struct SegmentUrls {
    text: String,
    entries: Vec<SegmentUrl>,
}

struct SegmentUrl {
    /// Where the reference ends in the text; it starts where the one before it ends.
    reference_end: usize,
    has_reference: bool,
    range: Option<ByteRange>,
}

impl Declared {
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
                "presentationTimeOffset" => self.presentation_time_offset = number(),
                "indexRange" => self.index_range = byte_range(&value),
                _ => {}
            }
        })
    }

    /// Takes an `Initialization` element.
    pub(super) fn read_initialization(&mut self, element: &BytesStart<'_>) -> Result<()> {
        self.init = Some(resource(element)?);
        Ok(())
    }

    /// Takes a `RepresentationIndex` element.
    pub(super) fn read_index(&mut self, element: &BytesStart<'_>) -> Result<()> {
        self.index = Some(resource(element)?);
        Ok(())
    }

    /// Begins a `SegmentTimeline`.
    pub(super) fn begin_timeline(&mut self) {
        self.timeline = Some(Arc::default());
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
        if let Some(timeline) = self.timeline.as_mut().and_then(Arc::get_mut) {
            timeline.push(run);
        }
        Ok(())
    }

    /// Takes a `SegmentURL` element.
    pub(super) fn read_segment_url(&mut self, element: &BytesStart<'_>) -> Result<()> {
        let Some(list) = Arc::get_mut(self.list.get_or_insert_default()) else { return Ok(()) };
        let (mut has_reference, mut range) = (false, None);
        let start = list.text.len();
        for_each_attribute(element, &mut |name, value| match name {
            "media" => {
                list.text.truncate(start);
                list.text.push_str(&value);
                has_reference = true;
            }
            "mediaRange" => range = byte_range(&value),
            _ => {}
        })?;
        list.entries.push(SegmentUrl { reference_end: list.text.len(), has_reference, range });
        Ok(())
    }

    /// Completes what this level declares by what the level above declares.
    pub(super) fn inherit(self, above: &Self) -> Self {
        let above = above.clone();
        Self {
            initialization: self.initialization.or(above.initialization),
            media: self.media.or(above.media),
            start_number: self.start_number.or(above.start_number),
            end_number: self.end_number.or(above.end_number),
            duration: self.duration.or(above.duration),
            timescale: self.timescale.or(above.timescale),
            presentation_time_offset: self.presentation_time_offset.or(above.presentation_time_offset),
            index_range: self.index_range.or(above.index_range),
            init: self.init.or(above.init),
            index: self.index.or(above.index),
            timeline: self.timeline.or(above.timeline),
            list: self.list.or(above.list),
        }
    }
}

/// The addressing of one Representation.
#[derive(Clone)]
pub struct SegmentAddressing {
    /// Its `BaseURL` elements, from the top.
    pub bases: BaseChain,
    pub(super) declared: Declared,
    pub(super) id: Arc<str>,
    pub(super) bandwidth: Arc<str>,
    pub(super) period_duration: Option<MediaTime>,
}

/// Without templates, which may be signed.
impl fmt::Debug for SegmentAddressing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SegmentAddressing").field("bases", &self.bases).field("id", &self.id).finish_non_exhaustive()
    }
}

impl SegmentAddressing {
    /// Ticks per second of all times of the Representation.
    pub fn timescale(&self) -> u64 {
        self.declared.timescale.unwrap_or(1).max(1)
    }

    /// The media time at the start of the period, in ticks.
    pub fn presentation_time_offset(&self) -> u64 {
        self.declared.presentation_time_offset.unwrap_or(0)
    }

    /// Returns the init segment. For a single file it is the file, and its range the part that holds the `moov` box.
    pub fn init(&self) -> Option<Resource> {
        let declared = &self.declared;
        if let Some(template) = &declared.initialization {
            let reference = self.fill(template, None, None)?;
            return Some(Resource { reference: Some(Arc::from(reference)), range: None });
        }
        if let Some(init) = &declared.init {
            return self.is_named(init).then(|| init.clone());
        }
        if declared.media.is_some() || declared.list.is_some() { None } else { self.whole() }
    }

    /// Returns the index of a single file (`sidx`): `RepresentationIndex`, or `indexRange` of the file.
    pub fn index(&self) -> Option<Resource> {
        let of_file = || self.declared.index_range.map(|range| Resource { reference: None, range: Some(range) });
        self.declared.index.clone().or_else(of_file).filter(|index| self.is_named(index))
    }

    /// Returns the media segments, in order. A single file is one segment.
    pub fn segments(&self) -> Box<dyn Iterator<Item = Segment<'_>> + '_> {
        let declared = &self.declared;
        if let Some(media) = &declared.media {
            let times = self.numbers_and_times();
            return Box::new(times.map_while(move |place| {
                let reference = self.fill(media, Some(place.number), place.start)?;
                Some(self.segment(Some(Cow::Owned(reference)), None, place))
            }));
        }
        if let Some(list) = &declared.list {
            let mut start = 0;
            let mut times = self.numbers_and_times();
            let segments = list.entries.iter().enumerate().filter_map(move |(index, entry)| {
                let text = list.text.get(start..entry.reference_end).unwrap_or_default();
                start = entry.reference_end;
                let number = declared.start_number.unwrap_or(1).saturating_add(index as u64);
                let place =
                    times.next().map_or(Place { number, start: None, duration: None }, |time| Place { number, ..time });
                let reference = entry.has_reference.then_some(Cow::Borrowed(text));
                let is_named = reference.is_some() || !self.bases.is_empty();
                is_named.then(|| self.segment(reference, entry.range, place))
            });
            return Box::new(segments);
        }
        let place = Place { number: 1, start: None, duration: None };
        Box::new(self.whole().map(|_| self.segment(None, None, place)).into_iter())
    }

    fn segment<'a>(&self, reference: Option<Cow<'a, str>>, range: Option<ByteRange>, place: Place) -> Segment<'a> {
        let time = |ticks| MediaTime { ticks, timescale: self.timescale() };
        Segment {
            reference,
            range,
            start: place.start.map(time),
            duration: place.duration.map(time),
            sequence: place.number,
            key_set: None,
            init: None,
            is_discontinuity: false,
            is_gap: false,
            line: 0,
            program_date_time: None,
        }
    }

    /// The file that the `BaseURL` names, if one does.
    fn whole(&self) -> Option<Resource> {
        (!self.bases.is_empty()).then_some(Resource { reference: None, range: None })
    }

    fn is_named(&self, resource: &Resource) -> bool {
        resource.reference.is_some() || !self.bases.is_empty()
    }

    /// Number and time of each segment.
    fn numbers_and_times(&self) -> Box<dyn Iterator<Item = Place> + '_> {
        let declared = &self.declared;
        let first = declared.start_number.unwrap_or(1);
        let numbers = (first..=declared.end_number.unwrap_or(u64::MAX)).take_while(|number| *number < u64::MAX);
        if let Some(timeline) = &declared.timeline {
            let times = self.times(timeline);
            let place = |(number, (start, duration))| Place { number, start: Some(start), duration: Some(duration) };
            return Box::new(numbers.zip(times).map(place));
        }
        let count = match (declared.duration.filter(|duration| *duration > 0), self.period_duration) {
            // Rounded up: the last segment may be short.
            (Some(duration), Some(period)) => {
                let ticks = u128::from(period.ticks) * u128::from(self.timescale());
                let count = ticks.div_ceil(u128::from(period.timescale.max(1)) * u128::from(duration));
                usize::try_from(count).unwrap_or(usize::MAX)
            }
            // A template without any length is one segment, unless it says where it ends.
            (None, _) if declared.end_number.is_none() => 1,
            // The number of segments is unknown; readers have their own limit.
            _ => usize::MAX,
        };
        let duration = declared.duration;
        Box::new(numbers.take(count).map(move |number| Place {
            number,
            start: (number - first).checked_mul(duration.unwrap_or(0)),
            duration,
        }))
    }

    /// Start and duration of each segment of a timeline.
    fn times<'a>(&'a self, timeline: &'a [Run]) -> impl Iterator<Item = (u64, u64)> + 'a {
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
            let length = run.duration;
            (0..count).map_while(move |step| Some((start.checked_add(step.checked_mul(duration)?)?, length)))
        })
    }

    /// The end of the period on the media timeline, in ticks.
    fn period_end(&self) -> Option<u64> {
        let duration = self.period_duration?.in_timescale(self.timescale());
        Some(duration.saturating_add(self.presentation_time_offset()))
    }

    /// Replaces the `$…$` identifiers of a template (5.3.9.4.4). `None` if one is unknown or has no value here.
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

/// Number and time of one segment, in ticks.
#[derive(Clone, Copy)]
struct Place {
    number: u64,
    start: Option<u64>,
    duration: Option<u64>,
}

/// Applies `%0[width]d`.
fn padded(digits: &str, format: &str) -> Option<String> {
    const MAX_WIDTH: usize = 64;
    if format.is_empty() {
        return Some(digits.to_owned());
    }
    let width: usize = format.strip_prefix('0')?.strip_suffix(['d', 'i', 'u'])?.parse().ok()?;
    (width <= MAX_WIDTH).then(|| format!("{digits:0>width$}"))
}

/// Reads the attributes of an `Initialization` or `RepresentationIndex` element.
fn resource(element: &BytesStart<'_>) -> Result<Resource> {
    let mut resource = Resource { reference: None, range: None };
    for_each_attribute(element, &mut |name, value| match name {
        "sourceURL" => resource.reference = reference(value),
        "range" => resource.range = byte_range(&value),
        _ => {}
    })?;
    Ok(resource)
}

/// Reads `first-last`, both included (RFC 9110, 14.1.2).
fn byte_range(text: &str) -> Option<ByteRange> {
    let (first, last) = text.trim().split_once('-')?;
    let (start, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    Some(ByteRange { start, length: last.checked_add(1)?.saturating_sub(start) })
}

fn reference(value: Cow<'_, str>) -> Option<Arc<str>> {
    (value.len() <= MAX_REFERENCE_BYTES).then(|| Arc::from(value))
}
