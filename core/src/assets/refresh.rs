//! Refresh: new licenses for a registered asset, by the source's policy. What still works is kept until its successor
//! does.

use std::sync::Arc;

use super::register::{check_metadata, check_source};
use super::status::not_found;
use crate::cancel::Cancellation;
use crate::error::{Code, Error, Result};
use crate::license::{Acquisition, Operation, Plan, Purpose, plan};
use crate::manifest::{self, Protection};
use crate::model::{AssetId, AssetStatus, DrmParams, KeyRequest, LicenseState, RenewalPolicy};
use crate::model::{Refresh, RenewalResult};
use crate::registry::{Registry, paths};
use crate::store::{AssetRow, AssetState, LicenseRow};

impl Registry {
    /// Gets new licenses for an asset and stores what else is new.
    pub(crate) fn refresh(
        self: &Arc<Self>,
        asset_id: &AssetId,
        refresh: Refresh,
        cancel: &Cancellation,
    ) -> Result<AssetStatus> {
        check_metadata(refresh.metadata.as_deref())?;
        if let Some(source) = &refresh.source {
            check_source(source)?;
        }
        let turn = self.lock_asset(asset_id, cancel)?;
        let mut asset = self.registered_row(asset_id)?;
        asset.source = refresh.source.unwrap_or(asset.source);
        asset.metadata = refresh.metadata.or(asset.metadata);
        asset.updated_at_ms = self.now_ms();
        if asset.is_protected {
            self.renew_from_ledger(&asset, cancel)?;
        }
        self.store().write(|tx| tx.update_asset(&asset))?;
        self.changed(asset_id)?;
        drop(turn);
        tracing::info!(asset = %asset_id, "refreshed");
        self.status(asset_id)
    }

    /// Refreshes every asset whose licenses end within so many seconds.
    pub(crate) fn renew_all(
        self: &Arc<Self>,
        expiring_within_seconds: u64,
        cancel: &Cancellation,
    ) -> Result<Vec<RenewalResult>> {
        let now_ms = self.now_ms();
        let due: Vec<AssetId> = self
            .fresh_view()?
            .all()
            .into_iter()
            .filter(|entry| entry.summary.is_protected)
            .filter(|entry| match entry.active().next() {
                Some(_) => entry
                    .expires()
                    .remaining_seconds(now_ms)
                    .is_some_and(|rest_seconds| rest_seconds <= expiring_within_seconds),
                // Without a license it needs one more than any other.
                None => true,
            })
            .map(|entry| entry.summary.asset_id.clone())
            .collect();
        let mut renewals = Vec::with_capacity(due.len());
        for asset_id in due {
            cancel.check()?;
            let error = self.refresh(&asset_id, Refresh::default(), cancel).err();
            renewals.push(RenewalResult { asset_id, error });
        }
        Ok(renewals)
    }

    /// A registered asset's row. `AssetNotFound` if there is none.
    pub(crate) fn registered_row(&self, asset_id: &AssetId) -> Result<AssetRow> {
        let row = self.store().read(|tx| tx.asset(self.profile(), asset_id))?;
        row.filter(|row| row.state == AssetState::Registered).ok_or_else(|| not_found(asset_id))
    }

    /// Asks for the same licenses again. The media is read only if the ledger does not say what to ask for.
    fn renew_from_ledger(self: &Arc<Self>, asset: &AssetRow, cancel: &Cancellation) -> Result<()> {
        let active = self.active_rows(&asset.asset_id)?;
        let served = self.licensing.engines.schemes();
        let params = asset.source.drm.iter().find(|params| served.contains(&params.scheme));
        let same_scheme = params.filter(|params| active.iter().all(|row| row.request.scheme == params.scheme));
        match same_scheme {
            Some(params) if !active.is_empty() => {
                let params = params.clone();
                self.check_reachable(&params)?;
                self.renew_by_policy(asset, &params, repeated(&active, &params), active, cancel)
            }
            _ => {
                let path = paths::playable_path(&asset.path, &self.roots())
                    .ok_or_else(|| Error::new(Code::MediaNotFound, "the asset's root was not given in this run"))?;
                let protection = manifest::inspect(&manifest::find(&path)?)?;
                self.renew_licenses(asset, &protection, cancel)
            }
        }
    }

