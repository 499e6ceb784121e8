//! CDMs to test with: they behave as MediaDrm and AVFoundation do towards an engine, speak to the servers of this crate,
//! and go wrong as a script says.
//!
//! | file | what |
//! |---|---|
//! | [`device`](WidevineDevice), [`widevine`](ScriptedWidevine) | key set ids that the device keeps, provisioning, renewal in place, listing |
//! | [`fairplay`](ScriptedFairPlay) | keys that the app keeps, dual expiry, no listing, no release |
//! | [`script`](Script) | what goes wrong, and when |
//!
//! A device outlives the engine objects on it, as a phone outlives processes: make one device, and an engine on it for
//! every run of the app.

mod device;
mod fairplay;
mod script;
mod widevine;

pub use device::{WidevineDevice, WidevineSwitches};
pub use fairplay::{FairPlayDevice, FairPlaySwitches, PlaybackStart, ScriptedFairPlay};
pub use script::{Call, Moment, Script, Trouble};
pub use widevine::ScriptedWidevine;

use larder_core::model::license::LicenseDuration;

/// A server's seconds as a CDM tells them: what is not said has no limit, what is negative is over.
fn remaining(seconds: Option<i64>, since_ms: i64, now_ms: i64) -> LicenseDuration {
    match seconds {
        None => LicenseDuration::Unlimited,
        Some(seconds) => {
            let end_ms = since_ms.saturating_add(seconds.saturating_mul(1000));
            LicenseDuration::Seconds(u64::try_from(end_ms.saturating_sub(now_ms).max(0) / 1000).unwrap_or(0))
        }
    }
}
