//! `LocalAssetsManager`: the registry of what lies on this device.
//!
//! | file | what |
//! |---|---|
//! | [`types`] | what the manager is given and what it answers |

mod types;

use std::path::Path;

pub use types::*;

use crate::cancel::Cancellation;
use crate::error::{Code, Error, Result};
use crate::model::license::{Handle, LicenseTimes};
use crate::model::{AssetId, AssetStatus, LicenseId, Registration};
use crate::ports::NetworkState;

/// The registry of what lies on this device. See the crate's documentation for the flows.
pub struct LocalAssetsManager {}

fn not_yet<T>() -> Result<T> {
    Err(Error::new(Code::Internal, "not implemented yet"))
}

#[allow(missing_docs, reason = "signatures first")]
impl LocalAssetsManager {
    pub fn open(_config: Config, _ports: Ports) -> Result<Self> {
        not_yet()
    }
    pub fn report(&self) -> OpenReport {
        OpenReport { notice: None, assets: 0 }
    }
    pub fn register(&self, _registration: Registration, _cancel: &Cancellation) -> Result<AssetStatus> {
        not_yet()
    }
    pub fn refresh(&self, _asset_id: &AssetId, _refresh: Refresh, _cancel: &Cancellation) -> Result<AssetStatus> {
        not_yet()
    }
    pub fn unregister(&self, _asset_id: &AssetId) -> Result<Unregistered> {
        not_yet()
    }
    pub fn remove_all(&self) -> Result<u32> {
        not_yet()
    }
    pub fn status(&self, _asset_id: &AssetId) -> Result<AssetStatus> {
        not_yet()
    }
    pub fn statuses(&self) -> Result<Vec<AssetStatus>> {
        not_yet()
    }
    pub fn verify(&self, _asset_id: &AssetId, _verify: Verify) -> Result<AssetStatus> {
        not_yet()
    }
    pub fn renew_all(&self, _expiring_within_s: u64, _cancel: &Cancellation) -> Result<Vec<Renewal>> {
        not_yet()
    }
    pub fn settle(&self) -> Result<Settlement> {
        not_yet()
    }
    pub fn assets(&self) -> Result<Vec<AssetInfo>> {
        not_yet()
    }
    pub fn asset(&self, _asset_id: &AssetId) -> Result<Option<AssetInfo>> {
        not_yet()
    }
    pub fn asset_at(&self, _path: &Path) -> Result<Option<AssetInfo>> {
        not_yet()
    }
    pub fn assets_of_entry(&self, _entry_id: &str) -> Result<Vec<AssetInfo>> {
        not_yet()
    }
    pub fn metadata(&self, _asset_id: &AssetId) -> Result<Option<Vec<u8>>> {
        not_yet()
    }
    pub fn local_source(&self, _asset_id: &AssetId, _path: Option<&Path>) -> Result<LocalMediaSource> {
        not_yet()
    }
    pub fn license_handle(&self, _license_id: &LicenseId) -> Result<Handle> {
        not_yet()
    }
    pub fn handle_changed(&self, _license_id: &LicenseId, _handle: Handle, _times: LicenseTimes) -> Result<()> {
        not_yet()
    }
    pub fn playback_started(&self, _asset_id: &AssetId, _at_ms: i64) -> Result<()> {
        not_yet()
    }
    pub fn source_url(&self, _entry_id: &str, _current_url: Option<&str>) -> Result<Option<String>> {
        not_yet()
    }
    pub fn set_source_url_mode(&self, _mode: SourceUrlMode, _order: SourceUrlOrder) -> Result<()> {
        not_yet()
    }
    pub fn set_network_state(&self, _state: NetworkState) -> Result<()> {
        not_yet()
    }
    pub fn diagnostics(&self) -> Result<String> {
        not_yet()
    }
    pub fn close(&self) {}
}
