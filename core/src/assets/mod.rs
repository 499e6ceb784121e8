//! `LocalAssetsManager`: the flows over the registry of this device's assets.
//!
//! | file | what |
//! |---|---|
//! | `register`, `refresh`, `unregister`, `import` | the flows that change a registration |
//! | `reconcile` | recovery, queued releases and the count of the CDMs' licenses |
//! | `status` | why an asset plays or does not |
//! | `playback` | the local source for a player, and its licenses' handles |
//! | `source_url` | the URL that a player is given |
//! | `conditions` | reports of the platform about network and device |
//! | `exchange` | license requests for media that is not registered yet |
//! | `diagnostics` | facts for support, redacted |
//! | `validate` | checks of the app's arguments |

mod conditions;
mod diagnostics;
mod exchange;
mod import;
mod playback;
mod reconcile;
mod refresh;
mod register;
mod source_url;
mod status;
mod unregister;
mod validate;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::cancel::Cancellation;
use crate::error::{Code, Error, Result};
use crate::model::license::{Handle, LicenseTimes};
use crate::model::{AssetId, AssetRegistration, AssetStatus, DrmScheme, LicenseId, MediaSource};
use crate::ports::{DeviceConditions, ExchangeAnswer, ExchangeMessage, NetworkState};
use crate::registry::Registry;
use crate::store::Notice;

pub use crate::model::{
    AssetImport, AssetInfo, ImportResult, LicenseImport, LocalLicense, LocalMediaSource, OpenReport, ReconcileReport,
    Refresh, RenewalResult, SourceUrlMode, SourceUrlOrder, StorageRoot, UnregisterResult, Verify,
};
pub use crate::registry::{Config, Ports, Timeouts};

/// The registry of the assets on this device: registration, status, licenses and local URLs.
///
/// Calls block where they use disk, network or CDM: make them on threads that may block. [`asset`](Self::asset),
/// [`local_media_source`](Self::local_media_source) and [`source_url`](Self::source_url) answer from memory. Managers
/// over one folder share one store. Every call fails with `Closed` after [`close`](Self::close), and with
/// `StoreUnavailable` or `DiskFull` if the database cannot be used; the other errors are documented at each call.
pub struct LocalAssetsManager {
    registry: Arc<Registry>,
}

impl LocalAssetsManager {
    /// Opens the store and reads the profile. Then reconciles in the background, which recovers from an earlier crash
    /// and sends queued releases.
    ///
    /// Fails with `InvalidArgument` or `RelativePath` for an invalid configuration.
    pub fn open(config: Config, ports: Ports) -> Result<Self> {
        let registry = Registry::open(config, ports)?;
        reconcile::reconcile_soon(&registry, false);
        Ok(Self { registry })
    }

    /// Returns the result of opening.
    pub fn report(&self) -> Result<OpenReport> {
        let registry = self.open_registry()?;
        let notice = registry.notice().map(|notice| (notice.code(), describe(notice)));
        Ok(OpenReport { notice, assets: u32::try_from(registry.view()?.len()).unwrap_or(u32::MAX) })
    }

    /// Registers media, with its licenses if it is protected.
    ///
    /// Clear media needs no network. Registering the same id and path again updates the registration and keeps licenses
    /// that are good; other media under the same id fails with `AssetExists`. A failure leaves nothing behind: licenses
    /// that were granted are released, or their release is queued. Fails with the codes of the media, the DRM set-up,
    /// the network, the licenses, the CDM and the storage, see [`Code`].
    pub fn register(&self, registration: AssetRegistration, cancel: &Cancellation) -> Result<AssetStatus> {
        register::register(self.open_registry()?, registration, cancel)
    }

    /// Acquires new licenses by the source's renewal policy, and stores a new source and metadata.
    ///
    /// If it fails, the old licenses still work (except with `RenewalPolicy::ReleaseThenAcquire`). Fails with
    /// `AssetNotFound` for an unknown id, otherwise as [`register`](Self::register).
    pub fn refresh(&self, asset_id: &AssetId, refresh: Refresh, cancel: &Cancellation) -> Result<AssetStatus> {
        refresh::refresh(self.open_registry()?, asset_id, refresh, cancel)
    }

