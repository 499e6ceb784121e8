//! Import: titles whose licenses another library of the same app has stored already, taken over without a network.
//!
//! What is imported is not ours alone. The other library's record may still be there, and two of its titles may share
//! one license, so nothing here ever releases: a handle goes into the storage first, under an id that is made from what
//! it is for, and then asset and licenses are written in one transaction. A crash in between leaves a value that the
//! next import of the same title writes again, in the same place. (An *intent*, as a registration writes one, would be
//! released by recovery.)

use std::sync::Arc;

use super::register::check_registration;
use crate::cancel::Cancellation;
use crate::error::{Code, Error, Result};
use crate::license::{EngineError, MAX_LICENSES, Plan, import_license, plan};
use crate::manifest::{self, Protection};
use crate::model::license::{Handle, LicenseDuration, LicenseTimes};
use crate::model::{AssetImport, ImportResult, LicenseImport};
use crate::model::{DrmParams, DrmScheme, Expiry, KeyId, KeyRequest, LicenseId};
use crate::registry::Registry;
use crate::store::{AssetRow, LicenseRow};

impl Registry {
    /// Takes titles over, one after the other; a failure does not stop the rest.
    pub(crate) fn import(
        self: &Arc<Self>,
        assets: Vec<AssetImport>,
        cancel: &Cancellation,
    ) -> Result<Vec<ImportResult>> {
        let mut imports = Vec::with_capacity(assets.len());
        for asset in assets {
            cancel.check()?;
            let asset_id = asset.registration.asset_id.clone();
            let error = self.import_one(asset, cancel).err();
            if let Some(error) = &error {
                tracing::warn!(asset = %asset_id, code = %error.code(), "not imported");
            }
            imports.push(ImportResult { asset_id, error });
        }
        Ok(imports)
    }

    fn import_one(self: &Arc<Self>, import: AssetImport, cancel: &Cancellation) -> Result<()> {
        let AssetImport { registration, licenses } = import;
        check_registration(&registration)?;
        if licenses.len() > MAX_LICENSES || licenses.iter().any(|license| license.handle.is_empty()) {
            let message = format!("a license has an empty handle, or there are more than {MAX_LICENSES} of them");
            return Err(Error::new(Code::InvalidArgument, message));
        }
        let asset_id = registration.asset_id.clone();
        let turn = self.lock_asset(&asset_id, cancel)?;
        let media = manifest::find_format(&registration.path, registration.source.format)?;
        let protection = manifest::inspect(&media)?;
        let path = self.locate(&registration.path, &media)?;
        let asset = self.asset_row(registration, path, &media, &protection);

        let registered = self.store().read(|tx| tx.asset(self.profile(), &asset_id))?;
        if let Some(old) = &registered {
            if !old.path.is_same_media(&asset.path) {
                let message = format!("the id {asset_id} is registered for other media; unregister it first");
                return Err(Error::new(Code::AssetExists, message));
            }
            // Imported before, or registered anew since: what is there is as good or better.
            if !protection.is_protected || !self.active_rows(&asset_id)?.is_empty() {
                return Ok(());
            }
        }
        let rows =
            if protection.is_protected { self.imported_rows(&asset, &protection, licenses)? } else { Vec::new() };
        self.store().write(|tx| {
            if registered.is_none() {
                tx.insert_asset(&asset)?;
            }
            for row in &rows {
                import_license(tx, row)?;
            }
            Ok(())
        })?;
        tracing::info!(asset = %asset_id, licenses = rows.len(), "imported");
        self.changed(&asset_id)?;
        drop(turn);
        Ok(())
    }

    /// The licenses as rows of the ledger, their handles stored and read back.
    fn imported_rows(
        &self,
        asset: &AssetRow,
        protection: &Protection,
        licenses: Vec<LicenseImport>,
    ) -> Result<Vec<LicenseRow>> {
        if licenses.is_empty() {
            let message = "the media is protected and comes without a license; register it while online";
            return Err(Error::new(Code::LicenseMissing, message));
        }
        let mut rows: Vec<LicenseRow> = Vec::with_capacity(licenses.len());
        for license in licenses {
            let (params, request) = wanted(asset, protection, &license, &rows)?;
            let id = license_id(asset, &request, &license.handle);
            let mut row = LicenseRow {
                handle_digest: Some(license.handle.digest()),
                granted_at_ms: self.now_ms(),
                expires: license.expires,
                playback_window_seconds: license.playback_window_seconds.filter(|window_seconds| *window_seconds > 0),
                ..LicenseRow::intended(id, asset.profile.clone(), asset.asset_id.clone(), request, params)
            };
            if rows.iter().any(|other| other.license_id == row.license_id) {
                continue;
            }
            if row.expires == Expiry::Unknown {
                self.ask_for_times(&mut row, &license.handle)?;
            }
            self.licensing.secret_store.store(&row.license_id, &license.handle)?;
            rows.push(row);
        }
        Ok(rows)
    }

