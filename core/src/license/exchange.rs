//! The network that an engine borrows for one conversation with its servers.
//!
//! An [`Exchange`] is made for one call of an engine and closed when that call has ended. What it does with a message:
//! choose the URL, pack, ask the token provider, let the app's adapter change the request, check the URL again, send
//! (redirects and retries are [`Network`]'s), once more with a fresh token after 401 or 403, map the status, unpack.

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

/// What all exchanges of a manager share.
#[derive(Clone)]
pub struct ExchangeContext {
    /// The network.
    pub network: Arc<Network>,
    /// Where calls into the app's code run.
    pub runtime: Runtime,
    /// The app's hand on requests.
    pub adapter: Option<Arc<dyn RequestAdapter>>,
    /// The app's tokens.
    pub tokens: Option<Arc<dyn TokenProvider>>,
    /// How long one call of the app's code may take.
    pub delegate_timeout: Duration,
    /// FairPlay's application certificates that were fetched already.
    pub certificates: Certificates,
}

/// The network, lent to an engine for one call. Give it out as `Arc<dyn LicenseExchange>`, [`close`](Self::close) it
/// when the call has ended or timed out, and ask it afterwards what happened.
pub struct Exchange {
    context: ExchangeContext,
    asset_id: AssetId,
    params: DrmParams,
    format: Format,
    content_id: Option<String>,
    cancellation: Cancellation,
    // Protects counts and flags; held for a read or a write, never across a call.
    log: Mutex<Log>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Log {
    is_closed: bool,
    requests: u32,
    /// A request for a license got no answer.
    is_answer_lost: bool,
    /// A request for a license succeeded, and the engine has not got what came back.
    is_success_unread: bool,
    persistence_duration_seconds: Option<u64>,
}

/// Checks DRM parameters as a registration gets them, before anything is sent or stored.
///
/// Fails with `DrmParamsMissing` without a license URL, `UrlInvalid` for one that cannot be asked, `CertificateMissing`
/// for FairPlay without a certificate or its URL, and `InvalidArgument` for an absurdly large certificate.
pub fn check_params(params: &DrmParams) -> Result<()> {
    license_url(params)?;
    let certificate = params.certificate.as_ref().filter(|certificate| !certificate.is_empty());
    if certificate.is_some_and(|certificate| certificate.len() > MAX_ANSWER_BYTES) {
        return Err(Error::new(Code::InvalidArgument, "the FairPlay certificate is larger than any real one"));
    }
    if let Some(url) = &params.certificate_url {
        check_url("certificate URL", url)?;
    } else if params.scheme == DrmScheme::FairPlay && certificate.is_none() {
        return Err(certificate_missing());
    }
    Ok(())
}

impl Exchange {
    /// An exchange for one call of an engine. `request` gives FairPlay's form its content id.
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

    /// Takes the network back: every later `send` fails with `Cancelled`, and an answer that is under way is dropped.
    pub fn close(&self) {
        self.log().is_closed = true;
    }

    /// True if a license (or a renewal) was asked for and the server may have granted it without the engine's getting
    /// it: no answer came, or one that cannot be read, or one after [`close`](Self::close).
    pub fn is_outcome_unknown(&self) -> bool {
        let log = self.log();
        log.is_answer_lost || log.is_success_unread
    }

    /// How many requests were made, repeated and redirected ones included: the round trips of this call.
    pub fn requests_made(&self) -> u32 {
        self.log().requests
    }

    /// What the last license's answer said beside the license.
    pub fn facts(&self) -> AnswerFacts {
        AnswerFacts { format: self.format, persistence_duration_seconds: self.log().persistence_duration_seconds }
    }

    /// FairPlay's application certificate in DER: the source's own, else what its URL gives.
    ///
    /// Fails with `CertificateMissing` if there is neither, or if what is there is no certificate.
    pub fn certificate(&self) -> Result<Vec<u8>> {
        if let Some(given) = self.params.certificate.as_ref().filter(|certificate| !certificate.is_empty()) {
            let reply = Reply { kind: ExchangeKind::Certificate, content_type: None, body: given.clone(), sent: &[] };
            return fairplay::unpack_certificate(reply)
                .map_err(|_| Error::new(Code::CertificateMissing, "the source's certificate is not one in DER"));
        }
        let url = self.params.certificate_url.as_deref().unwrap_or_default();
        self.check_open()?;
        self.context.certificates.get_or_fetch(url, &self.cancellation, || {
            let message = ExchangeMessage { kind: ExchangeKind::Certificate, url: None, body: Vec::new() };
            self.send(message).map(|answer| answer.body)
        })
    }

