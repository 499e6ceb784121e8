//! The origin: files as a CDN serves them (RFC 9110): ranges, validators, conditional requests, gzip, redirects.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flate2::{Compression, write::GzEncoder};
use percent_encoding::percent_decode_str;
use sha2::{Digest as _, Sha256};

use crate::http::{Body, Request, Response};

/// Text up to this size is compressed for a client that accepts it. Segments never are.
const MAX_GZIP_BYTES: u64 = 32 * 1024 * 1024;

/// The content of the origin: folders under a prefix, and files that a test makes up. It may change while the origin serves.
#[derive(Debug, Default)]
pub struct Origin {
    // Held for a lookup only, never while a body is read or sent.
    served: Mutex<Served>,
}

#[derive(Debug, Default)]
struct Served {
    folders: Vec<(String, PathBuf)>,
    files: BTreeMap<String, (Arc<[u8]>, SystemTime)>,
}

impl Origin {
    /// Serves the files of `folder` under `prefix`, for example `/media`. Links that lead out of the folder are not followed.
    pub fn mount(&self, prefix: &str, folder: impl Into<PathBuf>) {
        self.served().folders.push((format!("/{}", prefix.trim_matches('/')), folder.into()));
    }

    /// Serves `bytes` at `path` (decoded, for example `/made/up.m3u8`); the type follows from the extension.
    /// A file that is put again gets a new ETag, and a newer date if its bytes differ.
    pub fn put(&self, path: &str, bytes: impl Into<Vec<u8>>) {
        let bytes: Arc<[u8]> = bytes.into().into();
        let mut served = self.served();
        let path = format!("/{}", path.trim_start_matches('/'));
        // HTTP dates have whole seconds; a change within one must still show.
        let date = match served.files.get(&path) {
            Some((old, date)) if *old == bytes => *date,
            Some((_, date)) => *date + Duration::from_secs(1),
            None => UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        };
        served.files.insert(path, (bytes, date));
    }

    /// Takes a file of [`Origin::put`] away; `false` if there was none.
    pub fn remove(&self, path: &str) -> bool {
        self.served().files.remove(path).is_some()
    }

    fn served(&self) -> MutexGuard<'_, Served> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn answer(&self, request: &Request) -> Response {
        let response = match request.method.as_str() {
            "OPTIONS" => Response::new(204)
                .with("Access-Control-Allow-Methods", "GET, HEAD, POST, OPTIONS")
                .with("Access-Control-Allow-Headers", "*"),
            "GET" | "HEAD" if request.path.starts_with("/redirect/") => redirect(request),
            "GET" | "HEAD" => match self.find(&request.path) {
                Some(content) => serve(request, content),
                None => Response::text(404, "no such file"),
            },
            _ => Response::text(405, "only GET and HEAD").with("Allow", "GET, HEAD, OPTIONS"),
        };
        // Players in a browser are on another origin.
        response.with("Access-Control-Allow-Origin", "*").with("Access-Control-Expose-Headers", "*")
    }

    fn find(&self, raw_path: &str) -> Option<Content> {
        let decoded = percent_decode_str(raw_path).decode_utf8().ok()?;
        let content_type = content_type(&decoded);
        let served = self.served();
        if let Some((bytes, date)) = served.files.get(decoded.as_ref()) {
            let digest = Sha256::digest(bytes);
            let etag = digest.iter().take(8).map(|b| format!("{b:02x}")).collect();
            return Some(Content { source: Source::Memory(Arc::clone(bytes)), content_type, etag, date: *date });
        }
        // The longest prefix wins, so that a folder can be mounted below another.
        let mut folders: Vec<_> = served.folders.iter().collect();
        folders.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        let (folder, rest) =
            folders.into_iter().find_map(|(prefix, folder)| Some((folder, strip_folder(raw_path, prefix)?)))?;
        let path = inside(folder, rest)?;
        drop(served);
        let file = File::open(path).ok()?;
        let metadata = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
        let date = metadata.modified().ok()?;
        let nanos = date.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos());
        let etag = format!("{nanos:x}-{:x}", metadata.len());
        Some(Content { source: Source::Disk(file, metadata.len()), content_type, etag, date })
    }
}

fn strip_folder<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    if prefix == "/" { path.strip_prefix('/') } else { path.strip_prefix(prefix)?.strip_prefix('/') }
}

