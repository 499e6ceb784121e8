//! Code that is not ours: it throws, panics, hangs, calls back. Each has its error, nothing is half done.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests; clippy only knows so inside #[test]")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use larder_testkit::eventually;

use crate::support::{Device, Gate, clear, code, failed, protected, servers, uncancelled, wait};
use larder_ffi::{
    ExchangeAnswer, FfiManager, FfiRequestAdapter, FfiSourceUrlProvider, FfiTokenProvider, HttpHeader, LicenseRequest,
    LicenseResponse, PlayabilityReason, SourceUrlMode, SourceUrlOrder,
};

type Thrown = larder_ffi::FfiError;

#[test]
fn a_license_is_got_through_a_foreign_engine_that_answers_from_another_thread() {
    let (device, servers) = (Device::new(), servers());
    let path = device.download("dash-cenc");
    let manager = device.manager();
    let status = wait(manager.register_asset(protected("a", &path, &servers), uncancelled())).unwrap();
    assert!(status.is_playable && status.licenses.len() == 1, "{status:?}");
    assert_eq!(device.storage.values.lock().unwrap().len(), 1);
    let license = &manager.local_media_source("a".into(), None).unwrap().licenses[0];
    let handle = manager.license_handle(license.license_id.clone()).unwrap();
    assert_eq!(device.storage.values.lock().unwrap().values().next(), Some(&handle));
    assert!(wait(manager.unregister_asset("a".into())).unwrap().was_registered);
    eventually("the license is given back", || servers.book().live == 0);
    eventually("its handle is gone", || device.storage.values.lock().unwrap().is_empty());
}

/// Registers with a storage in some mood; the license is given back, and the asset is as if nobody had tried.
fn refused_by_storage(hook: impl Fn(&str) -> Result<(), Thrown> + Send + Sync + 'static) -> String {
    let (device, servers) = (Device::new(), servers());
    let path = device.download("dash-cenc");
    let mut config = device.config();
    config.delegate_timeout_seconds = 1;
    let manager = FfiManager::new(config, device.delegates()).unwrap();
    device.storage.hook(hook);
    let outcome = wait(manager.register_asset(protected("a", &path, &servers), uncancelled()));
    assert_eq!(wait(manager.asset_status("a".into())).unwrap().why, PlayabilityReason::NotRegistered);
    device.storage.unhook();
    eventually("the license is given back", || servers.book().live == 0);
    code(outcome)
}

#[test]
fn a_storage_that_throws_is_a_failed_storage_whatever_it_throws() {
    assert_eq!(refused_by_storage(|_| Err(failed("STORAGE_FAILED", "no keychain"))), "STORAGE_FAILED");
    assert_eq!(refused_by_storage(|_| Err(failed("OFFLINE", "what?"))), "STORAGE_FAILED");
    assert_eq!(refused_by_storage(|_| Err(failed("NO_SUCH_CODE", ""))), "STORAGE_FAILED");
}

#[test]
fn a_storage_that_panics_is_a_failed_storage() {
    assert_eq!(refused_by_storage(|_| panic!("boom")), "STORAGE_FAILED");
}

#[test]
fn a_storage_that_hangs_times_out() {
    let gate = Arc::new(Gate::default());
    let hanging = Arc::clone(&gate);
    let code = refused_by_storage(move |method| {
        if method == "save" {
            hanging.pass();
        }
        Ok(())
    });
    gate.open();
    assert_eq!(code, "STORAGE_TIMEOUT");
}

#[test]
fn a_storage_may_call_the_manager_back() {
    let (device, servers) = (Device::new(), servers());
    let path = device.download("dash-cenc");
    let manager = device.manager();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (back, notes) = (Arc::downgrade(&manager), Arc::clone(&seen));
    device.storage.hook(move |method| {
        let manager = back.upgrade().unwrap();
        let status = wait(manager.asset_status("a".into()))?;
        let note = (method.to_owned(), status.why, manager.assets()?.len(), manager.source_url("a".into(), None)?);
        notes.lock().unwrap().push(note);
        Ok(())
    });
    wait(manager.register_asset(protected("a", &path, &servers), uncancelled())).unwrap();
    device.storage.unhook();
    let seen = seen.lock().unwrap();
    assert!(seen.contains(&("save".to_owned(), PlayabilityReason::Registering, 0, None)), "{seen:?}");
}

