//! A playlist line by line, as RFC 8216 (4.1) defines it, with variables replaced where they may stand.
//!
//! Not m3u8-rs: see docs/adr/0012-hls-by-lines.md.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use super::attributes::value;
use crate::error::{Code, Error, Result};

/// Variables of `EXT-X-DEFINE` by name (RFC 8216bis, 4.4.2.3).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    /// Makes an empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the variables of another playlist; its values replace the known ones.
    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }
}

/// Without the values, which may be tokens.
impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A line with content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::manifest) enum Line<'a> {
    /// A tag: its name without `#EXT`, and the text after the colon.
    Tag { name: &'a str, list: &'a str },
    /// The reference of a media playlist or a segment.
    Reference(&'a str),
}

impl<'a> Line<'a> {
    /// Reads one line; `None` for comments and empty lines. A byte order mark before it is ignored.
    pub(in crate::manifest) fn read(line: &'a str) -> Option<Self> {
        let line = line.trim_start_matches('\u{feff}').trim();
        match line.strip_prefix("#EXT") {
            Some(tag) => {
                let (name, list) = tag.split_once(':').unwrap_or((tag, ""));
                Some(Self::Tag { name, list })
            }
            None if line.is_empty() || line.starts_with('#') => None,
            None => Some(Self::Reference(line)),
        }
    }
}

/// Returns the lines with content and their numbers from 0. A lone carriage return ends a line, too: some packagers write it.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (u32, Line<'_>)> {
    text.split(['\n', '\r'])
        .enumerate()
        .filter_map(|(number, line)| Some((u32::try_from(number).unwrap_or(u32::MAX), Line::read(line)?)))
}

/// Adds the variable of an `EXT-X-DEFINE` tag. Returns false if the tag is malformed, imports an unknown variable, or reads the
/// query of the playlist's URL, which a file does not have.
pub(in crate::manifest) fn define(variables: &mut Variables, list: &str, imported: &Variables) -> bool {
    const MAX_VARIABLES: usize = 1_000;
    let known = match (value(list, "NAME"), value(list, "VALUE"), value(list, "IMPORT")) {
        (Some(name), Some(value), _) => Some((name, value)),
        (_, _, Some(name)) => imported.0.get(name).map(|value| (name, value.as_str())),
        _ => None,
    };
    match known {
        Some((name, value)) if variables.0.len() < MAX_VARIABLES => {
            variables.0.insert(name.to_owned(), value.to_owned());
            true
        }
        _ => false,
    }
}

/// Replaces `{$name}` by the values of variables. A value is not expanded again, so that nothing grows without bound.
pub(in crate::manifest) fn expand<'a>(text: &'a str, variables: &Variables) -> Result<Cow<'a, str>> {
    const MAX_LINE_BYTES: usize = 1 << 20;
    if variables.0.is_empty() || !text.contains("{$") {
        return Ok(Cow::Borrowed(text));
    }
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{$") {
        expanded.push_str(before);
        match after.split_once('}').and_then(|(name, rest)| Some((variables.0.get(name)?, rest))) {
            Some((value, after)) => {
                expanded.push_str(value);
                rest = after;
            }
            None => {
                expanded.push_str("{$");
                rest = after;
            }
        }
        if expanded.len() > MAX_LINE_BYTES {
            return Err(Error::new(Code::ManifestTooLarge, "a line of the playlist grows beyond a megabyte"));
        }
    }
    expanded.push_str(rest);
    Ok(Cow::Owned(expanded))
}
