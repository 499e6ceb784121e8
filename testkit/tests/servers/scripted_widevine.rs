//! The scripted CDM that behaves like MediaDrm, against the Widevine-like server.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the lint knows test functions, not what they call")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::exchange::{RawExchange, stored};
use larder_core::Code;
use larder_core::manifest::pssh;
use larder_core::model::license::{GrantedHandle, Handle, LicenseDuration, ReleaseOutcome};
use larder_core::model::{DrmScheme, KeyId, KeyRequest, SecurityLevel};
use larder_core::ports::{DrmEngine as _, ExchangeKind};
use larder_testkit::cdm::{Call, Moment, ScriptedWidevine, Trouble, WidevineDevice};
use larder_testkit::{Action, ManualClock, Options, Policy, RequestKind, Rule, Testkit};

const KID: KeyId = KeyId([7; 16]);

struct Phone {
    kit: Testkit,
    clock: Arc<ManualClock>,
    device: Arc<WidevineDevice>,
    engine: ScriptedWidevine,
    exchange: Arc<RawExchange>,
}

impl Phone {
    fn new() -> Self {
        let kit = Testkit::start(Options::default()).unwrap();
        let clock = Arc::new(ManualClock::default());
        let device = Arc::new(WidevineDevice::new(kit.url("/widevine/provision"), clock.clone()));
        let engine = ScriptedWidevine::new(device.clone());
        let exchange = RawExchange::to(kit.url("/widevine/license"));
        Self { kit, clock, device, engine, exchange }
    }

    fn acquire(&self) -> Handle {
        match self.engine.acquire(&request(), self.exchange.clone()).unwrap().handle {
            GrantedHandle::New(handle) => handle,
            other => panic!("{other:?}"),
        }
    }

    fn renew(&self, handle: &Handle) -> GrantedHandle {
        self.engine.renew(&stored(&request(), handle), &request(), self.exchange.clone()).unwrap().handle
    }

    fn renew_error(&self, handle: &Handle) -> Code {
        self.engine.renew(&stored(&request(), handle), &request(), self.exchange.clone()).unwrap_err().code()
    }

    fn release(&self, handle: &Handle) -> larder_core::Result<ReleaseOutcome> {
        self.engine.release(&stored(&request(), handle), self.exchange.clone())
    }

    fn inspect(&self, handle: &Handle) -> larder_core::Result<larder_core::model::license::LicenseTimes> {
        self.engine.inspect(&stored(&request(), handle))
    }
}

fn request() -> KeyRequest {
    KeyRequest {
        scheme: DrmScheme::Widevine,
        init_data: pssh::wrap(pssh::WIDEVINE, &[]).unwrap().bytes,
        key_ids: vec![KID],
        mime: "video/mp4".into(),
        certificate: None,
        security_level: SecurityLevel::Default,
    }
}

#[test]
fn a_new_device_is_provisioned_once_and_then_gets_its_license() {
    let phone = Phone::new();
    assert!(!phone.device.is_provisioned());
    let grant = phone.engine.acquire(&request(), phone.exchange.clone()).unwrap();
    assert_eq!(*phone.exchange.kinds.lock().unwrap(), [ExchangeKind::Provisioning, ExchangeKind::License]);
    assert_eq!(grant.key_ids, Some(vec![KID]));
    assert_eq!(
        (grant.times.license, grant.times.playback),
        (LicenseDuration::Seconds(2_592_000), LicenseDuration::Seconds(172_800))
    );
    let second = phone.acquire();
    assert_eq!(phone.kit.counts().of(RequestKind::Provisioning), 1);

    let held = phone.engine.held().unwrap().unwrap();
    assert_eq!(held.len(), 2);
    assert!(held.contains(&second) && held[0] != held[1], "the same PSSH twice makes two licenses");
    assert!(std::str::from_utf8(second.as_bytes()).is_err(), "a key set id is not text");
    assert_eq!(phone.kit.book().live, 2);

    phone.device.lose_provisioning().unwrap();
    phone.acquire();
    assert_eq!(phone.kit.counts().of(RequestKind::Provisioning), 2);
}

