//! One license from intent to stored: ask the engine, check what it got, store the handle, read it back.
//!
//! Whatever goes wrong after the server has granted something ends in a license that is queued for release, never in
//! one that nobody knows.

use std::sync::Arc;

use super::engines::EngineError;
use super::grant::{CheckedGrant, check_grant};
use super::ledger::{Predecessor, activate};
use super::licensing::Licensing;
use crate::cancel::Cancellation;
use crate::error::{Code, Error, Result};
use crate::model::license::{GrantedHandle, Handle, HandleDigest, LicenseGrant, StoredLicense};
use crate::model::{DrmScheme, LicenseId, LicenseState};
use crate::store::{LicenseRow, WriteTx};

/// How to ask.
pub(crate) enum Ask {
    /// For a license of its own.
    Acquire,
    /// For a renewal of this one.
    Renew(StoredLicense),
}

/// What was got.
#[derive(Debug)]
pub(crate) enum Obtained {
    /// A license of its own; its row is now `Stored`.
    Stored(LicenseRow),
    /// The license it replaces lives on in it: it was written down as its successor and is `Active`.
    Continued(LicenseRow),
    /// The held license was renewed under its own handle. Its row has the new times, the intent is gone.
    Renewed(LicenseRow),
}

impl Licensing {
    /// Takes an intent, which is already written and claimed , through to `Stored`.
    ///
    /// On failure the intent's row is a release that waits, or is still `Intended`: the caller drops it together with
    /// what it was for (see [`drop_intent`]), so that a crash in between finds the whole or nothing.
    pub(crate) fn obtain(self: &Arc<Self>, intent: LicenseRow, ask: Ask, cancel: &Cancellation) -> Result<Obtained> {
        match self.try_obtain(intent.clone(), ask, cancel) {
            Ok(obtained) => Ok(obtained),
            Err(Failed { error, fate }) => {
                tracing::warn!(license = %intent.license_id, code = %error.code(), "no license");
                self.resolve_intent(&intent, fate);
                Err(error)
            }
        }
    }

    fn try_obtain(self: &Arc<Self>, mut row: LicenseRow, ask: Ask, cancel: &Cancellation) -> Result<Obtained, Failed> {
        cancel.check().map_err(Failed::nothing_granted)?;
        let exchange = self.exchange(&row, cancel);
        let has_certificate = row.request.certificate.is_some() && !exchange.is_certificate_refused();
        if row.request.scheme == DrmScheme::FairPlay && !has_certificate {
            // From now on it is kept with the license.
            row.request.certificate = Some(exchange.certificate().map_err(Failed::nothing_granted)?);
        }
        let is_renewal = matches!(ask, Ask::Renew(_));
        let grant = self.ask(&row, ask, &exchange)?;
        let granted_handle = grant.handle.clone();
        let now_ms = self.clock.now_ms();
        let checked = check_grant(&row.request, is_renewal, grant, exchange.facts(), now_ms);
        let handle = match granted_handle {
            GrantedHandle::New(handle) => handle,
            // What has been renewed cannot be given back without the license itself: if it cannot be kept nothing is
            // released, and nobody is asked any more whether he still wants it.
            GrantedHandle::Same => {
                let checked = checked.map_err(Failed::nothing_granted)?;
                let renewed = self.store.write(|tx| renew_in_place(tx, &row, &checked, now_ms));
                return renewed.map(Obtained::Renewed).map_err(Failed::nothing_granted);
            }
            GrantedHandle::Changed(handle) => {
                take_times(&mut row, &checked.map_err(Failed::nothing_granted)?, now_ms);
                self.continue_under(&mut row, &handle).map_err(Failed::nothing_granted)?;
                return Ok(Obtained::Continued(row));
            }
        };
        row.handle_digest = Some(handle.digest());
        let checked = match checked.and_then(|checked| cancel.check().map(|()| checked)) {
            Ok(checked) => checked,
            Err(error) => return Err(Failed::granted(error, handle)),
        };
        take_times(&mut row, &checked, now_ms);
        if let Err(error) = self.vault.store(&row.license_id, &handle) {
            return Err(Failed::granted(error, handle));
        }
        row.state = LicenseState::Stored;
        if let Err(error) = self.store.write(|tx| tx.update_license(&row)) {
            return Err(Failed::granted(error, handle));
        }
        tracing::debug!(license = %row.license_id, scheme = %row.request.scheme, "license stored");
        Ok(Obtained::Stored(row))
    }

