//! A license that goes on under another handle: the server renewed it so, or the CDM changed the handle by itself.
//!
//! The old handle is void then, and a release of the new one would release the license that the user still has. So the
//! ledger records the new handle as a *continuation* before it is stored, and removes the old license's record without
//! a release.

use std::sync::Arc;

use super::ledger::{Grant, Predecessor, Step, Terms, discard_ungranted, transition};
use super::licensing::Licensing;
use crate::error::Result;
use crate::model::license::{Handle, HandleDigest, LicenseTimes};
use crate::model::{Expiry, LicenseDuration, LicenseId};
use crate::store::LicenseRow;

impl Licensing {
    /// Replaces an active license by the same license under another handle, which the CDM changed by itself. Returns
    /// the new license's row, which is active.
    ///
    /// The old handle is removed only after the new one is stored. On failure the old license is as it was.
    pub(crate) fn rotate_handle(&self, old: &LicenseRow, handle: &Handle, times: LicenseTimes) -> Result<LicenseRow> {
        let terms = Terms {
            // The CDM's expiry replaces the old one, also by a later one: after the first playback, FairPlay's playback
            // duration is the key's whole life, however much of its storage duration was left.
            expires: match times.license.expiry_from(self.clock.now_ms()) {
                Expiry::Unknown => old.expires,
                known => known,
            },
            playback_window_seconds: match times.playback {
                LicenseDuration::Seconds(window_seconds) => Some(window_seconds),
                LicenseDuration::Unlimited => None,
                LicenseDuration::Unknown => old.playback_window_seconds,
            },
            acquired_level: None,
            ..Terms::of(old)
        };
        let row = LicenseRow {
            license_id: LicenseId::random()?,
            held_before: None,
            last_error: None,
            acquired_level: None,
            replaces: Some(old.license_id.clone()),
            ..old.clone()
        };
        let grant = Grant { digest: Some(handle.digest()), terms, params: None, certificate: None };
        let _guard = self.in_flight.guard(&row.license_id);
        let continued = self.continue_under(&row, handle, Step::Continue(Box::new(grant)));
        if continued.is_err() {
            self.store.write_with_reserve(|tx| discard_ungranted(tx, &row))?;
        }
        continued
    }

    /// Releases a license under its new handle, which the CDM changed after the license was queued for release: the
    /// handle that it was queued with is void. Returns the id under which it is released.
    pub(crate) fn release_under(self: &Arc<Self>, old: &LicenseRow, handle: &Handle) -> Result<LicenseId> {
        let row = LicenseRow {
            license_id: LicenseId::random()?,
            replaces: None,
            release_attempts: 0,
            last_error: None,
            ..old.clone()
        };
        self.release_unused(&row, handle)?;
        tracing::info!(license_id = %row.license_id, "license handle rotated during release");
        Ok(row.license_id)
    }

    /// Lets the license that `intent` replaces go on under another handle, which voids the old one.
    ///
    /// `begin` records the continuation first, so that recovery knows the new handle for what it is. On failure the row
    /// is an intent that led to nothing.
    pub(super) fn continue_under(&self, intent: &LicenseRow, handle: &Handle, begin: Step) -> Result<LicenseRow> {
        let row = self.store.write_with_reserve(|tx| transition(tx, intent, begin.clone()))?;
        let continued = self.secret_store.store(&row.license_id, handle).and_then(|()| {
            // On a full disk it uses the reserve: the old handle is void already.
            self.store.write_with_reserve(|tx| {
                let stored = transition(tx, &row, Step::StoreContinuation)?;
                transition(tx, &stored, Step::Activate(Predecessor::LivesOn))
            })
        });
        if continued.is_err() {
            self.remove_handle(&row.license_id);
        }
        continued
    }

    /// Removes a handle that a failed save may have left in the secret storage. A storage that fails again keeps it.
    pub(super) fn remove_handle(&self, license_id: &LicenseId) {
        if let Err(error) = self.secret_store.remove(license_id) {
            tracing::warn!(%license_id, code = %error.code(), "license handle not removed from the secret storage");
        }
    }
}

impl Grant {
    /// The license `old` under another handle, as far as the ledger knows it without a grant.
    pub(super) fn continuing(old: &LicenseRow, digest: HandleDigest) -> Box<Self> {
        Box::new(Self { digest: Some(digest), terms: Terms::of(old), params: None, certificate: None })
    }
}
