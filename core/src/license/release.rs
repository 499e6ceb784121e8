//! The release queue: licenses that are not used any more are released at their server, now or when it can be reached.
//!
//! FairPlay invalidates a key and returns the secure token (an SPC) in one call that cannot be repeated. The token is
//! persisted before it is sent, and a retry sends the stored token without the CDM, even after a restart
//! (`release_token`). Other CDMs can make their release message again, and need the server's response.

use std::sync::Arc;

use super::engines::EngineError;
use super::ledger::{Step, transition};
use super::licensing::Licensing;
use super::release_token::has_release_token;
use crate::cancel::Cancellation;
use crate::error::{Code, Error, Result};
use crate::model::LicenseState;
use crate::model::license::{Handle, ReleaseOutcome, StoredLicense};
use crate::ports::NetworkState;
use crate::store::{LicenseRow, WriteTx};

/// After so many refusals that no retry will change, a license is removed without its server.
const MAX_REFUSALS: u32 = 5;
/// The pause after the first failed attempt, doubled with every refusal.
const FIRST_PAUSE_MS: i64 = 30_000;
/// The longest pause between two attempts: 6 hours.
const LONGEST_PAUSE_MS: i64 = 6 * 3_600_000;

/// The result of one pass through the release queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Drained {
    pub(crate) released: u32,
    pub(crate) forgotten: u32,
    pub(crate) pending: u32,
}

impl Licensing {
    /// Goes through the queue once. `even_if_not_due` also tries licenses whose pause has not ended.
    pub(crate) fn drain_releases(self: &Arc<Self>, even_if_not_due: bool) -> Result<Drained> {
        let mut drained = Drained::default();
        let rows = self.store.read(|tx| {
            tx.licenses_in(&[
                LicenseState::Superseded,
                LicenseState::Releasing,
                LicenseState::Released,
                LicenseState::Forgotten,
            ])
        })?;
        for row in rows {
            match self.drain_one(&row, even_if_not_due) {
                Ok(Some(ReleaseOutcome::Released)) => drained.released += 1,
                Ok(Some(ReleaseOutcome::NotSupported | ReleaseOutcome::Forgotten)) => drained.forgotten += 1,
                Ok(None) => drained.pending += 1,
                Err(error) => {
                    tracing::info!(license_id = %row.license_id, code = %error.code(), "license release postponed");
                    drained.pending += 1;
                }
            }
        }
        Ok(drained)
    }

    /// Releases an active license, for a server that requires the release before it grants the next license.
    ///
    /// The ledger records the release before the engine is called: some CDMs end a license as soon as its release is
    /// requested (MediaDrm does), whether or not the server receives it, and a server that has received it does not
    /// report so again. If the release fails and the CDM still has the license, the license is active again; otherwise
    /// its release stays queued.
    pub(crate) fn release_first(self: &Arc<Self>, row: &LicenseRow) -> Result<()> {
        let Some(held) = self.load_for_release(row)? else {
            return self.finish(row, ReleaseOutcome::Forgotten).map(drop);
        };
        let releasing = self.store.write_with_reserve(|tx| self.begin_release(tx, row))?;
        let error = match self.release_with_engine(&releasing, held.clone()) {
            Ok(outcome) => return self.finish(&releasing, outcome).map(drop),
            Err(error) => error,
        };
        let inspected = self.engines.call(row.request.scheme, None, move |engine| engine.inspect(&held), drop);
        // A CDM that has made a secure token has made the key void, whatever it reports about the key.
        let is_void =
            has_release_token(row) && !matches!(self.secret_store.load_release_token(&row.license_id), Ok(None));
        let step = if inspected.is_ok() && !is_void {
            Step::Restore
        } else {
            let (error, attempts) = (error.code(), releasing.release_attempts);
            Step::PostponeRelease { error, next_attempt_at_ms: 0, attempts }
        };
        self.store.write_with_reserve(|tx| transition(tx, &releasing, step.clone()))?;
        Err(error)
    }

