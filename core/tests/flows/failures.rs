//! Failures during a registration: of storages, networks and servers, and cancellation. Each gives a typed error and
//! leaves no partial registration. Also the app's own code: adapters, tokens and source URL providers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::test_device::{TestDevice, id, reconcile_all, register};
use larder_core::assets::{LocalAssetsManager, Refresh, SourceUrlMode, SourceUrlOrder, Verify};
use larder_core::model::{AssetId, PlayabilityReason, RenewalPolicy};
use larder_core::ports::{
    ExchangeAnswer, LicenseRequest, LicenseResponse, NetworkState, RequestAdapter, SourceUrlProvider, TokenProvider,
};
use larder_core::{Cancellation, Code, Remedy, Result};
use larder_testkit::{Action, Mood, Rule, StorageCall};

#[test]
fn broken_storage_gives_a_typed_error_and_no_asset() {
    for (call, mood, code) in [
        (StorageCall::Save, Mood::Losing, Code::StorageLost),
        (StorageCall::Save, Mood::Lying, Code::StorageLost),
        (StorageCall::Save, Mood::Failing, Code::StorageFailed),
        (StorageCall::Save, Mood::Hanging, Code::StorageTimeout),
        (StorageCall::Save, Mood::Panicking, Code::StorageFailed),
        (StorageCall::Load, Mood::Losing, Code::StorageLost),
        (StorageCall::Load, Mood::Lying, Code::StorageLost),
        (StorageCall::Load, Mood::Failing, Code::StorageFailed),
        (StorageCall::Load, Mood::Hanging, Code::StorageTimeout),
        (StorageCall::Load, Mood::Panicking, Code::StorageFailed),
    ] {
        let mut device = TestDevice::new();
        if mood == Mood::Hanging {
            device.timeouts.delegate = Duration::from_secs(1);
        }
        let manager = device.start();
        device.storage.set(call, mood);
        let error = register(&manager, device.widevine("film", RenewalPolicy::default())).unwrap_err();
        assert_eq!(error.code(), code, "{call:?} {mood:?}: {error}");
        assert_eq!(manager.status(&id("film")).unwrap().why, PlayabilityReason::NotRegistered, "{call:?} {mood:?}");
        device.storage.set(call, Mood::Faithful);
        device.storage.let_go();
        reconcile_all(&manager);
        assert_eq!(device.live(), 0, "{call:?} {mood:?}: the license was released");
        assert!(device.widevine.key_set_ids().is_empty(), "{call:?} {mood:?}");
        assert!(register(&manager, device.widevine("film", RenewalPolicy::default())).unwrap().is_playable);
    }
}

/// Follows the remedy of the status.
#[test]
fn registering_again_replaces_a_license_that_storage_or_cdm_have_lost() {
    let device = TestDevice::new();
    let manager = device.start();
    let registration = || device.widevine("film", RenewalPolicy::default());
    let all = Verify { media: true, licenses: true };
    let lose: [&dyn Fn(); 3] = [
        &|| device.storage.tamper(&device.storage.keys().remove(0), None),
        &|| device.storage.tamper(&device.storage.keys().remove(0), Some(b"something else".to_vec())),
        &|| assert!(device.widevine.key_set_ids().iter().all(|id| device.widevine.vanish(id).unwrap())),
    ];
    for (round, lose) in lose.into_iter().enumerate() {
        register(&manager, registration()).unwrap();
        lose();
        let status = manager.verify_asset(&id("film"), all).unwrap();
        assert_eq!((status.is_playable, status.remedy), (false, Remedy::Reregister), "{round}");
        register(&manager, registration()).unwrap();
        assert!(manager.verify_asset(&id("film"), all).unwrap().is_playable, "{round}");
        reconcile_all(&manager);
        assert_eq!(device.widevine.key_set_ids().len(), 1, "{round}: the CDM still knew what the storage had lost");
    }
    // A license that cannot be checked is not taken for lost.
    let issued = device.servers.book().licenses.len();
    device.storage.set(StorageCall::Load, Mood::Failing);
    assert!(register(&manager, registration()).unwrap().is_playable);
    assert_eq!(device.servers.book().licenses.len(), issued);
}

#[test]
fn refresh_replaces_a_license_that_the_storage_has_lost_or_changed() {
    let device = TestDevice::new();
    let manager = device.start();
    for tampered in [None, Some(b"something else".to_vec())] {
        register(&manager, device.widevine("film", RenewalPolicy::default())).unwrap();
        let key = device.storage.keys().remove(0);
        device.storage.tamper(&key, tampered);
        let status = manager.verify_asset(&id("film"), Verify { media: false, licenses: true }).unwrap();
        assert_eq!((status.why, status.is_playable), (PlayabilityReason::LicenseUnreadable, false));
        let healed = manager.refresh(&id("film"), Refresh::default(), &Cancellation::new()).unwrap();
        assert!(healed.is_playable);
        manager.unregister(&id("film")).unwrap();
        reconcile_all(&manager);
    }
}

