//! `FfiManager`: every operation of the contract, hopped onto the runtime and back.
//!
//! The core is blocking, so an operation is one job on the runtime's blocking pool. Its future only waits for it:
//! dropping the future (Kotlin cancels a coroutine so) raises the operation's cancellation and lets the job come to its
//! clean end. Synchronous calls run on the caller's thread, from memory, and wait only while the manager still opens.

use std::path::Path;
use std::sync::Arc;

use larder_core::assets::{LocalAssetsManager, Refresh, SourceUrlMode, SourceUrlOrder, Verify, parse_license_id};
use larder_core::model::{AssetId, DrmScheme, Handle};
use larder_core::ports::NetworkState;
use larder_core::{Cancellation, Code, Result as CoreResult};

use crate::cancellation::{CancelOnDrop, FfiCancellation};
use crate::delegates::FfiDelegates;
use crate::error::{FfiError, catching};
use crate::logging;
use crate::lookup::Lookup;
use crate::opening::{Opening, closed};
use crate::records::{
    AssetImport, AssetInfo, AssetRegistration, AssetStatus, DeviceConditions, ExchangeAnswer, ExchangeMessage,
    ImportResult, LarderConfig, LicenseTimes, LocalMediaSource, MediaSource, OpenReport, ReconcileReport,
    RenewalResult, StorageRoot, UnregisterResult,
};
use crate::runtime;

/// The registry of what lies on this device. See `larder.udl`.
pub struct FfiManager {
    opening: Arc<Opening<LocalAssetsManager>>,
    lookup: Lookup,
}

impl FfiManager {
    /// Checks the configuration and starts opening in the background.
    pub fn new(config: LarderConfig, delegates: FfiDelegates) -> Result<Self, FfiError> {
        logging::init();
        let core_config = config.to_core()?;
        let ports = crate::platform::ports::assemble(&config, delegates)?;
        let opening = Arc::new(Opening::new(move || Ok(LocalAssetsManager::open(core_config.clone(), ports.clone())?)));
        let begun = Arc::clone(&opening);
        runtime::operations()?.spawn_blocking(move || drop(begun.get()));
        let lookup = Lookup::of(&opening);
        Ok(Self { opening, lookup })
    }

    /// The number by which `lookup.rs` finds it.
    pub fn lookup_id(&self) -> i64 {
        self.lookup.id()
    }

    /// Waits until it is open.
    pub async fn open(&self) -> Result<OpenReport, FfiError> {
        self.job(Cancellation::new(), |core, _| Ok(core.report()?.into())).await
    }

    /// Registers media.
    pub async fn register_asset(
        &self,
        registration: AssetRegistration,
        cancellation: Arc<FfiCancellation>,
    ) -> Result<AssetStatus, FfiError> {
        let registration = registration.try_into()?;
        self.job(cancellation.flag(), move |core, cancel| Ok(core.register(registration, cancel)?.into())).await
    }

    /// Gets new licenses and stores new metadata.
    pub async fn refresh_asset(
        &self,
        asset_id: String,
        source: Option<MediaSource>,
        metadata: Option<Vec<u8>>,
        cancellation: Arc<FfiCancellation>,
    ) -> Result<AssetStatus, FfiError> {
        let asset_id = AssetId::new(asset_id)?;
        let refresh = Refresh { source: source.map(TryInto::try_into).transpose()?, metadata };
        self.job(cancellation.flag(), move |core, cancel| Ok(core.refresh(&asset_id, refresh, cancel)?.into())).await
    }

    /// Removes a registration.
    pub async fn unregister_asset(&self, asset_id: String) -> Result<UnregisterResult, FfiError> {
        let asset_id = AssetId::new(asset_id)?;
        self.job(Cancellation::new(), move |core, _| Ok(core.unregister(&asset_id)?.into())).await
    }

    /// Removes every registration of this profile.
    pub async fn remove_all(&self) -> Result<u32, FfiError> {
        self.job(Cancellation::new(), |core, _| core.remove_all()).await
    }

    /// The status from the ledger.
    pub async fn asset_status(&self, asset_id: String) -> Result<AssetStatus, FfiError> {
        let asset_id = AssetId::new(asset_id)?;
        self.job(Cancellation::new(), move |core, _| Ok(core.status(&asset_id)?.into())).await
    }

    /// The status of every registered asset.
    pub async fn all_statuses(&self) -> Result<Vec<AssetStatus>, FfiError> {
        self.job(Cancellation::new(), |core, _| Ok(core.statuses()?.into_iter().map(AssetStatus::from).collect())).await
    }

    /// The status after asking disk and CDM.
    pub async fn verify_asset(
        &self,
        asset_id: String,
        check_media: bool,
        check_licenses: bool,
    ) -> Result<AssetStatus, FfiError> {
        let asset_id = AssetId::new(asset_id)?;
        let verify = Verify { media: check_media, licenses: check_licenses };
        self.job(Cancellation::new(), move |core, _| Ok(core.verify_asset(&asset_id, verify)?.into())).await
    }