#[test]
fn an_engine_may_call_the_manager_back() {
    let (device, servers) = (Device::new(), servers());
    let path = device.download("dash-cenc");
    let clear_path = device.download("cmaf-clear/manifest.mpd");
    let manager = device.manager();
    let back = Arc::downgrade(&manager);
    device.engine.hook(move |step| {
        let Some(manager) = back.upgrade() else { return Ok(()) };
        if step == "before send" {
            wait(manager.register_asset(clear("from the engine", &clear_path), uncancelled()))?;
        }
        Ok(())
    });
    wait(manager.register_asset(protected("a", &path, &servers), uncancelled())).unwrap();
    assert_eq!(manager.assets().unwrap().len(), 2);
}

#[test]
fn what_send_throws_comes_back_through_the_engine_with_its_code_and_status() {
    let (device, servers) = (Device::new(), servers());
    let path = device.download("dash-cenc");
    let manager = device.manager();
    let mut policy = servers.policy();
    policy.require_token = Some("t".into());
    servers.set_policy(policy);
    let error = wait(manager.register_asset(protected("a", &path, &servers), uncancelled())).unwrap_err();
    let Thrown::Failed { code, http_status, remedy, .. } = error;
    assert_eq!((code.as_str(), http_status, remedy), ("UNAUTHORIZED", Some(401), larder_ffi::Remedy::SignIn));
    servers.stop().unwrap();
    assert_eq!(code_of_registration(&manager, &path, &servers), "OFFLINE");
}

#[test]
fn an_engines_own_failure_keeps_its_code_and_an_unknown_one_is_the_cdms() {
    let (device, servers) = (Device::new(), servers());
    let path = device.download("dash-cenc");
    let manager = device.manager();
    for (thrown, seen) in
        [("CDM_BUSY", "CDM_BUSY"), ("PROVISIONING_FAILED", "PROVISIONING_FAILED"), ("X", "CDM_FAILED")]
    {
        device.engine.hook(move |step| if step == "acquire" { Err(failed(thrown, "the CDM")) } else { Ok(()) });
        assert_eq!(code_of_registration(&manager, &path, &servers), seen);
    }
    device.engine.hook(|step| if step == "acquire" { panic!("boom") } else { Ok(()) });
    let code = code_of_registration(&manager, &path, &servers);
    assert!(code == "DELEGATE_FAILED" || code == "CDM_FAILED", "{code}");
    assert!(servers.book().licenses.is_empty());
}

fn code_of_registration(manager: &FfiManager, path: &str, servers: &larder_testkit::Testkit) -> String {
    code(wait(manager.register_asset(protected("a", path, servers), uncancelled())))
}

#[test]
fn an_engine_that_does_not_say_its_scheme_is_refused_at_once() {
    let device = Device::new();
    device.engine.hook(|_| Err(failed("DRM_UNSUPPORTED", "no Widevine on this device")));
    assert_eq!(code(FfiManager::new(device.config(), device.delegates())), "DRM_UNSUPPORTED");
}

struct Urls(Mutex<Option<String>>);

impl FfiSourceUrlProvider for Urls {
    fn url(&self, entry_id: String, _: Option<String>) -> Result<Option<String>, Thrown> {
        match entry_id.as_str() {
            "throws" => Err(failed("INVALID_ARGUMENT", "not mine")),
            "panics" => panic!("boom"),
            _ => Ok(self.0.lock().unwrap().clone()),
        }
    }
}

#[test]
fn the_apps_source_urls_are_asked_at_every_playback_and_never_cached() {
    let device = Device::new();
    let path = device.download("cmaf-clear/manifest.mpd");
    let urls = Arc::new(Urls(Mutex::new(None)));
    let mut delegates = device.delegates();
    delegates.source_url_provider = Some(Arc::clone(&urls) as _);
    let manager = FfiManager::new(device.config(), delegates).unwrap();
    wait(manager.register_asset(clear("a", &path), uncancelled())).unwrap();
    let play = || manager.source_url("a".into(), Some("https://cdn.example/a".into())).unwrap();
    assert_eq!(play(), None);
    *urls.0.lock().unwrap() = Some("https://other.example/a".into());
    assert_eq!(play().as_deref(), Some("https://other.example/a"));
    *urls.0.lock().unwrap() = None;
    manager.set_source_url_mode(SourceUrlMode::LocalAlways, SourceUrlOrder::AppFirst).unwrap();
    assert!(play().unwrap().starts_with("file:///"));
}