    /// Lets the license that `row` replaces go on under another handle, which makes the old one void. `row` is written
    /// first, so that after a crash the handle in the storage is known for what it is. On failure the row is an intent
    /// that led to nothing.
    pub(crate) fn continue_under(&self, row: &mut LicenseRow, handle: &Handle) -> Result<()> {
        row.state = LicenseState::Intended;
        row.handle_digest = Some(handle.digest());
        self.put(row)?;
        let continued = self.vault.store(&row.license_id, handle).and_then(|()| {
            row.state = LicenseState::Stored;
            // With the room that is kept for deleting: the old handle is void already.
            self.store.delete(|tx| {
                tx.update_license(row)?;
                activate(tx, row, Predecessor::LivesOn)
            })
        });
        if continued.is_err() {
            self.forget_handle(row);
        }
        continued
    }

    /// Removes what a save may have left behind, as far as the storage lets it.
    fn forget_handle(&self, row: &LicenseRow) {
        if let Err(error) = self.vault.remove(&row.license_id) {
            tracing::warn!(license = %row.license_id, code = %error.code(), "the storage may still hold a license that is over");
        }
    }

    fn ask(
        self: &Arc<Self>,
        row: &LicenseRow,
        ask: Ask,
        exchange: &Arc<super::exchange::Exchange>,
    ) -> Result<LicenseGrant, Failed> {
        let (request, lent) = (row.request.clone(), Arc::clone(exchange));
        let (this, intent) = (Arc::clone(self), row.clone());
        let answer = self.engines.call(
            row.request.scheme,
            Some(exchange),
            move |engine| match &ask {
                Ask::Acquire => engine.acquire(&request, lent),
                Ask::Renew(held) => engine.renew(held, &request, lent),
            },
            move |late| this.take_late_grant(intent, late),
        );
        answer.map_err(|error| match error {
            EngineError::Answered(error) => Failed::nothing_granted(error),
            EngineError::Hung(error) => Failed { error, fate: Fate::Unknown },
        })
    }

    /// A grant that came after its call had timed out. Nobody waits for it, so a license of its own is given back; one
    /// that continues another is kept instead of that, by recovery.
    fn take_late_grant(self: &Arc<Self>, intent: LicenseRow, grant: LicenseGrant) {
        tracing::warn!(license = %intent.license_id, "a license was granted too late");
        match grant.handle {
            GrantedHandle::New(handle) => self.resolve_intent(&intent, Fate::GiveBack(handle)),
            GrantedHandle::Changed(handle) => {
                if let Err(error) = self.leave_continuation(&intent, &handle) {
                    tracing::error!(license = %intent.license_id, code = %error.code(), "a renewed license could not be kept");
                }
            }
            GrantedHandle::Same => {}
        }
    }

    /// Leaves a license's new handle for recovery to find, unless that has found it already.
    fn leave_continuation(&self, intent: &LicenseRow, handle: &Handle) -> Result<()> {
        let digest = handle.digest();
        let rows = self.store.read(|tx| tx.licenses_in(&LicenseState::ALL))?;
        let of_the_old = |row: &&LicenseRow| Some(&row.license_id) == intent.replaces.as_ref();
        let Some(old) = rows.iter().find(of_the_old) else { return Ok(()) };
        if handle.is_empty() || rows.iter().any(|row| row.handle_digest == Some(digest)) {
            return Ok(());
        }
        let last_error = Some(Code::Timeout.as_str().to_owned());
        let row = continuation(intent, old, digest);
        self.put(&LicenseRow { last_error, ..row })?;
        self.vault.store(&intent.license_id, handle)
    }

    /// Ends an intent that led to no license for the asset.
    fn resolve_intent(self: &Arc<Self>, intent: &LicenseRow, fate: Fate) {
        let resolved = match fate {
            // The caller drops the row.
            Fate::Nothing => Ok(()),
            Fate::GiveBack(handle) => self.queue_release_of(intent, &handle),
            // The row stays: reconciliation looks for what the CDM may have stored.
            Fate::Unknown => {
                let mut row = intent.clone();
                row.last_error = Some(Code::Timeout.as_str().to_owned());
                self.store.write(|tx| tx.update_license(&row))
            }
        };
        if let Err(error) = resolved {
            tracing::error!(license = %intent.license_id, code = %error.code(), "an intent could not be ended; it is tried again at the next start");
        }
    }

