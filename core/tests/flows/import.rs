//! Titles whose licenses another library has stored. That library is a second manager here, over a folder and a storage
//! of its own, on the same device.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test says what it expects")]

use std::sync::Arc;

use crate::test_device::{TestDevice, id, reconcile_all, register};
use larder_core::assets::{AssetImport, Config, LicenseImport, LocalAssetsManager, Ports, Refresh};
use larder_core::model::license::Handle;
use larder_core::model::{
    AssetRegistration, DrmParams, DrmScheme, Expiry, MediaSource, PlayabilityReason, RenewalPolicy,
};
use larder_core::ports::{ExchangeKind, ExchangeMessage, NetworkState};
use larder_core::{Cancellation, Code};
use larder_testkit::cdm::{Call, Moment, Trouble};
use larder_testkit::{Mood, ScriptedStorage, StorageCall};

/// A handle that the other library has got for the two-key title, by its own means.
fn others_license(device: &TestDevice) -> Handle {
    let other = other_library(device);
    let status = register(&other, device.widevine("theirs", RenewalPolicy::AcquireThenRelease)).unwrap();
    other.license_handle(&status.licenses[0].license_id).unwrap()
}

fn other_library(device: &TestDevice) -> LocalAssetsManager {
    let config = Config { data_dir: device.folder.path().join("other"), ..device.config() };
    let ports = Ports { storage: Arc::new(ScriptedStorage::default()), ..device.ports() };
    LocalAssetsManager::open(config, ports).unwrap()
}

fn with(registration: AssetRegistration, handle: &Handle, expires: Expiry) -> AssetImport {
    let license = LicenseImport {
        scheme: DrmScheme::Widevine,
        handle: handle.clone(),
        init_data: None,
        expires,
        playback_window_seconds: None,
    };
    AssetImport { registration, licenses: vec![license] }
}

fn import(manager: &LocalAssetsManager, assets: Vec<AssetImport>) -> Vec<Option<Code>> {
    let imports = manager.import(assets, &Cancellation::new()).unwrap();
    imports.into_iter().map(|import| import.error.map(|error| error.code())).collect()
}

fn widevine(device: &TestDevice, name: &str) -> AssetRegistration {
    device.widevine(name, RenewalPolicy::AcquireThenRelease)
}

#[test]
fn an_imported_title_plays_without_any_network() {
    let device = TestDevice::new();
    let handle = others_license(&device);
    device.servers.stop().unwrap();
    let manager = device.start();
    manager.set_network_state(NetworkState::Offline).unwrap();
    let asset = with(widevine(&device, "film"), &handle, Expiry::Unknown);
    assert_eq!(import(&manager, vec![asset]), [None]);
    let status = manager.status(&id("film")).unwrap();
    assert!(status.is_playable, "{}", status.message);
    assert!(matches!(status.expires, Expiry::At(_)), "the CDM was asked: {:?}", status.expires);
    let source = manager.local_media_source(&id("film"), None).unwrap();
    assert_eq!(manager.license_handle(&source.licenses[0].license_id).unwrap(), handle);
    assert_eq!(manager.requests_made(), 0);
}

#[test]
fn importing_again_changes_nothing() {
    let device = TestDevice::new();
    let handle = others_license(&device);
    let manager = device.start();
    let again = || with(widevine(&device, "film"), &handle, Expiry::At(5_000_000_000_000));
    assert_eq!(import(&manager, vec![again(), again()]), [None, None]);
    let before = manager.status(&id("film")).unwrap().licenses;
    drop(manager);
    let manager = device.start();
    assert_eq!(import(&manager, vec![again()]), [None]);
    let after = manager.status(&id("film")).unwrap().licenses;
    assert_eq!((before.len(), &before[0].license_id), (1, &after[0].license_id));
    assert_eq!(after[0].expires, Expiry::At(5_000_000_000_000));
}

#[test]
fn two_titles_that_share_a_license_do_not_take_it_from_each_other() {
    let device = TestDevice::new();
    let handle = others_license(&device);
    let manager = device.start();
    let assets = ["one", "two"].map(|name| with(widevine(&device, name), &handle, Expiry::Unknown));
    assert_eq!(import(&manager, assets.into()), [None, None]);

    manager.unregister(&id("one")).unwrap();
    reconcile_all(&manager);
    assert_eq!(device.widevine.key_set_ids(), std::slice::from_ref(&handle), "the second still plays with it");
    assert!(manager.status(&id("two")).unwrap().is_playable);

    manager.unregister(&id("two")).unwrap();
    reconcile_all(&manager);
    assert!(device.widevine.key_set_ids().is_empty(), "nobody uses it any more");
    assert_eq!(device.live(), 0);
}

