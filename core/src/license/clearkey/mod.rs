//! The software ClearKey engine: persistent licenses without a CDM, for desktops and tests.
//!
//! It holds nothing itself. **A handle is the license**: content keys, the server's name for it, and its times. So a
//! handle lives in the secret storage and, wiped after use, in memory, and nowhere else. It protects nothing against the
//! device's owner: ClearKey never does.
//!
//! A renewed license has other times, so its handle changes: [`GrantedHandle::Changed`] if the server renewed the same
//! license, `New` if it granted another one in its place, which leaves the old one to be released.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use self::handle::Held;
use super::wire::clearkey::{Acknowledgement, License, PERSISTENT, Request, kid_text, parse_kid};
use super::wire::place;
use crate::error::{Code, Error, Result};
use crate::license::grant::MAX_DURATION_S;
use crate::model::license::{GrantedHandle, Handle, LicenseGrant, LicenseTimes, ReleaseOutcome, StoredLicense};
use crate::model::{DrmScheme, KeyId, KeyRequest, LicenseDuration};
use crate::ports::{Clock, DrmEngine, ExchangeAnswer, ExchangeKind, ExchangeMessage, LicenseExchange};

mod handle;
mod init_data;

/// One content key. Wiped when dropped, absent from `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct ContentKey(Zeroizing<[u8; 16]>);

impl ContentKey {
    /// The key's 16 bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentKey(…)")
    }
}

/// The engine. Register it explicitly: it is never a fallback for a CDM.
pub struct ClearKeyEngine {
    clock: Arc<dyn Clock>,
}

impl ClearKeyEngine {
    /// An engine that tells time by this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }

    /// The content keys of a handle: what a software player decrypts with.
    ///
    /// Fails with `LicenseExpired` after the license's end, and with `LicenseUnreadable` if the handle is not one of ours.
    pub fn keys(&self, handle: &Handle) -> Result<BTreeMap<KeyId, ContentKey>> {
        let held = Held::read(handle)?;
        held.times(self.clock.now_ms())?;
        Ok(held.keys)
    }

