//! The ledger's state machine. Every change of a license's state goes through [`transition`], which knows the legal
//! steps; nothing else in the core writes license rows (a test searches the sources for it).
//!
//! Each step is one transaction, or a part of one that the caller writes together with the asset. Invariant 4 of
//! `docs/architecture.md`: a license moves `intended -> stored -> active -> superseded | releasing -> released |
//! forgotten`. One step leads back, [`Step::Restore`]: a release that a strict server is asked for before the next
//! license, and that fails while the CDM still has the old one, leaves the old one active.
//!
//! The states below are [`LicenseState`]'s, with their sub-states (see [`Position`]): an intent is *in progress* or its
//! outcome is *unknown*; it acquires a license of its own or *continues* an existing one under another handle; a
//! license in release is queued or *leased* to the call that is releasing it. A test reads this table and holds
//! [`transition`] to it, for every pair of state and step.
//!
//! | state | step | next state | used by |
//! |---|---|---|---|
//! | absent | `Intend` | intended | `acquisition`: before the engine is asked |
//! | absent | `Import` | active | import of a license that another library stored |
//! | intended, intended (unknown) | `Store` | stored | `acquire`: granted, stored and read back |
//! | absent, intended, intended (unknown), continuing, continuing (unknown) | `Continue` | continuing | `acquire`: a renewal changed the handle; `rotate`: the CDM changed it by itself |
//! | absent, intended, intended (unknown), continuing, continuing (unknown) | `LeaveContinuation` | continuing (unknown) | `acquire`: the same, after the call had timed out; `recover`: the same, found in the CDM |
//! | continuing, continuing (unknown) | `StoreContinuation` | stored | `rotate`, `recover`: the new handle is in the secret storage |
//! | intended | `LoseTrack` | intended (unknown) | `acquire`: the call timed out; `recover`: the process died |
//! | continuing | `LoseTrack` | continuing (unknown) | `recover`: the process died |
//! | absent, intended, intended (unknown) | `Strand` | intended (unknown) | `release`: a granted license could neither be stored nor released |
//! | continuing, continuing (unknown) | `Strand` | continuing (unknown) | the same |
//! | intended, continuing | `DiscardUngranted` | absent | `acquisition`, `acquire`, `rotate`: no license came of it |
//! | intended (unknown), continuing (unknown) | `DiscardUnknown` | absent | `recover`: neither the secret storage nor the CDM holds a license of it |
//! | intended, intended (unknown), continuing, continuing (unknown) | `DiscardReleased` | absent | `release`: a license that could not be stored was released at once |
//! | stored | `Activate` | active | `acquisition`, `rotate`, `recover`: players use it; the license that it replaces is superseded or forgotten |
//! | active | `Renew` | active | `acquire`: renewed under its own handle |
//! | active | `Shorten` | active | verification: the CDM reports an earlier end |
//! | active, superseded | `Supersede` | superseded | `Activate` of its successor; `acquisition`: it gets no successor |
//! | absent, intended, intended (unknown), continuing, continuing (unknown), releasing, releasing (leased) | `ReleaseUnused` | releasing | `release`: a granted license that will not be used |
//! | stored, active | `QueueRelease` | releasing | unregistration; `acquisition`: taken back; `recover` |
//! | active, superseded, releasing, releasing (leased) | `BeginRelease` | releasing (leased) | `release` |
//! | releasing, releasing (leased) | `PostponeRelease` | releasing | `release`: the attempt failed |
//! | releasing, releasing (leased) | `Restore` | active | `release`: failed for a strict server, and the CDM still has the license |
//! | releasing, releasing (leased) | `ConfirmRelease` | released | `release` |
//! | active, superseded, releasing, releasing (leased) | `Forget` | forgotten | `release`: without its server; `Activate` of a successor with the same license |
//! | released, forgotten | `Erase` | absent | `release`: its handle is removed |

mod position;
mod step;
#[cfg(test)]
mod tests;

pub(crate) use self::position::{Position, is_continuation, is_in_progress, is_outcome_unknown};
use self::position::{set_error, set_intent, set_releasing, set_stored};
pub(crate) use self::step::{Grant, Predecessor, Step, Terms};
use crate::error::{Code, Error, Result};
use crate::model::{AssetId, Expiry, LicenseState, Profile};
use crate::store::{IntentKind, IntentOutcome, LicenseRow, WriteTx};

