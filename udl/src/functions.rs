//! The contract's free functions.

use std::path::Path;
use std::sync::Arc;

use larder_core::compat::{self, PlayKitStatus};
use larder_core::manifest::localize::{TrackAt, make_absolute};
use larder_core::model::MediaFormat;
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

/// The place of a track in its manifest. See `larder.udl`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FfiTrackAt {
    /// The period.
    pub period: i32,
    /// The adaptation set, or the kind.
    pub set: i32,
    /// The track in its set.
    pub track: i32,
}

/// Makes every reference of a manifest independent of the manifest's own place.
pub fn make_manifest_absolute(
    manifest: Vec<u8>,
    format: MediaFormat,
    url: String,
    kept: Option<Vec<FfiTrackAt>>,
) -> Result<Vec<u8>, FfiError> {
    catching(|| {
        let number = |index: usize| i32::try_from(index).unwrap_or(i32::MAX);
        let mut keeps = |at: TrackAt| {
            let at = FfiTrackAt { period: number(at.period), set: number(at.set), track: number(at.track) };
            kept.as_ref().is_none_or(|kept| kept.contains(&at))
        };
        Ok(make_absolute(&manifest, format, &url, &mut keeps)?)
    })
}

/// Converts a status to the values that PlayKit's `checkAssetStatus` reported.
pub fn play_kit_status(status: AssetStatus) -> PlayKitStatus {
    const NO_INFORMATION: PlayKitStatus =
        PlayKitStatus { expiry_time_seconds: -1, available_time_seconds: -1, is_registered: false };
    status.try_into().map_or(NO_INFORMATION, |status| compat::play_kit_status(&status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exported_manifest_lists_only_the_kept_tracks() {
        let playlist = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=2\nb.m3u8\n";
        let export = |kept| {
            let url = "https://host/film/main.m3u8?t=1".to_owned();
            let bytes = make_manifest_absolute(playlist.into(), MediaFormat::Hls, url, kept).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        assert!(export(None).contains("https://host/film/a.m3u8") && export(None).contains("https://host/film/b.m3u8"));
        let kept = export(Some(vec![FfiTrackAt { period: 0, set: 0, track: 1 }]));
        assert_eq!(kept, "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=2\nhttps://host/film/b.m3u8\n");
        let error = make_manifest_absolute(playlist.into(), MediaFormat::Hls, "a.m3u8".to_owned(), None).unwrap_err();
        assert!(format!("{error:?}").contains("URL_INVALID"), "{error:?}");
    }
}