    fn ask(&self, request: &Request, kind: ExchangeKind, exchange: &dyn LicenseExchange) -> Result<Held> {
        let answer = exchange.send(message(kind, request)?)?;
        let body = Zeroizing::new(answer.body);
        let license: License<'_> = serde_json::from_slice(&body)
            .map_err(|cause| malformed("the answer is not a JWK set").caused_by(place(&cause)))?;
        granted(&license, request, self.clock.now_ms()).inspect_err(|error| {
            // Nothing of it is kept, so this is the only chance to give it back. One that was renewed in place stays held.
            let is_held = kind == ExchangeKind::Renewal
                && (license.license_id.is_none() || license.license_id == request.license_id);
            if !is_held && error.code() != Code::LicensePersistenceDenied {
                let given_back = give_back(request.kids.clone(), license.license_id.clone(), exchange);
                tracing::warn!(code = error.code().as_str(), is_released = given_back.is_ok(), "a useless license");
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
        let asked = asked(&kids, None);
        let held = self.ask(&asked, ExchangeKind::License, exchange.as_ref())?;
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
            return Err(Error::new(Code::RenewalNotPermitted, "the license says that it may not be renewed"));
        }
        let Some(license_id) = old.license_id.clone() else {
            return Err(Error::new(Code::RenewalNotPermitted, "the server gave the license no id to renew it by"));
        };
        let mut kids: BTreeSet<KeyId> = init_data::key_ids(request)?.into_iter().collect();
        kids.extend(old.keys.keys());
        let kids: Vec<KeyId> = kids.into_iter().collect();
        let asked = asked(&kids, Some(license_id));
        let mut new = self.ask(&asked, ExchangeKind::Renewal, exchange.as_ref())?;
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
        let answer = match give_back(texts, old.license_id, exchange.as_ref()) {
            Ok(answer) => answer,
            // Plain servers know licenses and no more.
            Err(error) if matches!(error.http_status(), Some(405 | 501)) => return Ok(ReleaseOutcome::NotSupported),
            Err(error) => return Err(error),
        };
        let acknowledged: Acknowledgement = serde_json::from_slice(&answer.body)
            .map_err(|cause| malformed("the answer to the release is no acknowledgement").caused_by(place(&cause)))?;
        let acknowledged: Vec<KeyId> = acknowledged.kids.iter().filter_map(|kid| parse_kid(kid)).collect();
        if kids.iter().all(|kid| acknowledged.contains(kid)) {
            Ok(ReleaseOutcome::Released)
        } else {
            Err(malformed("the server acknowledges the release of other keys"))
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

fn asked(kids: &[KeyId], license_id: Option<String>) -> Request {
    Request { kids: kids.iter().map(kid_text).collect(), session_type: Some(PERSISTENT.to_owned()), license_id }
}

fn give_back(kids: Vec<String>, license_id: Option<String>, exchange: &dyn LicenseExchange) -> Result<ExchangeAnswer> {
    exchange.send(message(ExchangeKind::Release, &Request { kids, session_type: None, license_id })?)
}

fn message(kind: ExchangeKind, request: &Request) -> Result<ExchangeMessage> {
    let body = serde_json::to_vec(request)
        .map_err(|cause| Error::new(Code::Internal, "the request could not be written").caused_by(cause))?;
    Ok(ExchangeMessage { kind, url: None, body })
}

/// Checks an answer, and makes of it what is kept.
fn granted(license: &License<'_>, request: &Request, now_ms: i64) -> Result<Held> {
    if license.session_type.as_deref() != Some(PERSISTENT) {
        return Err(Error::new(Code::LicensePersistenceDenied, "the server granted a temporary license"));
    }
    for seconds in [license.duration_seconds, license.playback_duration_seconds].into_iter().flatten() {
        if seconds == 0 || seconds > MAX_DURATION_S {
            return Err(Error::new(
                Code::LicenseDurationInvalid,
                format!("the server grants the license for {seconds} seconds"),
            ));
        }
    }
    let license_id = match &license.license_id {
        Some(id) if id.is_empty() || id.len() > 256 => {
            return Err(malformed("the answer's license_id is empty or long"));
        }
        id => id.clone(),
    };
    let mut keys = BTreeMap::new();
    for jwk in &license.keys {
        // A key that cannot be used counts as not there; if the media needs it, that is said below.
        let Some((kid, key)) = handle::read_key(jwk) else { continue };
        if keys.insert(kid, key.clone()).is_some_and(|other| other != key) {
            return Err(malformed("the answer has two keys of one id"));
        }
    }
    let missing = request.kids.iter().filter(|kid| !parse_kid(kid).is_some_and(|kid| keys.contains_key(&kid))).count();
    if missing > 0 {
        return Err(Error::new(
            Code::LicenseKeysMissing,
            format!("the license lacks {missing} of the {} keys that were asked for", request.kids.len()),
        ));
    }
    // What was not asked for is not kept.
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
    /// What is left at `now_ms`. `LicenseExpired` if nothing is.
    fn times(&self, now_ms: i64) -> Result<LicenseTimes> {
        let Some(duration_seconds) = self.duration_seconds else { return Ok(self.full_times()) };
        // A clock that was set back adds no time: at most all of it is left.
        let elapsed_ms = u64::try_from(now_ms.saturating_sub(self.granted_at_ms)).unwrap_or(0);
        let left_ms = duration_seconds.saturating_mul(1000).saturating_sub(elapsed_ms);
        if left_ms == 0 {
            return Err(Error::new(Code::LicenseExpired, "the license has expired"));
        }
        Ok(LicenseTimes { license: LicenseDuration::Seconds(left_ms.div_ceil(1000)), ..self.full_times() })
    }

    /// What the license gives when it is granted.
    fn full_times(&self) -> LicenseTimes {
        let span = |seconds: Option<u64>| seconds.map_or(LicenseDuration::Unlimited, LicenseDuration::Seconds);
        LicenseTimes { license: span(self.duration_seconds), playback: span(self.playback_duration_seconds) }
    }
}
