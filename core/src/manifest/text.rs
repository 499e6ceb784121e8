//! Bytes of a manifest to text and back: UTF-8, or UTF-16 with a byte order mark. Base64 in manifests.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::error::{Code, Error, Result};

/// How the text of a manifest is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    Utf8WithMark,
    Utf16Le,
    Utf16Be,
}

impl Encoding {
    /// Returns the text in this encoding, with the byte order mark that the source had.
    pub(super) fn encode(self, text: String) -> Vec<u8> {
        let marked =
            |unit: fn(u16) -> [u8; 2]| "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(unit).collect();
        match self {
            Self::Utf8 => text.into_bytes(),
            Self::Utf8WithMark => ["\u{feff}", &text].concat().into_bytes(),
            Self::Utf16Le => marked(u16::to_le_bytes),
            Self::Utf16Be => marked(u16::to_be_bytes),
        }
    }
}

/// Returns the text of a manifest, without its byte order mark.
///
/// XML may be UTF-16 if a mark says so (XML 1.0, 4.3.3). RFC 8216 requires UTF-8 for playlists, but a file that was saved
/// by a Windows editor is read as well. Fails with [`Code::ManifestInvalid`] for anything else.
pub(super) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>> {
    decode_with_encoding(bytes).map(|(text, _)| text)
}

/// As [`decode`], with the encoding, so that the text can be written back as it was.
pub(super) fn decode_with_encoding(bytes: &[u8]) -> Result<(Cow<'_, str>, Encoding)> {
    match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => Ok((Cow::Borrowed(utf8(rest)?), Encoding::Utf8WithMark)),
        [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] => Err(wrong("UTF-32")),
        [0xFF, 0xFE, rest @ ..] => Ok((Cow::Owned(utf16(rest, u16::from_le_bytes)?), Encoding::Utf16Le)),
        [0xFE, 0xFF, rest @ ..] => Ok((Cow::Owned(utf16(rest, u16::from_be_bytes)?), Encoding::Utf16Be)),
        [b'<' | b'#', 0, ..] | [0, b'<' | b'#', ..] => Err(wrong("UTF-16 without a byte order mark")),
        _ => Ok((Cow::Borrowed(utf8(bytes)?), Encoding::Utf8)),
    }
}

/// Decodes Base64 as manifests have it: broken into lines, with or without padding.
pub(super) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    const ANY_PADDING: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const ENGINE: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, ANY_PADDING);
    if text.contains(|c: char| c.is_ascii_whitespace()) {
        let joined: String = text.split_ascii_whitespace().collect();
        return ENGINE.decode(joined).ok();
    }
    ENGINE.decode(text).ok()
}

fn wrong(what: &str) -> Error {
    Error::new(Code::ManifestInvalid, format!("the manifest is in {what}; it must be UTF-8"))
}

fn utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|error| {
        Error::new(Code::ManifestInvalid, format!("the manifest is not UTF-8: bad byte at {}", error.valid_up_to()))
    })
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String> {
    let pairs = bytes.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return Err(Error::new(Code::ManifestInvalid, "the manifest is UTF-16 with half a character at its end"));
    }
    let units = pairs.map(|pair| match *pair {
        [a, b] => unit([a, b]),
        _ => 0xFFFD,
    });
    char::decode_utf16(units).collect::<Result<String, _>>().map_err(|_| {
        Error::new(Code::ManifestInvalid, "the manifest is not UTF-16, though its byte order mark says so")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf8_and_utf16_with_a_mark_are_read() {
        let text = "<MPD id='ü🍎'/>";
        let be: Vec<u8> = "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect();
        let le: Vec<u8> = "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        for bytes in [text.as_bytes(), format!("\u{feff}{text}").as_bytes(), &be, &le] {
            let (read, encoding) = decode_with_encoding(bytes).unwrap();
            assert_eq!(read, text);
            assert_eq!(encoding.encode(read.into_owned()), bytes);
        }
    }

    #[test]
    fn base64_may_be_broken_into_lines() {
        assert_eq!(decode_base64(" AQ\n IDBA ").as_deref(), Some(&[1, 2, 3, 4][..]));
    }

    #[test]
    fn another_encoding_is_refused_with_its_name_or_the_bad_byte() {
        for (bytes, says) in [
            (&b"<MPD id='\xfc'/>"[..], "bad byte at 9"),
            (b"<\0M\0P\0D\0", "without a byte order mark"),
            (b"\0<\0M", "without a byte order mark"),
            (b"\xff\xfe<\0M", "half a character"),
            (b"\xff\xfe\0\xd8", "not UTF-16"),
            (b"\xff\xfe\0\0<\0\0\0", "UTF-32"),
        ] {
            let error = decode(bytes).unwrap_err();
            assert_eq!(error.code(), Code::ManifestInvalid);
            assert!(error.message().contains(says), "{error}");
        }
    }
}
