//! The device's clock, network and power, as the platform reports them.

/// Time.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970-01-01 UTC. May jump.
    fn now_ms(&self) -> i64;
    /// Milliseconds since boot, sleep included. Never jumps back within one boot. `None` if unknown.
    fn since_boot_ms(&self) -> Option<i64>;
    /// Something that differs from boot to boot, `None` if unknown.
    fn boot_id(&self) -> Option<String>;
}

/// The network state that the app reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NetworkState {
    /// Nothing: Larder tries. This is the default.
    #[default]
    Unknown,
    /// There is a network.
    Online,
    /// There is none, or the app wants none: Larder makes no network call at all.
    Offline,
}

/// The device's conditions, as the platform reports them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceConditions {
    /// The network state.
    pub network: NetworkState,
    /// True if the network costs the user by volume.
    pub is_metered: bool,
    /// True if the network is another operator's than the user's.
    pub is_roaming: bool,
    /// True while a charger is connected.
    pub is_charging: bool,
    /// How full the battery is, 0 to 100. `None` if unknown.
    pub battery_percent: Option<u8>,
    /// True if the platform says that storage runs low.
    pub is_storage_low: bool,
}
