//! The app's secret storage.

use std::sync::Arc;

use larder_core::ports::LocalDrmStorage;
use larder_core::{Code, Error, Result};

use crate::error::FfiError;

/// The app's secret storage. See `larder.udl`.
#[uniffi::trait_interface]
pub trait FfiDrmStorage: Send + Sync {
    /// Stores a value, durably, replacing an older one.
    fn save(&self, key: String, value: Vec<u8>) -> Result<(), FfiError>;
    /// Gives a value back, `None` if there is none.
    fn load(&self, key: String) -> Result<Option<Vec<u8>>, FfiError>;
    /// Removes a value.
    fn remove(&self, key: String) -> Result<(), FfiError>;
}

pub(crate) struct Storage(pub(crate) Arc<dyn FfiDrmStorage>);

impl LocalDrmStorage for Storage {
    fn save(&self, key: &str, value: &[u8]) -> Result<()> {
        self.0.save(key.to_owned(), value.to_vec()).map_err(thrown)
    }

    fn load(&self, key: &str) -> Result<Option<Vec<u8>>> {
        // A storage that seals its values may have lost the key to one: no later call will give it back.
        self.0.load(key.to_owned()).map_err(|error| match error {
            FfiError::Failed { ref code, .. } if code == Code::LicenseUnreadable.as_str() => {
                error.into_core(Code::LicenseUnreadable, |_| true)
            }
            _ => thrown(error),
        })
    }

    fn remove(&self, key: &str) -> Result<()> {
        self.0.remove(key.to_owned()).map_err(thrown)
    }
}

/// A storage speaks of itself alone: whatever else it throws, to the caller the storage has failed.
fn thrown(error: FfiError) -> Error {
    error.into_core(Code::StorageFailed, |code| {
        matches!(code, Code::StorageFailed | Code::StorageLost | Code::StorageTimeout | Code::DiskFull)
    })
}
