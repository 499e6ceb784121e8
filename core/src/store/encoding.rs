//! The encoding of the model's values in columns. The numbers and the JSON are part of the schema and never change.
//!
//! The decoders return `None` for a value that no Larder of this version has written.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use crate::error::{Code, Error, Result};
use crate::model::license::HandleDigest;
use crate::model::{
    DrmParams, DrmScheme, InitDataTrack, KeyCoverage, KeyId, LicenseState, LicenseWire, MediaFormat, MediaSource,
    RenewalPolicy, SecurityLevel, TrackKind,
};

/// An enumeration that a column holds as a small integer.
pub(super) trait Coded: Sized {
    fn encode(self) -> u8;
    fn decode(number: u8) -> Option<Self>;
}

/// Implements [`Coded`], both directions from one table, so that they cannot differ.
macro_rules! coded {
    ($($kind:ident { $($value:ident = $number:literal),* $(,)? })*) => {$(
        impl Coded for $kind {
            fn encode(self) -> u8 {
                match self { $(Self::$value => $number,)* }
            }
            fn decode(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$value),)* _ => None }
            }
        }
    )*};
}
pub(super) use coded;

coded! {
    LicenseState { Intended = 0, Stored = 1, Active = 2, Superseded = 3, Releasing = 4, Released = 5, Forgotten = 6 }
    MediaFormat { Dash = 0, Hls = 1, Mp4 = 2 }
    DrmScheme { Widevine = 0, PlayReady = 1, FairPlay = 2, ClearKey = 3 }
    KeyCoverage { Unknown = 0, Covered = 1, Missing = 2 }
    SecurityLevel { Default = 0, L3 = 1 }
}

/// Concatenates key ids.
pub(super) fn key_ids(ids: &[KeyId]) -> Vec<u8> {
    ids.iter().flat_map(|id| id.0).collect()
}

pub(super) fn decode_key_ids(bytes: &[u8]) -> Option<Vec<KeyId>> {
    let (ids, rest) = bytes.as_chunks::<16>();
    rest.is_empty().then(|| ids.iter().map(|id| KeyId(*id)).collect())
}

/// Concatenates digests.
pub(super) fn digests(digests: &[HandleDigest]) -> Vec<u8> {
    digests.iter().flat_map(|digest| digest.0).collect()
}

pub(super) fn decode_digests(bytes: &[u8]) -> Option<Vec<HandleDigest>> {
    let (digests, rest) = bytes.as_chunks::<32>();
    rest.is_empty().then(|| digests.iter().map(|digest| HandleDigest(*digest)).collect())
}

/// Encodes a media source as JSON.
pub(super) fn source(source: &MediaSource) -> Result<String> {
    to_json(&SourceJson {
        id: source.id.clone(),
        url: source.url.clone(),
        format: source.format.map(|format| format.as_str().to_owned()),
        drm: source.drm.iter().map(ParamsJson::from).collect(),
    })
}

pub(super) fn decode_source(json: &str) -> Option<MediaSource> {
    let json: SourceJson = serde_json::from_str(json).ok()?;
    Some(MediaSource {
        id: json.id,
        url: json.url,
        format: match json.format {
            Some(name) => Some(MediaFormat::parse(&name)?),
            None => None,
        },
        drm: json.drm.into_iter().map(ParamsJson::decode).collect::<Option<_>>()?,
    })
}

/// Encodes DRM parameters as JSON.
pub(super) fn params(params: &DrmParams) -> Result<String> {
    to_json(&ParamsJson::from(params))
}

pub(super) fn decode_params(json: &str) -> Option<DrmParams> {
    serde_json::from_str::<ParamsJson>(json).ok()?.decode()
}

/// Encodes the tracks and the keys that each needs as JSON.
pub(super) fn required_keys(required: &[(InitDataTrack, Vec<KeyId>)]) -> Result<String> {
    let json: Vec<TrackJson> = required
        .iter()
        .map(|(track, ids)| TrackJson {
            kind: track.kind.as_str().to_owned(),
            name: track.name.clone(),
            key_ids: ids.iter().map(|id| id.to_hex()).collect(),
        })
        .collect();
    to_json(&json)
}

pub(super) fn decode_required_keys(json: &str) -> Option<Vec<(InitDataTrack, Vec<KeyId>)>> {
    let json: Vec<TrackJson> = serde_json::from_str(json).ok()?;
    json.into_iter()
        .map(|track| {
            let kind = [TrackKind::Video, TrackKind::Audio, TrackKind::Text, TrackKind::Other]
                .into_iter()
                .find(|kind| kind.as_str() == track.kind)?;
            let ids = track.key_ids.iter().map(|id| KeyId::parse(id)).collect::<Option<_>>()?;
            Some((InitDataTrack { kind, name: track.name }, ids))
        })
        .collect()
}

/// Returns the host of a URL for a dump. The rest may be signed.
pub(super) fn dump_host(url: &str) -> Option<String> {
    url::Url::parse(url).ok()?.host_str().map(str::to_owned)
}

/// Returns DRM parameters for a dump, without the URLs and the certificate.
pub(super) fn dump_params(params: &DrmParams) -> serde_json::Value {
    serde_json::json!({
        "scheme": params.scheme.as_str(),
        "license_host": dump_host(&params.license_url),
        "wire": params.wire,
        "renewal": params.renewal,
        "l3": params.security_level == SecurityLevel::L3,
    })
}

