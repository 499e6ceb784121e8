//! The device conditions as the platform last reported them.

use std::sync::{Mutex, PoisonError};

use crate::ports::DeviceConditions;

/// The last report. The network state in it is not used: [`Network`](crate::net::Network) holds the current one,
/// because every request obeys it.
#[derive(Default)]
pub(super) struct Conditions {
    // Protects one small value; held to copy it.
    reported: Mutex<DeviceConditions>,
}

impl Conditions {
    pub(super) fn set(&self, conditions: DeviceConditions) {
        *self.reported.lock().unwrap_or_else(PoisonError::into_inner) = conditions;
    }

    pub(super) fn get(&self) -> DeviceConditions {
        *self.reported.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
