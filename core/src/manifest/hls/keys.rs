//! Key tags: `EXT-X-KEY` and `EXT-X-SESSION-KEY` (RFC 8216, 4.3.2.4 and 4.3.4.5).
//!
//! Read here and not by m3u8-rs, which keeps one `EXT-X-KEY` for a segment where several key systems give one each,
//! drops `KEYID`, and refuses `METHOD=NONE` without an IV.

use percent_encoding::percent_decode_str;

use super::attributes::attributes;
use crate::manifest::pssh;
use crate::manifest::reference::scheme;
use crate::manifest::text::decode_base64;
use crate::model::{DrmScheme, KeyId};

/// One key tag.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyTag {
    /// How segments are encrypted.
    pub method: Method,
    /// Where the key is, as written.
    pub uri: Option<String>,
    /// Whose URI that is.
    pub key_format: KeyFormat,
    /// The key's id: Widevine's addition to the tag.
    pub key_id: Option<KeyId>,
}

/// Without the URI, which may hold a token or a key.
impl std::fmt::Debug for KeyTag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyTag")
            .field("method", &self.method)
            .field("key_format", &self.key_format)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

/// How segments are encrypted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Not at all.
    None,
    /// Each segment as a whole: `AES-128`, `AES-256`.
    Whole,
    /// Samples: `SAMPLE-AES`, `SAMPLE-AES-CTR` and the like.
    Sample,
}

/// Whose a key tag's URI is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyFormat {
    /// The key itself is at the URI: `identity`, or no format.
    Identity,
    /// A DRM scheme's.
    Drm(DrmScheme),
    /// One that Larder does not know.
    Unknown(String),
}

impl KeyTag {
    /// Reads the attributes of a key tag; None without `METHOD`.
    pub(super) fn read(list: &str) -> Option<Self> {
        let (mut method, mut uri, mut key_format, mut key_id) = (None, None, KeyFormat::Identity, None);
        for attribute in attributes(list) {
            let value = attribute.value.trim();
            match attribute.name {
                "METHOD" => method = Some(Method::read(value)),
                "URI" => uri = Some(value.to_owned()).filter(|uri| !uri.is_empty()),
                "KEYFORMAT" => key_format = KeyFormat::read(value),
                "KEYID" => key_id = hex_key_id(value),
                _ => {}
            }
        }
        Some(Self { method: method?, uri, key_format, key_id })
    }
}

impl Method {
    fn read(text: &str) -> Self {
        match text.to_ascii_uppercase().as_str() {
            "NONE" => Self::None,
            method if method.starts_with("AES-") => Self::Whole,
            // SAMPLE-AES-CENC is what Shaka Packager and ExoPlayer called SAMPLE-AES-CTR first.
            _ => Self::Sample,
        }
    }
}

impl KeyFormat {
    fn read(text: &str) -> Self {
        let lower = text.to_ascii_lowercase();
        match lower.as_str() {
            "" | "identity" => Self::Identity,
            "com.apple.streamingkeydelivery" => Self::Drm(DrmScheme::FairPlay),
            "com.microsoft.playready" => Self::Drm(DrmScheme::PlayReady),
            "org.w3.clearkey" => Self::Drm(DrmScheme::ClearKey),
            _ => lower
                .strip_prefix("urn:uuid:")
                .and_then(KeyId::parse)
                .and_then(|uuid| DrmScheme::from_system_id(&uuid.0))
                .map_or_else(|| Self::Unknown(text.to_owned()), Self::Drm),
        }
    }
}

/// `0x` and hexadecimal digits; some packagers leave the prefix out or write a UUID.
fn hex_key_id(text: &str) -> Option<KeyId> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    KeyId::parse(digits).filter(|id| *id != KeyId([0; 16]))
}

/// Reads an initialization vector: `0x` and 32 hexadecimal digits (RFC 8216, 4.3.2.4).
pub(super) fn hex_iv(text: &str) -> Option<[u8; 16]> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
    if digits.len() > 32 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    u128::from_str_radix(digits, 16).ok().map(u128::to_be_bytes)
}

/// True for FairPlay's URIs: the scheme `skd` in any case, whatever follows it: a host, a path, a query, or nothing of
/// the kind. The URI is the app's and its key server's, and is passed on as it is.
pub fn is_skd(uri: &str) -> bool {
    scheme(uri.trim()).is_some_and(|scheme| scheme.eq_ignore_ascii_case("skd"))
}

/// The PSSH boxes in a key tag's `data:` URI, one after the other. None if the URI is of another kind or malformed.
///
/// Widevine and ClearKey put whole boxes there, PlayReady the bare object, which gets a box here.
pub fn pssh_of_data_uri(drm: DrmScheme, uri: &str) -> Option<Vec<u8>> {
    let bytes = data_of_uri(uri)?;
    if bytes.get(4..8) == Some(b"pssh") {
        return Some(bytes);
    }
    match drm {
        DrmScheme::PlayReady => pssh::wrap(pssh::PLAYREADY, &bytes).ok().map(|pssh| pssh.bytes),
        _ => None,
    }
}