    /// What the CDM says of a license whose record did not. One that it does not know is not imported; a CDM that cannot
    /// say anything at the moment does not stop the import.
    fn ask_for_times(&self, row: &mut LicenseRow, handle: &Handle) -> Result<()> {
        let held = row.held_under(handle.clone());
        let answer = self.licensing.engines.call(row.request.scheme, None, move |engine| engine.inspect(&held), drop);
        match answer.map_err(EngineError::into_error) {
            Ok(LicenseTimes { license, playback }) => {
                row.expires = match license {
                    LicenseDuration::Unknown => Expiry::Unknown,
                    LicenseDuration::Unlimited => Expiry::Never,
                    LicenseDuration::Seconds(left_seconds) => Expiry::after(row.granted_at_ms, left_seconds),
                };
                if let LicenseDuration::Seconds(window_seconds) = playback {
                    row.playback_window_seconds = Some(window_seconds);
                }
                Ok(())
            }
            Err(error) if error.code() == Code::LicenseVanished => Err(error),
            // Expired is an answer: it is known to end, and to have ended.
            Err(error) if error.code() == Code::LicenseExpired => {
                row.expires = Expiry::At(row.granted_at_ms);
                Ok(())
            }
            Err(error) => {
                tracing::info!(license = %row.license_id, code = %error.code(), "the CDM says nothing about it now");
                Ok(())
            }
        }
    }
}

/// What a license would have been asked for with. A source that does not say how leaves the parameters empty: playing
/// needs none, and a refresh says that they are missing.
fn wanted(
    asset: &AssetRow,
    protection: &Protection,
    license: &LicenseImport,
    earlier: &[LicenseRow],
) -> Result<(DrmParams, KeyRequest)> {
    let offered = asset.source.drm.iter().find(|params| params.scheme == license.scheme).cloned();
    let params = offered.unwrap_or_else(|| DrmParams::new(license.scheme, ""));
    if let Some(init_data) = &license.init_data {
        let request = KeyRequest {
            scheme: license.scheme,
            init_data: init_data.clone(),
            key_ids: key_ids(protection, license.scheme, init_data),
            mime: protection.mime.to_owned(),
            certificate: params.certificate.clone(),
            security_level: params.security_level,
        };
        return Ok((params, request));
    }
    let Plan { requests, params } = plan(protection, &[params], &[license.scheme])?;
    let is_free = |request: &KeyRequest| earlier.iter().all(|row| row.request.init_data != request.init_data);
    let request = requests.iter().find(|request| is_free(request)).or(requests.first()).cloned();
    let request = request.ok_or_else(|| Error::new(Code::InitDataMissing, "the media does not say what it needs"))?;
    Ok((params, request))
}

/// The keys that the media names for such init data; all that it needs if it does not know it.
fn key_ids(protection: &Protection, scheme: DrmScheme, init_data: &[u8]) -> Vec<KeyId> {
    let known = protection.init_data.iter().find(|data| {
        let is_pssh = data.pssh.as_deref() == Some(init_data);
        let is_uri = data.uri.as_ref().is_some_and(|uri| uri.as_bytes() == init_data);
        data.scheme == Some(scheme) && (is_pssh || is_uri)
    });
    match known {
        Some(data) if !data.key_ids.is_empty() => data.key_ids.clone(),
        _ => protection.required_key_ids().into_iter().collect(),
    }
}

/// The same license of the same title has the same id however often it is imported.
fn license_id(asset: &AssetRow, request: &KeyRequest, handle: &Handle) -> LicenseId {
    let profile = asset.profile.as_str().as_bytes();
    let scheme = request.scheme.as_str().as_bytes();
    LicenseId::of(&[profile, asset.asset_id.as_str().as_bytes(), scheme, &request.init_data, &handle.digest().0])
}
