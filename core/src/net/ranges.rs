//! An app's own HTTP client as a transport. It returns whole bodies, so a download is split into bounded ranges.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::runtime::Handle;

use crate::error::{Code, Error, Result};
use crate::ports::{
    ByteRange, ByteSink, Flow, HttpClient, HttpRequest, HttpResponse, ResponseHead, TransferEnd, TransferRequest,
    Transport, Validator,
};

/// The most that one request asks for: each body is in memory as a whole.
pub const MAX_RANGE_BYTES: u64 = 8 * 1024 * 1024;

/// Downloads through an [`HttpClient`], at most [`MAX_RANGE_BYTES`] a request.
///
/// A server that ignores ranges works for bodies up to that size; a longer one fails with `ResponseTooLarge`.
pub struct HttpClientTransport {
    client: Arc<dyn HttpClient>,
    /// Calls the client, which may block.
    foreign: Handle,
}

impl HttpClientTransport {
    /// Wraps a client. `foreign` is [`Executors::foreign`](crate::ports::Executors).
    pub fn new(client: Arc<dyn HttpClient>, foreign: Handle) -> Self {
        Self { client, foreign }
    }
}

impl Transport for HttpClientTransport {
    fn fetch<'a>(
        &'a self,
        request: TransferRequest,
        sink: &'a mut dyn ByteSink,
    ) -> Pin<Box<dyn Future<Output = Result<TransferEnd>> + Send + 'a>> {
        Box::pin(self.fetch_ranges(request, sink))
    }
}

impl HttpClientTransport {
    async fn fetch_ranges(&self, request: TransferRequest, sink: &mut dyn ByteSink) -> Result<TransferEnd> {
        let asked = request.range.unwrap_or(ByteRange { start: 0, end: None });
        let mut end = asked.end;
        let mut at = asked.start;
        let mut validator = request.if_range.clone();
        let mut is_first = true;
        loop {
            let range = next_range(at, end);
            let response = self.send(http_request(&request, range, validator.as_ref())?).await?;
            let HttpResponse { status, headers, body } = response;
            let head = ResponseHead { status, headers, url: request.url.clone() };
            let sent = head.content_range().filter(|_| status == 206);
            if is_first {
                if sink.head(&whole_head(&head, request.range, sent))? == Flow::Stop {
                    return Ok(TransferEnd::Stopped);
                }
                validator = head.validator();
            }
            let Some((range, total)) = sent else {
                // A whole resource, or an error's page: the sink has seen which. Later, it is another content.
                if !is_first {
                    return Err(changed());
                }
                return Ok(match sink.write(&body)? {
                    Flow::Continue => TransferEnd::Complete,
                    Flow::Stop => TransferEnd::Stopped,
                });
            };
            let is_expected = range.start == at && range.end == Some(at.saturating_add(body.len() as u64));
            if !is_expected || body.is_empty() {
                return Err(Error::new(Code::Network, "the server sent other bytes than it announced; retry"));
            }
            if !is_first && head.validator() != validator {
                return Err(changed());
            }
            end = match (end, total) {
                (Some(end), Some(total)) => Some(end.min(total)),
                (end, total) => end.or(total),
            };
            at = at.saturating_add(body.len() as u64);
            if sink.write(&body)? == Flow::Stop {
                return Ok(TransferEnd::Stopped);
            }
            if end.is_none_or(|end| at >= end) {
                return Ok(TransferEnd::Complete);
            }
            is_first = false;
        }
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse> {
        let client = Arc::clone(&self.client);
        match self.foreign.spawn_blocking(move || client.send(request)).await {
            Ok(response) => response,
            Err(_) => Err(Error::new(Code::DelegateFailed, "the app's HTTP client panicked")),
        }
    }
}

fn next_range(at: u64, end: Option<u64>) -> ByteRange {
    let limit = at.saturating_add(MAX_RANGE_BYTES);
    ByteRange { start: at, end: Some(end.map_or(limit, |end| end.min(limit))) }
}

fn http_request(request: &TransferRequest, range: ByteRange, validator: Option<&Validator>) -> Result<HttpRequest> {
    let mut headers = request.headers.clone();
    headers.push(("Accept-Encoding".to_owned(), "identity".to_owned()));
    let range =
        range.header().ok_or_else(|| Error::new(Code::InvalidArgument, "the byte range of a download is malformed"))?;
    headers.push(("Range".to_owned(), range));
    if let Some(validator) = validator {
        headers.push(("If-Range".to_owned(), validator.header().to_owned()));
    }
    Ok(HttpRequest {
        method: "GET",
        url: request.url.clone(),
        headers,
        body: Vec::new(),
        timeout_ms: request.deadlines.head_ms.saturating_add(request.deadlines.stall_ms),
        max_body_bytes: usize::try_from(MAX_RANGE_BYTES).unwrap_or(usize::MAX),
    })
}

/// Returns the head of the response that a single request would have had. The ranges are an implementation detail: a
/// caller that asked for the whole resource sees a 200.
fn whole_head(head: &ResponseHead, asked: Option<ByteRange>, sent: Option<(ByteRange, Option<u64>)>) -> ResponseHead {
    let Some((range, total)) = sent else { return head.clone() };
    let mut whole = head.clone();
    let end = match (asked.and_then(|asked| asked.end), total) {
        (Some(end), Some(total)) => Some(end.min(total)),
        (end, total) => end.or(total),
    };
    whole.headers.retain(|(name, _)| name != "content-length" && name != "content-range");
    if let Some(end) = end.filter(|end| *end > range.start) {
        whole.headers.push(("content-length".to_owned(), (end - range.start).to_string()));
        if asked.is_some() {
            let total = total.map_or_else(|| "*".to_owned(), |total| total.to_string());
            whole.headers.push(("content-range".to_owned(), format!("bytes {}-{}/{total}", range.start, end - 1)));
        }
    }
    if asked.is_none() {
        whole.status = 200;
    }
    whole
}

fn changed() -> Error {
    Error::new(Code::Network, "the content on the server changed during the download; retry")
}
