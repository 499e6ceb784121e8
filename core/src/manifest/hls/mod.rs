//! HLS playlists (RFC 8216 and its successor, draft-pantos-hls-rfc8216bis): bytes to a model. Pure.
//!
//! Read line by line and not by m3u8-rs: docs/adr/0012 says why.
//!
//! | file | what |
//! |---|---|
//! | `lines`, `attributes`, `variables` | a playlist as lines, attribute lists, `EXT-X-DEFINE` |
//! | `reader` | from lines to one of the two models |
//! | `multivariant` | [`Multivariant`]: variants, renditions, session keys |
//! | `media` | [`MediaPlaylist`]: segments, init segments, keys |
//! | [`keys`] | key tags and their URIs |

pub(super) mod attributes;
pub mod keys;
pub(super) mod lines;
mod media;
mod multivariant;
mod reader;
pub(super) mod variables;

pub use attributes::Attributes;
pub use keys::{Key, KeyScope, KeySystem};
pub use media::{InitSegment, MediaPlaylist, PlaylistType};
pub(super) use multivariant::is_audio;
pub use multivariant::{Multivariant, Rendition, Variant};
pub(super) use reader::byte_range;
use url::Url;
pub use variables::Variables;

use super::text;
use crate::error::{Code, Error, Result};

/// A playlist of either kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Playlist {
    /// It names media playlists.
    Multivariant(Multivariant),
    /// It names segments.
    Media(MediaPlaylist),
}

/// Reads a playlist from a folder. `imported` are the variables of the multivariant playlist that names it, if one does.
///
/// Fails with [`Code::ManifestInvalid`] if the bytes are not a playlist, are in another encoding, or mix tags of both kinds
/// (RFC 8216, 4.3.4), with [`Code::ManifestTooLarge`] beyond the [`limits`](super::limits).
pub fn read(bytes: &[u8], imported: &Variables) -> Result<Playlist> {
    read_from(bytes, imported, None)
}

/// As [`read`], for a playlist from a server: `url` (after redirects) gives the values of `EXT-X-DEFINE:QUERYPARAM`.
pub fn read_from(bytes: &[u8], imported: &Variables, url: Option<&Url>) -> Result<Playlist> {
    let text = text::decode(bytes)?;
    let start = text.trim_start();
    if !start.starts_with("#EXTM3U") {
        return Err(not_a_playlist(start));
    }
    reader::read(start, imported, url)
}

pub(super) fn not_a_playlist(text: &str) -> Error {
    let message = match text.get(..1) {
        None => "the playlist is empty",
        Some("<") => "the playlist is XML or a web page, not #EXTM3U",
        Some(_) => "the playlist does not begin with #EXTM3U",
    };
    Error::new(Code::ManifestInvalid, message)
}

#[cfg(test)]
mod tests;
