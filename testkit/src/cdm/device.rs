//! The Widevine part of a device: its key sets, its certificate, its quirks.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use larder_core::model::license::{Handle, LicenseDuration, LicenseTimes};
use larder_core::model::{KeyId, KeyRequest, SecurityLevel};
use larder_core::ports::Clock;
use larder_core::{Code, Error, Result};
use serde::{Deserialize, Serialize};

use super::remaining;
use super::script::Script;
use crate::license::widevine::Answer;

/// How a device differs from the usual one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WidevineSwitches {
    /// It lists its key sets (Android 10 and later). True by default.
    pub lists: bool,
    /// A renewal in place keeps the key set id. True by default; some devices give the same license another id.
    pub keeps_handle: bool,
    /// It tells how long licenses last. True by default; some devices say nothing that can be read.
    pub tells_times: bool,
    /// It tells which keys are usable. True by default.
    pub tells_keys: bool,
    /// It returns an empty key set id although the license is stored (google/ExoPlayer#3204). False by default.
    pub empty_handle: bool,
}

impl Default for WidevineSwitches {
    fn default() -> Self {
        Self { lists: true, keeps_handle: true, tells_times: true, tells_keys: true, empty_handle: false }
    }
}

/// The device: what lasts from one run of the app to the next. Not provisioned when new.
pub struct WidevineDevice {
    // Held for one step; never while a server is asked or a call hangs.
    state: Mutex<State>,
    switches: Mutex<WidevineSwitches>,
    script: Script,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) provisioning_url: String,
    file: Option<PathBuf>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) device: Option<String>,
    pub(super) key_sets: Vec<KeySet>,
    /// Makes ids and nonces.
    count: u64,
}

/// A license in the device's secure storage.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct KeySet {
    #[serde(with = "crate::wire::base64_bytes")]
    pub(super) id: Vec<u8>,
    pub(super) license_id: String,
    #[serde(with = "crate::wire::key_ids")]
    pub(super) key_ids: Vec<KeyId>,
    pub(super) stored_at_ms: i64,
    pub(super) duration_seconds: Option<i64>,
    pub(super) playback_seconds: Option<i64>,
    pub(super) first_played_at_ms: Option<i64>,
    pub(super) renewable: bool,
    /// A release was begun: the keys do not play any more, whether the server has heard of it or not.
    pub(super) released: bool,
    /// A key set belongs to the security level of its session.
    pub(super) l3: bool,
}

impl std::fmt::Debug for KeySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeySet")
            .field("key_ids", &self.key_ids)
            .field("released", &self.released)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for WidevineDevice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WidevineDevice")
            .field("state", &*self.state())
            .field("script", &self.script)
            .finish_non_exhaustive()
    }
}

impl WidevineDevice {
    /// A new device. `provisioning_url` is what it asks provisioning at, for example `<testkit>/widevine/provision`.
    pub fn new(provisioning_url: impl Into<String>, clock: Arc<dyn Clock>) -> Self {
        Self {
            state: Mutex::default(),
            switches: Mutex::default(),
            script: Script::default(),
            clock,
            provisioning_url: provisioning_url.into(),
            file: None,
        }
    }

    /// A device whose state is kept in a JSON file: the one that the file tells of, or a new one.
    pub fn in_file(
        file: impl Into<PathBuf>,
        provisioning_url: impl Into<String>,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let file = file.into();
        let state = match std::fs::read(&file) {
            Ok(json) => serde_json::from_slice(&json)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => State::default(),
            Err(error) => return Err(error),
        };
        Ok(Self { state: Mutex::new(state), file: Some(file), ..Self::new(provisioning_url, clock) })
    }

    /// The faults.
    pub fn script(&self) -> &Script {
        &self.script
    }

