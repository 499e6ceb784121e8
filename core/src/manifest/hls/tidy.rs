//! A playlist as m3u8-rs reads it safely: one tag a line, with only those attributes that it understands.
//!
//! m3u8-rs 6 reads on over the end of a line when an attribute has no `=` (and then searches the rest of the file for
//! each such tag), takes what follows a comma in an `EXTINF` title for a segment, gives a variant's URI to the variant
//! before it when the tag lacks `BANDWIDTH`, drops renditions without a name, and stops silently at a lone carriage
//! return or at the last line if it has no end. Tags that it does not need are left out, so that its memory is bounded
//! by the lines counted here.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::attributes::{attributes, value};
use super::keys::KeyTag;
use crate::error::{Code, Error, Result};
use crate::manifest::limits::{MAX_KEY_TAGS, MAX_PLAYLIST_LINES};

/// What is in a playlist, line by line.
#[derive(Default)]
pub(super) struct Tidied {
    /// The text for m3u8-rs.
    pub(super) text: String,
    /// The key tags, of both kinds, once each.
    pub(super) keys: std::collections::BTreeSet<KeyTag>,
    /// A tag that only a multivariant playlist may have.
    pub(super) has_multivariant_tag: bool,
    /// A tag that only a media playlist may have.
    pub(super) has_media_tag: bool,
    /// Names of tags that were malformed.
    pub(super) malformed: std::collections::BTreeSet<&'static str>,
    /// The playlist's variables, and those it got from its multivariant playlist.
    pub(super) variables: Variables,
    key_tags: usize,
    lines: usize,
}

/// Variables of `EXT-X-DEFINE` by name (RFC 8216bis, 4.4.2.3).
pub type Variables = BTreeMap<String, String>;

/// Tidies a playlist. `imported` are the variables of the multivariant playlist that names it.
pub(super) fn tidy(text: &str, imported: &Variables) -> Result<Tidied> {
    let mut tidied = Tidied::default();
    tidied.push("#EXTM3U")?;
    for line in text.split(['\n', '\r']).map(str::trim) {
        if line.is_empty() {
            continue;
        }
        let Some(tag) = line.strip_prefix("#EXT") else {
            if !line.starts_with('#') {
                let uri = tidied.expand(line)?.into_owned();
                tidied.push(&uri)?;
            }
            continue;
        };
        let (name, list) = tag.split_once(':').unwrap_or((tag, ""));
        let list = match name {
            // Everything else has no quoted strings that matter here.
            "-X-KEY" | "-X-SESSION-KEY" | "-X-MAP" | "-X-MEDIA" | "-X-I-FRAME-STREAM-INF" => tidied.expand(list)?,
            _ => Cow::Borrowed(list),
        };
        tidied.tag(name, &list, imported)?;
    }
    Ok(tidied)
}

impl Tidied {
    fn tag(&mut self, name: &str, list: &str, imported: &Variables) -> Result<()> {
        match name {
            "-X-KEY" => self.key("EXT-X-KEY", list),
            "-X-SESSION-KEY" => self.key("EXT-X-SESSION-KEY", list),
            "-X-DEFINE" => self.define(list, imported),
            "-X-STREAM-INF" => {
                self.has_multivariant_tag = true;
                self.variant("#EXT-X-STREAM-INF:", list)
            }
            "-X-I-FRAME-STREAM-INF" => {
                self.has_multivariant_tag = true;
                self.variant("#EXT-X-I-FRAME-STREAM-INF:", list)
            }
            "-X-MEDIA" => {
                self.has_multivariant_tag = true;
                self.rendition(list)
            }
            "-X-SESSION-DATA" => {
                self.has_multivariant_tag = true;
                Ok(())
            }
            // Durations are not needed, and m3u8-rs reads a segment without its tag, too.
            "INF" | "-X-TARGETDURATION" => {
                self.has_media_tag = true;
                Ok(())
            }
            "-X-BYTERANGE" => {
                self.has_media_tag = true;
                let range: String = list.trim().chars().take_while(|c| c.is_ascii_digit() || *c == '@').collect();
                self.push(&format!("#EXT-X-BYTERANGE:{range}"))
            }
            "-X-MAP" => {
                self.has_media_tag = true;
                self.map(list)
            }
            _ => Ok(()),
        }
    }

