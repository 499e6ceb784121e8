//! One license, from its intent to `Stored`: ask the engine, check the grant, store the handle, read it back.
//!
//! Every failure after the server has granted a license ends with that license queued for release, so that no granted
//! license is lost.

use std::sync::Arc;

use super::engines::EngineError;
use super::exchange::Exchange;
use super::grant::{CheckedGrant, check_grant};
use super::ledger::{Grant, Step, Terms, discard_ungranted, is_in_progress, transition};
use super::licensing::Licensing;
use crate::cancel::Cancellation;
use crate::error::{Code, Error, Result};
use crate::model::license::{GrantedHandle, Handle, LicenseGrant, StoredLicense};
use crate::model::{DrmScheme, LicenseState};
use crate::store::{LicenseRow, WriteTx};

/// The call of the engine that acquires a license.
#[derive(Clone)]
pub(crate) enum Operation {
    /// Acquires a new license.
    Acquire,
    /// Renews this license in place.
    Renew(StoredLicense),
}

impl Licensing {
    /// Takes an intent, which is written and guarded already, to `Stored`.
    ///
    /// Returns the license. A new license is `Stored`, and the caller activates it. A renewal that kept the handle, or
    /// changed it, is `Active` already, in the place of the license that was renewed.
    ///
    /// On failure the intent's row is a queued release, or is still `Intended`. The caller removes an intent in
    /// progress together with the registration or refresh that it belongs to (see [`discard_ungranted`]), so that a
    /// crash in between finds all of it or nothing.
    pub(super) fn acquire(
        self: &Arc<Self>,
        intent: &LicenseRow,
        operation: Operation,
        cancel: &Cancellation,
    ) -> Result<LicenseRow> {
        match self.try_acquire(intent.clone(), operation, cancel) {
            Ok(license) => Ok(license),
            Err(Failed { error, leftover }) => {
                tracing::warn!(license_id = %intent.license_id, code = %error.code(), "license acquisition failed");
                self.end_intent(intent, leftover);
                Err(error)
            }
        }
    }

    fn try_acquire(
        self: &Arc<Self>,
        mut intent: LicenseRow,
        operation: Operation,
        cancel: &Cancellation,
    ) -> Result<LicenseRow, Failed> {
        cancel.check().map_err(Failed::nothing_granted)?;
        let exchange = self.exchange(&intent, cancel);
        let has_certificate = intent.request.certificate.is_some() && !exchange.is_certificate_refused();
        if intent.request.scheme == DrmScheme::FairPlay && !has_certificate {
            // Stored with the license, so that later requests do not fetch it again.
            intent.request.certificate = Some(exchange.certificate().map_err(Failed::nothing_granted)?);
        }
        let is_renewal = matches!(operation, Operation::Renew(_));
        let granted = self.call_engine(&intent, operation, &exchange)?;
        let granted_handle = granted.handle.clone();
        let now_ms = self.clock.now_ms();
        let checked = check_grant(&intent.request, is_renewal, granted, exchange.facts(), now_ms);
        let grant = |checked: &CheckedGrant, handle: &Handle| {
            let terms = Terms::granted(checked, now_ms);
            let certificate = intent.request.certificate.clone();
            Box::new(Grant { digest: Some(handle.digest()), terms, params: None, certificate })
        };
        let handle = match granted_handle {
            GrantedHandle::New(handle) => handle,
            // An in-place renewal reuses the existing handle, so releasing it would release the license that the user
            // still has. From here on it neither checks for cancellation nor releases on failure.
            GrantedHandle::Same => {
                let checked = checked.map_err(Failed::nothing_granted)?;
                let renewed = self.store.write(|tx| renew_in_place(tx, &intent, &checked, now_ms));
                return renewed.map_err(Failed::nothing_granted);
            }
            GrantedHandle::Changed(handle) => {
                let grant = grant(&checked.map_err(Failed::nothing_granted)?, &handle);
                return self.continue_under(&intent, &handle, Step::Continue(grant)).map_err(Failed::nothing_granted);
            }
        };
        let checked = match checked.and_then(|checked| cancel.check().map(|()| checked)) {
            Ok(checked) => checked,
            Err(error) => return Err(Failed::granted(error, handle)),
        };
        if let Err(error) = self.secret_store.store(&intent.license_id, &handle) {
            return Err(Failed::granted(error, handle));
        }
        let grant = grant(&checked, &handle);
        let stored = self
            .store
            .write(|tx| transition(tx, &intent, Step::Store(grant)))
            .map_err(|error| Failed::granted(error, handle))?;
        tracing::debug!(license_id = %stored.license_id, scheme = %stored.request.scheme, "license stored");
        Ok(stored)
    }

