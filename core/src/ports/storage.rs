//! The secret storage of the app or the platform.

use crate::error::Result;

/// The app's secret storage: small values under short keys of ours.
pub trait LocalDrmStorage: Send + Sync {
    /// Stores a value, replacing an older one, and returns only when it is durable.
    fn save(&self, key: &str, value: &[u8]) -> Result<()>;
    /// Gives a value back, `None` if there is none. `LicenseUnreadable` says that it is there and that nothing will make
    /// it readable again: a storage that seals its values has lost the key.
    fn load(&self, key: &str) -> Result<Option<Vec<u8>>>;
    /// Removes a value. Removing one that is not there is success.
    fn remove(&self, key: &str) -> Result<()>;
}
