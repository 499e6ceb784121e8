//! The software ClearKey engine: against the testkit's server, and against answers that no good server gives.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the lints know test functions, not what they call"
)]

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use crate::servers::{TestServers, key_request, whole_text};
use larder_core::license::clearkey::ClearKeyEngine;
use larder_core::model::license::{GrantedHandle, Handle, LicenseGrant, ReleaseOutcome, StoredLicense};
use larder_core::model::{DrmParams, DrmScheme, KeyId, KeyRequest, LicenseDuration, LicenseId, LicenseTimes};
use larder_core::ports::{Clock, DrmEngine as _, ExchangeAnswer, ExchangeKind, ExchangeMessage, LicenseExchange};
use larder_core::{Code, Error, Result};
use larder_testkit::{Action, ContentKey, KeyTable, Policy, RequestKind, Rule};

const A: KeyId = KeyId([1; 16]);
const B: KeyId = KeyId([2; 16]);
/// `A` and `B` in base64url.
const KIDS: [&str; 2] = ["AQEBAQEBAQEBAQEBAQEBAQ", "AgICAgICAgICAgICAgICAg"];
/// Sixteen bytes of 0xa1 and 0xa2.
const KEYS: [&str; 2] = ["oaGhoaGhoaGhoaGhoaGhoQ", "oqKioqKioqKioqKioqKiog"];

/// A clock that stands where it is put.
#[derive(Default)]
struct Still(AtomicI64);

impl Clock for Still {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
    fn since_boot_ms(&self) -> Option<i64> {
        None
    }
    fn boot_id(&self) -> Option<String> {
        None
    }
}

struct Bench {
    servers: TestServers,
    clock: Arc<Still>,
    engine: ClearKeyEngine,
}

impl Bench {
    fn new() -> Self {
        let servers = TestServers::new();
        servers.kit.add_keys(KeyTable::from([(A, ContentKey([0xa1; 16])), (B, ContentKey([0xa2; 16]))]));
        let clock = Arc::new(Still::default());
        Self { servers, engine: ClearKeyEngine::new(clock.clone()), clock }
    }

    fn exchange(&self) -> Arc<dyn LicenseExchange> {
        self.servers.exchange(DrmParams::new(DrmScheme::ClearKey, self.servers.kit.url("/clearkey/license?asset=film")))
    }

    fn acquire(&self) -> Result<LicenseGrant> {
        self.engine.acquire(&request(), self.exchange())
    }

    fn held(&self) -> StoredLicense {
        stored(self.acquire().unwrap())
    }
}

