//! One download, as a stream of bytes from a server into a sink.

use std::fmt;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;

use crate::error::Result;

/// Moves the body of one HTTP response into a [`ByteSink`].
///
/// One request: no redirects, no retries, no cache, no cookies. The layer above
/// ([`Transfers`](crate::net::Transfers)) follows redirects, checks URLs and keeps the offline mode.
///
/// There are three kinds of implementations. The default streams with reqwest on
/// [`Executors::background`](super::Executors). An app's own [`HttpClient`](super::HttpClient) is asked for bounded ranges.
/// A platform whose system moves the bytes (iOS's background `URLSession`) passes a finished file to
/// [`ByteSink::file`].
pub trait Transport: Send + Sync {
    /// Sends the request, passes the head of the response to the sink, then its body.
    ///
    /// Dropping the future ends the transfer. The next bytes are read only after the sink has taken the previous ones, so
    /// memory stays bounded. Any HTTP status is a success. Fails with `Offline`, `Timeout` (no byte arrived for
    /// [`TransferDeadlines::stall_ms`]), `Network`, `Tls`, `UrlInvalid` (plain http that the platform forbids), or with the
    /// sink's own error. After a failure the sink has a prefix of the body, or nothing.
    fn fetch<'a>(
        &'a self,
        request: TransferRequest,
        sink: &'a mut dyn ByteSink,
    ) -> Pin<Box<dyn Future<Output = Result<TransferEnd>> + Send + 'a>>;
}

/// Takes the bytes of one transfer. Called from one thread at a time, and never under a lock.
pub trait ByteSink: Send {
    /// Takes the head of the response, before any byte. [`Flow::Stop`] ends the transfer without its body: the response is
    /// not what was asked for.
    fn head(&mut self, head: &ResponseHead) -> Result<Flow>;

    /// Takes the next bytes of the body. May block for a write to the disk.
    fn write(&mut self, bytes: &[u8]) -> Result<Flow>;

    /// Takes the whole body as a file that the platform has downloaded. The caller deletes the file afterwards.
    ///
    /// The default reads the file and passes it to [`write`](Self::write). A sink that can move files overrides this.
    fn file(&mut self, file: &Path) -> Result<Flow> {
        read_in_pieces(file, &mut |bytes| self.write(bytes))
    }
}

/// Tells a transfer whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Send more.
    Continue,
    /// End the transfer now.
    Stop,
}

/// How a transfer ended without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferEnd {
    /// The sink has the whole body.
    Complete,
    /// The sink stopped the transfer.
    Stopped,
}

/// The request of one transfer: a GET.
#[derive(Clone)]
pub struct TransferRequest {
    /// An absolute http or https URL.
    pub url: String,
    /// Header names and values, without `Range`, `If-Range` and `Accept-Encoding`, which the transport sets.
    pub headers: Vec<(String, String)>,
    /// The bytes to ask for; the whole resource if `None`.
    pub range: Option<ByteRange>,
    /// Asks for the range only if the resource still has this validator, else for the whole resource (RFC 9110, 13.1.5).
    pub if_range: Option<Validator>,
    /// When to give up.
    pub deadlines: TransferDeadlines,
}

/// Without URL and header values: both may be signed.
impl fmt::Debug for TransferRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransferRequest")
            .field("headers", &self.headers.len())
            .field("range", &self.range)
            .field("deadlines", &self.deadlines)
            .finish_non_exhaustive()
    }
}

/// Bytes of a resource: from `start` up to and without `end`, or to the end of the resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ByteRange {
    /// The offset of the first byte.
    pub start: u64,
    /// The offset after the last byte; `None` for the end of the resource.
    pub end: Option<u64>,
}

impl ByteRange {
    /// Returns the value of a `Range` header (RFC 9110, 14.2); `None` for an empty range, which the header cannot express.
    pub fn header(self) -> Option<String> {
        match self.end {
            Some(end) if end <= self.start => None,
            Some(end) => Some(format!("bytes={}-{}", self.start, end - 1)),
            None => Some(format!("bytes={}-", self.start)),
        }
    }
}

/// A strong validator of a resource's content (RFC 9110, 8.8).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Validator {
    /// A strong `ETag`, in its quotes.
    ETag(String),
    /// A `Last-Modified` date that counts as strong (RFC 9110, 8.8.2.2).
    LastModified(String),
}

impl Validator {
    /// Returns the value of an `If-Range` header.
    pub fn header(&self) -> &str {
        match self {
            Self::ETag(value) | Self::LastModified(value) => value,
        }
    }
}

/// When a transfer gives up. There is no limit on the whole: a large part on a slow network is no fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransferDeadlines {
    /// How long the head of the response may take, the connection included, in milliseconds.
    pub head_ms: u64,
    /// How long no byte of the body may arrive, in milliseconds.
    pub stall_ms: u64,
}

impl Default for TransferDeadlines {
    fn default() -> Self {
        Self { head_ms: 15_000, stall_ms: 15_000 }
    }
}

/// The head of a response.
#[derive(Clone)]
pub struct ResponseHead {
    /// The HTTP status.
    pub status: u16,
    /// Header names (lower case) and values.
    pub headers: Vec<(String, String)>,
    /// The URL that answered, after redirects: the base of relative references in the body.
    pub url: String,
}

