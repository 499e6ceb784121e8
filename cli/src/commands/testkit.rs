//! `testkit …`: the test servers, and small clients of their admin interface.

use std::fmt::Write as _;
use std::fs;
use std::future::poll_fn;
use std::io::{self, BufRead as _};
use std::path::{Component, Path};
use std::pin::pin;
use std::task::Poll;

use larder_core::error::Quoted;
use larder_core::net::{ClientSettings, ReqwestClient, check_url};
use larder_core::ports::{HttpClient as _, HttpRequest};
use larder_core::{Code, Error, Result};
use larder_testkit::{BookPage, Counts, IssuedLicense, Options, RequestKind, SeenRequest, Testkit};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::Answer;
use crate::args::{Admin, Faults, Fetch, Global, Serve, Testkit as Asked};
use crate::host;
use crate::output::Output;
use crate::paths::absolute;
use crate::source;

/// A part of a film is never larger in tests.
const MAX_FILE_BYTES: usize = 256 * 1024 * 1024;

pub(super) fn run(asked: &Asked, global: &Global, output: &Output) -> Result<Answer> {
    match asked {
        Asked::Serve(args) => serve(args, output),
        Asked::Fetch(args) => fetch(args, &Servers::new(global)?, output),
        Asked::Book(args) => book(args, &Servers::new(global)?, output),
        Asked::Counts(args) => counts(args, &Servers::new(global)?, output),
        Asked::Requests(args) => requests(args, &Servers::new(global)?, output),
        Asked::Faults(args) => faults(args, &Servers::new(global)?, output),
        Asked::Reset(args) => order(args, "reset", &Servers::new(global)?, output),
        Asked::Stop(args) => order(args, "stop", &Servers::new(global)?, output),
        Asked::Resume(args) => order(args, "resume", &Servers::new(global)?, output),
    }
}

fn serve(args: &Serve, output: &Output) -> Result<Answer> {
    let media_root = args.media.as_deref().map(absolute).transpose()?;
    let options = Options { port: args.port, admin_port: args.admin_port, media_root };
    let kit = Testkit::start(options)
        .map_err(|cause| Error::new(Code::InvalidArgument, format!("cannot serve: {cause}")).caused_by(cause))?;
    host::runtime()?.block_on(async {
        let mut interrupt = pin!(tokio::signal::ctrl_c());
        // The reader of the URLs may interrupt at once, so the signal handler is installed before they are printed.
        poll_fn(|context| {
            let _ = interrupt.as_mut().poll(context);
            Poll::Ready(())
        })
        .await;
        let (url, admin_url) = (kit.base_url(), kit.admin_url());
        output.note(&format!("serving at {url}, admin at {admin_url}; Ctrl-C ends it"));
        output.data(&json!({ "url": url, "admin_url": admin_url }), |lines| {
            if args.print_url {
                let _ = writeln!(lines, "{url}\n{admin_url}");
            }
        })?;
        interrupt.await.map_err(|cause| Error::new(Code::Internal, "cannot wait for Ctrl-C").caused_by(cause))
    })?;
    Ok(Answer::Yes)
}

/// Every license in the order of issue.
fn book(args: &Admin, servers: &Servers, output: &Output) -> Result<Answer> {
    let page: BookPage = servers.get(&args.url, "book")?;
    output.data(&page, |lines| {
        for license in &page.licenses {
            book_line(license, lines);
        }
        let _ = writeln!(lines, "issued {}, live {}", page.licenses.len(), page.live);
    })?;
    Ok(Answer::Yes)
}

fn book_line(license: &IssuedLicense, lines: &mut String) {
    let kept = match (license.persistent, license.released_at_ms) {
        (_, Some(at_ms)) => format!("released after {} ms", at_ms.saturating_sub(license.issued_at_ms)),
        (true, None) => "live".to_owned(),
        (false, None) => "for streaming only".to_owned(),
    };
    let keys = license.key_ids.len();
    let _ = writeln!(
        lines,
        "{} {:?}, keys: {keys}, renewals: {}, {kept}",
        license.license_id, license.scheme, license.renewals
    );
}

/// Kinds that were never asked for are shown as 0.
fn counts(args: &Admin, servers: &Servers, output: &Output) -> Result<Answer> {
    let mut counts: Counts = servers.get(&args.url, "counts")?;
    for kind in [
        RequestKind::License,
        RequestKind::Renewal,
        RequestKind::Release,
        RequestKind::Provisioning,
        RequestKind::Certificate,
        RequestKind::Other,
    ] {
        counts.by_kind.entry(kind).or_insert(0);
    }
    output.data(&counts, |lines| {
        for (kind, count) in &counts.by_kind {
            let _ = writeln!(lines, "{count}\t{kind:?}");
        }
        let _ = writeln!(lines, "{}\trequests over {} connections", counts.requests, counts.connections);
    })?;
    Ok(Answer::Yes)
}

/// Bodies and headers are left out of the lines for people, not of the JSON: these servers hold test secrets only.
fn requests(args: &Admin, servers: &Servers, output: &Output) -> Result<Answer> {
    let seen: Vec<SeenRequest> = servers.get(&args.url, "requests")?;
    output.data(&seen, |lines| {
        for request in &seen {
            let _ = writeln!(lines, "{:?}\t{} {}", request.kind, request.method, request.path);
        }
    })?;
    Ok(Answer::Yes)
}

