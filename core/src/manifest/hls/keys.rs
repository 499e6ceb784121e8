//! Key tags: `EXT-X-KEY` and `EXT-X-SESSION-KEY` (RFC 8216, 4.3.2.4 and 4.3.4.5).

use std::collections::HashSet;
use std::sync::Arc;

use percent_encoding::percent_decode_str;

use super::attributes::attributes;
use crate::manifest::pssh;
use crate::manifest::resolve::scheme;
use crate::manifest::text::decode_base64;
use crate::model::{DrmScheme, KeyId};

/// One key tag.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// `METHOD`, as written.
    pub method: Arc<str>,
    /// `URI`, as written. May hold a token or the key itself: never log it.
    pub uri: Option<Arc<str>>,
    /// `KEYFORMAT`, as written.
    pub format: Option<Arc<str>>,
    /// `KEYFORMATVERSIONS`, as written.
    pub format_versions: Option<Arc<str>>,
    /// `IV`. Without it, the IV of an identity key is the segment's number: see
    /// [`MediaPlaylist::iv`](super::MediaPlaylist::iv).
    pub iv: Option<[u8; 16]>,
    /// `KEYID`: Widevine's addition to the tag.
    pub key_id: Option<KeyId>,
}

/// Without the URI, which may hold a token or a key.
impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key")
            .field("method", &self.method)
            .field("format", &self.format)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

/// The part of a segment that is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyScope {
    /// Nothing (`NONE`).
    Nothing,
    /// The segment as a whole: `AES-128`, `AES-256`.
    Segment,
    /// Its samples: `SAMPLE-AES`, `SAMPLE-AES-CTR` and the like.
    Samples,
}

/// The system that the URI of a key tag belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeySystem {
    /// The key itself is at the URI: `identity`, or no format.
    Identity,
    /// A DRM scheme.
    Drm(DrmScheme),
    /// One that Larder does not know.
    Unknown(Arc<str>),
}

/// Texts that repeat in a playlist, each stored once.
#[derive(Default)]
pub(super) struct Names(HashSet<Arc<str>>);

impl Names {
    fn get(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return Arc::clone(known);
        }
        let name: Arc<str> = Arc::from(text);
        self.0.insert(Arc::clone(&name));
        name
    }
}

impl Key {
    /// Reads the attributes of a key tag; `None` without `METHOD`.
    pub(super) fn read(list: &str, names: &mut Names) -> Option<Self> {
        let (mut method, mut uri, mut format, mut format_versions) = (None, None, None, None);
        let (mut iv, mut key_id) = (None, None);
        for attribute in attributes(list) {
            let value = attribute.value.trim();
            let slot = match attribute.name {
                "METHOD" => &mut method,
                "URI" => &mut uri,
                "KEYFORMAT" => &mut format,
                "KEYFORMATVERSIONS" => &mut format_versions,
                "IV" => {
                    iv = hex_iv(value);
                    continue;
                }
                "KEYID" => {
                    key_id = hex_key_id(value);
                    continue;
                }
                _ => continue,
            };
            *slot = Some(value);
        }
        let mut name = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(|text| names.get(text));
        let (uri, format, format_versions) = (name(uri), name(format), name(format_versions));
        Some(Self { method: names.get(method?), uri, format, format_versions, iv, key_id })
    }

    /// Returns the part of a segment that the key encrypts.
    pub fn scope(&self) -> KeyScope {
        match self.method.to_ascii_uppercase().as_str() {
            "NONE" => KeyScope::Nothing,
            method if method.starts_with("AES-") => KeyScope::Segment,
            // Shaka Packager and ExoPlayer first wrote SAMPLE-AES-CENC for SAMPLE-AES-CTR.
            _ => KeyScope::Samples,
        }
    }

    /// Returns the system that the URI belongs to.
    pub fn system(&self) -> KeySystem {
        let Some(format) = &self.format else { return KeySystem::Identity };
        let lower = format.to_ascii_lowercase();
        match lower.as_str() {
            "identity" => KeySystem::Identity,
            "com.apple.streamingkeydelivery" => KeySystem::Drm(DrmScheme::FairPlay),
            "com.microsoft.playready" => KeySystem::Drm(DrmScheme::PlayReady),
            "org.w3.clearkey" => KeySystem::Drm(DrmScheme::ClearKey),
            _ => lower
                .strip_prefix("urn:uuid:")
                .and_then(KeyId::parse)
                .and_then(|uuid| DrmScheme::from_system_id(&uuid.0))
                .map_or_else(|| KeySystem::Unknown(Arc::clone(format)), KeySystem::Drm),
        }
    }
}

