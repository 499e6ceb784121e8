//! The parts that every license flow works with.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::engines::{EngineError, Engines};
use super::exchange::{Exchange, ExchangeContext};
use super::secret_store::SecretStore;
use crate::cancel::Cancellation;
use crate::error::Result;
use crate::model::license::{Handle, HandleDigest, LicenseTimes, StoredLicense};
use crate::model::report::MANY_LICENSES;
use crate::model::{AssetId, DrmParams, DrmScheme, KeyRequest, LicenseId, Profile};
use crate::net::Network;
use crate::ports::Clock;
use crate::store::{LicenseRow, Store};

/// The ledger and the parts that a step in it needs: store, secret storage, engines, network.
pub(crate) struct Licensing {
    pub(crate) store: Arc<Store>,
    pub(crate) secret_store: SecretStore,
    pub(crate) engines: Engines,
    pub(crate) exchanges: ExchangeContext,
    pub(crate) clock: Arc<dyn Clock>,
    /// Shared by all managers over one store.
    pub(crate) in_flight: Arc<InFlight>,
}

impl Licensing {
    /// Returns rows for licenses that are about to be acquired, one per request. Writes nothing.
    pub(super) fn intents(
        &self,
        profile: &Profile,
        asset_id: &AssetId,
        params: &DrmParams,
        requests: impl IntoIterator<Item = (KeyRequest, Option<LicenseId>)>,
    ) -> Result<Vec<LicenseRow>> {
        let held_before: Option<Vec<HandleDigest>> =
            self.engines.held_by(params.scheme).map(|held| held.iter().map(|handle| handle.digest()).collect());
        if let Some(held) = held_before.as_ref().filter(|held| held.len() >= MANY_LICENSES as usize) {
            let held = held.len();
            // The log carries the warning because near 200 licenses some devices stop opening any.
            tracing::warn!(held, scheme = %params.scheme, "CDM close to its license limit");
        }
        requests
            .into_iter()
            .map(|(request, replaces)| {
                let (id, profile, asset_id) = (LicenseId::random()?, profile.clone(), asset_id.clone());
                let row = LicenseRow::intended(id, profile, asset_id, request, params.clone());
                Ok(LicenseRow { held_before: held_before.clone(), replaces, ..row })
            })
            .collect()
    }

    /// Lends the network to an engine, for one call about this license.
    pub(crate) fn exchange(&self, row: &LicenseRow, cancel: &Cancellation) -> Arc<Exchange> {
        let (asset_id, params) = (row.asset_id.clone(), row.params.clone());
        Exchange::new(self.exchanges.clone(), asset_id, params, Some(&row.request), cancel.clone())
    }

    /// Lends the network to the platform, for one message about an asset that is not registered yet.
    pub(crate) fn exchange_for(&self, asset_id: &AssetId, params: DrmParams) -> Arc<Exchange> {
        Exchange::new(self.exchanges.clone(), asset_id.clone(), params, None, Cancellation::new())
    }

    /// Returns the network.
    pub(crate) fn network(&self) -> &Network {
        &self.exchanges.network
    }

    /// Loads a license of the ledger with its handle, as an engine takes it.
    ///
    /// Fails with a `Storage…` code, or with `LicenseUnreadable` if the secret storage has lost the handle.
    pub(crate) fn load(&self, row: &LicenseRow) -> Result<StoredLicense> {
        let known: Vec<HandleDigest> = row.handle_digest.into_iter().collect();
        Ok(row.held_under(self.secret_store.load_known(&row.license_id, &known)?))
    }

    /// Loads a license and asks its CDM how long it lasts.
    ///
    /// Fails as [`load`](Self::load), and with a `License…` or `Cdm…` code of the engine.
    pub(crate) fn inspect(&self, row: &LicenseRow) -> Result<LicenseTimes> {
        self.inspect_stored(self.load(row)?)
    }

    /// As [`inspect`](Self::inspect), for a license whose handle is not in the secret storage yet.
    pub(crate) fn inspect_under(&self, row: &LicenseRow, handle: &Handle) -> Result<LicenseTimes> {
        self.inspect_stored(row.held_under(handle.clone()))
    }

    fn inspect_stored(&self, license: StoredLicense) -> Result<LicenseTimes> {
        let scheme = license.scheme;
        self.engines.call(scheme, None, move |engine| engine.inspect(&license), drop).map_err(EngineError::into_error)
    }

    /// Stores the handle of a license and reads it back. Fails with a `Storage…` code.
    pub(crate) fn store_handle(&self, license_id: &LicenseId, handle: &Handle) -> Result<()> {
        self.secret_store.store(license_id, handle)
    }

    /// Returns the schemes that an engine is registered for.
    pub(crate) fn schemes(&self) -> Vec<DrmScheme> {
        self.engines.schemes()
    }

    /// Counts the licenses that the CDMs hold for this app; `None` if no CDM can list them.
    pub(crate) fn count_held(&self) -> Option<u32> {
        self.engines.count_held()
    }
}

/// The intents that this process is working on. Recovery leaves them alone.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    // Protects a set of ids; held for one look-up or change.
    ids: Mutex<HashSet<LicenseId>>,
}

impl InFlight {
    /// Marks an intent as in progress until the guard is dropped.
    pub(crate) fn guard(self: &Arc<Self>, id: &LicenseId) -> IntentGuard {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
        IntentGuard { of: Arc::clone(self), id: id.clone() }
    }

    pub(crate) fn contains(&self, id: &LicenseId) -> bool {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
    }
}

/// See [`InFlight::guard`].
#[derive(Debug)]
pub(crate) struct IntentGuard {
    of: Arc<InFlight>,
    id: LicenseId,
}

impl Drop for IntentGuard {
    fn drop(&mut self) {
        self.of.ids.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}
