//! The registrations in memory. Look-ups and statuses are answered from here in about a microsecond, without I/O.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use super::cached_asset::CachedAsset;
use crate::error::Result;
use crate::model::{AssetId, LicenseState, Profile, StorageRoot};
use crate::store::{AssetSummary, LicenseRow, ReadTx, StoredPath};

/// All assets of one profile.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    by_id: HashSet<ById>,
    /// By entry id, each list sorted by asset id. Built at the first use, so that opening does not wait for it.
    by_entry: OnceLock<HashMap<String, Vec<Arc<CachedAsset>>>>,
    pending_releases: HashMap<AssetId, u32>,
}

/// An asset, hashed and compared by its id.
#[derive(Debug)]
struct ById(Arc<CachedAsset>);

impl Borrow<AssetId> for ById {
    fn borrow(&self) -> &AssetId {
        &self.0.summary.asset_id
    }
}

impl PartialEq for ById {
    fn eq(&self, other: &Self) -> bool {
        self.0.summary.asset_id == other.0.summary.asset_id
    }
}

impl Eq for ById {}

impl Hash for ById {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.summary.asset_id.hash(state);
    }
}

impl Snapshot {
    /// Reads all assets of a profile.
    pub(crate) fn load(tx: &ReadTx<'_>, profile: &Profile, roots: &Arc<[StorageRoot]>) -> Result<Self> {
        let summaries = tx.summaries(profile)?;
        Ok(Self {
            pending_releases: tx.pending_releases(profile)?,
            by_id: summaries.into_iter().map(|summary| ById(Arc::new(CachedAsset::new(summary, roots)))).collect(),
            by_entry: OnceLock::new(),
        })
    }

    /// Reads one asset again after this manager has changed it.
    pub(crate) fn reload(
        &mut self,
        tx: &ReadTx<'_>,
        profile: &Profile,
        id: &AssetId,
        roots: &Arc<[StorageRoot]>,
    ) -> Result<()> {
        let licenses = tx.licenses_of(profile, id)?;
        let is_pending = |row: &&LicenseRow| matches!(row.state, LicenseState::Superseded | LicenseState::Releasing);
        let pending_releases = u32::try_from(licenses.iter().filter(is_pending).count()).unwrap_or(u32::MAX);
        let summary = tx.asset(profile, id)?.map(|asset| {
            let mut summary = AssetSummary::from(&asset);
            licenses.iter().for_each(|license| summary.add_license(license.into()));
            summary
        });
        self.remove(id);
        if pending_releases > 0 {
            self.pending_releases.insert(id.clone(), pending_releases);
        }
        if let Some(summary) = summary {
            self.insert(CachedAsset::new(summary, roots));
        }
        Ok(())
    }

    fn remove(&mut self, id: &AssetId) {
        self.pending_releases.remove(id);
        let Some(ById(old)) = self.by_id.take(id) else { return };
        let Some(by_entry) = self.by_entry.get_mut() else { return };
        if let Some(assets) = by_entry.get_mut(&old.summary.entry_id) {
            assets.retain(|other| other.summary.asset_id != *id);
            if assets.is_empty() {
                by_entry.remove(&old.summary.entry_id);
            }
        }
    }

    fn insert(&mut self, asset: CachedAsset) {
        let asset = Arc::new(asset);
        if let Some(by_entry) = self.by_entry.get_mut() {
            insert_by_entry(by_entry, &asset);
        }
        self.by_id.insert(ById(asset));
    }

    fn by_entry(&self) -> &HashMap<String, Vec<Arc<CachedAsset>>> {
        self.by_entry.get_or_init(|| {
            let mut by_entry = HashMap::with_capacity(self.by_id.len());
            self.iter().for_each(|asset| insert_by_entry(&mut by_entry, asset));
            by_entry
        })
    }

    fn iter(&self) -> impl Iterator<Item = &Arc<CachedAsset>> {
        self.by_id.iter().map(|ById(asset)| asset)
    }

    /// Returns an asset, even if its registration is not complete.
    pub(crate) fn get(&self, asset_id: &AssetId) -> Option<&Arc<CachedAsset>> {
        self.by_id.get(asset_id).map(|ById(asset)| asset)
    }

    /// Returns an asset if its registration is complete.
    pub(crate) fn registered(&self, asset_id: &AssetId) -> Option<&Arc<CachedAsset>> {
        self.get(asset_id).filter(|asset| asset.is_registered())
    }

    /// Returns the registered assets of an entry, sorted by asset id.
    pub(crate) fn assets_of_entry<'a>(&'a self, entry_id: &str) -> impl Iterator<Item = &'a Arc<CachedAsset>> {
        self.by_entry().get(entry_id).into_iter().flatten().filter(|asset| asset.is_registered())
    }

    /// Returns the registered asset at a stored path.
    pub(crate) fn at(&self, path: &StoredPath) -> Option<&Arc<CachedAsset>> {
        self.iter().find(|asset| asset.is_registered() && asset.summary.path.is_same_media(path))
    }

    /// Returns all registered assets, sorted by id.
    pub(crate) fn all(&self) -> Vec<&Arc<CachedAsset>> {
        let mut all: Vec<_> = self.iter().filter(|asset| asset.is_registered()).collect();
        all.sort_by(|a, b| a.summary.asset_id.cmp(&b.summary.asset_id));
        all
    }

    /// Returns the number of registered assets.
    pub(crate) fn len(&self) -> usize {
        self.iter().filter(|asset| asset.is_registered()).count()
    }

    /// Returns the number of licenses of this asset id whose release is pending.
    pub(crate) fn pending_releases(&self, asset_id: &AssetId) -> u32 {
        self.pending_releases.get(asset_id).copied().unwrap_or(0)
    }
}

fn insert_by_entry(by_entry: &mut HashMap<String, Vec<Arc<CachedAsset>>>, asset: &Arc<CachedAsset>) {
    let assets = by_entry.entry(asset.summary.entry_id.clone()).or_default();
    let index = assets.partition_point(|other| other.summary.asset_id < asset.summary.asset_id);
    assets.insert(index, Arc::clone(asset));
}