fn faults(args: &Faults, servers: &Servers, output: &Output) -> Result<Answer> {
    let url = &args.admin.url;
    if args.clear {
        servers.ask("DELETE", url, "faults", Vec::new())?;
    }
    if let Some(path) = &args.set {
        servers.ask("POST", url, "faults", source::read_file("the rules", path)?)?;
    }
    let rules: Value = servers.get(url, "faults")?;
    output.data(&rules, |lines| {
        let _ = writeln!(lines, "{rules:#}");
    })?;
    Ok(Answer::Yes)
}

fn order(args: &Admin, what: &'static str, servers: &Servers, output: &Output) -> Result<Answer> {
    let answer = servers.ask("POST", &args.url, what, Vec::new())?;
    output.data(&parse::<Value>(&answer)?, |_| {})?;
    Ok(Answer::Yes)
}

/// The names come from a list, so that what is stored is what an app would have: some files of the origin, not its disk.
fn fetch(args: &Fetch, servers: &Servers, output: &Output) -> Result<Answer> {
    let base = args.base_url.trim_end_matches('/');
    check_url("base URL", base)?;
    let (mut files, mut bytes) = (0_u64, 0_u64);
    for line in io::stdin().lock().lines() {
        let name = line
            .map_err(|cause| Error::new(Code::InvalidArgument, "the list of names cannot be read").caused_by(cause))?;
        let name = name.trim();
        if name.is_empty() {
            continue;
        }
        let target = args.to.join(inside(name)?);
        let body = servers.send("GET", format!("{base}/{name}"), Vec::new())?;
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(|cause| not_written(&target, cause))?;
        }
        fs::write(&target, &body).map_err(|cause| not_written(&target, cause))?;
        files += 1;
        bytes += body.len() as u64;
    }
    output.note(&format!("downloaded {files} files, {bytes} bytes"));
    output.data(&json!({ "files": files, "bytes": bytes }), |_| {})?;
    Ok(Answer::Yes)
}

/// A name that stays below the folder.
fn inside(name: &str) -> Result<&Path> {
    let path = Path::new(name);
    let stays = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    let is_plain = !name.contains(['?', '#', '%', '\\']);
    if stays && is_plain {
        Ok(path)
    } else {
        Err(Error::new(Code::InvalidArgument, format!("{} is not the name of a file below a folder", Quoted(name))))
    }
}

fn not_written(path: &Path, cause: io::Error) -> Error {
    let code = if cause.kind() == io::ErrorKind::StorageFull { Code::DiskFull } else { Code::InvalidArgument };
    let shown = path.to_string_lossy();
    Error::new(code, format!("{} cannot be written: {}", Quoted(&shown), cause.kind())).caused_by(cause)
}

/// Running test servers, over HTTP.
struct Servers {
    client: ReqwestClient,
    timeout_ms: u64,
    // Drives the client.
    _runtime: Runtime,
}

impl Servers {
    fn new(global: &Global) -> Result<Self> {
        let runtime = host::runtime()?;
        let client = ReqwestClient::new(&ClientSettings::default(), runtime.handle().clone())?;
        Ok(Self { client, timeout_ms: global.timeout.saturating_mul(1000), _runtime: runtime })
    }

    fn get<T: DeserializeOwned>(&self, admin_url: &str, what: &str) -> Result<T> {
        parse(&self.ask("GET", admin_url, what, Vec::new())?)
    }

    fn ask(&self, method: &'static str, admin_url: &str, what: &str, body: Vec<u8>) -> Result<Vec<u8>> {
        let base = admin_url.trim_end_matches('/');
        check_url("admin URL", base)?;
        self.send(method, format!("{base}/admin/{what}"), body)
    }

    fn send(&self, method: &'static str, url: String, body: Vec<u8>) -> Result<Vec<u8>> {
        let request = HttpRequest {
            method,
            url,
            headers: Vec::new(),
            body,
            timeout_ms: self.timeout_ms,
            max_body_bytes: MAX_FILE_BYTES,
        };
        let response = self.client.send(request)?;
        if response.status == 200 {
            return Ok(response.body);
        }
        let why = String::from_utf8_lossy(&response.body);
        let message = format!("the test server answers {}: {}", response.status, Quoted(&why));
        Err(Error::new(Code::ServerRejected, message).with_http_status(response.status))
    }
}

fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T> {
    serde_json::from_slice(json)
        .map_err(|cause| Error::new(Code::ServerRejected, "this is not a test server's answer").caused_by(cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_name_stays_below_the_folder() {
        for good in ["a.m4s", "video/1.m4s", "./a/b"] {
            assert!(inside(good).is_ok(), "{good}");
        }
        for bad in ["../a", "/etc/passwd", "a/../../b", "a?x=1", "a%2f..", "a\\b"] {
            assert_eq!(inside(bad).unwrap_err().code(), Code::InvalidArgument, "{bad}");
        }
    }
}
