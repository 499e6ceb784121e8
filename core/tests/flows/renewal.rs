//! Licenses over time: refresh by each policy, bulk renewal, playback windows, changed handles, clocks.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects")]

use crate::test_device::{TestDevice, id, reconcile_all, register};
use larder_core::assets::{Refresh, Verify};
use larder_core::model::license::LicenseTimes;
use larder_core::model::{DrmScheme, Expiry, PlayabilityReason, RenewalPolicy, Warning};
use larder_core::ports::NetworkState;
use larder_core::{Cancellation, Code};
use larder_testkit::cdm::{Call, Moment, Trouble};

fn refresh(manager: &larder_core::assets::LocalAssetsManager) -> larder_core::Result<larder_core::model::AssetStatus> {
    manager.refresh(&id("film"), Refresh::default(), &Cancellation::new())
}

#[test]
fn new_license_is_active_before_the_old_one_is_released() {
    let device = TestDevice::new();
    let manager = device.start();
    register(&manager, device.widevine("film", RenewalPolicy::AcquireThenRelease)).unwrap();
    refresh(&manager).unwrap();
    reconcile_all(&manager);
    let book = device.servers.book().licenses;
    assert_eq!(book.len(), 2);
    assert!(book[0].released_at_ms.unwrap() >= book[1].issued_at_ms);
    assert_eq!(book[1].released_at_ms, None);
    assert_eq!((device.widevine.key_set_ids().len(), device.storage.keys().len()), (1, 1));
}

#[test]
fn failed_refresh_keeps_the_old_license() {
    let device = TestDevice::new();
    let manager = device.start();
    for (registration, policy) in [
        (device.widevine("film", RenewalPolicy::AcquireThenRelease), "acquire then release"),
        (device.widevine("film", RenewalPolicy::InPlace), "in place"),
        (device.clear_key("film"), "clear key"),
    ] {
        let before = register(&manager, registration).unwrap();
        device.servers.stop().unwrap();
        let error = refresh(&manager).unwrap_err();
        assert_eq!(error.code(), Code::Offline, "{policy}: {error}");
        let after = manager.verify_asset(&id("film"), Verify { media: true, licenses: true }).unwrap();
        assert!(after.is_playable, "{policy}: {}", after.message);
        assert_eq!(before.licenses, after.licenses, "{policy}");
        device.servers.resume().unwrap();
        manager.unregister(&id("film")).unwrap();
        reconcile_all(&manager);
    }
    assert_eq!(device.live(), 0);
}

#[test]
fn in_place_renewal_keeps_handle_and_license() {
    let device = TestDevice::new();
    let manager = device.start();
    let before = register(&manager, device.widevine("film", RenewalPolicy::InPlace)).unwrap();
    device.clock.advance_seconds(86_400);
    let after = refresh(&manager).unwrap();
    assert_eq!(before.licenses[0].license_id, after.licenses[0].license_id);
    let (Expiry::At(old_ms), Expiry::At(new_ms)) = (before.expires, after.expires) else { panic!("no end") };
    assert_eq!(new_ms - old_ms, 86_400_000);
    reconcile_all(&manager);
    let book = device.servers.book().licenses;
    assert_eq!((book.len(), book[0].renewals, book[0].released_at_ms), (1, 1, None));
}

#[test]
fn renewed_license_under_another_handle_is_not_released_with_the_old_handle() {
    let device = TestDevice::new();
    device.widevine.switch(|device| device.keeps_handle = false);
    let manager = device.start();
    register(&manager, device.widevine("widevine", RenewalPolicy::InPlace)).unwrap();
    let mut clear_key = device.clear_key("film");
    clear_key.source.drm[0].renewal = RenewalPolicy::InPlace;
    register(&manager, clear_key).unwrap();
    for name in ["widevine", "film"] {
        manager.refresh(&id(name), Refresh::default(), &Cancellation::new()).unwrap();
        reconcile_all(&manager);
        let status = manager.verify_asset(&id(name), Verify { media: false, licenses: true }).unwrap();
        assert!(status.is_playable, "{name}: {}", status.message);
    }
    assert_eq!(device.live(), 2, "both licenses are live at their server");
    assert_eq!(device.storage.keys().len(), 2);
}

