//! One request with reqwest: HTTP/1.1, no redirects, no retries, no cookies.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use reqwest::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, redirect};
use rustls::pki_types::CertificateDer;
use tokio::runtime::Handle;

use super::failure::request_failed;
use super::tls::{Trust, configure};
use crate::error::{Code, Error, Result};
use crate::ports::{HttpClient, HttpRequest, HttpResponse};

/// How a [`ReqwestClient`] is made.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// Where trust comes from. Default: the platform.
    pub trust: Trust,
    /// Root certificates in DER that are trusted besides: a company's own. Default: none.
    pub extra_roots: Vec<Vec<u8>>,
    /// The `User-Agent`, unless a request has its own.
    pub user_agent: String,
    /// How long the connection may take, in milliseconds, within the request's own timeout. Default 10,000.
    pub connect_timeout_ms: u64,
    /// True to go through the proxies that `HTTP_PROXY` and its relatives name, as commands do. Default: false, because
    /// an SDK does not read its host's environment.
    pub uses_environment_proxies: bool,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            trust: Trust::default(),
            extra_roots: Vec::new(),
            user_agent: concat!("Larder/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout_ms: 10_000,
            uses_environment_proxies: false,
        }
    }
}

/// The default client. Connections are kept and used again; clones share them.
///
/// `send` blocks its thread, and the work is done by the runtime. Calling it from a worker thread of a runtime takes
/// that worker away for the time of the request; if it was the only one, the call ends with `Timeout` and does not hang.
#[derive(Clone, Debug)]
pub struct ReqwestClient {
    pub(super) client: Client,
    pub(super) trust: Trust,
    pub(super) runtime: Handle,
}

impl ReqwestClient {
    /// Makes a client that is driven by `runtime`, which needs its I/O and time drivers.
    ///
    /// Fails with `InvalidArgument` if a setting is malformed, and with `Tls` if the extra roots cannot be had beside the
    /// platform's. A platform without any roots is no error here: each https request then is.
    pub fn new(settings: &ClientSettings, runtime: Handle) -> Result<Self> {
        let extra_roots: Vec<_> = settings.extra_roots.iter().cloned().map(CertificateDer::from).collect();
        let client = match build(settings, &settings.trust, &extra_roots) {
            // A machine without a certificate store (a bare container). What needs no https goes on.
            Err(error) if error.code() == Code::Tls && extra_roots.is_empty() => {
                tracing::warn!("this system has no readable root certificates: no https server will be trusted");
                build(settings, &Trust::ExtraRootsOnly, &extra_roots)?
            }
            result => result?,
        };
        Ok(Self { client, trust: settings.trust.clone(), runtime })
    }
}

fn build(settings: &ClientSettings, trust: &Trust, extra_roots: &[CertificateDer<'static>]) -> Result<Client> {
    let user_agent = HeaderValue::from_str(&settings.user_agent)
        .map_err(|cause| Error::new(Code::InvalidArgument, "the user agent is not a header value").caused_by(cause))?;
    let mut builder = Client::builder()
        .http1_only()
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .user_agent(user_agent)
        .connect_timeout(Duration::from_millis(settings.connect_timeout_ms))
        // A phone's sleep leaves dead connections behind; young ones only are worth keeping.
        .pool_idle_timeout(Duration::from_secs(20))
        .tcp_nodelay(true);
    if !settings.uses_environment_proxies {
        builder = builder.no_proxy();
    }
    configure(builder, trust, extra_roots)?
        .build()
        .map_err(|cause| Error::new(Code::Tls, "the trusted root certificates cannot be used").caused_by(cause))
}

impl HttpClient for ReqwestClient {
    fn send(&self, request: HttpRequest) -> Result<HttpResponse> {
        if let Trust::Asking(asked) = &self.trust
            && let Some(host) = host_in_clear(&request.url)
        {
            asked.check_cleartext(&host)?;
        }
        let timeout = Duration::from_millis(request.timeout_ms);
        let (answer, answered) = mpsc::sync_channel(1);
        let client = self.client.clone();
        let task = async move {
            let result = match tokio::time::timeout(timeout, exchange(&client, request)).await {
                Ok(result) => result,
                Err(_) => Err(timed_out()),
            };
            let _ = answer.send(result);
        };
        if Handle::try_current().is_ok() {
            // A worker that spawns keeps the task in a slot from which no other worker takes it, and this call blocks
            // that worker. A task spawned from a thread of the blocking pool is open to every worker.
            let runtime = self.runtime.clone();
            drop(self.runtime.spawn_blocking(move || drop(runtime.spawn(task))));
        } else {
            drop(self.runtime.spawn(task));
        }
        // The task keeps the time; the second is for a runtime that is too busy to, or has no free thread.
        match answered.recv_timeout(timeout.saturating_add(Duration::from_secs(1))) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => Err(timed_out()),
            // The task panicked or the runtime has ended. Whether the request went out is not known.
            Err(RecvTimeoutError::Disconnected) => Err(Error::new(Code::Network, "the request was broken off")),
        }
    }
}

/// The host of a plain http URL, an IPv6 address without its brackets. `None` for https.
pub(super) fn host_in_clear(url: &str) -> Option<String> {
    let url = reqwest::Url::parse(url).ok().filter(|url| url.scheme() == "http")?;
    Some(url.host_str()?.trim_start_matches('[').trim_end_matches(']').to_owned())
}

async fn exchange(client: &Client, request: HttpRequest) -> Result<HttpResponse> {
    let malformed = |what: &str| Error::new(Code::InvalidArgument, format!("the request's {what} is malformed"));
    let method = Method::from_bytes(request.method.as_bytes()).map_err(|_| malformed("method"))?;
    let url = reqwest::Url::parse(&request.url).map_err(|_| malformed("URL"))?;
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| malformed("header name"))?;
        let mut value = HeaderValue::from_str(value).map_err(|_| malformed("header value"))?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    if request.body.is_empty() && request.method != "GET" {
        // hyper leaves it out, and many servers answer 411 then; provisioning has an empty POST.
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    let mut outgoing = client.request(method, url).headers(headers);
    if !request.body.is_empty() {
        outgoing = outgoing.body(request.body);
    }
    let mut response = outgoing.send().await.map_err(request_failed)?;

    let too_large =
        || Error::new(Code::ResponseTooLarge, format!("the answer has more than {} bytes", request.max_body_bytes));
    if response.content_length().is_some_and(|length| length > request.max_body_bytes as u64) {
        return Err(too_large());
    }
    let status = response.status().as_u16();
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let mut body = Vec::new();
    // Chunk by chunk, unpacked ones, so that neither a missing length nor a compressed bomb gets past the limit.
    while let Some(chunk) = response.chunk().await.map_err(request_failed)? {
        if chunk.len() > request.max_body_bytes.saturating_sub(body.len()) {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(HttpResponse { status, headers, body })
}

fn timed_out() -> Error {
    Error::new(Code::Timeout, "the server did not answer in time; the outcome is unknown")
}
