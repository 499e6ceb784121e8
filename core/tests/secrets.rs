//! Nothing secret is shown: a whole run, good and bad, with every log line, error, status, diagnosis and `Debug` output
//! read for keys, handles, challenges, tokens, query strings and certificates.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects")]

mod world;

use std::io::Write;
use std::sync::{Arc, Mutex};

use larder_core::assets::{Refresh, Verify};
use larder_core::model::{AssetId, RenewalPolicy};
use larder_core::ports::TokenProvider;
use larder_core::{Cancellation, Result};
use larder_testkit::{Action, Mood, Rule, StorageCall};
use world::{World, id, register, settle_all};

const TOKEN: &str = "tok3n-of-anna";
const SIGNATURE: &str = "s1gnature-in-the-query";
const METADATA: &[u8] = b"m3tadata-of-the-app";

#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<u8>>>);

impl Heard {
    fn say(&self, text: impl std::fmt::Debug) {
        writeln!(self.0.lock().unwrap(), "{text:?}").unwrap();
    }
}

impl Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct Token;

impl TokenProvider for Token {
    fn authorization(&self, _asset_id: &AssetId, _rejected: bool) -> Result<Option<String>> {
        Ok(Some(format!("Bearer {TOKEN}")))
    }
}

#[test]
fn nothing_secret_is_logged_reported_or_shown() {
    let heard = Heard::default();
    let writer = heard.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .init();
    let mut world = World::new();
    world.tokens = Some(Arc::new(Token));
    let manager = world.start();
    let mut secrets: Vec<Vec<u8>> = vec![TOKEN.into(), SIGNATURE.into(), METADATA.into()];

    let mut registrations = vec![
        world.clear_key("clearkey"),
        world.widevine("widevine", RenewalPolicy::InPlace),
        world.fair_play("fairplay"),
        world.clear("clear"),
    ];
    for registration in &mut registrations {
        registration.metadata = Some(METADATA.to_vec());
        registration.source.url += &format!("?sig={SIGNATURE}");
        for params in &mut registration.source.drm {
            params.license_url += &format!("?sig={SIGNATURE}");
        }
    }
    for registration in registrations {
        let asset_id = registration.asset_id.clone();
        heard.say(&registration);
        heard.say(register(&manager, registration.clone()));
        let source = manager.local_source(&asset_id, None).unwrap();
        heard.say(&source);
        for license in &source.licenses {
            let handle = manager.license_handle(&license.license_id).unwrap();
            heard.say(&handle);
            secrets.push(handle.as_bytes().to_vec());
        }
        heard.say(manager.verify(&asset_id, Verify { media: true, licenses: true }));
        heard.say(manager.refresh(&asset_id, Refresh::default(), &Cancellation::new()));
        for fault in [Action::Html, Action::Empty, Action::Garbage, Action::Status { status: 403, retry_after_s: None }]
        {
            world.servers.add_fault(Rule::on("/", fault)).unwrap();
            heard.say(manager.refresh(&asset_id, Refresh::default(), &Cancellation::new()));
            world.servers.clear_faults().unwrap();
        }
        for mood in [Mood::Lying, Mood::Failing, Mood::Panicking] {
            world.storage.set(StorageCall::Load, mood);
            heard.say(manager.refresh(&asset_id, Refresh::default(), &Cancellation::new()));
            heard.say(manager.verify(&asset_id, Verify { media: true, licenses: true }));
            world.storage.set(StorageCall::Load, Mood::Faithful);
        }
        world.servers.stop().unwrap();
        heard.say(manager.refresh(&asset_id, Refresh::default(), &Cancellation::new()));
        heard.say(manager.unregister(&asset_id));
        heard.say(manager.settle());
        world.servers.resume().unwrap();
        let mut bad = registration;
        for params in &mut bad.source.drm {
            params.license_url = format!("https://anna:{TOKEN}@host/?sig={SIGNATURE}");
        }
        heard.say(register(&manager, bad));
        heard.say(manager.statuses());
        heard.say(manager.diagnostics());
        heard.say(&manager);
        heard.say(manager.unregister(&asset_id));
        settle_all(&manager);
    }
    heard.say(manager.status(&id("clearkey")));
    secrets.extend(world.servers.keys().values().map(|key| key.0.to_vec()));
    secrets.push(b"WVC1".to_vec());
    secrets.push(b"SPC1".to_vec());

    let text = String::from_utf8_lossy(&heard.0.lock().unwrap()).into_owned();
    assert!(text.contains("licence stored") && text.contains("OFFLINE"), "the run was heard: {}", text.len());
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        for form in forms(secret) {
            if let Some(at) = text.find(&form) {
                let from = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
                let to = text[at..].find('\n').map_or(text.len(), |newline| at + newline);
                panic!("a secret is shown: {}", &text[from..to]);
            }
        }
    }
}

/// The ways in which bytes end up in a log.
fn forms(secret: &[u8]) -> Vec<String> {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let list = secret.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    let mut forms = vec![hex.to_uppercase(), hex, list, STANDARD_NO_PAD.encode(secret), URL_SAFE_NO_PAD.encode(secret)];
    if let Ok(text) = std::str::from_utf8(secret) {
        forms.push(text.to_owned());
    }
    forms
}