#[test]
fn refused_renewal_falls_back_to_a_new_license() {
    let device = TestDevice::new();
    let manager = device.start();
    let mut registration = device.widevine("film", RenewalPolicy::InPlace);
    registration.source.drm[0].license_url += "?renewable=false";
    let before = register(&manager, registration).unwrap();
    let after = refresh(&manager).unwrap();
    assert_ne!(before.licenses[0].license_id, after.licenses[0].license_id);
    reconcile_all(&manager);
    assert_eq!(device.live(), 1);
}

#[test]
fn expired_license_is_replaced_and_not_renewed() {
    let device = TestDevice::new();
    let manager = device.start();
    register(&manager, device.widevine("film", RenewalPolicy::InPlace)).unwrap();
    device.clock.advance_seconds(40 * 86_400);
    assert_eq!(manager.status(&id("film")).unwrap().why, PlayabilityReason::LicenseExpired);
    assert!(refresh(&manager).unwrap().is_playable);
    reconcile_all(&manager);
    assert_eq!(device.live(), 1);
}

#[test]
fn release_first_policy_sends_the_release_before_the_next_request() {
    let device = TestDevice::new();
    let manager = device.start();
    register(&manager, device.widevine("film", RenewalPolicy::ReleaseThenAcquire)).unwrap();
    refresh(&manager).unwrap();
    let book = device.servers.book().licenses;
    assert_eq!(book.len(), 2);
    assert!(book[0].released_at_ms.unwrap() <= book[1].issued_at_ms);
    // Offline, the CDM has ended the license before the server received the release. The status reports it, the release
    // is queued, and the next refresh replaces the license.
    device.servers.stop().unwrap();
    assert_eq!(refresh(&manager).unwrap_err().code(), Code::Offline);
    assert_eq!(manager.status(&id("film")).unwrap().why, PlayabilityReason::LicenseMissing);
    device.servers.resume().unwrap();
    assert!(refresh(&manager).unwrap().is_playable);
    reconcile_all(&manager);
    assert_eq!(device.live(), 1);
}

/// FairPlay's CDM does not report that it has invalidated a key. The stored secure token shows it.
#[test]
fn fair_play_key_that_was_invalidated_for_release_first_is_not_playable() {
    let device = TestDevice::new();
    device.fairplay.switch(|device| device.releases = true);
    let manager = device.start();
    let mut registration = device.fair_play("film");
    registration.source.drm[0].renewal = RenewalPolicy::ReleaseThenAcquire;
    register(&manager, registration).unwrap();
    device.servers.stop().unwrap();
    assert_eq!(refresh(&manager).unwrap_err().code(), Code::Offline);
    let status = manager.status(&id("film")).unwrap();
    assert_eq!((status.why, status.pending_releases), (PlayabilityReason::LicenseMissing, 1));
    device.servers.resume().unwrap();
    assert!(refresh(&manager).unwrap().is_playable);
    reconcile_all(&manager);
    assert_eq!((device.live(), device.storage.keys().len()), (1, 1));
}

