//! Unregistration: the asset is gone for the user at once. Needs neither the media nor a network.

use std::sync::Arc;

use super::reconcile::reconcile_soon;
use crate::cancel::Cancellation;
use crate::error::Result;
use crate::license::release_licenses_of;
use crate::model::{AssetId, UnregisterResult};
use crate::registry::Registry;

/// Removes a registration and queues the release of its licenses.
pub(super) fn unregister(registry: &Arc<Registry>, asset_id: &AssetId) -> Result<UnregisterResult> {
    let lock = registry.lock_asset(asset_id, &Cancellation::new())?;
    let was_registered = registry.store().read(|tx| tx.asset(registry.profile(), asset_id))?.is_some();
    if was_registered {
        registry.store().write_with_reserve(|tx| {
            release_licenses_of(tx, registry.profile(), asset_id)?;
            tx.delete_asset(registry.profile(), asset_id).map(drop)
        })?;
        registry.changed(asset_id)?;
        tracing::info!(%asset_id, "asset unregistered");
    }
    drop(lock);
    let pending_releases = registry.view()?.pending_releases(asset_id);
    if pending_releases > 0 {
        reconcile_soon(registry, false);
    }
    Ok(UnregisterResult { was_registered, pending_releases })
}

/// Removes every registration of the profile. Returns their number.
pub(super) fn remove_all(registry: &Arc<Registry>) -> Result<u32> {
    let all: Vec<AssetId> =
        registry.fresh_view()?.all().into_iter().map(|asset| asset.summary.asset_id.clone()).collect();
    let mut removed = 0;
    for asset_id in all {
        removed += u32::from(unregister(registry, &asset_id)?.was_registered);
    }
    Ok(removed)
}
