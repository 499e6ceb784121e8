//! Recovery: completes or undoes the steps that a crash interrupted, and releases licenses that the ledger has lost.
//!
//! A process may be killed between any two neighbouring states of a license. This table is the specification. A test
//! (`core/tests/flows/recovery_table.rs`) makes each row's situation and checks its outcome.
//!
//! | found at the start | interrupted | recovery |
//! |---|---|---|
//! | `Intended`, no handle anywhere | before the grant, or nothing was granted | the intent is removed |
//! | `Intended`, handle in the secret storage | between the secret storage and the ledger | the license is released |
//! | `Intended` continuation, handle in the secret storage | between the secret storage and the ledger | the license replaces the old one |
//! | `Intended` continuation, no handle in the secret storage | between the ledger and the secret storage | the intent is removed |
//! | `Intended`, the CDM lists a new handle | between the CDM and the secret storage | the license is released |
//! | `Intended` renewal, the CDM lists a new handle and the old one no longer | a renewal that changes the handle, between the CDM and the secret storage | the license replaces the old one |
//! | `Stored`, asset registering, another license `Intended` | between two licenses of a registration | the license is released and the registration is removed |
//! | `Stored`, asset registering, no license `Intended` | before the last step of a registration | the registration is completed |
//! | `Stored`, asset registered | before the last step of a refresh | the license becomes active and its predecessor is released |
//! | `Superseded` | before the release | the license is released |
//! | `Releasing` | during the release | the license is released |
//! | `Releasing`, secure token in the secret storage | between the CDM and the server | the secure token is sent |
//! | `Released` | before the handle was removed | handle and row are removed |
//! | `Forgotten` | before the handle was removed | handle and row are removed |

use std::collections::HashSet;
use std::sync::Arc;

use super::engines::count;
use super::ledger::{Grant, Predecessor, Step, is_continuation, is_in_progress, is_outcome_unknown, transition};
use super::licensing::Licensing;
use crate::error::{Code, Result};
use crate::model::license::{Handle, HandleDigest};
use crate::model::{AssetId, DrmScheme, LicenseId, LicenseState, Profile};
use crate::store::{AssetLock, AssetState, LicenseRow, ReadTx, WriteTx};

/// The result of recovery.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recovered {
    /// Licenses that the CDMs hold and that are not ours.
    pub(crate) foreign: u32,
    /// Licenses that the CDMs hold; `None` if no CDM lists them.
    pub(crate) held: Option<u32>,
    /// True if recovery changed assets or licenses.
    pub(crate) is_anything_changed: bool,
}

impl Licensing {
    /// Recovers from a crash, and looks for licenses of ours that the ledger does not know.
    ///
    /// Does not touch what other processes are working on, nor what is in progress here.
    pub(crate) fn recover(self: &Arc<Self>) -> Result<Recovered> {
        let is_asset_changed = self.recover_interrupted()?;
        let intents = self.intents_with_unknown_outcome()?;
        let is_anything_changed = is_asset_changed || !intents.is_empty();
        let held = self.engines.held();
        for intent in intents {
            self.recover_intent(&intent, &held)?;
        }
        Ok(Recovered { foreign: self.count_foreign(&held)?, held: count(&held), is_anything_changed })
    }

    /// Queues the release of licenses whose asset was lost to damage. It is not known any more which media they play.
    /// Returns true if there were any.
    pub(crate) fn release_ownerless(&self) -> Result<bool> {
        let rows = self.store.read(|tx| tx.licenses_in(&[LicenseState::Stored, LicenseState::Active]))?;
        let mut found = false;
        for row in rows.into_iter().filter(|row| !self.in_flight.contains(&row.license_id)) {
            found |= self.store.write_with_reserve(|tx| {
                let is_ownerless = tx.asset(&row.profile, &row.asset_id)?.is_none();
                if is_ownerless {
                    transition(tx, &row, Step::QueueRelease)?;
                }
                Ok(is_ownerless)
            })?;
        }
        Ok(found)
    }

    /// Takes over the work of dead processes, and completes or undoes their registrations and refreshes. The intents
    /// among them are recovered afterwards, because an intent is the sign of an incomplete registration.
    fn recover_interrupted(&self) -> Result<bool> {
        let mut is_anything_changed = false;
        for (profile, asset_id) in self.store.interrupted()? {
            // A call that has the lock has recovered the asset already.
            if let Some(lock) = self.store.try_lock_asset(&profile, &asset_id)? {
                is_anything_changed |= self.recover_asset(&lock)?;
            }
        }
        Ok(is_anything_changed)
    }