    /// Asks for the licenses that the media needs now, in place of those that are there.
    pub(crate) fn renew_licenses(
        self: &Arc<Self>,
        asset: &AssetRow,
        protection: &Protection,
        cancel: &Cancellation,
    ) -> Result<()> {
        let Plan { params, requests } = plan(protection, &asset.source.drm, &self.licensing.engines.schemes())?;
        self.check_reachable(&params)?;
        let active = self.active_rows(&asset.asset_id)?;
        let acquisitions = requests.into_iter().map(|request| replacing(request, &active)).collect();
        self.renew_by_policy(asset, &params, acquisitions, active, cancel)
    }

    pub(crate) fn active_rows(&self, asset_id: &AssetId) -> Result<Vec<LicenseRow>> {
        let rows = self.store().read(|tx| tx.licenses_of(self.profile(), asset_id))?;
        Ok(rows.into_iter().filter(|row| row.state == LicenseState::Active).collect())
    }

    fn renew_by_policy(
        self: &Arc<Self>,
        asset: &AssetRow,
        params: &DrmParams,
        acquisitions: Vec<Acquisition>,
        active: Vec<LicenseRow>,
        cancel: &Cancellation,
    ) -> Result<()> {
        // Of a license that two imported titles share, neither may end it or change its handle for the other.
        let is_shared = self
            .store()
            .read(|tx| active.iter().try_fold(false, |is, row| Ok(is || tx.is_handle_in_use_elsewhere(row)?)))?;
        let policy = if is_shared { RenewalPolicy::AcquireThenRelease } else { params.renewal };
        let acquire = |acquisitions, retired: &[LicenseRow]| {
            self.licensing.acquire_all(Purpose::Refresh { asset, retired }, params, acquisitions, self, cancel)
        };
        match policy {
            RenewalPolicy::AcquireThenRelease => acquire(acquisitions, &active),
            RenewalPolicy::InPlace => self.renew_in_place(asset, params, acquisitions, &active, cancel),
            RenewalPolicy::ReleaseThenAcquire => {
                let released = active.iter().try_for_each(|row| self.licensing.release_first(row));
                self.changed(&asset.asset_id)?;
                released?;
                let acquisitions = acquisitions.into_iter().map(|one| Acquisition { replaces: None, ..one }).collect();
                acquire(acquisitions, &[])
            }
        }
    }

    /// One license after the other; each is whole before the next is asked for.
    fn renew_in_place(
        self: &Arc<Self>,
        asset: &AssetRow,
        params: &DrmParams,
        acquisitions: Vec<Acquisition>,
        active: &[LicenseRow],
        cancel: &Cancellation,
    ) -> Result<()> {
        for acquisition in acquisitions {
            let old = active.iter().find(|row| Some(&row.license_id) == acquisition.replaces.as_ref());
            let renewed = match old {
                Some(old) => self.renew_one(asset, params, acquisition.clone(), old, cancel),
                None => Err(Error::new(Code::LicenseMissing, "there is no license to renew")),
            };
            match renewed {
                Ok(()) => {}
                Err(error) if needs_a_new_license(error.code()) => {
                    tracing::info!(asset_id = %asset.asset_id, code = %error.code(), "in-place renewal not possible; acquiring a new license");
                    let purpose =
                        Purpose::Refresh { asset, retired: old.map(std::slice::from_ref).unwrap_or_default() };
                    self.licensing.acquire_all(purpose, params, vec![acquisition], self, cancel)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn renew_one(
        self: &Arc<Self>,
        asset: &AssetRow,
        params: &DrmParams,
        mut acquisition: Acquisition,
        old: &LicenseRow,
        cancel: &Cancellation,
    ) -> Result<()> {
        acquisition.operation = Operation::Renew(self.licensing.load(old)?);
        let purpose = Purpose::Refresh { asset, retired: &[] };
        self.licensing.acquire_all(purpose, params, vec![acquisition], self, cancel)
    }
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

/// Errors of a renewal in place after which a new license is the way (androidx/media#919, google/ExoPlayer#8554).
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