    /// Removes a registration. Needs neither the media nor a network: releases that cannot be sent now are queued.
    pub fn unregister(&self, asset_id: &AssetId) -> Result<UnregisterResult> {
        unregister::unregister(self.open_registry()?, asset_id)
    }

    /// Removes every registration of the profile, as [`unregister`](Self::unregister) does. Returns their number.
    pub fn remove_all(&self) -> Result<u32> {
        unregister::remove_all(self.open_registry()?)
    }

    /// Returns the status from the ledger, without a CDM session or the network. An unknown id has a status, too.
    pub fn status(&self, asset_id: &AssetId) -> Result<AssetStatus> {
        status::status(self.open_registry()?, asset_id)
    }

    /// Returns the status of every registered asset, sorted by id.
    pub fn statuses(&self) -> Result<Vec<AssetStatus>> {
        status::statuses(self.open_registry()?)
    }

    /// Returns the status after checking the disk, the secret storage and the CDM, as `verify` says.
    pub fn verify_asset(&self, asset_id: &AssetId, verify: Verify) -> Result<AssetStatus> {
        status::verify(self.open_registry()?, asset_id, verify)
    }

    /// Refreshes every asset whose licenses expire within so many seconds, one after the other. A failure does not stop
    /// the rest.
    ///
    /// Fails with `Cancelled` if the caller cancels; renewals that are complete by then are kept.
    pub fn renew_all(&self, expiring_within_seconds: u64, cancel: &Cancellation) -> Result<Vec<RenewalResult>> {
        refresh::renew_all(self.open_registry()?, expiring_within_seconds, cancel)
    }

    /// Recovers from an earlier crash, sends queued releases, and compares the ledger with the licenses in the CDMs.
    pub fn reconcile(&self) -> Result<ReconcileReport> {
        reconcile::reconcile(self.open_registry()?)
    }

    /// Imports titles whose licenses another library of the app has stored. Uses no network and releases nothing.
    /// Idempotent. Two titles may share a license: removing one of them does not release it while the other is
    /// registered.
    pub fn import(&self, assets: Vec<AssetImport>, cancel: &Cancellation) -> Result<Vec<ImportResult>> {
        import::import(self.open_registry()?, assets, cancel)
    }

    /// Sends a CDM's message to the servers of media that is not registered yet, for a platform that gets licenses
    /// while it downloads. The kind `Certificate` returns the application certificate.
    ///
    /// Fails with `DrmParamsMissing` if the source has no parameters for the scheme, with `Offline` while the network
    /// state is `Offline`, and with the codes of the network.
    pub fn exchange(
        &self,
        asset_id: &AssetId,
        source: &MediaSource,
        scheme: DrmScheme,
        message: ExchangeMessage,
    ) -> Result<ExchangeAnswer> {
        exchange::exchange(self.open_registry()?, asset_id, source, scheme, message)
    }

    /// Returns every registered asset, sorted by id.
    pub fn assets(&self) -> Result<Vec<AssetInfo>> {
        Ok(self.open_registry()?.fresh_view()?.all().into_iter().map(|asset| asset.info()).collect())
    }

    /// Returns a registered asset.
    pub fn asset(&self, asset_id: &AssetId) -> Result<Option<AssetInfo>> {
        Ok(self.open_registry()?.view()?.registered(asset_id).map(|asset| asset.info()))
    }

    /// Returns the asset that is registered with this path.
    pub fn asset_at(&self, path: &Path) -> Result<Option<AssetInfo>> {
        let registry = self.open_registry()?;
        let stored = registry.stored_path(path)?;
        Ok(registry.view()?.at(&stored).map(|asset| asset.info()))
    }

    /// Returns the registered assets of an entry, sorted by id.
    pub fn assets_of_entry(&self, entry_id: &str) -> Result<Vec<AssetInfo>> {
        Ok(self.open_registry()?.view()?.assets_of_entry(entry_id).map(|asset| asset.info()).collect())
    }

    /// Returns the app's metadata of an asset. Fails with `AssetNotFound` if it is not registered.
    pub fn metadata(&self, asset_id: &AssetId) -> Result<Option<Vec<u8>>> {
        Ok(self.open_registry()?.registered_row(asset_id)?.metadata)
    }

