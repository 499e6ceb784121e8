//! The software ClearKey engine: persistent licenses without a CDM, for desktops and tests.
//!
//! It stores nothing itself. **A handle is the license**: content keys, the server's id of it, and its times. So a
//! handle is in the secret storage and, wiped after use, in memory only. ClearKey does not protect keys against the
//! device's owner.
//!
//! A renewal changes the times, and with them the handle: [`GrantedHandle::Changed`] if the server renewed the same
//! license, `New` if it granted another one in its place. The old license is released then.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use self::handle::Held;
use super::wire::clearkey::{Acknowledgement, License, PERSISTENT, Request, kid_text, parse_kid};
use super::wire::json_position;
use crate::error::{Code, Error, Result};
use crate::license::grant::MAX_DURATION_S;
use crate::model::license::{GrantedHandle, Handle, LicenseGrant, LicenseTimes, ReleaseOutcome, StoredLicense};
use crate::model::{DrmScheme, KeyId, KeyRequest, LicenseDuration};
use crate::ports::{Clock, DrmEngine, ExchangeAnswer, ExchangeKind, ExchangeMessage, LicenseExchange};

mod handle;
mod init_data;

/// A content key. Wiped when dropped, absent from `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct ContentKey(Zeroizing<[u8; 16]>);

impl ContentKey {
    /// Returns the key's 16 bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentKey(…)")
    }
}

/// The engine. Register it explicitly; it is never a fallback for a CDM.
pub struct ClearKeyEngine {
    clock: Arc<dyn Clock>,
}

impl ClearKeyEngine {
    /// Makes an engine that reads the time from this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }

    /// Returns the content keys of a handle, with which a software player decrypts.
    ///
    /// Fails with `LicenseExpired` after the license's expiry, and with `LicenseUnreadable` if this engine did not
    /// write the handle.
    pub fn keys(&self, handle: &Handle) -> Result<BTreeMap<KeyId, ContentKey>> {
        let held = Held::read(handle)?;
        held.times(self.clock.now_ms())?;
        Ok(held.keys)
    }

    fn request_license(&self, request: &Request, kind: ExchangeKind, exchange: &dyn LicenseExchange) -> Result<Held> {
        let answer = exchange.send(exchange_message(kind, request)?)?;
        let body = Zeroizing::new(answer.body);
        let license: License<'_> = serde_json::from_slice(&body)
            .map_err(|cause| malformed("the server's response is not a JWK set").caused_by(json_position(&cause)))?;
        checked(&license, request, self.clock.now_ms()).inspect_err(|error| {
            // Nothing of it is stored, so it can be released here only. A license that was renewed in place stays.
            let is_renewed = kind == ExchangeKind::Renewal
                && (license.license_id.is_none() || license.license_id == request.license_id);
            if !is_renewed && error.code() != Code::LicensePersistenceDenied {
                let released = send_release(request.kids.clone(), license.license_id.clone(), exchange);
                tracing::warn!(code = error.code().as_str(), is_released = released.is_ok(), "granted license refused");
            }
        })
    }
}

impl DrmEngine for ClearKeyEngine {
    fn scheme(&self) -> DrmScheme {
        DrmScheme::ClearKey
    }

    fn acquire(&self, request: &KeyRequest, exchange: Arc<dyn LicenseExchange>) -> Result<LicenseGrant> {
        let kids = init_data::key_ids(request)?;
        let body = license_request(&kids, None);
        let held = self.request_license(&body, ExchangeKind::License, exchange.as_ref())?;
        let handle = GrantedHandle::New(held.write()?);
        Ok(LicenseGrant {
            handle,
            times: held.full_times(),
            key_ids: Some(held.keys.into_keys().collect()),
            acquired_level: None,
        })
    }

    fn renew(
        &self,
        held: &StoredLicense,
        request: &KeyRequest,
        exchange: Arc<dyn LicenseExchange>,
    ) -> Result<LicenseGrant> {
        let old = Held::read(&held.handle)?;
        if !old.is_renewable {
            return Err(Error::new(
                Code::RenewalNotPermitted,
                "the license does not permit renewal; acquire a new one",
            ));
        }
        let Some(license_id) = old.license_id.clone() else {
            return Err(Error::new(
                Code::RenewalNotPermitted,
                "the license has no id, so it cannot be renewed; acquire a new one",
            ));
        };
        let mut kids: BTreeSet<KeyId> = init_data::key_ids(request)?.into_iter().collect();
        kids.extend(old.keys.keys());
        let kids: Vec<KeyId> = kids.into_iter().collect();
        let body = license_request(&kids, Some(license_id));
        let mut new = self.request_license(&body, ExchangeKind::Renewal, exchange.as_ref())?;
        let is_same_license = new.license_id.is_none() || new.license_id == old.license_id;
        if is_same_license {
            new.license_id.clone_from(&old.license_id);
        }
        let written = new.write()?;
        let handle = match is_same_license {
            true if written == held.handle => GrantedHandle::Same,
            true => GrantedHandle::Changed(written),
            false => GrantedHandle::New(written),
        };
        Ok(LicenseGrant {
            handle,
            times: new.full_times(),
            key_ids: Some(new.keys.into_keys().collect()),
            acquired_level: None,
        })
    }

    fn inspect(&self, held: &StoredLicense) -> Result<LicenseTimes> {
        Held::read(&held.handle)?.times(self.clock.now_ms())
    }