/// Takes a license one step further, and writes it.
///
/// The state is read from the store, so that steps count which another thread or process has taken since the caller
/// read the license. `license` says which license it is, and gives the contents of a row that the step adds. Returns
/// the row after the step; of a step that removes the license, the last row.
///
/// Fails with `Internal` if the step is not legal in the license's state; nothing is changed then.
pub(crate) fn transition(tx: &WriteTx<'_>, license: &LicenseRow, step: Step) -> Result<LicenseRow> {
    let current = tx.license(&license.license_id)?;
    let position = Position::of(current.as_ref());
    let name = step.name();
    let predecessor = if let Step::Activate(predecessor) = &step { Some(*predecessor) } else { None };
    let Some(next) = next(current.as_ref().unwrap_or(license), position, step) else {
        let message = format!("the license {} is {position}: {name} is not a legal step", license.license_id);
        return Err(Error::new(Code::Internal, message));
    };
    match (current, next) {
        (None, Next::Row(row)) => {
            tx.insert_license(&row)?;
            Ok(*row)
        }
        (Some(current), Next::Row(row)) => {
            // A change of the state alone writes one page fewer, which counts on a full disk.
            if (LicenseRow { state: row.state, ..current }) == *row {
                tx.set_license_state(&row.license_id, row.state)?;
            } else {
                tx.update_license(&row)?;
            }
            if let Some(predecessor) = predecessor {
                end_predecessor(tx, &row, predecessor)?;
            }
            Ok(*row)
        }
        (current, Next::Removed) => {
            tx.delete_license(&license.license_id)?;
            Ok(current.unwrap_or_else(|| license.clone()))
        }
    }
}

/// The license after a step.
enum Next {
    Row(Box<LicenseRow>),
    Removed,
}

/// Returns the license after a step, or `None` if the step is not legal. Pure.
fn next(row: &LicenseRow, position: Position, step: Step) -> Option<Next> {
    use IntentKind::{Continuation, New};
    use IntentOutcome::{InProgress, Unknown};
    use Position::{
        Absent, Active, Continuing, ContinuingUnknown, Forgotten, Intended, IntendedUnknown, Leased, Released,
        Releasing, Stored, Superseded,
    };
    let mut row = row.clone();
    match (step, position) {
        (Step::Intend, Absent) => set_intent(&mut row, New, InProgress),
        (Step::Import, Absent) => row.state = LicenseState::Active,
        (Step::Store(grant), Intended | IntendedUnknown) => {
            grant.write_to(&mut row);
            set_stored(&mut row);
        }
        (Step::Continue(grant), Absent | Intended | IntendedUnknown | Continuing | ContinuingUnknown) => {
            grant.write_to(&mut row);
            set_intent(&mut row, Continuation, InProgress);
        }
        (Step::LeaveContinuation(grant), Absent | Intended | IntendedUnknown | Continuing | ContinuingUnknown) => {
            grant.write_to(&mut row);
            set_intent(&mut row, Continuation, Unknown);
        }
        (Step::StoreContinuation, Continuing | ContinuingUnknown) => set_stored(&mut row),
        (Step::LoseTrack(error), Intended | Continuing) => {
            row.outcome = Unknown;
            set_error(&mut row, error);
        }
        (Step::Strand { digest, error }, Absent | Intended | IntendedUnknown | Continuing | ContinuingUnknown) => {
            let kind = if position == Absent { New } else { row.kind };
            set_intent(&mut row, kind, Unknown);
            row.handle_digest = Some(digest);
            set_error(&mut row, error);
        }
        (Step::DiscardUngranted, Intended | Continuing)
        | (Step::DiscardUnknown, IntendedUnknown | ContinuingUnknown)
        | (Step::DiscardReleased, Intended | IntendedUnknown | Continuing | ContinuingUnknown)
        | (Step::Erase, Released | Forgotten) => return Some(Next::Removed),
        (Step::Activate(_), Stored) => row.state = LicenseState::Active,
        (Step::Renew(grant), Active) => grant.write_to(&mut row),
        (Step::Shorten(expires), Active) => row.expires = expires,
        (Step::Supersede, Active | Superseded) => row.state = LicenseState::Superseded,
        (
            Step::ReleaseUnused(digest),
            Absent | Intended | IntendedUnknown | Continuing | ContinuingUnknown | Releasing | Leased,
        ) => {
            row.handle_digest = Some(digest);
            set_releasing(&mut row, 0);
        }
        (Step::QueueRelease, Stored | Active) => row.state = LicenseState::Releasing,
        (Step::BeginRelease { lease_until_ms }, Active | Superseded | Releasing | Leased) => {
            row.state = LicenseState::Releasing;
            row.lease_until_ms = Some(lease_until_ms);
        }
        (Step::PostponeRelease { error, next_attempt_at_ms, attempts }, Releasing | Leased) => {
            set_releasing(&mut row, next_attempt_at_ms);
            row.release_attempts = attempts;
            set_error(&mut row, error);
        }
        (Step::Restore, Releasing | Leased) => {
            row.state = LicenseState::Active;
            (row.lease_until_ms, row.next_attempt_at_ms) = (None, 0);
        }
        (Step::ConfirmRelease, Releasing | Leased) => row.state = LicenseState::Released,
        (Step::Forget, Active | Superseded | Releasing | Leased) => row.state = LicenseState::Forgotten,
        _ => return None,
    }
    Some(Next::Row(Box::new(row)))
}

