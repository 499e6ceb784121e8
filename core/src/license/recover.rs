//! After a crash: what each state that is found at the start means, and what is done about it.
//!
//! | found | what had happened | what is done |
//! |---|---|---|
//! | `Intended`, no handle anywhere | the call was not made, or nothing was granted | the row goes |
//! | `Intended`, handle in the vault | killed between the storage and the ledger | the handle is released |
//! | the same, of a license that goes on under another handle | the same | it takes the old one's place |
//! | `Intended`, the CDM lists something new | killed between the CDM and the storage | that is released |
//! | the same, and no longer what was renewed | killed in a renewal that changes the handle | it takes the old one's place |
//! | `Stored`, registration incomplete | killed between two licenses | all of them are released, the registration goes |
//! | `Stored`, all of a registration | killed before the last step | the last step is done: nothing is lost |
//! | `Stored`, asset registered | killed during a refresh | it becomes active, its predecessor is released |
//! | `Superseded`, `Releasing` | the release waits | it is tried again |
//! | the same, FairPlay's proof in the vault | killed before the server had it | the proof is sent |
//! | `Released`, `Forgotten` | killed before the handle was removed | handle and row go |

use std::collections::HashSet;
use std::sync::Arc;

use super::engines::count;
use super::ledger::{Predecessor, activate};
use super::licensing::Licensing;
use super::obtain::{continuation, is_continuation};
use crate::error::{Code, Result};
use crate::model::license::{Handle, HandleDigest};
use crate::model::{AssetId, DrmScheme, LicenseId, LicenseState, Profile};
use crate::store::{AssetState, Claim, LicenseRow, ReadTx, WriteTx};

/// What recovery found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recovered {
    /// Licenses that the CDMs hold and that are not ours.
    pub(crate) foreign: u32,
    /// Licenses that the CDMs hold; `None` if none lists them.
    pub(crate) held: Option<u32>,
    /// True if assets or licenses are not what they were.
    pub(crate) is_anything_changed: bool,
}

impl Licensing {
    /// Puts right what a crash left behind, and looks for licenses of ours that the ledger does not know.
    ///
    /// What other processes are doing is left alone, as is what is under way here.
    pub(crate) fn recover(self: &Arc<Self>) -> Result<Recovered> {
        let is_asset_changed = self.recover_broken_off()?;
        let intents = self.ended_intents()?;
        let is_anything_changed = is_asset_changed || !intents.is_empty();
        let held = self.engines.held();
        for intent in intents {
            self.recover_intent(&intent, &held)?;
        }
        Ok(Recovered { foreign: self.count_foreign(&held)?, held: count(&held), is_anything_changed })
    }

    /// After damage: licenses whose registration could not be read any more go back. Nobody knows what they play.
    pub(crate) fn release_ownerless(&self) -> Result<bool> {
        let rows = self.store.read(|tx| tx.licenses_in(&[LicenseState::Stored, LicenseState::Active]))?;
        let mut found = false;
        for row in rows.into_iter().filter(|row| !self.in_flight.contains(&row.license_id)) {
            found |= self.store.delete(|tx| {
                let is_ownerless = tx.asset(&row.profile, &row.asset_id)?.is_none();
                if is_ownerless {
                    tx.set_license_state(&row.license_id, LicenseState::Releasing)?;
                }
                Ok(is_ownerless)
            })?;
        }
        Ok(found)
    }

    /// Takes over what died processes were doing, and decides about their registrations and refreshes as they are
    /// found: before the intents among them are resolved, because an intent is what tells an incomplete one.
    fn recover_broken_off(&self) -> Result<bool> {
        let mut is_anything_changed = false;
        for (profile, asset_id) in self.store.broken_off()? {
            // Whoever is at work on it has done this first.
            if let Some(claim) = self.store.try_claim(&profile, &asset_id)? {
                is_anything_changed |= self.recover_asset(&claim)?;
            }
        }
        Ok(is_anything_changed)
    }

    /// The same for one asset. False if nothing was broken off.
    pub(crate) fn recover_asset(&self, claim: &Claim) -> Result<bool> {
        let (profile, asset_id) = (claim.profile(), claim.asset_id());
        let is_changed = self.store.adopt(claim, |tx| recover_asset(tx, profile, asset_id))?;
        if is_changed {
            tracing::warn!(asset = %asset_id, "a registration or refresh was broken off");
        }
        Ok(is_changed)
    }

    /// Intents that ended with an unknown outcome, here or in a process that died.
    fn ended_intents(&self) -> Result<Vec<LicenseRow>> {
        let intents = self.store.read(|tx| tx.licenses_in(&[LicenseState::Intended]))?;
        Ok(intents
            .into_iter()
            .filter(|row| row.last_error.is_some() && !self.in_flight.contains(&row.license_id))
            .collect())
    }

