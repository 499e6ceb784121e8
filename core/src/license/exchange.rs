//! The network, lent to an engine for one conversation with its servers.
//!
//! An [`Exchange`] is made for one call of an engine, and closed when the call has ended. For each message it chooses
//! the URL, packs the message, asks the token provider, lets the app's adapter change the request, checks the URL
//! again, sends (with [`Network`]'s redirects and retries), repeats with a fresh token after 401 or 403, maps the
//! status, and unpacks the response.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle as Runtime;

use super::certificates::Certificates;
use super::grant::AnswerFacts;
use super::wire::{self, Format, MAX_ANSWER_BYTES, Reply, fairplay};
use crate::cancel::Cancellation;
use crate::error::{Code, Error, Result};
use crate::guard::call_delegate;
use crate::model::{AssetId, DrmParams, DrmScheme, KeyRequest};
use crate::net::status::status_error;
use crate::net::url::is_same_origin;
use crate::net::{Network, Outbound, Outcome, Watch, check_url};
use crate::ports::{
    ExchangeAnswer, ExchangeKind, ExchangeMessage, HttpResponse, LicenseExchange, LicenseRequest, LicenseResponse,
    RequestAdapter, TokenProvider,
};

/// The parts that all exchanges of a manager share.
#[derive(Clone)]
pub struct ExchangeContext {
    /// The network.
    pub network: Arc<Network>,
    /// The runtime on whose threads the app's code is called.
    pub runtime: Runtime,
    /// The app's adapter of requests.
    pub adapter: Option<Arc<dyn RequestAdapter>>,
    /// The app's provider of tokens.
    pub tokens: Option<Arc<dyn TokenProvider>>,
    /// The time limit of one call of the app's code.
    pub delegate_timeout: Duration,
    /// The cache of FairPlay's application certificates.
    pub certificates: Certificates,
}

/// The network, lent to an engine for one call as `Arc<dyn LicenseExchange>`. [`close`](Self::close) it when the call
/// has ended or timed out; its methods then report the outcome.
pub struct Exchange {
    context: ExchangeContext,
    asset_id: AssetId,
    params: DrmParams,
    format: Format,
    content_id: Option<String>,
    cancellation: Cancellation,
    // Protects counts and flags; held for a read or a write, never during a call.
    log: Mutex<Log>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Log {
    is_closed: bool,
    requests: u32,
    /// A request for a license got no response.
    is_answer_lost: bool,
    /// A request for a license succeeded, and the engine has not received the response.
    is_success_unread: bool,
    persistence_duration_seconds: Option<u64>,
}

/// Checks the DRM parameters of a registration, before anything is sent or stored.
///
/// Fails with `DrmParamsMissing` without a license URL, with `UrlInvalid` for a URL that is not HTTP, with
/// `CertificateMissing` for FairPlay without a certificate or its URL, and with `InvalidArgument` for a certificate of
/// more than 1 MiB.
pub fn check_params(params: &DrmParams) -> Result<()> {
    license_url(params)?;
    let certificate = params.certificate.as_ref().filter(|certificate| !certificate.is_empty());
    if certificate.is_some_and(|certificate| certificate.len() > MAX_ANSWER_BYTES) {
        return Err(Error::new(Code::InvalidArgument, "the FairPlay certificate is larger than 1 MiB"));
    }
    if let Some(url) = &params.certificate_url {
        check_url("certificate URL", url)?;
    } else if params.scheme == DrmScheme::FairPlay && certificate.is_none() {
        return Err(certificate_missing());
    }
    Ok(())
}

impl Exchange {
    /// Makes an exchange for one call of an engine. FairPlay's form takes its content id from `request`.
    pub fn new(
        context: ExchangeContext,
        asset_id: AssetId,
        params: DrmParams,
        request: Option<&KeyRequest>,
        cancellation: Cancellation,
    ) -> Arc<Self> {
        let content_id = request.and_then(|request| fairplay::content_id(&request.init_data));
        let format = Format::of(params.scheme, params.wire);
        Arc::new(Self { context, asset_id, params, format, content_id, cancellation, log: Mutex::default() })
    }

    /// Ends the exchange: every later `send` fails with `Cancelled`, and a response that arrives later is dropped.
    pub fn close(&self) {
        self.log().is_closed = true;
    }

    /// True if a license (or a renewal) was requested, and the server may have granted it without the engine's
    /// receiving it: no response came, or it could not be read, or it came after [`close`](Self::close).
    pub fn is_outcome_unknown(&self) -> bool {
        let log = self.log();
        log.is_answer_lost || log.is_success_unread
    }

    /// Returns the number of requests, repeated and redirected ones included: the round trips of this call.
    pub fn requests_made(&self) -> u32 {
        self.log().requests
    }

