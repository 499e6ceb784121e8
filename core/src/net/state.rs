//! The network state that the app reported, read before every request.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::ports::NetworkState;

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
