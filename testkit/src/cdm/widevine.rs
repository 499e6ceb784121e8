//! A CDM that behaves like Android's MediaDrm with Widevine, as far as an engine can see it.

use std::sync::Arc;

use larder_core::manifest::pssh;
use larder_core::model::license::{GrantedHandle, Handle, LicenseGrant, LicenseTimes, ReleaseOutcome, StoredLicense};
use larder_core::model::{DrmScheme, KeyId, KeyRequest};
use larder_core::ports::{DrmEngine, ExchangeKind, ExchangeMessage, LicenseExchange};
use larder_core::{Code, Error, Result};
use serde::de::DeserializeOwned;

use super::device::{KeySet, WidevineDevice, expired, is_l3};
use super::script::{Call, Moment};
use crate::license::widevine::{
    ANSWER_MAGIC, Answer, CHALLENGE_MAGIC, Challenge, Operation, PROVISION_MAGIC, Provisioned,
};

/// An engine on a [`WidevineDevice`], as the Android SDK's is on MediaDrm.
#[derive(Debug)]
pub struct ScriptedWidevine {
    device: Arc<WidevineDevice>,
}

impl ScriptedWidevine {
    /// An engine for one run of the app.
    pub fn new(device: Arc<WidevineDevice>) -> Self {
        Self { device }
    }

    /// `NotProvisionedException`, then the provisioning exchange, then on.
    fn provisioned(&self, exchange: &dyn LicenseExchange) -> Result<String> {
        if let Some(device) = self.device.state().device.clone() {
            return Ok(device);
        }
        let nonce = self.device.state().next_nonce();
        let answer = exchange.send(ExchangeMessage {
            kind: ExchangeKind::Provisioning,
            url: Some(self.device.provisioning_url.clone()),
            body: format!("device-request-{nonce}").into_bytes(),
        })?;
        let Provisioned { device } =
            opened(PROVISION_MAGIC, &answer.body).map_err(|error| Error::new(Code::ProvisioningFailed, error))?;
        self.device.change(|state| state.device = Some(device.clone()))?;
        Ok(device)
    }

    /// One exchange about a license, and the answer that belongs to it.
    fn exchange(&self, call: Call, challenge: Challenge, exchange: &dyn LicenseExchange) -> Result<Option<Answer>> {
        let script = self.device.script();
        let kind = match challenge.op {
            Operation::License => ExchangeKind::License,
            Operation::Renewal => ExchangeKind::Renewal,
            Operation::Release => ExchangeKind::Release,
        };
        let malformed = |why: String| Error::new(Code::LicenseMalformed, why);
        let json = serde_json::to_vec(&challenge).map_err(|error| malformed(error.to_string()))?;
        let body = [CHALLENGE_MAGIC.as_slice(), &json].concat();
        script.pass(call, Moment::BeforeSend)?;
        let answer = exchange.send(ExchangeMessage { kind, url: None, body })?;
        script.pass(call, Moment::AfterSend)?;
        if answer.body.is_empty() && kind == ExchangeKind::Release {
            return Ok(None);
        }
        let answer: Answer = opened(ANSWER_MAGIC, &answer.body).map_err(malformed)?;
        if answer.nonce != challenge.nonce {
            return Err(malformed("the answer belongs to another challenge".to_owned()));
        }
        Ok(Some(answer))
    }

    /// `removeOfflineLicense` came together with the list, in Android 10: before that there is no way.
    fn remove_offline_license(&self, handle: &Handle) -> Result<()> {
        if self.device.switches().lists {
            self.device.vanish(handle)?;
        }
        Ok(())
    }

    /// MediaDrm's sign for "must not be stored": no key set id (google/ExoPlayer#3204).
    fn not_stored(&self, request: &KeyRequest, answer: Answer) -> LicenseGrant {
        self.grant(request, answer, GrantedHandle::New(Handle::new([])), LicenseTimes::default())
    }

    fn grant(&self, request: &KeyRequest, answer: Answer, handle: GrantedHandle, times: LicenseTimes) -> LicenseGrant {
        let switches = self.device.switches();
        LicenseGrant {
            handle,
            times: if switches.tells_times { times } else { LicenseTimes::default() },
            key_ids: switches.tells_keys.then_some(answer.kids),
            acquired_level: Some(if is_l3(request) { "L3" } else { "L1" }.to_owned()),
        }
    }
}

impl DrmEngine for ScriptedWidevine {
    fn scheme(&self) -> DrmScheme {
        DrmScheme::Widevine
    }

    fn acquire(&self, request: &KeyRequest, exchange: Arc<dyn LicenseExchange>) -> Result<LicenseGrant> {
        let device = &self.device;
        device.script().pass(Call::Acquire, Moment::Start)?;
        let kids = wanted(request)?;
        let name = self.provisioned(&*exchange)?;
        let nonce = device.state().next_nonce();
        let challenge = Challenge { op: Operation::License, kids, license_id: None, device: name, nonce };
        let answer = self.exchange(Call::Acquire, challenge, &*exchange)?.ok_or_else(no_answer)?;
        if !answer.persist {
            return Ok(self.not_stored(request, answer));
        }
        let now_ms = device.clock.now_ms();
        let (id, times) = device.change(|state| {
            let key_set = KeySet::new(state.next_id(), &answer, request, now_ms);
            let (id, times) = (key_set.id.clone(), key_set.times(now_ms).0);
            state.key_sets.push(key_set);
            (id, times)
        })?;
        device.script().pass(Call::Acquire, Moment::BeforeReturn)?;
        let id = if device.switches().empty_handle { Vec::new() } else { id };
        Ok(self.grant(request, answer, GrantedHandle::New(Handle::new(id)), times))
    }

