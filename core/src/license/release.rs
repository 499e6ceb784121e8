//! The release queue: licenses that nobody uses any more go back to their server, now or when it can be reached.
//!
//! FairPlay's CDM makes a key void and proves that, in one step and once: a proof that does not reach the server cannot
//! be made again. So it lies in the vault before it is sent, and from then on the license goes back with it, after a
//! restart too, without the CDM. Other CDMs make their message as often as they are asked, and want the answer.

use std::sync::Arc;

use super::engines::EngineError;
use super::exchange::Exchange;
use super::licensing::Licensing;
use crate::cancel::Cancellation;
use crate::error::{Code, Error, Result};
use crate::model::license::{ReleaseOutcome, StoredLicense};
use crate::model::{DrmScheme, LicenseState};
use crate::ports::{ExchangeAnswer, ExchangeKind, ExchangeMessage, LicenseExchange, NetworkState};
use crate::store::LicenseRow;

/// After so many refusals that no retry will change, a license is removed without its server.
const MAX_REFUSALS: u32 = 5;
/// The pause after the first failed attempt, doubled with every further one.
const FIRST_PAUSE_MS: i64 = 30_000;
/// The longest pause between two attempts: 6 hours.
const LONGEST_PAUSE_MS: i64 = 6 * 3_600_000;

/// What working through the queue did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Drained {
    pub(crate) released: u32,
    pub(crate) forgotten: u32,
    pub(crate) pending: u32,
}