    /// Recovers one asset. Returns false if nothing was interrupted.
    pub(crate) fn recover_asset(&self, lock: &AssetLock) -> Result<bool> {
        let (profile, asset_id) = (lock.profile(), lock.asset_id());
        let is_changed = self.store.recover_abandoned(lock, |tx| recover_asset(tx, profile, asset_id))?;
        if is_changed {
            tracing::warn!(%asset_id, "interrupted registration or refresh recovered");
        }
        Ok(is_changed)
    }

    /// Returns the intents whose outcome is unknown, of this process and of dead ones.
    fn intents_with_unknown_outcome(&self) -> Result<Vec<LicenseRow>> {
        let intents = self.store.read(|tx| tx.licenses_in(&[LicenseState::Intended]))?;
        Ok(intents
            .into_iter()
            .filter(|row| is_outcome_unknown(row) && !self.in_flight.contains(&row.license_id))
            .collect())
    }

    fn recover_intent(self: &Arc<Self>, intent: &LicenseRow, held: &[(DrmScheme, Vec<Handle>)]) -> Result<()> {
        let stored = self.secret_store.load(&intent.license_id)?;
        if is_continuation(intent) {
            return self.recover_continuation(intent, stored);
        }
        if let Some(handle) = stored {
            tracing::warn!(license_id = %intent.license_id, "interrupted acquisition found in the secret storage; license queued for release");
            return self.release_unused(intent, &handle);
        }
        let Some(ours) = self.appeared_since(intent, held)? else { return Ok(()) };
        let mut ours = ours.into_iter();
        let Some(first) = ours.next() else {
            return self.store.write_with_reserve(|tx| match tx.license(&intent.license_id)? {
                // A grant that came late may have turned the intent into a release, or into a continuation, since the
                // intent was read.
                Some(row) if is_outcome_unknown(&row) && !is_continuation(&row) => {
                    transition(tx, &row, Step::DiscardUnknown).map(drop)
                }
                _ => Ok(()),
            });
        };
        if ours.len() == 0 && self.recover_renewal(intent, &first, held)? {
            return Ok(());
        }
        tracing::warn!(license_id = %intent.license_id, "interrupted acquisition found in the CDM; license queued for release");
        self.release_unused(intent, &first)?;
        for handle in ours {
            let row = LicenseRow { license_id: LicenseId::random()?, ..intent.clone() };
            self.release_unused(&row, &handle)?;
        }
        Ok(())
    }

    /// Finishes a continuation if its handle is in the secret storage, or removes it.
    fn recover_continuation(self: &Arc<Self>, intent: &LicenseRow, stored: Option<Handle>) -> Result<()> {
        let Some(handle) = stored.filter(|handle| intent.handle_digest == Some(handle.digest())) else {
            self.secret_store.remove(&intent.license_id)?;
            return self.store.write_with_reserve(|tx| match tx.license(&intent.license_id)? {
                Some(row) if is_continuation(&row) && is_outcome_unknown(&row) => {
                    transition(tx, &row, Step::DiscardUnknown).map(drop)
                }
                _ => Ok(()),
            });
        };
        let has_no_predecessor = self.store.write_with_reserve(|tx| {
            // Another process may have recovered the continuation since it was read.
            let Some(row) = tx.license(&intent.license_id)?.filter(is_continuation) else { return Ok(false) };
            if active_predecessor(tx, &row)?.is_none() {
                return Ok(true);
            }
            let stored = transition(tx, &row, Step::StoreContinuation)?;
            transition(tx, &stored, Step::Activate(Predecessor::LivesOn)).map(|_| false)
        })?;
        // The old license was unregistered or replaced meanwhile, so its successor is released in its place.
        if has_no_predecessor { self.release_unused(intent, &handle) } else { Ok(()) }
    }

    /// Recovers a renewal that was interrupted after the CDM had replaced the old handle by a new one: the license goes
    /// on under the new handle. Returns false if the intent is no such renewal.
    fn recover_renewal(
        self: &Arc<Self>,
        intent: &LicenseRow,
        appeared: &Handle,
        held: &[(DrmScheme, Vec<Handle>)],
    ) -> Result<bool> {
        let Some(old) = self.store.read(|tx| active_predecessor(tx, intent))? else { return Ok(false) };
        let is_held = |digest: HandleDigest| held.iter().flat_map(|(_, all)| all).any(|h| h.digest() == digest);
        if old.handle_digest.is_none_or(is_held) {
            return Ok(false);
        }
        tracing::warn!(license_id = %intent.license_id, "interrupted renewal recovered; license continues under its new handle");
        let grant = Grant::continuing(&old, appeared.digest());
        self.continue_under(intent, appeared, Step::LeaveContinuation(grant)).map(|_| true)
    }

