//! Reports: the results of the calls that open, change or reconcile the registry.

use super::AssetId;
use crate::error::{Code, Error};

/// From this many licenses in the CDMs on, an app is warned. Near 200, some devices open no license of any app
/// (google/ExoPlayer#11202).
pub(crate) const MANY_LICENSES: u32 = 150;

/// What opening found and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenReport {
    /// `StoreCorrupt` if a damaged database was set aside, `StoreReadOnly` if a newer Larder wrote it.
    pub notice: Option<(Code, String)>,
    /// Assets registered in this profile.
    pub assets: u32,
}

/// What an unregistration did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnregisterResult {
    /// False if there was no such asset.
    pub was_registered: bool,
    /// Licenses whose release waits for the server.
    pub pending_releases: u32,
}

/// What a bulk renewal did with one asset.
#[derive(Debug)]
pub struct RenewalResult {
    /// The asset.
    pub asset_id: AssetId,
    /// Why it was not renewed.
    pub error: Option<Error>,
}

/// What an import did with one asset.
#[derive(Debug)]
pub struct ImportResult {
    /// The asset.
    pub asset_id: AssetId,
    /// Why it was not imported.
    pub error: Option<Error>,
}

/// What reconciling did since it was last asked for, in the background too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReconcileReport {
    /// Licenses that the server has confirmed as released.
    pub released: u32,
    /// Licenses that were removed without the server.
    pub forgotten: u32,
    /// Licenses whose release still waits.
    pub pending: u32,
    /// Licenses in the CDM that are not ours: counted, never touched.
    pub foreign: u32,
    /// Licenses that the CDMs hold for this app now, ours and others'; `None` if none can list them.
    pub held: Option<u32>,
}

impl ReconcileReport {
    /// True if the CDMs hold so many that a device may soon open none any more (google/ExoPlayer#11202).
    pub fn is_crowded(&self) -> bool {
        self.held.is_some_and(|held| held >= MANY_LICENSES)
    }
}
