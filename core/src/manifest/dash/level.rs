//! XML to levels: the attributes and elements of MPD, Period, AdaptationSet and Representation, each by itself.

use std::ops::Range;
use std::sync::Arc;

use quick_xml::events::{BytesStart, Event};

use super::addressing::Declared;
use super::descriptor::{self, ContentProtection, DescriptorText};
use super::time;
use crate::error::{Code, Error, Result};
use crate::manifest::limits::{MAX_KEY_TAGS, MAX_LEVELS, MAX_REFERENCE_BYTES, MAX_SEGMENT_ENTRIES};
use crate::manifest::presentation::{MediaTime, Property, PropertyKind};
use crate::manifest::resolve::public_name;
use crate::manifest::xml::{Xml, for_each_attribute, local_name, resolve};

/// The levels, from the root.
const LEVELS: [&str; 4] = ["MPD", "Period", "AdaptationSet", "Representation"];

/// The attributes and elements of one level.
#[derive(Default)]
pub(super) struct Level {
    pub(super) id: Option<Arc<str>>,
    /// In lower case.
    pub(super) mime: Option<Arc<str>>,
    pub(super) content_type: Option<Arc<str>>,
    pub(super) codecs: Option<Arc<str>>,
    pub(super) bandwidth: Option<Arc<str>>,
    pub(super) language: Option<Arc<str>>,
    pub(super) width: Option<u32>,
    pub(super) height: Option<u32>,
    pub(super) frame_rate: Option<Arc<str>>,
    pub(super) channels: Option<Arc<str>>,
    pub(super) depends_on: Option<Arc<str>>,
    pub(super) labels: Vec<Arc<str>>,
    pub(super) properties: Vec<Property>,
    pub(super) is_dynamic: bool,
    pub(super) start: Option<MediaTime>,
    pub(super) duration: Option<MediaTime>,
    pub(super) base_urls: Vec<Arc<str>>,
    pub(super) protection: Vec<ContentProtection>,
    pub(super) declared: Declared,
    pub(super) children: Vec<Level>,
    /// Where its element stands in the text.
    pub(super) span: Range<usize>,
    /// Depth of its element.
    depth: usize,
}

/// Reads a document to its root level, and the references of elements that stand in another document.
pub(super) fn read(text: &str) -> Result<(Level, Vec<String>)> {
    let mut reader = LevelReader::default();
    let mut xml = Xml::new(text);
    loop {
        match xml.next()? {
            Event::Start(element) => reader.start(&element, &xml)?,
            Event::End(_) => reader.end(xml.depth() + 1, xml.position().end),
            Event::Text(text) => reader.text(&text.xml10_content()),
            Event::CData(text) => reader.text(&text.xml10_content()),
            Event::GeneralRef(reference) => {
                let character = resolve(&reference)?;
                reader.text(character.encode_utf8(&mut [0; 4]));
            }
            Event::Eof => return reader.finish(),
            _ => {}
        }
    }
}

#[derive(Default)]
struct LevelReader {
    /// The open levels, the root first.
    open: Vec<Level>,
    root: Option<Level>,
    /// The open descriptor and its depth.
    descriptor: Option<(ContentProtection, usize)>,
    /// The element whose text is kept, its depth, and its text so far.
    wanted: Option<(Wanted, usize, String)>,
    linked: Vec<String>,
    levels: usize,
    descriptors: usize,
    segment_entries: usize,
}

#[derive(Clone, Copy)]
enum Wanted {
    BaseUrl,
    Label,
    Descriptor(DescriptorText),
}

