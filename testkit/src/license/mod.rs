//! The license servers. Their envelopes are the field's; the messages inside Widevine's and FairPlay's are ours, because
//! the real ones open only in a CDM. They begin with a byte that no text has, as the real ones do: a client may refuse
//! text where a binary license should be.
//!
//! | path | what |
//! |---|---|
//! | `POST /clearkey/license` | W3C Encrypted Media Extensions, 9.1: license, renewal, release |
//! | `POST /widevine/license` | raw challenge, raw answer |
//! | `POST /widevine/provision?signedRequest=…` | provisioning of a device; the body stays empty |
//! | `POST /fairplay/udrm`, `/plain`, `/base64`, `/form` | four envelopes around SPC and CKC |
//! | `GET /fairplay/certificate` | the application certificate |
//!
//! A license URL may say `asset=` (for the book) and terms of its own (see [`Policy`](crate::Policy)).
//!
//! The messages of a scripted CDM, for one written in another language: four bytes, then JSON (`?`: may be absent).
//!
//! | message | bytes | members |
//! |---|---|---|
//! | Widevine's challenge | `WVC\x01` | `op` (`license`, `renewal`, `release`), `kids` (hexadecimal), `license_id`?, `device` (from provisioning; empty is refused), `nonce` (a number) |
//! | its answer | `WVL\x01` | `license_id`, `kids`, `duration_seconds`? (absent: for ever), `playback_seconds`?, `persist`, `renewable`, `nonce` (the challenge's), `released` |
//! | provisioning's answer | `WVP\x01` | `device` |
//! | SPC | `SPC\x01` | `op` (`license`, `release`), `content_id`, `certificate_sha256` (hexadecimal), `persist`, `license_id`? (with `license`: a renewal) |
//! | CKC | `CKC\x01` | `license_id`, `content_id`, `storage_seconds`?, `playback_seconds`?, `persist`, `released` |

pub(crate) mod clearkey;
pub(crate) mod fairplay;
pub(crate) mod issuer;
pub(crate) mod widevine;

use crate::http::{Request, Response};
use crate::seen::RequestKind;
use issuer::Issuer;

/// Returns the kind of a request to a license server; `None` for other requests.
pub(crate) fn kind(request: &Request) -> Option<RequestKind> {
    match request.path.as_str() {
        "/clearkey/license" => Some(clearkey::kind(request)),
        "/widevine/license" => Some(widevine::kind(request)),
        "/widevine/provision" => Some(RequestKind::Provisioning),
        "/fairplay/certificate" => Some(RequestKind::Certificate),
        path if fairplay::Envelope::of(path).is_some() => Some(fairplay::kind(request)),
        _ => None,
    }
}

/// Answers a request to a license server; `None` if it is none.
pub(crate) fn answer(request: &Request, issuer: &Issuer<'_>) -> Option<Response> {
    kind(request)?;
    if request.path == "/fairplay/certificate" {
        return Some(fairplay::certificate_response(issuer));
    }
    if request.method != "POST" {
        return Some(Response::text(405, "license servers take POST").with("Allow", "POST"));
    }
    if request.path == "/widevine/provision" {
        return Some(widevine::provision(request, issuer));
    }
    if let Some(denied) = denied(request, issuer) {
        return Some(denied);
    }
    Some(match request.path.as_str() {
        "/clearkey/license" => clearkey::answer(request, issuer),
        "/widevine/license" => widevine::answer(request, issuer),
        _ => fairplay::answer(request, issuer),
    })
}

/// A client asks its token provider again on 401 and 403; both must be reachable.
fn denied(request: &Request, issuer: &Issuer<'_>) -> Option<Response> {
    let token = issuer.policy.require_token.as_deref()?;
    match request.header("Authorization").and_then(|value| value.strip_prefix("Bearer ")) {
        None => Some(Response::text(401, "a token is needed").with("WWW-Authenticate", "Bearer")),
        Some(given) if given != token => Some(Response::text(403, "this token is not valid")),
        Some(_) => None,
    }
}
