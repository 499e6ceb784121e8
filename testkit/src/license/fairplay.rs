//! FairPlay key servers: SPC in, CKC out, in the four envelopes that are met in the field.
//!
//! | path | body | answer |
//! |---|---|---|
//! | `/fairplay/udrm` | base64 of the SPC, as text | Kaltura's: `{"ckc": base64, "persistence_duration": s}`, or `{"message": …}`, status 200 both |
//! | `/fairplay/plain` | the SPC | the CKC |
//! | `/fairplay/base64` | base64 of the SPC | base64 of the CKC |
//! | `/fairplay/form` | `spc=<base64>&assetId=…`, url-encoded | `<ckc>base64</ckc>` |
//!
//! An SPC is `SPC\x01` and JSON [`Spc`], a CKC `CKC\x01` and JSON [`Ckc`].

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::issuer::{Issuer, Refusal, Wish, asset_of};
use crate::book::{IssuedLicense, Scheme};
use crate::http::{Request, Response};
use crate::seen::RequestKind;

pub(crate) const SPC_MAGIC: &[u8; 4] = b"SPC\x01";
pub(crate) const CKC_MAGIC: &[u8; 4] = b"CKC\x01";

/// The operation of an SPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Operation {
    License,
    Release,
}

/// The server playback context: what the device says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Spc {
    pub(crate) op: Operation,
    pub(crate) content_id: String,
    /// SHA-256 of the application certificate, in hexadecimal: the SPC is made for one certificate.
    pub(crate) certificate_sha256: String,
    pub(crate) persist: bool,
    /// Of the held license: a `license` operation with one is a renewal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) license_id: Option<String>,
}

/// The content key context: what the server says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ckc {
    pub(crate) license_id: String,
    pub(crate) content_id: String,
    /// How long the key may be stored, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) storage_seconds: Option<i64>,
    /// How long it may be played once playback has begun, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) playback_seconds: Option<i64>,
    pub(crate) persist: bool,
    #[serde(default)]
    pub(crate) released: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Envelope {
    Udrm,
    Plain,
    Base64,
    Form,
}

impl Envelope {
    pub(crate) fn of(path: &str) -> Option<Self> {
        match path {
            "/fairplay/udrm" => Some(Self::Udrm),
            "/fairplay/plain" => Some(Self::Plain),
            "/fairplay/base64" => Some(Self::Base64),
            "/fairplay/form" => Some(Self::Form),
            _ => None,
        }
    }

    fn open(self, body: &[u8]) -> Result<Spc, Refusal> {
        let bytes = match self {
            Self::Plain => body.to_vec(),
            Self::Udrm | Self::Base64 => decode(body)?,
            Self::Form => {
                let spc = url::form_urlencoded::parse(body).find(|(name, _)| name == "spc");
                decode(spc.ok_or_else(|| Refusal::new(400, "the form has no spc"))?.1.as_bytes())?
            }
        };
        let json = bytes.strip_prefix(SPC_MAGIC).ok_or_else(|| Refusal::new(400, "not an SPC"))?;
        serde_json::from_slice(json).map_err(|e| Refusal::new(400, format!("not an SPC: {e}")))
    }

    fn close(self, ckc: &Ckc) -> Response {
        let Ok(json) = serde_json::to_vec(ckc) else { return Response::text(500, "the CKC cannot be written") };
        let bytes = [CKC_MAGIC.as_slice(), &json].concat();
        match self {
            Self::Plain => Response::bytes(200, "application/octet-stream", bytes),
            Self::Base64 => Response::text(200, STANDARD.encode(bytes)),
            Self::Form => Response::text(200, format!("<ckc>{}</ckc>", STANDARD.encode(bytes))),
            Self::Udrm => {
                let mut answer = json!({ "ckc": STANDARD.encode(bytes) });
                if let (Some(answer), Some(seconds)) = (answer.as_object_mut(), ckc.storage_seconds) {
                    answer.insert("persistence_duration".to_owned(), seconds.into());
                }
                Response::json(200, &answer)
            }
        }
    }

    /// uDRM says "no" with status 200.
    fn refuse(self, refusal: &Refusal) -> Response {
        match self {
            Self::Udrm => Response::json(200, &json!({ "message": refusal.why })),
            _ => refusal.response(),
        }
    }
}

fn decode(text: &[u8]) -> Result<Vec<u8>, Refusal> {
    STANDARD.decode(text.trim_ascii()).map_err(|_| Refusal::new(400, "the SPC is not base64"))
}

pub(crate) fn kind(request: &Request) -> RequestKind {
    match Envelope::of(&request.path).map(|envelope| envelope.open(&request.body)) {
        Some(Ok(Spc { op: Operation::License, license_id: None, .. })) => RequestKind::License,
        Some(Ok(Spc { op: Operation::License, .. })) => RequestKind::Renewal,
        Some(Ok(Spc { op: Operation::Release, .. })) => RequestKind::Release,
        _ => RequestKind::Other,
    }
}

pub(crate) fn answer(request: &Request, issuer: &Issuer<'_>) -> Response {
    let Some(envelope) = Envelope::of(&request.path) else { return Response::text(404, "no such server") };
    match envelope.open(&request.body).and_then(|spc| exchange(&spc, request, issuer)) {
        Ok(ckc) => envelope.close(&ckc),
        Err(refusal) => envelope.refuse(&refusal),
    }
}

fn exchange(spc: &Spc, request: &Request, issuer: &Issuer<'_>) -> Result<Ckc, Refusal> {
    if spc.certificate_sha256 != digest(&certificate(issuer.policy.certificate)) {
        return Err(Refusal::new(400, "the SPC was made for another certificate"));
    }
    if spc.content_id.is_empty() {
        return Err(Refusal::new(400, "the SPC names no content"));
    }
    let license = match (spc.op, spc.license_id.as_deref()) {
        (Operation::License, None) => issuer.issue(Wish {
            scheme: Scheme::FairPlay,
            key_ids: Vec::new(),
            persistent: spc.persist,
            asset: asset_of(request).or_else(|| Some(spc.content_id.clone())),
            device: None,
        }),
        (Operation::License, Some(held)) => issuer.renew(Scheme::FairPlay, held)?,
        (Operation::Release, Some(held)) => issuer.release(Scheme::FairPlay, held)?,
        (Operation::Release, None) => return Err(Refusal::new(400, "the SPC names no license")),
    };
    Ok(describe(license, spc))
}

fn describe(license: IssuedLicense, spc: &Spc) -> Ckc {
    Ckc {
        license_id: license.license_id,
        content_id: spc.content_id.clone(),
        storage_seconds: license.duration_seconds.filter(|_| license.persistent),
        playback_seconds: license.playback_seconds,
        persist: license.persistent,
        released: spc.op == Operation::Release,
    }
}

pub(crate) fn certificate_response(issuer: &Issuer<'_>) -> Response {
    Response::bytes(200, "application/x-x509-ca-cert", certificate(issuer.policy.certificate))
}

pub(crate) fn digest(certificate: &[u8]) -> String {
    Sha256::digest(certificate).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The application certificate of that number: looks like DER (a SEQUENCE of OCTET STRINGs with right lengths), is nothing.
pub fn certificate(number: u32) -> Vec<u8> {
    let mut content = Vec::new();
    for part in 0..16_u32 {
        content.extend([0x04, 32]);
        content.extend(Sha256::digest(format!("larder-testkit certificate {number} part {part}")));
    }
    let length = u16::try_from(content.len()).unwrap_or(u16::MAX);
    [&[0x30, 0x82], length.to_be_bytes().as_slice(), &content].concat()
}