#[test]
fn renew_all_renews_licenses_that_expire_soon_and_goes_on_after_a_failure() {
    let device = TestDevice::new();
    let manager = device.start();
    let with = |name: &str, terms: &str| {
        let mut registration = device.clear_key(name);
        registration.source.drm[0].license_url += terms;
        registration
    };
    register(&manager, with("short", "?duration_seconds=7200")).unwrap();
    register(&manager, with("long", "?duration_seconds=864000")).unwrap();
    register(&manager, with("never", "?duration_seconds=never")).unwrap();
    register(&manager, device.clear("clear")).unwrap();
    let mut broken = with("broken", "?duration_seconds=7200");
    register(&manager, broken.clone()).unwrap();
    broken.source.drm[0].license_url = device.servers.url("/nothing/here");
    register(&manager, broken).unwrap();
    let renewals = manager.renew_all(86_400, &Cancellation::new()).unwrap();
    let mut names: Vec<_> = renewals.iter().map(|r| (r.asset_id.as_str(), r.error.is_none())).collect();
    names.sort_unstable();
    assert_eq!(names, [("broken", false), ("short", true)]);
    assert!(manager.status(&id("broken")).unwrap().is_playable);
}

#[test]
fn playback_window_begins_with_the_first_playback_only() {
    let device = TestDevice::new();
    let manager = device.start();
    let mut registration = device.clear_key("film");
    registration.source.drm[0].license_url += "?duration_seconds=864000&playback_seconds=3600";
    let before = register(&manager, registration).unwrap();
    assert_eq!((before.playback_window_seconds, before.playback_expires), (Some(3600), Expiry::Unknown));
    let start_ms = before.checked_at_ms;
    manager.playback_started(&id("film"), start_ms).unwrap();
    manager.playback_started(&id("film"), start_ms + 1_800_000).unwrap();
    let playing = manager.status(&id("film")).unwrap();
    assert_eq!(playing.expires, Expiry::At(start_ms + 3_600_000));
    device.clock.advance_seconds(3601);
    let over = manager.status(&id("film")).unwrap();
    assert_eq!((over.why, over.is_playable), (PlayabilityReason::PlaybackWindowOver, false));
    assert_eq!(manager.playback_started(&id("other"), 0).unwrap_err().code(), Code::AssetNotFound);
}

#[test]
fn rotated_handle_is_durable_when_the_call_returns() {
    let device = TestDevice::new();
    let manager = device.start();
    let mut registration = device.fair_play("film");
    registration.source.drm[0].license_url += "?duration_seconds=864000&playback_seconds=3600";
    register(&manager, registration).unwrap();
    let license = manager.local_media_source(&id("film"), None).unwrap().licenses.remove(0);
    let handle = manager.license_handle(&license.license_id).unwrap();
    let (changed, times) = device.fairplay.start_playback(&handle).unwrap().updated.unwrap();
    let new_id = manager.license_handle_changed(&license.license_id, &changed, times).unwrap();
    drop(manager);
    let manager = device.start();
    assert_eq!(manager.license_handle(&new_id).unwrap(), changed);
    assert_eq!(manager.license_handle(&license.license_id).unwrap_err().code(), Code::LicenseMissing);
    let status = manager.status(&id("film")).unwrap();
    assert_eq!(status.licenses.len(), 1);
    let left_seconds = status.expires.remaining_seconds(status.checked_at_ms).unwrap();
    assert!((3590..=3600).contains(&left_seconds), "{left_seconds}");
    reconcile_all(&manager);
    assert_eq!(device.storage.keys().len(), 1, "the old handle is removed");
    let empty = larder_core::model::Handle::new(Vec::new());
    let error = manager.license_handle_changed(&new_id, &empty, LicenseTimes::default()).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
}

#[test]
fn fair_play_certificate_is_required_and_fetched_once() {
    let device = TestDevice::new();
    let manager = device.start();
    register(&manager, device.fair_play("film")).unwrap();
    let made = manager.requests_made();
    refresh(&manager).unwrap();
    assert_eq!(manager.requests_made() - made, 1, "the certificate was fetched once");
    let mut without = device.fair_play("other");
    without.source.drm[0].certificate_url = None;
    assert_eq!(register(&manager, without).unwrap_err().code(), Code::CertificateMissing);
}

