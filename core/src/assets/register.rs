//! Registration: validate, read the manifest, find init data, note the intent, ask for licenses, check, store, done.
//!
//! Until the last step nobody sees the asset. A failure at any step takes back what came before it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cancel::Cancellation;
use crate::error::{Code, Error, Result};
use crate::license::exchange::check_params;
use crate::license::{Acquisition, Operation, Plan, Publisher, Purpose, has_keys, plan, release_licenses_of};
use crate::manifest::{self, LocalMedia, Protection};
use crate::model::{AssetId, AssetRegistration, AssetStatus, DrmParams, KeyId, KeyRequest, MediaSource};
use crate::ports::NetworkState;
use crate::registry::{Registry, paths};
use crate::store::{AssetRow, AssetState, StoredPath};

const MAX_METADATA_BYTES: usize = 1 << 20;
const MAX_ENTRY_ID_BYTES: usize = 1024;
const MAX_URL_BYTES: usize = 16 * 1024;

impl Registry {
    /// Registers media, or brings an existing registration of the same media up to date.
    pub(crate) fn register(
        self: &Arc<Self>,
        registration: AssetRegistration,
        cancel: &Cancellation,
    ) -> Result<AssetStatus> {
        check_registration(&registration)?;
        let asset_id = registration.asset_id.clone();
        let turn = self.lock_asset(&asset_id, cancel)?;
        let media = manifest::find_format(&registration.path, registration.source.format)?;
        let protection = manifest::inspect(&media)?;
        let path = self.locate(&registration.path, &media)?;
        cancel.check()?;
        match self.store().read(|tx| tx.asset(self.profile(), &asset_id))? {
            Some(existing) if existing.state == AssetState::Registered => {
                self.register_again(existing, registration, path, &media, &protection, cancel)?;
            }
            // What a dead process left was reconciled with the turn, so a living one is at it; only a file system without
            // locks lets that happen.
            Some(_) => return Err(Error::new(Code::AssetBusy, "another process is registering this")),
            None => self.register_new(registration, path, &media, &protection, cancel)?,
        }
        drop(turn);
        self.status(&asset_id)
    }

    fn register_new(
        self: &Arc<Self>,
        registration: AssetRegistration,
        path: StoredPath,
        media: &LocalMedia,
        protection: &Protection,
        cancel: &Cancellation,
    ) -> Result<()> {
        let asset = self.asset_row(registration, path, media, protection);
        if !protection.is_protected {
            self.store().write(|tx| tx.insert_asset(&asset))?;
            tracing::info!(asset_id = %asset.asset_id, "asset registered (clear)");
            return self.changed(&asset.asset_id);
        }
        let Plan { params, requests } = plan(protection, &asset.source.drm, &self.licensing.engines.schemes())?;
        self.check_reachable(&params)?;
        let acquisitions: Vec<Acquisition> = requests
            .into_iter()
            .map(|request| Acquisition { request, replaces: None, operation: Operation::Acquire })
            .collect();
        let requested = acquisitions.len();
        self.licensing.acquire_all(Purpose::Registration(&asset), &params, acquisitions, self, cancel)?;
        tracing::info!(asset_id = %asset.asset_id, licenses = requested, "asset registered");
        Ok(())
    }

    /// Removes a registration, complete or not. Granted licenses are queued for release; intents are left for recovery.
    pub(crate) fn remove_registration(&self, asset_id: &AssetId) -> Result<()> {
        self.store().delete(|tx| {
            release_licenses_of(tx, self.profile(), asset_id)?;
            tx.delete_asset(self.profile(), asset_id).map(drop)
        })?;
        self.changed(asset_id)
    }

    /// The same id again: the same media is brought up to date, other media is refused.
    fn register_again(
        self: &Arc<Self>,
        old: AssetRow,
        registration: AssetRegistration,
        path: StoredPath,
        media: &LocalMedia,
        protection: &Protection,
        cancel: &Cancellation,
    ) -> Result<()> {
        if !old.path.is_same_media(&path) {
            return Err(Error::new(
                Code::AssetExists,
                format!("the id {} is registered for other media; unregister it first", old.asset_id),
            ));
        }
        let names_its_entry = registration.entry_id.is_some();
        let new = self.asset_row(registration, path, media, protection);
        let asset = AssetRow {
            entry_id: if names_its_entry { new.entry_id } else { old.entry_id },
            metadata: new.metadata.or(old.metadata),
            registered_at_ms: old.registered_at_ms,
            playback_started_at_ms: old.playback_started_at_ms,
            ..new
        };
        let keeps_licenses = !protection.is_protected || self.licenses_are_good(&asset, protection)?;
        if !keeps_licenses {
            self.renew_licenses(&asset, protection, cancel)?;
        }
        self.store().write(|tx| tx.update_asset(&asset))?;
        tracing::info!(asset = %asset.asset_id, keeps_licenses, "registered again");
        self.changed(&asset.asset_id)
    }

