//! The network as flows use it: one call that redirects, retries, waits and counts.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::redact::shown;
use super::redirect::{MAX_REDIRECTS, redirected};
use super::retry::RetryPolicy;
use super::state::StateCell;
use super::time::{ServerTime, date_ms};
use super::url::check_url;
use crate::cancel::Cancellation;
use crate::error::{Code, Error, Result};
use crate::ports::{HttpClient, HttpRequest, HttpResponse, NetworkState};

/// Gets the clock of every server that answers. Called on the thread that waits for the answer; must not block.
pub type ServerTimeListener = Arc<dyn Fn(ServerTime) + Send + Sync>;

/// A client with policies around it. One per manager, shared by everything that needs the network.
pub struct Network {
    client: Arc<dyn HttpClient>,
    policy: RetryPolicy,
    on_server_time: Option<ServerTimeListener>,
    state: StateCell,
    requests: AtomicU64,
}

/// A request as a flow gives it to the network.
#[derive(Clone)]
pub struct Outbound {
    /// The name of the server in messages: "license server".
    pub what: &'static str,
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Where it goes. Checked by [`check_url`] before anything is sent.
    pub url: String,
    /// Header names and values.
    pub headers: Vec<(String, String)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
    /// A longer answer is an error.
    pub max_body_bytes: usize,
    /// True if asking twice does no harm, even when the first request may have been answered.
    pub is_repeatable: bool,
}

/// Without URL, headers and body.
impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound")
            .field("what", &self.what)
            .field("method", &self.method)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// The outcome of one request on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It never reached the server.
    NotSent,
    /// The server may have acted on it; its answer did not arrive.
    Unknown,
    /// The server answered with this status.
    Answered(u16),
}

/// Looks on while a call makes its requests.
pub trait Watch {
    /// Before every request, repeated and redirected ones included. An error ends the call with it.
    fn before(&self) -> Result<()>;
    /// After every request.
    fn after(&self, outcome: Outcome);
}

/// For calls that need no observer.
#[derive(Clone, Copy, Debug)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn before(&self) -> Result<()> {
        Ok(())
    }
    fn after(&self, _outcome: Outcome) {}
}

impl Network {
    /// A network behind this client.
    pub fn new(client: Arc<dyn HttpClient>, policy: RetryPolicy) -> Self {
        Self { client, policy, on_server_time: None, state: StateCell::default(), requests: AtomicU64::new(0) }
    }

    /// Reports the clock of every server that answers.
    #[must_use]
    pub fn with_server_time(mut self, listener: ServerTimeListener) -> Self {
        self.on_server_time = Some(listener);
        self
    }

    /// Takes what the app says about the network. Holds from the next request on.
    pub fn set_state(&self, state: NetworkState) {
        self.state.set(state);
    }

    /// Returns the state that the app reported last.
    pub fn state(&self) -> NetworkState {
        self.state.get()
    }

    /// How many requests were handed to the client so far, repeated and redirected ones included.
    pub fn requests_made(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }

    /// How this network retries.
    pub fn policy(&self) -> &RetryPolicy {
        &self.policy
    }

    /// Sends a request and returns the final answer, whatever its status (see
    /// [`status_error`](super::status::status_error)).
    ///
    /// Blocks; call it where that is allowed. Fails with `UrlInvalid`, `Offline`, `Timeout`, `Network`, `Tls`,
    /// `Redirect` or `ResponseTooLarge`, with `Cancelled` when `cancellation` is raised between two requests, and with
    /// what `watch` says.
    pub fn send(&self, request: &Outbound, cancellation: &Cancellation, watch: &dyn Watch) -> Result<HttpResponse> {
        let end = Instant::now() + Duration::from_millis(self.policy.deadline_ms);
        let mut attempt = 1;
        loop {
            let result = self.follow(request, end, cancellation, watch);
            let left = end.saturating_duration_since(Instant::now());
            let Some(pause) = self.policy.pause(attempt, &result, request.is_repeatable, left, random()) else {
                return result;
            };
            tracing::debug!(
                what = request.what,
                attempt,
                pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
                code = result.as_ref().err().map(|e| e.code().as_str()),
                status = result.as_ref().ok().map(|r| r.status),
                "trying again"
            );
            cancellation.wait(pause)?;
            attempt += 1;
        }
    }

    /// One attempt: a request and the redirects it meets.
    fn follow(
        &self,
        request: &Outbound,
        end: Instant,
        cancellation: &Cancellation,
        watch: &dyn Watch,
    ) -> Result<HttpResponse> {
        let mut next = HttpRequest {
            method: request.method,
            url: request.url.clone(),
            headers: request.headers.clone(),
            body: request.body.clone(),
            timeout_ms: 0,
            max_body_bytes: request.max_body_bytes,
        };
        let mut visited = Vec::new();
        loop {
            let url = check_url(request.what, &next.url)?;
            next.timeout_ms = self.policy.attempt_timeout_ms.min(millis_until(end));
            if next.timeout_ms == 0 {
                return Err(Error::new(Code::Timeout, format!("the {} did not answer in time", request.what)));
            }
            cancellation.check()?;
            watch.before()?;
            let response = self.once(request.what, &next, &url, watch)?;
            let Some(target) = redirected(&next, &url, response.status, response.header("location"))? else {
                return Ok(response);
            };
            visited.push((next.method, next.url));
            if visited.len() > MAX_REDIRECTS || visited.contains(&(target.method, target.url.clone())) {
                return Err(Error::new(Code::Redirect, format!("the {} redirects for ever", request.what))
                    .with_http_status(response.status));
            }
            next = target;
        }
    }

    /// Counts a request that is about to be sent. Fails with `Offline` in offline mode: then nothing may be sent.
    pub(super) fn begin_request(&self) -> Result<()> {
        if self.state() == NetworkState::Offline {
            let message = "the app reports that there is no network, so nothing was sent; connect and try again";
            return Err(Error::new(Code::Offline, message));
        }
        self.requests.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    /// One request on the wire.
    fn once(&self, what: &str, request: &HttpRequest, url: &url::Url, watch: &dyn Watch) -> Result<HttpResponse> {
        self.begin_request().inspect_err(|_| watch.after(Outcome::NotSent))?;
        let started = Instant::now();
        let result = self.client.send(request.clone());
        let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let outcome = match &result {
            Ok(response) => Outcome::Answered(response.status),
            Err(error) if matches!(error.code(), Code::Timeout | Code::Network | Code::ResponseTooLarge) => {
                Outcome::Unknown
            }
            Err(_) => Outcome::NotSent,
        };
        tracing::debug!(what, server = shown(url), ?outcome, took_ms, "request");
        watch.after(outcome);
        let response = result?;
        if let (Some(listener), Some(at_ms)) = (&self.on_server_time, date_ms(&response)) {
            listener(ServerTime { at_ms, took_ms, is_authentic: url.scheme() == "https" });
        }
        Ok(response)
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("policy", &self.policy)
            .field("state", &self.state())
            .field("requests_made", &self.requests_made())
            .finish_non_exhaustive()
    }
}

fn millis_until(end: Instant) -> u64 {
    u64::try_from(end.saturating_duration_since(Instant::now()).as_millis()).unwrap_or(u64::MAX)
}

/// For jitter alone: without randomness all devices would come back at once, and nothing worse.
fn random() -> u64 {
    getrandom::u64().unwrap_or(0)
}
