//! The bytes of a ClearKey handle: a JWK set with times.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use super::ContentKey;
use crate::error::{Code, Error, Result};
use crate::license::wire::clearkey::{Jwk, kid_text, parse_kid};
use crate::model::KeyId;
use crate::model::license::Handle;

const VERSION: u32 = 1;

/// The license in a handle.
pub(super) struct Held {
    pub(super) license_id: Option<String>,
    pub(super) keys: BTreeMap<KeyId, ContentKey>,
    pub(super) granted_at_ms: i64,
    pub(super) duration_seconds: Option<u64>,
    pub(super) playback_duration_seconds: Option<u64>,
    pub(super) is_renewable: bool,
}

/// The members before the keys. The keys are written by hand, so that they are in wiped buffers only.
#[derive(Serialize)]
struct Head<'a> {
    larder: u32,
    license_id: Option<&'a str>,
    granted_at_ms: i64,
    duration_seconds: Option<u64>,
    playback_duration_seconds: Option<u64>,
    renewable: bool,
}

#[derive(Deserialize)]
struct Stored<'a> {
    larder: u32,
    license_id: Option<String>,
    granted_at_ms: i64,
    #[serde(alias = "duration_s")] // written by releases before 0.2
    duration_seconds: Option<u64>,
    #[serde(alias = "playback_duration_s")]
    playback_duration_seconds: Option<u64>,
    renewable: bool,
    #[serde(borrow)]
    keys: Vec<Jwk<'a>>,
}

impl Held {
    /// Writes the handle of this license. Equal licenses have equal handles.
    pub(super) fn write(&self) -> Result<Handle> {
        let head = Head {
            larder: VERSION,
            license_id: self.license_id.as_deref(),
            granted_at_ms: self.granted_at_ms,
            duration_seconds: self.duration_seconds,
            playback_duration_seconds: self.playback_duration_seconds,
            renewable: self.is_renewable,
        };
        let head = serde_json::to_string(&head)
            .map_err(|cause| Error::new(Code::Internal, "serializing the ClearKey handle failed").caused_by(cause))?;
        let head = head.trim_end_matches('}');
        // Allocated in one piece: a buffer that grows leaves copies of the keys behind.
        let mut bytes = Vec::with_capacity(head.len() + 16 + self.keys.len() * 96);
        bytes.extend_from_slice(head.as_bytes());
        bytes.extend_from_slice(br#","keys":["#);
        for (index, (kid, key)) in self.keys.iter().enumerate() {
            if index > 0 {
                bytes.push(b',');
            }
            let k = Zeroizing::new(URL_SAFE_NO_PAD.encode(key.as_bytes()));
            for part in [r#"{"kty":"oct","kid":""#, &kid_text(kid), r#"","k":""#, &k, r#""}"#] {
                bytes.extend_from_slice(part.as_bytes());
            }
        }
        bytes.extend_from_slice(b"]}");
        Ok(Handle::new(bytes))
    }

    /// Reads a handle. Fails with `LicenseUnreadable` if [`write`](Self::write) did not write it.
    pub(super) fn read(handle: &Handle) -> Result<Self> {
        let unreadable = |what| Error::new(Code::LicenseUnreadable, what);
        // Without serde's error as the cause: it would quote the handle, which contains keys.
        let stored: Stored<'_> = serde_json::from_slice(handle.as_bytes())
            .map_err(|_| unreadable("the handle was not written by the ClearKey engine; register the asset again"))?;
        if stored.larder != VERSION {
            return Err(unreadable(
                "the handle was written by a newer Larder; update the app, or register the asset again",
            ));
        }
        let keys: Option<BTreeMap<_, _>> = stored.keys.iter().map(read_key).collect();
        let keys = keys
            .filter(|keys| !keys.is_empty())
            .ok_or_else(|| unreadable("the handle has a damaged key; register the asset again"))?;
        Ok(Self {
            license_id: stored.license_id,
            keys,
            granted_at_ms: stored.granted_at_ms,
            duration_seconds: stored.duration_seconds,
            playback_duration_seconds: stored.playback_duration_seconds,
            is_renewable: stored.renewable,
        })
    }
}

/// Reads a content key of 16 bytes with its id. Returns `None` for anything else.
pub(super) fn read_key(jwk: &Jwk<'_>) -> Option<(KeyId, ContentKey)> {
    let kid = parse_kid(jwk.kid?)?;
    let text = jwk.k.filter(|_| jwk.kty == Some("oct"))?.trim_end_matches('=');
    // 22 characters are 16 bytes.
    let mut key = Zeroizing::new([0_u8; 16]);
    let length = (text.len() == 22).then(|| URL_SAFE_NO_PAD.decode_slice(text, key.as_mut_slice()).ok())??;
    if length != key.len() {
        key.zeroize();
        return None;
    }
    Some((kid, ContentKey(key)))
}
