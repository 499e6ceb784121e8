//! Bytes of a manifest to text: UTF-8, or UTF-16 with a byte order mark. And base64 as manifests write it.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::error::{Code, Error, Result};

/// The text of a manifest, without its byte order mark.
///
/// XML may be UTF-16 if it says so with a mark (XML 1.0, 4.3.3); RFC 8216 wants UTF-8 for playlists, but a file that
/// was saved from a Windows editor is as readable. Fails with [`Code::ManifestInvalid`] for anything else.
pub fn decode(bytes: &[u8]) -> Result<Cow<'_, str>> {
    match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => utf8(rest).map(Cow::Borrowed),
        [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] => Err(wrong("UTF-32")),
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes).map(Cow::Owned),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes).map(Cow::Owned),
        [b'<' | b'#', 0, ..] | [0, b'<' | b'#', ..] => Err(wrong("UTF-16 without a byte order mark")),
        _ => utf8(bytes).map(Cow::Borrowed),
    }
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

/// Decodes base64 as manifests write it: broken into lines, with or without padding.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf8_and_utf16_with_a_mark_are_read() {
        let text = "<MPD id='ü🍎'/>";
        let be: Vec<u8> = "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect();
        let le: Vec<u8> = "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        for bytes in [text.as_bytes(), format!("\u{feff}{text}").as_bytes(), &be, &le] {
            assert_eq!(decode(bytes).unwrap(), text);
        }
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