/// Returns key ids in hexadecimal for a dump.
pub(super) fn dump_key_ids(ids: &[KeyId]) -> Vec<String> {
    ids.iter().map(|id| id.to_hex()).collect()
}

/// Returns the first eight hexadecimal digits of a digest for a dump: enough to tell handles apart.
pub(super) fn dump_digest(digest: HandleDigest) -> String {
    digest.0.iter().take(4).map(|byte| format!("{byte:02x}")).chain(["…".to_owned()]).collect()
}

fn to_json(value: &impl Serialize) -> Result<String> {
    // The cause is dropped, because it may quote the value.
    serde_json::to_string(value).map_err(|_| Error::new(Code::Internal, "encoding a database value as JSON failed"))
}

#[derive(Serialize, Deserialize)]
struct SourceJson {
    id: String,
    url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    format: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    drm: Vec<ParamsJson>,
}

#[derive(Serialize, Deserialize)]
struct ParamsJson {
    scheme: String,
    license_url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    certificate: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    certificate_url: Option<String>,
    wire: LicenseWire,
    renewal: RenewalPolicy,
    /// True for [`SecurityLevel::L3`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    l3: bool,
}

#[derive(Serialize, Deserialize)]
struct TrackJson {
    kind: String,
    name: String,
    key_ids: Vec<String>,
}

impl From<&DrmParams> for ParamsJson {
    fn from(params: &DrmParams) -> Self {
        Self {
            scheme: params.scheme.as_str().to_owned(),
            license_url: params.license_url.clone(),
            certificate: params.certificate.as_ref().map(|bytes| BASE64.encode(bytes)),
            certificate_url: params.certificate_url.clone(),
            wire: params.wire,
            renewal: params.renewal,
            l3: params.security_level == SecurityLevel::L3,
        }
    }
}

impl ParamsJson {
    fn decode(self) -> Option<DrmParams> {
        Some(DrmParams {
            scheme: DrmScheme::parse(&self.scheme)?,
            license_url: self.license_url,
            certificate: match self.certificate {
                Some(text) => Some(BASE64.decode(text).ok()?),
                None => None,
            },
            certificate_url: self.certificate_url,
            wire: self.wire,
            renewal: self.renewal,
            security_level: if self.l3 { SecurityLevel::L3 } else { SecurityLevel::Default },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AssetState, IntentKind, IntentOutcome};
    use super::*;

    fn has_numbers<T: Coded + Copy + PartialEq + std::fmt::Debug>(values: &[T]) {
        for (number, value) in (0_u8..).zip(values) {
            assert_eq!(value.encode(), number);
            assert_eq!(T::decode(number), Some(*value));
        }
        assert_eq!(T::decode(u8::try_from(values.len()).unwrap()), None);
        assert_eq!(T::decode(u8::MAX), None);
    }

    #[test]
    fn enumerations_keep_their_released_numbers() {
        has_numbers(&[AssetState::Registering, AssetState::Registered]);
        has_numbers(&LicenseState::ALL);
        has_numbers(&[MediaFormat::Dash, MediaFormat::Hls, MediaFormat::Mp4]);
        has_numbers(&[DrmScheme::Widevine, DrmScheme::PlayReady, DrmScheme::FairPlay, DrmScheme::ClearKey]);
        has_numbers(&[KeyCoverage::Unknown, KeyCoverage::Covered, KeyCoverage::Missing]);
        has_numbers(&[SecurityLevel::Default, SecurityLevel::L3]);
        has_numbers(&[IntentKind::New, IntentKind::Continuation]);
        has_numbers(&[IntentOutcome::InProgress, IntentOutcome::Unknown]);
    }

    #[test]
    fn a_media_source_is_the_json_of_version_1() {
        let mut params = DrmParams::new(DrmScheme::FairPlay, "https://l.example/?t=1");
        params.certificate = Some(vec![0, 255]);
        params.certificate_url = Some("https://c.example".to_owned());
        params.wire = LicenseWire::Form;
        params.renewal = RenewalPolicy::InPlace;
        params.security_level = SecurityLevel::L3;
        let full = MediaSource {
            id: "s".to_owned(),
            url: "https://m.example/a.m3u8".to_owned(),
            format: Some(MediaFormat::Hls),
            drm: vec![params],
        };
        let json = source(&full).unwrap();
        assert_eq!(
            json,
            r#"{"id":"s","url":"https://m.example/a.m3u8","format":"hls","drm":[{"scheme":"fairplay","license_url":"https://l.example/?t=1","certificate":"AP8=","certificate_url":"https://c.example","wire":"form","renewal":"in-place","l3":true}]}"#
        );
        assert_eq!(decode_source(&json), Some(full));
        let bare = MediaSource::default();
        assert_eq!(source(&bare).unwrap(), r#"{"id":"","url":""}"#);
        assert_eq!(decode_source(&source(&bare).unwrap()), Some(bare));
    }

    #[test]
    fn invalid_values_do_not_decode() {
        assert_eq!(decode_source("{"), None);
        assert_eq!(decode_source(r#"{"id":"","url":"","format":"vhs"}"#), None);
        assert_eq!(decode_params(r#"{"scheme":"x","license_url":"","wire":"raw","renewal":"in-place"}"#), None);
        assert_eq!(decode_required_keys(r#"[{"kind":"video","name":"v","key_ids":["zz"]}]"#), None);
        assert_eq!(decode_key_ids(&[0; 17]), None);
        assert_eq!(decode_digests(&[0; 31]), None);
    }
}
