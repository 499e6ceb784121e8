//! What a player plays instead of the remote source, and the handles it needs for that.

use std::path::Path;
use std::sync::Arc;

use super::status::not_found;
use crate::cancel::Cancellation;
use crate::error::{Code, Error, Result};
use crate::model::license::{Handle, LicenseTimes};
use crate::model::{AssetId, LicenseId, LicenseState};
use crate::model::{LocalLicense, LocalMediaSource};
use crate::registry::Registry;
use crate::store::LicenseRow;

impl Registry {
    /// The local source of a registered asset. `path`, if given, must be the registered one.
    pub(crate) fn local_media_source(&self, asset_id: &AssetId, path: Option<&Path>) -> Result<LocalMediaSource> {
        let stored = path.map(|path| self.stored_path(path)).transpose()?;
        let entry = {
            let view = self.view()?;
            view.registered(asset_id).cloned().ok_or_else(|| not_found(asset_id))?
        };
        let summary = &entry.summary;
        // First: a path below a root that is not there cannot be compared.
        let url = entry.url().map(str::to_owned).ok_or_else(|| {
            Error::new(Code::VolumeMissing, format!("the volume that the asset {asset_id} lies on is not there now"))
        })?;
        if stored.is_some_and(|stored| !stored.is_same_media(&summary.path)) {
            return Err(Error::new(Code::AssetNotFound, format!("the asset {asset_id} is registered at another path")));
        }
        let licenses = if summary.is_protected { self.local_licenses(asset_id)? } else { Vec::new() };
        Ok(LocalMediaSource {
            asset_id: summary.asset_id.clone(),
            entry_id: summary.entry_id.clone(),
            url,
            format: summary.format,
            licenses,
        })
    }

    fn local_licenses(&self, asset_id: &AssetId) -> Result<Vec<LocalLicense>> {
        let rows = self.store().read(|tx| tx.licenses_of(self.profile(), asset_id))?;
        let active = rows.into_iter().filter(|row| row.state == LicenseState::Active);
        Ok(active
            .map(|row| LocalLicense {
                license_id: row.license_id,
                scheme: row.request.scheme,
                key_ids: row.request.key_ids,
                init_data: row.request.init_data,
                security_level: row.request.security_level,
                expires: row.expires,
                acquired_level: row.acquired_level,
            })
            .collect())
    }

    /// The CDM's handle of an active license of this profile.
    pub(crate) fn license_handle(&self, license_id: &LicenseId) -> Result<Handle> {
        Ok(self.licensing.load(&self.active_license(license_id)?)?.handle)
    }

    fn active_license(&self, license_id: &LicenseId) -> Result<LicenseRow> {
        self.license_in(license_id, &[LicenseState::Active])
    }

    fn license_in(&self, license_id: &LicenseId, states: &[LicenseState]) -> Result<LicenseRow> {
        let row = self.store().read(|tx| tx.license(license_id))?;
        row.filter(|row| states.contains(&row.state) && row.profile == *self.profile())
            .ok_or_else(|| Error::new(Code::LicenseMissing, format!("there is no active license {license_id}")))
    }

    /// A CDM changed a handle by itself: the license goes on under the new one, and a new id. The old handle is dropped
    /// only when the new one is safe. A license that is on its way back to its server goes on with that.
    pub(crate) fn license_handle_changed(
        self: &Arc<Self>,
        license_id: &LicenseId,
        handle: &Handle,
        times: LicenseTimes,
    ) -> Result<LicenseId> {
        if handle.is_empty() {
            return Err(Error::new(Code::InvalidArgument, "the new handle is empty"));
        }
        let here = [LicenseState::Active, LicenseState::Superseded, LicenseState::Releasing];
        let asset_id = self.license_in(license_id, &here)?.asset_id;
        // A refresh or an unregistration that is under way may end this license.
        let _turn = self.lock_asset(&asset_id, &Cancellation::new())?;
        let old = self.license_in(license_id, &here)?;
        if old.handle_digest == Some(handle.digest()) {
            return Ok(old.license_id);
        }
        if old.state != LicenseState::Active {
            let releasing_id = self.licensing.release_under(&old, handle)?;
            self.reconcile_soon(true);
            return Ok(releasing_id);
        }
        let row = self.licensing.rotate_handle(&old, handle, times)?;
        self.changed(&row.asset_id)?;
        tracing::info!(license_id = %row.license_id, "license handle rotated");
        Ok(row.license_id)
    }

    /// The first playback starts the window that a license may have.
    pub(crate) fn playback_started(&self, asset_id: &AssetId, at_ms: i64) -> Result<()> {
        let has_started = {
            let view = self.view()?;
            let entry = view.registered(asset_id).ok_or_else(|| not_found(asset_id))?;
            entry.summary.playback_started_at_ms.is_some()
        };
        if has_started {
            return Ok(());
        }
        self.store().write(|tx| match tx.asset(self.profile(), asset_id)? {
            Some(mut row) if row.playback_started_at_ms.is_none() => {
                row.playback_started_at_ms = Some(at_ms);
                tx.update_asset(&row)
            }
            _ => Ok(()),
        })?;
        self.changed(asset_id)
    }
}
