//! From what the media says to what an engine is asked: which scheme, and how many licences. Pure.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::{Code, Error, Result};
use crate::manifest::Protection;
use crate::model::{DrmParams, DrmScheme, InitData, KeyId, KeyRequest};

/// The licences that an asset needs, and with which of its source's parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) params: DrmParams,
    pub(crate) requests: Vec<KeyRequest>,
}

/// Chooses the first of the source's DRM parameters that an engine serves and the media speaks, and asks for as few
/// licences as cover all tracks.
///
/// Fails with `DrmParamsMissing`, `DrmUnsupported`, `InitDataMissing` or `SessionKeyMissing`.
pub(crate) fn plan(protection: &Protection, offered: &[DrmParams], engines: &[DrmScheme]) -> Result<Plan> {
    if offered.is_empty() {
        return Err(Error::new(
            Code::DrmParamsMissing,
            "the media is protected, but its source has no DRM parameters: give scheme and licence URL",
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
        // ClearKey asks by key id alone, so one request is enough for everything the media names.
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
        DrmScheme::Widevine | DrmScheme::PlayReady => widest(&protection.for_scheme(params.scheme)?)
            .into_iter()
            .filter_map(|data| Some(request(data.pssh.clone()?, data.key_ids.clone())))
            .collect(),
    };
    if requests.is_empty() {
        return Err(Error::new(
            Code::InitDataMissing,
            format!("the media names neither init data nor key ids for {}", params.scheme),
        ));
    }
    Ok(requests)
}

/// The W3C's `keyids` init data (EME initialization data format registry).
fn keyids_init_data(key_ids: &[KeyId]) -> Vec<u8> {
    let kids: Vec<String> = key_ids.iter().map(|id| URL_SAFE_NO_PAD.encode(id.0)).collect();
    serde_json::json!({ "kids": kids }).to_string().into_bytes()
}

/// Drops init data whose keys another one covers: each costs a round trip and a place in the CDM.
fn widest<'a>(all: &[&'a InitData]) -> Vec<&'a InitData> {
    let covers = |wide: &InitData, narrow: &InitData| {
        !narrow.key_ids.is_empty() && narrow.key_ids.iter().all(|id| wide.key_ids.contains(id))
    };
    all.iter()
        .enumerate()
        .filter(|(index, data)| {
            !all.iter().enumerate().any(|(other, wide)| {
                other != *index && covers(wide, data) && (wide.key_ids.len() > data.key_ids.len() || other < *index)
            })
        })
        .map(|(_, data)| *data)
        .collect()
}