#[test]
fn a_device_that_cannot_be_provisioned_gets_no_license() {
    let phone = Phone::new();
    let action = Action::Body { text: "no".into(), content_type: "text/plain".into() };
    phone.kit.add_fault(Rule::on("/widevine/provision", action)).unwrap();
    let error = phone.engine.acquire(&request(), phone.exchange.clone()).unwrap_err();
    assert_eq!(error.code(), Code::ProvisioningFailed);
    assert_eq!(phone.kit.book().licenses.len(), 0);
}

#[test]
fn a_renewal_keeps_the_key_set_id_or_changes_it_or_is_a_new_license() {
    let phone = Phone::new();
    let first = phone.acquire();
    phone.clock.advance_seconds(1000);
    assert!(matches!(phone.renew(&first), GrantedHandle::Same));
    assert_eq!(phone.inspect(&first).unwrap().license, LicenseDuration::Seconds(2_592_000), "the time runs anew");

    phone.device.switch(|switches| switches.keeps_handle = false);
    let GrantedHandle::Changed(second) = phone.renew(&first) else { panic!("another id for the same license") };
    assert_eq!(phone.device.key_set_ids(), std::slice::from_ref(&second));
    assert_eq!(phone.inspect(&first).unwrap_err().code(), Code::LicenseVanished);

    phone.kit.set_policy(Policy { renew_in_place: false, ..Policy::default() });
    let GrantedHandle::New(third) = phone.renew(&second) else { panic!("a license of its own") };
    assert_eq!(phone.device.key_set_ids(), [second, third]);
    assert_eq!(phone.kit.book().live, 2);
}

#[test]
fn a_renewal_that_is_not_permitted_asks_nobody() {
    let phone = Phone::new();
    phone.kit.set_policy(Policy { renewable: false, ..Policy::default() });
    let handle = phone.acquire();
    assert_eq!(phone.renew_error(&handle), Code::RenewalNotPermitted);
    assert_eq!(phone.kit.counts().of(RequestKind::Renewal), 0);
}

#[test]
fn a_release_removes_the_key_set_and_a_second_one_finds_nothing() {
    let phone = Phone::new();
    let handle = phone.acquire();
    assert_eq!(phone.release(&handle).unwrap(), ReleaseOutcome::Released);
    assert_eq!((phone.kit.book().live, phone.device.key_set_ids().len()), (0, 0));
    assert_eq!(phone.release(&handle).unwrap(), ReleaseOutcome::Forgotten);
    assert_eq!(phone.inspect(&handle).unwrap_err().code(), Code::LicenseVanished);
}

#[test]
fn a_release_that_does_not_arrive_ends_the_keys_and_can_be_sent_again() {
    let phone = Phone::new();
    let handle = phone.acquire();
    let fault =
        phone.kit.add_fault(Rule::on("/widevine/", Action::Status { status: 503, retry_after_seconds: None })).unwrap();
    phone.release(&handle).unwrap_err();
    assert_eq!(phone.device.play(&handle).unwrap_err().code(), Code::CdmFailed);
    assert_eq!(phone.inspect(&handle).unwrap_err().code(), Code::CdmFailed);
    assert_eq!(phone.engine.held().unwrap().unwrap(), std::slice::from_ref(&handle));
    assert_eq!(phone.kit.book().live, 1);
    phone.kit.remove_fault(fault).unwrap();
    assert_eq!(phone.release(&handle).unwrap(), ReleaseOutcome::Released);
    assert_eq!(phone.kit.book().live, 0);
}

