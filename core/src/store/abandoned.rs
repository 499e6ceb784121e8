//! Takes over the work that a process left incomplete when it died.

use std::collections::BTreeSet;

use super::asset_lock::AssetLock;
use super::session::{Sessions, Unfinished};
use super::{ReadTx, Store, WriteTx};
use crate::error::Result;
use crate::model::{AssetId, LicenseId, Profile};

impl Store {
    /// Returns the assets whose work was interrupted: the asset is registering, or one of its licenses is intended or
    /// stored, and the store that wrote it last has been closed or killed.
    pub fn interrupted(&self) -> Result<BTreeSet<(Profile, AssetId)>> {
        if self.is_read_only() {
            return Ok(BTreeSet::new());
        }
        let Abandoned { licenses, assets } = self.read(|tx| self.abandoned(tx))?;
        let of_licenses = licenses.into_iter().map(|license| license.asset);
        Ok(of_licenses.chain(assets.into_iter().map(|asset| asset.asset)).collect())
    }

    /// Takes over the interrupted work on one asset and completes or undoes it by `recover`, both in one step. Returns
    /// false if there is none.
    ///
    /// Leaves alone what another process is doing at this moment, and what this store is doing. Works on a full disk;
    /// `recover` may run twice.
    pub fn recover_abandoned(
        &self,
        lock: &AssetLock,
        mut recover: impl FnMut(&WriteTx<'_>) -> Result<()>,
    ) -> Result<bool> {
        let locked = (lock.profile().clone(), lock.asset_id().clone());
        if !self.interrupted()?.contains(&locked) {
            return Ok(false);
        }
        self.write_with_reserve(|tx| {
            let Abandoned { licenses, assets } = self.abandoned(tx)?;
            let mut licenses = licenses.iter().filter(|license| license.asset == locked).peekable();
            let is_asset_abandoned = assets.iter().any(|asset| asset.asset == locked);
            if licenses.peek().is_none() && !is_asset_abandoned {
                return Ok(false);
            }
            licenses.try_for_each(|license| tx.take_over_license(&license.id))?;
            if is_asset_abandoned {
                tx.take_over_asset(&locked.0, &locked.1)?;
            }
            recover(tx).map(|()| true)
        })
    }

    /// True if the store that wrote this license last has been closed or killed.
    pub(crate) fn is_abandoned(&self, tx: &ReadTx<'_>, license_id: &LicenseId) -> Result<bool> {
        let session = tx.session_of(license_id)?;
        Ok(!Sessions::of(&self.dir).is_live(session.as_deref()))
    }

    fn abandoned(&self, tx: &ReadTx<'_>) -> Result<Abandoned> {
        let mut abandoned = Abandoned { licenses: tx.unfinished_licenses()?, assets: tx.unfinished_assets()? };
        let mut sessions = Sessions::of(&self.dir);
        abandoned.licenses.retain(|license| !sessions.is_live(license.session.as_deref()));
        abandoned.assets.retain(|asset| !sessions.is_live(asset.session.as_deref()));
        Ok(abandoned)
    }
}

/// The rows with unfinished work of ended sessions.
struct Abandoned {
    licenses: Vec<Unfinished<LicenseId>>,
    assets: Vec<Unfinished<()>>,
}
