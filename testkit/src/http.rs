//! HTTP/1.1 as bytes. Written by hand, because lying about lengths and breaking off are what this server is for.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Larger heads are answered with 431.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Larger bodies are answered with 413. A license request has a few kilobytes.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;
const MAX_HEADERS: usize = 100;
/// The number of bytes that are read from a file and written to the socket at a time.
const CHUNK_BYTES: u64 = 256 * 1024;

/// A request as it arrived.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    /// `GET`, `POST`, …
    pub(crate) method: String,
    /// The path as sent: percent-encoding kept, no query.
    pub(crate) path: String,
    /// The query after the `?`, as sent.
    pub(crate) query: Option<String>,
    /// Names as sent, in order.
    pub(crate) headers: Vec<(String, String)>,
    /// The whole body, chunks put together.
    pub(crate) body: Vec<u8>,
    pub(crate) keep_alive: bool,
}

impl Request {
    /// A header's value, whatever the case of its name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// One parameter of the query, decoded.
    pub(crate) fn query_value(&self, name: &str) -> Option<String> {
        let query = self.query.as_deref()?;
        url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

pub(crate) fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// The response, before [`Delivery`] damages it.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Body,
}

impl Response {
    pub(crate) fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Body::Bytes(Vec::new()) }
    }

    pub(crate) fn bytes(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let mut response = Self::new(status).with("Content-Type", content_type);
        response.body = Body::Bytes(body.into());
        response
    }

    pub(crate) fn text(status: u16, text: impl Into<String>) -> Self {
        Self::bytes(status, "text/plain; charset=utf-8", text.into())
    }

    pub(crate) fn json(status: u16, value: &impl serde::Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => Self::bytes(status, "application/json", body),
            Err(error) => Self::text(500, error.to_string()),
        }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// Replaces a header, or takes it away.
    pub(crate) fn set_header(&mut self, name: &str, value: Option<&str>) {
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        if let Some(value) = value {
            self.headers.push((name.to_owned(), value.to_owned()));
        }
    }
}

/// A response's body. Files are read while they are sent.
pub(crate) enum Body {
    Bytes(Vec<u8>),
    Shared { bytes: Arc<[u8]>, offset_bytes: u64, length_bytes: u64 },
    File { file: File, offset_bytes: u64, length_bytes: u64 },
}

impl Body {
    pub(crate) fn length_bytes(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Shared { length_bytes, .. } | Self::File { length_bytes, .. } => *length_bytes,
        }
    }

    pub(crate) fn truncate(&mut self, to_bytes: u64) {
        match self {
            Self::Bytes(bytes) => bytes.truncate(usize::try_from(to_bytes).unwrap_or(usize::MAX)),
            Self::Shared { length_bytes, .. } | Self::File { length_bytes, .. } => {
                *length_bytes = to_bytes.min(*length_bytes);
            }
        }
    }

    /// Puts `length` bytes from `at` on behind `out`.
    fn append(&self, at: u64, length: u64, out: &mut Vec<u8>) -> io::Result<()> {
        let slice = |bytes: &[u8], from: u64| -> io::Result<Vec<u8>> {
            let from = usize::try_from(from).unwrap_or(usize::MAX);
            let to = from.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
            bytes.get(from..to).map(<[u8]>::to_vec).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
        };
        match self {
            Self::Bytes(bytes) => out.extend(slice(bytes, at)?),
            Self::Shared { bytes, offset_bytes, .. } => out.extend(slice(bytes, offset_bytes + at)?),
            Self::File { file, offset_bytes, .. } => {
                let start = out.len();
                out.resize(start + usize::try_from(length).map_err(io::Error::other)?, 0);
                file.read_exact_at(out.get_mut(start..).unwrap_or_default(), offset_bytes + at)?;
            }
        }
        Ok(())
    }
}