fn request() -> KeyRequest {
    key_request(DrmScheme::ClearKey, format!(r#"{{"kids":["{}","{}"]}}"#, KIDS[0], KIDS[1]))
}

fn stored(grant: LicenseGrant) -> StoredLicense {
    let (GrantedHandle::New(handle) | GrantedHandle::Changed(handle)) = grant.handle else { panic!("no handle") };
    let (license_id, scheme) = (LicenseId::random().unwrap(), DrmScheme::ClearKey);
    StoredLicense { license_id, scheme, handle, request: request(), acquired_level: None }
}

const DAY_S: u64 = 24 * 3600;
const DAY_MS: i64 = 24 * 3600 * 1000;

#[test]
fn a_license_gives_its_keys_and_its_times() {
    let bench = Bench::new();
    let grant = bench.acquire().unwrap();
    let full =
        LicenseTimes { license: LicenseDuration::Seconds(30 * DAY_S), playback: LicenseDuration::Seconds(2 * DAY_S) };
    assert_eq!((grant.times, grant.key_ids.clone()), (full, Some(vec![A, B])));
    let held = stored(grant);
    let keys = bench.engine.keys(&held.handle).unwrap();
    assert_eq!((keys[&A].as_bytes(), keys[&B].as_bytes()), (&[0xa1; 16], &[0xa2; 16]));
    assert_eq!(bench.engine.inspect(&held).unwrap(), full);
    assert_eq!(bench.servers.requests(), 1);
    assert_eq!(bench.engine.held().unwrap(), None);
}

#[test]
fn a_license_expires_and_a_clock_that_is_set_back_adds_nothing() {
    let bench = Bench::new();
    bench.clock.0.store(100 * DAY_MS, Ordering::SeqCst);
    let held = bench.held();
    for (now_ms, expected) in [
        (100 * DAY_MS + 1, Ok(30 * DAY_S)),
        (129 * DAY_MS, Ok(DAY_S)),
        (130 * DAY_MS - 1, Ok(1)),
        (130 * DAY_MS, Err(Code::LicenseExpired)),
        (i64::MAX, Err(Code::LicenseExpired)),
        (0, Ok(30 * DAY_S)),
        (i64::MIN, Ok(30 * DAY_S)),
    ] {
        bench.clock.0.store(now_ms, Ordering::SeqCst);
        let times = bench.engine.inspect(&held).map(|times| times.license).map_err(|e| e.code());
        assert_eq!(times, expected.map(LicenseDuration::Seconds), "{now_ms}");
        assert_eq!(bench.engine.keys(&held.handle).map_err(|e| e.code()).err(), expected.err());
    }
}

#[test]
fn a_license_without_a_duration_has_no_end() {
    let bench = Bench::new();
    bench.servers.kit.set_policy(Policy { duration_seconds: None, playback_seconds: None, ..Policy::default() });
    let held = bench.held();
    bench.clock.0.store(i64::MAX, Ordering::SeqCst);
    let endless = LicenseTimes { license: LicenseDuration::Unlimited, playback: LicenseDuration::Unlimited };
    assert_eq!(bench.engine.inspect(&held).unwrap(), endless);
}

#[test]
fn renewing_in_place_changes_the_handle_and_keeps_the_license() {
    let bench = Bench::new();
    let held = bench.held();
    bench.clock.0.store(10 * DAY_MS, Ordering::SeqCst);
    let grant = bench.engine.renew(&held, &request(), bench.exchange()).unwrap();
    assert!(matches!(grant.handle, GrantedHandle::Changed(_)), "{:?}", grant.handle);
    let renewed = stored(grant);
    assert_eq!(bench.engine.inspect(&renewed).unwrap().license, LicenseDuration::Seconds(30 * DAY_S));
    let book = bench.servers.kit.book();
    assert_eq!((book.licenses.len(), book.licenses[0].renewals), (1, 1));
    assert_eq!(bench.engine.release(&renewed, bench.exchange()).unwrap(), ReleaseOutcome::Released);
    assert_eq!(bench.servers.kit.book().live, 0);
}

#[test]
fn a_renewal_that_changes_nothing_keeps_the_handle() {
    let bench = Bench::new();
    let held = bench.held();
    let grant = bench.engine.renew(&held, &request(), bench.exchange()).unwrap();
    assert!(matches!(grant.handle, GrantedHandle::Same), "{:?}", grant.handle);
}

#[test]
fn a_renewal_that_makes_a_new_license_leaves_the_old_one_to_release() {
    let bench = Bench::new();
    let held = bench.held();
    bench.servers.kit.set_policy(Policy { renew_in_place: false, ..Policy::default() });
    let grant = bench.engine.renew(&held, &request(), bench.exchange()).unwrap();
    assert!(matches!(grant.handle, GrantedHandle::New(_)), "{:?}", grant.handle);
    let renewed = stored(grant);
    assert_eq!(bench.servers.kit.book().live, 2);
    bench.engine.release(&held, bench.exchange()).unwrap();
    bench.engine.release(&renewed, bench.exchange()).unwrap();
    assert_eq!(bench.servers.kit.book().live, 0);
}

#[test]
fn what_may_not_be_renewed_is_not_asked_for() {
    let bench = Bench::new();
    bench.servers.kit.set_policy(Policy { renewable: false, ..Policy::default() });
    let held = bench.held();
    let renewed = bench.engine.renew(&held, &request(), bench.exchange());
    assert_eq!(renewed.unwrap_err().code(), Code::RenewalNotPermitted);
    assert_eq!(bench.servers.requests(), 1);

    let bench = Bench::new();
    let held = bench.held();
    bench.servers.kit.set_policy(Policy { renewable: false, ..Policy::default() });
    let renewed = bench.engine.renew(&held, &request(), bench.exchange());
    assert_eq!(renewed.unwrap_err().code(), Code::RenewalNotPermitted, "the server changed its mind");
}

#[test]
fn a_released_license_is_released_again_without_harm() {
    let bench = Bench::new();
    let held = bench.held();
    for _ in 0..2 {
        assert_eq!(bench.engine.release(&held, bench.exchange()).unwrap(), ReleaseOutcome::Released);
    }
    let seen = bench.servers.kit.requests();
    let body: serde_json::Value = serde_json::from_slice(&seen[1].body).unwrap();
    assert_eq!(body["kids"], serde_json::json!(KIDS));
    assert!(body.get("type").is_none() && body["license_id"].is_string());
}

#[test]
fn a_server_that_knows_no_release_is_no_reason_to_keep_a_license() {
    let bench = Bench::new();
    let held = bench.held();
    for (status, expected) in [
        (405, Ok(ReleaseOutcome::NotSupported)),
        (501, Ok(ReleaseOutcome::NotSupported)),
        (404, Err(Code::ServerRejected)),
        (500, Err(Code::ServerFailed)),
    ] {
        let id =
            bench.servers.kit.add_fault(Rule::on("/", Action::Status { status, retry_after_seconds: None })).unwrap();
        let outcome = bench.engine.release(&held, bench.exchange()).map_err(|e| e.code());
        assert_eq!(outcome, expected, "{status}");
        bench.servers.kit.remove_fault(id).unwrap();
    }
}

#[test]
fn a_grant_that_is_no_use_is_refused_and_given_back() {
    let refused = |policy: Policy| {
        let bench = Bench::new();
        bench.servers.kit.set_policy(policy);
        let code = bench.acquire().unwrap_err().code();
        (code, bench.servers.kit.book().live, bench.servers.kit.counts().of(RequestKind::Release))
    };
    let policy = Policy::default;
    assert_eq!(refused(Policy { omit_keys: vec![B], ..policy() }), (Code::LicenseKeysMissing, 0, 1));
    assert_eq!(refused(Policy { duration_seconds: Some(0), ..policy() }), (Code::LicenseDurationInvalid, 0, 1));
    assert_eq!(refused(Policy { duration_seconds: Some(-1), ..policy() }), (Code::LicenseDurationInvalid, 0, 1));
    assert_eq!(refused(Policy { duration_seconds: Some(i64::MAX), ..policy() }), (Code::LicenseDurationInvalid, 0, 1));
    assert_eq!(refused(Policy { playback_seconds: Some(0), ..policy() }), (Code::LicenseDurationInvalid, 0, 1));
    // A temporary license is gone with its session: there is nothing to give back.
    assert_eq!(refused(Policy { persist: false, ..policy() }), (Code::LicensePersistenceDenied, 0, 0));
}

#[test]
fn a_useless_renewal_loses_nothing() {
    for renew_in_place in [true, false] {
        let bench = Bench::new();
        let held = bench.held();
        bench.servers.kit.set_policy(Policy { renew_in_place, duration_seconds: Some(0), ..Policy::default() });
        let renewed = bench.engine.renew(&held, &request(), bench.exchange());
        assert_eq!(renewed.unwrap_err().code(), Code::LicenseDurationInvalid);
        let book = bench.servers.kit.book();
        assert_eq!((book.live, book.licenses[0].released_at_ms), (1, None), "the held license alone is left");
        assert!(bench.engine.keys(&held.handle).is_ok());
    }
}

// --- what is asked for ---------------------------------------------------------------------------------------------

/// Answers in order, and keeps what was sent.
#[derive(Default)]
struct Script {
    answers: Mutex<Vec<Result<String>>>,
    sent: Mutex<Vec<(ExchangeKind, String)>>,
}

impl Script {
    fn of(answers: &[&str]) -> Arc<Self> {
        let answers = answers.iter().rev().map(|answer| Ok((*answer).to_owned())).collect();
        Arc::new(Self { answers: Mutex::new(answers), ..Self::default() })
    }
}

impl LicenseExchange for Script {
    fn send(&self, message: ExchangeMessage) -> Result<ExchangeAnswer> {
        self.sent.lock().unwrap().push((message.kind, String::from_utf8(message.body).unwrap()));
        let answer = self.answers.lock().unwrap().pop().unwrap_or_else(|| Err(Error::new(Code::Offline, "no more")));
        Ok(ExchangeAnswer { body: answer?.into_bytes(), persistence_duration_seconds: None })
    }
}

fn engine() -> ClearKeyEngine {
    ClearKeyEngine::new(Arc::new(Still::default()))
}

fn jwk(kid: &str, k: &str) -> String {
    format!(r#"{{"kty":"oct","kid":"{kid}","k":"{k}"}}"#)
}

fn license(keys: &[String], more: &str) -> String {
    format!(r#"{{"keys":[{}],"type":"persistent-license"{more}}}"#, keys.join(","))
}

fn pssh(version: u8, system_id: u128, kids: &[KeyId], data: &[u8]) -> Vec<u8> {
    let mut body = [b"pssh".as_slice(), &[version, 0, 0, 0], &system_id.to_be_bytes()].concat();
    if version > 0 {
        body.extend(u32::try_from(kids.len()).unwrap().to_be_bytes());
        kids.iter().for_each(|kid| body.extend(kid.0));
    }
    body.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
    body.extend(data);
    [u32::try_from(body.len() + 4).unwrap().to_be_bytes().as_slice(), &body].concat()
}

const COMMON: u128 = 0x1077efec_c0b2_4d02_ace3_3c1e52e2fb4b;
const PLAYREADY: u128 = 0x9a04f079_9840_4286_ab92_e65be0885f95;

#[test]
fn the_request_names_every_key_of_the_init_data() {
    let both = format!(r#"{{"kids":["{}","{}"],"type":"persistent-license"}}"#, KIDS[0], KIDS[1]);
    let one = format!(r#"{{"kids":["{}"],"type":"persistent-license"}}"#, KIDS[0]);
    let named = |mut request: KeyRequest, ids: &[KeyId]| {
        request.key_ids = ids.to_vec();
        request
    };
    let of = |data: Vec<u8>| key_request(DrmScheme::ClearKey, data);
    for (request, expected) in [
        (request(), &both),
        (named(of(Vec::new()), &[A]), &one),
        (named(of(format!(r#"{{"kids":["{}"]}}"#, KIDS[0]).into()), &[B, A]), &both),
        (of(pssh(1, COMMON, &[A, B], &[])), &both),
        (of([pssh(1, COMMON, &[A], &[]), pssh(1, COMMON, &[B], &[])].concat()), &both),
        (of([pssh(1, PLAYREADY, &[B], &[]), pssh(1, COMMON, &[A], &[])].concat()), &one),
        (named(of(pssh(0, COMMON, &[], b"data")), &[A]), &one),
    ] {
        let script = Script::of(&[]);
        assert_eq!(engine().acquire(&request, script.clone()).unwrap_err().code(), Code::Offline);
        assert_eq!(*script.sent.lock().unwrap(), [(ExchangeKind::License, expected.clone())]);
    }
}

#[test]
fn init_data_that_asks_for_nothing_or_lies_sends_nothing() {
    let mut lying = pssh(1, COMMON, &[A], &[]);
    lying[28..32].copy_from_slice(&u32::MAX.to_be_bytes());
    let cut = pssh(1, COMMON, &[A], &[])[..30].to_vec();
    for (data, code) in [
        (Vec::new(), Code::InitDataMissing),
        (br#"{"kids":[]}"#.to_vec(), Code::InitDataMissing),
        (pssh(0, COMMON, &[], b"data"), Code::InitDataMissing),
        (br#"{"kids":["AQ"]}"#.to_vec(), Code::ManifestInvalid),
        (br#"{"kids":"no"}"#.to_vec(), Code::ManifestInvalid),
        (b"{".to_vec(), Code::ManifestInvalid),
        (lying, Code::ManifestInvalid),
        (cut, Code::ManifestInvalid),
        (b"garbage".to_vec(), Code::ManifestInvalid),
    ] {
        let script = Script::of(&[]);
        let error = engine().acquire(&key_request(DrmScheme::ClearKey, data.clone()), script.clone()).unwrap_err();
        assert_eq!(error.code(), code, "{}", String::from_utf8_lossy(&data));
        assert!(script.sent.lock().unwrap().is_empty());
    }
}

#[test]
fn each_defect_of_a_license_has_its_code() {
    let [a, b] = [jwk(KIDS[0], KEYS[0]), jwk(KIDS[1], KEYS[1])];
    let both = [a.clone(), b.clone()];
    let temporary = format!(r#"{{"keys":[{a},{b}],"type":"temporary"}}"#);
    let untyped = format!(r#"{{"keys":[{a},{b}]}}"#);
    let short = jwk(KIDS[1], "oqKioqKioqKioqKioqKi");
    let long = jwk(KIDS[1], "oqKioqKioqKioqKioqKioqKioqKioqKioqKioqKioqI");
    let not_oct = b.replace("oct", "RSA");
    for (answer, code) in [
        (temporary, Code::LicensePersistenceDenied),
        (untyped, Code::LicensePersistenceDenied),
        (license(&[], ""), Code::LicenseKeysMissing),
        (license(std::slice::from_ref(&a), ""), Code::LicenseKeysMissing),
        (license(&[a.clone(), short], ""), Code::LicenseKeysMissing),
        (license(&[a.clone(), long], ""), Code::LicenseKeysMissing),
        (license(&[a.clone(), not_oct], ""), Code::LicenseKeysMissing),
        (license(&[a.clone(), jwk(KIDS[1], "%%")], ""), Code::LicenseKeysMissing),
        (license(&[a.clone(), r#"{"kid":1}"#.to_owned()], ""), Code::LicenseMalformed),
        (license(&[a.clone(), b.clone(), jwk(KIDS[0], KEYS[1])], ""), Code::LicenseMalformed),
        (license(&both, r#","duration_seconds":0"#), Code::LicenseDurationInvalid),
        (license(&both, r#","duration_seconds":-5"#), Code::LicenseDurationInvalid),
        (license(&both, r#","duration_seconds":315705600000"#), Code::LicenseDurationInvalid),
        (license(&both, r#","playback_duration_seconds":0"#), Code::LicenseDurationInvalid),
        (license(&both, r#","duration_seconds":"long""#), Code::LicenseMalformed),
        (license(&both, r#","license_id":"""#), Code::LicenseMalformed),
        (license(&both, &format!(r#","license_id":"{}""#, "x".repeat(300))), Code::LicenseMalformed),
        ("[]".to_owned(), Code::LicenseMalformed),
        ("{}".to_owned(), Code::LicenseMalformed),
    ] {
        let error = engine().acquire(&request(), Script::of(&[&answer])).unwrap_err();
        assert_eq!(error.code(), code, "{answer}");
        let text = whole_text(&error);
        assert!(!KEYS.iter().any(|key| text.contains(key)), "{text}");
    }
}

#[test]
fn a_plain_w3c_server_is_enough() {
    let answer = license(&[jwk(KIDS[0], KEYS[0]), jwk(KIDS[1], KEYS[1]), jwk("AwMDAwMDAwMDAwMDAwMDAw", KEYS[0])], "");
    let released = format!(r#"{{"kids":["{}","{}"]}}"#, KIDS[0], KIDS[1]);
    let script = Script::of(&[&answer, &released]);
    let grant = engine().acquire(&request(), script.clone()).unwrap();
    assert_eq!(grant.key_ids, Some(vec![A, B]), "a key that nobody asked for is not kept");
    assert_eq!(grant.times.license, LicenseDuration::Unlimited);
    let held = stored(grant);
    assert_eq!(engine().release(&held, script.clone()).unwrap(), ReleaseOutcome::Released);
    assert_eq!(script.sent.lock().unwrap()[1], (ExchangeKind::Release, released));
    let renewed = engine().renew(&held, &request(), script.clone());
    assert_eq!(renewed.unwrap_err().code(), Code::RenewalNotPermitted, "there is no id to renew it by");
}

#[test]
fn a_release_counts_only_if_the_server_names_the_keys() {
    let answer = license(&[jwk(KIDS[0], KEYS[0]), jwk(KIDS[1], KEYS[1])], "");
    for acknowledgement in [r#"{"kids":[]}"#, r#"{"kids":["AQEBAQEBAQEBAQEBAQEBAQ"]}"#, "{}", "[]"] {
        let script = Script::of(&[&answer, acknowledgement]);
        let held = stored(engine().acquire(&request(), script.clone()).unwrap());
        assert_eq!(engine().release(&held, script).unwrap_err().code(), Code::LicenseMalformed, "{acknowledgement}");
    }
}

// --- handles -------------------------------------------------------------------------------------------------------

#[test]
fn a_handle_that_is_damaged_is_unreadable_and_nothing_of_it_is_said() {
    let held = Bench::new().held();
    let whole = held.handle.as_bytes();
    let mut damaged: Vec<Vec<u8>> = (0..whole.len()).map(|length| whole[..length].to_vec()).collect();
    damaged.push(b"garbage".to_vec());
    damaged.push(br#"{"larder":1,"keys":[]}"#.to_vec());
    damaged.push(String::from_utf8_lossy(whole).replace(r#""larder":1"#, r#""larder":2"#).into_bytes());
    damaged.push(String::from_utf8_lossy(whole).replace(KEYS[0], "AQ").into_bytes());
    for bytes in damaged {
        let bad = StoredLicense { handle: Handle::new(bytes), ..held.clone() };
        let errors = [
            engine().inspect(&bad).unwrap_err(),
            engine().keys(&bad.handle).unwrap_err(),
            engine().release(&bad, Script::of(&[])).unwrap_err(),
            engine().renew(&bad, &request(), Script::of(&[])).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.code(), Code::LicenseUnreadable);
            assert!(!KEYS.iter().any(|key| whole_text(&error).contains(key)), "{}", whole_text(&error));
        }
    }
}

#[test]
fn nothing_shows_a_key() {
    let bench = Bench::new();
    let held = bench.held();
    let keys = bench.engine.keys(&held.handle).unwrap();
    let shown = format!("{:?} {held:?} {keys:?} {:?}", bench.engine, held.handle);
    assert!(!KEYS.iter().any(|key| shown.contains(key)), "{shown}");
    assert!(!shown.contains("161, 161") && !shown.to_lowercase().contains("a1a1"), "{shown}");
}
