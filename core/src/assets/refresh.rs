//! Refresh: new licenses for a registered asset, by the source's policy. A license that still works is kept until its
//! successor works.

use std::sync::Arc;

use super::status::status;
use super::validate::{check_metadata, check_source};
use crate::cancel::Cancellation;
use crate::error::{Code, Error, Result};
use crate::license::{Acquisition, Operation, Plan, Purpose, plan};
use crate::manifest::{self, Protection};
use crate::model::{AssetId, AssetStatus, DrmParams, KeyRequest, Refresh, RenewalPolicy, RenewalResult};
use crate::registry::{Registry, paths};
use crate::store::{AssetRow, LicenseRow};

/// Acquires new licenses for an asset, and stores a new source and metadata.
pub(super) fn refresh(
    registry: &Arc<Registry>,
    asset_id: &AssetId,
    refresh: Refresh,
    cancel: &Cancellation,
) -> Result<AssetStatus> {
    check_metadata(refresh.metadata.as_deref())?;
    if let Some(source) = &refresh.source {
        check_source(source)?;
    }
    let lock = registry.lock_asset(asset_id, cancel)?;
    let mut asset = registry.registered_row(asset_id)?;
    asset.source = refresh.source.unwrap_or(asset.source);
    asset.metadata = refresh.metadata.or(asset.metadata);
    asset.updated_at_ms = registry.now_ms();
    if asset.is_protected {
        renew_from_ledger(registry, &asset, cancel)?;
    }
    registry.store().write(|tx| tx.update_asset(&asset))?;
    registry.changed(asset_id)?;
    drop(lock);
    tracing::info!(%asset_id, "asset refreshed");
    status(registry, asset_id)
}

/// Refreshes every asset whose licenses expire within so many seconds, one after the other.
pub(super) fn renew_all(
    registry: &Arc<Registry>,
    expiring_within_seconds: u64,
    cancel: &Cancellation,
) -> Result<Vec<RenewalResult>> {
    let now_ms = registry.now_ms();
    let due: Vec<AssetId> = registry
        .fresh_view()?
        .all()
        .into_iter()
        .filter(|asset| asset.summary.is_protected)
        .filter(|asset| match asset.active().next() {
            Some(_) => asset
                .expires()
                .remaining_seconds(now_ms)
                .is_some_and(|remaining_seconds| remaining_seconds <= expiring_within_seconds),
            // A protected asset without a license needs one in any case.
            None => true,
        })
        .map(|asset| asset.summary.asset_id.clone())
        .collect();
    let mut renewals = Vec::with_capacity(due.len());
    for asset_id in due {
        cancel.check()?;
        let error = refresh(registry, &asset_id, Refresh::default(), cancel).err();
        renewals.push(RenewalResult { asset_id, error });
    }
    Ok(renewals)
}

/// Repeats the requests of the active licenses. Reads the media only if the ledger does not have them: without an
/// active license, or after a change of the DRM scheme.
fn renew_from_ledger(registry: &Arc<Registry>, asset: &AssetRow, cancel: &Cancellation) -> Result<()> {
    let active = registry.active_rows(&asset.asset_id)?;
    let schemes = registry.licensing.schemes();
    let params = asset.source.drm.iter().find(|params| schemes.contains(&params.scheme));
    let same_scheme = params.filter(|params| active.iter().all(|row| row.request.scheme == params.scheme));
    match same_scheme {
        Some(params) if !active.is_empty() => {
            registry.check_reachable(params)?;
            renew_by_policy(registry, asset, params, repeated(&active, params), &active, cancel)
        }
        _ => {
            let path = paths::playable_path(&asset.path, &registry.roots()).ok_or_else(|| {
                Error::new(Code::MediaNotFound, "the root of the asset was not given in this run; mount its volume")
            })?;
            let protection = manifest::inspect(&manifest::find(&path)?)?;
            renew_licenses(registry, asset, &protection, cancel)
        }
    }
}

/// Replaces the active licenses with those that the media needs now.
pub(super) fn renew_licenses(
    registry: &Arc<Registry>,
    asset: &AssetRow,
    protection: &Protection,
    cancel: &Cancellation,
) -> Result<()> {
    let Plan { params, requests } = plan(protection, &asset.source.drm, &registry.licensing.schemes())?;
    registry.check_reachable(&params)?;
    let active = registry.active_rows(&asset.asset_id)?;
    let acquisitions = requests.into_iter().map(|request| replacing(request, &active)).collect();
    renew_by_policy(registry, asset, &params, acquisitions, &active, cancel)
}

