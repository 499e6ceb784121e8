//! XML to levels: what each of MPD, Period, AdaptationSet and Representation says by itself.

use std::collections::BTreeMap;
use std::rc::Rc;

use quick_xml::events::{BytesStart, Event};

use super::addressing::{Addressing, seconds};
use crate::error::{Code, Error, Result};
use crate::manifest::limits::{MAX_KEY_LINKS, MAX_KEY_TAGS, MAX_LEVELS, MAX_REFERENCE_BYTES, MAX_SEGMENT_ENTRIES};
use crate::manifest::reference::public_name;
use crate::manifest::text::decode_base64;
use crate::manifest::xml::{Xml, for_each_attribute, local_name, resolve};
use crate::model::{DrmScheme, KeyId};

/// A `ContentProtection` descriptor (5.8.4.1; ISO/IEC 23001-7, 11).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ContentProtection {
    /// `schemeIdUri` in lower case.
    pub scheme_id: String,
    /// The key system that it is for; None for `mp4protection` and for key systems that Larder does not know.
    pub scheme: Option<DrmScheme>,
    /// `cenc:default_KID`, which may list several.
    pub key_ids: Vec<KeyId>,
    /// PSSH boxes: each text of a `cenc:pssh` element, decoded.
    pub boxes: Vec<Rc<[u8]>>,
    /// A PlayReady object without a box (`mspr:pro`).
    pub playready_object: Option<Rc<[u8]>>,
    /// True if one of these was not base64.
    pub is_malformed: bool,
    /// License URLs (`dashif:Laurl`, `ms:laurl`, `clearkey:Laurl`). They may be signed.
    pub license_urls: Vec<String>,
    /// `refId`: a name by which others refer to it; `ref`: the one that it refers to.
    reference_id: Option<String>,
    refers_to: Option<String>,
}

/// Without boxes and URLs.
impl std::fmt::Debug for ContentProtection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ContentProtection")
            .field("scheme_id", &self.scheme_id)
            .field("key_ids", &self.key_ids)
            .field("boxes", &self.boxes.len())
            .finish_non_exhaustive()
    }
}

/// The levels, from the root.
const LEVELS: [&str; 4] = ["MPD", "Period", "AdaptationSet", "Representation"];

/// What one level says.
#[derive(Default)]
pub(super) struct Level {
    pub(super) id: Option<String>,
    pub(super) mime: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) codecs: Option<String>,
    pub(super) bandwidth: Option<String>,
    pub(super) language: Option<String>,
    pub(super) width: Option<u32>,
    pub(super) height: Option<u32>,
    pub(super) frame_rate: Option<String>,
    pub(super) channels: Option<String>,
    pub(super) label: Option<String>,
    pub(super) roles: Vec<String>,
    pub(super) is_trick_play: bool,
    /// `MPD@type="dynamic"`.
    pub(super) is_live: bool,
    pub(super) start_seconds: Option<f64>,
    pub(super) duration_seconds: Option<f64>,
    pub(super) base_urls: Vec<String>,
    pub(super) protection: Vec<ContentProtection>,
    pub(super) addressing: Addressing,
    pub(super) children: Vec<Level>,
    /// Depth of its element.
    depth: usize,
}

/// Roles of one level; real sets have two or three.
const MAX_ROLES: usize = 100;

/// `schemeIdUri` of a set that only serves seeking (DASH-IF IOP 3.2.9).
const TRICK_MODE: &str = "http://dashif.org/guidelines/trickmode";

impl Level {
    /// Takes a descriptor that says something of the tracks below (5.8.4).
    fn read_descriptor(&mut self, name: &str, element: &BytesStart<'_>) -> Result<()> {
        let (mut scheme_id, mut text) = (String::new(), String::new());
        for_each_attribute(element, &mut |name, value| match name {
            "schemeIdUri" => scheme_id = value.into_owned(),
            "value" => text = value.into_owned(),
            _ => {}
        })?;
        match name {
            "Role" if self.roles.len() < MAX_ROLES => self.roles.push(text),
            "AudioChannelConfiguration" => self.channels = Some(text),
            _ => self.is_trick_play |= scheme_id == TRICK_MODE,
        }
        Ok(())
    }
}

