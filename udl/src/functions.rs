//! The contract's free functions.

use std::path::Path;
use std::sync::Arc;

use larder_core::compat::{self, PlayKitStatus};
use larder_core::{Code, manifest};

use crate::error::{FfiError, catching};
use crate::logging::{self, FfiLogSink, LogLevel};
use crate::records::{AssetStatus, InitData};

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
    catching(|| {
        let path = Path::new(&path);
        if !path.is_absolute() {
            return Err(FfiError::new(Code::RelativePath, "the path must be absolute"));
        }
        let protection = manifest::inspect(&manifest::find(path)?)?;
        Ok(protection.init_data.into_iter().map(InitData::from).collect())
    })
}

/// What PlayKit's `checkAssetStatus` reported for such an asset.
pub fn play_kit_status(status: AssetStatus) -> PlayKitStatus {
    const NO_INFORMATION: PlayKitStatus =
        PlayKitStatus { expiry_time_seconds: -1, available_time_seconds: -1, is_registered: false };
    status.try_into().map_or(NO_INFORMATION, |status| compat::play_kit_status(&status))
}