#[test]
fn a_refresh_of_one_leaves_the_shared_license_to_the_other() {
    for policy in [RenewalPolicy::AcquireThenRelease, RenewalPolicy::InPlace, RenewalPolicy::ReleaseThenAcquire] {
        let device = TestDevice::new();
        device.widevine.switch(|device| device.keeps_handle = false);
        let handle = others_license(&device);
        let manager = device.start();
        let assets = ["one", "two"].map(|name| with(device.widevine(name, policy), &handle, Expiry::Unknown));
        import(&manager, assets.into());
        manager.refresh(&id("one"), Refresh::default(), &Cancellation::new()).unwrap();
        reconcile_all(&manager);
        let of = |name| {
            let source = manager.local_media_source(&id(name), None).unwrap();
            manager.license_handle(&source.licenses[0].license_id).unwrap()
        };
        assert_ne!(of("one"), handle, "{policy:?}");
        assert_eq!(of("two"), handle, "{policy:?}");
        assert!(device.widevine.key_set_ids().contains(&handle), "{policy:?}");
        // Alone, it is renewed as the policy says.
        manager.refresh(&id("two"), Refresh::default(), &Cancellation::new()).unwrap();
        reconcile_all(&manager);
        assert_eq!((device.live(), device.widevine.key_set_ids().len()), (2, 2), "{policy:?}");
    }
}

#[test]
fn a_failure_names_its_asset_and_stops_nobody() {
    let device = TestDevice::new();
    let handle = others_license(&device);
    let manager = device.start();
    let nowhere = AssetRegistration { path: device.path("gone"), ..widevine(&device, "nowhere") };
    let bare = AssetImport { registration: widevine(&device, "bare"), licenses: vec![] };
    let imports = vec![
        with(nowhere, &handle, Expiry::Never),
        bare,
        with(widevine(&device, "vanished"), &Handle::new(*b"no such"), Expiry::Unknown),
        with(widevine(&device, "empty"), &Handle::new([]), Expiry::Never),
        AssetImport { registration: device.clear("clear"), licenses: vec![] },
        with(widevine(&device, "film"), &handle, Expiry::Never),
    ];
    let expected = [
        Some(Code::MediaNotFound),
        Some(Code::LicenseMissing),
        Some(Code::LicenseVanished),
        Some(Code::InvalidArgument),
        None,
        None,
    ];
    assert_eq!(import(&manager, imports), expected);
    let registered: Vec<_> = manager.assets().unwrap().into_iter().map(|asset| asset.asset_id).collect();
    assert_eq!(registered, [id("clear"), id("film")]);
    assert_eq!(device.storage.keys().len(), 1, "what was not imported left nothing");
}

#[test]
fn a_cdm_that_says_nothing_now_does_not_cost_the_title() {
    let device = TestDevice::new();
    let handle = others_license(&device);
    let manager = device.start();
    device.widevine.script().plan(Call::Inspect, Moment::Start, Trouble::Fail(Code::CdmBusy), 1);
    assert_eq!(import(&manager, vec![with(widevine(&device, "film"), &handle, Expiry::Unknown)]), [None]);
    let status = manager.status(&id("film")).unwrap();
    assert_eq!((status.is_playable, status.expires), (true, Expiry::Unknown));
}

#[test]
fn a_storage_that_fails_leaves_nothing_and_the_next_import_succeeds() {
    let device = TestDevice::new();
    let handle = others_license(&device);
    let manager = device.start();
    device.storage.set_times(StorageCall::Save, Mood::Failing, 1);
    let asset = || with(widevine(&device, "film"), &handle, Expiry::Never);
    assert_eq!(import(&manager, vec![asset()]), [Some(Code::StorageFailed)]);
    assert_eq!(manager.status(&id("film")).unwrap().why, PlayabilityReason::NotRegistered);
    assert_eq!(import(&manager, vec![asset()]), [None]);
    reconcile_all(&manager);
    assert!(device.widevine.key_set_ids().contains(&handle), "an import never releases");
}

#[test]
fn a_source_without_parameters_plays_and_says_at_the_refresh_what_is_missing() {
    let device = TestDevice::new();
    let handle = others_license(&device);
    let manager = device.start();
    let registration = device.registration("film", "dash-cenc", vec![]);
    assert_eq!(import(&manager, vec![with(registration, &handle, Expiry::Never)]), [None]);
    assert!(manager.status(&id("film")).unwrap().is_playable);
    let error = manager.refresh(&id("film"), Refresh::default(), &Cancellation::new()).unwrap_err();
    assert_eq!(error.code(), Code::DrmParamsMissing);
    let source = widevine(&device, "film").source;
    let refresh = Refresh { source: Some(source), metadata: None };
    assert!(manager.refresh(&id("film"), refresh, &Cancellation::new()).unwrap().is_playable);
}

#[test]
fn media_that_is_not_registered_yet_can_ask_its_servers() {
    let device = TestDevice::new();
    let manager = device.start();
    let source = device.fair_play("film").source;
    let ask = |source: &MediaSource, kind| {
        let message = ExchangeMessage { kind, url: None, body: b"not an SPC".to_vec() };
        manager.exchange(&id("film"), source, DrmScheme::FairPlay, message)
    };
    assert!(!ask(&source, ExchangeKind::Certificate).unwrap().body.is_empty());
    assert!(ask(&source, ExchangeKind::License).is_err(), "the server was asked and refused");
    assert_eq!(device.servers.counts().requests, 2);
    manager.set_network_state(NetworkState::Offline).unwrap();
    assert_eq!(ask(&source, ExchangeKind::License).unwrap_err().code(), Code::Offline);
    manager.set_network_state(NetworkState::Unknown).unwrap();
    let other = MediaSource { drm: vec![DrmParams::new(DrmScheme::Widevine, "https://x/")], ..source };
    assert_eq!(ask(&other, ExchangeKind::License).unwrap_err().code(), Code::DrmParamsMissing);
}
