//! Reconciliation: recovery after a crash, queued releases, and a count of what the CDMs hold.

use std::sync::Arc;

use crate::cancel::Cancellation;
use crate::error::Result;
use crate::license::Drained;
use crate::model::ReconcileReport;
use crate::registry::Registry;
use crate::store::Notice;

impl Registry {
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
        let _lock = self.shared.reconciling.lock(&(), self.config.timeouts.engine, &Cancellation::new())?;
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
        self.run_in_background(move || {
            let Some(registry) = this.upgrade() else { return };
            if let Err(error) = registry.reconcile(even_if_not_due) {
                tracing::info!(code = %error.code(), "reconciling waits");
            }
        });
    }
}
