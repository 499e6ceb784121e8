//! Reports of the platform about network and device.

use std::sync::Arc;

use super::reconcile::reconcile_soon;
use crate::ports::{DeviceConditions, NetworkState};
use crate::registry::Registry;

/// Takes the state of the network that the app knows. Going online sends what is queued.
pub(super) fn set_network_state(registry: &Arc<Registry>, state: NetworkState) {
    let before = registry.set_network_state(state);
    if state == NetworkState::Online {
        // A pause after a lost network ends here. A pause that a server's failure has caused is not cut short by an app
        // that reports `Online` every minute.
        reconcile_soon(registry, before != NetworkState::Online);
    }
}

/// Takes a report of the platform. Its network state has the same effect as [`set_network_state`].
pub(super) fn set_conditions(registry: &Arc<Registry>, conditions: DeviceConditions) {
    registry.set_conditions(conditions);
    set_network_state(registry, conditions.network);
}
