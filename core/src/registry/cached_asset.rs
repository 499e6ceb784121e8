//! One asset in memory: what the snapshot keeps of it, and whether it plays.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use super::paths;
use crate::model::{AssetInfo, Expiry, KeyCoverage, LicenseState, PlayabilityReason, StorageRoot};
use crate::store::{AssetState, AssetSummary, LicenseSummary};

/// One asset, with its paths in this run.
#[derive(Debug)]
pub(crate) struct CachedAsset {
    pub(crate) summary: AssetSummary,
    roots: Arc<[StorageRoot]>,
    // Both made when they are first asked for, as the path is: opening does not wait for ten thousand of them.
    url: OnceLock<Option<String>>,
    lacks_a_license: OnceLock<bool>,
}

impl CachedAsset {
    pub(super) fn new(summary: AssetSummary, roots: &Arc<[StorageRoot]>) -> Self {
        Self { summary, roots: Arc::clone(roots), url: OnceLock::new(), lacks_a_license: OnceLock::new() }
    }

    /// What the app registered. `None` if the root it lies under was not given in this run.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        paths::registered_path(&self.summary.path, &self.roots)
    }

    /// True if the root it lies under was given in this run.
    pub(crate) fn has_root(&self) -> bool {
        let root = self.summary.path.root.as_deref();
        root.is_none_or(|name| self.roots.iter().any(|root| root.name == name))
    }

    pub(super) fn is_registered(&self) -> bool {
        self.summary.state == AssetState::Registered
    }

    /// A `file:` URL of what a player opens. `None` if the root it lies under was not given in this run.
    pub(crate) fn url(&self) -> Option<&str> {
        let made = self.url.get_or_init(|| {
            let path = paths::with_manifest(self.path()?, &self.summary.path);
            paths::file_url(&path).ok()
        });
        made.as_deref()
    }

    /// True if a needed key was asked for with no license; unknown does not count.
    pub(crate) fn lacks_a_license(&self) -> bool {
        *self.lacks_a_license.get_or_init(|| {
            let asked: BTreeSet<_> = self.active().flat_map(|license| license.requested_key_ids.iter()).collect();
            let all_say = self.active().all(|license| !license.requested_key_ids.is_empty());
            all_say && self.summary.required_key_ids.iter().any(|id| !asked.contains(id))
        })
    }

    /// As a list shows it.
    pub(crate) fn info(&self) -> AssetInfo {
        let summary = &self.summary;
        AssetInfo {
            asset_id: summary.asset_id.clone(),
            entry_id: summary.entry_id.clone(),
            path: self.path().unwrap_or_else(|| PathBuf::from(&summary.path.path)),
            root: summary.path.root.clone(),
            format: summary.format,
            is_protected: summary.is_protected,
            registered_at_ms: summary.registered_at_ms,
        }
    }
    /// The licenses that a player uses.
    pub(crate) fn active(&self) -> impl Iterator<Item = &LicenseSummary> {
        self.summary.licenses.iter().filter(|license| license.state == LicenseState::Active)
    }

    /// True if nothing in the ledger stands in the way.
    pub(crate) fn is_playable(&self, now_ms: i64) -> bool {
        self.why(now_ms) == PlayabilityReason::Playable
    }

    /// The first reason that stands in the way.
    pub(crate) fn why(&self, now_ms: i64) -> PlayabilityReason {
        use crate::store::AssetState;
        if self.summary.state == AssetState::Registering {
            return PlayabilityReason::Registering;
        }
        if !self.summary.is_protected {
            return self.why_not_here();
        }
        if self.active().next().is_none() {
            return PlayabilityReason::LicenseMissing;
        }
        if self.license_expires().is_over(now_ms) {
            return PlayabilityReason::LicenseExpired;
        }
        if self.playback_expires().is_over(now_ms) {
            return PlayabilityReason::PlaybackWindowOver;
        }
        if self.active().any(|license| license.coverage == KeyCoverage::Missing) || self.lacks_a_license() {
            return PlayabilityReason::KeyMissing;
        }
        self.why_not_here()
    }

    /// Media below a root that is not there now comes back with it; the disk is not asked.
    fn why_not_here(&self) -> PlayabilityReason {
        if self.has_root() { PlayabilityReason::Playable } else { PlayabilityReason::VolumeMissing }
    }

    fn license_expires(&self) -> Expiry {
        if self.summary.is_protected && self.active().next().is_none() {
            return Expiry::Unknown;
        }
        self.active().map(|license| license.expires).fold(Expiry::Never, Expiry::or_earlier)
    }

    /// The end of the playback window.
    pub(crate) fn playback_expires(&self) -> Expiry {
        let Some(window_seconds) = self.active().filter_map(|license| license.playback_window_seconds).min() else {
            return Expiry::Never;
        };
        match self.summary.playback_started_at_ms {
            Some(started_ms) => Expiry::after(started_ms, window_seconds),
            None => Expiry::Unknown,
        }
    }

    /// The earlier of license and window; a window that does not run yet does not count.
    pub(crate) fn expires(&self) -> Expiry {
        match self.playback_expires() {
            Expiry::Unknown | Expiry::Never => self.license_expires(),
            window => self.license_expires().or_earlier(window),
        }
    }
}
