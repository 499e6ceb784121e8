//! Nothing secret is shown: a whole run, good and bad, with every log line, error, status, diagnosis and `Debug` output
//! read for keys, handles, challenges, licenses, tokens, query strings and the app's metadata.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test says what it expects")]

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use larder_core::assets::{AssetImport, LicenseImport, LocalAssetsManager, Refresh, Verify};
use larder_core::model::{AssetId, AssetRegistration, DrmScheme, Expiry, RenewalPolicy};
use larder_core::ports::{
    ExchangeAnswer, ExchangeKind, LicenseRequest, LicenseResponse, NetworkState, RequestAdapter, TokenProvider,
};
use larder_core::{Cancellation, Result};
use larder_testkit::cdm::{Call, Moment, Trouble};
use larder_testkit::{Action, Mood, Rule, StorageCall};

use crate::log;
use crate::test_device::{TestDevice, id, reconcile_all, register};

const TOKEN: &str = "tok3n-of-anna";
const SIGNATURE: &str = "s1gnature-in-the-query";
const METADATA: &[u8] = b"m3tadata-of-the-app";

#[test]
fn nothing_secret_is_logged_reported_or_shown() {
    log::listen();
    let wire = Arc::new(Wire::default());
    let mut device = TestDevice::new();
    device.tokens = Some(Arc::new(Token));
    device.adapter = Some(Arc::clone(&wire) as _);
    let mut run = Run { manager: device.start(), device, said: String::new(), secrets: BTreeSet::new() };

    for policy in [RenewalPolicy::AcquireThenRelease, RenewalPolicy::InPlace, RenewalPolicy::ReleaseThenAcquire] {
        for registration in [
            run.device.clear_key("clearkey"),
            run.device.widevine("widevine", policy),
            run.device.fair_play("fairplay"),
            run.device.clear("clear"),
        ] {
            run.lives_and_goes(signed(registration, policy), policy == RenewalPolicy::default());
        }
    }
    run.changes_its_handle_by_itself();
    run.is_provisioned_again();
    run.is_refused_by_its_server_for_good();
    run.is_imported();
    run.dies_and_starts_again();

    let Run { device, said, mut secrets, .. } = run;
    secrets.extend([TOKEN.into(), SIGNATURE.into(), METADATA.to_vec()]);
    secrets.extend(device.servers.keys().values().map(|key| key.0.to_vec()));
    let seen = wire.seen.lock().unwrap();
    for kind in [ExchangeKind::License, ExchangeKind::Renewal, ExchangeKind::Release, ExchangeKind::Provisioning] {
        assert!(seen.iter().any(|(of, _)| *of == kind), "{kind:?} was part of the run");
    }
    secrets.extend(seen.iter().map(|(_, bytes)| telling(bytes)));
    let log = log::text();
    for word in ["license stored", "OFFLINE", "provision", "license release refused", "imported", "interrupted"] {
        assert!(log.contains(word) || said.contains(word), "the run was heard: {word}");
    }
    for secret in secrets.iter().filter(|secret| secret.len() >= 8) {
        for form in forms(secret) {
            for text in [&log, &said] {
                let Some(at) = text.find(&form) else { continue };
                let from = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
                let to = text[at..].find('\n').map_or(text.len(), |newline| at + newline);
                panic!("a secret is shown: {}", &text[from..to]);
            }
        }
    }
}

/// A source whose every URL is signed, and an app's own bytes.
fn signed(mut registration: AssetRegistration, policy: RenewalPolicy) -> AssetRegistration {
    registration.metadata = Some(METADATA.to_vec());
    registration.source.url += &format!("?sig={SIGNATURE}");
    for params in &mut registration.source.drm {
        params.renewal = policy;
        params.license_url += &format!("?sig={SIGNATURE}&playback_seconds=3600");
        if let Some(url) = &mut params.certificate_url {
            *url += &format!("?sig={SIGNATURE}");
        }
    }
    registration
}

struct Run {
    device: TestDevice,
    manager: LocalAssetsManager,
    said: String,
    secrets: BTreeSet<Vec<u8>>,
}

