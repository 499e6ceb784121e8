//! The policy of the license servers, and their keys.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use larder_core::model::KeyId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::http::Request;

/// The policy of the license servers. In JSON every member may be left out: it keeps its value.
///
/// A request may say some of it for itself, in its license URL: `duration_seconds` (a number, or `never`), `playback_seconds` (the
/// same), `persist`, `renewable` and `renew_in_place` (`true`, `false`). So every title of a test can have its own terms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// How long a license may be stored, in seconds; `None`: for ever. 30 days is the default. Zero, negative and absurd
    /// values are said as they are.
    pub duration_seconds: Option<i64>,
    /// How long it may be played after the first start, in seconds; `None`: as long as it is stored. The default is two days.
    pub playback_seconds: Option<i64>,
    /// Whether licenses may be stored at all.
    pub persist: bool,
    /// Whether licenses may be renewed.
    pub renewable: bool,
    /// Whether a renewal keeps the license's id (the default) or makes a new license, which leaves the old one to release.
    pub renew_in_place: bool,
    /// Keys that are left out of every license.
    #[serde(with = "crate::wire::key_ids")]
    pub omit_keys: Vec<KeyId>,
    /// License requests need `Authorization: Bearer <this>`: without one they get 401, with another one 403.
    pub require_token: Option<String>,
    /// Which application certificate is valid; another number is another certificate.
    pub certificate: u32,
    /// How far the servers' clock is ahead of the machine's, in milliseconds (`Date`, and all times of the book).
    pub clock_ahead_ms: i64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            duration_seconds: Some(30 * 24 * 3600),
            playback_seconds: Some(2 * 24 * 3600),
            persist: true,
            renewable: true,
            renew_in_place: true,
            omit_keys: Vec::new(),
            require_token: None,
            certificate: 1,
            clock_ahead_ms: 0,
        }
    }
}

impl Policy {
    /// This policy with some members replaced. Fails, saying why, on a member that does not exist or has a wrong type.
    pub fn changed_by(&self, members: &Map<String, Value>) -> Result<Self, String> {
        let mut all = serde_json::to_value(self).map_err(|e| e.to_string())?;
        if let Some(all) = all.as_object_mut() {
            all.extend(members.clone());
        }
        serde_json::from_value(all).map_err(|e| e.to_string())
    }

    /// This policy with what the license URL says.
    pub(crate) fn for_request(&self, request: &Request) -> Result<Self, String> {
        let mut said = Map::new();
        for name in ["duration_seconds", "playback_seconds", "persist", "renewable", "renew_in_place"] {
            let Some(text) = request.query_value(name) else { continue };
            let value = if text == "never" {
                Value::Null
            } else {
                serde_json::from_str(&text)
                    .map_err(|_| format!("{name}={text} in the URL: neither a number nor true or false"))?
            };
            said.insert(name.to_owned(), value);
        }
        self.changed_by(&said)
    }
}

/// A content key. Not printed by accident.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ContentKey(pub [u8; 16]);

impl std::fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ContentKey(…)")
    }
}

/// The keys that the ClearKey server gives out.
pub type KeyTable = BTreeMap<KeyId, ContentKey>;

/// Reads `{"<key id>": "<key>", …}`, both in hexadecimal.
pub fn read_key_table(json: &str) -> Result<KeyTable, String> {
    let texts: BTreeMap<String, String> = serde_json::from_str(json).map_err(|e| e.to_string())?;
    let mut keys = KeyTable::new();
    for (id, key) in texts {
        // A key has the same form as a key id.
        let (Some(id), Some(KeyId(key))) = (KeyId::parse(&id), KeyId::parse(&key)) else {
            return Err(format!("key id {id:?} or its key is not 32 hexadecimal digits"));
        };
        keys.insert(id, ContentKey(key));
    }
    Ok(keys)
}

/// The `keys.json` of a media folder; no keys if it has none.
pub(crate) fn key_table_of(media_root: &Path) -> io::Result<KeyTable> {
    match std::fs::read_to_string(media_root.join("keys.json")) {
        Ok(json) => {
            read_key_table(&json).map_err(|why| io::Error::new(io::ErrorKind::InvalidData, format!("keys.json: {why}")))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(KeyTable::new()),
        Err(error) => Err(error),
    }
}