impl LevelReader {
    fn start(&mut self, element: &BytesStart<'_>, xml: &Xml<'_>) -> Result<()> {
        let (name, depth) = (local_name(element), xml.depth());
        if depth == 1 {
            if name != "MPD" || self.root.is_some() {
                return Err(Error::new(Code::ManifestInvalid, "the XML is no DASH manifest: its root is not one MPD"));
            }
            return self.open_level(element, xml);
        }
        let open = self.open.len();
        let Some(level) = self.open.last_mut() else { return Ok(()) };
        let is_child = depth == level.depth + 1;
        if let Some((descriptor, _)) = &mut self.descriptor {
            if let Some(kind) = descriptor.read_child(name, element)? {
                self.wanted = Some((Wanted::Descriptor(kind), depth, String::new()));
            }
            return Ok(());
        }
        match name {
            // First, because an MPD may have a hundred thousand of them.
            "S" => {
                self.segment_entries += 1;
                level.declared.read_run(element)?;
                return self.check_segment_entries();
            }
            "SegmentURL" => {
                self.segment_entries += 1;
                level.declared.read_segment_url(element)?;
                return self.check_segment_entries();
            }
            _ if is_child && LEVELS.get(open) == Some(&name) => return self.open_level(element, xml),
            "BaseURL" if is_child => self.wanted = Some((Wanted::BaseUrl, depth, String::new())),
            "Label" if is_child => self.wanted = Some((Wanted::Label, depth, String::new())),
            // In a SubRepresentation, too: its Representation needs the key.
            "ContentProtection" => return self.open_descriptor(element, depth),
            "ContentComponent" if is_child => {
                for_each_attribute(element, &mut |name, value| {
                    if name == "contentType" && level.content_type.is_none() {
                        level.content_type = Some(Arc::from(value));
                    }
                })?;
            }
            "AudioChannelConfiguration" if is_child => {
                let channels = read_property(PropertyKind::Supplemental, element).value;
                level.channels = Some(channels).filter(|channels| !channels.is_empty());
            }
            "SegmentTemplate" | "SegmentBase" if is_child => level.declared.read_attributes(element)?,
            "SegmentList" if is_child => {
                level.declared.read_attributes(element)?;
                return self.note_link(element);
            }
            "Initialization" => level.declared.read_initialization(element)?,
            "RepresentationIndex" => level.declared.read_index(element)?,
            "SegmentTimeline" => level.declared.begin_timeline(),
            _ if is_child => {
                if let Some(kind) = property_kind(name) {
                    level.properties.push(read_property(kind, element));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn check_segment_entries(&self) -> Result<()> {
        if self.segment_entries > MAX_SEGMENT_ENTRIES {
            let message = format!("the manifest lists more than {MAX_SEGMENT_ENTRIES} segments");
            return Err(Error::new(Code::ManifestTooLarge, message));
        }
        Ok(())
    }

    fn open_level(&mut self, element: &BytesStart<'_>, xml: &Xml<'_>) -> Result<()> {
        self.levels += 1;
        if self.levels > MAX_LEVELS {
            let message = format!("the manifest has more than {MAX_LEVELS} periods, sets and representations");
            return Err(Error::new(Code::ManifestTooLarge, message));
        }
        let mut level = Level { depth: xml.depth(), span: xml.position(), ..Level::default() };
        let is_root = self.open.is_empty();
        for_each_attribute(element, &mut |name, value| {
            let slot = match name {
                "id" => &mut level.id,
                "contentType" => &mut level.content_type,
                "codecs" => &mut level.codecs,
                "bandwidth" => &mut level.bandwidth,
                "lang" => &mut level.language,
                "frameRate" => &mut level.frame_rate,
                "dependencyId" => &mut level.depends_on,
                "mimeType" => {
                    level.mime = Some(Arc::from(value.to_ascii_lowercase()));
                    return;
                }
                "width" => return level.width = value.trim().parse().ok(),
                "height" => return level.height = value.trim().parse().ok(),
                "type" => return level.is_dynamic = value == "dynamic",
                "start" => return level.start = time::duration(&value),
                "duration" if !is_root => return level.duration = time::duration(&value),
                "mediaPresentationDuration" => return level.duration = time::duration(&value),
                _ => return,
            };
            *slot = Some(Arc::from(value));
        })?;
        self.open.push(level);
        self.note_link(element)
    }

    /// Notes an element that stands in another document. `resolve-to-zero` says that there is none.
    fn note_link(&mut self, element: &BytesStart<'_>) -> Result<()> {
        const MAX_LINKS: usize = 100;
        for_each_attribute(element, &mut |name, value| {
            if name == "href" && !value.starts_with("urn:") && self.linked.len() < MAX_LINKS {
                self.linked.push(public_name(&value).chars().take(MAX_REFERENCE_BYTES).collect());
            }
        })
    }

    fn open_descriptor(&mut self, element: &BytesStart<'_>, depth: usize) -> Result<()> {
        self.descriptors += 1;
        if self.descriptors > MAX_KEY_TAGS {
            let message = format!("the manifest has more than {MAX_KEY_TAGS} ContentProtection descriptors");
            return Err(Error::new(Code::ManifestTooLarge, message));
        }
        self.descriptor = Some((ContentProtection::read(element)?, depth));
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if let Some((_, _, wanted)) = &mut self.wanted {
            wanted.push_str(text);
        }
    }

    /// Closes the element at this depth, which ends at a position.
    fn end(&mut self, depth: usize, position: usize) {
        if let Some((wanted, _, text)) = self.wanted.take_if(|(_, wanted, _)| *wanted == depth) {
            self.take_text(wanted, text.trim());
        }
        if let Some((descriptor, _)) = self.descriptor.take_if(|(_, descriptor)| *descriptor == depth)
            && let Some(level) = self.open.last_mut()
        {
            level.protection.push(descriptor);
        }
        if let Some(mut level) = self.open.pop_if(|level| level.depth == depth) {
            level.span.end = position;
            match self.open.last_mut() {
                Some(above) => above.children.push(level),
                None => self.root = Some(level),
            }
        }
    }

    fn take_text(&mut self, wanted: Wanted, text: &str) {
        match (wanted, &mut self.descriptor, self.open.last_mut()) {
            (Wanted::BaseUrl, _, Some(level)) => {
                level.base_urls.push(text.chars().take(MAX_REFERENCE_BYTES).collect::<String>().into());
            }
            (Wanted::Label, _, Some(level)) => level.labels.push(Arc::from(text)),
            (Wanted::Descriptor(kind), Some((descriptor, _)), _) => descriptor.take_text(kind, text),
            _ => {}
        }
    }

    fn finish(self) -> Result<(Level, Vec<String>)> {
        let mut root = self.root.ok_or_else(|| Error::new(Code::ManifestInvalid, "the MPD is cut"))?;
        descriptor::complete_references(&mut root)?;
        Ok((root, self.linked))
    }
}

fn property_kind(name: &str) -> Option<PropertyKind> {
    Some(match name {
        "Role" => PropertyKind::Role,
        "Accessibility" => PropertyKind::Accessibility,
        "EssentialProperty" => PropertyKind::Essential,
        "SupplementalProperty" => PropertyKind::Supplemental,
        _ => return None,
    })
}

/// Reads a descriptive element. A malformed attribute ends it early: what it describes is not worth the whole manifest.
fn read_property(kind: PropertyKind, element: &BytesStart<'_>) -> Property {
    let mut property = Property { kind, scheme: Arc::default(), value: Arc::default() };
    let _ = for_each_attribute(element, &mut |name, value| match name {
        "schemeIdUri" => property.scheme = Arc::from(value),
        "value" => property.value = Arc::from(value),
        _ => {}
    });
    property
}
