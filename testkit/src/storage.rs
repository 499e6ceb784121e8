//! A secret storage in memory that behaves as badly as a test wants.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use larder_core::ports::LocalDrmStorage;
use larder_core::{Code, Error, Result};

use crate::gate::Gate;

/// How a [`ScriptedStorage`] treats one of its calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    /// It does what it should. This is the default.
    #[default]
    Faithful,
    /// It says that it did, and does nothing: a saved value is not there, a removed one still is; a load finds nothing.
    Losing,
    /// Other bytes: a save keeps them, a load gives them.
    Lying,
    /// It fails with `StorageFailed`.
    Failing,
    /// It hangs until [`ScriptedStorage::let_go`], then does what it should.
    Hanging,
    /// It panics, as an app's exception arrives.
    Panicking,
}

/// One of the storage's calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StorageCall {
    /// `save`
    Save,
    /// `load`
    Load,
    /// `remove`
    Remove,
}

/// A secret storage in memory. Faithful until told otherwise; shared by clones of its `Arc`, as the app's is.
#[derive(Debug, Default)]
pub struct ScriptedStorage {
    // Held for one look-up; never while a call hangs.
    state: Mutex<State>,
    gate: Gate,
}

#[derive(Default)]
struct State {
    values: BTreeMap<String, Vec<u8>>,
    moods: BTreeMap<StorageCall, (Mood, Option<u32>)>,
    calls: BTreeMap<StorageCall, u32>,
}

/// Without the values: they are handles.
impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("keys", &self.values.keys()).field("moods", &self.moods).finish_non_exhaustive()
    }
}

impl ScriptedStorage {
    /// A storage in one mood for all calls.
    pub fn always(mood: Mood) -> Self {
        let storage = Self::default();
        for call in [StorageCall::Save, StorageCall::Load, StorageCall::Remove] {
            storage.set(call, mood);
        }
        storage
    }

    /// The mood for one kind of call from now on.
    pub fn set(&self, call: StorageCall, mood: Mood) {
        self.state().moods.insert(call, (mood, None));
    }

    /// The mood for the next `times` calls of one kind; faithful afterwards.
    pub fn set_times(&self, call: StorageCall, mood: Mood, times: u32) {
        self.state().moods.insert(call, (mood, Some(times)));
    }

    /// Calls that hang now go on.
    pub fn let_go(&self) {
        self.gate.let_go();
    }

    /// Waits until a call hangs; false after 20 seconds without.
    pub fn wait_until_hanging(&self) -> bool {
        self.gate.wait_until_hanging()
    }

    /// The keys under which something is stored.
    pub fn keys(&self) -> Vec<String> {
        self.state().values.keys().cloned().collect()
    }

    /// Returns the values that are really stored.
    pub fn value(&self, key: &str) -> Option<Vec<u8>> {
        self.state().values.get(key).cloned()
    }

    /// Puts a value in, or takes it away, behind everybody's back.
    pub fn tamper(&self, key: &str, value: Option<Vec<u8>>) {
        let mut state = self.state();
        match value {
            Some(value) => drop(state.values.insert(key.to_owned(), value)),
            None => drop(state.values.remove(key)),
        }
    }

    /// How often it was called.
    pub fn calls(&self, call: StorageCall) -> u32 {
        self.state().calls.get(&call).copied().unwrap_or(0)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call and says how to treat it, after hanging, failing or panicking if that is the mood.
    fn begin(&self, call: StorageCall) -> Result<Mood> {
        let mood = {
            let mut state = self.state();
            *state.calls.entry(call).or_default() += 1;
            match state.moods.get_mut(&call) {
                None | Some((_, Some(0))) => Mood::Faithful,
                Some((mood, None)) => *mood,
                Some((mood, Some(left))) => {
                    *left -= 1;
                    *mood
                }
            }
        };
        match mood {
            Mood::Failing => Err(Error::new(Code::StorageFailed, "the scripted storage fails")),
            Mood::Panicking => panic(),
            Mood::Hanging => {
                self.gate.hang();
                Ok(Mood::Faithful)
            }
            Mood::Faithful | Mood::Losing | Mood::Lying => Ok(mood),
        }
    }
}

#[expect(clippy::panic, reason = "that is the script")]
fn panic() -> ! {
    panic!("the scripted storage panics")
}

impl LocalDrmStorage for ScriptedStorage {
    fn save(&self, key: &str, value: &[u8]) -> Result<()> {
        let stored = match self.begin(StorageCall::Save)? {
            Mood::Losing => return Ok(()),
            Mood::Lying => other(value),
            _ => value.to_vec(),
        };
        self.state().values.insert(key.to_owned(), stored);
        Ok(())
    }

