//! Which keys ClearKey init data asks for: EME's `keyids` JSON, or PSSH boxes of version 1.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::error::{Code, Error, Result};
use crate::license::wire::clearkey::parse_kid;
use crate::model::{DrmScheme, KeyId, KeyRequest};

/// No title has more.
const MAX_KEYS: usize = 1024;

/// The keys of the init data and those that the request names, without doubles. Fails with `InitDataMissing` if there
/// are none, and with `ManifestInvalid` if the init data is malformed.
pub(super) fn key_ids(request: &KeyRequest) -> Result<Vec<KeyId>> {
    let data = request.init_data.trim_ascii();
    let mut ids: BTreeSet<KeyId> = match data.first() {
        None => BTreeSet::new(),
        Some(b'{') => of_json(data)?,
        Some(_) => of_boxes(&request.init_data)?,
    };
    ids.extend(&request.key_ids);
    if ids.is_empty() {
        return Err(Error::new(Code::InitDataMissing, "the media names no key id, and ClearKey asks by key id"));
    }
    if ids.len() > MAX_KEYS {
        return Err(Error::new(Code::ManifestTooLarge, format!("the media names more than {MAX_KEYS} keys")));
    }
    Ok(ids.into_iter().collect())
}

/// Encrypted Media Extensions, "keyids" initialization data format: `{"kids":["<base64url>"]}`.
fn of_json(data: &[u8]) -> Result<BTreeSet<KeyId>> {
    #[derive(Deserialize)]
    struct KeyIds {
        kids: Vec<String>,
    }
    let parsed: KeyIds = serde_json::from_slice(data).map_err(|_| malformed("keyids JSON"))?;
    parsed.kids.iter().map(|kid| parse_kid(kid)).collect::<Option<_>>().ok_or_else(|| malformed("keyids JSON"))
}

/// The key ids of every version 1 box of ClearKey or the common system (ISO/IEC 23001-7, 8.1). Boxes of other systems
/// are passed over; version 0 names no keys.
fn of_boxes(mut data: &[u8]) -> Result<BTreeSet<KeyId>> {
    let mut ids = BTreeSet::new();
    while !data.is_empty() {
        let size = data.first_chunk().map(|size| u32::from_be_bytes(*size)).ok_or_else(|| malformed("PSSH box"))?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let (one, rest) = data.split_at_checked(size).filter(|_| size >= 32).ok_or_else(|| malformed("PSSH box"))?;
        ids.extend(of_box(one).ok_or_else(|| malformed("PSSH box"))?);
        data = rest;
    }
    Ok(ids)
}

/// size (4), "pssh", version (1), flags (3), SystemID (16), then in version 1 KID_count (4) and the KIDs.
fn of_box(one: &[u8]) -> Option<Vec<KeyId>> {
    if one.get(4..8)? != b"pssh" {
        return None;
    }
    let system_id: &[u8; 16] = one.get(12..28)?.try_into().ok()?;
    if one.get(8)? == &0 || DrmScheme::from_system_id(system_id) != Some(DrmScheme::ClearKey) {
        return Some(Vec::new());
    }
    let count = usize::try_from(u32::from_be_bytes(one.get(28..32)?.try_into().ok()?)).ok()?;
    let kids = one.get(32..)?.get(..count.checked_mul(16)?)?;
    kids.chunks_exact(16).map(|kid| Some(KeyId(kid.try_into().ok()?))).collect()
}

fn malformed(what: &str) -> Error {
    Error::new(Code::ManifestInvalid, format!("the ClearKey init data is a malformed {what}"))
}
