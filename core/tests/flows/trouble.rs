//! What can go wrong around a registration: storages, networks, servers, disks, callers who change their mind, many at
//! once. Each gives a typed error; nothing is half done.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::world::{World, id, register, settle_all};
use larder_core::assets::{LocalAssetsManager, Refresh, SourceUrlMode, SourceUrlOrder, Verify};
use larder_core::model::{AssetId, RenewalPolicy, Why};
use larder_core::ports::{
    AdaptedRequest, AdaptedResponse, NetworkState, ParsedResponse, RequestAdapter, SourceUrlProvider, TokenProvider,
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
        let mut world = World::new();
        if mood == Mood::Hanging {
            world.timeouts.delegate = Duration::from_secs(1);
        }
        let manager = world.start();
        world.storage.set(call, mood);
        let error = register(&manager, world.widevine("film", RenewalPolicy::default())).unwrap_err();
        assert_eq!(error.code(), code, "{call:?} {mood:?}: {error}");
        assert_eq!(manager.status(&id("film")).unwrap().why, Why::NotRegistered, "{call:?} {mood:?}");
        world.storage.set(call, Mood::Faithful);
        world.storage.let_go();
        settle_all(&manager);
        assert_eq!(world.live(), 0, "{call:?} {mood:?}: the license went back");
        assert!(world.device.key_set_ids().is_empty(), "{call:?} {mood:?}");
        assert!(register(&manager, world.widevine("film", RenewalPolicy::default())).unwrap().is_playable);
    }
}

/// What the remedy says.
#[test]
fn registering_again_brings_back_what_storage_or_cdm_have_lost() {
    let world = World::new();
    let manager = world.start();
    let registration = || world.widevine("film", RenewalPolicy::default());
    let all = Verify { media: true, licenses: true };
    let lose: [&dyn Fn(); 3] = [
        &|| world.storage.tamper(&world.storage.keys().remove(0), None),
        &|| world.storage.tamper(&world.storage.keys().remove(0), Some(b"something else".to_vec())),
        &|| assert!(world.device.key_set_ids().iter().all(|id| world.device.vanish(id).unwrap())),
    ];
    for (round, lose) in lose.into_iter().enumerate() {
        register(&manager, registration()).unwrap();
        lose();
        let status = manager.verify(&id("film"), all).unwrap();
        assert_eq!((status.is_playable, status.remedy), (false, Remedy::Reregister), "{round}");
        register(&manager, registration()).unwrap();
        assert!(manager.verify(&id("film"), all).unwrap().is_playable, "{round}");
        settle_all(&manager);
        assert_eq!(world.device.key_set_ids().len(), 1, "{round}: the CDM still knew what the storage had lost");
    }
    // What cannot be looked at is not taken for lost.
    let issued = world.servers.book().licenses.len();
    world.storage.set(StorageCall::Load, Mood::Failing);
    assert!(register(&manager, registration()).unwrap().is_playable);
    assert_eq!(world.servers.book().licenses.len(), issued);
}

#[test]
fn a_storage_that_forgets_later_is_noticed_and_a_refresh_heals_it() {
    let world = World::new();
    let manager = world.start();
    for tampered in [None, Some(b"something else".to_vec())] {
        register(&manager, world.widevine("film", RenewalPolicy::default())).unwrap();
        let key = world.storage.keys().remove(0);
        world.storage.tamper(&key, tampered);
        let status = manager.verify(&id("film"), Verify { media: false, licenses: true }).unwrap();
        assert_eq!((status.why, status.is_playable), (Why::LicenseUnreadable, false));
        let healed = manager.refresh(&id("film"), Refresh::default(), &Cancellation::new()).unwrap();
        assert!(healed.is_playable);
        manager.unregister(&id("film")).unwrap();
        settle_all(&manager);
    }
}

#[test]
fn every_fault_of_a_license_server_has_a_code_and_leaves_no_trace() {
    let mut world = World::new();
    world.timeouts.network = Duration::from_secs(2);
    let manager = world.start();
    let status = |status| Action::Status { status, retry_after_s: None };
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
        world.servers.add_fault(Rule::on("/clearkey/license", action)).unwrap();
        let error = register(&manager, world.clear_key("film")).unwrap_err();
        assert_eq!(error.code(), code, "{what}: {error}");
        world.servers.clear_faults().unwrap();
        assert_eq!(manager.status(&id("film")).unwrap().why, Why::NotRegistered, "{what}");
        assert!(world.storage.keys().is_empty(), "{what}");
        assert!(manager.diagnostics().unwrap().contains("\"licenses\":[]"), "{what}");
    }
    assert!(register(&manager, world.clear_key("film")).unwrap().is_playable);
}