/// Reads an `IV`: `0x` and up to 32 hexadecimal digits.
fn hex_iv(text: &str) -> Option<[u8; 16]> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
    if digits.is_empty() || digits.len() > 32 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u128::from_str_radix(digits, 16).ok().map(u128::to_be_bytes)
}

/// Reads a `KEYID`: `0x` and hexadecimal digits. Some packagers omit the prefix or write a UUID.
fn hex_key_id(text: &str) -> Option<KeyId> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    KeyId::parse(digits).filter(|id| *id != KeyId([0; 16]))
}

/// Returns true for FairPlay's URIs: the scheme `skd` in any case, with or without a host, a path or a query. Only the app
/// and its key server read the URI; it is passed on unchanged.
pub fn is_skd(uri: &str) -> bool {
    scheme(uri.trim()).is_some_and(|scheme| scheme.eq_ignore_ascii_case("skd"))
}

/// Returns the PSSH boxes in a key tag's `data:` URI, one after the other. `None` if the URI is of another kind or
/// malformed.
///
/// Widevine and ClearKey put whole boxes there. PlayReady puts the bare object there, which is wrapped in a box.
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

/// Returns the bytes of a `data:` URI (RFC 2397).
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

    fn key(list: &str) -> Key {
        Key::read(list, &mut Names::default()).unwrap()
    }

    #[test]
    fn key_formats_are_known_by_name_and_uuid_in_any_case() {
        for (list, format) in [
            ("METHOD=AES-128", KeySystem::Identity),
            ("METHOD=AES-128,KEYFORMAT=\"identity\"", KeySystem::Identity),
            ("KEYFORMAT=\"com.apple.streamingkeydelivery\",METHOD=X", KeySystem::Drm(DrmScheme::FairPlay)),
            (
                "KEYFORMAT=\"urn:uuid:94CE86FB-07FF-4F43-ADB8-93D2FA968CA2\",METHOD=X",
                KeySystem::Drm(DrmScheme::FairPlay),
            ),
            ("KEYFORMAT=\"com.microsoft.playready\",METHOD=X", KeySystem::Drm(DrmScheme::PlayReady)),
            (
                "KEYFORMAT=\"URN:UUID:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed\",METHOD=X",
                KeySystem::Drm(DrmScheme::Widevine),
            ),
            (
                "KEYFORMAT=\"urn:uuid:e2719d58-a985-b3c9-781a-b030af78d30e\",METHOD=X",
                KeySystem::Drm(DrmScheme::ClearKey),
            ),
            ("KEYFORMAT=\"com.widevine\",METHOD=X", KeySystem::Unknown(Arc::from("com.widevine"))),
        ] {
            assert_eq!(key(list).system(), format, "{list}");
        }
        assert_eq!(Key::read("URI=\"x\"", &mut Names::default()), None);
    }

    #[test]
    fn methods_and_key_ids_are_read_in_the_spellings_that_exist() {
        let scope = |text: &str| key(&format!("METHOD={text}")).scope();
        assert_eq!(scope("NONE"), KeyScope::Nothing);
        assert_eq!([scope("AES-128"), scope("AES-256")], [KeyScope::Segment, KeyScope::Segment]);
        assert_eq!([scope("SAMPLE-AES"), scope("SAMPLE-AES-CTR")], [KeyScope::Samples, KeyScope::Samples]);
        let key_id = |text: &str| key(&format!("METHOD=X,KEYID={text}")).key_id;
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
    fn an_iv_has_up_to_thirty_two_digits_after_its_prefix() {
        let iv = |text: &str| key(&format!("METHOD=AES-128,IV={text}")).iv;
        let mut one = [0; 16];
        one[15] = 1;
        assert_eq!([iv("0x1"), iv("0X00000000000000000000000000000001")], [Some(one), Some(one)]);
        for malformed in ["1", "0x", "0x+1", "0xg", "0x000000000000000000000000000000001"] {
            assert_eq!(iv(malformed), None, "{malformed}");
        }
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
            Key::read(&list, &mut Names::default());
            is_skd(&uri);
            data_of_uri(&uri);
        }
    }
}