#[test]
fn clock_rollback_is_warned_of_until_a_server_confirms_the_clock() {
    let device = TestDevice::new();
    let manager = device.start();
    register(&manager, device.clear_key("film")).unwrap();
    let year_ms = 366 * 86_400_000;
    device.clock.set_wall_by_ms(10 * year_ms);
    let late = manager.status(&id("film")).unwrap();
    assert_eq!(late.why, PlayabilityReason::LicenseExpired);
    assert!(!late.warnings.contains(&Warning::ClockRollbackSuspected));
    device.clock.set_wall_by_ms(-11 * year_ms);
    let back = manager.status(&id("film")).unwrap();
    assert!(back.is_playable, "a warning does not block");
    assert!(back.warnings.contains(&Warning::ClockRollbackSuspected));
    drop(manager);
    let manager = device.start();
    assert!(manager.status(&id("film")).unwrap().warnings.contains(&Warning::ClockRollbackSuspected));
    device.clock.set_wall_by_ms(year_ms);
    assert!(manager.status(&id("film")).unwrap().warnings.contains(&Warning::ClockRollbackSuspected));
    refresh(&manager).unwrap();
    assert!(!manager.status(&id("film")).unwrap().warnings.contains(&Warning::ClockRollbackSuspected));
}

#[test]
fn expiry_of_the_cdm_shortens_a_license_and_never_lengthens_it() {
    let device = TestDevice::new();
    let manager = device.start();
    let before = register(&manager, device.widevine("film", RenewalPolicy::default())).unwrap();
    device.clock.advance_seconds(10);
    let verified = manager.verify_asset(&id("film"), Verify { media: false, licenses: true }).unwrap();
    assert_eq!(before.expires, verified.expires);
    let handle = device.widevine.key_set_ids().remove(0);
    assert!(device.widevine.vanish(&handle).unwrap());
    let vanished = manager.verify_asset(&id("film"), Verify { media: false, licenses: true }).unwrap();
    assert_eq!(vanished.why, PlayabilityReason::LicenseVanished);
    assert!(refresh(&manager).unwrap().is_playable);
    reconcile_all(&manager);
}

#[test]
fn license_without_a_known_expiry_is_warned_of() {
    let device = TestDevice::new();
    device.widevine.switch(|device| device.tells_times = false);
    let manager = device.start();
    let status = register(&manager, device.widevine("film", RenewalPolicy::default())).unwrap();
    assert_eq!(status.expires, Expiry::Unknown);
    assert!(status.is_playable && status.warnings.contains(&Warning::ExpiryUnknown));
    let short = {
        let mut registration = device.clear_key("short");
        registration.source.drm[0].license_url += "?duration_seconds=30";
        register(&manager, registration).unwrap()
    };
    assert!(short.warnings.contains(&Warning::ShortLicense));
    assert!(short.warnings.contains(&Warning::LessThanAMinuteLeft));
}

#[test]
fn refresh_with_a_source_of_another_scheme_replaces_the_licenses() {
    let device = TestDevice::new();
    let manager = device.start();
    register(&manager, device.clear_key("film")).unwrap();
    let source = device.widevine("film", RenewalPolicy::default()).source;
    let refresh = Refresh { source: Some(source), metadata: None };
    let status = manager.refresh(&id("film"), refresh, &Cancellation::new()).unwrap();
    assert!(status.licenses.iter().all(|license| license.scheme == DrmScheme::Widevine));
    reconcile_all(&manager);
    assert_eq!(device.live(), status.licenses.len());
}