#[test]
fn a_cancelled_registration_leaves_nothing_behind() {
    let world = Arc::new(World::new());
    let manager = Arc::new(world.start());
    let early = Cancellation::new();
    early.cancel();
    let error = manager.register(world.widevine("film", RenewalPolicy::default()), &early).unwrap_err();
    assert_eq!(error.code(), Code::Cancelled);
    // Cancelled while the CDM is at work: it ends its step, then what it got goes back.
    use larder_testkit::cdm::{Call, Moment, Trouble};
    for moment in [Moment::Start, Moment::BeforeSend, Moment::AfterSend, Moment::BeforeReturn] {
        world.device.script().plan(Call::Acquire, moment, Trouble::Hang, 1);
        let cancel = Cancellation::new();
        let (theirs, asked, registration) =
            (Arc::clone(&manager), cancel.clone(), world.widevine("film", RenewalPolicy::default()));
        let call = std::thread::spawn(move || theirs.register(registration, &asked));
        assert!(world.device.script().wait_until_hanging());
        cancel.cancel();
        world.device.script().let_go();
        assert_eq!(call.join().unwrap().unwrap_err().code(), Code::Cancelled, "{moment:?}");
        assert_eq!(manager.status(&id("film")).unwrap().why, Why::NotRegistered);
        settle_all(&manager);
        assert!(world.device.key_set_ids().is_empty(), "{moment:?}");
        assert!(world.storage.keys().is_empty(), "{moment:?}");
    }
}

#[test]
fn many_at_once_end_as_one_after_the_other() {
    let world = Arc::new(World::new());
    let manager = Arc::new(world.start());
    let threads: Vec<_> = (0..24)
        .map(|number| {
            let (world, manager) = (Arc::clone(&world), Arc::clone(&manager));
            std::thread::spawn(move || {
                let name = format!("film{}", number % 6);
                register(&manager, world.clear_key(&name)).unwrap();
                manager.status(&id(&name)).unwrap();
                manager.statuses().unwrap();
                if number % 3 == 0 {
                    manager.unregister(&id(&name)).unwrap();
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    settle_all(&manager);
    let registered = manager.assets().unwrap().len();
    assert_eq!(world.live(), registered);
    assert_eq!(world.storage.keys().len(), registered);
    manager.remove_all().unwrap();
    settle_all(&manager);
    assert_eq!(world.live(), 0);
}

#[test]
fn two_calls_for_one_asset_wait_for_each_other_and_get_one_license() {
    let world = Arc::new(World::new());
    let manager = Arc::new(world.start());
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (world, manager) = (Arc::clone(&world), Arc::clone(&manager));
            std::thread::spawn(move || register(&manager, world.clear_key("film")).unwrap())
        })
        .collect();
    let statuses: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert!(statuses.windows(2).all(|pair| pair[0].licenses == pair[1].licenses));
    assert_eq!(world.servers.book().licenses.len(), 1);
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
    let mut world = World::new();
    world.source_urls = Some(Arc::new(Switching(AtomicU32::new(0))));
    let manager = world.start();
    register(&manager, world.clear_key("film")).unwrap();
    let ask = |manager: &LocalAssetsManager| manager.source_url("film", Some("https://cdn/now")).unwrap();
    manager.set_source_url_mode(SourceUrlMode::LocalAlways, SourceUrlOrder::AppFirst).unwrap();
    let local = manager.local_source(&id("film"), None).unwrap().url;
    assert_eq!(ask(&manager).as_deref(), Some("https://cdn/one"));
    assert_eq!(ask(&manager).as_ref(), Some(&local), "the app keeps the current URL, the registry answers");
    assert_eq!(ask(&manager).as_ref(), Some(&local), "a provider that fails does not stop the playback");
    assert_eq!(ask(&manager).as_deref(), Some("https://cdn/now#seen"));
    manager.set_source_url_mode(SourceUrlMode::LocalAlways, SourceUrlOrder::RegistryFirst).unwrap();
    assert_eq!(ask(&manager).as_ref(), Some(&local));
}

#[test]
fn the_registry_answers_by_its_mode_and_only_for_what_plays() {
    let world = World::new();
    let manager = world.start();
    register(&manager, world.clear_key("film")).unwrap();
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
    world.clock.advance_s(31 * 86_400);
    assert!(!ask(), "an expired title is better streamed");
    manager.unregister(&id("film")).unwrap();
    assert!(!ask());
}

struct Rewriting;

impl RequestAdapter for Rewriting {
    fn adapt(&self, mut request: AdaptedRequest) -> Result<AdaptedRequest> {
        request.url = request.url.replace("/wrong/", "/clearkey/");
        request.headers.push(("x-app".into(), request.asset_id.as_str().into()));
        Ok(request)
    }
    fn parse(&self, _response: AdaptedResponse) -> Result<Option<ParsedResponse>> {
        Ok(None)
    }
}

#[test]
fn an_adapter_has_its_hand_on_offline_registrations_too() {
    let mut world = World::new();
    world.adapter = Some(Arc::new(Rewriting));
    let manager = world.start();
    let mut registration = world.clear_key("film");
    registration.source.drm[0].license_url = world.servers.url("/wrong/license");
    assert!(register(&manager, registration).unwrap().is_playable);
    let request = world.servers.requests().pop().unwrap();
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
    let mut world = World::new();
    let tokens = Arc::new(Tokens(AtomicU32::new(0)));
    world.tokens = Some(Arc::clone(&tokens) as _);
    let mut policy = world.servers.policy();
    policy.require_token = Some("fresh".into());
    world.servers.set_policy(policy.clone());
    let manager = world.start();
    assert!(register(&manager, world.clear_key("film")).unwrap().is_playable);
    assert_eq!(tokens.0.load(Ordering::SeqCst), 2);
    policy.require_token = Some("another".into());
    world.servers.set_policy(policy);
    let error = register(&manager, world.clear_key("other")).unwrap_err();
    assert_eq!(error.code(), Code::Unauthorized);
    assert_eq!(tokens.0.load(Ordering::SeqCst), 4, "once more, not for ever");
}
