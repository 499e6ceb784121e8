//! A manifest with other references and fewer tracks, and nothing else changed. Pure.
//!
//! The text itself is edited: attributes and tags that the model does not know stay as they are, in their order and on their
//! lines. Without an edit the result is the text, byte by byte.
//!
//! | file | what |
//! |---|---|
//! | `hls` | playlists, line by line |
//! | `dash` | MPDs, element by element |

mod dash;
mod hls;

use std::collections::BTreeMap;
use std::ops::Range;

use url::Url;

use super::limits::MAX_MANIFEST_BYTES;
use super::presentation::ByteRange;
use super::resolve::scheme;
use super::text;
use crate::error::{Code, Error, Result};
use crate::model::MediaFormat;

/// The place of a track in its manifest, counted from 0.
///
/// For DASH: the period, the adaptation set in it, the Representation in that. For HLS the period is 0, the set is
/// [`VARIANTS`], [`AUDIO`], [`SUBTITLES`] or [`VIDEO`], and the track counts within it, variants with the same reference once.
/// These are the numbers of Media3's `StreamKey`, which cannot name a track of [`VIDEO`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackAt {
    /// The period.
    pub period: usize,
    /// The adaptation set, or the kind of HLS track.
    pub set: usize,
    /// The track in its set.
    pub track: usize,
}

/// [`TrackAt::set`] of HLS variants, I-frame playlists included.
pub const VARIANTS: usize = 0;
/// [`TrackAt::set`] of HLS audio renditions with a URI.
pub const AUDIO: usize = 1;
/// [`TrackAt::set`] of HLS subtitle renditions with a URI.
pub const SUBTITLES: usize = 2;
/// [`TrackAt::set`] of HLS video renditions with a URI.
pub const VIDEO: usize = 3;

/// A reference as a manifest writes it, entities and variables replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference<'a> {
    /// The use of the reference.
    pub kind: ReferenceKind,
    /// The reference.
    pub text: &'a str,
    /// The bytes of the resource, if the manifest names a part of it.
    pub range: Option<ByteRange>,
}

/// A new reference, and the bytes that it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// The reference.
    pub reference: String,
    /// The bytes of the resource.
    pub range: NewRange,
}

/// The bytes of a resource under its new reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewRange {
    /// As the manifest has it. This is the default.
    AsWritten,
    /// All bytes.
    Whole,
    /// A part. Only segments, init segments and indexes can have one; elsewhere it is ignored, and so it is for DASH
    /// templates.
    Part(ByteRange),
}

/// The range stays as it is written.
impl From<String> for Replacement {
    fn from(reference: String) -> Self {
        Self { reference, range: NewRange::AsWritten }
    }
}

/// The use of a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReferenceKind {
    /// HLS: a media playlist. DASH has none.
    Playlist,
    /// A media segment, or a DASH template that stands for many.
    Segment,
    /// An init segment or its template.
    Init,
    /// A key of HLS media.
    Key,
    /// The base of the references below it (`BaseURL`); `is_top` for those of the MPD itself.
    Base {
        /// True for a `BaseURL` of the MPD itself.
        is_top: bool,
    },
    /// Anything else: session data, indexes, `xlink:href`, `Location`, interstitials.
    Other,
}

/// Decides about tracks and references.
pub trait Edits {
    /// Returns false for a track that is to be left out.
    fn keeps(&mut self, track: TrackAt) -> bool;

