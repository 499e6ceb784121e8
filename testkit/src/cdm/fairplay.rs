//! A CDM that behaves like AVFoundation with FairPlay, as far as an engine can see it: the key is a blob that the app
//! keeps; blobs cannot be listed, hold no readable expiry, and most servers accept no release.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use larder_core::model::license::{
    GrantedHandle, Handle, LicenseDuration, LicenseGrant, LicenseTimes, ReleaseOutcome, StoredLicense,
};
use larder_core::model::{DrmScheme, KeyRequest};
use larder_core::ports::{Clock, DrmEngine, ExchangeKind, ExchangeMessage, LicenseExchange};
use larder_core::{Code, Error, Result};
use serde::{Deserialize, Serialize};

use super::remaining;
use super::script::{Call, Moment, Script};
use crate::license::fairplay::{CKC_MAGIC, Ckc, Operation, SPC_MAGIC, Spc, digest};

const BLOB_MAGIC: &[u8; 4] = b"FPK\x00";

/// How a device differs from the usual one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FairPlaySwitches {
    /// It gives licenses back to the server. False by default.
    pub releases: bool,
    /// It tells how long a key may be stored. False by default: AVFoundation does not.
    pub tells_times: bool,
}

/// The device. It keeps nothing but its own identity: keys are blobs that only this device can open.
pub struct FairPlayDevice {
    // Held to read or change a number.
    state: Mutex<State>,
    switches: Mutex<FairPlaySwitches>,
    script: Script,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Default)]
struct State {
    /// Blobs of another identity do not open.
    identity: u32,
    count: u64,
    /// Blobs that were given up, or that have a successor: they do not open either.
    void: HashSet<u64>,
}

/// A persistable content key.
#[derive(Clone, Serialize, Deserialize)]
struct Blob {
    identity: u32,
    /// Two blobs are never the same bytes.
    number: u64,
    license_id: String,
    content_id: String,
    stored_at_ms: i64,
    storage_seconds: Option<i64>,
    playback_seconds: Option<i64>,
    first_played_at_ms: Option<i64>,
}

/// The key that AVFoundation reports when a playback begins.
#[derive(Debug)]
pub struct PlaybackStart {
    /// Dual expiry: a blob that must replace the stored one, and what is left under it. The app reports it with
    /// `license_handle_changed`.
    pub updated: Option<(Handle, LicenseTimes)>,
}

impl std::fmt::Debug for FairPlayDevice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FairPlayDevice").field("script", &self.script).finish_non_exhaustive()
    }
}

