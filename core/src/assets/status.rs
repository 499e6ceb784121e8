//! Status: why an asset plays or does not, from the ledger alone. `verify` asks the disk and the CDM, too.
use crate::error::{Code, Error, Remedy, Result};
use crate::license::{EngineError, shorten_license};
use crate::manifest;
use crate::model::Verify;
use crate::model::{
    AssetId, AssetStatus, Expiry, LicenseDuration, LicenseState, LicenseStatus, MediaPresence, PlayabilityReason,
    Warning,
};
use crate::registry::{CachedAsset, Registry, Snapshot, paths};
use crate::store::{LicenseRow, LicenseSummary};

/// Some players refuse to start with less than this left (ExoPlayer's `MAX_LICENSE_DURATION_TO_RENEW_SECONDS`).
const SHORT_REST_S: u64 = 60;
/// A license that is granted for less than this is a test license more often than not.
const SHORT_LICENSE_MS: i64 = 3_600_000;

impl Registry {
    /// One status from the snapshot.
    pub(crate) fn status(&self, asset_id: &AssetId) -> Result<AssetStatus> {
        let clock = self.look_at_clock()?;
        Ok(of(&*self.fresh_view()?, asset_id, clock))
    }

    /// Every registered asset's status from the snapshot.
    pub(crate) fn statuses(&self) -> Result<Vec<AssetStatus>> {
        let clock = self.look_at_clock()?;
        let view = self.fresh_view()?;
        Ok(view.all().into_iter().map(|entry| of_entry(&view, entry, clock)).collect())
    }

    /// A status after asking the disk and the CDM as `verify` says.
    pub(crate) fn verify(&self, asset_id: &AssetId, verify: Verify) -> Result<AssetStatus> {
        let found = if verify.licenses { self.verify_licenses(asset_id)? } else { None };
        let mut status = self.status(asset_id)?;
        if let (Some(why), true) = (found, status.why == PlayabilityReason::Playable) {
            set_why(&mut status, why);
        }
        if verify.media && status.is_registered {
            let path =
                self.view()?.get(asset_id).and_then(|entry| paths::playable_path(&entry.summary.path, &self.roots()));
            // A path under a root that was not given in this run is not there.
            let is_there =
                path.is_some_and(|path| manifest::find(&path).and_then(|media| manifest::inspect(&media)).is_ok());
            status.media = if is_there { MediaPresence::Present } else { MediaPresence::Missing };
            if !is_there && status.why == PlayabilityReason::Playable {
                set_why(&mut status, PlayabilityReason::MediaMissing);
            }
        }
        Ok(status)
    }

    /// Reads every active license back and asks its CDM; what the CDM says about its life goes into the ledger.
    pub(crate) fn verify_licenses(&self, asset_id: &AssetId) -> Result<Option<PlayabilityReason>> {
        let rows = self.store().read(|tx| tx.licenses_of(self.profile(), asset_id))?;
        let mut found = None;
        for row in rows.into_iter().filter(|row| row.state == LicenseState::Active) {
            let why = match self.inspect(&row) {
                Ok(()) => continue,
                Err(error) => match error.code() {
                    Code::LicenseUnreadable => PlayabilityReason::LicenseUnreadable,
                    Code::LicenseVanished | Code::CdmLevelChanged => PlayabilityReason::LicenseVanished,
                    Code::LicenseExpired => PlayabilityReason::LicenseExpired,
                    _ => return Err(error),
                },
            };
            found = found.or(Some(why));
        }
        Ok(found)
    }

    fn inspect(&self, row: &LicenseRow) -> Result<()> {
        let held = self.licensing.load(row)?;
        let times = self
            .licensing
            .engines
            .call(row.request.scheme, None, move |engine| engine.inspect(&held), drop)
            .map_err(EngineError::into_error)?;
        let LicenseDuration::Seconds(left_seconds) = times.license else { return Ok(()) };
        let by_cdm = Expiry::after(self.now_ms(), left_seconds);
        // Only a renewal makes a license last longer: a CDM that says more is not believed. Differences of a few
        // seconds are the time that asking took.
        let expires = row.expires.or_earlier(by_cdm);
        if !is_about(expires, row.expires) {
            self.store().write(|tx| shorten_license(tx, row, expires))?;
            self.changed(&row.asset_id)?;
        }
        Ok(())
    }

    fn look_at_clock(&self) -> Result<ClockView> {
        let rollback_suspected = self.observe_clock()?;
        Ok(ClockView { now_ms: self.now_ms(), rollback_suspected })
    }
}

fn is_about(a: Expiry, b: Expiry) -> bool {
    match (a, b) {
        (Expiry::At(a), Expiry::At(b)) => a.abs_diff(b) < 5_000,
        _ => a == b,
    }
}

#[derive(Clone, Copy)]
struct ClockView {
    now_ms: i64,
    rollback_suspected: bool,
}

fn of(view: &Snapshot, asset_id: &AssetId, clock: ClockView) -> AssetStatus {
    match view.get(asset_id) {
        Some(entry) => of_entry(view, entry, clock),
        None => {
            let mut status = blank(asset_id.clone(), clock.now_ms);
            status.pending_releases = view.pending_releases(asset_id);
            set_why(&mut status, PlayabilityReason::NotRegistered);
            status
        }
    }
}

