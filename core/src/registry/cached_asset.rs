//! One asset in memory, and whether it plays by the ledger.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use super::paths;
use crate::model::{AssetInfo, Expiry, KeyCoverage, LicenseState, PlayabilityReason, StorageRoot};
use crate::store::{AssetState, AssetSummary, LicenseSummary};

/// One asset, with its path in this run.
#[derive(Debug)]
pub(crate) struct CachedAsset {
    pub(crate) summary: AssetSummary,
    roots: Arc<[StorageRoot]>,
    // Both are computed at the first use, so that opening does not wait for those of ten thousand assets.
    url: OnceLock<Option<String>>,
    lacks_a_license: OnceLock<bool>,
}

impl CachedAsset {
    pub(super) fn new(summary: AssetSummary, roots: &Arc<[StorageRoot]>) -> Self {
        Self { summary, roots: Arc::clone(roots), url: OnceLock::new(), lacks_a_license: OnceLock::new() }
    }

    /// Returns the absolute registered path. `None` if its root was not given in this run.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        paths::registered_path(&self.summary.path, &self.roots)
    }

    /// True if the path is outside every root, or its root was given in this run.
    pub(crate) fn has_root(&self) -> bool {
        let root = self.summary.path.root.as_deref();
        root.is_none_or(|name| self.roots.iter().any(|root| root.name == name))
    }

    pub(super) fn is_registered(&self) -> bool {
        self.summary.state == AssetState::Registered
    }

    /// Returns the `file:` URL that a player opens. `None` if the root was not given in this run.
    pub(crate) fn url(&self) -> Option<&str> {
        let url = self.url.get_or_init(|| {
            let path = paths::with_manifest(self.path()?, &self.summary.path);
            paths::file_url(&path).ok()
        });
        url.as_deref()
    }

    /// True if no active license was requested for a required key. False if a license does not say which keys it was
    /// requested for.
    pub(crate) fn lacks_a_license(&self) -> bool {
        *self.lacks_a_license.get_or_init(|| {
            let requested: BTreeSet<_> = self.active().flat_map(|license| license.requested_key_ids.iter()).collect();
            let all_are_known = self.active().all(|license| !license.requested_key_ids.is_empty());
            all_are_known && self.summary.required_key_ids.iter().any(|id| !requested.contains(id))
        })
    }

    /// Returns the asset as a list of assets shows it.
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

    /// Returns the licenses that a player uses.
    pub(crate) fn active(&self) -> impl Iterator<Item = &LicenseSummary> {
        self.summary.licenses.iter().filter(|license| license.state == LicenseState::Active)
    }

    /// True if nothing in the ledger blocks playback.
    pub(crate) fn is_playable(&self, now_ms: i64) -> bool {
        self.why(now_ms) == PlayabilityReason::Playable
    }

    /// Returns the first reason that blocks playback, or `Playable`.
    pub(crate) fn why(&self, now_ms: i64) -> PlayabilityReason {
        if self.summary.state == AssetState::Registering {
            return PlayabilityReason::Registering;
        }
        if !self.summary.is_protected {
            return self.volume_reason();
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
        self.volume_reason()
    }

    /// Returns `VolumeMissing` while the asset's root is not given. Does not look at the disk.
    fn volume_reason(&self) -> PlayabilityReason {
        if self.has_root() { PlayabilityReason::Playable } else { PlayabilityReason::VolumeMissing }
    }

    /// Returns the earliest expiry of the active licenses; `Never` for clear media.
    fn license_expires(&self) -> Expiry {
        if self.summary.is_protected && self.active().next().is_none() {
            return Expiry::Unknown;
        }
        self.active().map(|license| license.expires).fold(Expiry::Never, Expiry::or_earlier)
    }

    /// Returns the end of the playback window: `Never` without a window, `Unknown` before the first playback.
    pub(crate) fn playback_expires(&self) -> Expiry {
        let Some(window_seconds) = self.active().filter_map(|license| license.playback_window_seconds).min() else {
            return Expiry::Never;
        };
        match self.summary.playback_started_at_ms {
            Some(started_ms) => Expiry::after(started_ms, window_seconds),
            None => Expiry::Unknown,
        }
    }

    /// Returns the earlier end of license and playback window. A window that has not started does not count.
    pub(crate) fn expires(&self) -> Expiry {
        match self.playback_expires() {
            Expiry::Unknown | Expiry::Never => self.license_expires(),
            window => self.license_expires().or_earlier(window),
        }
    }
}