impl ResponseHead {
    /// Returns the first value of a header, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Returns the length of the body that follows, if the server stated it.
    pub fn body_bytes(&self) -> Option<u64> {
        self.header("content-length")?.trim().parse().ok()
    }

    /// Returns the bytes that follow and the length of the whole resource, from a `Content-Range` header of a 206
    /// (RFC 9110, 14.4). `None` if the header is missing or malformed; an unknown length is `None`, too.
    pub fn content_range(&self) -> Option<(ByteRange, Option<u64>)> {
        let (range, total) = self.header("content-range")?.trim().strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        let end = last.checked_add(1)?;
        let total = match total.trim() {
            "*" => None,
            total => Some(total.parse().ok()?),
        };
        (first < end && total.is_none_or(|total| end <= total))
            .then_some((ByteRange { start: first, end: Some(end) }, total))
    }

    /// Returns the strong validator of the resource, if the response has one. A weak `ETag` (`W/"…"`) is none.
    pub fn validator(&self) -> Option<Validator> {
        let etag = self.header("etag").map(str::trim).filter(|etag| etag.starts_with('"') && etag.ends_with('"'));
        etag.filter(|etag| etag.len() >= 2).map(|etag| Validator::ETag(etag.to_owned()))
    }
}

/// Without the URL and header values.
impl fmt::Debug for ResponseHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseHead")
            .field("status", &self.status)
            .field("body_bytes", &self.body_bytes())
            .finish_non_exhaustive()
    }
}

/// How many bytes of a file are in memory at a time.
const PIECE_BYTES: usize = 256 * 1024;

fn read_in_pieces(file: &Path, write: &mut dyn FnMut(&[u8]) -> Result<Flow>) -> Result<Flow> {
    use std::io::Read as _;

    let failed = |cause: std::io::Error| {
        crate::error::Error::new(crate::Code::Network, "reading the file that the system downloaded failed; retry")
            .caused_by(cause)
    };
    let mut open = std::fs::File::open(file).map_err(failed)?;
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let count = open.read(&mut piece).map_err(failed)?;
        let bytes = piece.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(Flow::Continue);
        }
        if write(bytes)? == Flow::Stop {
            return Ok(Flow::Stop);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(headers: &[(&str, &str)]) -> ResponseHead {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        ResponseHead { status: 206, headers, url: "https://host/a".to_owned() }
    }

    #[test]
    fn a_range_becomes_a_header_and_an_empty_range_does_not() {
        for (range, header) in [
            (ByteRange { start: 0, end: None }, Some("bytes=0-")),
            (ByteRange { start: 5, end: Some(6) }, Some("bytes=5-5")),
            (ByteRange { start: 5, end: Some(5) }, None),
            (ByteRange { start: 6, end: Some(5) }, None),
            (ByteRange { start: u64::MAX, end: None }, Some("bytes=18446744073709551615-")),
        ] {
            assert_eq!(range.header().as_deref(), header, "{range:?}");
        }
    }

    #[test]
    fn a_content_range_is_read_and_a_contradictory_one_is_not() {
        let range = |start, end| ByteRange { start, end: Some(end) };
        for (text, expected) in [
            ("bytes 0-9/100", Some((range(0, 10), Some(100)))),
            ("bytes 90-99/100", Some((range(90, 100), Some(100)))),
            ("bytes 0-9/*", Some((range(0, 10), None))),
            ("bytes 90-100/100", None),
            ("bytes 9-0/100", None),
            ("bytes */100", None),
            ("bytes 0-18446744073709551615/*", None),
            ("items 0-9/100", None),
            ("bytes 0-9", None),
        ] {
            assert_eq!(head(&[("content-range", text)]).content_range(), expected, "{text}");
        }
    }

    #[test]
    fn only_a_strong_etag_is_a_validator() {
        let etag = |value| head(&[("etag", value)]).validator();
        assert_eq!(etag("\"a\""), Some(Validator::ETag("\"a\"".to_owned())));
        for weak in ["W/\"a\"", "a", "\"", ""] {
            assert_eq!(etag(weak), None, "{weak}");
        }
        assert_eq!(head(&[]).validator(), None);
    }

    #[test]
    fn a_file_of_the_platform_reaches_a_sink_piece_by_piece() {
        struct Pieces(Vec<usize>);
        impl ByteSink for Pieces {
            fn head(&mut self, _: &ResponseHead) -> Result<Flow> {
                Ok(Flow::Continue)
            }
            fn write(&mut self, bytes: &[u8]) -> Result<Flow> {
                self.0.push(bytes.len());
                Ok(if self.0.len() == 3 { Flow::Stop } else { Flow::Continue })
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("body");
        std::fs::write(&file, vec![7; PIECE_BYTES + 1]).unwrap();
        let mut pieces = Pieces(Vec::new());
        assert_eq!(pieces.file(&file).unwrap(), Flow::Continue);
        assert_eq!(pieces.0, [PIECE_BYTES, 1]);
        assert_eq!(pieces.file(&file).unwrap(), Flow::Stop, "the third piece stops it");
        assert_eq!(pieces.file(&dir.path().join("gone")).unwrap_err().code(), crate::Code::Network);
    }
}
