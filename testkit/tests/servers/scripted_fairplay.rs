//! The scripted CDM that behaves like AVFoundation, against the FairPlay-like server.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the lint knows test functions, not what they call")]

use std::sync::Arc;

use crate::exchange::{RawExchange, stored};
use larder_core::Code;
use larder_core::model::license::{GrantedHandle, Handle, LicenseDuration, LicenseTimes, ReleaseOutcome};
use larder_core::model::{DrmScheme, KeyRequest, SecurityLevel};
use larder_core::ports::DrmEngine as _;
use larder_testkit::cdm::{Call, FairPlayDevice, Moment, ScriptedFairPlay, Trouble};
use larder_testkit::{ManualClock, Options, Policy, RequestKind, Testkit};

struct Phone {
    kit: Testkit,
    clock: Arc<ManualClock>,
    device: Arc<FairPlayDevice>,
    engine: ScriptedFairPlay,
    exchange: Arc<RawExchange>,
    request: KeyRequest,
}

impl Phone {
    fn new() -> Self {
        let kit = Testkit::start(Options::default()).unwrap();
        let clock = Arc::new(ManualClock::default());
        let device = Arc::new(FairPlayDevice::new(clock.clone()));
        let engine = ScriptedFairPlay::new(device.clone());
        let exchange = RawExchange::to(kit.url("/fairplay/plain"));
        let request = KeyRequest {
            scheme: DrmScheme::FairPlay,
            init_data: b"skd://0_film".to_vec(),
            key_ids: Vec::new(),
            mime: "video/mp4".into(),
            certificate: Some(kit.certificate()),
            security_level: SecurityLevel::Default,
        };
        Self { kit, clock, device, engine, exchange, request }
    }

    fn acquire(&self) -> Handle {
        match self.engine.acquire(&self.request, self.exchange.clone()).unwrap().handle {
            GrantedHandle::New(handle) => handle,
            other => panic!("{other:?}"),
        }
    }

    fn acquire_error(&self, request: &KeyRequest) -> Code {
        self.engine.acquire(request, self.exchange.clone()).unwrap_err().code()
    }

    fn release(&self, handle: &Handle) -> ReleaseOutcome {
        self.engine.release(&stored(&self.request, handle), self.exchange.clone()).unwrap()
    }

    fn renew(&self, handle: &Handle) -> GrantedHandle {
        self.engine.renew(&stored(&self.request, handle), &self.request, self.exchange.clone()).unwrap().handle
    }
}

#[test]
fn a_key_is_a_blob_of_which_nothing_is_told() {
    let phone = Phone::new();
    let grant = phone.engine.acquire(&phone.request, phone.exchange.clone()).unwrap();
    assert_eq!((grant.times, grant.key_ids), (LicenseTimes::default(), None));
    let handle = phone.acquire();
    assert!(!handle.is_empty() && !handle.as_bytes().windows(6).any(|bytes| bytes == b"0_film"));
    assert_ne!(phone.acquire(), handle, "no two blobs are the same");
    assert_eq!(phone.engine.held().unwrap(), None);
    assert_eq!(phone.engine.inspect(&stored(&phone.request, &handle)).unwrap(), LicenseTimes::default());
    assert_eq!(phone.kit.book().licenses[0].asset.as_deref(), Some("0_film"));

    phone.device.switch(|switches| switches.tells_times = true);
    let times = phone.engine.inspect(&stored(&phone.request, &handle)).unwrap();
    assert_eq!(
        (times.license, times.playback),
        (LicenseDuration::Seconds(2_592_000), LicenseDuration::Seconds(172_800))
    );
}

#[test]
fn certificate_and_key_uri_are_needed_before_anybody_is_asked() {
    let phone = Phone::new();
    let request = phone.request.clone();
    for certificate in [None, Some(Vec::new())] {
        let request = KeyRequest { certificate, ..request.clone() };
        assert_eq!(phone.acquire_error(&request), Code::CertificateMissing);
    }
    for init_data in [&b""[..], b"skd://", b"https://key", b"skd:\xff"] {
        let request = KeyRequest { init_data: init_data.to_vec(), ..request.clone() };
        assert_eq!(phone.acquire_error(&request), Code::CdmFailed);
    }
    assert_eq!(phone.kit.counts().requests, 0);
    let request = KeyRequest { certificate: Some(b"another".to_vec()), ..request };
    assert_eq!(phone.acquire_error(&request), Code::ServerRejected);
}