#[test]
fn persistence_denied_is_an_empty_handle_and_nothing_stored() {
    let phone = Phone::new();
    phone.kit.set_policy(Policy { persist: false, ..Policy::default() });
    assert!(phone.acquire().is_empty());
    assert!(phone.device.key_set_ids().is_empty());

    phone.kit.set_policy(Policy::default());
    phone.device.switch(|switches| switches.empty_handle = true);
    assert!(phone.acquire().is_empty());
    assert_eq!(phone.device.key_set_ids().len(), 1, "a device's defect: stored, and its name not told");
}

#[test]
fn times_run_by_the_clock_and_a_playback_starts_its_own() {
    let phone = Phone::new();
    phone.kit.set_policy(Policy { duration_seconds: Some(1000), playback_seconds: Some(100), ..Policy::default() });
    let handle = phone.acquire();
    phone.clock.advance_seconds(400);
    assert_eq!(phone.inspect(&handle).unwrap().license, LicenseDuration::Seconds(600));
    assert_eq!(phone.inspect(&handle).unwrap().playback, LicenseDuration::Seconds(100));
    assert_eq!(phone.device.play(&handle).unwrap(), [KID]);
    phone.clock.advance_seconds(40);
    assert_eq!(phone.inspect(&handle).unwrap().playback, LicenseDuration::Seconds(60));
    phone.clock.advance_seconds(60);
    assert_eq!(phone.inspect(&handle).unwrap_err().code(), Code::LicenseExpired);
    assert_eq!(phone.device.play(&handle).unwrap_err().code(), Code::LicenseExpired);

    let unplayed = phone.acquire();
    phone.clock.advance_seconds(1000);
    assert_eq!(phone.inspect(&unplayed).unwrap_err().code(), Code::LicenseExpired);
    phone.kit.set_policy(Policy { duration_seconds: None, playback_seconds: None, ..Policy::default() });
    let times = phone.inspect(&phone.acquire()).unwrap();
    assert_eq!((times.license, times.playback), (LicenseDuration::Unlimited, LicenseDuration::Unlimited));
    phone.device.switch(|switches| switches.tells_times = false);
    assert_eq!(phone.inspect(&phone.acquire()).unwrap().license, LicenseDuration::Unknown);
}

#[test]
fn keys_vanish_foreign_ones_appear_and_old_androids_do_not_list() {
    let phone = Phone::new();
    let (a, b) = (phone.acquire(), phone.acquire());
    assert!(phone.device.vanish(&a).unwrap());
    assert_eq!(phone.inspect(&a).unwrap_err().code(), Code::LicenseVanished);
    let foreign = phone.device.add_foreign().unwrap();
    assert_eq!(phone.engine.held().unwrap().unwrap(), [b, foreign]);
    phone.device.switch(|switches| switches.lists = false);
    assert_eq!(phone.engine.held().unwrap(), None);
}

#[test]
fn a_key_set_belongs_to_its_security_level() {
    let phone = Phone::new();
    let l3 = KeyRequest { security_level: SecurityLevel::L3, ..request() };
    let GrantedHandle::New(handle) = phone.engine.acquire(&l3, phone.exchange.clone()).unwrap().handle else {
        panic!()
    };
    phone.engine.inspect(&stored(&l3, &handle)).unwrap();
    assert_eq!(phone.inspect(&handle).unwrap_err().code(), Code::LicenseVanished);
}

#[test]
fn init_data_must_be_widevines_boxes() {
    let phone = Phone::new();
    for init_data in [
        Vec::new(),
        b"{\"kids\":[]}".to_vec(),
        pssh::wrap(pssh::PLAYREADY, &[]).unwrap().bytes,
        [pssh::wrap(pssh::WIDEVINE, &[]).unwrap().bytes, pssh::wrap(pssh::COMMON, &[]).unwrap().bytes].concat(),
    ] {
        let error = phone.engine.acquire(&KeyRequest { init_data, ..request() }, phone.exchange.clone()).unwrap_err();
        assert_eq!(error.code(), Code::CdmFailed);
    }
    assert_eq!(phone.kit.counts().requests, 0);
}

