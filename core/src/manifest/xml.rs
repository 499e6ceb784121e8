//! XML events of a hostile document: no DTD, no entities but XML's own five, bounded depth.

use std::borrow::Cow;
use std::ops::Range;

use quick_xml::XmlVersion;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::reader::Reader;

use super::limits::MAX_XML_DEPTH;
use crate::error::{Code, Error, Result};

/// A document, read event by event.
pub(super) struct Xml<'a> {
    reader: Reader<&'a [u8]>,
    depth: usize,
    has_root: bool,
    /// Where the last event begins.
    start: usize,
}

impl<'a> Xml<'a> {
    /// Begins at the first byte.
    pub(super) fn new(text: &'a str) -> Self {
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        Self { reader, depth: 0, has_root: false, start: 0 }
    }

    /// Returns the number of open elements.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// Returns where the last event stands in the text. The end of an empty element stands behind it.
    pub(super) fn position(&self) -> Range<usize> {
        self.start..usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX)
    }

    /// Returns the next event. An empty element is a start and an end.
    ///
    /// Fails with [`Code::ManifestInvalid`] for malformed or cut documents and for any DTD (an entity in it may grow without
    /// bound), with [`Code::ManifestTooLarge`] if elements are nested too deep.
    pub(super) fn next(&mut self) -> Result<Event<'a>> {
        self.start = usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX);
        let event = self.reader.read_event().map_err(|error| {
            Error::new(
                Code::ManifestInvalid,
                format!("the XML is malformed near byte {}", self.reader.error_position()),
            )
            .caused_by(error)
        })?;
        match &event {
            Event::Start(_) => {
                self.has_root = true;
                self.depth += 1;
                if self.depth > MAX_XML_DEPTH {
                    let message = format!("the XML is nested deeper than {MAX_XML_DEPTH} elements");
                    return Err(Error::new(Code::ManifestTooLarge, message));
                }
            }
            Event::End(_) => self.depth = self.depth.saturating_sub(1),
            Event::DocType(_) => {
                return Err(Error::new(Code::ManifestInvalid, "the XML has a document type (DTD); none is allowed"));
            }
            Event::Eof if self.depth > 0 || !self.has_root => {
                return Err(Error::new(Code::ManifestInvalid, "the XML ends before its root element does"));
            }
            _ => {}
        }
        Ok(event)
    }
}

/// Returns an element's name without its namespace prefix.
pub(super) fn local_name<'a>(element: &'a BytesStart<'_>) -> &'a str {
    element.local_name().into_inner()
}

/// Calls back with the local name and value of each attribute. Prefixes are ignored: packagers do not agree on them, and
/// some forget to declare them.
pub(super) fn for_each_attribute(element: &BytesStart<'_>, found: &mut dyn FnMut(&str, Cow<'_, str>)) -> Result<()> {
    // Without the check for duplicates, which compares each name with all before it.
    for attribute in element.attributes().with_checks(false) {
        let attribute = attribute.map_err(|error| malformed_attribute().caused_by(error))?;
        let name = attribute.key.local_name().into_inner();
        // Normalizing costs more than all the rest, and most values are normal.
        if attribute.value.bytes().all(|byte| byte != b'&' && byte >= b' ') {
            found(name, attribute.value);
            continue;
        }
        let value = attribute.normalized_value(XmlVersion::Implicit1_0);
        found(name, value.map_err(|error| malformed_attribute().caused_by(error))?);
    }
    Ok(())
}

/// Returns the value of an attribute by its local name.
pub(super) fn attribute(element: &BytesStart<'_>, name: &str) -> Result<Option<String>> {
    let mut value = None;
    for_each_attribute(element, &mut |key, found| {
        if key == name {
            value = Some(found.into_owned());
        }
    })?;
    Ok(value)
}

/// Returns the character that a reference in text stands for: one of XML's own five entities, or a number. Others need a DTD.
pub(super) fn resolve(reference: &BytesRef<'_>) -> Result<char> {
    let unknown = || Error::new(Code::ManifestInvalid, "the XML uses an entity that it may not define");
    if let Some(character) = reference.resolve_char_ref().map_err(|error| unknown().caused_by(error))? {
        return Ok(character);
    }
    match reference.xml10_content().as_ref() {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "apos" => Ok('\''),
        "quot" => Ok('"'),
        _ => Err(unknown()),
    }
}

fn malformed_attribute() -> Error {
    Error::new(Code::ManifestInvalid, "an attribute in the XML is malformed")
}
