//! The registry in memory: what lookups and statuses answer from, in a microsecond and without I/O.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use super::paths;
use super::types::{AssetInfo, Root};
use crate::error::Result;
use crate::model::{AssetId, KeyId, LicenseState, Profile};
use crate::store::{AssetRow, AssetState, AssetSummary, LicenseRow, LicenseSummary, ReadTx, StoredPath};

/// Every asset of one profile.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    by_id: HashMap<AssetId, Arc<Entry>>,
    /// Sorted by asset id.
    by_entry: HashMap<String, Vec<Arc<Entry>>>,
    pending_releases: HashMap<AssetId, u32>,
}

/// One asset, with its paths in this run.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) summary: AssetSummary,
    /// What the app registered. `None` if the root it lies under was not given in this run.
    pub(crate) path: Option<PathBuf>,
    // Both made when they are first asked for: opening does not wait for ten thousand of them.
    url: OnceLock<Option<String>>,
    lacks_a_license: OnceLock<bool>,
}

impl Snapshot {
    /// Reads a profile whole.
    pub(crate) fn load(tx: &ReadTx<'_>, profile: &Profile, roots: &[Root]) -> Result<Self> {
        let mut snapshot = Self { pending_releases: tx.pending_releases(profile)?, ..Self::default() };
        let summaries = tx.summaries(profile)?;
        snapshot.by_id.reserve(summaries.len());
        snapshot.by_entry.reserve(summaries.len());
        for summary in summaries {
            snapshot.insert(summary, roots);
        }
        Ok(snapshot)
    }

    /// Reads one asset again after a change of ours.
    pub(crate) fn reload(&mut self, tx: &ReadTx<'_>, profile: &Profile, id: &AssetId, roots: &[Root]) -> Result<()> {
        let licenses = tx.licenses_of(profile, id)?;
        let waits = |row: &&LicenseRow| matches!(row.state, LicenseState::Superseded | LicenseState::Releasing);
        let pending_releases = u32::try_from(licenses.iter().filter(waits).count()).unwrap_or(u32::MAX);
        let summary = tx.asset(profile, id)?.map(|asset| summary(asset, &licenses, pending_releases));
        self.remove(id);
        if pending_releases > 0 {
            self.pending_releases.insert(id.clone(), pending_releases);
        }
        if let Some(summary) = summary {
            self.insert(summary, roots);
        }
        Ok(())
    }

    fn remove(&mut self, id: &AssetId) {
        self.pending_releases.remove(id);
        let Some(old) = self.by_id.remove(id) else { return };
        if let Some(entries) = self.by_entry.get_mut(&old.summary.entry_id) {
            entries.retain(|other| other.summary.asset_id != *id);
            if entries.is_empty() {
                self.by_entry.remove(&old.summary.entry_id);
            }
        }
    }

    fn insert(&mut self, summary: AssetSummary, roots: &[Root]) {
        let path = paths::registered_path(&summary.path, roots);
        let entry = Arc::new(Entry { summary, path, url: OnceLock::new(), lacks_a_license: OnceLock::new() });
        let of_title = self.by_entry.entry(entry.summary.entry_id.clone()).or_default();
        let place = of_title.partition_point(|other| other.summary.asset_id < entry.summary.asset_id);
        of_title.insert(place, Arc::clone(&entry));
        self.by_id.insert(entry.summary.asset_id.clone(), entry);
    }

    /// One asset, whether or not its registration is complete.
    pub(crate) fn get(&self, asset_id: &AssetId) -> Option<&Arc<Entry>> {
        self.by_id.get(asset_id)
    }

    /// One asset, if it is registered.
    pub(crate) fn registered(&self, asset_id: &AssetId) -> Option<&Arc<Entry>> {
        self.get(asset_id).filter(|entry| entry.is_registered())
    }

    /// The registered assets of an entry, sorted by id.
    pub(crate) fn of_entry<'a>(&'a self, entry_id: &str) -> impl Iterator<Item = &'a Arc<Entry>> {
        self.by_entry.get(entry_id).into_iter().flatten().filter(|entry| entry.is_registered())
    }

    /// The registered asset at a stored path.
    pub(crate) fn at(&self, path: &StoredPath) -> Option<&Arc<Entry>> {
        self.by_id.values().find(|entry| {
            let stored = &entry.summary.path;
            entry.is_registered() && stored.root == path.root && stored.path == path.path
        })
    }

    /// Every registered asset, sorted by id.
    pub(crate) fn all(&self) -> Vec<&Arc<Entry>> {
        let mut all: Vec<_> = self.by_id.values().filter(|entry| entry.is_registered()).collect();
        all.sort_by(|a, b| a.summary.asset_id.cmp(&b.summary.asset_id));
        all
    }

    /// How many assets are registered.
    pub(crate) fn len(&self) -> usize {
        self.by_id.values().filter(|entry| entry.is_registered()).count()
    }

    /// Licences of this asset id that still wait for their release.
    pub(crate) fn pending_releases(&self, asset_id: &AssetId) -> u32 {
        self.pending_releases.get(asset_id).copied().unwrap_or(0)
    }
}

impl Entry {
    fn is_registered(&self) -> bool {
        self.summary.state == AssetState::Registered
    }

    /// A `file:` URL of what a player opens. `None` if the root it lies under was not given in this run.
    pub(crate) fn url(&self) -> Option<&str> {
        let made = self.url.get_or_init(|| {
            let path = paths::with_manifest(self.path.clone()?, &self.summary.path);
            paths::file_url(&path).ok()
        });
        made.as_deref()
    }

    /// True if a needed key was asked for with no licence; unknown does not count.
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
            path: self.path.clone().unwrap_or_else(|| PathBuf::from(&summary.path.path)),
            root: summary.path.root.clone(),
            format: summary.format,
            is_protected: summary.is_protected,
            registered_at_ms: summary.registered_at_ms,
        }
    }
}

/// What a snapshot keeps of an asset and its licences.
fn summary(asset: AssetRow, licenses: &[LicenseRow], pending_releases: u32) -> AssetSummary {
    let required: BTreeSet<KeyId> = asset.required_keys.iter().flat_map(|(_, ids)| ids.iter().copied()).collect();
    let is_current =
        |row: &&LicenseRow| matches!(row.state, LicenseState::Intended | LicenseState::Stored | LicenseState::Active);
    AssetSummary {
        required_key_ids: required.into_iter().collect(),
        licenses: licenses.iter().filter(is_current).map(license_summary).collect(),
        pending_releases,
        asset_id: asset.asset_id,
        entry_id: asset.entry_id,
        state: asset.state,
        path: asset.path,
        format: asset.format,
        is_protected: asset.is_protected,
        key_files_missing: asset.key_files_missing,
        playback_started_at_ms: asset.playback_started_at_ms,
        registered_at_ms: asset.registered_at_ms,
        updated_at_ms: asset.updated_at_ms,
    }
}

fn license_summary(row: &LicenseRow) -> LicenseSummary {
    LicenseSummary {
        license_id: row.license_id.clone(),
        scheme: row.request.scheme,
        state: row.state,
        expires: row.expires,
        granted_at_ms: row.granted_at_ms,
        playback_window_s: row.playback_window_s,
        coverage: row.coverage,
        requested_key_ids: row.request.key_ids.clone(),
    }
}
