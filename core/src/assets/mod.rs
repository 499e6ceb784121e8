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

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::cancel::Cancellation;
use crate::error::{Code, Error, Result};
use crate::model::license::{Handle, LicenseTimes};
use crate::model::{AssetId, AssetRegistration, AssetStatus, DrmScheme, LicenseId, MediaSource};
use crate::ports::{DeviceConditions, ExchangeAnswer, ExchangeMessage, NetworkState};
use crate::registry::Registry;
use crate::store::{AssetState, Notice};

pub use crate::model::{
    AssetImport, AssetInfo, ImportResult, LicenseImport, LocalLicense, LocalMediaSource, OpenReport, ReconcileReport,
    Refresh, RenewalResult, SourceUrlMode, SourceUrlOrder, StorageRoot, UnregisterResult, Verify,
};
pub use crate::registry::{Config, Ports, Timeouts};

/// The registry of what lies on this device: registration, status, licenses and local URLs.
///
/// Calls block where they touch disk, network or CDM; make them on threads that may. [`asset`](Self::asset),
/// [`local_media_source`](Self::local_media_source) and [`source_url`](Self::source_url) answer from memory. Managers over one
/// folder share one store. Every call fails with `Closed` after [`close`](Self::close), and with `StoreUnavailable` or
/// `DiskFull` if the database cannot be used; what else can go wrong is said at each.
pub struct LocalAssetsManager {
    registry: Arc<Registry>,
}

impl LocalAssetsManager {
    /// Opens the store and reads the profile. What an earlier run left unfinished is reconciled in the background.
    ///
    /// Fails with `InvalidArgument` or `RelativePath` for a bad configuration.
    pub fn open(config: Config, ports: Ports) -> Result<Self> {
        let registry = Registry::open(config, ports)?;
        registry.reconcile_soon(false);
        Ok(Self { registry })
    }

    /// What opening found and did.
    pub fn report(&self) -> Result<OpenReport> {
        let registry = self.open_registry()?;
        let notice = registry.notice().map(|notice| (notice.code(), describe(notice)));
        Ok(OpenReport { notice, assets: u32::try_from(registry.view()?.len()).unwrap_or(u32::MAX) })
    }

    /// Registers media, with its licenses if it is protected.
    ///
    /// Clear media needs no network. The same id and path again bring the registration up to date and keep licenses
    /// that are good; other media under the same id is `AssetExists`. On failure nothing is left behind: what was
    /// granted is released, or waits for it. Fails with the codes of the media, the DRM set-up, the network, the
    /// licenses, the CDM and the storage, see [`Code`].
    pub fn register(&self, registration: AssetRegistration, cancel: &Cancellation) -> Result<AssetStatus> {
        self.open_registry()?.register(registration, cancel)
    }

    /// Gets new licenses by the source's renewal policy, and stores a new source and metadata.
    ///
    /// If it fails the old licenses still work (but see `RenewalPolicy::ReleaseThenAcquire`). `AssetNotFound` for an
    /// unknown id, else as [`register`](Self::register).
    pub fn refresh(&self, asset_id: &AssetId, refresh: Refresh, cancel: &Cancellation) -> Result<AssetStatus> {
        self.open_registry()?.refresh(asset_id, refresh, cancel)
    }

    /// Removes a registration. Never needs the media or a network: releases that cannot be sent now are queued.
    pub fn unregister(&self, asset_id: &AssetId) -> Result<UnregisterResult> {
        self.open_registry()?.unregister(asset_id)
    }

    /// Removes every registration of the profile, in the same way. Returns how many.
    pub fn remove_all(&self) -> Result<u32> {
        self.open_registry()?.remove_all()
    }

    /// The status from the ledger: no CDM session, no network. An unknown id has a status, too.
    pub fn status(&self, asset_id: &AssetId) -> Result<AssetStatus> {
        self.open_registry()?.status(asset_id)
    }

    /// The status of every registered asset, sorted by id.
    pub fn statuses(&self) -> Result<Vec<AssetStatus>> {
        self.open_registry()?.statuses()
    }

    /// The status after asking the disk, the storage and the CDM.
    pub fn verify_asset(&self, asset_id: &AssetId, verify: Verify) -> Result<AssetStatus> {
        self.open_registry()?.verify(asset_id, verify)
    }

    /// Refreshes every asset whose licenses end within so many seconds, one after the other; a failure does not stop
    /// the rest. `Cancelled` if the caller stops it; what was renewed until then stays renewed.
    pub fn renew_all(&self, expiring_within_seconds: u64, cancel: &Cancellation) -> Result<Vec<RenewalResult>> {
        self.open_registry()?.renew_all(expiring_within_seconds, cancel)
    }

    /// Puts right what a crash left, sends queued releases, and reconciles the ledger with the CDMs.
    pub fn reconcile(&self) -> Result<ReconcileReport> {
        self.open_registry()?.reconcile_and_report()
    }

    /// Takes over titles whose licenses another library of the app has stored: no network, nothing is released, and
    /// importing twice is importing once. Two titles may have the same license: neither's removal releases the other's.
    pub fn import(&self, assets: Vec<AssetImport>, cancel: &Cancellation) -> Result<Vec<ImportResult>> {
        self.open_registry()?.import(assets, cancel)
    }

