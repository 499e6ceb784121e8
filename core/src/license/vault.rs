//! The app's secret storage, as far as it can be trusted: every call bounded, every write read back.
//!
//! A storage that loses, lies, throws or hangs gives a typed error, and the license it was given is not counted on.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle as Runtime;
use zeroize::Zeroizing;

use crate::error::{Code, Error, Result};
use crate::guard::call_delegate;
use crate::model::LicenseId;
use crate::model::license::{Handle, HandleDigest};
use crate::ports::LocalDrmStorage;

/// Where handles lie.
#[derive(Clone)]
pub(crate) struct Vault {
    storage: Arc<dyn LocalDrmStorage>,
    runtime: Runtime,
    timeout: Duration,
}

impl Vault {
    pub(crate) fn new(storage: Arc<dyn LocalDrmStorage>, runtime: Runtime, timeout: Duration) -> Self {
        Self { storage, runtime, timeout }
    }

    /// Stores a handle and reads it back. Fails with `StorageFailed`, `StorageLost` or `StorageTimeout`; the value may
    /// then be there or not.
    pub(crate) fn store(&self, id: &LicenseId, handle: &Handle) -> Result<()> {
        self.save(id.storage_key(), handle.as_bytes())
    }

    /// The handle of a license, `None` if the storage has none.
    pub(crate) fn load(&self, id: &LicenseId) -> Result<Option<Handle>> {
        Ok(self.read(id.storage_key())?.map(Handle::new))
    }

    /// The handle of a license whose digest the ledger knows. `LicenseUnreadable` if it is not there or is another.
    pub(crate) fn load_known(&self, id: &LicenseId, known: &[HandleDigest]) -> Result<Handle> {
        match self.load(id)? {
            Some(handle) if known.contains(&handle.digest()) => Ok(handle),
            Some(_) => Err(Error::new(Code::LicenseUnreadable, "the storage holds another value for this license")),
            None => Err(Error::new(Code::LicenseUnreadable, "the storage no longer holds this license")),
        }
    }

    /// Removes a handle.
    pub(crate) fn remove(&self, id: &LicenseId) -> Result<()> {
        self.delete(id.storage_key())
    }

    /// Stores what proves to the server that a license was given up, as [`store`](Self::store) does a handle.
    pub(crate) fn store_proof(&self, id: &LicenseId, proof: &[u8]) -> Result<()> {
        self.save(id.proof_storage_key(), proof)
    }

    /// The proof of a release that the server has not had yet.
    pub(crate) fn load_proof(&self, id: &LicenseId) -> Result<Option<Vec<u8>>> {
        self.read(id.proof_storage_key())
    }

    /// Removes a proof.
    pub(crate) fn remove_proof(&self, id: &LicenseId) -> Result<()> {
        self.delete(id.proof_storage_key())
    }

    fn save(&self, key: String, value: &[u8]) -> Result<()> {
        let given = Zeroizing::new(value.to_vec());
        self.call("the storage's save", key.clone(), move |storage, key| storage.save(key, &given))?;
        match self.read(key)?.map(Zeroizing::new) {
            Some(back) if *back == value => Ok(()),
            Some(_) => Err(Error::new(Code::StorageLost, "the storage gives back another value than it was given")),
            None => Err(Error::new(Code::StorageLost, "the storage does not give back what it was given")),
        }
    }

    fn read(&self, key: String) -> Result<Option<Vec<u8>>> {
        self.call("the storage's load", key, |storage, key| storage.load(key))
    }

    fn delete(&self, key: String) -> Result<()> {
        self.call("the storage's remove", key, |storage, key| storage.remove(key))
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
                // Whatever the app's code calls its failure: for the caller it is the storage that failed.
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
