//! Faults by rule: which requests are struck, and what happens to them.
//!
//! A fault that takes the place of the answer strikes before the servers hear of the request: nothing is issued. With
//! `after_handling` they do their work first, and only their answer is lost, which is how a license comes to be in the
//! server's book and not on the device. Faults that damage an answer always let the servers do their work.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::http::{Delivery, Request, Response};
use crate::seen::RequestKind;

/// Strikes requests. All that it names must match; what it does not name matches all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The path begins with this.
    #[serde(default)]
    pub path: String,
    /// The method is this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The request is for this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_kind: Option<RequestKind>,
    /// The first matching request to strike, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nth: Option<u64>,
    /// How many to strike from there on; all if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// The servers do their work before the fault takes the answer's place.
    #[serde(default)]
    pub after_handling: bool,
    /// The action.
    pub action: Action,
}

impl Rule {
    /// Strikes every request whose path begins with `path`.
    pub fn on(path: impl Into<String>, action: Action) -> Self {
        Self {
            path: path.into(),
            method: None,
            request_kind: None,
            nth: None,
            count: None,
            after_handling: false,
            action,
        }
    }

    /// Only requests of one kind.
    #[must_use]
    pub fn kind(self, kind: RequestKind) -> Self {
        Self { request_kind: Some(kind), ..self }
    }

    /// Only the first `count` of them.
    #[must_use]
    pub fn times(self, count: u64) -> Self {
        Self { count: Some(count), ..self }
    }

    /// Only from the `nth` on, counted from 1.
    #[must_use]
    pub fn from_nth(self, nth: u64) -> Self {
        Self { nth: Some(nth), ..self }
    }

    /// The servers do their work before the fault takes the answer's place.
    #[must_use]
    pub fn after_handling(self) -> Self {
        Self { after_handling: true, ..self }
    }
}

/// The fault of a request that a rule strikes. In JSON: `{"kind": "status", "status": 503, "retry_after_seconds": 1}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// This status, with `Retry-After` if it says so.
    Status {
        /// Any three digits.
        status: u16,
        /// `Retry-After`, in seconds.
        #[serde(default)]
        retry_after_seconds: Option<u64>,
    },
    /// The answer comes later.
    Delay {
        /// By so much.
        delay_ms: u64,
    },
    /// No answer, ever; the connection stays open.
    Hang,
    /// The connection is reset.
    Reset,
    /// The port refuses connections, and open ones break off, while the rule is there; path, method and count do not
    /// matter. Over HTTP such a rule is taken at the admin port only: the public one could not answer.
    Refuse {
        /// The rule goes by itself after this time.
        #[serde(default)]
        for_ms: Option<u64>,
    },
    /// Bytes that are not HTTP, then the end.
    Garbage,
    /// A redirect.
    Redirect {
        /// The `Location`.
        to: String,
        /// 302 if it is not said.
        #[serde(default = "found")]
        status: u16,
    },
    /// A redirect to the same path for ever, each time with another query, so that no two URLs are the same.
    RedirectLoop {
        /// 302 if it is not said.
        #[serde(default = "found")]
        status: u16,
    },
    /// Status 200 and nothing.
    Empty,
    /// Status 200 and a web page: a captive portal.
    Html,
    /// Status 200 and this.
    Body {
        /// The body.
        text: String,
        /// `application/octet-stream` if it is not said.
        #[serde(default = "octets")]
        content_type: String,
    },
    /// The right answer under a wrong type.
    ContentType {
        /// The wrong type.
        content_type: String,
    },
    /// A header set, or taken away.
    Header {
        /// Its name.
        name: String,
        /// Its value; `null` takes it away.
        value: Option<String>,
    },
    /// `Content-Length` claims so many bytes more (or, negative, fewer) than are sent; then the connection ends.
    ContentLength {
        /// How many.
        difference: i64,
    },
    /// The connection ends after so many bytes of the body.
    Drop {
        /// How many.
        after_bytes: u64,
        /// With a reset instead of an orderly end.
        #[serde(default)]
        reset: bool,
    },
    /// The body is cut short, and the headers say so: correct HTTP, wrong content.
    Truncate {
        /// To so many bytes.
        to_bytes: u64,
    },
    /// The body comes in drops.
    Drip {
        /// So many bytes, …
        bytes: u64,
        /// … then this pause.
        interval_ms: u64,
    },
    /// No `Content-Length`: the body comes in chunks.
    Chunked,
    /// `Range` is not heard: status 200 and the whole.
    IgnoreRange,
}

