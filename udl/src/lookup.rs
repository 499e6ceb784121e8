//! Managers by number, for the one call that does not go through UniFFI: see `platform/jvm_lookup.rs`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use larder_core::assets::LocalAssetsManager;

use crate::error::{FfiError, catching};
use crate::opening::{Opening, closed};

type Manager = Arc<Opening<LocalAssetsManager>>;

// Protects the map; held to copy one pointer, add or remove one.
static MANAGERS: RwLock<BTreeMap<i64, Manager>> = RwLock::new(BTreeMap::new());
static NEXT: AtomicI64 = AtomicI64::new(1);

/// A manager's number, valid until this is dropped. None is given twice.
pub(crate) struct Lookup(i64);

impl Lookup {
    pub(crate) fn of(manager: &Manager) -> Self {
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        MANAGERS.write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::clone(manager));
        Self(id)
    }

    pub(crate) fn id(&self) -> i64 {
        self.0
    }
}

impl Drop for Lookup {
    fn drop(&mut self) {
        // Dropped after the lock is free: it may be the last to hold what was opened.
        let manager = MANAGERS.write().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
        drop(manager);
    }
}

/// As `FfiManager::source_url`. `Closed` for a number that is no manager's any more.
#[cfg_attr(target_vendor = "apple", expect(dead_code, reason = "Swift calls C directly: there is nothing to shorten"))]
pub(crate) fn source_url(id: i64, entry_id: &str, current_url: Option<&str>) -> Result<Option<String>, FfiError> {
    let manager = MANAGERS.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
    let manager = manager.ok_or_else(closed)?;
    catching(|| Ok(manager.get()?.source_url(entry_id, current_url)?))
}