fn renew_by_policy(
    registry: &Arc<Registry>,
    asset: &AssetRow,
    params: &DrmParams,
    acquisitions: Vec<Acquisition>,
    active: &[LicenseRow],
    cancel: &Cancellation,
) -> Result<()> {
    // Two imported titles may share a license. Then a refresh of one must neither release the license nor change its
    // handle, because the other still uses it.
    let is_shared = registry
        .store()
        .read(|tx| active.iter().try_fold(false, |is, row| Ok(is || tx.is_handle_in_use_elsewhere(row)?)))?;
    let policy = if is_shared { RenewalPolicy::AcquireThenRelease } else { params.renewal };
    match policy {
        RenewalPolicy::AcquireThenRelease => acquire(registry, asset, params, acquisitions, active, cancel),
        RenewalPolicy::InPlace => renew_in_place(registry, asset, params, acquisitions, active, cancel),
        RenewalPolicy::ReleaseThenAcquire => {
            let released = active.iter().try_for_each(|row| registry.licensing.release_first(row));
            registry.changed(&asset.asset_id)?;
            released?;
            let acquisitions = acquisitions.into_iter().map(|one| Acquisition { replaces: None, ..one }).collect();
            acquire(registry, asset, params, acquisitions, &[], cancel)
        }
    }
}

/// Acquires licenses for a refresh, which retire the licenses in `retired`.
fn acquire(
    registry: &Arc<Registry>,
    asset: &AssetRow,
    params: &DrmParams,
    acquisitions: Vec<Acquisition>,
    retired: &[LicenseRow],
    cancel: &Cancellation,
) -> Result<()> {
    registry.licensing.acquire_all(Purpose::Refresh { asset, retired }, params, acquisitions, registry, cancel)
}

/// Renews the licenses one after the other. Each renewal is complete before the next begins.
fn renew_in_place(
    registry: &Arc<Registry>,
    asset: &AssetRow,
    params: &DrmParams,
    acquisitions: Vec<Acquisition>,
    active: &[LicenseRow],
    cancel: &Cancellation,
) -> Result<()> {
    for acquisition in acquisitions {
        let old = active.iter().find(|row| Some(&row.license_id) == acquisition.replaces.as_ref());
        let renewed = match old {
            Some(old) => renew_one(registry, asset, params, acquisition.clone(), old, cancel),
            None => Err(Error::new(Code::LicenseMissing, "there is no license to renew")),
        };
        match renewed {
            Ok(()) => {}
            Err(error) if needs_a_new_license(error.code()) => {
                let (asset_id, code) = (&asset.asset_id, error.code());
                tracing::info!(%asset_id, %code, "in-place renewal not possible; acquiring a new license");
                let retired = old.map(std::slice::from_ref).unwrap_or_default();
                acquire(registry, asset, params, vec![acquisition], retired, cancel)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn renew_one(
    registry: &Arc<Registry>,
    asset: &AssetRow,
    params: &DrmParams,
    mut acquisition: Acquisition,
    old: &LicenseRow,
    cancel: &Cancellation,
) -> Result<()> {
    acquisition.operation = Operation::Renew(registry.licensing.load(old)?);
    acquire(registry, asset, params, vec![acquisition], &[], cancel)
}

/// Returns the acquisition of a new license for a request. It replaces the active license of the same init data.
fn replacing(request: KeyRequest, active: &[LicenseRow]) -> Acquisition {
    let same = |row: &&LicenseRow| row.request.scheme == request.scheme && row.request.init_data == request.init_data;
    let replaces = active.iter().find(same).map(|row| row.license_id.clone());
    Acquisition { request, replaces, operation: Operation::Acquire }
}

/// Returns acquisitions with the requests of the active licenses, and with the certificate and security level that the
/// source has now.
fn repeated(active: &[LicenseRow], params: &DrmParams) -> Vec<Acquisition> {
    let repeat = |row: &LicenseRow| {
        let mut request = row.request.clone();
        request.certificate = params.certificate.clone().or(request.certificate);
        request.security_level = params.security_level;
        Acquisition { request, replaces: Some(row.license_id.clone()), operation: Operation::Acquire }
    };
    active.iter().map(repeat).collect()
}

/// True for errors of an in-place renewal that a new license overcomes (androidx/media#919, google/ExoPlayer#8554).
fn needs_a_new_license(code: Code) -> bool {
    matches!(
        code,
        Code::RenewalNotPermitted
            | Code::LicenseExpired
            | Code::LicenseMissing
            | Code::LicenseUnreadable
            | Code::LicenseVanished
            | Code::CdmLevelChanged
    )
}
