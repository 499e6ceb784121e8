//! The wire formats of license servers: packs a CDM's message, and unpacks a license. Pure.
//!
//! | file | format |
//! |---|---|
//! | [`raw`](self) | Widevine, PlayReady, plain FairPlay: the CDM's bytes as they are |
//! | [`fairplay`] | Kaltura's uDRM JSON, base64, form; the application certificate |
//! | [`clearkey`] | the W3C's JSON (Encrypted Media Extensions, 9.1) and our extension members |
//! | [`checks`](self) | the checks of every response: an empty body, a web page, a refusal |
//!
//! A server's error text reaches an error message through
//! [`server_message`](crate::net::redact::server_message) only.

mod checks;
pub mod clearkey;
pub mod fairplay;
mod raw;
#[cfg(test)]
mod tests;

pub(in crate::license) use checks::json_position;
pub use checks::refusal;
pub use raw::provisioning_url;

use crate::error::Result;
use crate::model::{DrmScheme, LicenseWire};
use crate::ports::{ExchangeAnswer, ExchangeKind};

/// The longest response. No real license, certificate or provisioning response is longer.
pub const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// A wire format, with "standard" resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The CDM's bytes, both ways.
    Raw,
    /// PlayReady's SOAP: the CDM's bytes, which are XML.
    Soap,
    /// Base64 text, both ways.
    Base64,
    /// `spc=<base64>&assetId=<id>` in the request, base64 in the response.
    Form,
    /// Base64 text in the request, JSON with `ckc` in the response.
    Udrm,
    /// The W3C's JSON.
    ClearKey,
}

impl Format {
    /// Returns the wire format of a source with this scheme and setting.
    pub fn of(scheme: DrmScheme, wire: LicenseWire) -> Self {
        match (wire, scheme) {
            (LicenseWire::Standard, DrmScheme::FairPlay) => Self::Udrm,
            (LicenseWire::Standard, DrmScheme::ClearKey) => Self::ClearKey,
            (LicenseWire::Standard | LicenseWire::Raw, DrmScheme::PlayReady) => Self::Soap,
            (LicenseWire::Standard | LicenseWire::Raw, _) => Self::Raw,
            (LicenseWire::Base64, _) => Self::Base64,
            (LicenseWire::Form, _) => Self::Form,
            (LicenseWire::Udrm, _) => Self::Udrm,
        }
    }
}

/// A packed message.
#[derive(Clone, PartialEq, Eq)]
pub struct Packed {
    /// Header names and values, `Content-Type` among them.
    pub headers: Vec<(&'static str, &'static str)>,
    /// The body.
    pub body: Vec<u8>,
}

/// A response with a successful status.
pub struct Reply<'a> {
    /// The kind of the request.
    pub kind: ExchangeKind,
    /// The response's `Content-Type`.
    pub content_type: Option<&'a str>,
    /// The response's body.
    pub body: Vec<u8>,
    /// Secrets of the request. A server may repeat them in its message; an error of ours must not.
    pub sent: &'a [&'a str],
}

/// Packs a CDM's message. `content_id` becomes `assetId` in FairPlay's form.
pub fn pack(format: Format, message: &[u8], content_id: Option<&str>) -> Packed {
    match format {
        Format::Raw => raw::pack(message),
        Format::Soap => raw::pack_soap(message),
        Format::Base64 | Format::Udrm => fairplay::pack_base64(message),
        Format::Form => fairplay::pack_form(message, content_id),
        Format::ClearKey => clearkey::pack(message),
    }
}

/// Unpacks a license, or the response to a renewal or release.
///
/// Fails with `LicenseEmpty`, `LicenseNotALicense`, `LicenseDenied` or `LicenseMalformed`.
pub fn unpack(format: Format, reply: Reply<'_>) -> Result<ExchangeAnswer> {
    if reply.body.is_empty() && reply.kind == ExchangeKind::Release && format != Format::ClearKey {
        // A successful status is enough to confirm a CDM's release. ClearKey's release needs an acknowledgement.
        return Ok(ExchangeAnswer { body: Vec::new(), persistence_duration_seconds: None });
    }
    checks::not_empty(&reply)?;
    match format {
        Format::Raw => raw::unpack(reply),
        Format::Soap => raw::unpack_soap(reply),
        Format::Base64 | Format::Form => fairplay::unpack_base64(reply),
        Format::Udrm => fairplay::unpack_udrm(reply),
        Format::ClearKey => clearkey::unpack(reply),
    }
}

/// Unpacks the response of a provisioning server. It is opaque, but neither empty nor a web page.
pub fn unpack_provisioning(reply: Reply<'_>) -> Result<ExchangeAnswer> {
    checks::not_empty(&reply)?;
    checks::not_a_page(&reply)?;
    Ok(ExchangeAnswer { body: reply.body, persistence_duration_seconds: None })
}
