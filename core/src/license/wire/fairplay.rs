//! FairPlay: Kaltura's uDRM JSON, base64, form, and the application certificate.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

use super::checks::{denied, json, not_a_page, not_empty, refusal, refusal_member, seconds, trimmed};
use super::{Packed, Reply};
use crate::error::{Code, Error, Result};
use crate::net::redact::server_message;
use crate::ports::{ExchangeAnswer, ExchangeKind};

/// Base64 as servers write it: with padding or without.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Packs base64 text. uDRM expects `Content-Type: application/octet-stream` for it.
pub(super) fn pack_base64(message: &[u8]) -> Packed {
    Packed { headers: vec![("Content-Type", "application/octet-stream")], body: STANDARD.encode(message).into_bytes() }
}

pub(super) fn pack_form(message: &[u8], content_id: Option<&str>) -> Packed {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("spc", &STANDARD.encode(message));
    form.append_pair("assetId", content_id.unwrap_or_default());
    Packed { headers: vec![("Content-Type", "application/x-www-form-urlencoded")], body: form.finish().into_bytes() }
}

/// Unpacks base64 text, bare or in `<ckc>`.
pub(super) fn unpack_base64(reply: Reply<'_>) -> Result<ExchangeAnswer> {
    let body = trimmed(&reply.body);
    let text = between(body, b"<ckc>", b"</ckc>").unwrap_or(body);
    if let Some(license) = decode(text) {
        return Ok(ExchangeAnswer { body: license, persistence_duration_seconds: None });
    }
    not_a_page(&reply)?;
    if body.first() == Some(&b'{')
        && let Some(message) = refusal(body, reply.sent)
    {
        return Err(denied(&message));
    }
    if body.is_ascii() && body.contains(&b' ') {
        return Err(Error::new(Code::LicenseNotALicense, "the server responded with text instead of base64"));
    }
    Err(Error::new(Code::LicenseMalformed, "the response is not base64"))
}

/// Unpacks `{"ckc": "<base64>", "persistence_duration": <seconds>}`, or `{"message": …}`.
pub(super) fn unpack_udrm(reply: Reply<'_>) -> Result<ExchangeAnswer> {
    let object: serde_json::Map<String, Value> = json(&reply)?;
    let ckc = match object.get("ckc") {
        Some(Value::String(ckc)) if !ckc.is_empty() => ckc,
        None | Some(Value::Null | Value::String(_)) => {
            return Err(match refusal_member(&object) {
                Some(message) => denied(&server_message(&message, reply.sent)),
                None if reply.kind == ExchangeKind::Release => {
                    return Ok(ExchangeAnswer { body: Vec::new(), persistence_duration_seconds: None });
                }
                None => Error::new(Code::LicenseMalformed, "the response has no ckc"),
            });
        }
        Some(_) => return Err(Error::new(Code::LicenseMalformed, "the response's ckc is not a string")),
    };
    let body =
        decode(ckc.as_bytes()).ok_or_else(|| Error::new(Code::LicenseMalformed, "the response's ckc is not base64"))?;
    let persistence_duration_seconds = match object.get("persistence_duration") {
        None | Some(Value::Null) => None,
        Some(value) => Some(seconds(value).ok_or_else(|| {
            Error::new(Code::LicenseMalformed, "the response's persistence_duration is not a number")
        })?),
    };
    Ok(ExchangeAnswer { body, persistence_duration_seconds })
}

/// Unpacks an application certificate in DER, base64 or PEM, and returns it in DER.
///
/// Fails with `LicenseNotALicense` for a web page and with `CertificateMissing` for anything else.
pub fn unpack_certificate(reply: Reply<'_>) -> Result<Vec<u8>> {
    let missing =
        |what: &str| Error::new(Code::CertificateMissing, format!("the certificate server's response {what}"));
    not_empty(&reply).map_err(|_| missing("is empty"))?;
    if is_der(&reply.body) {
        return Ok(reply.body);
    }
    not_a_page(&reply)?;
    let text = trimmed(&reply.body);
    let text = between(text, b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----").unwrap_or(text);
    decode(text).filter(|der| is_der(der)).ok_or_else(|| missing("is not a certificate in DER, base64 or PEM"))
}

/// Returns the `assetId` of the form: the `assetId` in the key URI's query, or everything after `skd://`.
///
/// Returns `None` for init data that is not an `skd://` URI.
pub fn content_id(init_data: &[u8]) -> Option<String> {
    let uri = std::str::from_utf8(init_data).ok()?.trim();
    let id = uri.get(..6).filter(|scheme| scheme.eq_ignore_ascii_case("skd://")).and(uri.get(6..))?;
    let query = id.split_once('?').map(|(_, query)| query).unwrap_or_default();
    let named = url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, value)| name.eq_ignore_ascii_case("assetid") && !value.is_empty());
    let id = named.map_or_else(|| id.trim_end_matches('/').to_owned(), |(_, id)| id.into_owned());
    (!id.is_empty()).then_some(id)
}

/// True for one DER SEQUENCE that ends with the bytes (X.690, 8.9), which is enough to distinguish a certificate from
/// text.
fn is_der(bytes: &[u8]) -> bool {
    let (length, header) = match *bytes {
        [0x30, short, ..] if short < 0x80 => (usize::from(short), 2),
        [0x30, 0x81, a, ..] => (usize::from(a), 3),
        [0x30, 0x82, a, b, ..] => (usize::from(u16::from_be_bytes([a, b])), 4),
        [0x30, 0x83, a, b, c, ..] => (usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(usize::MAX), 5),
        _ => return false,
    };
    length > 0 && length.checked_add(header) == Some(bytes.len())
}

/// Decodes base64 in either alphabet, with line breaks. Spaces are not allowed, because any sentence would be base64
/// then. Returns `None` for anything else.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let text: Vec<u8> = text
        .trim_ascii()
        .iter()
        .filter(|byte| !matches!(byte, b'\r' | b'\n' | b'\t'))
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            other => *other,
        })
        .collect();
    LENIENT.decode(text).ok().filter(|bytes| !bytes.is_empty())
}

fn between<'a>(text: &'a [u8], start: &[u8], end: &[u8]) -> Option<&'a [u8]> {
    let from = find(text, start)? + start.len();
    let rest = text.get(from..)?;
    rest.get(..find(rest, end)?)
}

fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len()).position(|window| window.eq_ignore_ascii_case(needle))
}