impl FairPlayDevice {
    /// A new device.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { state: Mutex::default(), switches: Mutex::default(), script: Script::default(), clock }
    }

    /// The faults.
    pub fn script(&self) -> &Script {
        &self.script
    }

    /// Makes it differ from the usual device.
    pub fn switch(&self, change: impl FnOnce(&mut FairPlaySwitches)) {
        change(&mut self.switches.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Blobs made so far do not open any more, as after a restore to another device.
    pub fn forget_all(&self) {
        self.state().identity += 1;
    }

    /// A player opens a blob: what changes by that, or why it cannot play.
    pub fn start_playback(&self, handle: &Handle) -> Result<PlaybackStart> {
        let now_ms = self.clock.now_ms();
        let mut blob = self.open(handle)?;
        if blob.is_over(now_ms) {
            return Err(expired());
        }
        if blob.first_played_at_ms.is_some() || blob.playback_seconds.is_none() {
            return Ok(PlaybackStart { updated: None });
        }
        blob.first_played_at_ms = Some(now_ms);
        self.state().void.insert(blob.number);
        blob.number = self.next_number();
        // From here on the playback window is the key's whole life (Apple, "dual expiry").
        let left = remaining(blob.playback_seconds, now_ms, now_ms);
        Ok(PlaybackStart { updated: Some((blob.closed()?, LicenseTimes { license: left, playback: left })) })
    }

    fn open(&self, handle: &Handle) -> Result<Blob> {
        let vanished = || Error::new(Code::LicenseVanished, "this device cannot open the key");
        let json = handle.as_bytes().strip_prefix(BLOB_MAGIC).ok_or_else(vanished)?;
        let json: Vec<u8> = json.iter().map(|byte| byte ^ 0x5a).collect();
        let blob: Blob = serde_json::from_slice(&json).map_err(|_| vanished())?;
        let state = self.state();
        if blob.identity == state.identity && !state.void.contains(&blob.number) { Ok(blob) } else { Err(vanished()) }
    }

    fn next_number(&self) -> u64 {
        let mut state = self.state();
        state.count += 1;
        state.count
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn switches(&self) -> FairPlaySwitches {
        self.switches.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Blob {
    fn closed(&self) -> Result<Handle> {
        let json = serde_json::to_vec(self).map_err(|_| Error::new(Code::CdmFailed, "the key cannot be written"))?;
        let mut bytes = BLOB_MAGIC.to_vec();
        bytes.extend(json.iter().map(|byte| byte ^ 0x5a));
        Ok(Handle::new(bytes))
    }

    fn is_over(&self, now_ms: i64) -> bool {
        match self.first_played_at_ms {
            Some(since) => remaining(self.playback_seconds, since, now_ms) == LicenseDuration::Seconds(0),
            None => remaining(self.storage_seconds, self.stored_at_ms, now_ms) == LicenseDuration::Seconds(0),
        }
    }

    fn times(&self, now_ms: i64) -> LicenseTimes {
        let playback = remaining(self.playback_seconds, self.first_played_at_ms.unwrap_or(now_ms), now_ms);
        let license = match self.first_played_at_ms {
            Some(_) => playback,
            None => remaining(self.storage_seconds, self.stored_at_ms, now_ms),
        };
        LicenseTimes { license, playback }
    }
}

fn expired() -> Error {
    Error::new(Code::LicenseExpired, "the key has expired")
}

/// An engine on a [`FairPlayDevice`], as the iOS SDK's is on `AVContentKeySession`.
#[derive(Debug)]
pub struct ScriptedFairPlay {
    device: Arc<FairPlayDevice>,
}

impl ScriptedFairPlay {
    /// An engine for one run of the app.
    pub fn new(device: Arc<FairPlayDevice>) -> Self {
        Self { device }
    }

    fn exchange(&self, call: Call, spc: &Spc, exchange: &dyn LicenseExchange) -> Result<Option<Ckc>> {
        let script = &self.device.script;
        let kind = match (spc.op, &spc.license_id) {
            (Operation::Release, _) => ExchangeKind::Release,
            (Operation::License, Some(_)) => ExchangeKind::Renewal,
            (Operation::License, None) => ExchangeKind::License,
        };
        let malformed = || Error::new(Code::LicenseMalformed, "the answer is not a CKC");
        let json = serde_json::to_vec(spc).map_err(|_| Error::new(Code::CdmFailed, "the SPC cannot be written"))?;
        let body = [SPC_MAGIC.as_slice(), &json].concat();
        script.pass(call, Moment::BeforeSend)?;
        let answer = exchange.send(ExchangeMessage { kind, url: None, body })?;
        script.pass(call, Moment::AfterSend)?;
        if answer.body.is_empty() && kind == ExchangeKind::Release {
            return Ok(None);
        }
        let ckc: Ckc = answer
            .body
            .strip_prefix(CKC_MAGIC)
            .and_then(|json| serde_json::from_slice(json).ok())
            .ok_or_else(malformed)?;
        if ckc.content_id != spc.content_id {
            return Err(malformed());
        }
        Ok(Some(ckc))
    }

    /// `persistableContentKey(fromKeyVendorResponse:)`
    fn persist(&self, call: Call, ckc: Ckc) -> Result<(Handle, LicenseTimes)> {
        let device = &self.device;
        if !ckc.persist {
            return Err(Error::new(Code::LicensePersistenceDenied, "the CKC is for streaming only"));
        }
        let now_ms = device.clock.now_ms();
        let identity = device.state().identity;
        let blob = Blob {
            identity,
            number: device.next_number(),
            license_id: ckc.license_id,
            content_id: ckc.content_id,
            stored_at_ms: now_ms,
            storage_seconds: ckc.storage_seconds,
            playback_seconds: ckc.playback_seconds,
            first_played_at_ms: None,
        };
        let times = if device.switches().tells_times { blob.times(now_ms) } else { LicenseTimes::default() };
        let handle = blob.closed()?;
        device.script.pass(call, Moment::BeforeReturn)?;
        Ok((handle, times))
    }
}

impl DrmEngine for ScriptedFairPlay {
    fn scheme(&self) -> DrmScheme {
        DrmScheme::FairPlay
    }

    fn acquire(&self, request: &KeyRequest, exchange: Arc<dyn LicenseExchange>) -> Result<LicenseGrant> {
        self.device.script.pass(Call::Acquire, Moment::Start)?;
        let spc = spc(request, Operation::License, None)?;
        let ckc = self.exchange(Call::Acquire, &spc, &*exchange)?.ok_or_else(no_answer)?;
        let (handle, times) = self.persist(Call::Acquire, ckc)?;
        Ok(LicenseGrant { handle: GrantedHandle::New(handle), times, key_ids: None, acquired_level: None })
    }

    fn renew(
        &self,
        held: &StoredLicense,
        request: &KeyRequest,
        exchange: Arc<dyn LicenseExchange>,
    ) -> Result<LicenseGrant> {
        self.device.script.pass(Call::Renew, Moment::Start)?;
        let old = self.device.open(&held.handle)?;
        let spc = spc(request, Operation::License, Some(old.license_id.clone()))?;
        let ckc = self.exchange(Call::Renew, &spc, &*exchange)?.ok_or_else(no_answer)?;
        let is_same_license = ckc.license_id == old.license_id;
        let (handle, times) = self.persist(Call::Renew, ckc)?;
        let handle = if is_same_license { GrantedHandle::Changed(handle) } else { GrantedHandle::New(handle) };
        Ok(LicenseGrant { handle, times, key_ids: None, acquired_level: None })
    }

    fn inspect(&self, held: &StoredLicense) -> Result<LicenseTimes> {
        let device = &self.device;
        device.script.pass(Call::Inspect, Moment::Start)?;
        if !device.switches().tells_times {
            // Nothing at all, of a key that is void neither.
            return Ok(LicenseTimes::default());
        }
        let blob = device.open(&held.handle)?;
        let now_ms = device.clock.now_ms();
        if blob.is_over(now_ms) { Err(expired()) } else { Ok(blob.times(now_ms)) }
    }

    fn release(&self, held: &StoredLicense, exchange: Arc<dyn LicenseExchange>) -> Result<ReleaseOutcome> {
        let device = &self.device;
        device.script.pass(Call::Release, Moment::Start)?;
        if !device.switches().releases {
            return Ok(ReleaseOutcome::NotSupported);
        }
        let Ok(blob) = device.open(&held.handle) else { return Ok(ReleaseOutcome::Forgotten) };
        let spc = spc(&held.request, Operation::Release, Some(blob.license_id))?;
        // As `invalidatePersistableContentKey` does it: there is no second proof.
        device.state().void.insert(blob.number);
        self.exchange(Call::Release, &spc, &*exchange)?;
        device.script.pass(Call::Release, Moment::BeforeReturn)?;
        Ok(ReleaseOutcome::Released)
    }

    fn held(&self) -> Result<Option<Vec<Handle>>> {
        self.device.script.pass(Call::Held, Moment::Start)?;
        Ok(None)
    }
}

/// `makeStreamingContentKeyRequestData(forApp:contentIdentifier:)`
fn spc(request: &KeyRequest, op: Operation, license_id: Option<String>) -> Result<Spc> {
    let certificate = request
        .certificate
        .as_ref()
        .filter(|certificate| !certificate.is_empty())
        .ok_or_else(|| Error::new(Code::CertificateMissing, "FairPlay needs the application certificate"))?;
    let content_id = std::str::from_utf8(&request.init_data)
        .ok()
        .and_then(|uri| uri.strip_prefix("skd://"))
        .filter(|id| !id.is_empty())
        .ok_or_else(|| Error::new(Code::CdmFailed, "the init data is not an skd URI"))?;
    Ok(Spc {
        op,
        content_id: content_id.to_owned(),
        certificate_sha256: digest(certificate),
        persist: true,
        license_id,
    })
}

fn no_answer() -> Error {
    Error::new(Code::LicenseEmpty, "the server's answer is empty")
}
