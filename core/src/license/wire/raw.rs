//! The CDM's bytes, unchanged: Widevine, PlayReady, plain FairPlay.

use super::checks::{denied, not_a_page, not_text};
use super::{Packed, Reply};
use crate::error::Result;
use crate::ports::ExchangeAnswer;

pub(super) fn pack(message: &[u8]) -> Packed {
    Packed { headers: vec![("Content-Type", "application/octet-stream")], body: message.to_vec() }
}

pub(super) fn pack_soap(message: &[u8]) -> Packed {
    let headers = vec![
        ("Content-Type", "text/xml; charset=utf-8"),
        ("SOAPAction", "http://schemas.microsoft.com/DRM/2007/03/protocols/AcquireLicense"),
    ];
    Packed { headers, body: message.to_vec() }
}

pub(super) fn unpack(reply: Reply<'_>) -> Result<ExchangeAnswer> {
    not_text(&reply)?;
    Ok(ExchangeAnswer { body: reply.body, persistence_duration_seconds: None })
}

/// Passes the XML on to the CDM, which reads the license in it. A SOAP fault is a refusal.
pub(super) fn unpack_soap(reply: Reply<'_>) -> Result<ExchangeAnswer> {
    not_a_page(&reply)?;
    if reply.body.windows(7).any(|window| window == b":Fault>" || window == b"<Fault>") {
        return Err(denied("a SOAP fault"));
    }
    Ok(ExchangeAnswer { body: reply.body, persistence_duration_seconds: None })
}

/// Returns the URL of a provisioning request. Android's framework documents that the message goes into the default
/// URL's query, as text, and that the body is empty (`MediaDrm.ProvisionRequest`).
///
/// The message is base64url or percent-encoded text already, so only characters that no query may have are encoded.
pub fn provisioning_url(default_url: &str, message: &[u8]) -> String {
    use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
    const NOT_IN_A_QUERY_VALUE: &AsciiSet = &CONTROLS
        .add(b' ')
        .add(b'"')
        .add(b'#')
        .add(b'&')
        .add(b'<')
        .add(b'>')
        .add(b'\\')
        .add(b'^')
        .add(b'`')
        .add(b'{')
        .add(b'|')
        .add(b'}');
    let (base, _fragment) = default_url.split_once('#').unwrap_or((default_url, ""));
    let separator = match base.split_once('?') {
        None => "?",
        Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    };
    format!("{base}{separator}signedRequest={}", percent_encode(message, NOT_IN_A_QUERY_VALUE))
}
