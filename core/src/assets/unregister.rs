//! Unregistration: gone for the user at once. Neither the media nor a network is needed.

use std::sync::Arc;

use crate::cancel::Cancellation;
use crate::error::Result;
use crate::model::AssetId;
use crate::model::UnregisterResult;
use crate::registry::Registry;

impl Registry {
    /// Drops a registration and queues the release of its licenses.
    pub(crate) fn unregister(self: &Arc<Self>, asset_id: &AssetId) -> Result<UnregisterResult> {
        let turn = self.lock_asset(asset_id, &Cancellation::new())?;
        let was_registered = self.store().read(|tx| tx.asset(self.profile(), asset_id))?.is_some();
        if was_registered {
            self.remove_registration(asset_id)?;
            tracing::info!(asset = %asset_id, "unregistered");
        }
        drop(turn);
        let pending_releases = self.view()?.pending_releases(asset_id);
        if pending_releases > 0 {
            self.reconcile_soon(false);
        }
        Ok(UnregisterResult { was_registered, pending_releases })
    }

    /// Drops every registration of the profile. Returns how many.
    pub(crate) fn remove_all(self: &Arc<Self>) -> Result<u32> {
        let ids: Vec<AssetId> =
            self.fresh_view()?.all().into_iter().map(|entry| entry.summary.asset_id.clone()).collect();
        let mut removed = 0;
        for asset_id in ids {
            removed += u32::from(self.unregister(&asset_id)?.was_registered);
        }
        Ok(removed)
    }
}
