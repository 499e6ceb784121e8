//! The JSON that the command prints. Its fields are stable: some may be added, none changes its meaning.
//! Documented in `docs/guides/command.md`, which a test compares with what is printed.

use larder_core::assets::{AssetInfo, ReconcileReport, UnregisterResult};
use larder_core::model::{AssetId, AssetStatus, Expiry, InitData, LicenseStatus};
use serde::Serialize;

use crate::names;

#[derive(Serialize)]
pub(crate) struct StatusShape {
    asset_id: String,
    is_registered: bool,
    is_playable: bool,
    why: &'static str,
    message: String,
    remedy: &'static str,
    expires: ExpiryShape,
    playback_expires: ExpiryShape,
    playback_window_seconds: Option<u64>,
    licenses: Vec<LicenseShape>,
    media: &'static str,
    warnings: Vec<&'static str>,
    format: Option<&'static str>,
    root: Option<String>,
    pending_releases: u32,
    checked_at_ms: i64,
}

#[derive(Serialize)]
struct LicenseShape {
    license_id: String,
    scheme: &'static str,
    state: &'static str,
    expires: ExpiryShape,
    key_ids: Vec<String>,
    coverage: &'static str,
    granted_at_ms: i64,
}

/// `kind` is `never`, `at` or `unknown`; the rest is null unless it is `at`.
#[derive(Serialize)]
pub(crate) struct ExpiryShape {
    kind: &'static str,
    at_ms: Option<i64>,
    remaining_seconds: Option<u64>,
}

impl StatusShape {
    pub(crate) fn new(status: &AssetStatus) -> Self {
        let now_ms = status.checked_at_ms;
        Self {
            asset_id: status.asset_id.as_str().to_owned(),
            is_registered: status.is_registered,
            is_playable: status.is_playable,
            why: names::why(status.why),
            message: status.message.clone(),
            remedy: names::remedy(status.remedy),
            expires: ExpiryShape::new(status.expires, now_ms),
            playback_expires: ExpiryShape::new(status.playback_expires, now_ms),
            playback_window_seconds: status.playback_window_seconds,
            licenses: status.licenses.iter().map(|license| LicenseShape::new(license, now_ms)).collect(),
            media: names::presence(status.media),
            warnings: status.warnings.iter().map(|warning| names::warning(*warning)).collect(),
            format: status.format.map(|format| format.as_str()),
            root: status.root.clone(),
            pending_releases: status.pending_releases,
            checked_at_ms: now_ms,
        }
    }
}

impl LicenseShape {
    fn new(license: &LicenseStatus, now_ms: i64) -> Self {
        Self {
            license_id: license.license_id.as_str().to_owned(),
            scheme: license.scheme.as_str(),
            state: license.state.as_str(),
            expires: ExpiryShape::new(license.expires, now_ms),
            key_ids: license.key_ids.iter().map(|id| id.to_hex()).collect(),
            coverage: names::coverage(license.coverage),
            granted_at_ms: license.granted_at_ms,
        }
    }
}

impl ExpiryShape {
    fn new(expiry: Expiry, now_ms: i64) -> Self {
        let (kind, at_ms) = match expiry {
            Expiry::Never => ("never", None),
            Expiry::Unknown => ("unknown", None),
            Expiry::At(at_ms) => ("at", Some(at_ms)),
        };
        Self { kind, at_ms, remaining_seconds: expiry.remaining_seconds(now_ms) }
    }
}

#[derive(Serialize)]
pub(crate) struct AssetShape {
    asset_id: String,
    entry_id: String,
    path: String,
    root: Option<String>,
    format: &'static str,
    is_protected: bool,
    registered_at_ms: i64,
}

impl AssetShape {
    pub(crate) fn new(asset: &AssetInfo) -> Self {
        Self {
            asset_id: asset.asset_id.as_str().to_owned(),
            entry_id: asset.entry_id.clone(),
            path: asset.path.to_string_lossy().into_owned(),
            root: asset.root.clone(),
            format: asset.format.as_str(),
            is_protected: asset.is_protected,
            registered_at_ms: asset.registered_at_ms,
        }
    }
}

#[derive(Serialize)]
pub(crate) struct UrlShape {
    pub(crate) url: Option<String>,
    pub(crate) is_local: bool,
}

#[derive(Serialize)]
pub(crate) struct UnregisteredShape {
    was_registered: bool,
    pending_releases: u32,
}

impl UnregisteredShape {
    pub(crate) fn new(done: UnregisterResult) -> Self {
        Self { was_registered: done.was_registered, pending_releases: done.pending_releases }
    }
}

#[derive(Serialize)]
pub(crate) struct ReconcileReportShape {
    released: u32,
    forgotten: u32,
    pending: u32,
    foreign: u32,
    held: Option<u32>,
    is_crowded: bool,
}

impl ReconcileReportShape {
    pub(crate) fn new(done: ReconcileReport) -> Self {
        let is_crowded = done.is_crowded();
        let ReconcileReport { released, forgotten, pending, foreign, held } = done;
        Self { released, forgotten, pending, foreign, held, is_crowded }
    }
}

/// The metadata that the app stored with an asset, in base64; null if there is none.
#[derive(Serialize)]
pub(crate) struct MetadataShape {
    asset_id: String,
    metadata: Option<String>,
}

impl MetadataShape {
    pub(crate) fn new(id: &AssetId, metadata: Option<&[u8]>) -> Self {
        Self { asset_id: id.as_str().to_owned(), metadata: metadata.map(base64) }
    }
}

/// One entry of `init-data`; `scheme` is null for a key system that Larder does not know.
#[derive(Serialize)]
pub(crate) struct InitDataShape {
    scheme: Option<&'static str>,
    system_id: Option<String>,
    key_ids: Vec<String>,
    pssh: Option<String>,
    uri: Option<String>,
    tracks: Vec<TrackShape>,
}

#[derive(Serialize)]
struct TrackShape {
    kind: &'static str,
    name: String,
}

impl InitDataShape {
    pub(crate) fn new(found: &InitData) -> Self {
        Self {
            scheme: found.scheme.map(|scheme| scheme.as_str()),
            system_id: found.system_id.as_ref().map(uuid),
            key_ids: found.key_ids.iter().map(|id| id.to_hex()).collect(),
            pssh: found.pssh.as_deref().map(base64),
            uri: found.uri.clone(),
            tracks: found
                .tracks
                .iter()
                .map(|track| TrackShape { kind: track.kind.as_str(), name: track.name.clone() })
                .collect(),
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn uuid(bytes: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}
