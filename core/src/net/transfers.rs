//! A transport with the policies of the network around it.

use std::sync::Arc;

use super::network::Network;
use super::redirect::{MAX_REDIRECTS, redirected};
use super::url::{check_url, is_same_origin};
use crate::error::{Code, Error, Result};
use crate::ports::{ByteSink, Flow, HttpRequest, ResponseHead, TransferEnd, TransferRequest, Transport};

/// Downloads with redirects, URL checks and the offline mode. One per manager, beside its [`Network`].
pub struct Transfers {
    network: Arc<Network>,
    transport: Arc<dyn Transport>,
}

impl Transfers {
    /// Puts the policies of `network` around a transport.
    pub fn new(network: Arc<Network>, transport: Arc<dyn Transport>) -> Self {
        Self { network, transport }
    }

    /// Downloads into a sink, following redirects. The sink sees the head of the last response only, with the URL that sent
    /// it.
    ///
    /// On the way to another origin, headers that may carry credentials are dropped, and `if_range` with them: a validator
    /// holds for one host. Fails as [`Transport::fetch`], and with `UrlInvalid`, `Redirect`, or `Offline` in offline mode.
    /// Nothing is retried: a caller knows which bytes it has.
    pub async fn fetch(&self, request: TransferRequest, sink: &mut dyn ByteSink) -> Result<TransferEnd> {
        let mut next = request;
        for _ in 0..=MAX_REDIRECTS {
            let url = check_url("download", &next.url)?;
            self.network.begin_request()?;
            let mut watching = RedirectSink { sink, redirect: None };
            let end = self.transport.fetch(next.clone(), &mut watching).await?;
            let Some(head) = watching.redirect else { return Ok(end) };
            let asked = HttpRequest {
                method: "GET",
                url: next.url.clone(),
                headers: next.headers.clone(),
                body: Vec::new(),
                timeout_ms: 0,
                max_body_bytes: 0,
            };
            let Some(target) = redirected(&asked, &url, head.status, head.header("location"))? else { return Ok(end) };
            if check_url("redirect's target", &target.url).is_ok_and(|to| !is_same_origin(&url, &to)) {
                next.if_range = None;
            }
            (next.url, next.headers) = (target.url, target.headers);
        }
        Err(Error::new(Code::Redirect, "the server of a download redirects too often; check its URL"))
    }
}

/// Keeps redirects from the sink.
struct RedirectSink<'a> {
    sink: &'a mut dyn ByteSink,
    redirect: Option<ResponseHead>,
}

impl ByteSink for RedirectSink<'_> {
    fn head(&mut self, head: &ResponseHead) -> Result<Flow> {
        if matches!(head.status, 301 | 302 | 303 | 307 | 308) {
            self.redirect = Some(head.clone());
            return Ok(Flow::Stop);
        }
        self.sink.head(head)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<Flow> {
        self.sink.write(bytes)
    }

    fn file(&mut self, file: &std::path::Path) -> Result<Flow> {
        self.sink.file(file)
    }
}