    fn release(&self, held: &StoredLicense, exchange: Arc<dyn LicenseExchange>) -> Result<ReleaseOutcome> {
        let old = Held::read(&held.handle)?;
        let kids: Vec<KeyId> = old.keys.keys().copied().collect();
        let texts = kids.iter().map(kid_text).collect();
        let answer = match send_release(texts, old.license_id, exchange.as_ref()) {
            Ok(answer) => answer,
            // A plain W3C server has no releases.
            Err(error) if matches!(error.http_status(), Some(405 | 501)) => return Ok(ReleaseOutcome::NotSupported),
            Err(error) => return Err(error),
        };
        let acknowledged: Acknowledgement = serde_json::from_slice(&answer.body).map_err(|cause| {
            malformed("the response to the release is not an acknowledgement").caused_by(json_position(&cause))
        })?;
        let acknowledged: Vec<KeyId> = acknowledged.kids.iter().filter_map(|kid| parse_kid(kid)).collect();
        if kids.iter().all(|kid| acknowledged.contains(kid)) {
            Ok(ReleaseOutcome::Released)
        } else {
            Err(malformed("the server acknowledged the release of other keys"))
        }
    }

    fn held(&self) -> Result<Option<Vec<Handle>>> {
        Ok(None)
    }
}

impl fmt::Debug for ClearKeyEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClearKeyEngine").finish_non_exhaustive()
    }
}

fn license_request(kids: &[KeyId], license_id: Option<String>) -> Request {
    Request { kids: kids.iter().map(kid_text).collect(), session_type: Some(PERSISTENT.to_owned()), license_id }
}

fn send_release(
    kids: Vec<String>,
    license_id: Option<String>,
    exchange: &dyn LicenseExchange,
) -> Result<ExchangeAnswer> {
    exchange.send(exchange_message(ExchangeKind::Release, &Request { kids, session_type: None, license_id })?)
}

fn exchange_message(kind: ExchangeKind, request: &Request) -> Result<ExchangeMessage> {
    let body = serde_json::to_vec(request)
        .map_err(|cause| Error::new(Code::Internal, "serializing the ClearKey request failed").caused_by(cause))?;
    Ok(ExchangeMessage { kind, url: None, body })
}

/// Checks a response, and returns the license that its handle holds.
fn checked(license: &License<'_>, request: &Request, now_ms: i64) -> Result<Held> {
    if license.session_type.as_deref() != Some(PERSISTENT) {
        return Err(Error::new(Code::LicensePersistenceDenied, "the server granted a temporary license"));
    }
    for seconds in [license.duration_seconds, license.playback_duration_seconds].into_iter().flatten() {
        if seconds == 0 || seconds > MAX_DURATION_S {
            return Err(Error::new(
                Code::LicenseDurationInvalid,
                format!("the server granted the license for {seconds} seconds, which is not plausible"),
            ));
        }
    }
    let license_id = match &license.license_id {
        Some(id) if id.is_empty() || id.len() > 256 => {
            return Err(malformed("the response's license_id is empty or longer than 256 bytes"));
        }
        id => id.clone(),
    };
    let mut keys = BTreeMap::new();
    for jwk in &license.keys {
        // A malformed key counts as missing. The check below fails if the media needs it.
        let Some((kid, key)) = handle::read_key(jwk) else { continue };
        if keys.insert(kid, key.clone()).is_some_and(|other| other != key) {
            return Err(malformed("the response has two different keys of one id"));
        }
    }
    let missing = request.kids.iter().filter(|kid| !parse_kid(kid).is_some_and(|kid| keys.contains_key(&kid))).count();
    if missing > 0 {
        return Err(Error::new(
            Code::LicenseKeysMissing,
            format!("the license lacks {missing} of the {} keys that were requested", request.kids.len()),
        ));
    }
    // Keys that were not requested are dropped.
    keys.retain(|kid, _| request.kids.contains(&kid_text(kid)));
    Ok(Held {
        license_id,
        keys,
        granted_at_ms: now_ms,
        duration_seconds: license.duration_seconds,
        playback_duration_seconds: license.playback_duration_seconds,
        is_renewable: license.renewable.unwrap_or(true),
    })
}

fn malformed(what: &'static str) -> Error {
    Error::new(Code::LicenseMalformed, what)
}

impl Held {
    /// Returns the remaining times at `now_ms`. Fails with `LicenseExpired` if the license has expired.
    fn times(&self, now_ms: i64) -> Result<LicenseTimes> {
        let Some(duration_seconds) = self.duration_seconds else { return Ok(self.full_times()) };
        // A clock that was set back adds no time: at most the whole duration is left.
        let elapsed_ms = u64::try_from(now_ms.saturating_sub(self.granted_at_ms)).unwrap_or(0);
        let left_ms = duration_seconds.saturating_mul(1000).saturating_sub(elapsed_ms);
        if left_ms == 0 {
            return Err(Error::new(Code::LicenseExpired, "the license has expired"));
        }
        Ok(LicenseTimes { license: LicenseDuration::Seconds(left_ms.div_ceil(1000)), ..self.full_times() })
    }

    /// Returns the license's times at its grant.
    fn full_times(&self) -> LicenseTimes {
        let span = |seconds: Option<u64>| seconds.map_or(LicenseDuration::Unlimited, LicenseDuration::Seconds);
        LicenseTimes { license: span(self.duration_seconds), playback: span(self.playback_duration_seconds) }
    }
}
