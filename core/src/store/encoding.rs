//! How values of the model look in a column. The numbers and the JSON are part of the schema: they never change.
//!
//! Decoding gives `None` for what no Larder of this version has written.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use super::rows::{AssetState, IntentKind, IntentOutcome};
use crate::error::{Code, Error, Result};
use crate::model::license::HandleDigest;
use crate::model::{
    DrmParams, DrmScheme, InitDataTrack, KeyCoverage, KeyId, LicenseState, LicenseWire, MediaFormat, MediaSource,
    RenewalPolicy, SecurityLevel, TrackKind,
};

/// An enumeration as a small integer. Both directions of one table, so that they cannot differ.
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

pub(super) trait Coded: Sized {
    fn encode(self) -> u8;
    fn decode(number: u8) -> Option<Self>;
}

coded! {
    AssetState { Registering = 0, Registered = 1 }
    LicenseState { Intended = 0, Stored = 1, Active = 2, Superseded = 3, Releasing = 4, Released = 5, Forgotten = 6 }
    MediaFormat { Dash = 0, Hls = 1, Mp4 = 2 }
    DrmScheme { Widevine = 0, PlayReady = 1, FairPlay = 2, ClearKey = 3 }
    KeyCoverage { Unknown = 0, Covered = 1, Missing = 2 }
    SecurityLevel { Default = 0, L3 = 1 }
    IntentKind { New = 0, Continuation = 1 }
    IntentOutcome { InProgress = 0, Unknown = 1 }
}

pub(super) fn key_ids(ids: &[KeyId]) -> Vec<u8> {
    ids.iter().flat_map(|id| id.0).collect()
}

pub(super) fn key_ids_of(bytes: &[u8]) -> Option<Vec<KeyId>> {
    let (ids, rest) = bytes.as_chunks::<16>();
    rest.is_empty().then(|| ids.iter().map(|id| KeyId(*id)).collect())
}

pub(super) fn digests(digests: &[HandleDigest]) -> Vec<u8> {
    digests.iter().flat_map(|digest| digest.0).collect()
}

pub(super) fn digests_of(bytes: &[u8]) -> Option<Vec<HandleDigest>> {
    let (digests, rest) = bytes.as_chunks::<32>();
    rest.is_empty().then(|| digests.iter().map(|digest| HandleDigest(*digest)).collect())
}

/// Every key of every track, sorted, each once: what a list needs of `required_keys`.
pub(super) fn flat_key_ids(required: &[(InitDataTrack, Vec<KeyId>)]) -> Vec<KeyId> {
    let mut ids: Vec<KeyId> = required.iter().flat_map(|(_, ids)| ids.iter().copied()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

pub(super) fn source(source: &MediaSource) -> Result<String> {
    to_json(&SourceJson {
        id: source.id.clone(),
        url: source.url.clone(),
        format: source.format.map(|format| format.as_str().to_owned()),
        drm: source.drm.iter().map(ParamsJson::from).collect(),
    })
}

pub(super) fn source_of(json: &str) -> Option<MediaSource> {
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

pub(super) fn params(params: &DrmParams) -> Result<String> {
    to_json(&ParamsJson::from(params))
}

pub(super) fn params_of(json: &str) -> Option<DrmParams> {
    serde_json::from_str::<ParamsJson>(json).ok()?.decode()
}

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

pub(super) fn required_keys_of(json: &str) -> Option<Vec<(InitDataTrack, Vec<KeyId>)>> {
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

fn to_json(value: &impl Serialize) -> Result<String> {
    // The cause is dropped: it may quote the value.
    serde_json::to_string(value).map_err(|_| Error::new(Code::Internal, "a row cannot be written as JSON"))
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
    /// `true` for [`SecurityLevel::L3`].
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
    use super::*;

    fn all_numbers<T: Coded + Copy + PartialEq + std::fmt::Debug>(values: &[T]) {
        for (number, value) in (0_u8..).zip(values) {
            assert_eq!(value.encode(), number);
            assert_eq!(T::decode(number), Some(*value));
        }
        assert_eq!(T::decode(u8::try_from(values.len()).unwrap()), None);
        assert_eq!(T::decode(u8::MAX), None);
    }

    #[test]
    fn every_enumeration_has_its_released_numbers() {
        all_numbers(&[AssetState::Registering, AssetState::Registered]);
        all_numbers(&LicenseState::ALL);
        all_numbers(&[MediaFormat::Dash, MediaFormat::Hls, MediaFormat::Mp4]);
        all_numbers(&[DrmScheme::Widevine, DrmScheme::PlayReady, DrmScheme::FairPlay, DrmScheme::ClearKey]);
        all_numbers(&[KeyCoverage::Unknown, KeyCoverage::Covered, KeyCoverage::Missing]);
        all_numbers(&[SecurityLevel::Default, SecurityLevel::L3]);
        all_numbers(&[IntentKind::New, IntentKind::Continuation]);
        all_numbers(&[IntentOutcome::InProgress, IntentOutcome::Unknown]);
    }

    #[test]
    fn a_source_looks_in_json_as_it_did_in_version_1() {
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
        assert_eq!(source_of(&json), Some(full));
        let bare = MediaSource::default();
        assert_eq!(source(&bare).unwrap(), r#"{"id":"","url":""}"#);
        assert_eq!(source_of(&source(&bare).unwrap()), Some(bare));
    }

    #[test]
    fn what_nobody_wrote_does_not_decode() {
        assert_eq!(source_of("{"), None);
        assert_eq!(source_of(r#"{"id":"","url":"","format":"vhs"}"#), None);
        assert_eq!(params_of(r#"{"scheme":"x","license_url":"","wire":"raw","renewal":"in-place"}"#), None);
        assert_eq!(required_keys_of(r#"[{"kind":"video","name":"v","key_ids":["zz"]}]"#), None);
        assert_eq!(key_ids_of(&[0; 17]), None);
        assert_eq!(digests_of(&[0; 31]), None);
    }
}