impl Run {
    fn say(&mut self, what: impl std::fmt::Debug) {
        self.said += &format!("{what:?}\n{what:#?}\n");
        // What is secret now need not be there in the end.
        let storage = &self.device.storage;
        self.secrets.extend(storage.keys().iter().filter_map(|key| storage.value(key)));
        self.secrets.extend(self.device.widevine.key_set_ids().iter().map(|id| id.as_bytes().to_vec()));
    }

    fn refresh(&mut self, asset_id: &AssetId) {
        let refreshed = self.manager.refresh(asset_id, Refresh::default(), &Cancellation::new());
        if let Err(error) = &refreshed {
            self.said += &format!("{error}\n");
        }
        self.say(refreshed);
    }

    fn registered(&mut self, registration: AssetRegistration) -> AssetId {
        self.say(&registration);
        let asset_id = registration.asset_id.clone();
        let registered = register(&self.manager, registration);
        assert!(registered.is_ok(), "{registered:?}");
        self.say(registered);
        asset_id
    }

    fn lives_and_goes(&mut self, registration: AssetRegistration, has_trouble: bool) {
        let asset_id = self.registered(registration.clone());
        let source = self.manager.local_media_source(&asset_id, None).unwrap();
        self.say(&source);
        for license in &source.licenses {
            self.say(self.manager.license_handle(&license.license_id));
        }
        self.say(self.manager.verify_asset(&asset_id, Verify { media: true, licenses: true }));
        self.refresh(&asset_id);
        self.say(self.manager.renew_all(u64::MAX, &Cancellation::new()));
        if has_trouble {
            self.has_trouble_with_servers_and_storage(&asset_id);
        }
        self.device.servers.stop().unwrap();
        self.refresh(&asset_id);
        self.say(self.manager.unregister(&asset_id));
        self.say(self.manager.reconcile());
        self.device.servers.resume().unwrap();
        let mut bad = registration;
        for params in &mut bad.source.drm {
            params.license_url = format!("https://anna:{TOKEN}@host/?sig={SIGNATURE}");
        }
        self.say(register(&self.manager, bad));
        self.say(self.manager.statuses());
        self.say(self.manager.diagnostics());
        self.said += &format!("{:?}", self.manager);
        self.say(self.manager.unregister(&asset_id));
        reconcile_all(&self.manager);
    }

    fn has_trouble_with_servers_and_storage(&mut self, asset_id: &AssetId) {
        for fault in
            [Action::Html, Action::Empty, Action::Garbage, Action::Status { status: 403, retry_after_seconds: None }]
        {
            self.device.servers.add_fault(Rule::on("/", fault)).unwrap();
            self.refresh(asset_id);
            self.device.servers.clear_faults().unwrap();
        }
        for mood in [Mood::Lying, Mood::Failing, Mood::Panicking] {
            self.device.storage.set(StorageCall::Load, mood);
            self.refresh(asset_id);
            self.say(self.manager.verify_asset(asset_id, Verify { media: true, licenses: true }));
            self.device.storage.set(StorageCall::Load, Mood::Faithful);
        }
    }

    fn changes_its_handle_by_itself(&mut self) {
        let asset_id = self.registered(signed(self.device.fair_play("window"), RenewalPolicy::InPlace));
        let license = self.manager.local_media_source(&asset_id, None).unwrap().licenses.remove(0).license_id;
        let handle = self.manager.license_handle(&license).unwrap();
        let (changed, times) = self.device.fairplay.start_playback(&handle).unwrap().updated.unwrap();
        self.say(self.manager.license_handle_changed(&license, &changed, times));
    }

    fn is_provisioned_again(&mut self) {
        let asset_id = self.registered(signed(
            self.device.widevine("provisioned", RenewalPolicy::default()),
            RenewalPolicy::default(),
        ));
        self.device.widevine.lose_provisioning().unwrap();
        self.device.servers.add_fault(Rule::on("/widevine/provision", Action::Html)).unwrap();
        self.refresh(&asset_id);
        self.device.servers.clear_faults().unwrap();
        self.refresh(&asset_id);
    }

