//! Reads the key ids of ClearKey init data: EME's `keyids` JSON, or PSSH boxes of version 1.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::error::{Code, Error, Result};
use crate::license::wire::clearkey::parse_kid;
use crate::manifest::pssh::{self, PsshBox};
use crate::model::{DrmScheme, KeyId, KeyRequest};

/// The most keys of one title.
const MAX_KEYS: usize = 1024;

/// Returns the keys of the init data and of the request, each once.
///
/// Fails with `InitDataMissing` if there are none, and with `ManifestInvalid` if the init data is malformed.
pub(super) fn key_ids(request: &KeyRequest) -> Result<Vec<KeyId>> {
    let data = request.init_data.trim_ascii();
    let mut ids: BTreeSet<KeyId> = match data.first() {
        None => BTreeSet::new(),
        Some(b'{') => of_json(data)?,
        Some(_) => of_boxes(&request.init_data)?,
    };
    ids.extend(&request.key_ids);
    if ids.is_empty() {
        return Err(Error::new(
            Code::InitDataMissing,
            "the media names no key id, and ClearKey requests licenses by key id",
        ));
    }
    if ids.len() > MAX_KEYS {
        return Err(Error::new(Code::ManifestTooLarge, format!("the media names more than {MAX_KEYS} keys")));
    }
    Ok(ids.into_iter().collect())
}

/// Reads the "keyids" initialization data format of Encrypted Media Extensions: `{"kids":["<base64url>"]}`.
fn of_json(data: &[u8]) -> Result<BTreeSet<KeyId>> {
    #[derive(Deserialize)]
    struct KeyIds {
        kids: Vec<String>,
    }
    let parsed: KeyIds = serde_json::from_slice(data).map_err(|_| malformed())?;
    parsed.kids.iter().map(|kid| parse_kid(kid)).collect::<Option<_>>().ok_or_else(malformed)
}

/// Returns the key ids of the boxes of ClearKey and the common system, or, if they list none, of all boxes.
fn of_boxes(data: &[u8]) -> Result<BTreeSet<KeyId>> {
    let boxes = pssh::parse_all(data)?;
    let own = boxes.iter().filter(|one| one.scheme() == Some(DrmScheme::ClearKey));
    let ids: BTreeSet<KeyId> = own.flat_map(PsshBox::stated_key_ids).collect();
    if ids.is_empty() { Ok(boxes.iter().flat_map(PsshBox::stated_key_ids).collect()) } else { Ok(ids) }
}

fn malformed() -> Error {
    Error::new(Code::ManifestInvalid, "the ClearKey init data is not JSON in EME's keyids format")
}