/// Reads a document to its root level, and the references of elements that are elsewhere.
pub(super) fn read(text: &str) -> Result<(Level, Vec<String>)> {
    let mut reader = LevelReader::default();
    let mut xml = Xml::new(text);
    loop {
        match xml.next()? {
            Event::Start(element) => reader.start(&element, xml.depth())?,
            Event::End(_) => reader.end(xml.depth() + 1),
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
    /// An element whose text is wanted, its depth, and its text so far.
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
    Pssh,
    PlayReadyObject,
    LicenseUrl,
}

impl LevelReader {
    fn start(&mut self, element: &BytesStart<'_>, depth: usize) -> Result<()> {
        let name = local_name(element);
        if depth == 1 {
            if name != "MPD" || self.root.is_some() {
                return Err(Error::new(Code::ManifestInvalid, "the XML is no DASH manifest: its root is not one MPD"));
            }
            return self.open_level(element, depth);
        }
        let open = self.open.len();
        let Some(level) = self.open.last_mut() else { return Ok(()) };
        let is_child = depth == level.depth + 1;
        if self.descriptor.is_some() {
            self.start_in_descriptor(element, depth)?;
            return Ok(());
        }
        match name {
            _ if is_child && LEVELS.get(open) == Some(&name) => return self.open_level(element, depth),
            "BaseURL" if is_child => self.wanted = Some((Wanted::BaseUrl, depth, String::new())),
            "Label" if is_child => self.wanted = Some((Wanted::Label, depth, String::new())),
            "Role" | "AudioChannelConfiguration" | "EssentialProperty" | "SupplementalProperty" if is_child => {
                level.read_descriptor(name, element)?;
            }
            // In a SubRepresentation, too: its Representation needs the key.
            "ContentProtection" => return self.open_descriptor(element, depth),
            "ContentComponent" if is_child => {
                let mut content_type = None;
                for_each_attribute(element, &mut |name, value| {
                    if name == "contentType" {
                        content_type = Some(value.into_owned());
                    }
                })?;
                level.content_type = level.content_type.take().or(content_type);
            }
            "SegmentTemplate" | "SegmentBase" if is_child => level.addressing.read_attributes(element)?,
            "SegmentList" if is_child => {
                level.addressing.read_attributes(element)?;
                return self.note_link(element);
            }
            "Initialization" => level.addressing.read_initialization(element)?,
            "SegmentTimeline" => level.addressing.timeline = Some(Rc::default()),
            "S" | "SegmentURL" => {
                self.segment_entries += 1;
                if self.segment_entries > MAX_SEGMENT_ENTRIES {
                    let message = format!("the manifest lists more than {MAX_SEGMENT_ENTRIES} segments");
                    return Err(Error::new(Code::ManifestTooLarge, message));
                }
                if name == "S" { level.addressing.read_run(element)? } else { level.addressing.read_listed(element)? }
            }
            _ => {}
        }
        Ok(())
    }

    fn open_level(&mut self, element: &BytesStart<'_>, depth: usize) -> Result<()> {
        self.levels += 1;
        if self.levels > MAX_LEVELS {
            let message = format!("the manifest has more than {MAX_LEVELS} periods, sets and representations");
            return Err(Error::new(Code::ManifestTooLarge, message));
        }
        let mut level = Level { depth, ..Level::default() };
        let is_root = self.open.is_empty();
        for_each_attribute(element, &mut |name, value| match name {
            "id" => level.id = Some(value.into_owned()),
            "mimeType" => level.mime = Some(value.into_owned()),
            "contentType" => level.content_type = Some(value.into_owned()),
            "codecs" => level.codecs = Some(value.into_owned()),
            "bandwidth" => level.bandwidth = Some(value.into_owned()),
            "lang" => level.language = Some(value.into_owned()),
            "width" => level.width = value.trim().parse().ok(),
            "height" => level.height = value.trim().parse().ok(),
            "frameRate" => level.frame_rate = Some(value.into_owned()),
            "type" if is_root => level.is_live = value.trim() == "dynamic",
            "start" => level.start_seconds = seconds(&value),
            "duration" if !is_root => level.duration_seconds = seconds(&value),
            "mediaPresentationDuration" => level.duration_seconds = seconds(&value),
            _ => {}
        })?;
        self.open.push(level);
        self.note_link(element)
    }

    /// An element that is elsewhere. `resolve-to-zero` says that it is nowhere.
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
        let mut descriptor = ContentProtection::default();
        for_each_attribute(element, &mut |name, value| match name {
            "schemeIdUri" => {
                descriptor.scheme_id = value.trim().to_ascii_lowercase();
                descriptor.scheme = scheme_of(&descriptor.scheme_id);
            }
            "default_KID" => {
                for id in value.split([' ', ',']).filter(|id| !id.is_empty()) {
                    match KeyId::parse(id) {
                        // All zero where keys rotate.
                        Some(id) if id == KeyId([0; 16]) => {}
                        Some(id) => descriptor.key_ids.push(id),
                        None => descriptor.is_malformed = true,
                    }
                }
            }
            "refId" => descriptor.reference_id = Some(value.into_owned()),
            "ref" => descriptor.refers_to = Some(value.into_owned()),
            _ => {}
        })?;
        self.descriptor = Some((descriptor, depth));
        Ok(())
    }

    fn start_in_descriptor(&mut self, element: &BytesStart<'_>, depth: usize) -> Result<()> {
        let name = local_name(element);
        let wanted = match name.to_ascii_lowercase().as_str() {
            "pssh" => Wanted::Pssh,
            "pro" => Wanted::PlayReadyObject,
            "laurl" => {
                // Microsoft's has the URL in an attribute.
                for_each_attribute(element, &mut |name, value| {
                    if name.eq_ignore_ascii_case("licenseUrl")
                        && let Some((descriptor, _)) = &mut self.descriptor
                    {
                        descriptor.license_urls.push(value.trim().to_owned());
                    }
                })?;
                Wanted::LicenseUrl
            }
            _ => return Ok(()),
        };
        self.wanted = Some((wanted, depth, String::new()));
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if let Some((_, _, wanted)) = &mut self.wanted {
            wanted.push_str(text);
        }
    }

    /// The element at this depth ends.
    fn end(&mut self, depth: usize) {
        if let Some((wanted, _, text)) = self.wanted.take_if(|(_, wanted, _)| *wanted == depth) {
            self.take_text(wanted, &text);
        }
        if let Some((descriptor, _)) = self.descriptor.take_if(|(_, descriptor)| *descriptor == depth)
            && let Some(level) = self.open.last_mut()
        {
            level.protection.push(descriptor);
        }
        if let Some(level) = self.open.pop_if(|level| level.depth == depth) {
            match self.open.last_mut() {
                Some(above) => above.children.push(level),
                None => self.root = Some(level),
            }
        }
    }

    fn take_text(&mut self, wanted: Wanted, text: &str) {
        let text = text.trim();
        if let Wanted::BaseUrl = wanted {
            if let Some(level) = self.open.last_mut() {
                level.base_urls.push(text.chars().take(MAX_REFERENCE_BYTES).collect());
            }
            return;
        }
        if let Wanted::Label = wanted {
            if let Some(level) = self.open.last_mut() {
                level.label = level.label.take().or_else(|| Some(text.to_owned()));
            }
            return;
        }
        let Some((descriptor, _)) = &mut self.descriptor else { return };
        match (wanted, decode_base64(text)) {
            (Wanted::LicenseUrl, _) if text.is_empty() => {}
            (Wanted::LicenseUrl, _) => descriptor.license_urls.push(text.to_owned()),
            (Wanted::Pssh, Some(bytes)) => descriptor.boxes.push(Rc::from(bytes)),
            (Wanted::PlayReadyObject, Some(bytes)) => descriptor.playready_object = Some(Rc::from(bytes)),
            (_, None) => descriptor.is_malformed = true,
            (Wanted::BaseUrl | Wanted::Label, _) => {}
        }
    }

    fn finish(self) -> Result<(Level, Vec<String>)> {
        let mut root = self.root.ok_or_else(|| Error::new(Code::ManifestInvalid, "the MPD is cut"))?;
        let mut named = BTreeMap::new();
        collect_named(&root, &mut named);
        if !named.is_empty() {
            let mut copied = 0;
            complete_references(&mut root, &named, &mut copied)?;
        }
        Ok((root, self.linked))
    }
}

/// Descriptors that others refer to (`refId`, 5.8.4.1 of the fifth edition).
fn collect_named(level: &Level, named: &mut BTreeMap<String, ContentProtection>) {
    for descriptor in &level.protection {
        if let Some(id) = &descriptor.reference_id {
            named.entry(id.clone()).or_insert_with(|| descriptor.clone());
        }
    }
    level.children.iter().for_each(|child| collect_named(child, named));
}

/// Gives each descriptor that refers to another what that one says.
fn complete_references(
    level: &mut Level,
    named: &BTreeMap<String, ContentProtection>,
    copied: &mut usize,
) -> Result<()> {
    for descriptor in &mut level.protection {
        let Some(source) = descriptor.refers_to.as_ref().and_then(|id| named.get(id)) else { continue };
        *copied += source.boxes.len() + source.key_ids.len() + 1;
        if *copied > MAX_KEY_LINKS {
            return Err(Error::new(Code::ManifestTooLarge, "the manifest refers to its keys too often"));
        }
        descriptor.boxes.extend(source.boxes.iter().cloned());
        descriptor.key_ids.extend(&source.key_ids);
        descriptor.playready_object = descriptor.playready_object.take().or_else(|| source.playready_object.clone());
    }
    level.children.iter_mut().try_for_each(|child| complete_references(child, named, copied))
}

fn scheme_of(scheme_id: &str) -> Option<DrmScheme> {
    let uuid = KeyId::parse(scheme_id.strip_prefix("urn:uuid:")?)?;
    DrmScheme::from_system_id(&uuid.0)
}