/// How a response is put on the wire. The default is the honest way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Delivery {
    /// How many bytes more (or fewer) `Content-Length` claims than there are.
    pub(crate) length_lie_bytes: i64,
    /// Chunked, so that the length is not known beforehand.
    pub(crate) chunked: bool,
    /// The connection ends after so many bytes of the body.
    pub(crate) cut_after_bytes: Option<u64>,
    /// It ends with a reset instead of a FIN.
    pub(crate) reset: bool,
    /// So many bytes, then a pause, and again.
    pub(crate) drip: Option<(u64, Duration)>,
}

/// The state of the connection after a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    KeepAlive,
    Close,
    Reset,
}

/// Writes one response.
pub(crate) async fn write_response(
    stream: &mut TcpStream,
    request: &Request,
    response: &Response,
    delivery: &Delivery,
) -> io::Result<Then> {
    let has_body = request.method != "HEAD" && !matches!(response.status, 100..200 | 204 | 304);
    let length = response.body.length_bytes();
    let lies = delivery.length_lie_bytes != 0;
    let keep_alive = request.keep_alive && !lies && delivery.cut_after_bytes.is_none();

    let mut out = head(response, keep_alive);
    if delivery.chunked && has_body {
        out.extend(b"Transfer-Encoding: chunked\r\n\r\n");
    } else if matches!(response.status, 100..200 | 204 | 304) {
        out.extend(b"\r\n");
    } else {
        let claimed = length.saturating_add_signed(delivery.length_lie_bytes);
        out.extend(format!("Content-Length: {claimed}\r\n\r\n").as_bytes());
    }

    let to_send = if has_body { delivery.cut_after_bytes.map_or(length, |cut| cut.min(length)) } else { 0 };
    let step = delivery.drip.map_or(CHUNK_BYTES, |(bytes, _)| bytes.max(1));
    let mut sent = 0;
    while sent < to_send {
        let now = step.min(to_send - sent);
        if delivery.drip.is_some() && !out.is_empty() {
            stream.write_all(&out).await?;
            out.clear();
        }
        if delivery.chunked {
            out.extend(format!("{now:x}\r\n").as_bytes());
        }
        response.body.append(sent, now, &mut out)?;
        if delivery.chunked {
            out.extend(b"\r\n");
        }
        // The head goes out with the first bytes: one system call for a small response.
        stream.write_all(&out).await?;
        out.clear();
        sent += now;
        if let Some((_, pause)) = delivery.drip {
            tokio::time::sleep(pause).await;
        }
    }
    if delivery.chunked && has_body && delivery.cut_after_bytes.is_none() {
        out.extend(b"0\r\n\r\n");
    }
    stream.write_all(&out).await?;
    Ok(match (delivery.reset, keep_alive) {
        (true, _) => Then::Reset,
        (false, true) => Then::KeepAlive,
        (false, false) => Then::Close,
    })
}

fn head(response: &Response, keep_alive: bool) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {} {}\r\n", response.status, reason(response.status));
    for (name, value) in &response.headers {
        // A header from an admin's rule must not end the head.
        let value: String = value.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !keep_alive {
        head.push_str("Connection: close\r\n");
    }
    head.into_bytes()
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        410 => "Gone",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        416 => "Range Not Satisfiable",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Unnamed",
    }
}

/// Why a request could not be read.
pub(crate) enum ReadError {
    /// The connection broke.
    Io,
    /// It is not HTTP, or too much of it: this status answers it, and the connection ends.
    Refused(u16),
}

impl From<io::Error> for ReadError {
    fn from(_: io::Error) -> Self {
        Self::Io
    }
}

/// Reads requests from one connection, one after the other (keep-alive, pipelining).
#[derive(Default)]
pub(crate) struct RequestReader {
    buffer: Vec<u8>,
}