#[test]
fn a_source_url_provider_that_fails_stops_no_playback() {
    let device = Device::new();
    let mut delegates = device.delegates();
    delegates.source_url_provider = Some(Arc::new(Urls(Mutex::new(None))));
    let manager = FfiManager::new(device.config(), delegates).unwrap();
    for entry in ["throws", "panics"] {
        let outcome = manager.source_url(entry.into(), None);
        assert!(matches!(outcome, Ok(None)) || code(outcome) == "DELEGATE_FAILED", "{entry}");
    }
}

/// Adds a header, moves the request to another path, and unpacks a wrapped answer.
#[derive(Default)]
struct Gateway {
    kinds: Mutex<Vec<String>>,
}

impl FfiRequestAdapter for Gateway {
    fn adapt(&self, mut request: LicenseRequest) -> Result<LicenseRequest, Thrown> {
        self.kinds.lock().unwrap().push(format!("{:?} of {}", request.kind, request.asset_id));
        request.asset_id = "somebody else's".into();
        request.url = request.url.replace("/elsewhere", "/clearkey/license");
        request.headers.push(HttpHeader { name: "X-Gateway".into(), value: "secret-gateway-key".into() });
        Ok(request)
    }

    fn parse(&self, response: LicenseResponse) -> Result<Option<ExchangeAnswer>, Thrown> {
        assert_eq!(response.asset_id, "a");
        Ok(None)
    }
}

#[test]
fn an_adapter_changes_url_and_headers_of_every_request() {
    let (device, servers) = (Device::new(), servers());
    let path = device.download("dash-cenc");
    let gateway = Arc::new(Gateway::default());
    let mut delegates = device.delegates();
    delegates.request_adapter = Some(Arc::clone(&gateway) as _);
    let manager = FfiManager::new(device.config(), delegates).unwrap();
    let mut registration = protected("a", &path, &servers);
    registration.source.drm[0].license_url = servers.url("/elsewhere");
    wait(manager.register_asset(registration, uncancelled())).unwrap();
    wait(manager.unregister_asset("a".into())).unwrap();
    eventually("the license is given back", || servers.book().live == 0);
    assert_eq!(*gateway.kinds.lock().unwrap(), ["License of a", "Release of a"]);
    assert!(servers.requests().iter().all(|request| request.header("X-Gateway") == Some("secret-gateway-key")));
}

struct Tokens(AtomicU32);

impl FfiTokenProvider for Tokens {
    fn authorization(&self, _: String, rejected: bool) -> Result<Option<String>, Thrown> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(Some(if rejected { "Bearer fresh".into() } else { "Bearer stale".into() }))
    }
}

#[test]
fn a_token_provider_is_asked_again_once_when_the_server_refuses_its_token() {
    let (device, servers) = (Device::new(), servers());
    let path = device.download("dash-cenc");
    let mut policy = servers.policy();
    policy.require_token = Some("fresh".into());
    servers.set_policy(policy);
    let tokens = Arc::new(Tokens(AtomicU32::new(0)));
    let mut delegates = device.delegates();
    delegates.token_provider = Some(Arc::clone(&tokens) as _);
    let manager = FfiManager::new(device.config(), delegates).unwrap();
    wait(manager.register_asset(protected("a", &path, &servers), uncancelled())).unwrap();
    assert_eq!(tokens.0.load(Ordering::SeqCst), 2);
}

#[test]
fn an_exchange_that_is_kept_after_its_call_is_refused() {
    let (device, servers) = (Device::new(), servers());
    let path = device.download("dash-cenc");
    let mut config = device.config();
    config.engine_timeout_seconds = 1;
    let manager = FfiManager::new(config, device.delegates()).unwrap();
    let (gate, ended) = (Arc::new(Gate::default()), Arc::new(Mutex::new(None)));
    let (hanging, noted) = (Arc::clone(&gate), Arc::clone(&ended));
    device.engine.hook(move |step| {
        match step {
            "before send" => hanging.pass(),
            "after send" | "send failed" => *noted.lock().unwrap() = Some(step.to_owned()),
            _ => {}
        }
        Ok(())
    });
    assert_eq!(code_of_registration(&manager, &path, &servers), "TIMEOUT");
    assert_eq!(wait(manager.asset_status("a".into())).unwrap().why, PlayabilityReason::NotRegistered);
    gate.open();
    eventually("the late send has ended", || ended.lock().unwrap().is_some());
    assert_eq!(ended.lock().unwrap().as_deref(), Some("send failed"));
    assert_eq!(servers.book().live, 0);
}