    /// Sends a CDM's message to the servers of media that is not registered yet: for a platform that gets licenses
    /// while it downloads. Kind `Certificate` gives the application certificate.
    pub fn exchange(
        &self,
        asset_id: &AssetId,
        source: &MediaSource,
        scheme: DrmScheme,
        message: ExchangeMessage,
    ) -> Result<ExchangeAnswer> {
        self.open_registry()?.exchange_unregistered(asset_id, source, scheme, message)
    }

    /// Every registered asset, sorted by id.
    pub fn assets(&self) -> Result<Vec<AssetInfo>> {
        Ok(self.open_registry()?.fresh_view()?.all().into_iter().map(|entry| entry.info()).collect())
    }

    /// One registered asset.
    pub fn asset(&self, asset_id: &AssetId) -> Result<Option<AssetInfo>> {
        Ok(self.open_registry()?.view()?.registered(asset_id).map(|entry| entry.info()))
    }

    /// The asset that was registered with this path.
    pub fn asset_at(&self, path: &Path) -> Result<Option<AssetInfo>> {
        let registry = self.open_registry()?;
        let stored = registry.stored_path(path)?;
        Ok(registry.view()?.at(&stored).map(|entry| entry.info()))
    }

    /// The assets of an entry, sorted by id.
    pub fn assets_of_entry(&self, entry_id: &str) -> Result<Vec<AssetInfo>> {
        Ok(self.open_registry()?.view()?.assets_of_entry(entry_id).map(|entry| entry.info()).collect())
    }

    /// The app's metadata of an asset. `AssetNotFound` if it is not registered.
    pub fn metadata(&self, asset_id: &AssetId) -> Result<Option<Vec<u8>>> {
        let registry = self.open_registry()?;
        let row = registry.store().read(|tx| tx.asset(registry.profile(), asset_id))?;
        let row = row.filter(|row| row.state == AssetState::Registered);
        Ok(row.ok_or_else(|| status::not_found(asset_id))?.metadata)
    }

    /// What a player plays. `AssetNotFound` for an asset that is unknown, unfinished or at another path,
    /// `VolumeMissing` if its root is not there now.
    pub fn local_media_source(&self, asset_id: &AssetId, path: Option<&Path>) -> Result<LocalMediaSource> {
        self.open_registry()?.local_media_source(asset_id, path)
    }

    /// The CDM's handle of an active license, for the player. `LicenseMissing` or `LicenseUnreadable`.
    pub fn license_handle(&self, license_id: &LicenseId) -> Result<Handle> {
        self.open_registry()?.license_handle(license_id)
    }

    /// Stores a handle that the CDM changed by itself (FairPlay's dual expiry); durable when it returns. The license
    /// goes on under the id that is returned.
    pub fn license_handle_changed(
        &self,
        license_id: &LicenseId,
        handle: &Handle,
        times: LicenseTimes,
    ) -> Result<LicenseId> {
        self.open_registry()?.license_handle_changed(license_id, handle, times)
    }

    /// Notes that a playback has started; the first one starts the playback window.
    pub fn playback_started(&self, asset_id: &AssetId, at_ms: i64) -> Result<()> {
        self.open_registry()?.playback_started(asset_id, at_ms)
    }

    /// The URL to play for an entry: the registry and the app's provider, in the set order. `None` keeps the current
    /// one. Ask at the start of every playback; never cache the answer.
    pub fn source_url(&self, entry_id: &str, current_url: Option<&str>) -> Result<Option<String>> {
        source_url::source_url(self.open_registry()?, entry_id, current_url)
    }

    /// When the registry answers [`source_url`](Self::source_url), and who is asked first.
    pub fn set_source_url_mode(&self, mode: SourceUrlMode, order: SourceUrlOrder) -> Result<()> {
        self.open_registry()?.source_urls.set(mode, order);
        Ok(())
    }

    /// What the app knows of the network. `Offline` means no network call at all; `Online` sends what was queued.
    pub fn set_network_state(&self, state: NetworkState) -> Result<()> {
        conditions::set_network_state(self.open_registry()?, state);
        Ok(())
    }

    /// The folders below which media lies now, when a volume has come or gone. Assets below a root that is not among them
    /// are `VolumeMissing` until it is again.
    pub fn set_roots(&self, roots: &[StorageRoot]) -> Result<()> {
        self.open_registry()?.set_roots(roots)
    }

    /// What the device is like now. Its network counts as [`set_network_state`](Self::set_network_state) has it.
    pub fn set_conditions(&self, conditions: DeviceConditions) -> Result<()> {
        conditions::set_conditions(self.open_registry()?, conditions);
        Ok(())
    }

    /// How many requests were made so far, repeated and redirected ones included.
    pub fn requests_made(&self) -> u64 {
        self.registry.requests_made()
    }

    /// Facts for support, as JSON. No key, handle, token, URL or path.
    pub fn diagnostics(&self) -> Result<String> {
        self.open_registry()?.diagnostics()
    }

    /// Ends this manager: later calls fail with `Closed`, running ones end as they would.
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

/// Turns the id that an app gave back into a license's id. `InvalidArgument` if it is none.
pub fn parse_license_id(text: &str) -> Result<LicenseId> {
    LicenseId::parse(text).ok_or_else(|| Error::new(Code::InvalidArgument, "this is not a license id"))
}

fn describe(notice: &Notice) -> String {
    match notice {
        Notice::SetAside { file_name, assets_kept, licenses_kept } => format!(
            "the database was damaged; it was set aside as {file_name}, {assets_kept} assets and {licenses_kept} \
             licenses were kept"
        ),
        Notice::ReadOnly => "the database was written by a newer Larder; it is open for reading only".to_owned(),
    }
}
