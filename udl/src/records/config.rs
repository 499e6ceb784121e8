//! The settings of a manager.

use std::path::PathBuf;
use std::time::Duration;

use larder_core::assets::{self, Config, Timeouts};
use larder_core::model::Profile;
use larder_core::ports::{self, NetworkState};
use larder_core::{Code, Error, Result};

const MAX_TIMEOUT_S: u64 = 3600;

/// Where and for whom a manager works. See `larder.udl`.
#[derive(Clone)]
pub struct LarderConfig {
    /// Absolute path of the folder for the database.
    pub data_dir: String,
    /// Folders below which media lies.
    pub roots: Vec<StorageRoot>,
    /// The user's namespace.
    pub profile: String,
    /// One request to a server, in seconds.
    pub network_timeout_seconds: i32,
    /// One call of an engine, in seconds.
    pub engine_timeout_seconds: i32,
    /// One call of the app's code, in seconds.
    pub delegate_timeout_seconds: i32,
    /// In front of Larder's own `User-Agent`.
    pub user_agent: String,
    /// Register the software ClearKey engine.
    pub software_clear_key: bool,
    /// Further certificate authorities, each in DER.
    pub extra_root_certificates: Vec<Vec<u8>>,
    /// The network state when opening begins.
    pub network: NetworkState,
}

/// A folder with a name. See `larder.udl`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageRoot {
    /// A short stable name.
    pub name: String,
    /// The absolute path in this run.
    pub path: String,
}

impl StorageRoot {
    pub(crate) fn to_core(&self) -> assets::StorageRoot {
        assets::StorageRoot { name: self.name.clone(), path: PathBuf::from(&self.path) }
    }
}

impl LarderConfig {
    /// The core's form of it. Fails with `InvalidArgument`.
    pub(crate) fn to_core(&self) -> Result<Config> {
        let config = Config {
            data_dir: PathBuf::from(&self.data_dir),
            roots: self.roots.iter().map(StorageRoot::to_core).collect(),
            profile: Profile::new(self.profile.as_str())?,
            timeouts: Timeouts {
                network: timeout("network_timeout_seconds", self.network_timeout_seconds)?,
                engine: timeout("engine_timeout_seconds", self.engine_timeout_seconds)?,
                delegate: timeout("delegate_timeout_seconds", self.delegate_timeout_seconds)?,
            },
            network: self.network,
        };
        config.check()?;
        Ok(config)
    }
}

/// A timeout of no time would fail every call, one of a day none that hangs.
fn timeout(name: &str, seconds: i32) -> Result<Duration> {
    let valid = u64::try_from(seconds).ok().filter(|seconds| (1..=MAX_TIMEOUT_S).contains(seconds));
    valid.map(Duration::from_secs).ok_or_else(|| {
        Error::new(Code::InvalidArgument, format!("{name} is {seconds}; it must be from 1 to {MAX_TIMEOUT_S}"))
    })
}

/// The device's conditions. See `larder.udl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceConditions {
    /// The network state.
    pub network: NetworkState,
    /// Costs the user by volume.
    pub is_metered: bool,
    /// Another operator's.
    pub is_roaming: bool,
    /// A charger is connected.
    pub is_charging: bool,
    /// 0 to 100.
    pub battery_percent: Option<i32>,
    /// The platform says that storage runs low.
    pub is_storage_low: bool,
}

impl From<DeviceConditions> for ports::DeviceConditions {
    fn from(conditions: DeviceConditions) -> Self {
        let DeviceConditions { network, is_metered, is_roaming, is_charging, battery_percent, is_storage_low } =
            conditions;
        // Android answers with the lowest number there is when it does not know.
        let battery_percent =
            battery_percent.and_then(|percent| u8::try_from(percent).ok()).filter(|percent| *percent <= 100);
        Self { network, is_metered, is_roaming, is_charging, battery_percent, is_storage_low }
    }
}
