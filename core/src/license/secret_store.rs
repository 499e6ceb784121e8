//! The app's secret storage, which is not trusted: every call is bounded in time, every write is read back.
//!
//! A storage that loses a value, returns another one, throws or hangs gives a typed error, and the license that it was
//! given counts as not stored.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle as Runtime;
use zeroize::Zeroizing;

use crate::error::{Code, Error, Result};
use crate::guard::call_delegate;
use crate::model::LicenseId;
use crate::model::license::{Handle, HandleDigest};
use crate::ports::LocalDrmStorage;

/// Stores handles and secure tokens in the app's secret storage.
#[derive(Clone)]
pub(crate) struct SecretStore {
    storage: Arc<dyn LocalDrmStorage>,
    runtime: Runtime,
    timeout: Duration,
}

impl SecretStore {
    pub(crate) fn new(storage: Arc<dyn LocalDrmStorage>, runtime: Runtime, timeout: Duration) -> Self {
        Self { storage, runtime, timeout }
    }

    /// Stores a handle and reads it back.
    ///
    /// Fails with `StorageFailed`, `StorageLost` or `StorageTimeout`; the storage may hold the value then.
    pub(crate) fn store(&self, id: &LicenseId, handle: &Handle) -> Result<()> {
        self.save(id.storage_key(), handle.as_bytes())
    }

    /// Loads the handle of a license. Returns `None` if the storage has none.
    pub(crate) fn load(&self, id: &LicenseId) -> Result<Option<Handle>> {
        Ok(self.read(id.storage_key())?.map(Handle::new))
    }

    /// Loads the handle of a license whose digest the ledger knows.
    ///
    /// Fails with `LicenseUnreadable` if the storage has no handle, or another one.
    pub(crate) fn load_known(&self, id: &LicenseId, known: &[HandleDigest]) -> Result<Handle> {
        match self.load(id)? {
            Some(handle) if known.contains(&handle.digest()) => Ok(handle),
            Some(_) => Err(Error::new(
                Code::LicenseUnreadable,
                "the secret storage holds another value for this license; register the asset again",
            )),
            None => Err(Error::new(
                Code::LicenseUnreadable,
                "the secret storage no longer holds this license; register the asset again",
            )),
        }
    }

    /// Removes a handle.
    pub(crate) fn remove(&self, id: &LicenseId) -> Result<()> {
        self.delete(id.storage_key())
    }

    /// Stores the secure token (SPC) of a FairPlay release, as [`store`](Self::store) stores a handle.
    pub(crate) fn store_release_token(&self, id: &LicenseId, token: &[u8]) -> Result<()> {
        self.save(id.release_token_storage_key(), token)
    }

    /// Loads the secure token of a release that the server has not confirmed yet.
    pub(crate) fn load_release_token(&self, id: &LicenseId) -> Result<Option<Vec<u8>>> {
        self.read(id.release_token_storage_key())
    }

    /// Removes a secure token.
    pub(crate) fn remove_release_token(&self, id: &LicenseId) -> Result<()> {
        self.delete(id.release_token_storage_key())
    }

    fn save(&self, key: String, value: &[u8]) -> Result<()> {
        let given = Zeroizing::new(value.to_vec());
        self.call("the secret storage's save", key.clone(), move |storage, key| storage.save(key, &given))?;
        match self.read(key)?.map(Zeroizing::new) {
            Some(back) if *back == value => Ok(()),
            Some(_) => Err(Error::new(Code::StorageLost, "the secret storage returned another value than was saved")),
            None => Err(Error::new(Code::StorageLost, "the secret storage lost a value that was saved")),
        }
    }

    fn read(&self, key: String) -> Result<Option<Vec<u8>>> {
        self.call("the secret storage's load", key, |storage, key| storage.load(key))
    }

    fn delete(&self, key: String) -> Result<()> {
        self.call("the secret storage's remove", key, |storage, key| storage.remove(key))
    }

    fn call<T: Send + 'static>(
        &self,
        what: &'static str,
        key: String,
        call: impl FnOnce(&dyn LocalDrmStorage, &str) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let storage = Arc::clone(&self.storage);
        call_delegate(&self.runtime, self.timeout, what, Code::StorageTimeout, move || call(&*storage, &key)).map_err(
            |error| match error.code() {
                // Other codes of the app's code become one: for the caller, the storage failed.
                Code::StorageTimeout
                | Code::StorageLost
                | Code::StorageFailed
                | Code::DiskFull
                | Code::LicenseUnreadable => error,
                _ => Error::new(Code::StorageFailed, format!("{what} failed")).caused_by(error),
            },
        )
    }
}
