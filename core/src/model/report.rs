//! Reports: the results of the calls that open, change or reconcile the registry.

use super::AssetId;
use crate::error::{Code, Error};

/// From this many licenses in the CDMs on, an app is warned. Near 200, some devices open no license of any app
/// (google/ExoPlayer#11202).
pub(crate) const MANY_LICENSES: u32 = 150;

/// The result of opening a manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenReport {
    /// `StoreCorrupt` if a damaged database was set aside, `StoreReadOnly` if a newer Larder wrote it, with a message.
    pub notice: Option<(Code, String)>,
    /// The number of assets registered in this profile.
    pub assets: u32,
}

/// The result of an unregistration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnregisterResult {
    /// False if the asset was not registered.
    pub was_registered: bool,
    /// The number of licenses whose release is pending.
    pub pending_releases: u32,
}

/// The result of a bulk renewal for one asset.
#[derive(Debug)]
pub struct RenewalResult {
    /// The asset.
    pub asset_id: AssetId,
    /// The reason why the renewal failed. `None` on success.
    pub error: Option<Error>,
}

/// The result of an import for one asset.
#[derive(Debug)]
pub struct ImportResult {
    /// The asset.
    pub asset_id: AssetId,
    /// The reason why the import failed. `None` on success.
    pub error: Option<Error>,
}

/// The result of reconciliation since the last report, with the work in the background.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReconcileReport {
    /// The number of licenses that a server has confirmed as released.
    pub released: u32,
    /// The number of licenses that were removed without a confirmation of their server.
    pub forgotten: u32,
    /// The number of licenses whose release is pending.
    pub pending: u32,
    /// The number of licenses in the CDMs that the ledger does not know. They are never touched.
    pub foreign: u32,
    /// The number of all licenses that the CDMs hold for this app; `None` if no CDM can list them.
    pub held: Option<u32>,
}

impl ReconcileReport {
    /// True if the CDMs hold so many licenses that a device may soon fail to open any of them
    /// (google/ExoPlayer#11202).
    pub fn is_crowded(&self) -> bool {
        self.held.is_some_and(|held| held >= MANY_LICENSES)
    }
}