fn found() -> u16 {
    302
}

fn octets() -> String {
    "application/octet-stream".to_owned()
}

/// A rule in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveRule {
    /// To remove it by.
    pub id: u64,
    /// How many requests it matched, struck or not.
    pub matched: u64,
    /// How many it struck.
    pub struck: u64,
    /// The rule.
    pub rule: Rule,
}

#[derive(Debug, Default)]
pub(crate) struct Faults {
    // Held to look rules up, never while a request is answered.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    rules: Vec<ActiveRule>,
    /// When which rules go by themselves.
    ends: Vec<(u64, Instant)>,
    last_id: u64,
}

impl Faults {
    pub(crate) fn add(&self, rule: Rule) -> u64 {
        let mut state = self.state();
        state.last_id += 1;
        let id = state.last_id;
        if let Action::Refuse { for_ms: Some(for_ms) } = rule.action {
            state.ends.push((id, Instant::now() + Duration::from_millis(for_ms.min(MAX_REFUSE_MS))));
        }
        state.rules.push(ActiveRule { id, matched: 0, struck: 0, rule });
        id
    }

    /// True if there was one.
    pub(crate) fn remove(&self, id: u64) -> bool {
        let mut state = self.state();
        let before = state.rules.len();
        state.rules.retain(|active| active.id != id);
        state.rules.len() < before
    }

    pub(crate) fn clear(&self) {
        let mut state = self.state();
        state.rules.clear();
        state.ends.clear();
    }

    pub(crate) fn list(&self) -> Vec<ActiveRule> {
        self.state().rules.clone()
    }

    /// Whether the public door must be shut, and if so, when to look again.
    pub(crate) fn refusing(&self) -> (bool, Option<Instant>) {
        let mut state = self.state();
        let now = Instant::now();
        let over: Vec<u64> = state.ends.iter().filter(|(_, at)| *at <= now).map(|(id, _)| *id).collect();
        state.rules.retain(|active| !over.contains(&active.id));
        state.ends.retain(|(id, _)| !over.contains(id));
        let refusing = state.rules.iter().any(|active| matches!(active.rule.action, Action::Refuse { .. }));
        (refusing, state.ends.iter().map(|(_, at)| *at).min())
    }

