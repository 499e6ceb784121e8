//! Chooses the scheme and the license requests for a media's protection. Pure.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::{Code, Error, Result};
use crate::manifest::Protection;
use crate::model::{DrmParams, DrmScheme, InitData, KeyId, KeyRequest};
use crate::store::LicenseRow;

/// The most licenses of one asset. A device holds some two hundred licenses for all of its apps together
/// (google/ExoPlayer#11202).
pub(crate) const MAX_LICENSES: usize = 64;
/// The most init data of one scheme. No real title has more, and comparing all of it would take long.
const MAX_INIT_DATA: usize = 1_000;

/// The licenses that an asset needs, and the DRM parameters to request them with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) params: DrmParams,
    pub(crate) requests: Vec<KeyRequest>,
}

/// Chooses the first of the source's DRM parameters whose scheme has an engine and init data in the media, and requests
/// as few licenses as cover all tracks.
///
/// Fails with `DrmParamsMissing`, `DrmUnsupported`, `InitDataMissing` or `SessionKeyMissing`.
pub(crate) fn plan(protection: &Protection, offered: &[DrmParams], engines: &[DrmScheme]) -> Result<Plan> {
    if offered.is_empty() {
        return Err(Error::new(
            Code::DrmParamsMissing,
            "the media is protected, but its source has no DRM parameters: give scheme and license URL",
        ));
    }
    let mut first_failure = None;
    for params in offered.iter().filter(|params| engines.contains(&params.scheme)) {
        match requests(protection, params) {
            Ok(requests) => return Ok(Plan { params: params.clone(), requests }),
            Err(error) => first_failure = first_failure.or(Some(error)),
        }
    }
    Err(first_failure.unwrap_or_else(|| {
        let schemes: Vec<_> = offered.iter().map(|params| params.scheme.as_str()).collect();
        Error::new(
            Code::DrmUnsupported,
            format!("no engine is registered for any scheme of the source ({})", schemes.join(", ")),
        )
    }))
}

fn requests(protection: &Protection, params: &DrmParams) -> Result<Vec<KeyRequest>> {
    let request = |init_data: Vec<u8>, key_ids: Vec<KeyId>| KeyRequest {
        scheme: params.scheme,
        init_data,
        key_ids,
        mime: protection.mime.to_owned(),
        certificate: params.certificate.clone(),
        security_level: params.security_level,
    };
    let requests: Vec<KeyRequest> = match params.scheme {
        // ClearKey requests licenses by key id, so one request is enough for all keys that the media names.
        DrmScheme::ClearKey => {
            let named = protection.init_data.iter().flat_map(|data| data.key_ids.iter().copied());
            let key_ids: BTreeSet<KeyId> = protection.required_key_ids().into_iter().chain(named).collect();
            let key_ids: Vec<KeyId> = key_ids.into_iter().collect();
            if key_ids.is_empty() { Vec::new() } else { vec![request(keyids_init_data(&key_ids), key_ids)] }
        }
        DrmScheme::FairPlay => protection
            .for_scheme(params.scheme)?
            .into_iter()
            .filter_map(|data| Some(request(data.uri.clone()?.into_bytes(), data.key_ids.clone())))
            .collect(),
        DrmScheme::Widevine | DrmScheme::PlayReady => widest(&protection.for_scheme(params.scheme)?)?
            .into_iter()
            .filter_map(|data| Some(request(data.pssh.clone()?, data.key_ids.clone())))
            .collect(),
    };
    if requests.len() > MAX_LICENSES {
        return Err(too_many(requests.len()));
    }
    if requests.is_empty() {
        return Err(Error::new(
            Code::InitDataMissing,
            format!("the media names neither init data nor key ids for {}", params.scheme),
        ));
    }
    Ok(requests)
}

/// True if these licenses are known to have every key that a request names.
pub(crate) fn has_keys(licenses: &[LicenseRow], request: &KeyRequest) -> bool {
    let has = |id: &KeyId| licenses.iter().any(|row| row.key_ids.as_ref().is_some_and(|ids| ids.contains(id)));
    !request.key_ids.is_empty() && request.key_ids.iter().all(has)
}

/// The W3C's `keyids` init data (EME initialization data format registry).
fn keyids_init_data(key_ids: &[KeyId]) -> Vec<u8> {
    let kids: Vec<String> = key_ids.iter().map(|id| URL_SAFE_NO_PAD.encode(id.0)).collect();
    serde_json::json!({ "kids": kids }).to_string().into_bytes()
}