    /// Puts a granted handle that will not be used into the release queue.
    pub(crate) fn queue_release_of(self: &Arc<Self>, row: &LicenseRow, handle: &Handle) -> Result<()> {
        let mut row = row.clone();
        row.handle_digest = Some(handle.digest());
        row.next_attempt_at_ms = 0;
        let queued = self.vault.store(&row.license_id, handle).and_then(|()| {
            row.state = LicenseState::Releasing;
            self.put(&row)
        });
        match queued {
            Ok(()) => Ok(()),
            Err(why) => {
                // It cannot be kept for later, so it goes back now, from memory.
                row.state = LicenseState::Intended;
                row.last_error = Some(why.code().as_str().to_owned());
                match self.release_at_the_server(&row, row.held_under(handle.clone())) {
                    Ok(_) => {
                        self.forget_handle(&row);
                        self.store.delete(|tx| tx.delete_license(&row.license_id)).map(drop)
                    }
                    Err(error) => {
                        // Known by its digest: found again if the CDM can list what it holds.
                        tracing::error!(license = %row.license_id, code = %error.code(), "a license could neither be stored nor released");
                        self.put(&row)
                    }
                }
            }
        }
    }

    /// Writes a row whether or not it is there, on a full disk too: otherwise nobody would know the license.
    fn put(&self, row: &LicenseRow) -> Result<()> {
        self.store.delete(|tx| {
            if tx.license(&row.license_id)?.is_some() { tx.update_license(row) } else { tx.insert_license(row) }
        })
    }
}

/// An intent by which the license `old` goes on under another handle, as far as is known without the grant.
pub(crate) fn continuation(intent: &LicenseRow, old: &LicenseRow, digest: HandleDigest) -> LicenseRow {
    LicenseRow {
        state: LicenseState::Intended,
        handle_digest: Some(digest),
        replaces: Some(old.license_id.clone()),
        granted_at_ms: old.granted_at_ms,
        expires: old.expires,
        playback_window_seconds: old.playback_window_seconds,
        coverage: old.coverage,
        key_ids: old.key_ids.clone(),
        acquired_level: old.acquired_level.clone(),
        ..intent.clone()
    }
}

/// True for an intent whose license was granted before and goes on under another handle: its release would be the
/// release of the license that it replaces. Other intents know no grant.
pub(crate) fn is_continuation(intent: &LicenseRow) -> bool {
    intent.state == LicenseState::Intended
        && intent.granted_at_ms != 0
        && intent.replaces.is_some()
        && intent.handle_digest.is_some()
}

/// Drops an intent that led to nothing; one with an unknown outcome stays for reconciliation, as does a release.
pub(crate) fn drop_intent(tx: &WriteTx<'_>, id: &LicenseId) -> Result<()> {
    match tx.license(id)? {
        Some(row) if row.state == LicenseState::Intended && row.last_error.is_none() => tx.delete_license(id).map(drop),
        _ => Ok(()),
    }
}

/// Writes the new times into the renewed license's own row and ends the intent.
fn renew_in_place(tx: &WriteTx<'_>, intent: &LicenseRow, checked: &CheckedGrant, now_ms: i64) -> Result<LicenseRow> {
    let held = intent.replaces.as_ref().map(|id| tx.license(id)).transpose()?.flatten();
    let Some(mut held) = held else {
        return Err(Error::new(Code::CdmFailed, "the CDM says that it renewed a license, but was asked for a new one"));
    };
    take_times(&mut held, checked, now_ms);
    held.params.clone_from(&intent.params);
    tx.update_license(&held)?;
    tx.delete_license(&intent.license_id)?;
    Ok(held)
}

/// Copies what a grant says about a license's life into its row.
fn take_times(row: &mut LicenseRow, checked: &CheckedGrant, now_ms: i64) {
    row.granted_at_ms = now_ms;
    row.expires = checked.expires;
    row.playback_window_seconds = checked.playback_window_seconds;
    row.coverage = checked.coverage;
    row.key_ids.clone_from(&checked.key_ids);
    if checked.acquired_level.is_some() {
        row.acquired_level.clone_from(&checked.acquired_level);
    }
    row.last_error = None;
}

/// A failure, and what has become of the license.
struct Failed {
    error: Error,
    fate: Fate,
}

/// What is to be done about a license that will not be used.
enum Fate {
    /// Nothing was granted.
    Nothing,
    /// It was granted, under this handle.
    GiveBack(Handle),
    /// Nobody knows whether it was.
    Unknown,
}

impl Failed {
    fn nothing_granted(error: Error) -> Self {
        Self { error, fate: Fate::Nothing }
    }

    /// An empty handle is a license that the CDM did not store: nothing to give back.
    fn granted(error: Error, handle: Handle) -> Self {
        Self { error, fate: if handle.is_empty() { Fate::Nothing } else { Fate::GiveBack(handle) } }
    }
}
