//! Variables of a playlist: `EXT-X-DEFINE` (RFC 8216bis, 4.4.2.3) and their replacement (4.3).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use url::Url;

use super::attributes::value;
use crate::error::{Code, Error, Result};
use crate::manifest::limits::MAX_MANIFEST_BYTES;

/// Variables by name.
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

    /// Returns the value of a variable. It may be a token: never log it.
    pub(in crate::manifest) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Returns names and values. A value may be a token: never log it.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Without the values, which may be tokens.
impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Reads an `EXT-X-DEFINE` tag. `imported` are the variables of the multivariant playlist, `url` is the playlist's own
/// URL. Returns false if the tag is malformed or its value is not known.
pub(in crate::manifest) fn define(
    list: &str,
    imported: &Variables,
    url: Option<&Url>,
    variables: &mut Variables,
) -> bool {
    const MAX_VARIABLES: usize = 1_000;
    let known = match (value(list, "NAME"), value(list, "VALUE"), value(list, "IMPORT"), value(list, "QUERYPARAM")) {
        (Some(name), Some(value), ..) => Some((name, Cow::Borrowed(value))),
        (_, _, Some(name), _) => imported.0.get(name).map(|value| (name, Cow::Borrowed(value.as_str()))),
        // A playlist in a folder has no query.
        (_, _, _, Some(name)) => url.and_then(|url| {
            url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| (name, Cow::Owned(value.into_owned())))
        }),
        _ => None,
    };
    match known {
        Some((name, value)) if variables.0.len() < MAX_VARIABLES => {
            variables.0.insert(name.to_owned(), value.into_owned());
            true
        }
        _ => false,
    }
}

/// Replaces variables by their values. A value is not expanded again. `expanded_bytes` counts what a playlist's lines
/// grow to in all.
///
/// Fails with [`Code::ManifestTooLarge`] if one line, or all lines together, grow beyond any real playlist.
pub(in crate::manifest) fn expand<'a>(
    text: &'a str,
    variables: &Variables,
    expanded_bytes: &mut u64,
) -> Result<Cow<'a, str>> {
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
    *expanded_bytes += expanded.len() as u64;
    if *expanded_bytes > MAX_MANIFEST_BYTES {
        return Err(Error::new(Code::ManifestTooLarge, "the variables of the playlist make it grow without bound"));
    }
    Ok(Cow::Owned(expanded))
}
