//! ClearKey: the W3C's JSON (Encrypted Media Extensions, 9.1.3 to 9.1.6), with extension members of our own.
//!
//! The standard has no duration, no renewal and no license id. The extension members are optional, so that a plain
//! server works: its license never expires, and its release names key ids only.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize};

use super::checks::{denied, json, refusal, seconds};
use super::{Packed, Reply};
use crate::error::{Code, Error, Result};
use crate::model::KeyId;
use crate::ports::{ExchangeAnswer, ExchangeKind};

/// The session type of a license that may be stored.
pub const PERSISTENT: &str = "persistent-license";

/// A request for a license (9.1.3), for a renewal (with `license_id`), or for a release (without `type`, 9.1.5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Key ids in base64url without padding.
    pub kids: Vec<String>,
    /// The session type; absent in a release.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub session_type: Option<String>,
    /// Extension: the license that is renewed or released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license_id: Option<String>,
}

/// A license (9.1.4): a JWK set.
#[derive(Deserialize)]
pub struct License<'a> {
    /// The content keys.
    #[serde(borrow)]
    pub keys: Vec<Jwk<'a>>,
    /// The session type of the license; `temporary` if absent.
    #[serde(rename = "type", default)]
    pub session_type: Option<String>,
    /// Extension: the server's id of the license.
    #[serde(default)]
    pub license_id: Option<String>,
    /// Extension: the duration from now on, in seconds. Absent: no limit.
    #[serde(default, alias = "duration_s", deserialize_with = "duration")]
    pub duration_seconds: Option<u64>,
    /// Extension: the playback duration after the first start, in seconds. Absent: no limit of its own.
    #[serde(default, alias = "playback_duration_s", deserialize_with = "duration")]
    pub playback_duration_seconds: Option<u64>,
    /// Extension: true if the license may be renewed. Absent: true.
    #[serde(default)]
    pub renewable: Option<bool>,
}

/// A symmetric key (RFC 7517, RFC 7518 6.4). Borrowed, so that reading makes no copy that must be wiped.
#[derive(Deserialize)]
pub struct Jwk<'a> {
    /// `oct`.
    #[serde(default)]
    pub kty: Option<&'a str>,
    /// The key id in base64url.
    #[serde(default)]
    pub kid: Option<&'a str>,
    /// The key in base64url.
    #[serde(default)]
    pub k: Option<&'a str>,
}

/// The acknowledgement of a release (9.1.6).
#[derive(Debug, Deserialize)]
pub struct Acknowledgement {
    /// The released key ids.
    pub kids: Vec<String>,
}

fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    match Option::<serde_json::Value>::deserialize(from)? {
        None => Ok(None),
        Some(value) => seconds(&value).map(Some).ok_or_else(|| D::Error::custom("a duration is a number of seconds")),
    }
}

/// Returns a key id as the JSON writes it.
pub fn kid_text(kid: &KeyId) -> String {
    URL_SAFE_NO_PAD.encode(kid.0)
}

/// Reads a key id of the JSON. Returns `None` unless it is 16 bytes in base64url.
pub fn parse_kid(text: &str) -> Option<KeyId> {
    let mut kid = [0_u8; 16];
    let length = URL_SAFE_NO_PAD.decode_slice(text.trim_end_matches('='), &mut kid).ok()?;
    (length == kid.len()).then_some(KeyId(kid))
}

pub(super) fn pack(message: &[u8]) -> Packed {
    Packed {
        headers: vec![("Content-Type", "application/json"), ("Accept", "application/json")],
        body: message.to_vec(),
    }
}

/// Checks that the response is a license or an acknowledgement. The engine reads it.
pub(super) fn unpack(reply: Reply<'_>) -> Result<ExchangeAnswer> {
    // Finds the members without copying the keys.
    #[derive(Deserialize)]
    struct Shape {
        keys: Option<Vec<IgnoredAny>>,
        kids: Option<Vec<IgnoredAny>>,
    }
    let shape: Shape = json(&reply)?;
    let (member, is_there) = match reply.kind {
        ExchangeKind::Release => ("kids", shape.kids.is_some()),
        _ => ("keys", shape.keys.is_some()),
    };
    if !is_there {
        return Err(match refusal(&reply.body, reply.sent) {
            Some(message) => denied(&message),
            None => Error::new(Code::LicenseMalformed, format!("the response has no {member}")),
        });
    }
    Ok(ExchangeAnswer { body: reply.body, persistence_duration_seconds: None })
}