#[test]
fn busy_cdm_and_implausible_grants_have_codes_of_their_own() {
    let device = TestDevice::new();
    let manager = device.start();
    let terms = |terms: &str| {
        let mut registration = device.widevine("film", RenewalPolicy::default());
        registration.source.drm[0].license_url += terms;
        registration
    };
    device.widevine.script().busy(1);
    assert_eq!(register(&manager, terms("")).unwrap_err().code(), Code::CdmBusy);
    for (what, registration, code) in [
        ("not persistent", terms("?persist=false"), Code::LicensePersistenceDenied),
        ("no time", terms("?duration_seconds=0"), Code::LicenseDurationInvalid),
        ("twenty years", terms("?duration_seconds=630720000"), Code::LicenseDurationInvalid),
    ] {
        let error = register(&manager, registration).unwrap_err();
        assert_eq!(error.code(), code, "{what}: {error}");
    }
    let omitted = device.servers.keys().keys().next().copied();
    let mut policy = device.servers.policy();
    policy.omit_keys = device.servers.keys().keys().copied().collect();
    assert!(omitted.is_some());
    device.servers.set_policy(policy);
    let error = register(&manager, terms("")).unwrap_err();
    assert_eq!(error.code(), Code::LicenseKeysMissing, "{error}");
    reconcile_all(&manager);
    assert_eq!(device.live(), 0, "licenses that were granted and refused are released");
    assert!(device.widevine.key_set_ids().is_empty());
    assert!(device.storage.keys().is_empty());
}

#[test]
fn grant_that_arrives_after_the_timeout_is_released() {
    let mut device = TestDevice::new();
    device.timeouts.engine = std::time::Duration::from_secs(2);
    let manager = device.start();
    device.widevine.script().plan(Call::Acquire, Moment::BeforeReturn, Trouble::Hang, 1);
    let error = register(&manager, device.widevine("film", RenewalPolicy::default())).unwrap_err();
    assert_eq!(error.code(), Code::Timeout);
    assert_eq!(manager.status(&id("film")).unwrap().why, PlayabilityReason::NotRegistered);
    device.widevine.script().let_go();
    for _ in 0..2000 {
        reconcile_all(&manager);
        if device.live() == 0 {
            break;
        }
        std::thread::yield_now();
    }
    assert_eq!(device.live(), 0);
    assert!(device.widevine.key_set_ids().is_empty());
}

#[test]
fn engine_that_timed_out_cannot_send_any_more() {
    let mut device = TestDevice::new();
    device.timeouts.engine = std::time::Duration::from_secs(2);
    let manager = device.start();
    device.widevine.script().plan(Call::Acquire, Moment::BeforeSend, Trouble::Hang, 1);
    let error = register(&manager, device.widevine("film", RenewalPolicy::default())).unwrap_err();
    assert_eq!(error.code(), Code::Timeout);
    let made = manager.requests_made();
    device.widevine.script().let_go();
    reconcile_all(&manager);
    assert_eq!(manager.requests_made(), made);
    assert_eq!(device.servers.book().licenses.len(), 0);
}

#[test]
fn panicking_engine_is_an_error_and_its_license_is_recovered() {
    let device = TestDevice::new();
    let manager = device.start();
    device.widevine.script().plan(Call::Acquire, Moment::BeforeReturn, Trouble::Panic, 1);
    let error = register(&manager, device.widevine("film", RenewalPolicy::default())).unwrap_err();
    assert_eq!(error.code(), Code::CdmFailed);
    assert_eq!(device.widevine.key_set_ids().len(), 1, "the CDM has stored the license");
    reconcile_all(&manager);
    assert_eq!((device.widevine.key_set_ids().len(), device.live()), (0, 0));
}

#[test]
fn foreign_licenses_are_counted_and_never_touched() {
    let device = TestDevice::new();
    device.widevine.add_foreign().unwrap();
    let manager = device.start();
    register(&manager, device.widevine("film", RenewalPolicy::default())).unwrap();
    device.widevine.add_foreign().unwrap();
    assert_eq!(manager.reconcile().unwrap().foreign, 2);
    manager.unregister(&id("film")).unwrap();
    reconcile_all(&manager);
    assert_eq!(device.widevine.key_set_ids().len(), 2);
}