    /// Returns the facts beside the license in the last license's response.
    pub fn facts(&self) -> AnswerFacts {
        AnswerFacts { format: self.format, persistence_duration_seconds: self.log().persistence_duration_seconds }
    }

    /// Returns FairPlay's application certificate in DER: the source's own, or the one at its URL.
    ///
    /// Fails with `CertificateMissing` if there is neither, or if it is not a certificate.
    pub fn certificate(&self) -> Result<Vec<u8>> {
        if let Some(given) = self.params.certificate.as_ref().filter(|certificate| !certificate.is_empty()) {
            let reply = Reply { kind: ExchangeKind::Certificate, content_type: None, body: given.clone(), sent: &[] };
            return fairplay::unpack_certificate(reply).map_err(|_| {
                Error::new(Code::CertificateMissing, "the source's certificate is not in DER, base64 or PEM")
            });
        }
        let url = self.params.certificate_url.as_deref().unwrap_or_default();
        self.check_open()?;
        self.context.certificates.get_or_fetch(url, &self.cancellation, || {
            let message = ExchangeMessage { kind: ExchangeKind::Certificate, url: None, body: Vec::new() };
            self.send(message).map(|answer| answer.body)
        })
    }

    /// True if the source's certificate comes from a URL, and a license that was requested with it was refused since
    /// the certificate was fetched. A copy of it must not be used again.
    pub(super) fn is_certificate_refused(&self) -> bool {
        let url = self.params.certificate_url.as_deref().filter(|_| self.params.certificate.is_none());
        url.is_some_and(|url| self.context.certificates.is_refused(url))
    }

    /// Marks the certificate as refused if the server refuses a license, because the certificate may be the reason.
    fn note_refusal(&self, kind: ExchangeKind, error: &Error) {
        let is_refusal = matches!(error.code(), Code::LicenseDenied | Code::ServerRejected);
        if let Some(url) = self.params.certificate_url.as_deref().filter(|_| is_grant(kind) && is_refusal) {
            self.context.certificates.refuse(url);
        }
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails with `Cancelled` if the exchange is closed or the caller has cancelled.
    fn check_open(&self) -> Result<()> {
        if self.log().is_closed {
            return Err(Error::new(Code::Cancelled, "the engine's call has ended, so its exchange is closed"));
        }
        self.cancellation.check()
    }
}

impl LicenseExchange for Exchange {
    fn send(&self, message: ExchangeMessage) -> Result<ExchangeAnswer> {
        self.check_open()?;
        let request = self.compose(&message)?;
        let mut sent = self.adapted(&request, false)?;
        let mut response = self.send_once(&request, &sent)?;
        if matches!(response.status, 401 | 403) && request.wants_token && self.context.tokens.is_some() {
            sent = self.adapted(&request, true)?;
            response = self.send_once(&request, &sent)?;
        }
        let answer = self.read(message.kind, &sent, response).inspect_err(|error| {
            // A refusal and a captive portal's page are not a license that was lost.
            if matches!(error.code(), Code::LicenseDenied | Code::LicenseNotALicense) {
                self.log().is_success_unread = false;
            }
            self.note_refusal(message.kind, error);
        })?;

        // A response that arrives after a cancellation is returned all the same: the server has granted a license, and
        // only the CDM can release it. After `close` no call waits for the response.
        let mut log = self.log();
        if log.is_closed {
            return Err(Error::new(Code::Cancelled, "the engine's call has ended, so its exchange is closed"));
        }
        if is_grant(message.kind) {
            (log.is_answer_lost, log.is_success_unread) = (false, false);
            log.persistence_duration_seconds = answer.persistence_duration_seconds;
        }
        Ok(answer)
    }
}

/// A request before token and adapter.
struct Composed {
    kind: ExchangeKind,
    server: &'static str,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    wants_token: bool,
}

impl Exchange {
    fn compose(&self, message: &ExchangeMessage) -> Result<Composed> {
        let kind = message.kind;
        let from_cdm = message.url.as_deref().filter(|url| !url.is_empty());
        match kind {
            ExchangeKind::License | ExchangeKind::Renewal | ExchangeKind::Release => {
                let own = license_url(&self.params)?;
                let url = match from_cdm {
                    Some(url) => check_url("license URL of the CDM", url)?,
                    None => own.clone(),
                };
                let packed = wire::pack(self.format, &message.body, self.content_id.as_deref());
                let headers = packed.headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
                // A CDM may take its URL from the media. The token is for the source's own server only.
                let wants_token = is_same_origin(&url, &own);
                Ok(Composed {
                    kind,
                    server: "license server",
                    url: url.into(),
                    headers,
                    body: packed.body,
                    wants_token,
                })
            }
            ExchangeKind::Provisioning => {
                let url = from_cdm.ok_or_else(|| {
                    Error::new(Code::ProvisioningFailed, "the CDM did not name a server that provisions the device")
                })?;
                check_url("provisioning URL", url)?;
                let url = wire::provisioning_url(url, &message.body);
                let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
                Ok(Composed { kind, server: "provisioning server", url, headers, body: Vec::new(), wants_token: false })
            }
            ExchangeKind::Certificate => {
                let url = from_cdm.or(self.params.certificate_url.as_deref()).ok_or_else(certificate_missing)?;
                let url = check_url("certificate URL", url)?;
                let wants_token = license_url(&self.params).is_ok_and(|own| is_same_origin(&url, &own));
                let url = url.into();
                let (headers, body) = (Vec::new(), Vec::new());
                Ok(Composed { kind, server: "certificate server", url, headers, body, wants_token })
            }
        }
    }

