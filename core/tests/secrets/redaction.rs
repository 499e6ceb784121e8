//! docs/architecture.md, invariant 11: no key, handle, challenge, token or signed URL reaches a log, an error or `Debug`.
//!
//! Every secret of this run has a marker. All of it goes wrong in every way, everything is logged at the finest level,
//! by our dependencies too, and no marker may be found.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the lints know test functions, not what they call"
)]

use std::sync::Arc;

use crate::log;
use crate::servers::{TestServers, impatient, key_request, message, whole_text};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use larder_core::license::clearkey::ClearKeyEngine;
use larder_core::license::exchange::check_params;
use larder_core::license::wire;
use larder_core::model::license::{GrantedHandle, StoredLicense};
use larder_core::model::{AssetId, DrmParams, DrmScheme, KeyId, LicenseId};
use larder_core::net::RetryPolicy;
use larder_core::ports::{
    Clock, DrmEngine as _, ExchangeAnswer, ExchangeKind, ExchangeMessage, LicenseExchange as _, LicenseRequest,
    LicenseResponse, RequestAdapter, TokenProvider,
};
use larder_core::{Code, Error, Result};
use larder_testkit::{Action, ContentKey, KeyTable, Rule};

/// In URLs, headers, tokens, challenges, certificates and server messages. A plain word, the hardest to tell.
const MARKER: &str = "Zyzzyva";
const KEY: [u8; 16] = *b"ZyzzyvaKeyZyzzyv";
const KID: KeyId = KeyId([1; 16]);

struct App;

impl TokenProvider for App {
    fn authorization(&self, _: &AssetId, rejected: bool) -> Result<Option<String>> {
        Ok(Some(format!("Bearer {MARKER}{}", if rejected { "-fresh" } else { "" })))
    }
}

impl RequestAdapter for App {
    fn adapt(&self, mut request: LicenseRequest) -> Result<LicenseRequest> {
        if request.url.contains("adapter-fails") {
            return Err(Error::new(Code::Internal, format!("cannot sign {MARKER}")).caused_by(MARKER));
        }
        request.headers.push(("customData".to_owned(), MARKER.to_owned()));
        Ok(request)
    }
    fn parse(&self, _: LicenseResponse) -> Result<Option<ExchangeAnswer>> {
        Ok(None)
    }
}

struct At(i64);

impl Clock for At {
    fn now_ms(&self) -> i64 {
        self.0
    }
    fn since_boot_ms(&self) -> Option<i64> {
        None
    }
    fn boot_id(&self) -> Option<String> {
        None
    }
}