#[test]
fn every_fault_of_a_license_server_has_a_code_and_leaves_no_trace() {
    let mut device = TestDevice::new();
    device.timeouts.network = Duration::from_secs(2);
    let manager = device.start();
    let status = |status| Action::Status { status, retry_after_seconds: None };
    for (what, action, code) in [
        ("400", status(400), Code::ServerRejected),
        ("401", status(401), Code::Unauthorized),
        ("403", status(403), Code::Unauthorized),
        ("500", status(500), Code::ServerFailed),
        ("empty", Action::Empty, Code::LicenseEmpty),
        ("web page", Action::Html, Code::LicenseNotALicense),
        ("garbage", Action::Garbage, Code::Network),
        ("reset", Action::Reset, Code::Network),
        ("redirect loop", Action::RedirectLoop { status: 307 }, Code::Redirect),
        ("hangs", Action::Hang, Code::Timeout),
    ] {
        device.servers.add_fault(Rule::on("/clearkey/license", action)).unwrap();
        let error = register(&manager, device.clear_key("film")).unwrap_err();
        assert_eq!(error.code(), code, "{what}: {error}");
        device.servers.clear_faults().unwrap();
        assert_eq!(manager.status(&id("film")).unwrap().why, PlayabilityReason::NotRegistered, "{what}");
        assert!(device.storage.keys().is_empty(), "{what}");
        assert!(manager.diagnostics().unwrap().contains("\"licenses\":[]"), "{what}");
    }
    assert!(register(&manager, device.clear_key("film")).unwrap().is_playable);
}

#[test]
fn cancelled_registration_leaves_nothing_behind() {
    let device = Arc::new(TestDevice::new());
    let manager = Arc::new(device.start());
    let early = Cancellation::new();
    early.cancel();
    let error = manager.register(device.widevine("film", RenewalPolicy::default()), &early).unwrap_err();
    assert_eq!(error.code(), Code::Cancelled);
    // Cancelled during a call of the CDM: the call ends, then the license is released.
    use larder_testkit::cdm::{Call, Moment, Trouble};
    for moment in [Moment::Start, Moment::BeforeSend, Moment::AfterSend, Moment::BeforeReturn] {
        device.widevine.script().plan(Call::Acquire, moment, Trouble::Hang, 1);
        let cancel = Cancellation::new();
        let (shared, token, registration) =
            (Arc::clone(&manager), cancel.clone(), device.widevine("film", RenewalPolicy::default()));
        let call = std::thread::spawn(move || shared.register(registration, &token));
        assert!(device.widevine.script().wait_until_hanging());
        cancel.cancel();
        device.widevine.script().let_go();
        assert_eq!(call.join().unwrap().unwrap_err().code(), Code::Cancelled, "{moment:?}");
        assert_eq!(manager.status(&id("film")).unwrap().why, PlayabilityReason::NotRegistered);
        reconcile_all(&manager);
        assert!(device.widevine.key_set_ids().is_empty(), "{moment:?}");
        assert!(device.storage.keys().is_empty(), "{moment:?}");
    }
}