#[test]
fn the_cdm_is_busy_so_often_and_fails_where_the_script_says() {
    let phone = Phone::new();
    let script = phone.device.script();
    script.busy(2);
    let code = || phone.engine.acquire(&request(), phone.exchange.clone()).map(drop).map_err(|error| error.code());
    assert_eq!([code(), code(), code()], [Err(Code::CdmBusy), Err(Code::CdmBusy), Ok(())]);
    assert_eq!(script.calls(Call::Acquire), 3);

    // Stored, and the caller does not know: what reconciliation is for.
    script.plan(Call::Acquire, Moment::BeforeReturn, Trouble::Fail(Code::CdmFailed), 1);
    assert_eq!(code(), Err(Code::CdmFailed));
    assert_eq!((phone.device.key_set_ids().len(), phone.kit.book().live), (2, 2));
    // Issued, and not stored: nobody but the server knows.
    script.plan(Call::Acquire, Moment::AfterSend, Trouble::Fail(Code::CdmFailed), 1);
    assert_eq!(code(), Err(Code::CdmFailed));
    assert_eq!((phone.device.key_set_ids().len(), phone.kit.book().live), (2, 3));
    script.plan(Call::Held, Moment::Start, Trouble::Fail(Code::CdmFailed), 1);
    assert_eq!(phone.engine.held().unwrap_err().code(), Code::CdmFailed);
}

#[test]
fn the_cdm_panics_and_goes_on_working() {
    let phone = Phone::new();
    phone.device.script().plan(Call::Acquire, Moment::BeforeSend, Trouble::Panic, 1);
    let outcome = catch_unwind(AssertUnwindSafe(|| phone.engine.acquire(&request(), phone.exchange.clone())));
    assert!(outcome.is_err());
    phone.acquire();
}

#[test]
fn the_cdm_hangs_until_it_is_let_go_and_its_grant_comes_late() {
    let phone = Phone::new();
    phone.device.script().plan(Call::Acquire, Moment::BeforeReturn, Trouble::Hang, 1);
    std::thread::scope(|scope| {
        let acquiring = scope.spawn(|| phone.acquire());
        assert!(phone.device.script().wait_until_hanging());
        assert_eq!(phone.engine.held().unwrap().unwrap().len(), 1, "other calls are answered meanwhile");
        phone.device.script().let_go();
        assert_eq!(phone.device.key_set_ids(), [acquiring.join().unwrap()]);
    });
}

#[test]
fn a_device_in_a_file_is_the_same_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let kit = Testkit::start(Options::default()).unwrap();
    let clock = Arc::new(ManualClock::default());
    let open = || {
        let file = folder.path().join("device.json");
        Arc::new(WidevineDevice::in_file(file, kit.url("/widevine/provision"), clock.clone()).unwrap())
    };
    let exchange = RawExchange::to(kit.url("/widevine/license"));
    let GrantedHandle::New(handle) =
        ScriptedWidevine::new(open()).acquire(&request(), exchange.clone()).unwrap().handle
    else {
        panic!()
    };
    let device = open();
    assert!(device.is_provisioned());
    assert_eq!(device.key_set_ids(), std::slice::from_ref(&handle));
    assert_eq!(device.play(&handle).unwrap(), [KID]);
    let engine = ScriptedWidevine::new(open());
    assert_eq!(engine.release(&stored(&request(), &handle), exchange).unwrap(), ReleaseOutcome::Released);
    assert!(open().key_set_ids().is_empty());
    std::fs::write(folder.path().join("device.json"), "{").unwrap();
    assert!(WidevineDevice::in_file(folder.path().join("device.json"), "", clock.clone()).is_err());
}

#[test]
fn no_handle_is_printed() {
    let phone = Phone::new();
    let handle = phone.acquire();
    let shown = format!("{:?} {:?}", phone.device, phone.engine);
    assert!(!shown.contains("107, 115, 105, 100") && !shown.contains("ksid"), "{shown}");
    assert!(!handle.is_empty());
}
