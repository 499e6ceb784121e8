//! Sample rows.

use std::path::Path;

use larder_core::model::license::Handle;
use larder_core::model::{
    AssetId, DrmParams, DrmScheme, Expiry, InitDataTrack, KeyCoverage, KeyId, KeyRequest, LicenseId, LicenseState,
    LicenseWire, MediaFormat, MediaSource, Profile, RenewalPolicy, SecurityLevel, TrackKind,
};
use larder_core::store::{AssetRow, AssetState, IntentKind, IntentOutcome, LicenseRow, Store, StoredPath};

/// Opens a store, and expects no notice.
pub(crate) fn open(dir: &Path) -> Store {
    let opened = Store::open(dir).unwrap();
    assert_eq!(opened.notice, None);
    opened.store
}

pub(crate) fn id(text: &str) -> AssetId {
    AssetId::new(text).unwrap()
}

pub(crate) fn license_id(number: u64) -> LicenseId {
    LicenseId::parse(&format!("{number:032x}")).unwrap()
}

pub(crate) fn key(byte: u8) -> KeyId {
    KeyId([byte; 16])
}

/// An asset with as few values as possible.
pub(crate) fn clear_asset(asset_id: &str) -> AssetRow {
    AssetRow {
        profile: Profile::default(),
        asset_id: id(asset_id),
        entry_id: asset_id.to_owned(),
        state: AssetState::Registered,
        path: StoredPath { root: None, path: format!("/media/{}", asset_id.len()), manifest: None },
        format: MediaFormat::Mp4,
        is_protected: false,
        source: MediaSource::default(),
        metadata: None,
        required_keys: Vec::new(),
        key_files_missing: false,
        registered_at_ms: 1,
        updated_at_ms: 2,
        playback_started_at_ms: None,
    }
}

/// An asset of which no field has its default.
pub(crate) fn full_asset(asset_id: &str) -> AssetRow {
    let track = |kind, name: &str| InitDataTrack { kind, name: name.to_owned() };
    AssetRow {
        profile: Profile::new("user 7").unwrap(),
        asset_id: id(asset_id),
        entry_id: "0_entry".to_owned(),
        state: AssetState::Registering,
        path: StoredPath {
            root: Some("documents".to_owned()),
            path: "films/ü 🍎".to_owned(),
            manifest: Some("sub/master.m3u8".to_owned()),
        },
        format: MediaFormat::Hls,
        is_protected: true,
        source: MediaSource {
            id: "source".to_owned(),
            url: "https://cdn.example/master.m3u8?token=s3cret".to_owned(),
            format: Some(MediaFormat::Hls),
            drm: vec![full_params(), DrmParams::new(DrmScheme::ClearKey, "https://ck.example/")],
        },
        metadata: Some(b"\x00\xff the app's own".to_vec()),
        required_keys: vec![
            (track(TrackKind::Video, "v1"), vec![key(9), key(3)]),
            (track(TrackKind::Audio, "a \"1\""), vec![key(3)]),
            (track(TrackKind::Text, ""), Vec::new()),
        ],
        key_files_missing: true,
        registered_at_ms: 1_700_000_000_000,
        updated_at_ms: 1_700_000_000_001,
        playback_started_at_ms: Some(1_700_000_000_002),
    }
}

pub(crate) fn full_params() -> DrmParams {
    DrmParams {
        scheme: DrmScheme::FairPlay,
        license_url: "https://license.example/?ks=s3cret".to_owned(),
        certificate: Some(vec![0, 1, 2, 255]),
        certificate_url: Some("https://license.example/cert".to_owned()),
        wire: LicenseWire::Udrm,
        renewal: RenewalPolicy::ReleaseThenAcquire,
        security_level: SecurityLevel::L3,
    }
}

/// A license with as few values as possible: an intent.
pub(crate) fn intent(number: u64, asset_id: &str) -> LicenseRow {
    let request = KeyRequest {
        scheme: DrmScheme::Widevine,
        init_data: Vec::new(),
        key_ids: Vec::new(),
        mime: String::new(),
        certificate: None,
        security_level: SecurityLevel::Default,
    };
    let params = DrmParams::new(DrmScheme::Widevine, "https://license.example/");
    LicenseRow::intended(license_id(number), Profile::default(), id(asset_id), request, params)
}

/// A license of which no field has its default.
pub(crate) fn full_license(number: u64, asset_id: &str) -> LicenseRow {
    LicenseRow {
        license_id: license_id(number),
        profile: Profile::new("user 7").unwrap(),
        asset_id: id(asset_id),
        state: LicenseState::Active,
        request: KeyRequest {
            scheme: DrmScheme::FairPlay,
            init_data: b"skd://s3cret".to_vec(),
            key_ids: vec![key(9), key(3)],
            mime: "video/mp4".to_owned(),
            certificate: Some(vec![7; 40]),
            security_level: SecurityLevel::L3,
        },
        params: full_params(),
        handle_digest: Some(Handle::new(*b"one").digest()),
        held_before: Some(vec![Handle::new(*b"two").digest(), Handle::new(*b"three").digest()]),
        replaces: Some(license_id(number + 1_000_000)),
        granted_at_ms: 1_700_000_000_003,
        expires: Expiry::At(1_800_000_000_000),
        playback_window_seconds: Some(172_800),
        coverage: KeyCoverage::Missing,
        key_ids: Some(vec![key(3)]),
        kind: IntentKind::Continuation,
        outcome: IntentOutcome::Unknown,
        lease_until_ms: Some(1_700_000_000_006),
        release_attempts: 4,
        next_attempt_at_ms: 1_700_000_000_004,
        last_error: Some("SERVER_FAILED".to_owned()),
        acquired_level: Some("L1".to_owned()),
    }
}