fn of_entry(view: &Snapshot, entry: &CachedAsset, clock: ClockView) -> AssetStatus {
    let summary = &entry.summary;
    let mut status = blank(summary.asset_id.clone(), clock.now_ms);
    status.format = Some(summary.format);
    status.root.clone_from(&summary.path.root);
    status.pending_releases = view.pending_releases(&summary.asset_id);
    status.licenses = summary.licenses.iter().map(license_status).collect();
    status.playback_window_seconds = entry.active().filter_map(|license| license.playback_window_seconds).min();
    status.playback_expires = entry.playback_expires();
    status.expires = entry.expires();
    status.warnings = warnings(entry, clock);
    let why = entry.why(clock.now_ms);
    status.is_registered = !matches!(why, PlayabilityReason::Registering);
    set_why(&mut status, why);
    status
}

fn blank(asset_id: AssetId, now_ms: i64) -> AssetStatus {
    AssetStatus {
        asset_id,
        is_registered: false,
        is_playable: false,
        why: PlayabilityReason::NotRegistered,
        message: String::new(),
        remedy: Remedy::Nothing,
        expires: Expiry::Unknown,
        playback_expires: Expiry::Unknown,
        playback_window_seconds: None,
        licenses: Vec::new(),
        media: MediaPresence::NotChecked,
        warnings: Vec::new(),
        format: None,
        root: None,
        pending_releases: 0,
        checked_at_ms: now_ms,
    }
}

fn license_status(license: &LicenseSummary) -> LicenseStatus {
    LicenseStatus {
        license_id: license.license_id.clone(),
        scheme: license.scheme,
        state: license.state,
        expires: license.expires,
        key_ids: license.requested_key_ids.clone(),
        coverage: license.coverage,
        granted_at_ms: license.granted_at_ms,
    }
}

fn warnings(entry: &CachedAsset, clock: ClockView) -> Vec<Warning> {
    let is_protected = entry.summary.is_protected;
    let expires = entry.expires();
    let is_short = |license: &LicenseSummary| match license.expires {
        Expiry::At(at_ms) => at_ms.saturating_sub(license.granted_at_ms) < SHORT_LICENSE_MS,
        _ => false,
    };
    let rest_seconds = expires.remaining_seconds(clock.now_ms);
    [
        (Warning::ClockRollbackSuspected, clock.rollback_suspected),
        (Warning::PathOutsideRoots, entry.summary.path.root.is_none()),
        (Warning::KeyFileNotLocal, entry.summary.key_files_missing),
        (
            Warning::LessThanAMinuteLeft,
            rest_seconds.is_some_and(|rest_seconds| (1..SHORT_REST_S).contains(&rest_seconds)),
        ),
        (Warning::ShortLicense, entry.active().any(is_short)),
        (Warning::ExpiryUnknown, is_protected && entry.active().any(|license| license.expires == Expiry::Unknown)),
    ]
    .into_iter()
    .filter_map(|(warning, applies)| applies.then_some(warning))
    .collect()
}

/// Sets the reason, and the sentence and remedy that go with it.
fn set_why(status: &mut AssetStatus, why: PlayabilityReason) {
    let (message, remedy) = explain(why);
    status.why = why;
    status.is_playable = why == PlayabilityReason::Playable;
    message.clone_into(&mut status.message);
    status.remedy = remedy;
}

fn explain(why: PlayabilityReason) -> (&'static str, Remedy) {
    match why {
        PlayabilityReason::Playable => ("ready to play without a network", Remedy::Nothing),
        PlayabilityReason::NotRegistered => ("no asset with this id is registered in this profile", Remedy::Reregister),
        PlayabilityReason::Registering => ("the registration has not ended yet", Remedy::Retry),
        PlayabilityReason::LicenseMissing => (
            "the media is protected and has no license; refresh it or register it again while online",
            Remedy::Reregister,
        ),
        PlayabilityReason::LicenseUnreadable => {
            ("the secret storage no longer gives the license back", Remedy::Reregister)
        }
        PlayabilityReason::LicenseVanished => ("the CDM no longer holds the license", Remedy::Reregister),
        PlayabilityReason::LicenseExpired => ("the license has expired; refresh it while online", Remedy::GoOnline),
        PlayabilityReason::PlaybackWindowOver => {
            ("the time allowed after the first playback is over; refresh the license while online", Remedy::GoOnline)
        }
        PlayabilityReason::KeyMissing => ("a track's key is in none of the licenses", Remedy::Reregister),
        PlayabilityReason::VolumeMissing => ("the volume that the media lies on is not there now", Remedy::Retry),
        PlayabilityReason::MediaMissing => ("the media is not at its path", Remedy::Repair),
    }
}

/// An error for a flow that needs a registered asset.
pub(crate) fn not_found(asset_id: &AssetId) -> Error {
    Error::new(Code::AssetNotFound, format!("no asset {asset_id} is registered in this profile"))
}
