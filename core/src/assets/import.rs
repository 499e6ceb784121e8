//! Import: titles whose licenses another library of the same app has stored already. Needs no network.
//!
//! The imported licenses are shared: the other library may still have its record of them, and two of its titles may use
//! the same license. So an import never releases a license. It writes the handles to the secret storage first, under
//! ids that are derived from the license, and then asset and licenses in one transaction. A crash in between leaves a
//! value that the next import of the same title overwrites. (An *intent*, as a registration writes one, would make
//! recovery release the license.)

use super::register::asset_row;
use super::validate;
use crate::cancel::Cancellation;
use crate::error::{Code, Error, Result};
use crate::license::{MAX_LICENSES, Plan, import_license, plan};
use crate::manifest::{self, Protection};
use crate::model::license::{Handle, LicenseDuration, LicenseTimes};
use crate::model::{
    AssetImport, DrmParams, DrmScheme, Expiry, ImportResult, KeyId, KeyRequest, LicenseId, LicenseImport,
};
use crate::registry::Registry;
use crate::store::{AssetRow, LicenseRow};

/// Imports titles, one after the other. A failure does not stop the rest.
pub(super) fn import(
    registry: &Registry,
    assets: Vec<AssetImport>,
    cancel: &Cancellation,
) -> Result<Vec<ImportResult>> {
    let mut imports = Vec::with_capacity(assets.len());
    for asset in assets {
        cancel.check()?;
        let asset_id = asset.registration.asset_id.clone();
        let error = import_one(registry, asset, cancel).err();
        if let Some(error) = &error {
            tracing::warn!(%asset_id, code = %error.code(), "asset import failed");
        }
        imports.push(ImportResult { asset_id, error });
    }
    Ok(imports)
}

fn import_one(registry: &Registry, import: AssetImport, cancel: &Cancellation) -> Result<()> {
    let AssetImport { registration, licenses } = import;
    validate::check_registration(&registration)?;
    if licenses.len() > MAX_LICENSES || licenses.iter().any(|license| license.handle.is_empty()) {
        let message = format!("a license has an empty handle, or there are more than {MAX_LICENSES} licenses");
        return Err(Error::new(Code::InvalidArgument, message));
    }
    let asset_id = registration.asset_id.clone();
    let lock = registry.lock_asset(&asset_id, cancel)?;
    let media = manifest::find_format(&registration.path, registration.source.format)?;
    let protection = manifest::inspect(&media)?;
    let path = registry.locate(&registration.path, &media)?;
    let asset = asset_row(registry, registration, path, &media, &protection);

    let registered = registry.store().read(|tx| tx.asset(registry.profile(), &asset_id))?;
    if let Some(existing) = &registered {
        validate::check_same_media(existing, &asset.path)?;
        // The asset was imported before, or registered since: its licenses are at least as good as the imported ones.
        if !protection.is_protected || !registry.active_rows(&asset_id)?.is_empty() {
            return Ok(());
        }
    }
    let rows =
        if protection.is_protected { license_rows(registry, &asset, &protection, licenses)? } else { Vec::new() };
    registry.store().write(|tx| {
        if registered.is_none() {
            tx.insert_asset(&asset)?;
        }
        rows.iter().try_for_each(|row| import_license(tx, row))
    })?;
    tracing::info!(%asset_id, licenses = rows.len(), "asset imported");
    registry.changed(&asset_id)?;
    drop(lock);
    Ok(())
}

/// Stores the handles, reads them back, and returns the rows for the ledger.
fn license_rows(
    registry: &Registry,
    asset: &AssetRow,
    protection: &Protection,
    licenses: Vec<LicenseImport>,
) -> Result<Vec<LicenseRow>> {
    if licenses.is_empty() {
        let message = "the media is protected, and the import has no license for it; register it while online";
        return Err(Error::new(Code::LicenseMissing, message));
    }
    let mut rows: Vec<LicenseRow> = Vec::with_capacity(licenses.len());
    for license in licenses {
        let (params, request) = params_and_request(asset, protection, &license, &rows)?;
        let id = license_id(asset, &request, &license.handle);
        let mut row = LicenseRow {
            handle_digest: Some(license.handle.digest()),
            granted_at_ms: registry.now_ms(),
            expires: license.expires,
            playback_window_seconds: license.playback_window_seconds.filter(|window_seconds| *window_seconds > 0),
            ..LicenseRow::intended(id, asset.profile.clone(), asset.asset_id.clone(), request, params)
        };
        if rows.iter().any(|other| other.license_id == row.license_id) {
            continue;
        }
        if row.expires == Expiry::Unknown {
            ask_for_times(registry, &mut row, &license.handle)?;
        }
        registry.licensing.store_handle(&row.license_id, &license.handle)?;
        rows.push(row);
    }
    Ok(rows)
}

/// Asks the CDM for the expiry of a license whose record has none. Fails if the CDM does not have the license. A CDM
/// that cannot answer now does not stop the import.
fn ask_for_times(registry: &Registry, row: &mut LicenseRow, handle: &Handle) -> Result<()> {
    match registry.licensing.inspect_under(row, handle) {
        Ok(LicenseTimes { license, playback }) => {
            row.expires = license.expiry_from(row.granted_at_ms);
            if let LicenseDuration::Seconds(window_seconds) = playback {
                row.playback_window_seconds = Some(window_seconds);
            }
            Ok(())
        }
        Err(error) if error.code() == Code::LicenseVanished => Err(error),
        // This error is an answer, too: the license expires, and has expired.
        Err(error) if error.code() == Code::LicenseExpired => {
            row.expires = Expiry::At(row.granted_at_ms);
            Ok(())
        }
        Err(error) => {
            let (license_id, code) = (&row.license_id, error.code());
            tracing::info!(%license_id, %code, "license inspection failed; expiry unknown");
            Ok(())
        }
    }
}

/// Returns the parameters and the request that the license would have been acquired with. If the source has no
/// parameters for its scheme, they are empty: playback needs none, and a refresh fails with `DrmParamsMissing`.
fn params_and_request(
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
    let request = request
        .ok_or_else(|| Error::new(Code::InitDataMissing, "the media has no init data for the scheme of the license"))?;
    Ok((params, request))
}

/// Returns the keys that the media names for the init data; all required keys if the media does not have this init
/// data.
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

/// Returns the id of an imported license: the same for each import of the same license of the same title.
fn license_id(asset: &AssetRow, request: &KeyRequest, handle: &Handle) -> LicenseId {
    let profile = asset.profile.as_str().as_bytes();
    let scheme = request.scheme.as_str().as_bytes();
    LicenseId::of(&[profile, asset.asset_id.as_str().as_bytes(), scheme, &request.init_data, &handle.digest().0])
}
