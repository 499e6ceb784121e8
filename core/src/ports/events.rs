//! State changes and progress, from the core to the app.

use crate::model::AssetId;

/// Receives events about assets.
///
/// Called from one thread per manager, one call at a time, in order, never under a lock. A call may block; it delays later
/// events and nothing else. A panic is caught and the events of that call are not repeated.
pub trait EventSink: Send + Sync {
    /// Takes a batch of events, oldest first. Never empty.
    fn deliver(&self, events: Vec<AssetEvent>);
}

/// An event about one asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AssetEvent {
    /// The asset changed: read its status again. Never dropped; successive changes of one asset may arrive as one.
    Changed(AssetId),
    /// A transfer went on. Only the latest progress of an asset arrives, at most every 200 ms.
    Progress(Progress),
}

impl AssetEvent {
    /// The asset.
    pub fn asset_id(&self) -> &AssetId {
        match self {
            Self::Changed(asset_id) => asset_id,
            Self::Progress(progress) => &progress.asset_id,
        }
    }
}

/// The progress of one asset's transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The asset.
    pub asset_id: AssetId,
    /// Bytes that are stored.
    pub received_bytes: u64,
    /// Bytes in all; `None` if not known yet.
    pub total_bytes: Option<u64>,
    /// True if `total_bytes` is exact, false if it is an estimate.
    pub is_exact: bool,
}
