//! Status: whether an asset plays, and why not, from the ledger alone. A verification also asks the disk, the secret
//! storage and the CDM.

use crate::error::{Code, Remedy, Result};
use crate::license::shorten_license;
use crate::manifest;
use crate::model::{AssetId, AssetStatus, Expiry, LicenseStatus, MediaPresence, PlayabilityReason, Verify, Warning};
use crate::registry::{CachedAsset, Registry, Snapshot, paths};
use crate::store::{LicenseRow, LicenseSummary};

/// Some players refuse to start with less than this left (ExoPlayer's `MAX_LICENSE_DURATION_TO_RENEW_SECONDS`).
const SHORT_REMAINING_SECONDS: u64 = 60;
/// A license that is granted for less than this is usually a test license.
const SHORT_LICENSE_MS: i64 = 3_600_000;

/// Returns one status from the snapshot.
pub(super) fn status(registry: &Registry, asset_id: &AssetId) -> Result<AssetStatus> {
    let clock = read_clock(registry)?;
    Ok(status_in(&*registry.fresh_view()?, asset_id, clock))
}

/// Returns the status of every registered asset from the snapshot.
pub(super) fn statuses(registry: &Registry) -> Result<Vec<AssetStatus>> {
    let clock = read_clock(registry)?;
    let view = registry.fresh_view()?;
    Ok(view.all().into_iter().map(|asset| status_of(&view, asset, clock)).collect())
}

/// Returns a status after the checks that `verify` asks for.
pub(super) fn verify(registry: &Registry, asset_id: &AssetId, verify: Verify) -> Result<AssetStatus> {
    let found = if verify.licenses { verify_licenses(registry, asset_id)? } else { None };
    let mut status = status(registry, asset_id)?;
    if let (Some(why), true) = (found, status.why == PlayabilityReason::Playable) {
        set_why(&mut status, why);
    }
    if verify.media && status.is_registered {
        let path = registry
            .view()?
            .get(asset_id)
            .and_then(|asset| paths::playable_path(&asset.summary.path, &registry.roots()));
        // A path below a root that was not given in this run counts as missing.
        let is_there =
            path.is_some_and(|path| manifest::find(&path).and_then(|media| manifest::inspect(&media)).is_ok());
        status.media = if is_there { MediaPresence::Present } else { MediaPresence::Missing };
        if !is_there && status.why == PlayabilityReason::Playable {
            set_why(&mut status, PlayabilityReason::MediaMissing);
        }
    }
    Ok(status)
}

