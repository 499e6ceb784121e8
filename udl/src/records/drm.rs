//! Init data, key requests, licenses and grants, as engines meet them.

use std::fmt;

use larder_core::model::license::{self, Handle};
use larder_core::model::{self, DrmScheme, InitDataTrack, KeyId, SecurityLevel};
use larder_core::ports::{self, ExchangeKind};
use larder_core::{Code, Error};

use super::numbers::{signed_64, unsigned_64};

/// One way in which media asks for some of its keys. See `larder.udl`.
#[derive(Clone, PartialEq, Eq)]
pub struct InitData {
    /// The key system.
    pub scheme: Option<DrmScheme>,
    /// The system id as a UUID.
    pub system_id: Option<String>,
    /// The content keys it is for.
    pub key_ids: Vec<String>,
    /// One whole PSSH box.
    pub pssh: Option<Vec<u8>>,
    /// The key's URI.
    pub uri: Option<String>,
    /// The tracks that need it.
    pub tracks: Vec<InitDataTrack>,
}

/// The core's own form: a URI may carry a token, and a PSSH belongs in no log.
impl fmt::Debug for InitData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InitData")
            .field("scheme", &self.scheme)
            .field("key_ids", &self.key_ids)
            .field("pssh_bytes", &self.pssh.as_ref().map(Vec::len))
            .field("has_uri", &self.uri.is_some())
            .field("tracks", &self.tracks.len())
            .finish()
    }
}

impl From<model::InitData> for InitData {
    fn from(init: model::InitData) -> Self {
        let model::InitData { scheme, system_id, key_ids, pssh, uri, tracks } = init;
        Self { scheme, system_id: system_id.map(uuid), key_ids: hex_ids(key_ids), pssh, uri, tracks }
    }
}

/// A license request for an engine. See `larder.udl`.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRequest {
    /// The key system.
    pub scheme: DrmScheme,
    /// The init data as the CDM takes it.
    pub init_data: Vec<u8>,
    /// The content keys that the media needs.
    pub key_ids: Vec<String>,
    /// The container's MIME type.
    pub mime: String,
    /// FairPlay: the application certificate.
    pub certificate: Option<Vec<u8>>,
    /// Widevine: the level to open the session with.
    pub security_level: SecurityLevel,
}

impl From<model::KeyRequest> for KeyRequest {
    fn from(request: model::KeyRequest) -> Self {
        let model::KeyRequest { scheme, init_data, key_ids, mime, certificate, security_level } = request;
        Self { scheme, init_data, key_ids: hex_ids(key_ids), mime, certificate, security_level }
    }
}

/// A license as it is handed to an engine. See `larder.udl`.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredLicense {
    /// Its id.
    pub license_id: String,
    /// The key system.
    pub scheme: DrmScheme,
    /// The CDM's handle.
    pub handle: Vec<u8>,
    /// The init data of its request.
    pub request: KeyRequest,
    /// The security level that it was acquired at.
    pub acquired_level: Option<String>,
}

impl From<license::StoredLicense> for StoredLicense {
    fn from(held: license::StoredLicense) -> Self {
        Self {
            license_id: held.license_id.as_str().to_owned(),
            scheme: held.scheme,
            handle: held.handle.as_bytes().to_vec(),
            request: held.request.into(),
            acquired_level: held.acquired_level,
        }
    }
}

/// A license that an engine acquired or renewed. See `larder.udl`.
#[derive(Clone)]
pub struct LicenseGrant {
    /// The CDM's handle for it.
    pub handle: GrantedHandle,
    /// Its durations, as the CDM states them.
    pub times: LicenseTimes,
    /// The content keys in it.
    pub key_ids: Option<Vec<String>>,
    /// The security level of its session.
    pub acquired_level: Option<String>,
}

impl TryFrom<LicenseGrant> for license::LicenseGrant {
    type Error = Error;

    fn try_from(grant: LicenseGrant) -> Result<Self, Error> {
        let LicenseGrant { handle, times, key_ids, acquired_level } = grant;
        let key_ids = key_ids.map(|ids| ids.iter().map(|id| key_id(id)).collect::<Result<_, _>>()).transpose()?;
        Ok(Self { handle: handle.into(), times: times.into(), key_ids, acquired_level })
    }
}

/// Under which handle a granted license is held. See `larder.udl`.
#[derive(Clone)]
pub enum GrantedHandle {
    /// A license of its own.
    New {
        /// Its handle.
        handle: Vec<u8>,
    },
    /// The held license, under the handle that it has.
    Same,
    /// The held license, under another handle.
    Changed {
        /// The new handle.
        handle: Vec<u8>,
    },
}