fn faults() -> Vec<Action> {
    let body = |text: String, content_type: &str| Action::Body { text, content_type: content_type.to_owned() };
    let mut faults: Vec<Action> = [400, 401, 403, 404, 429, 500, 503, 302]
        .map(|status| Action::Status { status, retry_after_seconds: Some(3600) })
        .into();
    faults.extend([
        Action::Hang,
        Action::Reset,
        Action::Garbage,
        Action::Empty,
        Action::Html,
        Action::Drop { after_bytes: 3, reset: true },
        Action::RedirectLoop { status: 307 },
        Action::Redirect { to: format!("http://{MARKER}@host/{MARKER}?{MARKER}"), status: 302 },
        Action::Redirect { to: format!("http://{MARKER}.invalid:99999/"), status: 302 },
        body(format!("{MARKER} is not entitled"), "text/plain"),
        body(format!(r#"{{"message":"{MARKER} is not entitled"}}"#), "application/json"),
        body(format!(r#"{{"error":{{"message":"token {MARKER} is over"}}}}"#), "application/json"),
        body(format!(r#"{{"keys":"{MARKER}"}}"#), "application/json"),
        body(
            format!(r#"{{"keys":[{{"kty":"oct","kid":"{MARKER}","k":{{}}}}],"type":"{MARKER}"}}"#),
            "application/json",
        ),
        body(format!(r#"{{"ckc":"%{MARKER}%"}}"#), "application/json"),
        body(format!(r#"{{"ckc":{{"{MARKER}":1}}}}"#), "application/json"),
    ]);
    faults
}

/// All that a secret may look like in text.
fn forbidden() -> Vec<String> {
    let mut forms = vec![MARKER.to_lowercase()];
    let hex: String = KEY.iter().map(|byte| format!("{byte:02x}")).collect();
    let list = format!("{KEY:?}");
    forms.extend([hex, list.trim_matches(['[', ']']).to_owned()]);
    for secret in [&KEY[..], MARKER.as_bytes()] {
        forms.extend([STANDARD.encode(secret), URL_SAFE_NO_PAD.encode(secret)].map(|text| text.to_lowercase()));
    }
    forms
}

#[test]
fn no_secret_reaches_a_log_an_error_or_debug() {
    log::listen();
    let mut said = String::new();

    let mut servers = TestServers::with(RetryPolicy { attempts: 2, first_pause_ms: 1, ..impatient() });
    servers.kit.add_keys(KeyTable::from([(KID, ContentKey(KEY))]));
    servers.context.tokens = Some(Arc::new(App));
    servers.context.adapter = Some(Arc::new(App));
    let engine = ClearKeyEngine::new(Arc::new(At(0)));
    let params = |scheme, path: &str| {
        let mut params = DrmParams::new(scheme, servers.kit.url(&format!("{path}?session={MARKER}&{MARKER}=1")));
        params.certificate_url = Some(servers.kit.url(&format!("/fairplay/certificate?{MARKER}")));
        params
    };
    let clearkey = || servers.exchange(params(DrmScheme::ClearKey, "/clearkey/license"));
    let request = key_request(DrmScheme::ClearKey, format!(r#"{{"kids":["{}"]}}"#, wire::clearkey::kid_text(&KID)));

    // All well: a license, its times, its keys; later it has expired.
    let exchange = clearkey();
    let grant = engine.acquire(&request, exchange.clone()).unwrap();
    said.push_str(&format!("{grant:?} {exchange:?} {engine:?} {request:?}"));
    let GrantedHandle::New(handle) = grant.handle else { panic!("no handle") };
    assert!(String::from_utf8_lossy(handle.as_bytes()).contains(&URL_SAFE_NO_PAD.encode(KEY)), "the secret is real");
    let license_id = LicenseId::random().unwrap();
    let (scheme, acquired_level) = (DrmScheme::ClearKey, None);
    let held = StoredLicense { license_id, scheme, handle, request: request.clone(), acquired_level };
    let expired = ClearKeyEngine::new(Arc::new(At(i64::MAX)));
    said.push_str(&whole_text(&expired.keys(&held.handle).unwrap_err()));
    said.push_str(&format!("{held:?} {:?} {:?}", engine.keys(&held.handle), engine.inspect(&held)));

    // Everything wrong, for every format and kind.
    for action in faults() {
        // Waiting for nothing is the same for every format.
        let schemes = if action == Action::Hang { 1 } else { 3 };
        servers.kit.add_fault(Rule::on("/", action)).unwrap();
        for (scheme, path) in [
            (DrmScheme::ClearKey, "/clearkey/license"),
            (DrmScheme::Widevine, "/widevine/license"),
            (DrmScheme::FairPlay, "/fairplay/udrm"),
        ]
        .into_iter()
        .take(schemes)
        {
            let exchange = servers.exchange(params(scheme, path));
            for kind in [ExchangeKind::License, ExchangeKind::Renewal, ExchangeKind::Release] {
                if let Err(error) = exchange.send(message(kind, MARKER)) {
                    said.push_str(&whole_text(&error));
                }
            }
            said.push_str(&format!("{exchange:?} {:?}", message(ExchangeKind::License, MARKER)));
            if let Err(error) = exchange.certificate() {
                said.push_str(&whole_text(&error));
            }
            let url = Some(servers.kit.url(&format!("/widevine/provision?{MARKER}")));
            let provisioning = ExchangeMessage { kind: ExchangeKind::Provisioning, url, body: MARKER.into() };
            if let Err(error) = exchange.send(provisioning) {
                said.push_str(&whole_text(&error));
            }
        }
        said.push_str(&engine.acquire(&request, clearkey()).map_or_else(|error| whole_text(&error), |_| String::new()));
        said.push_str(&engine.release(&held, clearkey()).map_or_else(|error| whole_text(&error), |_| String::new()));
        servers.kit.clear_faults().unwrap();
    }

    // Servers that are not there, URLs that are none, an adapter that fails.
    servers.kit.stop().unwrap();
    said.push_str(&whole_text(&engine.acquire(&request, clearkey()).unwrap_err()));
    for url in [
        format!("https://{MARKER}:{MARKER}@host/"),
        format!("{MARKER}://host/"),
        format!("https://ho st/{MARKER}"),
        format!("http://{MARKER}.invalid/{MARKER}?{MARKER}"),
        format!("https://127.0.0.1:9/{MARKER}?{MARKER}"),
        format!("http://127.0.0.1:9/adapter-fails?{MARKER}"),
    ] {
        let params = DrmParams::new(DrmScheme::Widevine, url);
        said.push_str(&format!("{params:?} {:?}", check_params(&params)));
        let error = servers.exchange(params).send(message(ExchangeKind::License, MARKER)).unwrap_err();
        // The app's own error is kept as the cause, for whoever debugs the process; what we say is ours.
        said.push_str(&if error.code() == Code::DelegateFailed { error.to_string() } else { whole_text(&error) });
    }
    said.push_str(&format!("{:?}", servers.context.network));

    let logged = log::text();
    assert!(logged.contains("requests_made") || logged.contains("request"), "something was logged");
    // A host is no secret, and is shown: it is what an operator needs to know.
    let host = format!("{}.invalid", MARKER.to_lowercase());
    for text in [said, logged].map(|text| text.to_lowercase().replace(&host, "host")) {
        for secret in forbidden() {
            if let Some(at) = text.find(&secret) {
                let from = text.floor_char_boundary(at.saturating_sub(300));
                let to = text.ceil_char_boundary(at + 100);
                panic!("{secret:?} was told: …{}…", &text[from..to]);
            }
        }
    }
}
