//! [`ReqwestClient`] as the default transport: one download, streamed chunk by chunk.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderName, HeaderValue, IF_RANGE, RANGE};
use tokio::time::timeout;

use super::client::{ReqwestClient, host_in_clear};
use super::failure::request_failed;
use super::tls::Trust;
use crate::error::{Code, Error, Result};
use crate::ports::{ByteSink, Flow, ResponseHead, TransferEnd, TransferRequest, Transport};

impl Transport for ReqwestClient {
    fn fetch<'a>(
        &'a self,
        request: TransferRequest,
        sink: &'a mut dyn ByteSink,
    ) -> Pin<Box<dyn Future<Output = Result<TransferEnd>> + Send + 'a>> {
        Box::pin(self.stream(request, sink))
    }
}

impl ReqwestClient {
    async fn stream(&self, request: TransferRequest, sink: &mut dyn ByteSink) -> Result<TransferEnd> {
        self.check_cleartext(&request.url).await?;
        let url = reqwest::Url::parse(&request.url).map_err(|_| malformed("URL"))?;
        let sending = self.client.get(url).headers(headers(&request)?).send();
        let head_timeout = Duration::from_millis(request.deadlines.head_ms);
        let mut response = match timeout(head_timeout, sending).await {
            Ok(sent) => sent.map_err(request_failed)?,
            Err(_) => return Err(Error::new(Code::Timeout, "the server did not answer in time; retry")),
        };
        let head = ResponseHead {
            status: response.status().as_u16(),
            headers: response
                .headers()
                .iter()
                .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
                .collect(),
            url: request.url,
        };
        if sink.head(&head)? == Flow::Stop {
            return Ok(TransferEnd::Stopped);
        }
        let stall_timeout = Duration::from_millis(request.deadlines.stall_ms);
        loop {
            let chunk = match timeout(stall_timeout, response.chunk()).await {
                Ok(chunk) => chunk.map_err(request_failed)?,
                Err(_) => return Err(Error::new(Code::Timeout, "the server stopped sending; retry")),
            };
            let Some(chunk) = chunk else { return Ok(TransferEnd::Complete) };
            if sink.write(&chunk)? == Flow::Stop {
                return Ok(TransferEnd::Stopped);
            }
        }
    }

    /// Asks the platform about plain http, on a thread that may block.
    async fn check_cleartext(&self, url: &str) -> Result<()> {
        let Trust::Asking(trust) = &self.trust else { return Ok(()) };
        let Some(host) = host_in_clear(url) else { return Ok(()) };
        let trust = std::sync::Arc::clone(trust);
        match self.runtime.spawn_blocking(move || trust.check_cleartext(&host)).await {
            Ok(verdict) => verdict,
            Err(_) => Err(Error::new(Code::DelegateFailed, "the platform's check of plain http panicked")),
        }
    }
}

fn headers(request: &TransferRequest) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| malformed("header name"))?;
        headers.append(name, header_value(value)?);
    }
    // A coded body has other lengths than its ranges say.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.remove(RANGE);
    headers.remove(IF_RANGE);
    if let Some(range) = request.range {
        let range = range.header().ok_or_else(|| malformed("byte range"))?;
        headers.insert(RANGE, header_value(&range)?);
        if let Some(validator) = &request.if_range {
            headers.insert(IF_RANGE, header_value(validator.header())?);
        }
    }
    Ok(headers)
}

fn header_value(value: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(value).map_err(|_| malformed("header value"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn malformed(what: &str) -> Error {
    Error::new(Code::InvalidArgument, format!("the {what} of a download is malformed"))
}