/// Drops init data whose keys other init data covers, because each license costs a round trip and a place in the CDM.
fn widest<'a>(all: &[&'a InitData]) -> Result<Vec<&'a InitData>> {
    if all.len() > MAX_INIT_DATA {
        return Err(too_many(all.len()));
    }
    let covers = |wide: &InitData, narrow: &InitData| {
        !narrow.key_ids.is_empty() && narrow.key_ids.iter().all(|id| wide.key_ids.contains(id))
    };
    Ok(all
        .iter()
        .enumerate()
        .filter(|(index, data)| {
            !all.iter().enumerate().any(|(other, wide)| {
                other != *index && covers(wide, data) && (wide.key_ids.len() > data.key_ids.len() || other < *index)
            })
        })
        .map(|(_, data)| *data)
        .collect())
}

fn too_many(count: usize) -> Error {
    Error::new(
        Code::ManifestTooLarge,
        format!("the media needs {count} licenses; at most {MAX_LICENSES} are acquired for one asset"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{InitDataTrack, TrackKind};

    fn init_data(scheme: DrmScheme, pssh: u8, key_ids: &[u8]) -> InitData {
        InitData {
            scheme: Some(scheme),
            system_id: None,
            key_ids: key_ids.iter().map(|id| KeyId([*id; 16])).collect(),
            pssh: Some(vec![pssh]),
            uri: Some(format!("skd://{pssh}")),
            tracks: vec![InitDataTrack { kind: TrackKind::Video, name: "v".into() }],
        }
    }

    fn media(init_data: Vec<InitData>) -> Protection {
        Protection {
            is_protected: true,
            init_data,
            required_keys: vec![],
            mime: "video/mp4",
            key_files: vec![],
            license_urls: vec![],
            issues: vec![],
        }
    }

    fn init_data_of_requests(media: &Protection, scheme: DrmScheme) -> Result<Vec<Vec<u8>>> {
        let plan = plan(media, &[DrmParams::new(scheme, "https://host/")], &[scheme])?;
        Ok(plan.requests.into_iter().map(|request| request.init_data).collect())
    }

    #[test]
    fn init_data_whose_keys_are_in_other_init_data_is_not_requested() {
        let widevine = DrmScheme::Widevine;
        let media = media(vec![
            init_data(widevine, 1, &[1]),
            init_data(widevine, 2, &[1, 2]),
            init_data(widevine, 3, &[2, 1]),
            init_data(widevine, 4, &[]),
            init_data(DrmScheme::PlayReady, 5, &[1, 2]),
        ]);
        // The second covers the first and equals the third; the fourth does not state its keys.
        assert_eq!(init_data_of_requests(&media, widevine).unwrap(), [vec![2], vec![4]]);
    }

    #[test]
    fn clear_key_sends_one_request_and_fair_play_one_per_key() {
        let media = media(vec![init_data(DrmScheme::FairPlay, 1, &[1]), init_data(DrmScheme::FairPlay, 2, &[2])]);
        assert_eq!(
            init_data_of_requests(&media, DrmScheme::FairPlay).unwrap(),
            [b"skd://1".to_vec(), b"skd://2".to_vec()]
        );
        let clear_key = init_data_of_requests(&media, DrmScheme::ClearKey).unwrap();
        assert_eq!(clear_key.len(), 1);
        let json = std::str::from_utf8(&clear_key[0]).unwrap().to_owned();
        assert_eq!(json, r#"{"kids":["AQEBAQEBAQEBAQEBAQEBAQ","AgICAgICAgICAgICAgICAg"]}"#);
    }

    #[test]
    fn a_title_that_needs_hundreds_of_licenses_is_refused() {
        for count in [65_u16, 5000] {
            let many = (0..count).map(|n| InitData {
                pssh: Some(n.to_be_bytes().to_vec()),
                key_ids: vec![],
                ..init_data(DrmScheme::Widevine, 0, &[])
            });
            let error = init_data_of_requests(&media(many.collect()), DrmScheme::Widevine).unwrap_err();
            assert_eq!(error.code(), Code::ManifestTooLarge);
        }
    }

    #[test]
    fn the_first_scheme_with_an_engine_and_init_data_is_chosen() {
        let media = media(vec![init_data(DrmScheme::Widevine, 1, &[1])]);
        let offered = [
            DrmParams::new(DrmScheme::PlayReady, "https://p/"),
            DrmParams::new(DrmScheme::FairPlay, "https://f/"),
            DrmParams::new(DrmScheme::Widevine, "https://w/"),
        ];
        let engines = [DrmScheme::FairPlay, DrmScheme::Widevine];
        assert_eq!(plan(&media, &offered, &engines).unwrap().params.license_url, "https://w/");
        assert_eq!(plan(&media, &offered, &[]).unwrap_err().code(), Code::DrmUnsupported);
        assert_eq!(plan(&media, &[], &engines).unwrap_err().code(), Code::DrmParamsMissing);
        let only_fair_play = plan(&media, &offered[..2], &engines).unwrap_err();
        assert_eq!(only_fair_play.code(), Code::SessionKeyMissing);
        assert!(only_fair_play.message().contains("EXT-X-SESSION-KEY"), "{only_fair_play}");
    }
}