    /// True if the source's certificate comes from a URL, and a license that was asked for with it was refused since it
    /// was fetched: a copy of it is not to be used again.
    pub(super) fn is_certificate_refused(&self) -> bool {
        let url = self.params.certificate_url.as_deref().filter(|_| self.params.certificate.is_none());
        url.is_some_and(|url| self.context.certificates.is_refused(url))
    }

    /// A server that refuses a license may mean the certificate.
    fn note_refusal(&self, kind: ExchangeKind, error: &Error) {
        let is_refusal = matches!(error.code(), Code::LicenseDenied | Code::ServerRejected);
        if let Some(url) = self.params.certificate_url.as_deref().filter(|_| is_grant(kind) && is_refusal) {
            self.context.certificates.refuse(url);
        }
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `Cancelled` if it was closed, or the caller's flag is raised.
    fn check_open(&self) -> Result<()> {
        if self.log().is_closed {
            return Err(Error::new(Code::Cancelled, "the call that this exchange was lent to has ended"));
        }
        self.cancellation.check()
    }
}

impl LicenseExchange for Exchange {
    fn send(&self, message: ExchangeMessage) -> Result<ExchangeAnswer> {
        self.check_open()?;
        let request = self.compose(&message)?;
        let mut sent = self.adapted(&request, false)?;
        let mut response = self.ask(&request, &sent)?;
        if matches!(response.status, 401 | 403) && request.wants_token && self.context.tokens.is_some() {
            sent = self.adapted(&request, true)?;
            response = self.ask(&request, &sent)?;
        }
        let answer = self.read(message.kind, &sent, response).inspect_err(|error| {
            // A refusal or a portal's page is no license that got lost.
            if matches!(error.code(), Code::LicenseDenied | Code::LicenseNotALicense) {
                self.log().is_success_unread = false;
            }
            self.note_refusal(message.kind, error);
        })?;

        // An answer that comes in spite of a raised flag is given out all the same: the server has granted something,
        // and only the CDM can give it back. One that comes after `close` has nobody left to take it.
        let mut log = self.log();
        if log.is_closed {
            return Err(Error::new(Code::Cancelled, "the call that this exchange was lent to has ended"));
        }
        if is_grant(message.kind) {
            (log.is_answer_lost, log.is_success_unread) = (false, false);
            log.persistence_duration_seconds = answer.persistence_duration_seconds;
        }
        Ok(answer)
    }
}

/// A message on its way, before token and adapter.
struct Composed {
    kind: ExchangeKind,
    what: &'static str,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    wants_token: bool,
}

impl Exchange {
    fn compose(&self, message: &ExchangeMessage) -> Result<Composed> {
        let kind = message.kind;
        let asked = message.url.as_deref().filter(|url| !url.is_empty());
        match kind {
            ExchangeKind::License | ExchangeKind::Renewal | ExchangeKind::Release => {
                let own = license_url(&self.params)?;
                let url = match asked {
                    Some(url) => check_url("license URL of the CDM", url)?,
                    None => own.clone(),
                };
                let packed = wire::pack(self.format, &message.body, self.content_id.as_deref());
                let headers = packed.headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
                // A CDM may take its URL from the media: a token is for the source's own server.
                let wants_token = is_same_origin(&url, &own);
                Ok(Composed { kind, what: "license server", url: url.into(), headers, body: packed.body, wants_token })
            }
            ExchangeKind::Provisioning => {
                let url = asked.ok_or_else(|| {
                    Error::new(Code::ProvisioningFailed, "the CDM does not say which server provisions the device")
                })?;
                check_url("provisioning URL", url)?;
                let url = wire::provisioning_url(url, &message.body);
                let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
                Ok(Composed { kind, what: "provisioning server", url, headers, body: Vec::new(), wants_token: false })
            }
            ExchangeKind::Certificate => {
                let url = asked.or(self.params.certificate_url.as_deref()).ok_or_else(certificate_missing)?;
                let url = check_url("certificate URL", url)?;
                let wants_token = license_url(&self.params).is_ok_and(|own| is_same_origin(&url, &own));
                let url = url.into();
                let (headers, body) = (Vec::new(), Vec::new());
                Ok(Composed { kind, what: "certificate server", url, headers, body, wants_token })
            }
        }
    }

    /// The request with token, as the app's adapter wants it.
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
        // The client's to set; adapters that copy a request of another library bring them along.
        const OF_THE_CONNECTION: [&str; 4] = ["connection", "content-length", "host", "transfer-encoding"];
        adapted.headers.retain(|(name, _)| !OF_THE_CONNECTION.iter().any(|h| name.eq_ignore_ascii_case(h)));
        Ok(adapted)
    }