#[test]
fn concurrent_calls_leave_one_license_per_registered_asset() {
    let device = Arc::new(TestDevice::new());
    let manager = Arc::new(device.start());
    let threads: Vec<_> = (0..24)
        .map(|number| {
            let (device, manager) = (Arc::clone(&device), Arc::clone(&manager));
            std::thread::spawn(move || {
                let name = format!("film{}", number % 6);
                register(&manager, device.clear_key(&name)).unwrap();
                manager.status(&id(&name)).unwrap();
                manager.statuses().unwrap();
                if number % 3 == 0 {
                    manager.unregister(&id(&name)).unwrap();
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    reconcile_all(&manager);
    let registered = manager.assets().unwrap().len();
    assert_eq!(device.live(), registered);
    assert_eq!(device.storage.keys().len(), registered);
    manager.remove_all().unwrap();
    reconcile_all(&manager);
    assert_eq!(device.live(), 0);
}

#[test]
fn concurrent_registrations_of_one_asset_get_one_license() {
    let device = Arc::new(TestDevice::new());
    let manager = Arc::new(device.start());
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (device, manager) = (Arc::clone(&device), Arc::clone(&manager));
            std::thread::spawn(move || register(&manager, device.clear_key("film")).unwrap())
        })
        .collect();
    let statuses: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert!(statuses.windows(2).all(|pair| pair[0].licenses == pair[1].licenses));
    assert_eq!(device.servers.book().licenses.len(), 1);
}

struct ScriptedUrls(AtomicU32);

impl SourceUrlProvider for ScriptedUrls {
    fn url(&self, _entry_id: &str, current_url: Option<&str>) -> Result<Option<String>> {
        match self.0.fetch_add(1, Ordering::SeqCst) {
            0 => Ok(Some("https://cdn/one".into())),
            1 => Ok(None),
            2 => panic!("an app's exception"),
            _ => Ok(current_url.map(|url| format!("{url}#seen"))),
        }
    }
}

#[test]
fn source_url_is_requested_at_every_playback_and_never_cached() {
    let mut device = TestDevice::new();
    device.source_urls = Some(Arc::new(ScriptedUrls(AtomicU32::new(0))));
    let manager = device.start();
    register(&manager, device.clear_key("film")).unwrap();
    let ask = |manager: &LocalAssetsManager| manager.source_url("film", Some("https://cdn/now")).unwrap();
    manager.set_source_url_mode(SourceUrlMode::LocalAlways, SourceUrlOrder::AppFirst).unwrap();
    let local = manager.local_media_source(&id("film"), None).unwrap().url;
    assert_eq!(ask(&manager).as_deref(), Some("https://cdn/one"));
    assert_eq!(ask(&manager).as_ref(), Some(&local), "the app keeps the current URL, so the registry answers");
    assert_eq!(ask(&manager).as_ref(), Some(&local), "a failing provider does not stop the playback");
    assert_eq!(ask(&manager).as_deref(), Some("https://cdn/now#seen"));
    manager.set_source_url_mode(SourceUrlMode::LocalAlways, SourceUrlOrder::RegistryFirst).unwrap();
    assert_eq!(ask(&manager).as_ref(), Some(&local));
}

#[test]
fn registry_answers_by_its_mode_and_only_for_playable_assets() {
    let device = TestDevice::new();
    let manager = device.start();
    register(&manager, device.clear_key("film")).unwrap();
    let ask = || manager.source_url("film", None).unwrap().is_some();
    assert!(!ask(), "off by default");
    manager.set_source_url_mode(SourceUrlMode::LocalWhenOffline, SourceUrlOrder::AppFirst).unwrap();
    assert!(!ask());
    manager.set_network_state(NetworkState::Offline).unwrap();
    assert!(ask());
    manager.set_network_state(NetworkState::Online).unwrap();
    assert!(!ask());
    manager.set_source_url_mode(SourceUrlMode::LocalAlways, SourceUrlOrder::AppFirst).unwrap();
    assert!(ask());
    assert!(manager.source_url("unknown", None).unwrap().is_none());
    device.clock.advance_seconds(31 * 86_400);
    assert!(!ask(), "an expired title is streamed instead");
    manager.unregister(&id("film")).unwrap();
    assert!(!ask());
}

struct UrlRewriter;

impl RequestAdapter for UrlRewriter {
    fn adapt(&self, mut request: LicenseRequest) -> Result<LicenseRequest> {
        request.url = request.url.replace("/wrong/", "/clearkey/");
        request.headers.push(("x-app".into(), request.asset_id.as_str().into()));
        Ok(request)
    }
    fn parse(&self, _response: LicenseResponse) -> Result<Option<ExchangeAnswer>> {
        Ok(None)
    }
}

#[test]
fn request_adapter_changes_the_requests_of_registrations() {
    let mut device = TestDevice::new();
    device.adapter = Some(Arc::new(UrlRewriter));
    let manager = device.start();
    let mut registration = device.clear_key("film");
    registration.source.drm[0].license_url = device.servers.url("/wrong/license");
    assert!(register(&manager, registration).unwrap().is_playable);
    let request = device.servers.requests().pop().unwrap();
    assert!(format!("{request:?}").contains("/clearkey/license"), "{request:?}");
}

struct Tokens(AtomicU32);

impl TokenProvider for Tokens {
    fn authorization(&self, _asset_id: &AssetId, rejected: bool) -> Result<Option<String>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(Some(if rejected { "Bearer fresh" } else { "Bearer stale" }.into()))
    }
}

#[test]
fn rejected_token_is_renewed_once() {
    let mut device = TestDevice::new();
    let tokens = Arc::new(Tokens(AtomicU32::new(0)));
    device.tokens = Some(Arc::clone(&tokens) as _);
    let mut policy = device.servers.policy();
    policy.require_token = Some("fresh".into());
    device.servers.set_policy(policy.clone());
    let manager = device.start();
    assert!(register(&manager, device.clear_key("film")).unwrap().is_playable);
    assert_eq!(tokens.0.load(Ordering::SeqCst), 2);
    policy.require_token = Some("another".into());
    device.servers.set_policy(policy);
    let error = register(&manager, device.clear_key("other")).unwrap_err();
    assert_eq!(error.code(), Code::Unauthorized);
    assert_eq!(tokens.0.load(Ordering::SeqCst), 4, "one renewal, no loop");
}
