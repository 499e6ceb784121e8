//! Playback: the local source that a player opens, the handles of its licenses, and reports from the player.

use std::path::Path;
use std::sync::Arc;

use super::reconcile::reconcile_soon;
use crate::cancel::Cancellation;
use crate::error::{Code, Error, Result};
use crate::model::license::{Handle, LicenseTimes};
use crate::model::{AssetId, LicenseId, LicenseState, LocalLicense, LocalMediaSource};
use crate::registry::{Registry, not_found};
use crate::store::LicenseRow;

/// Returns the local source of a registered asset. `path`, if given, must be the registered one.
pub(super) fn local_media_source(
    registry: &Registry,
    asset_id: &AssetId,
    path: Option<&Path>,
) -> Result<LocalMediaSource> {
    let stored = path.map(|path| registry.stored_path(path)).transpose()?;
    let asset = {
        let view = registry.view()?;
        view.registered(asset_id).cloned().ok_or_else(|| not_found(asset_id))?
    };
    let summary = &asset.summary;
    // Before the paths are compared: a path below a root that was not given in this run cannot be.
    let url = asset.url().map(str::to_owned).ok_or_else(|| {
        Error::new(Code::VolumeMissing, format!("the volume of the asset {asset_id} is not mounted; retry when it is"))
    })?;
    if stored.is_some_and(|stored| !stored.is_same_media(&summary.path)) {
        return Err(Error::new(Code::AssetNotFound, format!("the asset {asset_id} is registered at another path")));
    }
    let licenses = if summary.is_protected { registry.active_rows(asset_id)? } else { Vec::new() };
    Ok(LocalMediaSource {
        asset_id: summary.asset_id.clone(),
        entry_id: summary.entry_id.clone(),
        url,
        format: summary.format,
        licenses: licenses.into_iter().map(local_license).collect(),
    })
}

fn local_license(row: LicenseRow) -> LocalLicense {
    LocalLicense {
        license_id: row.license_id,
        scheme: row.request.scheme,
        key_ids: row.request.key_ids,
        init_data: row.request.init_data,
        security_level: row.request.security_level,
        expires: row.expires,
        acquired_level: row.acquired_level,
    }
}

/// Returns the CDM's handle of an active license of this profile.
pub(super) fn license_handle(registry: &Registry, license_id: &LicenseId) -> Result<Handle> {
    let row = license_in(registry, license_id, &[LicenseState::Active])?;
    Ok(registry.licensing.load(&row)?.handle)
}

fn license_in(registry: &Registry, license_id: &LicenseId, states: &[LicenseState]) -> Result<LicenseRow> {
    let row = registry.store().read(|tx| tx.license(license_id))?;
    row.filter(|row| states.contains(&row.state) && row.profile == *registry.profile())
        .ok_or_else(|| Error::new(Code::LicenseMissing, format!("there is no active license {license_id}")))
}

/// Moves a license to a handle that its CDM has rotated by itself. Returns the license's new id.
///
/// The old handle is removed only after the new one is durable. If the license is already queued for release, the
/// release continues under the new handle.
pub(super) fn license_handle_changed(
    registry: &Arc<Registry>,
    license_id: &LicenseId,
    handle: &Handle,
    times: LicenseTimes,
) -> Result<LicenseId> {
    if handle.is_empty() {
        return Err(Error::new(Code::InvalidArgument, "the new handle is empty"));
    }
    let states = [LicenseState::Active, LicenseState::Superseded, LicenseState::Releasing];
    let asset_id = license_in(registry, license_id, &states)?.asset_id;
    // A refresh or an unregistration that is running may end this license.
    let _lock = registry.lock_asset(&asset_id, &Cancellation::new())?;
    let old = license_in(registry, license_id, &states)?;
    if old.handle_digest == Some(handle.digest()) {
        return Ok(old.license_id);
    }
    if old.state != LicenseState::Active {
        let releasing_id = registry.licensing.release_under(&old, handle)?;
        reconcile_soon(registry, true);
        return Ok(releasing_id);
    }
    let row = registry.licensing.rotate_handle(&old, handle, times)?;
    registry.changed(&row.asset_id)?;
    tracing::info!(license_id = %row.license_id, "license handle rotated");
    Ok(row.license_id)
}

/// Notes the start of a playback. The first one starts the playback window that a license may have.
pub(super) fn playback_started(registry: &Registry, asset_id: &AssetId, at_ms: i64) -> Result<()> {
    let has_started = {
        let view = registry.view()?;
        let asset = view.registered(asset_id).ok_or_else(|| not_found(asset_id))?;
        asset.summary.playback_started_at_ms.is_some()
    };
    if has_started {
        return Ok(());
    }
    registry.store().write(|tx| match tx.asset(registry.profile(), asset_id)? {
        Some(mut row) if row.playback_started_at_ms.is_none() => {
            row.playback_started_at_ms = Some(at_ms);
            tx.update_asset(&row)
        }
        _ => Ok(()),
    })?;
    registry.changed(asset_id)
}