/// The file that a request's path names within a folder: no `..`, no encoded slash, no link that leads out.
fn inside(folder: &Path, raw: &str) -> Option<PathBuf> {
    let root = folder.canonicalize().ok()?;
    let mut path = root.clone();
    for segment in raw.split('/') {
        let segment = percent_decode_str(segment).decode_utf8().ok()?;
        if matches!(segment.as_ref(), "" | "." | "..") || segment.contains(['/', '\\', '\0']) {
            return None;
        }
        path.push(segment.as_ref());
    }
    let path = path.canonicalize().ok()?;
    path.starts_with(&root).then_some(path)
}

struct Content {
    source: Source,
    content_type: &'static str,
    /// Without quotes. Strong: it changes with every byte.
    etag: String,
    date: SystemTime,
}

enum Source {
    Memory(Arc<[u8]>),
    Disk(File, u64),
}

impl Source {
    fn length_bytes(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Disk(_, length) => *length,
        }
    }

    fn part(self, offset_bytes: u64, length_bytes: u64) -> Body {
        match self {
            Self::Memory(bytes) => Body::Shared { bytes, offset_bytes, length_bytes },
            Self::Disk(file, _) => Body::File { file, offset_bytes, length_bytes },
        }
    }
}

/// Conditions first, then the range (RFC 9110, 13.2.2).
fn serve(request: &Request, content: Content) -> Response {
    let compress = wants_gzip(request, &content);
    let etag = if compress { format!("\"{}-gzip\"", content.etag) } else { format!("\"{}\"", content.etag) };
    let length = content.source.length_bytes();
    let describe = |response: Response| {
        let response = response
            .with("ETag", &etag)
            .with("Last-Modified", httpdate::fmt_http_date(content.date))
            .with("Accept-Ranges", "bytes");
        if is_text(content.content_type) { response.with("Vary", "Accept-Encoding") } else { response }
    };
    if let Some(status) = failed_condition(request, &etag, content.date) {
        return describe(Response::new(status));
    }
    let range = request.header("Range").filter(|_| if_range_holds(request, &etag, content.date));
    match range.map_or(Range::Whole, |value| Range::parse(value, length)) {
        Range::Unsatisfiable => describe(Response::new(416).with("Content-Range", format!("bytes */{length}"))),
        Range::Part { first, last } => {
            let mut response = describe(Response::new(206))
                .with("Content-Type", content.content_type)
                .with("Content-Range", format!("bytes {first}-{last}/{length}"));
            response.body = content.source.part(first, last - first + 1);
            response
        }
        Range::Whole => {
            let mut response = describe(Response::new(200)).with("Content-Type", content.content_type);
            if compress {
                let Ok(body) = gzip(content.source) else { return Response::text(500, "gzip failed") };
                response = response.with("Content-Encoding", "gzip");
                response.body = Body::Bytes(body);
            } else {
                response.body = content.source.part(0, length);
            }
            response
        }
    }
}

fn failed_condition(request: &Request, etag: &str, date: SystemTime) -> Option<u16> {
    if let Some(wanted) = request.header("If-Match") {
        if !names_etag(wanted, etag, false) {
            return Some(412);
        }
    } else if parsed_date(request, "If-Unmodified-Since").is_some_and(|since| whole_seconds(date) > since) {
        return Some(412);
    }
    if let Some(known) = request.header("If-None-Match") {
        return names_etag(known, etag, true).then_some(304);
    }
    parsed_date(request, "If-Modified-Since").filter(|since| whole_seconds(date) <= *since).map(|_| 304)
}

fn names_etag(list: &str, etag: &str, weak: bool) -> bool {
    list.split(',').map(str::trim).any(|tag| {
        let tag = if weak { tag.strip_prefix("W/").unwrap_or(tag) } else { tag };
        tag == "*" || tag == etag
    })
}

/// A range of another version must not be spliced into this one: on a mismatch the whole is sent (RFC 9110, 13.1.5).
fn if_range_holds(request: &Request, etag: &str, date: SystemTime) -> bool {
    match request.header("If-Range").map(str::trim) {
        None => true,
        Some(tag) if tag.starts_with('"') || tag.starts_with("W/") => tag == etag,
        Some(text) => httpdate::parse_http_date(text).is_ok_and(|since| since == whole_seconds(date)),
    }
}

fn parsed_date(request: &Request, name: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(request.header(name)?).ok()
}

fn whole_seconds(date: SystemTime) -> SystemTime {
    date.duration_since(UNIX_EPOCH).map_or(date, |d| UNIX_EPOCH + Duration::from_secs(d.as_secs()))
}

#[derive(Debug, PartialEq, Eq)]
enum Range {
    Whole,
    Part { first: u64, last: u64 },
    Unsatisfiable,
}