    /// Returns the local source for a player. `path`, if given, must be the registered one.
    ///
    /// Fails with `AssetNotFound` for an asset that is unknown, not completely registered or registered at another
    /// path, and with `VolumeMissing` while its volume is not mounted.
    pub fn local_media_source(&self, asset_id: &AssetId, path: Option<&Path>) -> Result<LocalMediaSource> {
        playback::local_media_source(self.open_registry()?, asset_id, path)
    }

    /// Returns the CDM's handle of an active license, for the player. Fails with `LicenseMissing` or
    /// `LicenseUnreadable`.
    pub fn license_handle(&self, license_id: &LicenseId) -> Result<Handle> {
        playback::license_handle(self.open_registry()?, license_id)
    }

    /// Stores a handle that the CDM has rotated by itself (FairPlay's dual expiry). The handle is durable when the call
    /// returns. Returns the license's new id.
    pub fn license_handle_changed(
        &self,
        license_id: &LicenseId,
        handle: &Handle,
        times: LicenseTimes,
    ) -> Result<LicenseId> {
        playback::license_handle_changed(self.open_registry()?, license_id, handle, times)
    }

    /// Notes the start of a playback. The first one starts the playback window.
    pub fn playback_started(&self, asset_id: &AssetId, at_ms: i64) -> Result<()> {
        playback::playback_started(self.open_registry()?, asset_id, at_ms)
    }

    /// Returns the URL to play for an entry, from the registry and the app's provider in the configured order. `None`
    /// keeps the current URL. Ask at the start of every playback; never cache the answer.
    pub fn source_url(&self, entry_id: &str, current_url: Option<&str>) -> Result<Option<String>> {
        source_url::source_url(self.open_registry()?, entry_id, current_url)
    }

    /// Sets the cases in which the registry answers [`source_url`](Self::source_url), and the order of the two sources.
    pub fn set_source_url_mode(&self, mode: SourceUrlMode, order: SourceUrlOrder) -> Result<()> {
        self.open_registry()?.source_urls.set(mode, order);
        Ok(())
    }

    /// Sets the network state that the app knows. `Offline` stops all network calls; `Online` sends queued releases.
    pub fn set_network_state(&self, state: NetworkState) -> Result<()> {
        conditions::set_network_state(self.open_registry()?, state);
        Ok(())
    }

    /// Replaces the roots, after a volume was mounted or removed. Assets below a root that is not in the list are
    /// `VolumeMissing` until it is in the list again.
    ///
    /// Fails with `InvalidArgument` or `RelativePath` for an invalid root.
    pub fn set_roots(&self, roots: &[StorageRoot]) -> Result<()> {
        self.open_registry()?.set_roots(roots)
    }

    /// Sets the device conditions. Their network state has the effect of
    /// [`set_network_state`](Self::set_network_state).
    pub fn set_conditions(&self, conditions: DeviceConditions) -> Result<()> {
        conditions::set_conditions(self.open_registry()?, conditions);
        Ok(())
    }

    /// Returns the number of requests made so far, including retries and redirects.
    pub fn requests_made(&self) -> u64 {
        self.registry.requests_made()
    }

    /// Returns facts for support as JSON, without keys, handles, tokens, URLs and paths.
    pub fn diagnostics(&self) -> Result<String> {
        diagnostics::diagnostics(self.open_registry()?)
    }

    /// Closes this manager: later calls fail with `Closed`, running calls complete normally. Idempotent.
    pub fn close(&self) {
        self.registry.close();
    }

    fn open_registry(&self) -> Result<&Arc<Registry>> {
        self.registry.check_open()?;
        Ok(&self.registry)
    }
}

impl fmt::Debug for LocalAssetsManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalAssetsManager").finish_non_exhaustive()
    }
}

/// Parses a license id that an app has kept as text. Fails with `InvalidArgument`.
pub fn parse_license_id(text: &str) -> Result<LicenseId> {
    LicenseId::parse(text)
        .ok_or_else(|| Error::new(Code::InvalidArgument, "the license id is malformed; use an id from a status"))
}

fn describe(notice: &Notice) -> String {
    match notice {
        Notice::SetAside { file_name, assets_kept, licenses_kept } => format!(
            "the database was damaged and set aside as {file_name}; {assets_kept} assets and {licenses_kept} licenses \
             were kept"
        ),
        Notice::ReadOnly => "the database was written by a newer Larder; it is open for reading only".to_owned(),
    }
}