/// Loads every active license from the secret storage, asks its CDM for the time left, and records an earlier expiry in
/// the ledger. Returns the first reason that blocks playback.
pub(super) fn verify_licenses(registry: &Registry, asset_id: &AssetId) -> Result<Option<PlayabilityReason>> {
    let mut found = None;
    for row in registry.active_rows(asset_id)? {
        let why = match verify_license(registry, &row) {
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

fn verify_license(registry: &Registry, row: &LicenseRow) -> Result<()> {
    let times = registry.licensing.inspect(row)?;
    let Expiry::At(at_ms) = times.license.expiry_from(registry.now_ms()) else { return Ok(()) };
    // Only a renewal extends a license, so a later expiry from the CDM is ignored. So is a difference of a few seconds,
    // which is the time that the call took.
    let expires = row.expires.or_earlier(Expiry::At(at_ms));
    if !is_about(expires, row.expires) {
        registry.store().write(|tx| shorten_license(tx, row, expires))?;
        registry.changed(&row.asset_id)?;
    }
    Ok(())
}

fn read_clock(registry: &Registry) -> Result<ClockReading> {
    let rollback_suspected = registry.observe_clock()?;
    Ok(ClockReading { now_ms: registry.now_ms(), rollback_suspected })
}

fn is_about(a: Expiry, b: Expiry) -> bool {
    match (a, b) {
        (Expiry::At(a), Expiry::At(b)) => a.abs_diff(b) < 5_000,
        _ => a == b,
    }
}

#[derive(Clone, Copy)]
struct ClockReading {
    now_ms: i64,
    rollback_suspected: bool,
}

fn status_in(view: &Snapshot, asset_id: &AssetId, clock: ClockReading) -> AssetStatus {
    match view.get(asset_id) {
        Some(asset) => status_of(view, asset, clock),
        None => {
            let mut status = blank(asset_id.clone(), clock.now_ms);
            status.pending_releases = view.pending_releases(asset_id);
            set_why(&mut status, PlayabilityReason::NotRegistered);
            status
        }
    }
}

fn status_of(view: &Snapshot, asset: &CachedAsset, clock: ClockReading) -> AssetStatus {
    let summary = &asset.summary;
    let mut status = blank(summary.asset_id.clone(), clock.now_ms);
    status.format = Some(summary.format);
    status.root.clone_from(&summary.path.root);
    status.pending_releases = view.pending_releases(&summary.asset_id);
    status.licenses = summary.licenses.iter().map(license_status).collect();
    status.playback_window_seconds = asset.active().filter_map(|license| license.playback_window_seconds).min();
    status.playback_expires = asset.playback_expires();
    status.expires = asset.expires();
    status.warnings = warnings(asset, clock);
    let why = asset.why(clock.now_ms);
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

fn warnings(asset: &CachedAsset, clock: ClockReading) -> Vec<Warning> {
    let is_protected = asset.summary.is_protected;
    let expires = asset.expires();
    let is_short = |license: &LicenseSummary| match license.expires {
        Expiry::At(at_ms) => at_ms.saturating_sub(license.granted_at_ms) < SHORT_LICENSE_MS,
        _ => false,
    };
    let remaining_seconds = expires.remaining_seconds(clock.now_ms);
    [
        (Warning::ClockRollbackSuspected, clock.rollback_suspected),
        (Warning::PathOutsideRoots, asset.summary.path.root.is_none()),
        (Warning::KeyFileNotLocal, asset.summary.key_files_missing),
        (
            Warning::LessThanAMinuteLeft,
            remaining_seconds
                .is_some_and(|remaining_seconds| (1..SHORT_REMAINING_SECONDS).contains(&remaining_seconds)),
        ),
        (Warning::ShortLicense, asset.active().any(is_short)),
        (Warning::ExpiryUnknown, is_protected && asset.active().any(|license| license.expires == Expiry::Unknown)),
    ]
    .into_iter()
    .filter_map(|(warning, applies)| applies.then_some(warning))
    .collect()
}

/// Sets the reason, with its message and remedy.
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
        PlayabilityReason::Registering => ("the registration is not complete yet; wait for it to end", Remedy::Retry),
        PlayabilityReason::LicenseMissing => (
            "the media is protected and has no license; refresh it or register it again while online",
            Remedy::Reregister,
        ),
        PlayabilityReason::LicenseUnreadable => (
            "the secret storage no longer returns the license; register the asset again while online",
            Remedy::Reregister,
        ),
        PlayabilityReason::LicenseVanished => {
            ("the CDM no longer has the license; register the asset again while online", Remedy::Reregister)
        }
        PlayabilityReason::LicenseExpired => ("the license has expired; refresh it while online", Remedy::GoOnline),
        PlayabilityReason::PlaybackWindowOver => {
            ("the playback window after the first playback is over; refresh the license while online", Remedy::GoOnline)
        }
        PlayabilityReason::KeyMissing => {
            ("a track needs a key that no license has; register the asset again while online", Remedy::Reregister)
        }
        PlayabilityReason::VolumeMissing => ("the volume of the media is not mounted; retry when it is", Remedy::Retry),
        PlayabilityReason::MediaMissing => ("the media is not at its path; download it again", Remedy::Repair),
    }
}
