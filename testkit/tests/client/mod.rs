//! A plain client for the black-box tests: reqwest without redirects or decompression, and a bare socket.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "the lint knows test functions, not what they call")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::HeaderMap;
use tokio::runtime::Runtime;

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    })
}

pub(crate) struct Client(reqwest::Client);

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {:?}", String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

impl Client {
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder.redirect(reqwest::redirect::Policy::none()))
    }

    pub(crate) fn following() -> Self {
        Self::with(|builder| builder.redirect(reqwest::redirect::Policy::limited(10)))
    }

    pub(crate) fn with(set: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder) -> Self {
        let _ = runtime();
        let builder = reqwest::Client::builder().no_gzip().no_proxy().timeout(Duration::from_secs(20));
        Self(set(builder).build().unwrap())
    }

    pub(crate) fn try_send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Result<Answer, reqwest::Error> {
        let mut request = self.0.request(method, url).body(body.into());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        runtime().block_on(async {
            let response = request.send().await?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            Ok(Answer { status, headers, body: response.bytes().await?.to_vec() })
        })
    }

    pub(crate) fn get(&self, url: &str) -> Answer {
        self.get_with(url, &[])
    }

    pub(crate) fn get_with(&self, url: &str, headers: &[(&str, &str)]) -> Answer {
        self.try_send(Method::GET, url, headers, "").unwrap()
    }

    pub(crate) fn post(&self, url: &str, body: impl Into<Vec<u8>>) -> Answer {
        self.try_send(Method::POST, url, &[], body).unwrap()
    }

    pub(crate) fn post_json(&self, url: &str, body: &serde_json::Value) -> Answer {
        self.try_send(Method::POST, url, &[("Content-Type", "application/json")], body.to_string()).unwrap()
    }

    pub(crate) fn delete(&self, url: &str) -> Answer {
        self.try_send(Method::DELETE, url, &[], "").unwrap()
    }
}

/// Sends bytes as they are and reads until the server closes.
pub(crate) fn raw(base_url: &str, request: &str) -> Vec<u8> {
    let mut stream = connect(base_url);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

pub(crate) fn connect(base_url: &str) -> TcpStream {
    let stream = TcpStream::connect(base_url.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}
