//! What can go wrong around a registration: storages, networks, servers, disks, callers who change their mind, many at
//! once. Each gives a typed error; nothing is half done.

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
fn a_storage_that_loses_lies_fails_hangs_or_panics_gives_a_typed_error_and_no_asset() {
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
        assert_eq!(device.live(), 0, "{call:?} {mood:?}: the license went back");
        assert!(device.widevine.key_set_ids().is_empty(), "{call:?} {mood:?}");
        assert!(register(&manager, device.widevine("film", RenewalPolicy::default())).unwrap().is_playable);
    }
}

/// What the remedy says.
#[test]
fn registering_again_brings_back_what_storage_or_cdm_have_lost() {
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
    // What cannot be looked at is not taken for lost.
    let issued = device.servers.book().licenses.len();
    device.storage.set(StorageCall::Load, Mood::Failing);
    assert!(register(&manager, registration()).unwrap().is_playable);
    assert_eq!(device.servers.book().licenses.len(), issued);
}

#[test]
fn a_storage_that_forgets_later_is_noticed_and_a_refresh_heals_it() {
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
        ("redirects for ever", Action::RedirectLoop { status: 307 }, Code::Redirect),
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
fn a_cancelled_registration_leaves_nothing_behind() {
    let device = Arc::new(TestDevice::new());
    let manager = Arc::new(device.start());
    let early = Cancellation::new();
    early.cancel();
    let error = manager.register(device.widevine("film", RenewalPolicy::default()), &early).unwrap_err();
    assert_eq!(error.code(), Code::Cancelled);
    // Cancelled while the CDM is at work: it ends its step, then what it got goes back.
    use larder_testkit::cdm::{Call, Moment, Trouble};
    for moment in [Moment::Start, Moment::BeforeSend, Moment::AfterSend, Moment::BeforeReturn] {
        device.widevine.script().plan(Call::Acquire, moment, Trouble::Hang, 1);
        let cancel = Cancellation::new();
        let (theirs, asked, registration) =
            (Arc::clone(&manager), cancel.clone(), device.widevine("film", RenewalPolicy::default()));
        let call = std::thread::spawn(move || theirs.register(registration, &asked));
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
fn many_at_once_end_as_one_after_the_other() {
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
fn two_calls_for_one_asset_wait_for_each_other_and_get_one_license() {
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

struct Switching(AtomicU32);

impl SourceUrlProvider for Switching {
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
fn the_source_url_is_asked_for_at_every_playback_and_never_cached() {
    let mut device = TestDevice::new();
    device.source_urls = Some(Arc::new(Switching(AtomicU32::new(0))));
    let manager = device.start();
    register(&manager, device.clear_key("film")).unwrap();
    let ask = |manager: &LocalAssetsManager| manager.source_url("film", Some("https://cdn/now")).unwrap();
    manager.set_source_url_mode(SourceUrlMode::LocalAlways, SourceUrlOrder::AppFirst).unwrap();
    let local = manager.local_media_source(&id("film"), None).unwrap().url;
    assert_eq!(ask(&manager).as_deref(), Some("https://cdn/one"));
    assert_eq!(ask(&manager).as_ref(), Some(&local), "the app keeps the current URL, the registry answers");
    assert_eq!(ask(&manager).as_ref(), Some(&local), "a provider that fails does not stop the playback");
    assert_eq!(ask(&manager).as_deref(), Some("https://cdn/now#seen"));
    manager.set_source_url_mode(SourceUrlMode::LocalAlways, SourceUrlOrder::RegistryFirst).unwrap();
    assert_eq!(ask(&manager).as_ref(), Some(&local));
}

#[test]
fn the_registry_answers_by_its_mode_and_only_for_what_plays() {
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
    assert!(!ask(), "an expired title is better streamed");
    manager.unregister(&id("film")).unwrap();
    assert!(!ask());
}

struct Rewriting;

impl RequestAdapter for Rewriting {
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
fn an_adapter_has_its_hand_on_offline_registrations_too() {
    let mut device = TestDevice::new();
    device.adapter = Some(Arc::new(Rewriting));
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
fn a_rejected_token_is_asked_for_once_again() {
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
    assert_eq!(tokens.0.load(Ordering::SeqCst), 4, "once more, not for ever");
}