    /// Adds the token, and lets the app's adapter change the request.
    fn adapted(&self, request: &Composed, is_token_rejected: bool) -> Result<LicenseRequest> {
        let mut headers = request.headers.clone();
        if let Some(value) = self.token(request, is_token_rejected)? {
            headers.push(("Authorization".to_owned(), value));
        }
        let mut adapted = LicenseRequest {
            kind: request.kind,
            asset_id: self.asset_id.clone(),
            url: request.url.clone(),
            headers,
            body: request.body.clone(),
        };
        if let Some(adapter) = self.context.adapter.clone() {
            self.check_open()?;
            adapted = self.delegate("the request adapter", move || adapter.adapt(adapted))?;
        }
        check_url("adapted URL", &adapted.url)?;
        check_headers(&adapted.headers)?;
        // The HTTP client sets these. Adapters that copy another library's request bring them along.
        const SET_BY_CLIENT: [&str; 4] = ["connection", "content-length", "host", "transfer-encoding"];
        adapted.headers.retain(|(name, _)| !SET_BY_CLIENT.iter().any(|h| name.eq_ignore_ascii_case(h)));
        Ok(adapted)
    }

    fn token(&self, request: &Composed, is_rejected: bool) -> Result<Option<String>> {
        let Some(tokens) = self.context.tokens.clone().filter(|_| request.wants_token) else { return Ok(None) };
        self.check_open()?;
        let asset_id = self.asset_id.clone();
        self.delegate("the token provider", move || tokens.authorization(&asset_id, is_rejected))
    }

    fn send_once(&self, request: &Composed, adapted: &LicenseRequest) -> Result<HttpResponse> {
        let method = match request.kind {
            ExchangeKind::Certificate if adapted.body.is_empty() => "GET",
            _ => "POST",
        };
        let outbound = Outbound {
            what: request.server,
            method,
            url: adapted.url.clone(),
            headers: adapted.headers.clone(),
            body: adapted.body.clone(),
            max_body_bytes: MAX_ANSWER_BYTES,
            is_repeatable: method == "GET",
        };
        let watch = Watcher { exchange: self, kind: request.kind };
        self.context.network.send(&outbound, &self.cancellation, &watch)
    }

    /// Maps the status and unpacks the response.
    fn read(&self, kind: ExchangeKind, sent: &LicenseRequest, response: HttpResponse) -> Result<ExchangeAnswer> {
        let secrets = secrets(sent);
        let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
        if let Some(error) = status_error(server_of(kind), response.status) {
            return Err(refused(kind, error, wire::refusal(&response.body, &secrets)));
        }
        if let Some(parsed) = self.parsed(kind, &response)? {
            if parsed.body.is_empty() && kind != ExchangeKind::Release {
                return Err(Error::new(
                    Code::LicenseEmpty,
                    "the request adapter returned an empty body for the response",
                ));
            }
            return Ok(parsed);
        }
        let content_type = response.header("content-type").map(str::to_owned);
        let reply = Reply { kind, content_type: content_type.as_deref(), body: response.body, sent: &secrets };
        match kind {
            ExchangeKind::Provisioning => wire::unpack_provisioning(reply),
            ExchangeKind::Certificate => fairplay::unpack_certificate(reply)
                .map(|body| ExchangeAnswer { body, persistence_duration_seconds: None }),
            _ => wire::unpack(self.format, reply),
        }
    }

    fn parsed(&self, kind: ExchangeKind, response: &HttpResponse) -> Result<Option<ExchangeAnswer>> {
        let Some(adapter) = self.context.adapter.clone() else { return Ok(None) };
        let answer = LicenseResponse {
            kind,
            asset_id: self.asset_id.clone(),
            status: response.status,
            headers: response.headers.clone(),
            body: response.body.clone(),
        };
        let parsed = self.delegate("the request adapter", move || adapter.parse(answer))?;
        Ok(parsed.map(|parsed| ExchangeAnswer {
            body: parsed.body,
            persistence_duration_seconds: parsed.persistence_duration_seconds,
        }))
    }