    fn recover_intent(self: &Arc<Self>, intent: &LicenseRow, held: &[(DrmScheme, Vec<Handle>)]) -> Result<()> {
        let stored = self.vault.load(&intent.license_id)?;
        if is_continuation(intent) {
            return self.recover_continuation(intent, stored);
        }
        if let Some(handle) = stored {
            tracing::warn!(license = %intent.license_id, "a license was stored but not written down; it is released");
            return self.queue_release_of(intent, &handle);
        }
        let Some(ours) = self.appeared_during(intent, held)? else { return Ok(()) };
        let mut ours = ours.into_iter();
        let Some(first) = ours.next() else {
            // A grant that came late may have turned the intent into a release since it was read.
            return self.store.delete(|tx| match tx.license(&intent.license_id)? {
                Some(now) if now.state == LicenseState::Intended => tx.delete_license(&now.license_id).map(drop),
                _ => Ok(()),
            });
        };
        if ours.len() == 0 && self.recover_renewal(intent, &first, held)? {
            return Ok(());
        }
        tracing::warn!(license = %intent.license_id, "the CDM holds a license that was not written down; it is released");
        self.queue_release_of(intent, &first)?;
        for handle in ours {
            let mut row = intent.clone();
            row.license_id = LicenseId::random()?;
            self.queue_release_of(&row, &handle)?;
        }
        Ok(())
    }

    /// A license was to go on under another handle. It does so if that handle is there.
    fn recover_continuation(self: &Arc<Self>, intent: &LicenseRow, stored: Option<Handle>) -> Result<()> {
        let Some(handle) = stored.filter(|handle| intent.handle_digest == Some(handle.digest())) else {
            self.vault.remove(&intent.license_id)?;
            return self.store.delete(|tx| match tx.license(&intent.license_id)? {
                Some(now) if is_continuation(&now) => tx.delete_license(&now.license_id).map(drop),
                _ => Ok(()),
            });
        };
        let is_over = self.store.delete(|tx| {
            // Another process may have done this since it was read.
            let Some(now) = tx.license(&intent.license_id)?.filter(is_continuation) else { return Ok(false) };
            if active_predecessor(tx, &now)?.is_none() {
                return Ok(true);
            }
            let row = LicenseRow { state: LicenseState::Stored, last_error: None, ..now };
            tx.update_license(&row)?;
            activate(tx, &row, Predecessor::LivesOn).map(|()| false)
        })?;
        // Unregistered meanwhile, or replaced: it goes the same way.
        if is_over { self.queue_release_of(intent, &handle) } else { Ok(()) }
    }

    /// A renewal was broken off after the CDM had put another handle in the place of the old one: the license goes on
    /// under the one that is there. False if it was not so.
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
        tracing::warn!(license = %intent.license_id, "a renewal was broken off; the license goes on under its new handle");
        self.continue_under(&mut continuation(intent, &old, appeared.digest()), appeared).map(|()| true)
    }

    /// What the CDM holds now, did not hold when the intent was made, and the ledger does not know. `None` as long as
    /// that may also be a license which somebody is getting at this moment, and which he has not written down yet.
    fn appeared_during(&self, intent: &LicenseRow, held: &[(DrmScheme, Vec<Handle>)]) -> Result<Option<Vec<Handle>>> {
        let (Some(before), Some((_, now))) =
            (&intent.held_before, held.iter().find(|(scheme, _)| *scheme == intent.request.scheme))
        else {
            return Ok(Some(Vec::new()));
        };
        // Read after the CDM was asked: what it held then is in the ledger now, or still an intent.
        let rows = self.store.read(|tx| tx.licenses_in(&LicenseState::ALL))?;
        let is_under_way = |row: &LicenseRow| {
            row.state == LicenseState::Intended
                && row.request.scheme == intent.request.scheme
                && (row.last_error.is_none() || self.in_flight.contains(&row.license_id))
        };
        if rows.iter().any(is_under_way) {
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

/// The license that an intent was to replace, if it is still the one that players use.
fn active_predecessor(tx: &ReadTx<'_>, intent: &LicenseRow) -> Result<Option<LicenseRow>> {
    let old = intent.replaces.as_ref().map(|id| tx.license(id)).transpose()?.flatten();
    Ok(old.filter(|old| old.state == LicenseState::Active))
}

fn recover_asset(tx: &WriteTx<'_>, profile: &Profile, asset_id: &AssetId) -> Result<()> {
    let rows = tx.licenses_of(profile, asset_id)?;
    for row in rows.iter().filter(|row| row.state == LicenseState::Intended && row.last_error.is_none()) {
        let last_error = Some(Code::Cancelled.as_str().to_owned());
        tx.update_license(&LicenseRow { last_error, ..row.clone() })?;
    }
    let mut stored = rows.iter().filter(|row| row.state == LicenseState::Stored);
    // Licenses are got in the order of their rows; one that failed may wait for its release behind those that did not.
    let since_the_first = rows.iter().skip_while(|row| row.state != LicenseState::Stored);
    let is_complete = stored.clone().next().is_some()
        && since_the_first.clone().all(|row| row.state == LicenseState::Stored)
        && !rows.iter().any(|row| row.state == LicenseState::Intended);
    match tx.asset(profile, asset_id)? {
        Some(asset) if asset.state == AssetState::Registered => {
            stored.try_for_each(|row| activate(tx, row, Predecessor::IsReleased))
        }
        // All of its licenses are there: the caller never heard of it, but nothing is lost.
        Some(mut asset) if is_complete => {
            asset.state = AssetState::Registered;
            tx.update_asset(&asset)?;
            stored.try_for_each(|row| activate(tx, row, Predecessor::IsReleased))
        }
        asset => {
            stored.try_for_each(|row| tx.set_license_state(&row.license_id, LicenseState::Releasing))?;
            if asset.is_some() { tx.delete_asset(profile, asset_id).map(drop) } else { Ok(()) }
        }
    }
}