    /// Makes it differ from the usual device.
    pub fn switch(&self, change: impl FnOnce(&mut WidevineSwitches)) {
        change(&mut self.switches.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Whether it has been provisioned.
    pub fn is_provisioned(&self) -> bool {
        self.state().device.is_some()
    }

    /// It loses its certificate, as after a factory reset of its DRM: it must be provisioned again.
    pub fn lose_provisioning(&self) -> Result<()> {
        self.change(|state| state.device = None)
    }

    /// Every key set id in its storage, whether it lists them or not.
    pub fn key_set_ids(&self) -> Vec<Handle> {
        self.state().key_sets.iter().map(|key_set| Handle::new(key_set.id.clone())).collect()
    }

    /// The server's names of the licenses in its storage.
    pub fn license_ids(&self) -> Vec<String> {
        self.state().key_sets.iter().map(|key_set| key_set.license_id.clone()).collect()
    }

    /// A key set vanishes; false if there was none of that id.
    pub fn vanish(&self, id: &Handle) -> Result<bool> {
        self.change(|state| {
            let before = state.key_sets.len();
            state.key_sets.retain(|key_set| key_set.id != id.as_bytes());
            state.key_sets.len() < before
        })
    }

    /// A license that another part of the app got: it is listed, and none of Larder's business.
    pub fn add_foreign(&self) -> Result<Handle> {
        let stored_at_ms = self.clock.now_ms();
        self.change(|state| {
            let id = state.next_id();
            state.key_sets.push(KeySet {
                id: id.clone(),
                license_id: "foreign".to_owned(),
                key_ids: Vec::new(),
                stored_at_ms,
                duration_seconds: None,
                playback_seconds: None,
                first_played_at_ms: None,
                renewable: false,
                released: false,
                l3: false,
            });
            Handle::new(id)
        })
    }

    /// A player opens a key set: the keys that it can use now, or why it cannot.
    pub fn play(&self, id: &Handle) -> Result<Vec<KeyId>> {
        let now_ms = self.clock.now_ms();
        self.change(|state| {
            let key_set = state.usable_mut(id, None)?;
            if key_set.times(now_ms).1 {
                return Err(expired());
            }
            key_set.first_played_at_ms.get_or_insert(now_ms);
            Ok(key_set.key_ids.clone())
        })?
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn switches(&self) -> WidevineSwitches {
        self.switches.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the state, and the file with it: whole or not at all.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> Result<T> {
        let mut state = self.state();
        let result = change(&mut state);
        if let Some(file) = &self.file {
            let failed =
                |error: io::Error| Error::new(Code::CdmFailed, "the device's file cannot be written").caused_by(error);
            let json = serde_json::to_vec(&*state).map_err(|error| failed(error.into()))?;
            let fresh = file.with_extension("new");
            std::fs::write(&fresh, json).and_then(|()| std::fs::rename(&fresh, file)).map_err(failed)?;
        }
        Ok(result)
    }
}

impl State {
    /// Returns a key set id that is not valid text, so that code which treats ids as strings fails here
    /// (google/ExoPlayer#6663).
    pub(super) fn next_id(&mut self) -> Vec<u8> {
        self.count += 1;
        [b"ksid\xff\x00".as_slice(), &self.count.to_be_bytes()].concat()
    }

    pub(super) fn next_nonce(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    pub(super) fn usable_mut(&mut self, id: &Handle, l3: Option<bool>) -> Result<&mut KeySet> {
        let key_set = self
            .key_sets
            .iter_mut()
            .find(|key_set| key_set.id == id.as_bytes() && l3.is_none_or(|l3| key_set.l3 == l3))
            .ok_or_else(|| Error::new(Code::LicenseVanished, "the CDM does not know this key set"))?;
        if key_set.released {
            return Err(Error::new(Code::CdmFailed, "the key set is being released"));
        }
        Ok(key_set)
    }
}

impl KeySet {
    pub(super) fn new(id: Vec<u8>, answer: &Answer, request: &KeyRequest, now_ms: i64) -> Self {
        Self {
            id,
            license_id: answer.license_id.clone(),
            key_ids: answer.kids.clone(),
            stored_at_ms: now_ms,
            duration_seconds: answer.duration_seconds,
            playback_seconds: answer.playback_seconds,
            first_played_at_ms: None,
            renewable: answer.renewable,
            released: false,
            l3: is_l3(request),
        }
    }

    /// Returns the remaining times, and whether the license has expired.
    pub(super) fn times(&self, now_ms: i64) -> (LicenseTimes, bool) {
        let license = remaining(self.duration_seconds, self.stored_at_ms, now_ms);
        let playback = remaining(self.playback_seconds, self.first_played_at_ms.unwrap_or(now_ms), now_ms);
        let played_out = self.first_played_at_ms.is_some() && playback == LicenseDuration::Seconds(0);
        (LicenseTimes { license, playback }, license == LicenseDuration::Seconds(0) || played_out)
    }
}

pub(super) fn expired() -> Error {
    Error::new(Code::LicenseExpired, "the CDM says that the license has expired")
}

pub(super) fn is_l3(request: &KeyRequest) -> bool {
    request.security_level == SecurityLevel::L3
}