    /// Calls the app's code. Its message is not shown, because it may quote the request. Its code is kept where it
    /// means something to the user.
    fn delegate<T: Send + 'static>(
        &self,
        name: &'static str,
        call: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let context = &self.context;
        let named = move || {
            call().map_err(|cause| {
                let code = match cause.code() {
                    kept @ (Code::Unauthorized | Code::Offline | Code::Cancelled) => kept,
                    _ => Code::DelegateFailed,
                };
                Error::new(code, format!("{name} failed with {}", cause.code())).caused_by(cause)
            })
        };
        call_delegate(&context.runtime, context.delegate_timeout, name, Code::DelegateFailed, named)
    }
}

/// Counts the requests of an exchange, and records which of them may have been granted without a readable response.
struct Watcher<'a> {
    exchange: &'a Exchange,
    kind: ExchangeKind,
}

impl Watch for Watcher<'_> {
    fn before(&self) -> Result<()> {
        self.exchange.check_open()
    }

    fn after(&self, outcome: Outcome) {
        let mut log = self.exchange.log();
        if outcome == Outcome::NotSent {
            return;
        }
        log.requests = log.requests.saturating_add(1);
        if is_grant(self.kind) {
            log.is_answer_lost |= outcome == Outcome::Unknown;
            log.is_success_unread |= matches!(outcome, Outcome::Answered(200..=299));
        }
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("asset_id", &self.asset_id)
            .field("params", &self.params)
            .field("log", &*self.log())
            .finish_non_exhaustive()
    }
}

fn is_grant(kind: ExchangeKind) -> bool {
    matches!(kind, ExchangeKind::License | ExchangeKind::Renewal)
}

fn server_of(kind: ExchangeKind) -> &'static str {
    match kind {
        ExchangeKind::License | ExchangeKind::Renewal | ExchangeKind::Release => "license server",
        ExchangeKind::Provisioning => "provisioning server",
        ExchangeKind::Certificate => "certificate server",
    }
}

fn license_url(params: &DrmParams) -> Result<url::Url> {
    if params.license_url.is_empty() {
        return Err(Error::new(Code::DrmParamsMissing, "the source has no license URL; set DrmParams.license_url"));
    }
    check_url("license URL", &params.license_url)
}

fn certificate_missing() -> Error {
    Error::new(Code::CertificateMissing, "the source has neither a FairPlay certificate nor the URL of one")
}

/// Returns the error of a failed status, with the server's reason. A failed provisioning, a missing certificate and a
/// refused renewal have codes of their own.
fn refused(kind: ExchangeKind, error: Error, reason: Option<String>) -> Error {
    let status = error.http_status().unwrap_or_default();
    let code = match (kind, error.code()) {
        (ExchangeKind::Provisioning, Code::ServerRejected | Code::Unauthorized) => Code::ProvisioningFailed,
        (ExchangeKind::Certificate, Code::ServerRejected) => Code::CertificateMissing,
        // 401 is about the user. The other codes are about this license, and a new one may be granted. If the token is
        // refused, too, the request for a new license reports it.
        (ExchangeKind::Renewal, _) if matches!(status, 403 | 404 | 405 | 409 | 410) => Code::RenewalNotPermitted,
        (_, code) => code,
    };
    let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    Error::new(code, format!("{}{reason}", error.message())).with_http_status(status)
}

/// Returns the secrets of a request, which an error must not repeat: header values and the values of the query.
fn secrets(sent: &LicenseRequest) -> Vec<String> {
    const HARMLESS: [&str; 3] = ["accept", "content-type", "user-agent"];
    let headers = sent.headers.iter().filter(|(name, _)| !HARMLESS.iter().any(|h| name.eq_ignore_ascii_case(h)));
    let mut secrets: Vec<String> = headers.map(|(_, value)| value.clone()).collect();
    if let Ok(url) = url::Url::parse(&sent.url) {
        secrets.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
    }
    secrets
}

/// Refuses malformed headers, so that header injection through the app's code is never sent.
fn check_headers(headers: &[(String, String)]) -> Result<()> {
    const MAX_HEADERS: usize = 100;
    const MAX_HEADER_BYTES: usize = 64 * 1024;
    let malformed =
        |what: &str| Error::new(Code::DelegateFailed, format!("the request adapter or token provider set {what}"));
    if headers.len() > MAX_HEADERS {
        return Err(malformed("too many headers"));
    }
    for (name, value) in headers {
        let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(malformed("a header whose name is not an HTTP token"));
        }
        if value.bytes().any(|b| b != b'\t' && b.is_ascii_control()) || value.len() > MAX_HEADER_BYTES {
            return Err(malformed("a header whose value is too long or has control characters"));
        }
    }
    Ok(())
}
