//! What the device is like, as the platform reports it through one port.

use std::sync::{Arc, Mutex, PoisonError};

use super::registry::Registry;
use crate::ports::{DeviceConditions, NetworkState};

/// The last report. Its network is not kept here: the client that must obey it has it.
#[derive(Default)]
pub(crate) struct Conditions {
    // Protects one small value; held to copy it.
    reported: Mutex<DeviceConditions>,
}

impl Registry {
    pub(crate) fn set_network_state(self: &Arc<Self>, state: NetworkState) {
        let before = self.licensing.network().state();
        self.licensing.network().set_state(state);
        if state == NetworkState::Online {
            // A pause that a lost network has caused is over; one that a server has caused is not shortened by an app
            // that says every minute that it is online.
            self.reconcile_soon(before != NetworkState::Online);
        }
    }

    pub(crate) fn set_conditions(self: &Arc<Self>, conditions: DeviceConditions) {
        *self.conditions.reported.lock().unwrap_or_else(PoisonError::into_inner) = conditions;
        self.set_network_state(conditions.network);
    }

    pub(crate) fn conditions(&self) -> DeviceConditions {
        let reported = *self.conditions.reported.lock().unwrap_or_else(PoisonError::into_inner);
        DeviceConditions { network: self.licensing.network().state(), ..reported }
    }
}
