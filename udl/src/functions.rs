//! The contract's free functions.

use std::path::Path;
use std::sync::Arc;

use crate::error::FfiError;
use crate::logging::{self, FfiLogSink, LogLevel};
use crate::records::{AssetStatus, InitData, PlayKitStatus};

/// The version of the native library.
pub fn library_version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// Sends Larder's own log to a sink.
pub fn set_log_sink(sink: Option<Arc<dyn FfiLogSink>>, level: LogLevel) -> Result<(), FfiError> {
    logging::set_sink(sink, level)
}

/// Which key systems the media at `path` asks for, and with what.
pub fn find_init_data(path: String) -> Result<Vec<InitData>, FfiError> {
    let _ = Path::new(&path);
    Err(FfiError::new(larder_core::Code::Internal, "not implemented yet"))
}

/// What PlayKit's `checkAssetStatus` reported for such an asset.
pub fn play_kit_status(status: AssetStatus) -> PlayKitStatus {
    PlayKitStatus { expiry_time_seconds: 0, available_time_seconds: 0, is_registered: status.is_registered }
}
