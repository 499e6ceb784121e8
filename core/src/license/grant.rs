//! Whether what came back is a licence that is worth keeping, and how long it lasts. Pure.
//!
//! Two parties tell how long a licence lasts: the CDM, and for FairPlay the server in its answer. The earlier end
//! counts. A grant that fails a check may be stored in the CDM already: the caller gives it back.

use crate::error::{Code, Error, Result};
use crate::license::wire::Format;
use crate::model::license::{GrantedHandle, Handle, LicenseGrant};
use crate::model::{Coverage, DrmScheme, Expiry, KeyId, KeyRequest, Remaining};

/// No service rents for longer; a server that says so means something else (milliseconds, a date).
pub const MAX_DURATION_S: u64 = 10 * 366 * 24 * 60 * 60;

/// From here on a CDM's number of seconds is its way of saying "no limit": the largest `i32`, `u32` or `i64`.
const UNLIMITED_FROM_S: u64 = i32::MAX as u64;

/// Key set ids have some bytes, persistable keys some thousand. Secret storages refuse more than this.
const MAX_HANDLE_BYTES: usize = 1024 * 1024;

/// What the exchange learnt beside the CDM's own word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerFacts {
    /// What the server speaks.
    pub format: Format,
    /// How long the server says that the licence may be stored, in seconds.
    pub persistence_duration_s: Option<u64>,
}

/// A grant that passed every check.
#[derive(Clone, Debug)]
pub struct CheckedGrant {
    /// Under which handle the licence is held; never an empty one.
    pub handle: GrantedHandle,
    /// When it ends: the earlier of what CDM and server say.
    pub expires: Expiry,
    /// How long it plays after the first start, in seconds; `None` for no limit of its own.
    pub playback_window_s: Option<u64>,
    /// `Covered`, or `Unknown` where the CDM does not tell or the media does not ask.
    pub coverage: Coverage,
    /// The content keys in it, as far as the CDM tells.
    pub key_ids: Option<Vec<KeyId>>,
}

/// Checks a grant. `is_renewal` says whether a licence was held before, which alone may keep or change a handle.
///
/// Fails with `LicensePersistenceDenied` for an empty handle, `LicenseDurationInvalid` for a life of nothing or of more
/// than ten years (and for uDRM's FairPlay without any), `LicenseKeysMissing` if a key that the media needs is known not
/// to be there, and `CdmFailed` for what no CDM may say.
pub fn check_grant(
    request: &KeyRequest,
    is_renewal: bool,
    grant: LicenseGrant,
    facts: AnswerFacts,
    now_ms: i64,
) -> Result<CheckedGrant> {
    check_handle(&grant.handle, is_renewal)?;
    let stated = expiry("CDM", grant.times.license, now_ms)?;
    let declared = match facts.persistence_duration_s {
        Some(seconds) => at(now_ms, plausible("server", seconds)?),
        None => Expiry::Unknown,
    };
    let expires = earlier_of(stated, declared);
    if request.scheme == DrmScheme::FairPlay && facts.format == Format::Udrm && expires == Expiry::Unknown {
        return Err(Error::new(
            Code::LicenseDurationInvalid,
            "neither the answer's persistence_duration nor the CDM says how long the licence may be stored",
        ));
    }
    let playback_window_s = match grant.times.playback {
        Remaining::Seconds(seconds) if seconds < UNLIMITED_FROM_S => Some(plausible("CDM", seconds)?),
        _ => None,
    };
    let coverage = coverage(&request.key_ids, grant.key_ids.as_deref())?;
    Ok(CheckedGrant { handle: grant.handle, expires, playback_window_s, coverage, key_ids: grant.key_ids })
}

fn check_handle(handle: &GrantedHandle, is_renewal: bool) -> Result<()> {
    let handle: &Handle = match handle {
        GrantedHandle::New(handle) => handle,
        GrantedHandle::Changed(handle) if is_renewal => handle,
        GrantedHandle::Same if is_renewal => return Ok(()),
        GrantedHandle::Same | GrantedHandle::Changed(_) => {
            return Err(Error::new(Code::CdmFailed, "the CDM speaks of a held licence where none was held"));
        }
    };
    if handle.is_empty() {
        return Err(Error::new(
            Code::LicensePersistenceDenied,
            "the CDM stored nothing: the server granted a licence for streaming only",
        ));
    }
    if handle.as_bytes().len() > MAX_HANDLE_BYTES {
        return Err(Error::new(
            Code::CdmFailed,
            format!("the CDM's handle has {} bytes; at most {MAX_HANDLE_BYTES} are stored", handle.as_bytes().len()),
        ));
    }
    Ok(())
}

fn expiry(who: &str, remaining: Remaining, now_ms: i64) -> Result<Expiry> {
    match remaining {
        Remaining::Unknown => Ok(Expiry::Unknown),
        Remaining::Unlimited => Ok(Expiry::Never),
        Remaining::Seconds(seconds) if seconds >= UNLIMITED_FROM_S => Ok(Expiry::Never),
        Remaining::Seconds(seconds) => Ok(at(now_ms, plausible(who, seconds)?)),
    }
}

/// The earlier end; one who knows counts against one who does not. ([`Expiry::or_earlier`] is for several licences of
/// one asset, where one unknown end makes the whole unknown.)
fn earlier_of(stated: Expiry, declared: Expiry) -> Expiry {
    match (stated, declared) {
        (Expiry::Unknown, known) | (known, Expiry::Unknown) => known,
        (stated, declared) => stated.or_earlier(declared),
    }
}

fn plausible(who: &str, seconds: u64) -> Result<u64> {
    match seconds {
        0 => Err(Error::new(
            Code::LicenseDurationInvalid,
            format!("the {who} says that the licence may be stored for 0 seconds"),
        )),
        1..=MAX_DURATION_S => Ok(seconds),
        _ => Err(Error::new(
            Code::LicenseDurationInvalid,
            format!(
                "the {who} says that the licence may be stored for {seconds} seconds, which is more than ten years"
            ),
        )),
    }
}

fn at(now_ms: i64, seconds: u64) -> Expiry {
    let duration_ms = i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX);
    Expiry::At(now_ms.saturating_add(duration_ms))
}

fn coverage(needed: &[KeyId], granted: Option<&[KeyId]>) -> Result<Coverage> {
    let Some(granted) = granted.filter(|_| !needed.is_empty()) else { return Ok(Coverage::Unknown) };
    let missing = needed.iter().filter(|id| !granted.contains(id)).count();
    if missing > 0 {
        return Err(Error::new(
            Code::LicenseKeysMissing,
            format!("the licence lacks {missing} of the {} keys that the media needs", needed.len()),
        ));
    }
    Ok(Coverage::Covered)
}