#[test]
fn a_key_for_streaming_cannot_be_kept() {
    let phone = Phone::new();
    phone.kit.set_policy(Policy { persist: false, ..Policy::default() });
    assert_eq!(phone.acquire_error(&phone.request), Code::LicensePersistenceDenied);
}

#[test]
fn the_first_playback_replaces_the_blob_and_starts_the_second_clock() {
    let phone = Phone::new();
    phone.kit.set_policy(Policy { duration_seconds: Some(1000), playback_seconds: Some(100), ..Policy::default() });
    let handle = phone.acquire();
    phone.clock.advance_seconds(999);
    let (updated, times) = phone.device.start_playback(&handle).unwrap().updated.unwrap();
    assert_ne!(updated, handle);
    assert_eq!((times.license, times.playback), (LicenseDuration::Seconds(100), LicenseDuration::Seconds(100)));
    phone.clock.advance_seconds(99);
    assert!(phone.device.start_playback(&updated).unwrap().updated.is_none(), "once only");
    assert_eq!(phone.device.start_playback(&handle).unwrap_err().code(), Code::LicenseVanished);
    phone.clock.advance_seconds(1);
    assert_eq!(phone.device.start_playback(&updated).unwrap_err().code(), Code::LicenseExpired);

    phone.kit.set_policy(Policy { playback_seconds: None, ..Policy::default() });
    assert!(phone.device.start_playback(&phone.acquire()).unwrap().updated.is_none(), "no window, no update");
}

#[test]
fn a_renewal_makes_another_blob_of_the_same_license_or_of_a_new_one() {
    let phone = Phone::new();
    let first = phone.acquire();
    let GrantedHandle::Changed(second) = phone.renew(&first) else { panic!("the same license in another blob") };
    assert_eq!((phone.kit.book().live, phone.kit.book().licenses[0].renewals), (1, 1));
    phone.kit.set_policy(Policy { renew_in_place: false, ..Policy::default() });
    assert!(matches!(phone.renew(&second), GrantedHandle::New(_)));
    assert_eq!(phone.kit.book().live, 2);
}

#[test]
fn nothing_is_given_back_unless_the_switch_says_so() {
    let phone = Phone::new();
    let handle = phone.acquire();
    assert_eq!(phone.release(&handle), ReleaseOutcome::NotSupported);
    assert_eq!((phone.kit.book().live, phone.kit.counts().of(RequestKind::Release)), (1, 0));
    phone.device.switch(|switches| switches.releases = true);
    assert_eq!(phone.release(&handle), ReleaseOutcome::Released);
    assert_eq!(phone.kit.book().live, 0);
}

#[test]
fn a_blob_of_another_device_does_not_open() {
    let phone = Phone::new();
    phone.device.switch(|switches| (switches.releases, switches.tells_times) = (true, true));
    let handle = phone.acquire();
    phone.device.forget_all();
    for handle in [&handle, &Handle::new(b"nonsense".to_vec()), &Handle::new(Vec::new())] {
        let held = stored(&phone.request, handle);
        assert_eq!(phone.engine.inspect(&held).unwrap_err().code(), Code::LicenseVanished);
        let renewed = phone.engine.renew(&held, &phone.request, phone.exchange.clone());
        assert_eq!(renewed.unwrap_err().code(), Code::LicenseVanished);
        assert_eq!(phone.release(handle), ReleaseOutcome::Forgotten);
    }
}

#[test]
fn it_goes_wrong_where_the_script_says() {
    let phone = Phone::new();
    phone.device.script().plan(Call::Acquire, Moment::AfterSend, Trouble::Fail(Code::CdmFailed), 1);
    assert_eq!(phone.acquire_error(&phone.request), Code::CdmFailed);
    assert_eq!(phone.kit.book().live, 1);
    phone.device.script().plan(Call::Release, Moment::Start, Trouble::Fail(Code::CdmFailed), 1);
    let held = stored(&phone.request, &phone.acquire());
    assert_eq!(phone.engine.release(&held, phone.exchange.clone()).unwrap_err().code(), Code::CdmFailed);
}
