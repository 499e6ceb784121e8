//! Import of titles whose licenses another library has stored. The other library is a second manager on the same
//! device, with a folder and a storage of its own.

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

/// The handle of a license for the two-key title that the other library has acquired.
fn license_of_other_library(device: &TestDevice) -> Handle {
    let other = other_library(device);
    let status = register(&other, device.widevine("other", RenewalPolicy::AcquireThenRelease)).unwrap();
    other.license_handle(&status.licenses[0].license_id).unwrap()
}

fn other_library(device: &TestDevice) -> LocalAssetsManager {
    let config = Config { data_dir: device.folder.path().join("other"), ..device.config() };
    let ports = Ports { storage: Arc::new(ScriptedStorage::default()), ..device.ports() };
    LocalAssetsManager::open(config, ports).unwrap()
}

fn import_of(registration: AssetRegistration, handle: &Handle, expires: Expiry) -> AssetImport {
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
fn imported_title_plays_without_a_network() {
    let device = TestDevice::new();
    let handle = license_of_other_library(&device);
    device.servers.stop().unwrap();
    let manager = device.start();
    manager.set_network_state(NetworkState::Offline).unwrap();
    let asset = import_of(widevine(&device, "film"), &handle, Expiry::Unknown);
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
    let handle = license_of_other_library(&device);
    let manager = device.start();
    let again = || import_of(widevine(&device, "film"), &handle, Expiry::At(5_000_000_000_000));
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
fn license_shared_by_two_titles_is_released_with_the_second_one() {
    let device = TestDevice::new();
    let handle = license_of_other_library(&device);
    let manager = device.start();
    let assets = ["one", "two"].map(|name| import_of(widevine(&device, name), &handle, Expiry::Unknown));
    assert_eq!(import(&manager, assets.into()), [None, None]);

    manager.unregister(&id("one")).unwrap();
    reconcile_all(&manager);
    assert_eq!(device.widevine.key_set_ids(), std::slice::from_ref(&handle), "the second title still uses the license");
    assert!(manager.status(&id("two")).unwrap().is_playable);

    manager.unregister(&id("two")).unwrap();
    reconcile_all(&manager);
    assert!(device.widevine.key_set_ids().is_empty(), "no title uses the license any more");
    assert_eq!(device.live(), 0);
}

#[test]
fn refreshing_one_title_leaves_the_shared_license_to_the_other() {
    for policy in [RenewalPolicy::AcquireThenRelease, RenewalPolicy::InPlace, RenewalPolicy::ReleaseThenAcquire] {
        let device = TestDevice::new();
        device.widevine.switch(|device| device.keeps_handle = false);
        let handle = license_of_other_library(&device);
        let manager = device.start();
        let assets = ["one", "two"].map(|name| import_of(device.widevine(name, policy), &handle, Expiry::Unknown));
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
        // The license is not shared any more, so it is renewed by the policy.
        manager.refresh(&id("two"), Refresh::default(), &Cancellation::new()).unwrap();
        reconcile_all(&manager);
        assert_eq!((device.live(), device.widevine.key_set_ids().len()), (2, 2), "{policy:?}");
    }
}

#[test]
fn failed_import_is_reported_for_its_asset_and_does_not_stop_the_others() {
    let device = TestDevice::new();
    let handle = license_of_other_library(&device);
    let manager = device.start();
    let nowhere = AssetRegistration { path: device.path("gone"), ..widevine(&device, "nowhere") };
    let bare = AssetImport { registration: widevine(&device, "bare"), licenses: vec![] };
    let imports = vec![
        import_of(nowhere, &handle, Expiry::Never),
        bare,
        import_of(widevine(&device, "vanished"), &Handle::new(*b"no such"), Expiry::Unknown),
        import_of(widevine(&device, "empty"), &Handle::new([]), Expiry::Never),
        AssetImport { registration: device.clear("clear"), licenses: vec![] },
        import_of(widevine(&device, "film"), &handle, Expiry::Never),
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
    assert_eq!(device.storage.keys().len(), 1, "failed imports leave no handle");
}

#[test]
fn title_is_imported_with_unknown_expiry_when_the_cdm_is_busy() {
    let device = TestDevice::new();
    let handle = license_of_other_library(&device);
    let manager = device.start();
    device.widevine.script().plan(Call::Inspect, Moment::Start, Trouble::Fail(Code::CdmBusy), 1);
    assert_eq!(import(&manager, vec![import_of(widevine(&device, "film"), &handle, Expiry::Unknown)]), [None]);
    let status = manager.status(&id("film")).unwrap();
    assert_eq!((status.is_playable, status.expires), (true, Expiry::Unknown));
}

#[test]
fn failing_storage_leaves_nothing_and_the_next_import_succeeds() {
    let device = TestDevice::new();
    let handle = license_of_other_library(&device);
    let manager = device.start();
    device.storage.set_times(StorageCall::Save, Mood::Failing, 1);
    let asset = || import_of(widevine(&device, "film"), &handle, Expiry::Never);
    assert_eq!(import(&manager, vec![asset()]), [Some(Code::StorageFailed)]);
    assert_eq!(manager.status(&id("film")).unwrap().why, PlayabilityReason::NotRegistered);
    assert_eq!(import(&manager, vec![asset()]), [None]);
    reconcile_all(&manager);
    assert!(device.widevine.key_set_ids().contains(&handle), "an import never releases");
}

#[test]
fn source_without_drm_parameters_plays_and_its_refresh_fails() {
    let device = TestDevice::new();
    let handle = license_of_other_library(&device);
    let manager = device.start();
    let registration = device.registration("film", "dash-cenc", vec![]);
    assert_eq!(import(&manager, vec![import_of(registration, &handle, Expiry::Never)]), [None]);
    assert!(manager.status(&id("film")).unwrap().is_playable);
    let error = manager.refresh(&id("film"), Refresh::default(), &Cancellation::new()).unwrap_err();
    assert_eq!(error.code(), Code::DrmParamsMissing);
    let source = widevine(&device, "film").source;
    let refresh = Refresh { source: Some(source), metadata: None };
    assert!(manager.refresh(&id("film"), refresh, &Cancellation::new()).unwrap().is_playable);
}

#[test]
fn exchange_for_unregistered_media_reaches_the_servers() {
    let device = TestDevice::new();
    let manager = device.start();
    let source = device.fair_play("film").source;
    let ask = |source: &MediaSource, kind| {
        let message = ExchangeMessage { kind, url: None, body: b"not an SPC".to_vec() };
        manager.exchange(&id("film"), source, DrmScheme::FairPlay, message)
    };
    assert!(!ask(&source, ExchangeKind::Certificate).unwrap().body.is_empty());
    assert!(ask(&source, ExchangeKind::License).is_err(), "the server rejects the message");
    assert_eq!(device.servers.counts().requests, 2);
    manager.set_network_state(NetworkState::Offline).unwrap();
    assert_eq!(ask(&source, ExchangeKind::License).unwrap_err().code(), Code::Offline);
    manager.set_network_state(NetworkState::Unknown).unwrap();
    let other = MediaSource { drm: vec![DrmParams::new(DrmScheme::Widevine, "https://x/")], ..source };
    assert_eq!(ask(&other, ExchangeKind::License).unwrap_err().code(), Code::DrmParamsMissing);
}
