//! Unregistration: gone for the user at once. Neither the media nor a network is needed.

use std::sync::Arc;

use super::registry::Registry;
use super::types::{ReconcileReport, UnregisterResult};
use crate::cancel::Cancellation;
use crate::error::Result;
use crate::license::Drained;
use crate::model::AssetId;
use crate::store::Notice;

impl Registry {
    /// Drops a registration and queues the release of its licenses.
    pub(crate) fn unregister(self: &Arc<Self>, asset_id: &AssetId) -> Result<UnregisterResult> {
        let turn = self.turn(asset_id, &Cancellation::new())?;
        let was_registered = self.store().read(|tx| tx.asset(self.profile(), asset_id))?.is_some();
        if was_registered {
            self.abandon(asset_id, &[])?;
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

    /// Reconciles, and tells what has been done since it was last told. A license that went back in the background, just
    /// before the caller asked, went back too.
    pub(crate) fn reconcile_and_report(self: &Arc<Self>) -> Result<ReconcileReport> {
        let ReconcileReport { pending, foreign, held, .. } = self.reconcile(true)?;
        let done = std::mem::take(&mut *self.unreported());
        Ok(ReconcileReport { pending, foreign, held, ..done })
    }

    /// Recovers what a crash left, sends queued releases, and counts what the CDMs hold that is not ours.
    pub(crate) fn reconcile(self: &Arc<Self>, even_if_not_due: bool) -> Result<ReconcileReport> {
        // One after the other: a second one would find everything claimed by the first.
        let _turn = self.shared.reconciling.claim(&(), self.config.timeouts.engine, &Cancellation::new())?;
        let was_damaged = matches!(self.shared.notice, Some(Notice::SetAside { .. }));
        let has_ownerless = was_damaged && self.licensing.release_ownerless()?;
        let recovered = self.licensing.recover()?;
        if has_ownerless || recovered.is_anything_changed {
            self.shared.changed();
        }
        let Drained { released, forgotten, pending } = self.licensing.drain_releases(even_if_not_due)?;
        if released + forgotten > 0 {
            self.shared.changed();
        }
        // Before the turn ends: the next one reports it.
        let mut unreported = self.unreported();
        unreported.released += released;
        unreported.forgotten += forgotten;
        drop(unreported);
        // What went back is not held any more.
        let held = if released + forgotten > 0 { self.licensing.engines.count_held() } else { recovered.held };
        Ok(ReconcileReport { released, forgotten, pending, foreign: recovered.foreign, held })
    }

    /// Reconciles on a thread of its own; a failure is tried again at the next occasion.
    pub(crate) fn reconcile_soon(self: &Arc<Self>, even_if_not_due: bool) {
        if self.store().is_read_only() {
            return;
        }
        let this = Arc::downgrade(self);
        self.licensing.engines.runtime().spawn_blocking(move || {
            let Some(registry) = this.upgrade() else { return };
            if let Err(error) = registry.reconcile(even_if_not_due) {
                tracing::info!(code = %error.code(), "reconciling waits");
            }
        });
    }
}