impl Range {
    /// One range of bytes. Several, another unit or nonsense are ignored, as RFC 9110, 14.2 allows.
    fn parse(value: &str, length: u64) -> Self {
        let Some(spec) = value.trim().strip_prefix("bytes=").map(str::trim) else { return Self::Whole };
        let Some((first, last)) = spec.split_once('-').filter(|_| !spec.contains(',')) else { return Self::Whole };
        match (first.trim(), last.trim()) {
            ("", suffix) => match suffix.parse::<u64>() {
                Err(_) => Self::Whole,
                Ok(0) => Self::Unsatisfiable,
                Ok(_) if length == 0 => Self::Unsatisfiable,
                Ok(suffix) => Self::Part { first: length.saturating_sub(suffix), last: length - 1 },
            },
            (first, last) => {
                let Ok(first) = first.parse::<u64>() else { return Self::Whole };
                let last = if last.is_empty() { Ok(u64::MAX) } else { last.parse::<u64>() };
                match last {
                    Ok(last) if last < first => Self::Whole,
                    Ok(_) if first >= length => Self::Unsatisfiable,
                    Ok(last) => Self::Part { first, last: last.min(length - 1) },
                    Err(_) => Self::Whole,
                }
            }
        }
    }
}

fn wants_gzip(request: &Request, content: &Content) -> bool {
    let accepts = request.header("Accept-Encoding").is_some_and(|value| {
        value.split(',').any(|coding| {
            let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
            name.trim() == "gzip" && weight.trim().replace(' ', "") != "q=0"
        })
    });
    accepts
        && request.header("Range").is_none()
        && is_text(content.content_type)
        && content.source.length_bytes() <= MAX_GZIP_BYTES
}

fn gzip(source: Source) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    match source {
        Source::Memory(bytes) => encoder.write_all(&bytes)?,
        Source::Disk(file, length) => {
            std::io::copy(&mut file.take(length), &mut encoder)?;
        }
    }
    encoder.finish()
}

/// `/redirect/<status>?to=<url>&hops=<n>`: `n` redirects (one if it is not said) before `to` is reached.
fn redirect(request: &Request) -> Response {
    let status = request.path.trim_start_matches("/redirect/").parse::<u16>().ok().filter(|s| (300..400).contains(s));
    let (Some(status), Some(to)) = (status, request.query_value("to")) else {
        return Response::text(400, "say /redirect/<3xx>?to=<url>[&hops=<n>]");
    };
    let hops = request.query_value("hops").and_then(|n| n.parse::<u32>().ok()).unwrap_or(1);
    let location = if hops > 1 {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("to", &to)
            .append_pair("hops", &(hops - 1).to_string())
            .finish();
        format!("{}?{query}", request.path)
    } else {
        to
    };
    Response::new(status).with("Location", location)
}

fn is_text(content_type: &str) -> bool {
    content_type.starts_with("text/")
        || content_type.contains("mpegurl")
        || content_type.contains("xml")
        || content_type.contains("json")
}

fn content_type(path: &str) -> &'static str {
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension.to_ascii_lowercase().as_str() {
        "m3u8" => "application/vnd.apple.mpegurl",
        "mpd" => "application/dash+xml",
        "mp4" | "m4v" | "cmfv" => "video/mp4",
        "m4a" | "cmfa" => "audio/mp4",
        "m4s" => "video/iso.segment",
        "ts" => "video/mp2t",
        "aac" => "audio/aac",
        "vtt" => "text/vtt; charset=utf-8",
        "json" => "application/json",
        "html" => "text/html; charset=utf-8",
        "txt" => "text/plain; charset=utf-8",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_rfc_9110_says() {
        let part = |first, last| Range::Part { first, last };
        for (value, length, want) in [
            ("bytes=0-0", 10, part(0, 0)),
            ("bytes=2-5", 10, part(2, 5)),
            ("bytes=2-", 10, part(2, 9)),
            ("bytes=2-99", 10, part(2, 9)),
            ("bytes=-3", 10, part(7, 9)),
            ("bytes=-99", 10, part(0, 9)),
            ("bytes=10-", 10, Range::Unsatisfiable),
            ("bytes=-0", 10, Range::Unsatisfiable),
            ("bytes=-1", 0, Range::Unsatisfiable),
            ("bytes=0-", 0, Range::Unsatisfiable),
            ("bytes=5-2", 10, Range::Whole),
            ("bytes=0-1,3-4", 10, Range::Whole),
            ("bytes=x-1", 10, Range::Whole),
            ("items=0-1", 10, Range::Whole),
            ("bytes=99999999999999999999-", 10, Range::Whole),
        ] {
            assert_eq!(Range::parse(value, length), want, "{value} of {length}");
        }
    }
}
