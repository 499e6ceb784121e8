//! A CDM.

use std::sync::Arc;

use larder_core::model::license::{Handle, LicenseGrant, LicenseTimes, ReleaseOutcome, StoredLicense};
use larder_core::model::{DrmScheme, KeyRequest};
use larder_core::ports::{DrmEngine, LicenseExchange};
use larder_core::{Code, Error, Result};

use crate::error::FfiError;
use crate::exchange::FfiExchange;
use crate::records;

/// A CDM. See `larder.udl`.
#[uniffi::trait_interface]
pub trait FfiDrmEngine: Send + Sync {
    /// The scheme it serves.
    fn scheme(&self) -> Result<DrmScheme, FfiError>;
    /// Gets a license that may be stored.
    fn acquire(
        &self,
        request: records::KeyRequest,
        exchange: Arc<FfiExchange>,
    ) -> Result<records::LicenseGrant, FfiError>;
    /// Renews a license.
    fn renew(
        &self,
        held: records::StoredLicense,
        request: records::KeyRequest,
        exchange: Arc<FfiExchange>,
    ) -> Result<records::LicenseGrant, FfiError>;
    /// Asks the CDM what is left of a license.
    fn inspect(&self, held: records::StoredLicense) -> Result<records::LicenseTimes, FfiError>;
    /// Gives a license back and removes it from the device.
    fn release(&self, held: records::StoredLicense, exchange: Arc<FfiExchange>) -> Result<ReleaseOutcome, FfiError>;
    /// Removes a license from the device without its server.
    fn remove(&self, held: records::StoredLicense) -> Result<(), FfiError>;
    /// Every license that the CDM holds for this app, `None` if it cannot list them.
    fn held(&self) -> Result<Option<Vec<Vec<u8>>>, FfiError>;
}

/// A foreign engine, with its scheme asked once: the core asks often and expects no failure.
pub(crate) struct Engine {
    scheme: DrmScheme,
    engine: Arc<dyn FfiDrmEngine>,
}

impl Engine {
    pub(crate) fn new(engine: Arc<dyn FfiDrmEngine>) -> Result<Self> {
        let scheme = engine.scheme().map_err(thrown)?;
        Ok(Self { scheme, engine })
    }
}

impl DrmEngine for Engine {
    fn scheme(&self) -> DrmScheme {
        self.scheme
    }

    fn acquire(&self, request: &KeyRequest, exchange: Arc<dyn LicenseExchange>) -> Result<LicenseGrant> {
        let exchange = Arc::new(FfiExchange::new(exchange));
        self.engine.acquire(request.clone().into(), exchange).map_err(thrown)?.try_into()
    }

    fn renew(
        &self,
        held: &StoredLicense,
        request: &KeyRequest,
        exchange: Arc<dyn LicenseExchange>,
    ) -> Result<LicenseGrant> {
        let exchange = Arc::new(FfiExchange::new(exchange));
        self.engine.renew(held.clone().into(), request.clone().into(), exchange).map_err(thrown)?.try_into()
    }

    fn inspect(&self, held: &StoredLicense) -> Result<LicenseTimes> {
        self.engine.inspect(held.clone().into()).map(LicenseTimes::from).map_err(thrown)
    }

    fn release(&self, held: &StoredLicense, exchange: Arc<dyn LicenseExchange>) -> Result<ReleaseOutcome> {
        let exchange = Arc::new(FfiExchange::new(exchange));
        self.engine.release(held.clone().into(), exchange).map_err(thrown)
    }

    fn remove(&self, held: &StoredLicense) -> Result<()> {
        self.engine.remove(held.clone().into()).map_err(thrown)
    }

    fn held(&self) -> Result<Option<Vec<Handle>>> {
        let held = self.engine.held().map_err(thrown)?;
        Ok(held.map(|handles| handles.into_iter().map(Handle::new).collect()))
    }
}

/// An engine passes on what `send` threw, so every code of Larder's may come back.
fn thrown(error: FfiError) -> Error {
    error.into_core(Code::CdmFailed, |_| true)
}