    fn call_engine(
        self: &Arc<Self>,
        intent: &LicenseRow,
        operation: Operation,
        exchange: &Arc<Exchange>,
    ) -> Result<LicenseGrant, Failed> {
        let (request, lent) = (intent.request.clone(), Arc::clone(exchange));
        let (this, late_intent) = (Arc::clone(self), intent.clone());
        let answer = self.engines.call(
            intent.request.scheme,
            Some(exchange),
            move |engine| match &operation {
                Operation::Acquire => engine.acquire(&request, lent),
                Operation::Renew(held) => engine.renew(held, &request, lent),
            },
            move |late| this.take_late_grant(&late_intent, late),
        );
        answer.map_err(|error| match error {
            EngineError::Answered(error) => Failed::nothing_granted(error),
            EngineError::Hung(error) => Failed { error, leftover: Leftover::Unknown },
        })
    }

    /// Handles a grant that arrives after its call timed out. A new license is queued for release. A renewal under
    /// another handle is persisted, so that recovery can replace the old license with it.
    fn take_late_grant(self: &Arc<Self>, intent: &LicenseRow, grant: LicenseGrant) {
        tracing::warn!(license_id = %intent.license_id, "license grant arrived after the timeout");
        match grant.handle {
            GrantedHandle::New(handle) => self.end_intent(intent, Leftover::License(handle)),
            GrantedHandle::Changed(handle) => {
                if let Err(error) = self.leave_continuation(intent, &handle) {
                    tracing::error!(license_id = %intent.license_id, code = %error.code(), "late license renewal not stored");
                }
            }
            GrantedHandle::Same => {}
        }
    }

    /// Persists the new handle of a license for recovery to find, unless recovery has found it already.
    fn leave_continuation(&self, intent: &LicenseRow, handle: &Handle) -> Result<()> {
        let digest = handle.digest();
        let rows = self.store.read(|tx| tx.licenses_in(&LicenseState::ALL))?;
        let is_predecessor = |row: &&LicenseRow| Some(&row.license_id) == intent.replaces.as_ref();
        let Some(old) = rows.iter().find(is_predecessor) else { return Ok(()) };
        if handle.is_empty() || rows.iter().any(|row| row.handle_digest == Some(digest)) {
            return Ok(());
        }
        let step = Step::LeaveContinuation(Grant::continuing(old, digest));
        self.store.write_with_reserve(|tx| transition(tx, intent, step.clone()).map(drop))?;
        self.secret_store.store(&intent.license_id, handle)
    }

    /// Ends an intent that led to no license for the asset.
    fn end_intent(self: &Arc<Self>, intent: &LicenseRow, leftover: Leftover) {
        let ended = match leftover {
            // The caller removes the row.
            Leftover::Nothing => Ok(()),
            Leftover::License(handle) => self.release_unused(intent, &handle),
            // The row stays: reconciliation looks for the license that the CDM may have stored.
            Leftover::Unknown => self.store.write(|tx| match tx.license(&intent.license_id)? {
                // A late grant may have ended the intent already.
                Some(row) if is_in_progress(&row) => transition(tx, &row, Step::LoseTrack(Code::Timeout)).map(drop),
                _ => Ok(()),
            }),
        };
        if let Err(error) = ended {
            tracing::error!(license_id = %intent.license_id, code = %error.code(), "ending a license intent failed; will retry at the next start");
        }
    }
}

/// Writes the new terms into the renewed license's own row and ends the intent.
fn renew_in_place(tx: &WriteTx<'_>, intent: &LicenseRow, checked: &CheckedGrant, now_ms: i64) -> Result<LicenseRow> {
    let held = intent.replaces.as_ref().map(|id| tx.license(id)).transpose()?.flatten();
    let Some(held) = held else {
        return Err(Error::new(
            Code::CdmFailed,
            "the CDM reports that it renewed a license, but it was asked for a new one",
        ));
    };
    let terms = Terms::granted(checked, now_ms);
    let grant = Grant { digest: None, terms, params: Some(intent.params.clone()), certificate: None };
    let renewed = transition(tx, &held, Step::Renew(Box::new(grant)))?;
    discard_ungranted(tx, intent)?;
    Ok(renewed)
}

/// A failed acquisition, and what it left behind.
struct Failed {
    error: Error,
    leftover: Leftover,
}

/// The license that a failed acquisition leaves behind.
enum Leftover {
    /// Nothing was granted.
    Nothing,
    /// A license was granted under this handle. It is released.
    License(Handle),
    /// It is not known whether a license was granted.
    Unknown,
}

impl Failed {
    fn nothing_granted(error: Error) -> Self {
        Self { error, leftover: Leftover::Nothing }
    }

    /// An empty handle is a license that the CDM did not store, so there is nothing to release.
    fn granted(error: Error, handle: Handle) -> Self {
        Self { error, leftover: if handle.is_empty() { Leftover::Nothing } else { Leftover::License(handle) } }
    }
}