    fn is_refused_by_its_server_for_good(&mut self) {
        let asset_id = self
            .registered(signed(self.device.widevine("refused", RenewalPolicy::default()), RenewalPolicy::default()));
        let refuse = Action::Status { status: 400, retry_after_seconds: None };
        self.device.servers.add_fault(Rule::on("/widevine/license", refuse)).unwrap();
        self.device.widevine.script().plan(Call::Remove, Moment::Start, Trouble::Fail(larder_core::Code::CdmFailed), 1);
        self.say(self.manager.unregister(&asset_id));
        for _ in 0..8 {
            self.say(self.manager.reconcile());
        }
        self.device.servers.clear_faults().unwrap();
    }

    fn is_imported(&mut self) {
        let theirs =
            self.registered(signed(self.device.widevine("theirs", RenewalPolicy::default()), RenewalPolicy::default()));
        let license = self.manager.local_media_source(&theirs, None).unwrap().licenses.remove(0).license_id;
        let handle = self.manager.license_handle(&license).unwrap();
        let license = LicenseImport {
            scheme: DrmScheme::Widevine,
            handle,
            init_data: None,
            expires: Expiry::Unknown,
            playback_window_seconds: None,
        };
        let registration = signed(self.device.widevine("imported", RenewalPolicy::default()), RenewalPolicy::default());
        let asset = AssetImport { registration, licenses: vec![license] };
        self.say(&asset);
        self.say(self.manager.import(vec![asset], &Cancellation::new()));
    }

    /// A copy of the database while a registration is under way is what a killed process leaves.
    fn dies_and_starts_again(&mut self) {
        let mut config = self.device.config();
        config.data_dir = self.device.folder.path().join("after-the-crash");
        let device = &self.device;
        device.widevine.script().plan(Call::Acquire, Moment::BeforeReturn, Trouble::Hang, 1);
        let registration = signed(device.widevine("killed", RenewalPolicy::default()), RenewalPolicy::default());
        std::thread::scope(|scope| {
            scope.spawn(|| drop(register(&self.manager, registration)));
            assert!(device.widevine.script().wait_until_hanging());
            larder_testkit::copy_dir(&device.data_dir(), &config.data_dir).unwrap();
            device.widevine.script().let_go();
        });
        let again = self.device.try_start(config).unwrap();
        self.say(again.report());
        self.say(again.reconcile());
        self.say(again.status(&id("killed")));
        self.say(again.diagnostics());
        again.set_network_state(NetworkState::Offline).unwrap();
    }
}

struct Token;

impl TokenProvider for Token {
    fn authorization(&self, _asset_id: &AssetId, _rejected: bool) -> Result<Option<String>> {
        Ok(Some(format!("Bearer {TOKEN}")))
    }
}

/// Keeps all that goes to the servers and comes from them, and changes nothing. A certificate is no secret.
#[derive(Default)]
struct Wire {
    seen: Mutex<HashSet<(ExchangeKind, Vec<u8>)>>,
}

impl Wire {
    fn keep(&self, kind: ExchangeKind, bytes: &[u8]) {
        if kind != ExchangeKind::Certificate {
            self.seen.lock().unwrap().insert((kind, bytes.to_vec()));
        }
    }
}

impl RequestAdapter for Wire {
    fn adapt(&self, request: LicenseRequest) -> Result<LicenseRequest> {
        self.keep(request.kind, &request.body);
        Ok(request)
    }
    fn parse(&self, response: LicenseResponse) -> Result<Option<ExchangeAnswer>> {
        self.keep(response.kind, &response.body);
        Ok(None)
    }
}

/// So much of a message that it can be told from every other one: its end, which has its nonce or its last key, and not
/// all of it, because a log would cut it.
fn telling(message: &[u8]) -> Vec<u8> {
    message[message.len().saturating_sub(48)..].to_vec()
}

/// The ways in which bytes end up in a log.
fn forms(secret: &[u8]) -> Vec<String> {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let list = secret.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    let lines = secret.iter().map(u8::to_string).collect::<Vec<_>>().join(",\n    ");
    let mut forms = vec![hex.to_uppercase(), hex, list, lines, secret.escape_ascii().to_string()];
    // Within something longer it may begin at any of the three bytes that become four characters.
    for skipped in 0..3 {
        let whole = &secret[skipped..secret.len() - (secret.len() - skipped) % 3];
        forms.extend([STANDARD_NO_PAD.encode(whole), URL_SAFE_NO_PAD.encode(whole)]);
    }
    forms.extend(std::str::from_utf8(secret).map(str::to_owned));
    forms
}