    fn renew(
        &self,
        held: &StoredLicense,
        request: &KeyRequest,
        exchange: Arc<dyn LicenseExchange>,
    ) -> Result<LicenseGrant> {
        let device = &self.device;
        device.script().pass(Call::Renew, Moment::Start)?;
        let name = self.provisioned(&*exchange)?;
        let key_set = device.state().usable_mut(&held.handle, Some(is_l3(&held.request)))?.clone();
        if !key_set.renewable {
            return Err(Error::new(Code::RenewalNotPermitted, "the license may not be renewed"));
        }
        let nonce = device.state().next_nonce();
        let (op, kids) = (Operation::Renewal, key_set.key_ids.clone());
        let challenge = Challenge { op, kids, license_id: Some(key_set.license_id.clone()), device: name, nonce };
        let answer = self.exchange(Call::Renew, challenge, &*exchange)?.ok_or_else(no_answer)?;

        if !answer.persist {
            return Ok(self.not_stored(request, answer));
        }
        let now_ms = device.clock.now_ms();
        let is_same_license = answer.license_id == key_set.license_id;
        let keeps_handle = device.switches().keeps_handle;
        let (handle, times) = device.change(|state| {
            let id = if is_same_license && keeps_handle { key_set.id.clone() } else { state.next_id() };
            let renewed = KeySet::new(id.clone(), &answer, request, now_ms);
            let times = renewed.times(now_ms).0;
            if is_same_license {
                // Under another id the old one is void: it was a name of this license.
                state.key_sets.retain(|other| other.id != key_set.id);
            }
            state.key_sets.push(renewed);
            let handle = match (is_same_license, keeps_handle) {
                (true, true) => GrantedHandle::Same,
                (true, false) => GrantedHandle::Changed(Handle::new(id)),
                (false, _) => GrantedHandle::New(Handle::new(id)),
            };
            (handle, times)
        })?;
        device.script().pass(Call::Renew, Moment::BeforeReturn)?;
        Ok(self.grant(request, answer, handle, times))
    }

    fn inspect(&self, held: &StoredLicense) -> Result<LicenseTimes> {
        let device = &self.device;
        device.script().pass(Call::Inspect, Moment::Start)?;
        let now_ms = device.clock.now_ms();
        let (times, is_over) = device.state().usable_mut(&held.handle, Some(is_l3(&held.request)))?.times(now_ms);
        if is_over {
            return Err(expired());
        }
        Ok(if device.switches().tells_times { times } else { LicenseTimes::default() })
    }

    fn release(&self, held: &StoredLicense, exchange: Arc<dyn LicenseExchange>) -> Result<ReleaseOutcome> {
        let device = &self.device;
        device.script().pass(Call::Release, Moment::Start)?;
        let is_held = |key_set: &KeySet| key_set.id == held.handle.as_bytes();
        let begun = device.change(|state| {
            let key_set = state.key_sets.iter_mut().find(|key_set| is_held(key_set))?;
            // Making the release message ends the keys' use, whether it arrives or not.
            key_set.released = true;
            Some((key_set.license_id.clone(), key_set.key_ids.clone()))
        })?;
        let Some((license_id, kids)) = begun else { return Ok(ReleaseOutcome::Forgotten) };
        let name = self.provisioned(&*exchange)?;
        let nonce = device.state().next_nonce();
        let (op, license_id) = (Operation::Release, Some(license_id));
        match self.exchange(Call::Release, Challenge { op, kids, license_id, device: name, nonce }, &*exchange) {
            Ok(_) => {}
            Err(error) if matches!(error.http_status(), Some(404 | 405 | 410 | 501)) => {
                self.remove_offline_license(&held.handle)?;
                return Ok(ReleaseOutcome::NotSupported);
            }
            Err(error) => return Err(error),
        }
        device.change(|state| state.key_sets.retain(|key_set| !is_held(key_set)))?;
        device.script().pass(Call::Release, Moment::BeforeReturn)?;
        Ok(ReleaseOutcome::Released)
    }

    fn remove(&self, held: &StoredLicense) -> Result<()> {
        self.device.script().pass(Call::Remove, Moment::Start)?;
        self.remove_offline_license(&held.handle)
    }

    fn held(&self) -> Result<Option<Vec<Handle>>> {
        self.device.script().pass(Call::Held, Moment::Start)?;
        Ok(self.device.switches().lists.then(|| self.device.key_set_ids()))
    }
}

/// The keys that the CDM finds in the init data. It takes Widevine's boxes only.
fn wanted(request: &KeyRequest) -> Result<Vec<KeyId>> {
    let bad = |why| Error::new(Code::CdmFailed, why);
    let boxes = pssh::parse_all(&request.init_data).map_err(|_| bad("the init data is not PSSH boxes"))?;
    if boxes.iter().any(|pssh| pssh.scheme() != Some(DrmScheme::Widevine)) {
        return Err(bad("the init data has another system's PSSH box"));
    }
    let mut kids: Vec<KeyId> = boxes.iter().flat_map(pssh::PsshBox::stated_key_ids).collect();
    kids.extend(request.key_ids.iter().copied());
    kids.sort_unstable();
    kids.dedup();
    Ok(kids)
}

fn no_answer() -> Error {
    Error::new(Code::LicenseEmpty, "the server's answer is empty")
}

fn opened<T: DeserializeOwned>(magic: &[u8; 4], bytes: &[u8]) -> std::result::Result<T, String> {
    let json = bytes.strip_prefix(magic).ok_or("the answer is not one of this CDM's")?;
    serde_json::from_slice(json).map_err(|_| "the answer is not one of this CDM's".to_owned())
}
