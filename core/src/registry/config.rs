//! The parts that a manager is made of: settings that the app gives, and objects that do its work on this platform.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::paths;
use crate::error::Result;
use crate::model::{Profile, StorageRoot};
use crate::ports::{
    Clock, DrmEngine, EventSink, Executors, HttpClient, LocalDrmStorage, NetworkState, RequestAdapter,
    SourceUrlProvider, TokenProvider,
};

/// The settings of a manager.
#[derive(Clone, Debug)]
pub struct Config {
    /// The absolute path of the folder for the database.
    pub data_dir: PathBuf,
    /// The named folders below which media lies.
    pub roots: Vec<StorageRoot>,
    /// The namespace of the app's current user.
    pub profile: Profile,
    /// The limits on how long calls may take.
    pub timeouts: Timeouts,
    /// The state of the network when the manager opens. `Offline` also keeps the background work that opening starts
    /// off the network; setting the state after opening would be too late for that.
    pub network: NetworkState,
}

impl Config {
    /// Checks the settings without touching the disk. Opening a manager does this first.
    ///
    /// Fails with `InvalidArgument` or `RelativePath`; the message names the setting.
    pub fn check(&self) -> Result<()> {
        paths::check(&self.data_dir)?;
        paths::check_roots(&self.roots)
    }
}

/// The limits on how long calls may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// One request to a server.
    pub network: Duration,
    /// One call of an engine, including its exchange with the server.
    pub engine: Duration,
    /// One call of the app's storage, adapter or provider.
    pub delegate: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { network: Duration::from_secs(15), engine: Duration::from_secs(60), delegate: Duration::from_secs(10) }
    }
}

/// The objects that the platform and the app provide.
#[derive(Clone)]
pub struct Ports {
    /// The CDMs, one engine per scheme. Of several for one scheme the first is used.
    pub engines: Vec<Arc<dyn DrmEngine>>,
    /// The secret storage.
    pub storage: Arc<dyn LocalDrmStorage>,
    /// The HTTP client for requests to license servers.
    pub http: Arc<dyn HttpClient>,
    /// The device's clock.
    pub clock: Arc<dyn Clock>,
    /// The app's adapter for requests to license servers.
    pub request_adapter: Option<Arc<dyn RequestAdapter>>,
    /// The app's provider of tokens for license servers.
    pub token_provider: Option<Arc<dyn TokenProvider>>,
    /// The app's own source URL provider.
    pub source_url_provider: Option<Arc<dyn SourceUrlProvider>>,
    /// The receiver of events; `None` if the app takes none.
    pub event_sink: Option<Arc<dyn EventSink>>,
    /// The threads for foreign code and for the core's own work.
    pub executors: Executors,
}