/// The bytes of a `data:` URI (RFC 2397).
pub fn data_of_uri(uri: &str) -> Option<Vec<u8>> {
    let uri = uri.trim();
    let scheme = scheme(uri).filter(|scheme| scheme.eq_ignore_ascii_case("data"))?;
    let (kind, data) = uri.get(scheme.len() + 1..)?.split_once(',')?;
    let is_base64 = kind.rsplit(';').next().is_some_and(|last| last.trim().eq_ignore_ascii_case("base64"));
    if is_base64 {
        let text: String = percent_decode_str(data).decode_utf8().ok()?.into_owned();
        decode_base64(&text)
    } else {
        Some(percent_decode_str(data).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_formats_are_known_by_name_and_uuid_in_any_case() {
        for (list, format) in [
            ("METHOD=AES-128", KeyFormat::Identity),
            ("METHOD=AES-128,KEYFORMAT=\"identity\"", KeyFormat::Identity),
            ("KEYFORMAT=\"com.apple.streamingkeydelivery\",METHOD=X", KeyFormat::Drm(DrmScheme::FairPlay)),
            (
                "KEYFORMAT=\"urn:uuid:94CE86FB-07FF-4F43-ADB8-93D2FA968CA2\",METHOD=X",
                KeyFormat::Drm(DrmScheme::FairPlay),
            ),
            ("KEYFORMAT=\"com.microsoft.playready\",METHOD=X", KeyFormat::Drm(DrmScheme::PlayReady)),
            (
                "KEYFORMAT=\"URN:UUID:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed\",METHOD=X",
                KeyFormat::Drm(DrmScheme::Widevine),
            ),
            (
                "KEYFORMAT=\"urn:uuid:e2719d58-a985-b3c9-781a-b030af78d30e\",METHOD=X",
                KeyFormat::Drm(DrmScheme::ClearKey),
            ),
            ("KEYFORMAT=\"com.widevine\",METHOD=X", KeyFormat::Unknown("com.widevine".to_owned())),
        ] {
            assert_eq!(KeyTag::read(list).unwrap().key_format, format, "{list}");
        }
        assert_eq!(KeyTag::read("URI=\"x\""), None);
    }

    #[test]
    fn methods_and_key_ids_are_read_in_the_spellings_that_exist() {
        let method = |text: &str| KeyTag::read(&format!("METHOD={text}")).unwrap().method;
        assert_eq!(method("NONE"), Method::None);
        assert_eq!([method("AES-128"), method("AES-256")], [Method::Whole, Method::Whole]);
        assert_eq!([method("SAMPLE-AES"), method("SAMPLE-AES-CTR")], [Method::Sample, Method::Sample]);
        let key_id = |text: &str| KeyTag::read(&format!("METHOD=X,KEYID={text}")).unwrap().key_id;
        let expected = Some(KeyId([0xAB; 16]));
        for text in [
            "0xABABABABABABABABABABABABABABABAB",
            "abababababababababababababababab",
            "\"abababab-abab-abab-abab-abababababab\"",
        ] {
            assert_eq!(key_id(text), expected, "{text}");
        }
        assert_eq!([key_id("0x00"), key_id("0x00000000000000000000000000000000")], [None, None]);
    }

    #[test]
    fn skd_uris_are_known_in_any_legal_form() {
        for uri in [
            "skd://abc",
            "SKD://abc",
            "sKd://host/path?assetId=1&b=2#c",
            "skd:opaque",
            " skd://drmtoday?assetId=%7B1%7D ",
            "skd://",
        ] {
            assert!(is_skd(uri), "{uri}");
        }
        for uri in ["https://skd", "skdx://a", "skd", "data:skd://"] {
            assert!(!is_skd(uri), "{uri}");
        }
    }

    #[test]
    fn data_uris_give_their_bytes() {
        for uri in [
            "data:text/plain;base64,AQID",
            "data:;base64,AQID",
            "DATA:text/plain;charset=UTF-16;BASE64,AQID",
            "data:,%01%02%03",
            "data:x;base64,AQ%49D",
        ] {
            assert_eq!(data_of_uri(uri).as_deref(), Some(&[1, 2, 3][..]), "{uri}");
        }
        assert_eq!(decode_base64(" AQ\n IDBA ").as_deref(), Some(&[1, 2, 3, 4][..]));
        for uri in ["data:text/plain;base64", "data:;base64,%%%", "data:;base64,A", "https://x/,y"] {
            assert_eq!(data_of_uri(uri), None, "{uri}");
        }
    }

    #[test]
    fn a_bare_playready_object_gets_a_box_and_a_box_stays() {
        let object = pssh_of_data_uri(DrmScheme::PlayReady, "data:text/plain;base64,AQID").unwrap();
        assert_eq!(pssh::parse_all(&object).unwrap()[0].data, [1, 2, 3]);
        assert_eq!(pssh_of_data_uri(DrmScheme::Widevine, "data:text/plain;base64,AQID"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_tag_makes_the_reader_panic(list in ".{0,100}", uri in "(data:)?.{0,60}") {
            KeyTag::read(&list);
            is_skd(&uri);
            data_of_uri(&uri);
        }
    }
}