    /// Renews what ends soon.
    pub async fn renew_all(
        &self,
        expiring_within_seconds: u64,
        cancellation: Arc<FfiCancellation>,
    ) -> Result<Vec<RenewalResult>, FfiError> {
        let renew = move |core: &LocalAssetsManager, cancel: &Cancellation| {
            Ok(core.renew_all(expiring_within_seconds, cancel)?.into_iter().map(RenewalResult::from).collect())
        };
        self.job(cancellation.flag(), renew).await
    }

    /// Takes over titles whose licenses another library has stored.
    pub async fn import_assets(
        &self,
        assets: Vec<AssetImport>,
        cancellation: Arc<FfiCancellation>,
    ) -> Result<Vec<ImportResult>, FfiError> {
        // One that is malformed does not stop the others, so it is told apart here and keeps its place.
        let mut wanted = Vec::with_capacity(assets.len());
        let mut take = |asset: AssetImport| {
            let name = asset.registration.asset_id.clone();
            (name, asset.try_into().map(|asset| wanted.push(asset)))
        };
        let named: Vec<(String, CoreResult<()>)> = assets.into_iter().map(&mut take).collect();
        let import = move |core: &LocalAssetsManager, cancel: &Cancellation| {
            let mut imports = core.import(wanted, cancel)?.into_iter();
            let mut imported = |(name, taken): (String, CoreResult<()>)| {
                let error = match taken {
                    Ok(()) => imports.next().and_then(|import| import.error),
                    Err(error) => Some(error),
                };
                ImportResult::new(name, error.as_ref())
            };
            Ok(named.into_iter().map(&mut imported).collect())
        };
        self.job(cancellation.flag(), import).await
    }

    /// Sends a CDM's message to the servers of media that is not registered yet.
    pub fn exchange(
        &self,
        asset_id: String,
        source: MediaSource,
        scheme: DrmScheme,
        message: ExchangeMessage,
    ) -> Result<ExchangeAnswer, FfiError> {
        let asset_id = AssetId::new(asset_id)?;
        let source = source.try_into()?;
        self.call(|core| Ok(core.exchange(&asset_id, &source, scheme, message.into())?.into()))
    }

    /// Sends queued releases and reconciles the ledger with the CDM.
    pub async fn reconcile(&self) -> Result<ReconcileReport, FfiError> {
        self.job(Cancellation::new(), |core, _| Ok(core.reconcile()?.into())).await
    }

    /// Every registered asset.
    pub fn assets(&self) -> Result<Vec<AssetInfo>, FfiError> {
        self.call(|core| Ok(core.assets()?.into_iter().map(AssetInfo::from).collect()))
    }

    /// One asset.
    pub fn asset(&self, asset_id: String) -> Result<Option<AssetInfo>, FfiError> {
        self.call(|core| Ok(core.asset(&AssetId::new(asset_id)?)?.map(AssetInfo::from)))
    }

    /// The asset at a path.
    pub fn asset_at(&self, path: String) -> Result<Option<AssetInfo>, FfiError> {
        self.call(|core| Ok(core.asset_at(Path::new(&path))?.map(AssetInfo::from)))
    }

    /// The assets of an entry.
    pub fn assets_of_entry(&self, entry_id: String) -> Result<Vec<AssetInfo>, FfiError> {
        self.call(|core| Ok(core.assets_of_entry(&entry_id)?.into_iter().map(AssetInfo::from).collect()))
    }

    /// The app's metadata of an asset.
    pub fn metadata(&self, asset_id: String) -> Result<Option<Vec<u8>>, FfiError> {
        self.call(|core| core.metadata(&AssetId::new(asset_id)?))
    }

    /// Returns the source that a player opens.
    pub fn local_media_source(&self, asset_id: String, path: Option<String>) -> Result<LocalMediaSource, FfiError> {
        self.call(|core| Ok(core.local_media_source(&AssetId::new(asset_id)?, path.as_deref().map(Path::new))?.into()))
    }

    /// The CDM's handle of a license.
    pub fn license_handle(&self, license_id: String) -> Result<Vec<u8>, FfiError> {
        self.call(|core| Ok(core.license_handle(&parse_license_id(&license_id)?)?.as_bytes().to_vec()))
    }

    /// Stores a handle that the CDM changed by itself.
    pub fn license_handle_changed(
        &self,
        license_id: String,
        handle: Vec<u8>,
        times: LicenseTimes,
    ) -> Result<String, FfiError> {
        let handle = Handle::new(handle);
        self.call(|core| {
            let now = core.license_handle_changed(&parse_license_id(&license_id)?, &handle, times.into())?;
            Ok(now.as_str().to_owned())
        })
    }

    /// Notes that a playback has started.
    pub fn playback_started(&self, asset_id: String, at_ms: i64) -> Result<(), FfiError> {
        self.call(|core| core.playback_started(&AssetId::new(asset_id)?, at_ms))
    }

    /// The URL to play for an entry.
    pub fn source_url(&self, entry_id: String, current_url: Option<String>) -> Result<Option<String>, FfiError> {
        self.call(|core| core.source_url(&entry_id, current_url.as_deref()))
    }

