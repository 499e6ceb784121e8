//! The licenses of one asset, acquired together: intents, engine, activation, and the way back from a failure.
//!
//! A registration and a refresh run the same saga, which exists here alone:
//!
//! 1. The intents are written, together with a new registration's asset, before any engine is asked.
//! 2. A guard marks them as in progress, so that reconciliation does not take them for the remains of a crash.
//! 3. Each license is acquired, one after the other.
//! 4. On success all of them become active in one transaction, and their predecessors are superseded. On failure the
//!    acquired licenses are queued for release, and a new registration is removed.
//! 5. The change is published, and reconciliation sends the queued releases.

use std::sync::Arc;

use super::acquire::Operation;
use super::ledger::{Predecessor, Step, discard_ungranted, release_licenses_of, transition};
use super::licensing::{IntentGuard, Licensing};
use super::requests::has_keys;
use crate::cancel::Cancellation;
use crate::error::Result;
use crate::model::{AssetId, DrmParams, KeyRequest, LicenseId, LicenseState};
use crate::store::{AssetRow, AssetState, LicenseRow, WriteTx};

/// A license to acquire.
#[derive(Clone)]
pub(crate) struct Acquisition {
    /// The request to the engine.
    pub(crate) request: KeyRequest,
    /// The license that it replaces.
    pub(crate) replaces: Option<LicenseId>,
    /// The call of the engine.
    pub(crate) operation: Operation,
}

/// The change of an asset that needs the licenses.
#[derive(Clone, Copy)]
pub(crate) enum Purpose<'a> {
    /// A new registration. Its asset is written with the intents, in the state registering, and becomes registered with
    /// the licenses.
    Registration(&'a AssetRow),
    /// A refresh of a registered asset.
    Refresh {
        /// The asset.
        asset: &'a AssetRow,
        /// Its active licenses that the new ones retire. Those without a successor are superseded, too.
        retired: &'a [LicenseRow],
    },
}

/// Receives the changes of an asset.
pub(crate) trait Publisher {
    /// Makes a change of the asset visible to lookups.
    fn publish(&self, asset_id: &AssetId) -> Result<()>;
    /// Starts reconciliation in the background.
    fn reconcile_soon(&self);
}

impl Licensing {
    /// Acquires licenses and activates them. On failure the asset and its licenses are as they were.
    pub(crate) fn acquire_all(
        self: &Arc<Self>,
        purpose: Purpose<'_>,
        params: &DrmParams,
        acquisitions: Vec<Acquisition>,
        publisher: &dyn Publisher,
        cancel: &Cancellation,
    ) -> Result<()> {
        let asset = purpose.asset();
        let (requests, operations): (Vec<_>, Vec<_>) =
            acquisitions.into_iter().map(|one| ((one.request, one.replaces), one.operation)).unzip();
        let intents = self.intents(&asset.profile, &asset.asset_id, params, requests)?;
        let _guards: Vec<IntentGuard> = intents.iter().map(|intent| self.in_flight.guard(&intent.license_id)).collect();
        self.store.write(|tx| {
            purpose.begin(tx)?;
            intents.iter().try_for_each(|intent| transition(tx, intent, Step::Intend).map(drop))
        })?;
        let outcome = self.acquire_and_activate(purpose, &intents, operations, publisher, cancel);
        if outcome.is_err() {
            self.store.write_with_reserve(|tx| purpose.take_back(tx, &intents))?;
        }
        publisher.publish(&asset.asset_id)?;
        if outcome.is_err() || matches!(purpose, Purpose::Refresh { .. }) {
            publisher.reconcile_soon();
        }
        outcome
    }

    fn acquire_and_activate(
        self: &Arc<Self>,
        purpose: Purpose<'_>,
        intents: &[LicenseRow],
        operations: Vec<Operation>,
        publisher: &dyn Publisher,
        cancel: &Cancellation,
    ) -> Result<()> {
        if let Purpose::Registration(asset) = purpose {
            publisher.publish(&asset.asset_id)?;
        }
        let mut acquired: Vec<LicenseRow> = Vec::new();
        for (intent, operation) in intents.iter().zip(operations) {
            // A license whose keys are in an earlier one is not needed.
            if has_keys(&acquired, &intent.request) {
                self.store.write(|tx| discard_ungranted(tx, intent))?;
                continue;
            }
            acquired.push(self.acquire(intent, operation, cancel)?);
        }
        if let Purpose::Registration(_) = purpose {
            cancel.check()?;
        }
        // Renewals in place are active already.
        acquired.retain(|license| license.state == LicenseState::Stored);
        if acquired.is_empty() && purpose.retired().is_empty() && matches!(purpose, Purpose::Refresh { .. }) {
            return Ok(());
        }
        self.store.write(|tx| purpose.complete(tx, &acquired))
    }
}

impl<'a> Purpose<'a> {
    fn asset(self) -> &'a AssetRow {
        match self {
            Self::Registration(asset) | Self::Refresh { asset, .. } => asset,
        }
    }

    fn retired(self) -> &'a [LicenseRow] {
        match self {
            Self::Registration(_) => &[],
            Self::Refresh { retired, .. } => retired,
        }
    }

    fn begin(self, tx: &WriteTx<'_>) -> Result<()> {
        match self {
            Self::Registration(asset) => tx.insert_asset(&AssetRow { state: AssetState::Registering, ..asset.clone() }),
            Self::Refresh { .. } => Ok(()),
        }
    }

    /// The last step: the asset is registered and its licenses are active, in one transaction.
    fn complete(self, tx: &WriteTx<'_>, acquired: &[LicenseRow]) -> Result<()> {
        if let Self::Registration(asset) = self {
            tx.update_asset(&AssetRow { state: AssetState::Registered, ..asset.clone() })?;
        }
        for license in acquired {
            transition(tx, license, Step::Activate(Predecessor::IsReleased))?;
        }
        for old in self.retired() {
            if tx.license(&old.license_id)?.is_some_and(|now| now.state == LicenseState::Active) {
                transition(tx, old, Step::Supersede)?;
            }
        }
        Ok(())
    }

    /// Undoes a failed acquisition. Of the intents, only those in progress are removed; recovery finds out what has
    /// become of the others.
    fn take_back(self, tx: &WriteTx<'_>, intents: &[LicenseRow]) -> Result<()> {
        for intent in intents {
            match tx.license(&intent.license_id)? {
                Some(row) if row.state == LicenseState::Stored => transition(tx, &row, Step::QueueRelease).map(drop)?,
                _ => discard_ungranted(tx, intent)?,
            }
        }
        if let Self::Registration(asset) = self {
            release_licenses_of(tx, &asset.profile, &asset.asset_id)?;
            tx.delete_asset(&asset.profile, &asset.asset_id)?;
        }
        Ok(())
    }
}
