//! `ContentProtection` descriptors (ISO/IEC 23009-1, 5.8.4.1; ISO/IEC 23001-7, 11).

use std::collections::BTreeMap;
use std::sync::Arc;

use quick_xml::events::BytesStart;

use super::level::Level;
use crate::error::{Code, Error, Result};
use crate::manifest::limits::MAX_KEY_LINKS;
use crate::manifest::text::decode_base64;
use crate::manifest::xml::for_each_attribute;
use crate::model::{DrmScheme, KeyId};

/// One descriptor.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ContentProtection {
    /// `schemeIdUri` in lower case.
    pub scheme_id: String,
    /// `value`, as written: the protection scheme (`cenc`, `cbcs`) of `mp4protection`.
    pub value: Option<Arc<str>>,
    /// The key system; `None` for `mp4protection` and for key systems that Larder does not know.
    pub scheme: Option<DrmScheme>,
    /// `cenc:default_KID`, which may list several.
    pub key_ids: Vec<KeyId>,
    /// PSSH boxes: each text of a `cenc:pssh` element, decoded.
    pub boxes: Vec<Arc<[u8]>>,
    /// A PlayReady object without a box (`mspr:pro`).
    pub playready_object: Option<Arc<[u8]>>,
    /// True if one of these was not base64.
    pub is_malformed: bool,
    /// License URLs (`dashif:Laurl`, `ms:laurl`, `clearkey:Laurl`). They may be signed.
    pub license_urls: Vec<String>,
    /// `refId`: a name by which other descriptors refer to this one.
    reference_id: Option<String>,
    /// `ref`: the descriptor that this one refers to.
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

/// Text inside a descriptor.
#[derive(Clone, Copy)]
pub(super) enum DescriptorText {
    Pssh,
    PlayReadyObject,
    LicenseUrl,
}

impl ContentProtection {
    /// Reads the attributes of the element.
    pub(super) fn read(element: &BytesStart<'_>) -> Result<Self> {
        let mut descriptor = Self::default();
        for_each_attribute(element, &mut |name, value| match name {
            "schemeIdUri" => {
                descriptor.scheme_id = value.trim().to_ascii_lowercase();
                descriptor.scheme = scheme_of(&descriptor.scheme_id);
            }
            "value" => descriptor.value = Some(Arc::from(value)),
            "default_KID" => {
                for id in value.split([' ', ',']).filter(|id| !id.is_empty()) {
                    match KeyId::parse(id) {
                        // Packagers write an all-zero id where keys rotate.
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
        Ok(descriptor)
    }

    /// Reads the attributes of an element inside the descriptor. Returns the kind of text to expect in it.
    pub(super) fn read_child(&mut self, name: &str, element: &BytesStart<'_>) -> Result<Option<DescriptorText>> {
        Ok(match name.to_ascii_lowercase().as_str() {
            "pssh" => Some(DescriptorText::Pssh),
            "pro" => Some(DescriptorText::PlayReadyObject),
            "laurl" => {
                // Microsoft's has the URL in an attribute.
                for_each_attribute(element, &mut |name, value| {
                    if name.eq_ignore_ascii_case("licenseUrl") {
                        self.license_urls.push(value.trim().to_owned());
                    }
                })?;
                Some(DescriptorText::LicenseUrl)
            }
            _ => None,
        })
    }

    /// Takes the text of an element inside the descriptor.
    pub(super) fn take_text(&mut self, kind: DescriptorText, text: &str) {
        match (kind, decode_base64(text)) {
            (DescriptorText::LicenseUrl, _) if text.is_empty() => {}
            (DescriptorText::LicenseUrl, _) => self.license_urls.push(text.to_owned()),
            (DescriptorText::Pssh, Some(bytes)) => self.boxes.push(Arc::from(bytes)),
            (DescriptorText::PlayReadyObject, Some(bytes)) => self.playready_object = Some(Arc::from(bytes)),
            (_, None) => self.is_malformed = true,
        }
    }
}

/// Completes the descriptors that refer to others (`ref` and `refId`, 5.8.4.1 of the fifth edition).
pub(super) fn complete_references(root: &mut Level) -> Result<()> {
    let mut named = BTreeMap::new();
    collect_named(root, &mut named);
    if named.is_empty() {
        return Ok(());
    }
    complete(root, &named, &mut 0)
}

fn collect_named(level: &Level, named: &mut BTreeMap<String, ContentProtection>) {
    for descriptor in &level.protection {
        if let Some(id) = &descriptor.reference_id {
            named.entry(id.clone()).or_insert_with(|| descriptor.clone());
        }
    }
    level.children.iter().for_each(|child| collect_named(child, named));
}

fn complete(level: &mut Level, named: &BTreeMap<String, ContentProtection>, copied: &mut usize) -> Result<()> {
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
    level.children.iter_mut().try_for_each(|child| complete(child, named, copied))
}

fn scheme_of(scheme_id: &str) -> Option<DrmScheme> {
    let uuid = KeyId::parse(scheme_id.strip_prefix("urn:uuid:")?)?;
    DrmScheme::from_system_id(&uuid.0)
}