    fn key(&mut self, name: &'static str, list: &str) -> Result<()> {
        self.key_tags += 1;
        if self.key_tags > MAX_KEY_TAGS {
            return Err(Error::new(
                Code::ManifestTooLarge,
                format!("the playlist has more than {MAX_KEY_TAGS} key tags"),
            ));
        }
        match KeyTag::read(list) {
            Some(key) => _ = self.keys.insert(key),
            None => _ = self.malformed.insert(name),
        }
        Ok(())
    }

    fn variant(&mut self, tag: &str, list: &str) -> Result<()> {
        let mut line = format!("{tag}BANDWIDTH=0");
        for attribute in attributes(list).filter(|attribute| attribute.is_quoted && !attribute.value.is_empty()) {
            if matches!(attribute.name, "CODECS" | "URI") {
                let _ = write!(line, ",{}=\"{}\"", attribute.name, attribute.value);
            }
        }
        let is_picture = value(list, "RESOLUTION").is_some();
        line.push_str(if is_picture { ",RESOLUTION=1x1" } else { "" });
        self.push(&line)
    }

    fn rendition(&mut self, list: &str) -> Result<()> {
        let (Some(kind), Some(uri)) = (value(list, "TYPE"), value(list, "URI")) else {
            // A rendition without a URI is inside the variant.
            return Ok(());
        };
        if kind.is_empty() || kind == "CLOSED-CAPTIONS" || uri.is_empty() {
            self.malformed.insert("EXT-X-MEDIA");
            return Ok(());
        }
        self.push(&format!("#EXT-X-MEDIA:TYPE={kind},URI=\"{uri}\",GROUP-ID=\"-\",NAME=\"-\""))
    }

    fn map(&mut self, list: &str) -> Result<()> {
        let Some(uri) = value(list, "URI").filter(|uri| !uri.is_empty()) else {
            self.malformed.insert("EXT-X-MAP");
            return Ok(());
        };
        let range = value(list, "BYTERANGE").map(|range| format!(",BYTERANGE=\"{range}\"")).unwrap_or_default();
        self.push(&format!("#EXT-X-MAP:URI=\"{uri}\"{range}"))
    }

    fn define(&mut self, list: &str, imported: &Variables) -> Result<()> {
        const MAX_VARIABLES: usize = 1_000;
        let known = match (value(list, "NAME"), value(list, "VALUE"), value(list, "IMPORT")) {
            (Some(name), Some(value), _) => Some((name, value)),
            (_, _, Some(name)) => imported.get(name).map(|value| (name, value.as_str())),
            // QUERYPARAM: the manifest's own query is not kept on disk.
            _ => None,
        };
        match known {
            Some((name, value)) if self.variables.len() < MAX_VARIABLES => {
                self.variables.insert(name.to_owned(), value.to_owned());
            }
            _ => _ = self.malformed.insert("EXT-X-DEFINE"),
        }
        Ok(())
    }

    /// Puts the values of variables in. A value is not expanded again, so nothing grows without bound.
    fn expand<'a>(&self, text: &'a str) -> Result<Cow<'a, str>> {
        const MAX_LINE_BYTES: usize = 1 << 20;
        if self.variables.is_empty() || !text.contains("{$") {
            return Ok(Cow::Borrowed(text));
        }
        let mut expanded = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{$") {
            expanded.push_str(before);
            match after.split_once('}').and_then(|(name, rest)| Some((self.variables.get(name)?, rest))) {
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

    fn push(&mut self, line: &str) -> Result<()> {
        self.lines += 1;
        if self.lines > MAX_PLAYLIST_LINES {
            return Err(Error::new(
                Code::ManifestTooLarge,
                format!("the playlist has more than {MAX_PLAYLIST_LINES} tags and segments"),
            ));
        }
        self.text.push_str(line);
        self.text.push('\n');
        Ok(())
    }
}
