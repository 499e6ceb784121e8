//! Reconciliation: recovers from a crash, sends queued releases, and counts the licenses that the CDMs hold.

use std::sync::Arc;

use crate::cancel::Cancellation;
use crate::error::Result;
use crate::license::{Drained, Publisher};
use crate::model::{AssetId, ReconcileReport};
use crate::registry::Registry;
use crate::store::Notice;

/// Reconciles now, and reports everything that was done since the last report, with the work in the background: a
/// license that was released just before the caller asked counts as released, too.
pub(super) fn reconcile(registry: &Arc<Registry>) -> Result<ReconcileReport> {
    let ReconcileReport { pending, foreign, held, .. } = run(registry, true)?;
    let done = std::mem::take(&mut *registry.unreported());
    Ok(ReconcileReport { pending, foreign, held, ..done })
}

/// Reconciles in the background. A failure is tried again at the next occasion: the next opening, change of the
/// network, or call that leaves something to release.
pub(super) fn reconcile_soon(registry: &Arc<Registry>, even_if_not_due: bool) {
    if registry.store().is_read_only() {
        return;
    }
    registry.run_in_background(move |registry| {
        if let Err(error) = run(registry, even_if_not_due) {
            tracing::info!(code = %error.code(), "reconciliation failed; will retry");
        }
    });
}

/// Reconciles once. `even_if_not_due` also tries releases whose pause after a failure has not ended.
fn run(registry: &Arc<Registry>, even_if_not_due: bool) -> Result<ReconcileReport> {
    // One at a time: a second one would find every release leased by the first.
    let _lock = registry.shared.reconciling.lock(&(), registry.config.timeouts.engine, &Cancellation::new())?;
    let licensing = &registry.licensing;
    let was_damaged = matches!(registry.notice(), Some(Notice::SetAside { .. }));
    let has_ownerless = was_damaged && licensing.release_ownerless()?;
    let recovered = licensing.recover()?;
    if has_ownerless || recovered.is_anything_changed {
        registry.shared.changed();
    }
    let Drained { released, forgotten, pending } = licensing.drain_releases(even_if_not_due)?;
    if released + forgotten > 0 {
        registry.shared.changed();
    }
    // Still under the lock, so that the next reconciliation reports it if this one's caller does not.
    let mut unreported = registry.unreported();
    unreported.released += released;
    unreported.forgotten += forgotten;
    drop(unreported);
    // The CDMs were counted before the releases: after one they are counted again.
    let held = if released + forgotten > 0 { licensing.count_held() } else { recovered.held };
    Ok(ReconcileReport { released, forgotten, pending, foreign: recovered.foreign, held })
}

impl Publisher for Arc<Registry> {
    fn publish(&self, asset_id: &AssetId) -> Result<()> {
        self.changed(asset_id)
    }

    fn reconcile_soon(&self) {
        reconcile_soon(self, false);
    }
}