impl From<GrantedHandle> for license::GrantedHandle {
    fn from(handle: GrantedHandle) -> Self {
        match handle {
            GrantedHandle::New { handle } => Self::New(Handle::new(handle)),
            GrantedHandle::Same => Self::Same,
            GrantedHandle::Changed { handle } => Self::Changed(Handle::new(handle)),
        }
    }
}

/// The durations of a license, as a CDM states them. See `larder.udl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LicenseTimes {
    /// Until it can no longer start a playback.
    pub license: LicenseDuration,
    /// How long it plays after the first playback has started.
    pub playback: LicenseDuration,
}

impl From<LicenseTimes> for license::LicenseTimes {
    fn from(times: LicenseTimes) -> Self {
        Self { license: times.license.into(), playback: times.playback.into() }
    }
}

/// A time span as a CDM states it. See `larder.udl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LicenseDuration {
    /// It did not say.
    Unknown,
    /// No limit.
    Unlimited,
    /// So many seconds from now.
    Seconds {
        /// How many.
        seconds: i64,
    },
}

impl From<LicenseDuration> for license::LicenseDuration {
    fn from(remaining: LicenseDuration) -> Self {
        match remaining {
            LicenseDuration::Unknown => Self::Unknown,
            LicenseDuration::Unlimited => Self::Unlimited,
            LicenseDuration::Seconds { seconds } => Self::Seconds(unsigned_64(seconds)),
        }
    }
}

/// A message from a CDM to a server. See `larder.udl`.
#[derive(Clone)]
pub struct ExchangeMessage {
    /// The purpose of the exchange.
    pub kind: ExchangeKind,
    /// The CDM's bytes.
    pub body: Vec<u8>,
    /// The URL that the CDM asks for.
    pub url: Option<String>,
}

/// Without URL and bytes: they are a challenge.
impl fmt::Debug for ExchangeMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExchangeMessage")
            .field("kind", &self.kind)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl From<ExchangeMessage> for ports::ExchangeMessage {
    fn from(message: ExchangeMessage) -> Self {
        let ExchangeMessage { kind, body, url } = message;
        Self { kind, url, body }
    }
}

/// A server's answer, unpacked. See `larder.udl`.
#[derive(Clone)]
pub struct ExchangeAnswer {
    /// The bytes for the CDM.
    pub body: Vec<u8>,
    /// How long the server says that the license may be stored, in seconds.
    pub persistence_duration_seconds: Option<i64>,
}

impl From<ports::ExchangeAnswer> for ExchangeAnswer {
    fn from(answer: ports::ExchangeAnswer) -> Self {
        let ports::ExchangeAnswer { body, persistence_duration_seconds } = answer;
        Self { body, persistence_duration_seconds: persistence_duration_seconds.map(signed_64) }
    }
}

impl From<ExchangeAnswer> for ports::ExchangeAnswer {
    fn from(answer: ExchangeAnswer) -> Self {
        let ExchangeAnswer { body, persistence_duration_seconds } = answer;
        Self { body, persistence_duration_seconds: persistence_duration_seconds.map(unsigned_64) }
    }
}

fn hex_ids(ids: Vec<KeyId>) -> Vec<String> {
    ids.into_iter().map(KeyId::to_hex).collect()
}

fn key_id(text: &str) -> Result<KeyId, Error> {
    KeyId::parse(text).ok_or_else(|| {
        Error::new(Code::CdmFailed, "the engine names a key by something else than 32 hexadecimal digits")
    })
}

/// `edef8ba9-79d6-4ace-a3c8-27dcd51d21ed`
fn uuid(bytes: [u8; 16]) -> String {
    let mut text = KeyId(bytes).to_hex();
    for dash in [20, 16, 12, 8] {
        text.insert(dash, '-');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_id_is_shown_as_a_uuid() {
        let widevine = 0xedef8ba9_79d6_4ace_a3c8_27dcd51d21ed_u128.to_be_bytes();
        assert_eq!(uuid(widevine), "edef8ba9-79d6-4ace-a3c8-27dcd51d21ed");
    }

    #[test]
    fn a_grant_with_a_malformed_key_id_is_the_engines_fault() {
        let times = LicenseTimes { license: LicenseDuration::Unknown, playback: LicenseDuration::Unknown };
        let grant =
            LicenseGrant { handle: GrantedHandle::Same, times, key_ids: Some(vec!["zz".into()]), acquired_level: None };
        assert_eq!(license::LicenseGrant::try_from(grant).unwrap_err().code(), Code::CdmFailed);
    }
}