/// Ends the license that a license which has become active replaces. A predecessor with the same handle is never
/// released (invariant 5): that would release its successor.
fn end_predecessor(tx: &WriteTx<'_>, successor: &LicenseRow, predecessor: Predecessor) -> Result<()> {
    let Some(old_id) = &successor.replaces else { return Ok(()) };
    let Some(old) = tx.license(old_id)? else { return Ok(()) };
    if !matches!(old.state, LicenseState::Active | LicenseState::Superseded) {
        return Ok(());
    }
    let is_same = old.handle_digest.is_some() && old.handle_digest == successor.handle_digest;
    let lives_on = is_same || predecessor == Predecessor::LivesOn;
    transition(tx, &old, if lives_on { Step::Forget } else { Step::Supersede }).map(drop)
}

/// Adds a license that another library stored, and that is in use from now on.
///
/// Fails with `AssetBusy` if the same license was imported before and is being released.
pub(crate) fn import_license(tx: &WriteTx<'_>, license: &LicenseRow) -> Result<()> {
    if tx.license(&license.license_id)?.is_some() {
        let message = "this license was imported before and is being released; register the title while online";
        return Err(Error::new(Code::AssetBusy, message));
    }
    transition(tx, license, Step::Import).map(drop)
}

/// Records an earlier end of an active license, unless the license was renewed or left the state active since `license`
/// was read.
pub(crate) fn shorten_license(tx: &WriteTx<'_>, license: &LicenseRow, expires: Expiry) -> Result<()> {
    match tx.license(&license.license_id)? {
        Some(now) if now.state == LicenseState::Active && now.granted_at_ms == license.granted_at_ms => {
            transition(tx, &now, Step::Shorten(expires)).map(drop)
        }
        _ => Ok(()),
    }
}

/// Queues the release of every license that an asset has. Intents are left to recovery, which finds out what has
/// become of them.
pub(crate) fn release_licenses_of(tx: &WriteTx<'_>, profile: &Profile, asset_id: &AssetId) -> Result<()> {
    for row in tx.licenses_of(profile, asset_id)? {
        if matches!(row.state, LicenseState::Stored | LicenseState::Active) {
            transition(tx, &row, Step::QueueRelease)?;
        }
    }
    Ok(())
}

/// Removes an intent in progress, which led to no license. An intent whose outcome is unknown stays for recovery, and a
/// license that came of the intent is not touched.
pub(crate) fn discard_ungranted(tx: &WriteTx<'_>, intent: &LicenseRow) -> Result<()> {
    match tx.license(&intent.license_id)? {
        Some(row) if is_in_progress(&row) => transition(tx, &row, Step::DiscardUngranted).map(drop),
        _ => Ok(()),
    }
}
