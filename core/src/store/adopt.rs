//! Taking over what a process left behind when it died.

use std::collections::BTreeSet;

use super::claim::Claim;
use super::read::Unfinished;
use super::session::Sessions;
use super::{ReadTx, Store, WriteTx};
use crate::error::Result;
use crate::model::{AssetId, LicenseId, Profile};

impl Store {
    /// The assets with work on them that was begun by a store that has been closed or killed since: the asset is in the
    /// state registering, or a license of its in the states intended or stored.
    pub fn broken_off(&self) -> Result<BTreeSet<(Profile, AssetId)>> {
        if self.is_read_only() {
            return Ok(BTreeSet::new());
        }
        let Unfinished { licenses, assets } = self.read(|tx| self.abandoned(tx))?;
        let of_licenses = licenses.into_iter().map(|license| license.of);
        Ok(of_licenses.chain(assets.into_iter().map(|asset| asset.of)).collect())
    }

    /// Takes over the work on one asset that was broken off, and puts it right by `recover`, both in one step. False if
    /// there is none. What another process is doing at this moment is not touched, nor is what this store itself is
    /// doing. Works on a full disk; `recover` may run twice.
    pub fn adopt(&self, claim: &Claim, mut recover: impl FnMut(&WriteTx<'_>) -> Result<()>) -> Result<bool> {
        let of = (claim.profile().clone(), claim.asset_id().clone());
        if !self.broken_off()?.contains(&of) {
            return Ok(false);
        }
        self.delete(|tx| {
            let Unfinished { licenses, assets } = self.abandoned(tx)?;
            let mut licenses = licenses.iter().filter(|license| license.of == of).peekable();
            let is_asset = assets.iter().any(|asset| asset.of == of);
            if licenses.peek().is_none() && !is_asset {
                return Ok(false);
            }
            licenses.try_for_each(|license| tx.adopt_license(&license.what))?;
            if is_asset {
                tx.adopt_asset(&of.0, &of.1)?;
            }
            recover(tx).map(|()| true)
        })
    }

    /// True if the store that wrote this license last has been closed or killed since.
    pub(crate) fn is_left_behind(&self, tx: &ReadTx<'_>, license_id: &LicenseId) -> Result<bool> {
        let session = tx.session_of(license_id)?;
        Ok(!Sessions::of(&self.dir).is_live(session.as_deref()))
    }

    fn abandoned(&self, tx: &ReadTx<'_>) -> Result<Unfinished> {
        let mut unfinished = tx.unfinished()?;
        let mut sessions = Sessions::of(&self.dir);
        unfinished.licenses.retain(|license| !sessions.is_live(license.session.as_deref()));
        unfinished.assets.retain(|asset| !sessions.is_live(asset.session.as_deref()));
        Ok(unfinished)
    }
}