    /// Releases a granted license that will not be used: queues the release, or releases it at once if it cannot be
    /// stored until later.
    pub(super) fn release_unused(self: &Arc<Self>, license: &LicenseRow, handle: &Handle) -> Result<()> {
        let digest = handle.digest();
        let queued = self
            .secret_store
            .store(&license.license_id, handle)
            .and_then(|()| self.store.write_with_reserve(|tx| transition(tx, license, Step::ReleaseUnused(digest))));
        let Err(not_queued) = queued else { return Ok(()) };
        match self.release_with_engine(license, license.held_under(handle.clone())) {
            Ok(_) => {
                self.remove_handle(&license.license_id);
                self.store.write_with_reserve(|tx| match tx.license(&license.license_id)? {
                    Some(row) => transition(tx, &row, Step::DiscardReleased).map(drop),
                    None => Ok(()),
                })
            }
            Err(error) => {
                // The digest is kept: recovery finds the license again if the CDM lists what it holds.
                tracing::error!(license_id = %license.license_id, code = %error.code(), "license neither stored nor released");
                let step = Step::Strand { digest, error: not_queued.code() };
                self.store.write_with_reserve(|tx| transition(tx, license, step.clone()).map(drop))
            }
        }
    }

    /// Tries one license of the queue. Returns `None` if the license is not due.
    fn drain_one(self: &Arc<Self>, row: &LicenseRow, even_if_not_due: bool) -> Result<Option<ReleaseOutcome>> {
        match row.state {
            LicenseState::Released => return self.finish(row, ReleaseOutcome::Released).map(Some),
            LicenseState::Forgotten => return self.finish(row, ReleaseOutcome::Forgotten).map(Some),
            _ => {}
        }
        if self.store.read(|tx| tx.is_handle_in_use_elsewhere(row))? {
            // Two imported assets share the license, and the other one still plays with it.
            return self.finish(row, ReleaseOutcome::Forgotten).map(Some);
        }
        if self.network().state() == NetworkState::Offline || !self.engines.schemes().contains(&row.request.scheme) {
            return Ok(None);
        }
        let Some(row) = self.lease_release(row, even_if_not_due)? else { return Ok(None) };
        match self.release(&row) {
            Ok(outcome) => self.finish(&row, outcome).map(Some),
            Err(error) => self.postpone(&row, error).map(Some),
        }
    }

    /// Makes one attempt. Writes only the secure token.
    fn release(self: &Arc<Self>, row: &LicenseRow) -> Result<ReleaseOutcome> {
        if has_release_token(row)
            && let Some(token) = self.secret_store.load_release_token(&row.license_id)?
        {
            return self.send_release_token(row, token);
        }
        match self.load_for_release(row)? {
            Some(held) => self.release_with_engine(row, held),
            None => Ok(ReleaseOutcome::Forgotten),
        }
    }

    /// Takes the lease of a release that is due, so that no other process releases the license at the same time.
    fn lease_release(&self, row: &LicenseRow, even_if_not_due: bool) -> Result<Option<LicenseRow>> {
        let now_ms = self.clock.now_ms();
        // A time further away than any pause comes from a clock that has been set back since.
        let is_ahead = |at_ms: i64| (1..=LONGEST_PAUSE_MS).contains(&at_ms.saturating_sub(now_ms));
        // Releasing is cleanup, so it may use the reserve of a full disk.
        self.store.write_with_reserve(|tx| {
            let Some(row) = tx.license(&row.license_id)? else { return Ok(None) };
            let is_due = match (row.state, row.lease_until_ms) {
                (LicenseState::Superseded, _) => true,
                // The attempt may be under way, here or in another process, unless that process died.
                (LicenseState::Releasing, Some(lease_until_ms)) => {
                    !is_ahead(lease_until_ms) || self.store.is_abandoned(tx, &row.license_id)?
                }
                (LicenseState::Releasing, None) => even_if_not_due || !is_ahead(row.next_attempt_at_ms),
                _ => false,
            };
            if is_due { self.begin_release(tx, &row).map(Some) } else { Ok(None) }
        })
    }

    /// Leases the release for as long as one call of an engine may take.
    fn begin_release(&self, tx: &WriteTx<'_>, row: &LicenseRow) -> Result<LicenseRow> {
        let lease_ms = i64::try_from(self.engines.timeout().as_millis()).unwrap_or(i64::MAX);
        let lease_until_ms = self.clock.now_ms().saturating_add(lease_ms);
        transition(tx, row, Step::BeginRelease { lease_until_ms })
    }