#[test]
fn release_that_the_server_keeps_refusing_is_given_up() {
    let device = TestDevice::new();
    let manager = device.start();
    let reconciled = refused_release(&device, &manager, 400);
    assert_eq!((reconciled.forgotten, reconciled.pending), (1, 0));
    assert_eq!((reconciled.foreign, reconciled.held), (0, Some(0)), "the CDM has removed the forgotten license");
    assert!(device.storage.keys().is_empty());
    assert_eq!(device.widevine.script().calls(Call::Remove), 1);
}

#[test]
fn license_that_neither_server_nor_cdm_removes_stays_in_the_ledger() {
    let device = TestDevice::new();
    let manager = device.start();
    device.widevine.script().plan(Call::Remove, Moment::Start, Trouble::Fail(Code::CdmFailed), 20);
    let reconciled = refused_release(&device, &manager, 400);
    assert_eq!((reconciled.forgotten, reconciled.pending, reconciled.foreign, reconciled.held), (0, 1, 0, Some(1)));
    device.widevine.script().clear();
    let reconciled = manager.reconcile().unwrap();
    assert_eq!((reconciled.forgotten, reconciled.pending, reconciled.foreign, reconciled.held), (1, 0, 0, Some(0)));
}

#[test]
fn license_whose_handle_was_lost_is_released_with_the_handle_that_the_cdm_lists() {
    let device = TestDevice::new();
    let manager = device.start();
    register(&manager, device.widevine("film", RenewalPolicy::default())).unwrap();
    device.storage.tamper(&device.storage.keys().remove(0), None);
    // The CDM fails to list its licenses at first.
    device.widevine.script().plan(Call::Held, Moment::Start, Trouble::Fail(Code::CdmBusy), 3);
    manager.unregister(&id("film")).unwrap();
    reconcile_all(&manager);
    assert_eq!((device.live(), device.widevine.key_set_ids().len()), (0, 0));
    // The same with the release-first policy.
    register(&manager, device.widevine("film", RenewalPolicy::ReleaseThenAcquire)).unwrap();
    device.storage.tamper(&device.storage.keys().remove(0), None);
    refresh(&manager).unwrap();
    assert_eq!((device.live(), device.widevine.key_set_ids().len()), (1, 1));
}

#[test]
fn server_without_releases_ends_the_license_without_one() {
    let device = TestDevice::new();
    let manager = device.start();
    let reconciled = refused_release(&device, &manager, 404);
    assert_eq!((reconciled.forgotten, reconciled.pending, reconciled.held), (1, 0, Some(0)));
}

/// Unregisters a film whose server responds to every release with this status, and reconciles until Larder gives the
/// release up.
fn refused_release(
    device: &TestDevice,
    manager: &larder_core::assets::LocalAssetsManager,
    status: u16,
) -> larder_core::assets::ReconcileReport {
    register(manager, device.widevine("film", RenewalPolicy::default())).unwrap();
    let refuse = larder_testkit::Action::Status { status, retry_after_seconds: None };
    device.servers.add_fault(larder_testkit::Rule::on("/widevine/license", refuse)).unwrap();
    manager.unregister(&id("film")).unwrap();
    let mut forgotten = 0;
    for _ in 0..10 {
        forgotten += manager.reconcile().unwrap().forgotten;
    }
    larder_core::assets::ReconcileReport { forgotten, ..manager.reconcile().unwrap() }
}

#[test]
fn offline_mode_makes_no_request() {
    let device = TestDevice::new();
    let manager = device.start();
    register(&manager, device.widevine("film", RenewalPolicy::default())).unwrap();
    let made = manager.requests_made();
    manager.set_network_state(NetworkState::Offline).unwrap();
    assert_eq!(refresh(&manager).unwrap_err().code(), Code::Offline);
    manager.renew_all(u64::MAX, &Cancellation::new()).unwrap();
    manager.unregister(&id("film")).unwrap();
    assert_eq!(manager.reconcile().unwrap().pending, 1);
    assert_eq!(manager.requests_made(), made);
    manager.set_network_state(NetworkState::Online).unwrap();
    reconcile_all(&manager);
    assert_eq!(device.live(), 0);
}
