//! Registration: validate, read the manifest, find the init data, acquire licenses, register.
//!
//! The asset is not visible as registered before the last step. A failure at any step undoes the earlier ones.

use std::sync::Arc;

use super::refresh::renew_licenses;
use super::status::{status, verify_licenses};
use super::validate;
use crate::cancel::Cancellation;
use crate::error::{Code, Error, Result};
use crate::license::{Acquisition, Operation, Plan, Purpose, has_keys, plan};
use crate::manifest::{self, LocalMedia, Protection};
use crate::model::{AssetRegistration, AssetStatus, KeyRequest};
use crate::registry::Registry;
use crate::store::{AssetRow, AssetState, StoredPath};

/// Registers media, or updates an existing registration of the same media.
pub(super) fn register(
    registry: &Arc<Registry>,
    registration: AssetRegistration,
    cancel: &Cancellation,
) -> Result<AssetStatus> {
    validate::check_registration(&registration)?;
    let asset_id = registration.asset_id.clone();
    let lock = registry.lock_asset(&asset_id, cancel)?;
    let media = manifest::find_format(&registration.path, registration.source.format)?;
    let protection = manifest::inspect(&media)?;
    let path = registry.locate(&registration.path, &media)?;
    cancel.check()?;
    match registry.store().read(|tx| tx.asset(registry.profile(), &asset_id))? {
        Some(existing) if existing.state == AssetState::Registered => {
            register_again(registry, existing, registration, path, &media, &protection, cancel)?;
        }
        // `lock_asset()` has already recovered the state of a dead process, so a live process must be registering this
        // asset. That can only happen on a file system without flock.
        Some(_) => return Err(Error::new(Code::AssetBusy, "another process is registering this asset; retry later")),
        None => register_new(registry, registration, path, &media, &protection, cancel)?,
    }
    drop(lock);
    status(registry, &asset_id)
}

fn register_new(
    registry: &Arc<Registry>,
    registration: AssetRegistration,
    path: StoredPath,
    media: &LocalMedia,
    protection: &Protection,
    cancel: &Cancellation,
) -> Result<()> {
    let asset = asset_row(registry, registration, path, media, protection);
    if !protection.is_protected {
        registry.store().write(|tx| tx.insert_asset(&asset))?;
        tracing::info!(asset_id = %asset.asset_id, "asset registered (clear)");
        return registry.changed(&asset.asset_id);
    }
    let Plan { params, requests } = plan(protection, &asset.source.drm, &registry.licensing.schemes())?;
    registry.check_reachable(&params)?;
    let acquisitions: Vec<Acquisition> = requests
        .into_iter()
        .map(|request| Acquisition { request, replaces: None, operation: Operation::Acquire })
        .collect();
    let requested = acquisitions.len();
    registry.licensing.acquire_all(Purpose::Registration(&asset), &params, acquisitions, registry, cancel)?;
    tracing::info!(asset_id = %asset.asset_id, licenses = requested, "asset registered");
    Ok(())
}

/// Updates the registration of an id that is registered already. Fails with `AssetExists` for other media.
fn register_again(
    registry: &Arc<Registry>,
    old: AssetRow,
    registration: AssetRegistration,
    path: StoredPath,
    media: &LocalMedia,
    protection: &Protection,
    cancel: &Cancellation,
) -> Result<()> {
    validate::check_same_media(&old, &path)?;
    let has_entry_id = registration.entry_id.is_some();
    let new = asset_row(registry, registration, path, media, protection);
    let asset = AssetRow {
        entry_id: if has_entry_id { new.entry_id } else { old.entry_id },
        metadata: new.metadata.or(old.metadata),
        registered_at_ms: old.registered_at_ms,
        playback_started_at_ms: old.playback_started_at_ms,
        ..new
    };
    let keeps_licenses = !protection.is_protected || are_licenses_good(registry, &asset, protection)?;
    if !keeps_licenses {
        renew_licenses(registry, &asset, protection, cancel)?;
    }
    registry.store().write(|tx| tx.update_asset(&asset))?;
    tracing::info!(asset_id = %asset.asset_id, keeps_licenses, "asset registered again");
    registry.changed(&asset.asset_id)
}

/// True if the active licenses are those that the media needs, and the ledger, the secret storage and the CDM all have
/// them. If one of them has lost a license, registering again is the remedy that the app is given, so it must replace
/// it.
fn are_licenses_good(registry: &Registry, asset: &AssetRow, protection: &Protection) -> Result<bool> {
    let now_ms = registry.now_ms();
    if !registry.fresh_view()?.registered(&asset.asset_id).is_some_and(|cached| cached.is_playable(now_ms)) {
        return Ok(false);
    }
    match verify_licenses(registry, &asset.asset_id) {
        Ok(None) => {}
        Ok(Some(_)) => return Ok(false),
        // A storage that is locked, for example, cannot tell whether the licenses are there: keep them.
        Err(error) => {
            tracing::info!(asset_id = %asset.asset_id, code = %error.code(), "license verification skipped");
        }
    }
    let needed = plan(protection, &asset.source.drm, &registry.licensing.schemes())?.requests;
    let active = registry.active_rows(&asset.asset_id)?;
    let was_requested = |request: &KeyRequest| {
        active.iter().any(|row| row.request.scheme == request.scheme && row.request.init_data == request.init_data)
    };
    Ok(!active.is_empty() && needed.iter().all(|request| was_requested(request) || has_keys(&active, request)))
}

/// Returns the row of an asset that is registered now.
pub(super) fn asset_row(
    registry: &Registry,
    registration: AssetRegistration,
    path: StoredPath,
    media: &LocalMedia,
    protection: &Protection,
) -> AssetRow {
    let now_ms = registry.now_ms();
    let required_keys = protection.required_keys.iter().map(|track| (track.track.clone(), track.key_ids.clone()));
    AssetRow {
        profile: registry.profile().clone(),
        entry_id: registration.entry_id.unwrap_or_else(|| registration.asset_id.as_str().to_owned()),
        asset_id: registration.asset_id,
        state: AssetState::Registered,
        path,
        format: media.format,
        is_protected: protection.is_protected,
        source: registration.source,
        metadata: registration.metadata,
        required_keys: required_keys.collect(),
        key_files_missing: protection.key_files.iter().any(|file| !file.state.is_usable()),
        registered_at_ms: now_ms,
        updated_at_ms: now_ms,
        playback_started_at_ms: None,
    }
}