    /// Returns the faults of this request: those of all rules that strike it, in the order they were added.
    pub(crate) fn plan(&self, request: &Request, kind: RequestKind) -> Plan {
        let mut plan = Plan::default();
        for active in &mut self.state().rules {
            let rule = &active.rule;
            let matches = request.path.starts_with(&rule.path)
                && rule.method.as_ref().is_none_or(|method| method.eq_ignore_ascii_case(&request.method))
                && rule.request_kind.is_none_or(|wanted| wanted == kind);
            if !matches {
                continue;
            }
            active.matched += 1;
            let first = rule.nth.unwrap_or(1).max(1);
            let in_turn = active.matched >= first && rule.count.is_none_or(|count| active.matched - first < count);
            if in_turn {
                active.struck += 1;
                plan.add(rule, request);
            }
        }
        plan
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The faults of one request.
#[derive(Default)]
pub(crate) struct Plan {
    pub(crate) delay: Duration,
    pub(crate) delay_after: Duration,
    pub(crate) ignore_range: bool,
    /// In place of the answer; the flag says whether the servers do their work first.
    pub(crate) instead: Option<(Instead, bool)>,
    pub(crate) delivery: Delivery,
    headers: Vec<(String, Option<String>)>,
    truncate: Option<u64>,
}

pub(crate) enum Instead {
    Response(Response),
    Hang,
    Reset,
    Garbage,
}

impl Plan {
    fn add(&mut self, rule: &Rule, request: &Request) {
        let mut instead = |what| {
            // The first rule that takes the answer's place wins.
            self.instead.get_or_insert((what, rule.after_handling));
        };
        match &rule.action {
            Action::Status { status, retry_after_seconds } => {
                let response = Response::text(*status, "a fault of the testkit");
                instead(Instead::Response(match retry_after_seconds {
                    Some(seconds) => response.with("Retry-After", seconds.to_string()),
                    None => response,
                }));
            }
            Action::Hang => instead(Instead::Hang),
            Action::Reset => instead(Instead::Reset),
            Action::Garbage => instead(Instead::Garbage),
            Action::Redirect { to, status } => {
                instead(Instead::Response(Response::new(*status).with("Location", to)));
            }
            Action::RedirectLoop { status } => {
                let hop = request.query_value("hop").and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
                let location = format!("{}?hop={}", request.path, hop.saturating_add(1));
                instead(Instead::Response(Response::new(*status).with("Location", location)));
            }
            Action::Empty => instead(Instead::Response(Response::new(200))),
            Action::Html => {
                instead(Instead::Response(Response::bytes(200, "text/html; charset=utf-8", CAPTIVE_PORTAL)))
            }
            Action::Body { text, content_type } => {
                instead(Instead::Response(Response::bytes(200, content_type, text.as_bytes())));
            }
            // The door is shut by the server; a connection that slipped through is reset.
            Action::Refuse { .. } => instead(Instead::Reset),
            Action::Delay { delay_ms } => {
                let delay = Duration::from_millis(*delay_ms);
                *(if rule.after_handling { &mut self.delay_after } else { &mut self.delay }) += delay;
            }
            Action::IgnoreRange => self.ignore_range = true,
            Action::ContentType { content_type } => {
                self.headers.push(("Content-Type".to_owned(), Some(content_type.clone())));
            }
            Action::Header { name, value } => self.headers.push((name.clone(), value.clone())),
            Action::Truncate { to_bytes } => self.truncate = Some(*to_bytes),
            Action::ContentLength { difference } => self.delivery.length_lie_bytes = *difference,
            Action::Drop { after_bytes, reset } => {
                self.delivery.cut_after_bytes = Some(*after_bytes);
                self.delivery.reset = *reset;
            }
            Action::Drip { bytes, interval_ms } => {
                self.delivery.drip = Some((*bytes, Duration::from_millis(*interval_ms)));
            }
            Action::Chunked => self.delivery.chunked = true,
        }
    }

    /// Damages what the headers and the body say; the delivery damages how they go out.
    pub(crate) fn damage(&self, response: &mut Response) {
        for (name, value) in &self.headers {
            response.set_header(name, value.as_deref());
        }
        if let Some(to_bytes) = self.truncate {
            response.body.truncate(to_bytes);
        }
    }
}

/// A day.
const MAX_REFUSE_MS: u64 = 24 * 3600 * 1000;

const CAPTIVE_PORTAL: &str = "<!DOCTYPE html>\n<html><head><title>Welcome to our Wi-Fi</title></head>\
<body><form action=\"/login\"><button>Accept</button></form></body></html>\n";

/// The bytes that [`Action::Garbage`] sends: no status line, bytes outside of ASCII.
pub(crate) const GARBAGE: &[u8] = b"\x00\xff\xfe\x15SSH-2.0-no-http\x80\x81\r\n\xc3\x28\x00\x00\r\n\r\n";
