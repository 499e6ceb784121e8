//! What the app says about the network.

use std::sync::atomic::{AtomicU8, Ordering};

/// What the app knows of the network. Platforms tell apps; Larder does not ask them itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NetworkState {
    /// Nobody said: try, and see. This is the default.
    #[default]
    Unknown,
    /// There is a network: try.
    Online,
    /// There is none, or it must not be used: no request is made, every call that needs one fails with `Offline`.
    Offline,
}

/// A [`NetworkState`] that is read before every request.
#[derive(Debug, Default)]
pub(super) struct StateCell(AtomicU8);

impl StateCell {
    pub(super) fn set(&self, state: NetworkState) {
        let number = match state {
            NetworkState::Unknown => 0,
            NetworkState::Online => 1,
            NetworkState::Offline => 2,
        };
        self.0.store(number, Ordering::SeqCst);
    }

    pub(super) fn get(&self) -> NetworkState {
        match self.0.load(Ordering::SeqCst) {
            1 => NetworkState::Online,
            2 => NetworkState::Offline,
            _ => NetworkState::Unknown,
        }
    }
}