    fn token(&self, request: &Composed, is_rejected: bool) -> Result<Option<String>> {
        let Some(tokens) = self.context.tokens.clone().filter(|_| request.wants_token) else { return Ok(None) };
        self.check_open()?;
        let asset_id = self.asset_id.clone();
        self.delegate("the token provider", move || tokens.authorization(&asset_id, is_rejected))
    }

    fn ask(&self, request: &Composed, adapted: &LicenseRequest) -> Result<HttpResponse> {
        let method = match request.kind {
            ExchangeKind::Certificate if adapted.body.is_empty() => "GET",
            _ => "POST",
        };
        let outbound = Outbound {
            what: request.what,
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

    /// Maps the status and unpacks the answer.
    fn read(&self, kind: ExchangeKind, sent: &LicenseRequest, response: HttpResponse) -> Result<ExchangeAnswer> {
        let secrets = secrets(sent);
        let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
        if let Some(error) = status_error(what(kind), response.status) {
            return Err(refused(kind, error, wire::refusal(&response.body, &secrets)));
        }
        if let Some(parsed) = self.parsed(kind, &response)? {
            if parsed.body.is_empty() && kind != ExchangeKind::Release {
                return Err(Error::new(Code::LicenseEmpty, "the request adapter found nothing in the answer"));
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

    /// Calls the app's code. What it says is not shown: it may quote the request. Its code is kept where it tells the
    /// user something.
    fn delegate<T: Send + 'static>(
        &self,
        who: &'static str,
        call: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let context = &self.context;
        let named = move || {
            call().map_err(|cause| {
                let code = match cause.code() {
                    kept @ (Code::Unauthorized | Code::Offline | Code::Cancelled) => kept,
                    _ => Code::DelegateFailed,
                };
                Error::new(code, format!("{who} failed with {}", cause.code())).caused_by(cause)
            })
        };
        call_delegate(&context.runtime, context.delegate_timeout, who, Code::DelegateFailed, named)
    }
}

/// Counts requests, and remembers whether one may have been granted unseen.
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

fn what(kind: ExchangeKind) -> &'static str {
    match kind {
        ExchangeKind::License | ExchangeKind::Renewal | ExchangeKind::Release => "license server",
        ExchangeKind::Provisioning => "provisioning server",
        ExchangeKind::Certificate => "certificate server",
    }
}

fn license_url(params: &DrmParams) -> Result<url::Url> {
    if params.license_url.is_empty() {
        return Err(Error::new(Code::DrmParamsMissing, "the source has no license URL"));
    }
    check_url("license URL", &params.license_url)
}

fn certificate_missing() -> Error {
    Error::new(Code::CertificateMissing, "the source has neither a FairPlay certificate nor a URL to get it from")
}

/// A failed status, with what the server said about it. A license server's code stays as it is; a device that cannot be
/// provisioned, a certificate that is not there and a license that is not renewed have codes of their own.
fn refused(kind: ExchangeKind, error: Error, said: Option<String>) -> Error {
    let status = error.http_status().unwrap_or_default();
    let code = match (kind, error.code()) {
        (ExchangeKind::Provisioning, Code::ServerRejected | Code::Unauthorized) => Code::ProvisioningFailed,
        (ExchangeKind::Certificate, Code::ServerRejected) => Code::CertificateMissing,
        // 401 is about the user. The others are about this license, and a new one may be had: with a token that is
        // refused too, asking for it tells so.
        (ExchangeKind::Renewal, _) if matches!(status, 403 | 404 | 405 | 409 | 410) => Code::RenewalNotPermitted,
        (_, code) => code,
    };
    let said = said.map(|said| format!(": {said}")).unwrap_or_default();
    Error::new(code, format!("{}{said}", error.message())).with_http_status(status)
}

/// What a server's message must not repeat: header values and what stands in the query.
fn secrets(sent: &LicenseRequest) -> Vec<String> {
    const HARMLESS: [&str; 3] = ["accept", "content-type", "user-agent"];
    let headers = sent.headers.iter().filter(|(name, _)| !HARMLESS.iter().any(|h| name.eq_ignore_ascii_case(h)));
    let mut secrets: Vec<String> = headers.map(|(_, value)| value.clone()).collect();
    if let Ok(url) = url::Url::parse(&sent.url) {
        secrets.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
    }
    secrets
}

/// Header injection is a defect of whoever made the header, and never goes out.
fn check_headers(headers: &[(String, String)]) -> Result<()> {
    const MAX_HEADERS: usize = 100;
    const MAX_HEADER_BYTES: usize = 64 * 1024;
    let malformed = |what: &str| Error::new(Code::DelegateFailed, format!("the app's code set {what}"));
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