    /// Returns the handles that are new in the CDM since the intent was created and that the ledger does not know.
    /// Returns `None` while another acquisition of the same scheme is in progress, because a new handle may belong to
    /// it.
    fn appeared_since(&self, intent: &LicenseRow, held: &[(DrmScheme, Vec<Handle>)]) -> Result<Option<Vec<Handle>>> {
        let (Some(before), Some((_, now))) =
            (&intent.held_before, held.iter().find(|(scheme, _)| *scheme == intent.request.scheme))
        else {
            return Ok(Some(Vec::new()));
        };
        // Read after the CDM was asked: a license that it held then is in the ledger now, or still an intent.
        let rows = self.store.read(|tx| tx.licenses_in(&LicenseState::ALL))?;
        let is_other_in_progress = |row: &LicenseRow| {
            row.state == LicenseState::Intended
                && row.request.scheme == intent.request.scheme
                && (is_in_progress(row) || self.in_flight.contains(&row.license_id))
        };
        if rows.iter().any(is_other_in_progress) {
            return Ok(None);
        }
        let known: HashSet<HandleDigest> = rows.into_iter().filter_map(|row| row.handle_digest).collect();
        let ours = now
            .iter()
            .filter(|handle| {
                let digest = handle.digest();
                !before.contains(&digest) && (!known.contains(&digest) || intent.handle_digest == Some(digest))
            })
            .cloned()
            .collect();
        Ok(Some(ours))
    }

    fn known_digests(&self) -> Result<HashSet<HandleDigest>> {
        let rows = self.store.read(|tx| tx.licenses_in(&LicenseState::ALL))?;
        Ok(rows.into_iter().filter_map(|row| row.handle_digest).collect())
    }

    fn count_foreign(&self, held: &[(DrmScheme, Vec<Handle>)]) -> Result<u32> {
        if held.iter().all(|(_, handles)| handles.is_empty()) {
            return Ok(0);
        }
        let known = self.known_digests()?;
        let foreign = held.iter().flat_map(|(_, handles)| handles).filter(|handle| !known.contains(&handle.digest()));
        Ok(u32::try_from(foreign.count()).unwrap_or(u32::MAX))
    }
}

/// Returns the license that an intent was to replace, if players still use it.
fn active_predecessor(tx: &ReadTx<'_>, intent: &LicenseRow) -> Result<Option<LicenseRow>> {
    let old = intent.replaces.as_ref().map(|id| tx.license(id)).transpose()?.flatten();
    Ok(old.filter(|old| old.state == LicenseState::Active))
}

/// Completes or undoes the registration or refresh of an asset that a dead process was working on.
fn recover_asset(tx: &WriteTx<'_>, profile: &Profile, asset_id: &AssetId) -> Result<()> {
    let rows = tx.licenses_of(profile, asset_id)?;
    for row in rows.iter().filter(|row| is_in_progress(row)) {
        transition(tx, row, Step::LoseTrack(Code::Cancelled))?;
    }
    let mut stored = rows.iter().filter(|row| row.state == LicenseState::Stored);
    // Licenses are acquired in the order of their rows, so a failed one may wait for its release behind the stored
    // ones.
    let since_the_first = rows.iter().skip_while(|row| row.state != LicenseState::Stored);
    let is_complete = stored.clone().next().is_some()
        && since_the_first.clone().all(|row| row.state == LicenseState::Stored)
        && !rows.iter().any(|row| row.state == LicenseState::Intended);
    let activate = |row: &LicenseRow| transition(tx, row, Step::Activate(Predecessor::IsReleased)).map(drop);
    match tx.asset(profile, asset_id)? {
        Some(asset) if asset.state == AssetState::Registered => stored.try_for_each(activate),
        // All of its licenses are there. The caller did not receive the result, but nothing is lost.
        Some(mut asset) if is_complete => {
            asset.state = AssetState::Registered;
            tx.update_asset(&asset)?;
            stored.try_for_each(activate)
        }
        asset => {
            stored.try_for_each(|row| transition(tx, row, Step::QueueRelease).map(drop))?;
            if asset.is_some() { tx.delete_asset(profile, asset_id).map(drop) } else { Ok(()) }
        }
    }
}