impl RequestReader {
    /// The next request; `None` when the client has closed the connection between two requests.
    pub(crate) async fn next(&mut self, stream: &mut TcpStream) -> Result<Option<Request>, ReadError> {
        let (mut request, head_bytes) = loop {
            if let Some(found) = parse_head(&self.buffer)? {
                break found;
            }
            if self.buffer.len() > MAX_HEAD_BYTES {
                return Err(ReadError::Refused(431));
            }
            if self.fill(stream).await? == 0 {
                return if self.buffer.is_empty() { Ok(None) } else { Err(ReadError::Io) };
            }
        };
        if head_bytes > MAX_HEAD_BYTES {
            return Err(ReadError::Refused(431));
        }
        self.buffer.drain(..head_bytes);
        if request.header("Expect").is_some_and(|v| v.eq_ignore_ascii_case("100-continue")) {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let chunked = request.header("Transfer-Encoding").is_some_and(|v| v.to_ascii_lowercase().contains("chunked"));
        request.body = if chunked {
            self.chunked_body(stream).await?
        } else {
            let length = match request.header("Content-Length") {
                None => 0,
                Some(text) => text.trim().parse::<usize>().map_err(|_| ReadError::Refused(400))?,
            };
            if length > MAX_BODY_BYTES {
                return Err(ReadError::Refused(413));
            }
            self.take(stream, length).await?
        };
        Ok(Some(request))
    }

    async fn chunked_body(&mut self, stream: &mut TcpStream) -> Result<Vec<u8>, ReadError> {
        let mut body = Vec::new();
        loop {
            let line = self.line(stream).await?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).map_err(|_| ReadError::Refused(400))?;
            if size == 0 {
                // Trailers, up to the empty line.
                while !self.line(stream).await?.is_empty() {}
                return Ok(body);
            }
            if size > MAX_BODY_BYTES || body.len() + size > MAX_BODY_BYTES {
                return Err(ReadError::Refused(413));
            }
            body.extend(self.take(stream, size).await?);
            self.line(stream).await?;
        }
    }

    async fn line(&mut self, stream: &mut TcpStream) -> Result<String, ReadError> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|w| w == b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..end + 2).take(end).collect();
                return String::from_utf8(line).map_err(|_| ReadError::Refused(400));
            }
            if self.buffer.len() > MAX_HEAD_BYTES {
                return Err(ReadError::Refused(431));
            }
            if self.fill(stream).await? == 0 {
                return Err(ReadError::Io);
            }
        }
    }

    async fn take(&mut self, stream: &mut TcpStream, length: usize) -> Result<Vec<u8>, ReadError> {
        while self.buffer.len() < length {
            if self.fill(stream).await? == 0 {
                return Err(ReadError::Io);
            }
        }
        Ok(self.buffer.drain(..length).collect())
    }

    async fn fill(&mut self, stream: &mut TcpStream) -> io::Result<usize> {
        self.buffer.reserve(16 * 1024);
        stream.read_buf(&mut self.buffer).await
    }
}

fn parse_head(bytes: &[u8]) -> Result<Option<(Request, usize)>, ReadError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let head_bytes = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(bytes)) => bytes,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(ReadError::Refused(431)),
        Err(_) => return Err(ReadError::Refused(400)),
    };
    let headers: Vec<(String, String)> =
        parsed.headers.iter().map(|h| (h.name.to_owned(), String::from_utf8_lossy(h.value).into_owned())).collect();
    let target = origin_form(parsed.path.unwrap_or("/"));
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (target, None),
    };
    let connection = header(&headers, "Connection").unwrap_or_default().to_ascii_lowercase();
    let keep_alive = match parsed.version {
        Some(1) => !connection.contains("close"),
        _ => connection.contains("keep-alive"),
    };
    let method = parsed.method.unwrap_or_default().to_owned();
    Ok(Some((Request { method, path: path.to_owned(), query, headers, body: Vec::new(), keep_alive }, head_bytes)))
}

/// A client behind a proxy setting sends `http://host/path`; both forms name the same thing (RFC 9112, 3.2.2).
fn origin_form(target: &str) -> &str {
    let Some(rest) = target.strip_prefix("http://") else { return target };
    rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/")
}
