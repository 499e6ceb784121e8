//! Nothing secret is printed: a whole run with planted secrets, all of its output, its log and its `Debug` forms.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use larder_core::assets::{Config, LocalAssetsManager, Ports, Refresh, Timeouts, Verify};
use larder_core::license::clearkey::ClearKeyEngine;
use larder_core::model::{
    AssetId, AssetRegistration, DrmParams, DrmScheme, KeyRequest, MediaSource, Profile, SecurityLevel,
};
use larder_core::net::{ClientSettings, ReqwestClient};
use larder_core::ports::{
    Clock, ExchangeAnswer, ExchangeKind, ExchangeMessage, Executors, HttpRequest, HttpResponse, NetworkState,
    TokenProvider,
};
use larder_core::{Cancellation, Error, Result};
use larder_testkit::{Action, Rule, Testkit};
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::larder::{Home, media, servers};
use crate::memory_storage::MemoryStorage;

const TOKEN: &str = "token-3c1f8e2a77";
const QUERY: &str = "signature-9d4be06f51";
const USER_INFO: &str = "password-5a2e90c1bb";
const SERVER_TEXT: &str = "internal-e8d07c3a19";

/// Everything that must not be seen, in each form it might be printed in.
struct Secrets(BTreeMap<String, &'static str>);

impl Secrets {
    fn planted() -> Self {
        let mut secrets = Self(BTreeMap::new());
        for (text, what) in [(TOKEN, "token"), (QUERY, "query"), (USER_INFO, "user info"), (SERVER_TEXT, "answer")] {
            secrets.0.insert(text.to_owned(), what);
        }
        let keys = std::fs::read(media("keys.json")).unwrap();
        let keys: BTreeMap<String, String> = serde_json::from_slice(&keys).unwrap();
        for key in keys.values() {
            let bytes: Vec<u8> = (0..16).map(|at| u8::from_str_radix(&key[at * 2..at * 2 + 2], 16).unwrap()).collect();
            secrets.add(&bytes, "key");
        }
        secrets
    }

    fn add(&mut self, bytes: &[u8], what: &'static str) {
        assert!(bytes.len() >= 8, "too short to look for: {what}");
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let list = format!("{bytes:?}");
        // The head of a long one is enough, wherever the rest is cut off.
        for form in [hex.to_uppercase(), hex, list, STANDARD.encode(bytes), URL_SAFE_NO_PAD.encode(bytes)] {
            self.0.insert(form.chars().take(48).collect::<String>().trim_end_matches('=').to_owned(), what);
        }
        if let Ok(text) = std::str::from_utf8(bytes) {
            self.0.insert(text.to_owned(), what);
            self.0.insert(format!("{text:?}").trim_matches('"').to_owned(), what);
        }
    }

    /// The messages of CDMs that reached the license server.
    fn add_challenges(&mut self, kit: &Testkit) {
        for request in kit.requests().iter().filter(|request| request.path.starts_with("/clearkey")) {
            if request.body.len() >= 8 {
                self.add(&request.body, "challenge");
            }
        }
    }

    #[track_caller]
    fn assert_absent(&self, text: &str) {
        for (secret, what) in &self.0 {
            if let Some(at) = text.find(secret.as_str()) {
                let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
                let line = text[start..].lines().next().unwrap();
                panic!("a {what} was printed: {line}");
            }
        }
    }
}

fn license_url(kit: &Testkit) -> String {
    kit.url(&format!("/clearkey/license?duration_seconds=604800&sig={QUERY}"))
}

/// Server behaviours that could make a client reveal a secret.
fn provocations(kit: &Testkit) -> Vec<Action> {
    vec![
        Action::Status { status: 403, retry_after_seconds: None },
        Action::Status { status: 500, retry_after_seconds: None },
        Action::Empty,
        Action::Html,
        Action::Body { text: format!("{{\"keys\": \"{SERVER_TEXT}\"}}"), content_type: "application/json".into() },
        Action::Body { text: SERVER_TEXT.into(), content_type: "text/plain".into() },
        Action::Redirect { to: kit.url(&format!("/elsewhere?sig={QUERY}")), status: 307 },
        Action::Redirect { to: format!("ftp://user:{USER_INFO}@host/?sig={QUERY}"), status: 307 },
        Action::RedirectLoop { status: 302 },
        Action::Garbage,
        Action::Reset,
        Action::Hang,
    ]
}

#[test]
fn no_secret_is_in_anything_that_the_command_prints() {
    let (home, kit) = (Home::with_token(&format!("Bearer {TOKEN}")), servers());
    let mut secrets = Secrets::planted();
    let mut printed = String::new();
    let mut run = |line: &[&str]| {
        let ran = home.run(["--verbose", "--timeout", "1"].iter().chain(line));
        printed.push_str(&ran.stdout);
        printed.push_str(&ran.stderr);
        ran.status
    };
    let film = media("dash-cenc").to_str().unwrap().to_owned();
    let source = json!({
        "id": "main",
        "url": format!("https://cdn.example.com/film/manifest.mpd?sig={QUERY}"),
        "drm": [{ "scheme": "clearkey", "license_url": license_url(&kit) }],
    });
    let source = home.file("source.json", source.to_string());
    let source = source.to_str().unwrap();
    let register = ["register", &film, "--id", "film", "--source", source];

    for action in provocations(&kit) {
        let rule = kit.add_fault(Rule::on("/clearkey", action)).unwrap();
        assert_eq!(run(&register), 2);
        kit.remove_fault(rule).unwrap();
    }
    let bad = home.clearkey_source(&format!("https://user:{USER_INFO}@host/?sig={QUERY}"));
    assert_eq!(run(&["register", &film, "--id", "bad", "--source", bad.to_str().unwrap()]), 2);
    let bad = home.file("bad.json", format!("{{\"url\": [\"{QUERY}\"], \"drm\": \"{TOKEN}\"}}"));
    assert_eq!(run(&["register", &film, "--id", "bad", "--source", bad.to_str().unwrap()]), 2);

    // `source.json` was written over.
    let good = json!({ "url": format!("https://cdn.example.com/?sig={QUERY}"), "drm": [{ "scheme": "clearkey", "license_url": license_url(&kit) }] });
    home.file("source.json", good.to_string());
    assert_eq!(run(&register), 0);
    add_handles(&mut secrets, &home);
    for form in [&[][..], &["--json"]] {
        for line in [
            &["status", "film", "--verify"][..],
            &["status"],
            &["list"],
            &["url", "film"],
            &["refresh", "film"],
            &["renew-all", "--within", "90d"],
            &["played", "film"],
            &["keys-check", "film"],
            &["diagnostics"],
            &["store", "dump"],
        ] {
            assert_eq!(run(&[line, form].concat()), 0, "{line:?}");
            add_handles(&mut secrets, &home);
        }
    }
    for action in provocations(&kit) {
        let rule = kit.add_fault(Rule::on("/clearkey", action)).unwrap();
        assert_eq!(run(&["refresh", "film", "--json"]), 2);
        kit.remove_fault(rule).unwrap();
    }
    // A handle that was altered.
    for (name, bytes) in handles(&home) {
        std::fs::write(&name, &bytes[..bytes.len() / 2]).unwrap();
        run(&["status", "film", "--verify"]);
        run(&["keys-check", "film"]);
        std::fs::write(&name, bytes).unwrap();
    }
    kit.stop().unwrap();
    assert_eq!(run(&["refresh", "film"]), 2);
    assert_eq!(run(&["unregister", "film"]), 0);
    assert_eq!(run(&["reconcile", "--json"]), 1);
    kit.resume().unwrap();
    assert_eq!(run(&["reconcile", "--json"]), 0);
    assert_eq!(run(&["diagnostics", "--json"]), 0);

    secrets.add_challenges(&kit);
    assert!(secrets.0.values().any(|what| *what == "challenge") && secrets.0.values().any(|what| *what == "handle"));
    assert!(printed.len() > 10_000 && printed.contains("DEBUG"), "the log is not in what was printed");
    secrets.assert_absent(&printed);
}

fn handles(home: &Home) -> Vec<(PathBuf, Vec<u8>)> {
    let Ok(folder) = std::fs::read_dir(home.store().join("secrets")) else { return Vec::new() };
    folder.map(|entry| entry.unwrap().path()).map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

fn add_handles(secrets: &mut Secrets, home: &Home) {
    for (_, bytes) in handles(home) {
        secrets.add(&bytes, "handle");
    }
}

/// Everything that is logged in this process, at every level, by everybody.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

struct Tokens;

impl TokenProvider for Tokens {
    fn authorization(&self, _: &AssetId, _: bool) -> Result<Option<String>> {
        Ok(Some(format!("Bearer {TOKEN}")))
    }
}

struct TestClock;

impl Clock for TestClock {
    #[allow(clippy::disallowed_methods, reason = "this is the clock port")]
    fn now_ms(&self) -> i64 {
        let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        i64::try_from(since_1970.as_millis()).unwrap()
    }

    fn since_boot_ms(&self) -> Option<i64> {
        None
    }

    fn boot_id(&self) -> Option<String> {
        None
    }
}

#[test]
fn no_secret_is_in_the_log_or_the_debug_form_of_anything() {
    let captured = Captured::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(captured.clone()).finish();
    // For all threads: the core's work is done on several.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let (home, kit) = (Home::new(), servers());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let storage = Arc::new(MemoryStorage::default());
    let ports = Ports {
        engines: vec![Arc::new(ClearKeyEngine::new(Arc::new(TestClock)))],
        storage: storage.clone(),
        http: Arc::new(ReqwestClient::new(&ClientSettings::default(), runtime.handle().clone()).unwrap()),
        clock: Arc::new(TestClock),
        request_adapter: None,
        token_provider: Some(Arc::new(Tokens)),
        source_url_provider: None,
        event_sink: None,
        executors: Executors::shared(runtime.handle().clone()),
    };
    let timeouts = Timeouts { network: std::time::Duration::from_secs(1), ..Timeouts::default() };
    let config = Config {
        data_dir: home.store(),
        roots: Vec::new(),
        profile: Profile::default(),
        timeouts,
        network: NetworkState::Unknown,
    };
    let mut shown = vec![format!("{config:?}")];
    let manager = LocalAssetsManager::open(config, ports).unwrap();
    let (film, go) = (AssetId::new("film").unwrap(), Cancellation::new());
    let source = MediaSource {
        id: "main".into(),
        url: format!("https://user:{USER_INFO}@cdn.example.com/film.mpd?sig={QUERY}"),
        format: None,
        drm: vec![DrmParams::new(DrmScheme::ClearKey, license_url(&kit))],
    };
    let registration = AssetRegistration {
        asset_id: film.clone(),
        entry_id: None,
        path: media("dash-cenc"),
        source: source.clone(),
        metadata: Some(QUERY.into()),
    };
    shown.push(format!(
        "{registration:?} {source:?} {:?} {:?}",
        source.drm,
        Refresh { source: Some(source.clone()), metadata: None }
    ));
    let mut show_error = |error: Error| shown.push(format!("{error:?} {error} {:?}", error.message()));
    for action in provocations(&kit) {
        let rule = kit.add_fault(Rule::on("/clearkey", action)).unwrap();
        show_error(manager.register(registration.clone(), &go).unwrap_err());
        kit.remove_fault(rule).unwrap();
    }
    shown.push(format!("{:?}", manager.register(registration, &go).unwrap()));
    let local = manager.local_media_source(&film, None).unwrap();
    let handle = manager.license_handle(&local.licenses[0].license_id).unwrap();
    shown.push(format!("{local:?} {handle:?} {:?}", handle.digest()));
    shown.push(format!("{:?} {:?}", manager.assets().unwrap(), manager.report()));
    shown.push(format!("{:?}", manager.verify_asset(&film, Verify { media: true, licenses: true }).unwrap()));
    let mut secrets = Secrets::planted();
    let remember = |secrets: &mut Secrets| storage.values().iter().for_each(|value| secrets.add(value, "handle"));
    remember(&mut secrets);
    shown.push(format!("{:?}", manager.refresh(&film, Refresh::default(), &go).unwrap()));
    remember(&mut secrets);
    shown.push(format!("{:?} {:?}", manager.renew_all(1_000_000_000, &go).unwrap(), manager.diagnostics().unwrap()));
    remember(&mut secrets);
    shown.push(format!("{:?} {:?}", manager.unregister(&film).unwrap(), manager.reconcile().unwrap()));
    manager.close();
    secrets.add_challenges(&kit);

    // What passes through ports.
    let body = kit.requests().iter().find(|request| request.body.len() >= 8).unwrap().body.clone();
    let headers = vec![("authorization".to_owned(), format!("Bearer {TOKEN}"))];
    let request = HttpRequest {
        method: "POST",
        url: license_url(&kit),
        headers: headers.clone(),
        body: body.clone(),
        timeout_ms: 1,
        max_body_bytes: 1,
    };
    shown.push(format!("{request:?} {:?}", HttpResponse { status: 200, headers, body: body.clone() }));
    shown.push(format!(
        "{:?}",
        ExchangeMessage { kind: ExchangeKind::License, url: Some(license_url(&kit)), body: body.clone() }
    ));
    shown
        .push(format!("{:?}", ExchangeAnswer { body: handle.as_bytes().to_vec(), persistence_duration_seconds: None }));
    let key_request = KeyRequest {
        scheme: DrmScheme::ClearKey,
        init_data: body,
        key_ids: Vec::new(),
        mime: "video/mp4".into(),
        certificate: None,
        security_level: SecurityLevel::Default,
    };
    shown.push(format!("{key_request:?} {:?}", Error::new(larder_core::Code::Network, "broken").caused_by(TOKEN)));

    let log = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("larder_core"), "the core logged nothing");
    let ours: String = log.lines().filter(|line| line.contains(" larder")).flat_map(|line| [line, "\n"]).collect();
    secrets.assert_absent(&ours);
    shown.iter().for_each(|text| secrets.assert_absent(text));
}
