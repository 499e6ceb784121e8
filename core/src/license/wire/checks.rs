//! The checks of every response: an empty body, a web page, a refusal.

use serde::Deserialize;
use serde_json::Value;

use super::Reply;
use crate::error::{Code, Error, Result};
use crate::net::redact::server_message;

/// Refuses an empty body.
pub(super) fn not_empty(reply: &Reply<'_>) -> Result<()> {
    if reply.body.iter().all(u8::is_ascii_whitespace) {
        return Err(Error::new(Code::LicenseEmpty, "the server responded with success and an empty body"));
    }
    Ok(())
}

/// Refuses HTML, recognized by its bytes: many servers (PHP's default) label every response as `text/html`, valid
/// licenses included.
pub(super) fn not_a_page(reply: &Reply<'_>) -> Result<()> {
    let start: Vec<u8> = trimmed(&reply.body).iter().take(16).map(u8::to_ascii_lowercase).collect();
    let is_page =
        [&b"<!doctype"[..], b"<html", b"<head", b"<body", b"<script", b"<!--"].iter().any(|t| start.starts_with(t));
    if is_page || (start.first() == Some(&b'<') && is_html(reply.content_type)) {
        return Err(Error::new(
            Code::LicenseNotALicense,
            "the server responded with a web page instead of a license; this network may require a log-in (captive portal)",
        ));
    }
    Ok(())
}

/// Refuses text instead of a binary license. A refusal in JSON fails with `LicenseDenied`.
///
/// A body is text if it is readable throughout, and its content type or its first character (a brace, a tag) is that of
/// text. Every real license has control characters; Widevine's begins with 0x08.
pub(super) fn not_text(reply: &Reply<'_>) -> Result<()> {
    not_a_page(reply)?;
    let Ok(text) = std::str::from_utf8(&reply.body) else { return Ok(()) };
    let is_readable = !text.chars().any(|c| c.is_control() && !c.is_whitespace());
    let looks_like_text = matches!(trimmed(&reply.body).first(), Some(b'{' | b'[' | b'<'));
    if !is_readable || !(looks_like_text || is_text(reply.content_type)) {
        return Ok(());
    }
    if text.trim_start().starts_with('{')
        && let Some(message) = refusal(&reply.body, reply.sent)
    {
        return Err(denied(&message));
    }
    Err(Error::new(
        Code::LicenseNotALicense,
        "the server responded with text instead of a binary license: a log-in page, a wrong URL, or another wire format",
    ))
}

/// Reads a JSON object. Fails with the code of the kind of response that it is instead.
pub(super) fn json<'a, T: Deserialize<'a>>(reply: &'a Reply<'_>) -> Result<T> {
    let body = trimmed(&reply.body);
    let malformed = |what: &'static str, cause: serde_json::Error| {
        Error::new(Code::LicenseMalformed, what).caused_by(json_position(&cause))
    };
    match serde_json::from_slice(body) {
        Ok(object) => Ok(object),
        Err(cause) if cause.is_data() => Err(malformed("the response is JSON of another structure", cause)),
        Err(cause) => {
            not_a_page(reply)?;
            if is_html(reply.content_type) || body.first() == Some(&b'<') {
                return Err(Error::new(
                    Code::LicenseNotALicense,
                    "the server responded with text instead of JSON; this network may require a log-in (captive portal)",
                ));
            }
            Err(malformed("the response is not JSON", cause))
        }
    }
}

/// Returns the position of an error in JSON. Serde's own text quotes the value at that position, which may be a key.
pub(in crate::license) fn json_position(error: &serde_json::Error) -> String {
    format!("line {}, column {}", error.line(), error.column())
}

/// Returns the server's reason for a refusal, fit for an error message: JSON's `message` or `error`, or a line of plain
/// text.
///
/// `sent` are the request's secrets. Returns `None` if the body has no reason.
pub fn refusal(body: &[u8], sent: &[&str]) -> Option<String> {
    const MAX_PLAIN_BYTES: usize = 512;
    let body = trimmed(body);
    let text = match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(object)) => refusal_member(&object)?,
        Ok(_) => return None,
        Err(_) if body.len() > MAX_PLAIN_BYTES || body.first() == Some(&b'<') => return None,
        Err(_) => std::str::from_utf8(body).ok().filter(|text| !text.chars().any(|c| c.is_control()))?.to_owned(),
    };
    (!text.is_empty()).then(|| server_message(&text, sent))
}

/// Returns the `message` or `error` of an object: a text, or a text in an object.
pub(super) fn refusal_member(object: &serde_json::Map<String, Value>) -> Option<String> {
    ["message", "error", "error_message", "errorMessage"].iter().find_map(|name| match object.get(*name)? {
        Value::String(text) => Some(text.clone()),
        Value::Object(inner) => ["message", "error", "code"].iter().find_map(|name| match inner.get(*name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

/// Returns the error of a refusal. [`server_message`] must have cleaned `message`.
pub(super) fn denied(message: &str) -> Error {
    Error::new(Code::LicenseDenied, format!("the license server refused the license: {message}"))
}

/// Returns the whole seconds of a JSON number, or of a number in a text, as some back ends write it. Returns `None` for
/// anything else. Negative seconds become 0, which the checks of a grant refuse.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates, as intended")]
pub(super) fn seconds(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64().or_else(|| number.as_f64().map(|seconds| seconds as u64)),
        Value::String(text) => text.trim().parse::<f64>().ok().filter(|s| s.is_finite()).map(|seconds| seconds as u64),
        _ => None,
    }
}

pub(super) fn trimmed(body: &[u8]) -> &[u8] {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    body.trim_ascii()
}

fn is_text(content_type: Option<&str>) -> bool {
    content_type.is_some_and(|value| {
        let value = value.trim_start().to_ascii_lowercase();
        value.starts_with("text/") || value.starts_with("application/json") || value.starts_with("application/xhtml")
    })
}

fn is_html(content_type: Option<&str>) -> bool {
    content_type.is_some_and(|value| {
        let value = value.trim_start().to_ascii_lowercase();
        value.starts_with("text/html") || value.starts_with("application/xhtml")
    })
}