    /// True if the asset's licenses are those that the media needs, and neither ledger nor storage nor CDM speaks against
    /// them: registering again is what a user is told to do about a license that one of them has lost.
    fn licenses_are_good(&self, asset: &AssetRow, protection: &Protection) -> Result<bool> {
        let now_ms = self.now_ms();
        if !self.fresh_view()?.registered(&asset.asset_id).is_some_and(|entry| entry.is_playable(now_ms)) {
            return Ok(false);
        }
        match self.verify_licenses(&asset.asset_id) {
            Ok(None) => {}
            Ok(Some(_)) => return Ok(false),
            // A storage that is locked at the moment says nothing about what it holds.
            Err(error) => tracing::info!(code = %error.code(), "the licenses were not looked at"),
        }
        let wanted = plan(protection, &asset.source.drm, &self.licensing.engines.schemes())?.requests;
        let active = self.active_rows(&asset.asset_id)?;
        let asked = |request: &KeyRequest| {
            active.iter().any(|row| row.request.scheme == request.scheme && row.request.init_data == request.init_data)
        };
        Ok(!active.is_empty() && wanted.iter().all(|request| asked(request) || has_keys(&active, request)))
    }

    /// Where the media lies, as it is stored.
    pub(crate) fn locate(&self, path: &Path, media: &LocalMedia) -> Result<StoredPath> {
        let manifest = media.manifest.strip_prefix(path).map(Path::to_owned).unwrap_or_default();
        let manifest: Option<PathBuf> = (!manifest.as_os_str().is_empty()).then_some(manifest);
        paths::to_stored(path, manifest.as_deref(), &self.roots())
    }

    pub(crate) fn asset_row(
        &self,
        registration: AssetRegistration,
        path: StoredPath,
        media: &LocalMedia,
        protection: &Protection,
    ) -> AssetRow {
        let now_ms = self.now_ms();
        AssetRow {
            profile: self.profile().clone(),
            entry_id: registration.entry_id.unwrap_or_else(|| registration.asset_id.as_str().to_owned()),
            asset_id: registration.asset_id,
            state: AssetState::Registered,
            path,
            format: media.format,
            is_protected: protection.is_protected,
            source: registration.source,
            metadata: registration.metadata,
            required_keys: required_keys(protection),
            key_files_missing: protection.key_files.iter().any(|file| !file.state.is_usable()),
            registered_at_ms: now_ms,
            updated_at_ms: now_ms,
            playback_started_at_ms: None,
        }
    }

    /// Fails at once where asking makes no sense: a bad URL, or no network by the app's own word.
    pub(crate) fn check_reachable(&self, params: &DrmParams) -> Result<()> {
        check_params(params)?;
        if self.network_state() == NetworkState::Offline {
            return Err(Error::new(
                Code::Offline,
                "a license is needed, and the app says that there is no network; nothing was changed",
            ));
        }
        Ok(())
    }
}

fn required_keys(protection: &Protection) -> Vec<(crate::model::InitDataTrack, Vec<KeyId>)> {
    protection.required_keys.iter().map(|track| (track.track.clone(), track.key_ids.clone())).collect()
}

impl Publisher for Arc<Registry> {
    fn publish(&self, asset_id: &AssetId) -> Result<()> {
        self.changed(asset_id)
    }

    fn reconcile_soon(&self) {
        Registry::reconcile_soon(self, false);
    }
}

/// Checks everything that the app said, before anything is read or asked.
pub(crate) fn check_registration(registration: &AssetRegistration) -> Result<()> {
    paths::check(&registration.path)?;
    if let Some(entry_id) = &registration.entry_id {
        check_text("entry id", entry_id, MAX_ENTRY_ID_BYTES)?;
        if entry_id.is_empty() {
            return Err(Error::new(Code::InvalidArgument, "the entry id is empty; leave it out to use the asset id"));
        }
    }
    check_metadata(registration.metadata.as_deref())?;
    check_source(&registration.source)
}

/// Checks the size of the app's metadata.
pub(crate) fn check_metadata(metadata: Option<&[u8]>) -> Result<()> {
    if metadata.is_some_and(|bytes| bytes.len() > MAX_METADATA_BYTES) {
        return Err(Error::new(Code::InvalidArgument, "the metadata is larger than 1 MiB"));
    }
    Ok(())
}

/// Checks a media source.
pub(crate) fn check_source(source: &MediaSource) -> Result<()> {
    check_text("source id", &source.id, MAX_ENTRY_ID_BYTES)?;
    check_text("source URL", &source.url, MAX_URL_BYTES)?;
    for params in &source.drm {
        // A URL is looked at closely when it is going to be used: a source may carry schemes of other platforms.
        check_text("license URL", &params.license_url, MAX_URL_BYTES)?;
        check_text("certificate URL", params.certificate_url.as_deref().unwrap_or_default(), MAX_URL_BYTES)?;
    }
    Ok(())
}

fn check_text(what: &str, text: &str, max_bytes: usize) -> Result<()> {
    if text.len() > max_bytes || text.contains('\0') {
        let message = format!("the {what} is longer than {max_bytes} bytes or has a NUL character");
        return Err(Error::new(Code::InvalidArgument, message));
    }
    Ok(())
}