    /// Loads a license that is to be released, as an engine takes it. If the secret storage has lost the handle, looks
    /// for it among the handles that the CDM lists. Returns `None` if the CDM does not list it either: then it cannot
    /// be released.
    fn load_for_release(&self, row: &LicenseRow) -> Result<Option<StoredLicense>> {
        match self.load(row) {
            Err(error) if error.code() == Code::LicenseUnreadable => {}
            held => return held.map(Some),
        }
        let Some(digest) = row.handle_digest else { return Ok(None) };
        let listed = match self.engines.call(row.request.scheme, None, |engine| engine.held(), drop) {
            Ok(listed) => listed.unwrap_or_default(),
            Err(error) => match error.into_error() {
                error if is_gone(error.code()) => Vec::new(),
                error => return Err(error),
            },
        };
        Ok(listed.into_iter().find(|handle| handle.digest() == digest).map(|handle| row.held_under(handle)))
    }

    /// Releases a license through its engine.
    fn release_with_engine(self: &Arc<Self>, row: &LicenseRow, held: StoredLicense) -> Result<ReleaseOutcome> {
        let exchange = self.exchange(row, &Cancellation::new());
        let lent = self.release_exchange(row, &exchange);
        let outcome =
            self.engines.call(row.request.scheme, Some(&exchange), move |engine| engine.release(&held, lent), drop);
        match outcome.map_err(EngineError::into_error) {
            Err(error) if error.code() == Code::LicenseVanished => Ok(ReleaseOutcome::Forgotten),
            other => other,
        }
    }

    /// Removes a license from the device without its server. Writes nothing.
    fn remove_from_device(&self, row: &LicenseRow) -> Result<()> {
        let Some(held) = self.load_for_release(row)? else { return Ok(()) };
        let removed = self.engines.call(row.request.scheme, None, move |engine| engine.remove(&held), drop);
        match removed.map_err(EngineError::into_error) {
            Err(error) if is_gone(error.code()) => Ok(()),
            other => other,
        }
    }

    /// Records the end of a license, then removes handle and secure token, then the row. After a crash in between, the
    /// next start finishes it.
    fn finish(&self, row: &LicenseRow, outcome: ReleaseOutcome) -> Result<ReleaseOutcome> {
        let (state, step) = match outcome {
            ReleaseOutcome::Released => (LicenseState::Released, Step::ConfirmRelease),
            ReleaseOutcome::NotSupported | ReleaseOutcome::Forgotten => (LicenseState::Forgotten, Step::Forget),
        };
        if row.state != state {
            self.store.write_with_reserve(|tx| transition(tx, row, step.clone()))?;
        }
        self.secret_store.remove(&row.license_id)?;
        if has_release_token(row) {
            self.secret_store.remove_release_token(&row.license_id)?;
        }
        self.store.write_with_reserve(|tx| match tx.license(&row.license_id)? {
            Some(row) => transition(tx, &row, Step::Erase).map(drop),
            None => Ok(()),
        })?;
        tracing::info!(license_id = %row.license_id, outcome = ?outcome, "license removed");
        Ok(outcome)
    }

    /// Plans the next attempt, or gives up after refusals that no retry will change: then the CDM removes the license
    /// without its server. If the CDM does not remove it either, the license stays in the ledger, so that it is still
    /// known as ours.
    fn postpone(&self, row: &LicenseRow, error: Error) -> Result<ReleaseOutcome> {
        let is_refusal = !error.is_retryable() && error.code() != Code::Unauthorized;
        let attempts = row.release_attempts.saturating_add(u32::from(is_refusal));
        if is_refusal && attempts >= MAX_REFUSALS {
            match self.remove_from_device(row) {
                Ok(()) => {
                    tracing::error!(license_id = %row.license_id, code = %error.code(), "license release refused; license removed without its server");
                    return self.finish(row, ReleaseOutcome::Forgotten);
                }
                Err(not_removed) => {
                    tracing::error!(license_id = %row.license_id, code = %not_removed.code(), "license release refused and license not removed from the CDM");
                }
            }
        }
        let pause_ms = FIRST_PAUSE_MS.saturating_mul(1_i64 << attempts.min(16)).min(LONGEST_PAUSE_MS);
        let next_attempt_at_ms = self.clock.now_ms().saturating_add(pause_ms);
        let step = Step::PostponeRelease { error: error.code(), next_attempt_at_ms, attempts };
        self.store.write_with_reserve(|tx| transition(tx, row, step.clone()))?;
        Err(error)
    }
}

/// True for the codes of an engine whose device has no such license: the CDM lost it, or there is no such CDM.
fn is_gone(code: Code) -> bool {
    matches!(code, Code::LicenseVanished | Code::DrmUnsupported)
}