    /// Returns the new reference; `None` to keep reference and range as they are written. References of tracks that are left
    /// out are not asked for.
    fn replace(&mut self, reference: Reference<'_>) -> Option<Replacement>;
}

/// Rewrites a manifest.
///
/// A group of HLS renditions that is left empty disappears from the variants that name it, and the codecs of its kind with it.
/// A DASH set or period without a track disappears; the periods after it start earlier.
///
/// Fails with [`Code::ManifestInvalid`] for a text that is no manifest of this format, with [`Code::ManifestTooLarge`] beyond
/// the [`limits`](super::limits), and with [`Code::FormatUnsupported`] for MP4.
pub fn rewrite(text: &str, format: MediaFormat, edits: &mut dyn Edits) -> Result<String> {
    rewrite_at(text, format, None, edits)
}

/// As [`rewrite`], with the URL of the manifest. An MPD without a `BaseURL` of its own gets that URL as one.
fn rewrite_at(text: &str, format: MediaFormat, url: Option<&Url>, edits: &mut dyn Edits) -> Result<String> {
    if text.len() as u64 > MAX_MANIFEST_BYTES {
        return Err(Error::new(Code::ManifestTooLarge, "the manifest is larger than any real one"));
    }
    match format {
        MediaFormat::Hls => hls::rewrite(text, url, edits),
        MediaFormat::Dash => dash::rewrite(text, url, edits),
        MediaFormat::Mp4 => Err(Error::new(Code::FormatUnsupported, "an MP4 file has no manifest to rewrite")),
    }
}

/// Makes every reference of a manifest independent of the manifest's own place: HLS references become absolute, and an MPD gets
/// an absolute `BaseURL`. Keeps the tracks that `keeps` returns true for. `url` is the manifest's URL after redirects. The
/// result has the encoding of the manifest.
///
/// Fails as [`rewrite`] does, and with [`Code::UrlInvalid`] for a reference that no URL can be made of.
pub fn make_absolute(
    manifest: &[u8],
    format: MediaFormat,
    url: &str,
    keeps: &mut dyn FnMut(TrackAt) -> bool,
) -> Result<Vec<u8>> {
    let url = &Url::parse(url)
        .map_err(|cause| Error::new(Code::UrlInvalid, "the manifest's URL is not absolute").caused_by(cause))?;
    let (text, encoding) = text::decode_with_encoding(manifest)?;
    let mut edits = Absolute { url, format, keeps, failed: false };
    let rewritten = rewrite_at(&text, format, Some(url), &mut edits)?;
    if edits.failed {
        return Err(Error::new(Code::UrlInvalid, "a reference in the manifest is not a URL"));
    }
    Ok(encoding.encode(rewritten))
}

struct Absolute<'a> {
    url: &'a Url,
    format: MediaFormat,
    keeps: &'a mut dyn FnMut(TrackAt) -> bool,
    failed: bool,
}

impl Edits for Absolute<'_> {
    fn keeps(&mut self, track: TrackAt) -> bool {
        (self.keeps)(track)
    }

    fn replace(&mut self, reference: Reference<'_>) -> Option<Replacement> {
        // Everything relative in an MPD depends on its top BaseURL.
        if self.format == MediaFormat::Dash && reference.kind != (ReferenceKind::Base { is_top: true }) {
            return None;
        }
        let written = reference.text.trim();
        match self.url.join(written) {
            // `skd:` and `data:` are absolute, too, and must not be normalized.
            Ok(_) if scheme(written).is_some() => (written != reference.text).then(|| written.to_owned().into()),
            Ok(url) => Some(String::from(url).into()),
            Err(_) => {
                self.failed = true;
                None
            }
        }
    }
}

/// Replacements of spans of a text. A span inside a removed one is not applied.
#[derive(Default)]
struct Patches(BTreeMap<(usize, std::cmp::Reverse<usize>), String>);

impl Patches {
    fn replace(&mut self, span: Range<usize>, text: String) {
        self.0.insert((span.start, std::cmp::Reverse(span.end)), text);
    }

    fn remove(&mut self, span: Range<usize>) {
        self.replace(span, String::new());
    }

    fn apply(self, text: &str) -> String {
        let mut result = String::with_capacity(text.len());
        let mut done = 0;
        for ((start, std::cmp::Reverse(end)), replacement) in self.0 {
            if start < done {
                continue;
            }
            result.push_str(text.get(done..start).unwrap_or_default());
            result.push_str(&replacement);
            done = end;
        }
        result.push_str(text.get(done..).unwrap_or_default());
        result
    }
}

#[cfg(test)]
mod tests;
