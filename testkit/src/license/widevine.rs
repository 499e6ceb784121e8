//! Widevine as an app sees it: a challenge it cannot read goes out as it is, an answer it cannot read comes back.
//!
//! | message | bytes |
//! |---|---|
//! | challenge | `WVC\x01`, then JSON [`Challenge`] |
//! | answer | `WVL\x01`, then JSON [`Answer`] |
//! | provisioning answer, to `?signedRequest=…` | `WVP\x01`, then JSON `{"device": …}` |

use larder_core::model::KeyId;
use serde::{Deserialize, Serialize};

use super::issuer::{Issuer, Refusal, Wish, asset_of};
use crate::book::{IssuedLicense, Scheme};
use crate::http::{Request, Response};
use crate::seen::RequestKind;

pub(crate) const CHALLENGE_MAGIC: &[u8; 4] = b"WVC\x01";
pub(crate) const ANSWER_MAGIC: &[u8; 4] = b"WVL\x01";
pub(crate) const PROVISION_MAGIC: &[u8; 4] = b"WVP\x01";

/// The operation of a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Operation {
    License,
    Renewal,
    Release,
}

/// The message of the CDM.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Challenge {
    pub(crate) op: Operation,
    #[serde(with = "crate::wire::key_ids")]
    pub(crate) kids: Vec<KeyId>,
    /// Renewal and release: of the held license.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) license_id: Option<String>,
    /// From provisioning; empty for a device that was not provisioned.
    pub(crate) device: String,
    /// Comes back in the answer: an answer to another challenge is not taken.
    pub(crate) nonce: u64,
}

/// The message of the server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) license_id: String,
    #[serde(with = "crate::wire::key_ids")]
    pub(crate) kids: Vec<KeyId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) duration_seconds: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) playback_seconds: Option<i64>,
    pub(crate) persist: bool,
    pub(crate) renewable: bool,
    pub(crate) nonce: u64,
    /// The answer to a release.
    #[serde(default)]
    pub(crate) released: bool,
}

/// The response to a provisioning request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Provisioned {
    pub(crate) device: String,
}

fn read(request: &Request) -> Result<Challenge, Refusal> {
    let json = request.body.strip_prefix(CHALLENGE_MAGIC).ok_or_else(|| Refusal::new(400, "not a challenge"))?;
    serde_json::from_slice(json).map_err(|e| Refusal::new(400, format!("not a challenge: {e}")))
}

pub(crate) fn kind(request: &Request) -> RequestKind {
    match read(request).map(|challenge| challenge.op) {
        Ok(Operation::License) => RequestKind::License,
        Ok(Operation::Renewal) => RequestKind::Renewal,
        Ok(Operation::Release) => RequestKind::Release,
        Err(_) => RequestKind::Other,
    }
}

pub(crate) fn answer(request: &Request, issuer: &Issuer<'_>) -> Response {
    match try_answer(request, issuer) {
        Ok(answer) => framed(ANSWER_MAGIC, &answer),
        Err(refusal) => refusal.response(),
    }
}

fn try_answer(request: &Request, issuer: &Issuer<'_>) -> Result<Answer, Refusal> {
    let challenge = read(request)?;
    if challenge.device.is_empty() {
        return Err(Refusal::new(400, "this device is not provisioned"));
    }
    let held = || challenge.license_id.as_deref().ok_or_else(|| Refusal::new(400, "the challenge names no license"));
    let license = match challenge.op {
        Operation::License if challenge.kids.is_empty() => return Err(Refusal::new(400, "the challenge names no key")),
        Operation::License => issuer.issue(Wish {
            scheme: Scheme::Widevine,
            key_ids: challenge.kids.clone(),
            persistent: true,
            asset: asset_of(request),
            device: Some(challenge.device.clone()),
        }),
        Operation::Renewal => issuer.renew(Scheme::Widevine, held()?)?,
        Operation::Release => issuer.release(Scheme::Widevine, held()?)?,
    };
    Ok(describe(license, &challenge, issuer))
}

fn describe(license: IssuedLicense, challenge: &Challenge, issuer: &Issuer<'_>) -> Answer {
    Answer {
        license_id: license.license_id,
        kids: license.key_ids,
        duration_seconds: license.duration_seconds,
        playback_seconds: license.playback_seconds,
        persist: license.persistent,
        renewable: issuer.policy.renewable,
        nonce: challenge.nonce,
        released: challenge.op == Operation::Release,
    }
}

/// The request is in the URL; that is how Widevine's provisioning is (`&signedRequest=`), and the body stays empty.
pub(crate) fn provision(request: &Request, issuer: &Issuer<'_>) -> Response {
    match request.query_value("signedRequest") {
        Some(signed) if !signed.is_empty() => {
            framed(PROVISION_MAGIC, &Provisioned { device: issuer.names.next("device") })
        }
        _ => Refusal::new(400, "signedRequest is missing in the URL").response(),
    }
}

fn framed(magic: &[u8; 4], message: &impl Serialize) -> Response {
    match serde_json::to_vec(message) {
        Ok(json) => Response::bytes(200, "application/octet-stream", [magic.as_slice(), &json].concat()),
        Err(error) => Response::text(500, error.to_string()),
    }
}
