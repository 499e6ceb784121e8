//! HLS playlists (RFC 8216): bytes to the media model. Pure.
//!
//! | file | what |
//! |---|---|
//! | `lines` | tags and references line by line, variables replaced |
//! | `attributes` | attribute lists of tags |
//! | [`keys`] | key tags, and the URIs in them |
//! | `multivariant` | a multivariant playlist to variants and renditions |
//! | `media` | a media playlist to segments, init segments and keys |

mod attributes;
pub mod keys;
mod lines;
mod media;
mod multivariant;

pub use keys::{KeyFormat, KeyTag, Method};
pub use lines::Variables;
pub use media::MediaPlaylist;

pub(super) use attributes::{attributes, value as attribute_value};
pub(super) use lines::{Line, define, expand};

use lines::lines;

use super::limits::MAX_KEY_TAGS;
use super::presentation::{Key, Presentation};
use super::text;
use crate::error::{Code, Error, Result};

/// A playlist.
#[derive(Clone, Debug)]
pub enum Playlist {
    /// A multivariant playlist: it names media playlists.
    Multivariant(Presentation),
    /// A media playlist: it names segments.
    Media(MediaPlaylist),
}

/// Reads a playlist. `imported` are the variables of the multivariant playlist that names it, if one does.
///
/// Fails with [`Code::ManifestInvalid`] if the bytes are no playlist, have another encoding, or mix tags of both kinds
/// (RFC 8216, 4.3.4), and with [`Code::ManifestTooLarge`] beyond the [`limits`](super::limits).
pub fn read(bytes: &[u8], imported: &Variables) -> Result<Playlist> {
    let text = text::decode(bytes)?;
    let text = text.trim_start();
    if !text.starts_with("#EXTM3U") {
        return Err(not_a_playlist(text));
    }
    let (mut has_multivariant_tag, mut has_media_tag, mut key_tags) = (false, false, 0_usize);
    for (_, line) in lines(text) {
        if let Line::Tag { name, .. } = line {
            has_multivariant_tag |= multivariant::is_own_tag(name);
            has_media_tag |= media::is_own_tag(name);
            key_tags += usize::from(name == "-X-KEY" || name == "-X-SESSION-KEY");
        }
    }
    match (has_multivariant_tag, has_media_tag) {
        (false, false) if key_tags > MAX_KEY_TAGS => Err(too_many_key_tags()),
        (true, true) => Err(Error::new(
            Code::ManifestInvalid,
            "the playlist mixes tags of multivariant and media playlists (RFC 8216, 4.3.4)",
        )),
        (true, false) => multivariant::read(text, imported).map(Playlist::Multivariant),
        (false, true) => media::read(text, imported).map(Playlist::Media),
        (false, false) => Err(Error::new(Code::ManifestInvalid, "the playlist names neither playlists nor segments")),
    }
}

fn not_a_playlist(text: &str) -> Error {
    let message = match text.get(..1) {
        None => "the playlist is empty",
        Some("<") => "the playlist is XML or a web page, not #EXTM3U",
        Some(_) => "the playlist does not begin with #EXTM3U",
    };
    Error::new(Code::ManifestInvalid, message)
}

fn too_many_key_tags() -> Error {
    Error::new(Code::ManifestTooLarge, format!("the playlist has more than {MAX_KEY_TAGS} key tags"))
}

/// Counts key tags, whose number is limited.
#[derive(Default)]
struct KeyTags(usize);

impl KeyTags {
    /// Reads the attributes of a key tag; `None` without `METHOD`.
    fn read(&mut self, list: &str) -> Result<Option<Key>> {
        self.0 += 1;
        if self.0 > MAX_KEY_TAGS {
            return Err(too_many_key_tags());
        }
        let Some(tag) = KeyTag::read(list) else { return Ok(None) };
        let (mut iv, mut format_versions) = (None, None);
        for attribute in attributes(list) {
            match attribute.name {
                "IV" => iv = keys::hex_iv(attribute.value.trim()),
                "KEYFORMATVERSIONS" => format_versions = Some(attribute.value.to_owned()),
                _ => {}
            }
        }
        Ok(Some(Key { tag, iv, format_versions }))
    }
}

#[cfg(test)]
mod tests;