    /// When the registry answers `source_url`.
    pub fn set_source_url_mode(&self, mode: SourceUrlMode, order: SourceUrlOrder) -> Result<(), FfiError> {
        self.call(|core| core.set_source_url_mode(mode, order))
    }

    /// The network state that the app reports.
    pub fn set_network_state(&self, state: NetworkState) -> Result<(), FfiError> {
        self.call(|core| core.set_network_state(state))
    }

    /// Sets the device's conditions.
    pub fn set_conditions(&self, conditions: DeviceConditions) -> Result<(), FfiError> {
        self.call(|core| core.set_conditions(conditions.into()))
    }

    /// The folders below which media lies now.
    pub fn set_roots(&self, roots: Vec<StorageRoot>) -> Result<(), FfiError> {
        let roots: Vec<_> = roots.iter().map(StorageRoot::to_core).collect();
        self.call(|core| core.set_roots(&roots))
    }

    /// Facts for support.
    pub fn diagnostics(&self) -> Result<String, FfiError> {
        self.call(LocalAssetsManager::diagnostics)
    }

    /// Ends this manager.
    pub fn shut_down(&self) {
        let Some(core) = self.opening.close() else { return };
        // In the background: this may be the main thread, and closing touches the disk.
        match runtime::operations() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || core.close())),
            Err(_) => core.close(),
        }
    }

    /// One operation as one job, and its future.
    async fn job<T: Send + 'static>(
        &self,
        cancel: Cancellation,
        work: impl FnOnce(&LocalAssetsManager, &Cancellation) -> CoreResult<T> + Send + 'static,
    ) -> Result<T, FfiError> {
        if self.opening.is_closed() {
            return Err(closed());
        }
        let opening = Arc::clone(&self.opening);
        on_runtime(cancel, move |cancel| Ok(work(&*opening.get()?, cancel)?)).await
    }

    /// One call on the caller's thread.
    fn call<T>(&self, work: impl FnOnce(&LocalAssetsManager) -> CoreResult<T>) -> Result<T, FfiError> {
        catching(|| Ok(work(&*self.opening.get()?)?))
    }
}

/// An app that lets go of a manager without closing it has closed it.
impl Drop for FfiManager {
    fn drop(&mut self) {
        self.shut_down();
    }
}

/// Runs `work` as one job on the runtime and waits for it. Dropping the wait raises `cancel`; the job goes on to its end.
async fn on_runtime<T: Send + 'static>(
    cancel: Cancellation,
    work: impl FnOnce(&Cancellation) -> Result<T, FfiError> + Send + 'static,
) -> Result<T, FfiError> {
    let waiting = CancelOnDrop::new(cancel.clone());
    let job = runtime::operations()?.spawn_blocking(move || catching(|| work(&cancel)));
    let outcome = job.await;
    waiting.disarm();
    // The job catches its panics and is never aborted, so a join error means that the runtime has ended.
    outcome.unwrap_or_else(|_| Err(FfiError::new(Code::Internal, "the runtime dropped an operation")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future as _;
    use std::sync::mpsc;
    use std::task::{Context, Waker};
    use std::time::Duration;

    fn code<T>(outcome: Result<T, FfiError>) -> String {
        let Err(FfiError::Failed { code, .. }) = outcome else { panic!("it succeeded") };
        code
    }

    fn wait<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn a_panic_in_an_operation_is_an_internal_error() {
        assert_eq!(code(wait(on_runtime::<()>(Cancellation::new(), |_| panic!("boom")))), "INTERNAL");
        assert_eq!(code(catching::<()>(|| panic!("boom"))), "INTERNAL");
    }

    #[test]
    fn dropping_the_future_raises_the_cancellation_and_the_job_goes_on_to_its_end() {
        let (started, has_started) = mpsc::channel();
        let (ended, has_ended) = mpsc::channel();
        let mut future = Box::pin(on_runtime(Cancellation::new(), move |cancel| {
            started.send(()).unwrap();
            let outcome = cancel.wait(Duration::from_secs(30));
            ended.send(outcome.is_err()).unwrap();
            Ok(outcome?)
        }));
        assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        has_started.recv().unwrap();
        drop(future);
        assert!(has_ended.recv_timeout(Duration::from_secs(30)).unwrap(), "it was cancelled");
    }

    #[test]
    fn a_future_that_nobody_polled_has_done_nothing() {
        let (started, has_started) = mpsc::channel::<()>();
        let future = on_runtime(Cancellation::new(), move |_| {
            started.send(()).unwrap();
            Ok(())
        });
        drop(future);
        assert!(has_started.recv().is_err(), "the job, and its sender, are gone");
    }

    #[test]
    fn an_operation_that_has_ended_is_not_cancelled_afterwards() {
        let cancel = Cancellation::new();
        wait(on_runtime(cancel.clone(), |_| Ok(()))).unwrap();
        assert!(!cancel.is_cancelled());
    }
}
