//! W3C Encrypted Media Extensions, section 9.1: licenses are JSON Web Key sets.
//!
//! Members that the specification does not have (RFC 7517, 5 allows them): in requests `license_id` of the held license,
//! which makes a request with a `type` a renewal; in licenses `license_id`, `duration_seconds` (absent: never expires),
//! `playback_duration_seconds`, `renewable`. A request without a `type` is a license release (9.1.4).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use larder_core::model::KeyId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::issuer::{Issuer, Refusal, Wish, asset_of};
use crate::book::{IssuedLicense, Scheme};
use crate::http::{Request, Response};
use crate::seen::RequestKind;

#[derive(Deserialize)]
struct Message {
    kids: Vec<String>,
    #[serde(rename = "type")]
    session_type: Option<String>,
    license_id: Option<String>,
}

impl Message {
    fn read(request: &Request) -> Result<(Self, Vec<KeyId>), Refusal> {
        let message: Self = serde_json::from_slice(&request.body)
            .map_err(|e| Refusal::new(400, format!("not a ClearKey license request: {e}")))?;
        let kids = message.kids.iter().map(|text| key_id(text)).collect::<Result<_, _>>()?;
        Ok((message, kids))
    }
}

fn key_id(text: &str) -> Result<KeyId, Refusal> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
    bytes.map(KeyId).ok_or_else(|| Refusal::new(400, "a key id is 16 bytes in base64url without padding"))
}

pub(crate) fn kind(request: &Request) -> RequestKind {
    match Message::read(request) {
        Ok((Message { session_type: Some(_), license_id: Some(_), .. }, _)) => RequestKind::Renewal,
        Ok((Message { session_type: Some(_), .. }, _)) => RequestKind::License,
        Ok(_) => RequestKind::Release,
        Err(_) => RequestKind::Other,
    }
}

pub(crate) fn answer(request: &Request, issuer: &Issuer<'_>) -> Response {
    match try_answer(request, issuer) {
        Ok(answer) => Response::json(200, &answer),
        Err(refusal) => refusal.response(),
    }
}

fn try_answer(request: &Request, issuer: &Issuer<'_>) -> Result<Value, Refusal> {
    let (message, kids) = Message::read(request)?;
    let Some(session_type) = message.session_type.as_deref() else {
        return release(message.license_id.as_deref(), &kids, issuer);
    };
    let persistent = match session_type {
        "persistent-license" => true,
        "temporary" => false,
        other => return Err(Refusal::new(400, format!("unknown session type {other:?}"))),
    };
    if let Some(held) = &message.license_id {
        return Ok(license(&issuer.renew(Scheme::ClearKey, held)?, issuer));
    }
    let known: Vec<KeyId> = kids.iter().filter(|kid| issuer.keys.contains_key(kid)).copied().collect();
    if known.is_empty() {
        return Err(Refusal::new(404, "none of these keys is known here"));
    }
    let wish = Wish { scheme: Scheme::ClearKey, key_ids: known, persistent, asset: asset_of(request), device: None };
    Ok(license(&issuer.issue(wish), issuer))
}

fn license(license: &IssuedLicense, issuer: &Issuer<'_>) -> Value {
    let keys: Vec<Value> = license
        .key_ids
        .iter()
        .filter_map(|kid| {
            let key = issuer.keys.get(kid)?;
            Some(json!({ "kty": "oct", "kid": URL_SAFE_NO_PAD.encode(kid.0), "k": URL_SAFE_NO_PAD.encode(key.0) }))
        })
        .collect();
    let mut set = json!({
        "keys": keys,
        "type": if license.persistent { "persistent-license" } else { "temporary" },
        "license_id": license.license_id,
        "renewable": issuer.policy.renewable,
    });
    for (name, seconds) in
        [("duration_seconds", license.duration_seconds), ("playback_duration_seconds", license.playback_seconds)]
    {
        if let (Some(set), Some(seconds)) = (set.as_object_mut(), seconds) {
            set.insert(name.to_owned(), seconds.into());
        }
    }
    set
}

/// The acknowledgement names the keys that the server knows to be gone.
fn release(license_id: Option<&str>, kids: &[KeyId], issuer: &Issuer<'_>) -> Result<Value, Refusal> {
    let license_id = match license_id {
        Some(id) => id.to_owned(),
        None => match issuer.book.find_by_keys(Scheme::ClearKey, kids) {
            Some(license) => license.license_id,
            None => return Err(Refusal::new(404, "no license with these keys is in the book")),
        },
    };
    let released = issuer.release(Scheme::ClearKey, &license_id)?;
    Ok(json!({ "kids": released.key_ids.iter().map(|kid| URL_SAFE_NO_PAD.encode(kid.0)).collect::<Vec<_>>() }))
}