impl Licensing {
    /// Works through the queue once. `even_if_not_due` tries those whose pause has not ended, too.
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
                    tracing::info!(license = %row.license_id, code = %error.code(), "release waits");
                    drained.pending += 1;
                }
            }
        }
        Ok(drained)
    }

    /// Releases a license that players use, for a server that wants it back before it grants the next.
    ///
    /// It is written down as leaving before anybody is asked: some CDMs end a license as soon as its release is asked for
    /// (MediaDrm does), whether or not the server hears of it, and a server that has it back does not say so again. If the
    /// release fails and the CDM still has the license, players have it back; else it waits in the queue.
    pub(crate) fn release_first(self: &Arc<Self>, row: &LicenseRow) -> Result<()> {
        let Some(held) = self.leaving(row)? else {
            return self.finish(row, ReleaseOutcome::Forgotten).map(drop);
        };
        let mut leaving = LicenseRow { state: LicenseState::Releasing, ..row.clone() };
        self.begin_try(&mut leaving);
        self.store.delete(|tx| tx.update_license(&leaving))?;
        let error = match self.release_at_the_server(&leaving, held.clone()) {
            Ok(outcome) => return self.finish(&leaving, outcome).map(drop),
            Err(error) => error,
        };
        let inspected = self.engines.call(row.request.scheme, None, move |engine| engine.inspect(&held), drop);
        // A CDM that has made a proof has made the key void, whatever it says of it.
        let is_void = is_proved_once(row) && !matches!(self.vault.load_proof(&row.license_id), Ok(None));
        if inspected.is_ok() && !is_void {
            self.store.delete(|tx| tx.update_license(row))?;
        } else {
            leaving.last_error = Some(error.code().as_str().to_owned());
            leaving.next_attempt_at_ms = 0;
            self.store.delete(|tx| tx.update_license(&leaving))?;
        }
        Err(error)
    }

    /// `None` if it is not this license's turn.
    fn drain_one(self: &Arc<Self>, row: &LicenseRow, even_if_not_due: bool) -> Result<Option<ReleaseOutcome>> {
        match row.state {
            LicenseState::Released => return self.finish(row, ReleaseOutcome::Released).map(Some),
            LicenseState::Forgotten => return self.finish(row, ReleaseOutcome::Forgotten).map(Some),
            _ => {}
        }
        if self.store.read(|tx| tx.is_handle_in_use_elsewhere(row))? {
            // Imported twice, for two assets: the other one still plays with it.
            return self.finish(row, ReleaseOutcome::Forgotten).map(Some);
        }
        if self.network().state() == NetworkState::Offline || !self.engines.schemes().contains(&row.request.scheme) {
            return Ok(None);
        }
        let Some(row) = self.claim_release(row, even_if_not_due)? else { return Ok(None) };
        match self.release(&row) {
            Ok(outcome) => self.finish(&row, outcome).map(Some),
            Err(error) => self.postpone(&row, error).map(Some),
        }
    }

    /// One attempt. Nothing but a proof is written.
    fn release(self: &Arc<Self>, row: &LicenseRow) -> Result<ReleaseOutcome> {
        if is_proved_once(row)
            && let Some(proof) = self.vault.load_proof(&row.license_id)?
        {
            return self.send_proof(row, proof);
        }
        match self.leaving(row)? {
            Some(held) => self.release_at_the_server(row, held),
            None => Ok(ReleaseOutcome::Forgotten),
        }
    }

    /// The CDM has made the key void, and the server has not heard of it yet.
    fn send_proof(&self, row: &LicenseRow, proof: Vec<u8>) -> Result<ReleaseOutcome> {
        let message = ExchangeMessage { kind: ExchangeKind::Release, url: None, body: proof };
        match self.exchange(row, &Cancellation::new()).send(message) {
            Ok(_) => Ok(ReleaseOutcome::Released),
            // A server that knows no releases.
            Err(error) if matches!(error.http_status(), Some(404 | 405)) => Ok(ReleaseOutcome::NotSupported),
            Err(error) => Err(error),
        }
    }

    /// Marks a release as being tried, so that no other process tries it at the same time.
    fn claim_release(&self, row: &LicenseRow, even_if_not_due: bool) -> Result<Option<LicenseRow>> {
        let now_ms = self.clock.now_ms();
        // With the room that is kept for deleting: this is where that begins.
        self.store.delete(|tx| {
            let Some(mut row) = tx.license(&row.license_id)? else { return Ok(None) };
            if !matches!(row.state, LicenseState::Superseded | LicenseState::Releasing) {
                return Ok(None);
            }
            // A time further away than any pause comes from a clock that has been set back since.
            let wait_ms = row.next_attempt_at_ms.saturating_sub(now_ms);
            if row.state == LicenseState::Releasing && wait_ms > 0 && wait_ms <= LONGEST_PAUSE_MS {
                // Without an error it is a try that may be under way, here or in another process, unless that died.
                let is_pause = row.last_error.is_some();
                let may = if is_pause { even_if_not_due } else { self.store.is_left_behind(tx, &row.license_id)? };
                if !may {
                    return Ok(None);
                }
            }
            row.state = LicenseState::Releasing;
            self.begin_try(&mut row);
            tx.update_license(&row)?;
            Ok(Some(row))
        })
    }

    /// Marks a release as under way, for as long as one call of an engine may take: nobody else tries it meanwhile.
    fn begin_try(&self, row: &mut LicenseRow) {
        let busy_ms = i64::try_from(self.engines.timeout().as_millis()).unwrap_or(i64::MAX);
        row.next_attempt_at_ms = self.clock.now_ms().saturating_add(busy_ms);
        row.last_error = None;
    }

    /// A license that is to go, as an engine takes it. If the storage has lost its handle it is looked for among those
    /// that the CDM lists: `None` if it is not there either, so that nobody can release it.
    pub(crate) fn leaving(&self, row: &LicenseRow) -> Result<Option<StoredLicense>> {
        match self.stored(row) {
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

    /// Asks the engine to release.
    pub(crate) fn release_at_the_server(
        self: &Arc<Self>,
        row: &LicenseRow,
        held: StoredLicense,
    ) -> Result<ReleaseOutcome> {
        let exchange = self.exchange(row, &Cancellation::new());
        let lent: Arc<dyn LicenseExchange> = if is_proved_once(row) {
            Arc::new(Proving { licensing: Arc::clone(self), row: row.clone(), exchange: Arc::clone(&exchange) })
        } else {
            Arc::clone(&exchange) as Arc<dyn LicenseExchange>
        };
        let outcome =
            self.engines.call(row.request.scheme, Some(&exchange), move |engine| engine.release(&held, lent), drop);
        match outcome.map_err(EngineError::into_error) {
            Err(error) if error.code() == Code::LicenseVanished => Ok(ReleaseOutcome::Forgotten),
            other => other,
        }
    }

    /// Asks the engine to remove a license from the device without its server. Nothing is written.
    fn remove_from_device(&self, row: &LicenseRow) -> Result<()> {
        let Some(held) = self.leaving(row)? else { return Ok(()) };
        let removed = self.engines.call(row.request.scheme, None, move |engine| engine.remove(&held), drop);
        match removed.map_err(EngineError::into_error) {
            Err(error) if is_gone(error.code()) => Ok(()),
            other => other,
        }
    }

    /// Writes down the end, then removes handle and proof, then the row: a crash in between is finished at the next start.
    pub(crate) fn finish(&self, row: &LicenseRow, outcome: ReleaseOutcome) -> Result<ReleaseOutcome> {
        let state = match outcome {
            ReleaseOutcome::Released => LicenseState::Released,
            ReleaseOutcome::NotSupported | ReleaseOutcome::Forgotten => LicenseState::Forgotten,
        };
        if row.state != state {
            self.store.delete(|tx| tx.set_license_state(&row.license_id, state))?;
        }
        self.vault.remove(&row.license_id)?;
        if is_proved_once(row) {
            self.vault.remove_proof(&row.license_id)?;
        }
        self.store.delete(|tx| tx.delete_license(&row.license_id))?;
        tracing::info!(license = %row.license_id, outcome = ?outcome, "license ended");
        Ok(outcome)
    }

    /// Plans the next attempt, or gives up after refusals that no retry will change: then the CDM removes the license
    /// without its server. As long as it does not do that either, the license stays in the ledger, which knows whose it is.
    fn postpone(&self, row: &LicenseRow, error: Error) -> Result<ReleaseOutcome> {
        let mut row = row.clone();
        let is_refusal = !error.is_retryable() && error.code() != Code::Unauthorized;
        if is_refusal {
            row.release_attempts = row.release_attempts.saturating_add(1);
        }
        if is_refusal && row.release_attempts >= MAX_REFUSALS {
            match self.remove_from_device(&row) {
                Ok(()) => {
                    tracing::error!(license = %row.license_id, code = %error.code(), "the server refuses the release; the license was removed without it");
                    return self.finish(&row, ReleaseOutcome::Forgotten);
                }
                Err(why) => {
                    tracing::error!(license = %row.license_id, code = %why.code(), "neither the server takes the license back nor does the CDM remove it");
                }
            }
        }
        let doublings = row.release_attempts.min(16);
        let pause_ms = FIRST_PAUSE_MS.saturating_mul(1_i64 << doublings).min(LONGEST_PAUSE_MS);
        row.next_attempt_at_ms = self.clock.now_ms().saturating_add(pause_ms);
        row.last_error = Some(error.code().as_str().to_owned());
        self.store.delete(|tx| tx.update_license(&row))?;
        Err(error)
    }
}

/// Codes by which an engine says that the device has no such license: the CDM lost it, or there is no such CDM.
fn is_gone(code: Code) -> bool {
    matches!(code, Code::LicenseVanished | Code::DrmUnsupported)
}

fn is_proved_once(row: &LicenseRow) -> bool {
    row.request.scheme == DrmScheme::FairPlay
}

/// The network as it is lent to an engine whose proof of a release must not get lost.
struct Proving {
    licensing: Arc<Licensing>,
    row: LicenseRow,
    exchange: Arc<Exchange>,
}

impl LicenseExchange for Proving {
    fn send(&self, message: ExchangeMessage) -> Result<ExchangeAnswer> {
        if message.kind == ExchangeKind::Release {
            let (licensing, id) = (&self.licensing, &self.row.license_id);
            // Without its row nobody would remove it any more: the release was given up, or never waited.
            let is_waited_for = licensing.store.read(|tx| tx.license(id))?.is_some();
            // A storage that fails now is no reason not to try: the key is void already.
            if is_waited_for && let Err(error) = licensing.vault.store_proof(id, &message.body) {
                tracing::warn!(license = %id, code = %error.code(), "the proof of a release could not be kept");
            }
        }
        self.exchange.send(message)
    }
}
