//! The storage that `docs/guides/plug-ins.md` shows; a test compares the two.

use std::collections::BTreeMap;
use std::sync::Mutex;

use larder_core::Result;
use larder_core::ports::LocalDrmStorage;

#[derive(Default)]
pub(crate) struct MemoryStorage(Mutex<BTreeMap<String, Vec<u8>>>);

impl LocalDrmStorage for MemoryStorage {
    fn save(&self, key: &str, value: &[u8]) -> Result<()> {
        self.0.lock().unwrap().insert(key.to_owned(), value.to_vec());
        Ok(())
    }

    fn load(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.0.lock().unwrap().get(key).cloned())
    }

    fn remove(&self, key: &str) -> Result<()> {
        self.0.lock().unwrap().remove(key);
        Ok(())
    }
}

impl MemoryStorage {
    /// Everything that is stored at the moment.
    pub(crate) fn values(&self) -> Vec<Vec<u8>> {
        self.0.lock().unwrap().values().cloned().collect()
    }
}