    fn load(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let mood = self.begin(StorageCall::Load)?;
        let value = self.value(key);
        Ok(match mood {
            Mood::Losing => None,
            Mood::Lying => Some(other(&value.unwrap_or_default())),
            _ => value,
        })
    }

    fn remove(&self, key: &str) -> Result<()> {
        if self.begin(StorageCall::Remove)? == Mood::Faithful {
            self.state().values.remove(key);
        }
        Ok(())
    }
}

/// As long, and different in every byte; something where there was nothing.
fn other(value: &[u8]) -> Vec<u8> {
    if value.is_empty() { vec![0xa5] } else { value.iter().map(|byte| byte ^ 0xa5).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn moods_on(call: StorageCall) -> impl Fn(Mood) -> ScriptedStorage {
        move |mood| {
            let storage = ScriptedStorage::default();
            storage.tamper("k", Some(b"old".to_vec()));
            storage.set(call, mood);
            storage
        }
    }

    #[test]
    fn a_faithful_storage_gives_back_what_it_got() {
        let storage = ScriptedStorage::default();
        storage.save("k", b"v").unwrap();
        assert_eq!(storage.load("k").unwrap().as_deref(), Some(&b"v"[..]));
        storage.remove("k").unwrap();
        storage.remove("k").unwrap();
        assert_eq!(storage.load("k").unwrap(), None);
        assert_eq!((storage.calls(StorageCall::Load), storage.calls(StorageCall::Remove)), (2, 2));
    }

    #[test]
    fn each_mood_shows_in_each_call() {
        let save = moods_on(StorageCall::Save);
        let (losing, lying) = (save(Mood::Losing), save(Mood::Lying));
        losing.save("k", b"new").unwrap();
        assert_eq!(losing.value("k").unwrap(), b"old");
        lying.save("k", b"new").unwrap();
        assert!(!["new", "old"].map(str::as_bytes).contains(&lying.value("k").unwrap().as_slice()));

        let load = moods_on(StorageCall::Load);
        assert_eq!(load(Mood::Losing).load("k").unwrap(), None);
        assert_ne!(load(Mood::Lying).load("k").unwrap().unwrap(), b"old");

        let losing = moods_on(StorageCall::Remove)(Mood::Losing);
        losing.remove("k").unwrap();
        assert_eq!(losing.keys(), ["k"]);

        let failing = ScriptedStorage::always(Mood::Failing);
        assert_eq!(failing.save("k", b"v").unwrap_err().code(), Code::StorageFailed);
        assert_eq!(failing.load("k").unwrap_err().code(), Code::StorageFailed);
        assert_eq!(failing.remove("k").unwrap_err().code(), Code::StorageFailed);
        let panicking = ScriptedStorage::always(Mood::Panicking);
        assert!(std::panic::catch_unwind(|| panicking.load("k")).is_err());
    }

    #[test]
    fn a_mood_can_pass() {
        let storage = ScriptedStorage::default();
        storage.set_times(StorageCall::Save, Mood::Failing, 2);
        let outcomes: Vec<bool> = (0..4).map(|_| storage.save("k", b"v").is_ok()).collect();
        assert_eq!(outcomes, [false, false, true, true]);
    }

    #[test]
    fn a_hanging_call_goes_on_when_it_is_let_go() {
        let storage = Arc::new(ScriptedStorage::default());
        storage.set(StorageCall::Save, Mood::Hanging);
        let saving = std::thread::spawn({
            let storage = Arc::clone(&storage);
            move || storage.save("k", b"v")
        });
        assert!(storage.wait_until_hanging());
        assert_eq!(storage.keys(), Vec::<String>::new(), "other calls are answered meanwhile");
        storage.let_go();
        saving.join().unwrap().unwrap();
        assert_eq!(storage.keys(), ["k"]);
    }

    #[test]
    fn debug_shows_no_value() {
        let storage = ScriptedStorage::default();
        storage.save("key", b"geheim").unwrap();
        let shown = format!("{storage:?}");
        assert!(shown.contains("key") && !shown.contains("geheim") && !shown.contains("103, 101"), "{shown}");
    }
}
