//! Whether what came back is a license that is worth keeping, and how long it lasts. Pure.
//!
//! Two parties tell how long a license lasts: the CDM, and for FairPlay the server in its answer. The earlier end
//! counts. A grant that fails a check may be stored in the CDM already: the caller gives it back.

use crate::error::{Code, Error, Result};
use crate::license::wire::Format;
use crate::model::license::{GrantedHandle, Handle, LicenseGrant};
use crate::model::{DrmScheme, Expiry, KeyCoverage, KeyId, KeyRequest, LicenseDuration};

/// No service rents for longer; a server that says so means something else (milliseconds, a date).
pub const MAX_DURATION_S: u64 = 10 * 366 * 24 * 60 * 60;

/// From here on a CDM's number of seconds is its way of saying "no limit": the largest `i32`, `u32` or `i64`.
const UNLIMITED_FROM_S: u64 = i32::MAX as u64;

/// Key set ids have some bytes, persistable keys some thousand. Secret storages refuse more than this.
const MAX_HANDLE_BYTES: usize = 1024 * 1024;

/// `L1`, `L3`, `HW_SECURE_ALL`: what is longer is no name of a level.
const MAX_LEVEL_BYTES: usize = 64;

/// What the exchange learnt beside the CDM's own word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerFacts {
    /// What the server speaks.
    pub format: Format,
    /// How long the server says that the license may be stored, in seconds.
    pub persistence_duration_seconds: Option<u64>,
}

/// A grant that passed every check.
#[derive(Clone, Debug)]
pub struct CheckedGrant {
    /// Under which handle the license is held; never an empty one.
    pub handle: GrantedHandle,
    /// When it ends: the earlier of what CDM and server say.
    pub expires: Expiry,
    /// How long it plays after the first start, in seconds; `None` for no limit of its own.
    pub playback_window_seconds: Option<u64>,
    /// `Covered`, or `Unknown` where the CDM does not tell or the media does not ask.
    pub coverage: KeyCoverage,
    /// The content keys in it, as far as the CDM tells.
    pub key_ids: Option<Vec<KeyId>>,
    /// The security level of its session, if the CDM tells.
    pub acquired_level: Option<String>,
}

/// Checks a grant. `is_renewal` says whether a license was held before, which alone may keep or change a handle.
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
    let declared = match facts.persistence_duration_seconds {
        Some(seconds) => Expiry::after(now_ms, plausible("server", seconds)?),
        None => Expiry::Unknown,
    };
    let expires = earlier_of(stated, declared);
    if request.scheme == DrmScheme::FairPlay && facts.format == Format::Udrm && expires == Expiry::Unknown {
        return Err(Error::new(
            Code::LicenseDurationInvalid,
            "neither the answer's persistence_duration nor the CDM says how long the license may be stored",
        ));
    }
    let playback_window_seconds = match grant.times.playback {
        LicenseDuration::Seconds(seconds) if seconds < UNLIMITED_FROM_S => Some(plausible("CDM", seconds)?),
        _ => None,
    };
    let coverage = coverage(&request.key_ids, grant.key_ids.as_deref())?;
    let LicenseGrant { handle, key_ids, acquired_level, .. } = grant;
    let acquired_level = acquired_level.filter(|level| level.len() <= MAX_LEVEL_BYTES);
    Ok(CheckedGrant { handle, expires, playback_window_seconds, coverage, key_ids, acquired_level })
}

fn check_handle(handle: &GrantedHandle, is_renewal: bool) -> Result<()> {
    let handle: &Handle = match handle {
        GrantedHandle::New(handle) => handle,
        GrantedHandle::Changed(handle) if is_renewal => handle,
        GrantedHandle::Same if is_renewal => return Ok(()),
        GrantedHandle::Same | GrantedHandle::Changed(_) => {
            return Err(Error::new(Code::CdmFailed, "the CDM speaks of a held license where none was held"));
        }
    };
    if handle.is_empty() {
        return Err(Error::new(
            Code::LicensePersistenceDenied,
            "the CDM stored nothing: the server granted a license for streaming only",
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

fn expiry(who: &str, remaining: LicenseDuration, now_ms: i64) -> Result<Expiry> {
    match remaining {
        LicenseDuration::Unknown => Ok(Expiry::Unknown),
        LicenseDuration::Unlimited => Ok(Expiry::Never),
        LicenseDuration::Seconds(seconds) if seconds >= UNLIMITED_FROM_S => Ok(Expiry::Never),
        LicenseDuration::Seconds(seconds) => Ok(Expiry::after(now_ms, plausible(who, seconds)?)),
    }
}

/// The earlier end; one who knows counts against one who does not. ([`Expiry::or_earlier`] is for several licenses of
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
            format!("the {who} says that the license may be stored for 0 seconds"),
        )),
        1..=MAX_DURATION_S => Ok(seconds),
        _ => Err(Error::new(
            Code::LicenseDurationInvalid,
            format!(
                "the {who} says that the license may be stored for {seconds} seconds, which is more than ten years"
            ),
        )),
    }
}

fn coverage(needed: &[KeyId], granted: Option<&[KeyId]>) -> Result<KeyCoverage> {
    let Some(granted) = granted.filter(|_| !needed.is_empty()) else { return Ok(KeyCoverage::Unknown) };
    let missing = needed.iter().filter(|id| !granted.contains(id)).count();
    if missing > 0 {
        return Err(Error::new(
            Code::LicenseKeysMissing,
            format!("the license lacks {missing} of the {} keys that the media needs", needed.len()),
        ));
    }
    Ok(KeyCoverage::Covered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LicenseTimes, SecurityLevel};

    const NOW: i64 = 1_000_000;
    const A: KeyId = KeyId([0xa; 16]);
    const B: KeyId = KeyId([0xb; 16]);

    fn request(scheme: DrmScheme) -> KeyRequest {
        KeyRequest {
            scheme,
            init_data: Vec::new(),
            key_ids: vec![A, B],
            mime: String::new(),
            certificate: None,
            security_level: SecurityLevel::Default,
        }
    }

    fn grant(license: LicenseDuration) -> LicenseGrant {
        let times = LicenseTimes { license, playback: LicenseDuration::Unknown };
        LicenseGrant { handle: GrantedHandle::New(Handle::new(*b"handle")), times, key_ids: None, acquired_level: None }
    }

    fn facts(persistence_duration_seconds: Option<u64>) -> AnswerFacts {
        AnswerFacts { format: Format::Raw, persistence_duration_seconds }
    }

    fn widevine(grant: LicenseGrant) -> Result<CheckedGrant> {
        check_grant(&request(DrmScheme::Widevine), false, grant, facts(None), NOW)
    }

    #[test]
    fn the_earlier_of_the_cdms_and_the_servers_end_counts() {
        use LicenseDuration::{Seconds, Unknown, Unlimited};
        for (cdm, server, expected) in [
            (Unknown, None, Expiry::Unknown),
            (Unlimited, None, Expiry::Never),
            (Seconds(60), None, Expiry::At(NOW + 60_000)),
            (Unknown, Some(60), Expiry::At(NOW + 60_000)),
            (Unlimited, Some(60), Expiry::At(NOW + 60_000)),
            (Seconds(60), Some(90), Expiry::At(NOW + 60_000)),
            (Seconds(90), Some(60), Expiry::At(NOW + 60_000)),
            (Seconds(i32::MAX as u64), None, Expiry::Never),
            (Seconds(u64::from(u32::MAX)), Some(60), Expiry::At(NOW + 60_000)),
            (Seconds(i64::MAX as u64), None, Expiry::Never),
        ] {
            let checked = check_grant(&request(DrmScheme::Widevine), false, grant(cdm), facts(server), NOW).unwrap();
            assert_eq!(checked.expires, expected, "{cdm:?} {server:?}");
        }
    }

    #[test]
    fn a_life_of_nothing_or_of_decades_is_refused() {
        for (cdm, server) in [
            (LicenseDuration::Seconds(0), None),
            (LicenseDuration::Seconds(MAX_DURATION_S + 1), None),
            (LicenseDuration::Unlimited, Some(0)),
            (LicenseDuration::Unknown, Some(MAX_DURATION_S + 1)),
            (LicenseDuration::Seconds(60), Some(u64::MAX)),
            (LicenseDuration::Seconds(60), Some(604_800_000)),
        ] {
            let checked = check_grant(&request(DrmScheme::Widevine), false, grant(cdm), facts(server), NOW);
            assert_eq!(checked.unwrap_err().code(), Code::LicenseDurationInvalid, "{cdm:?} {server:?}");
        }
        let mut no_playback = grant(LicenseDuration::Unlimited);
        no_playback.times.playback = LicenseDuration::Seconds(0);
        assert_eq!(widevine(no_playback).unwrap_err().code(), Code::LicenseDurationInvalid);
    }

    #[test]
    fn fairplay_over_udrm_needs_a_duration() {
        let fairplay = |cdm, format, server| {
            let facts = AnswerFacts { format, persistence_duration_seconds: server };
            check_grant(&request(DrmScheme::FairPlay), false, grant(cdm), facts, NOW)
        };
        let silent = fairplay(LicenseDuration::Unknown, Format::Udrm, None);
        assert_eq!(silent.unwrap_err().code(), Code::LicenseDurationInvalid);
        assert!(fairplay(LicenseDuration::Unknown, Format::Udrm, Some(60)).is_ok());
        assert!(fairplay(LicenseDuration::Seconds(60), Format::Udrm, None).is_ok());
        assert_eq!(fairplay(LicenseDuration::Unknown, Format::Raw, None).unwrap().expires, Expiry::Unknown);
    }

    #[test]
    fn an_empty_handle_is_a_license_for_streaming_only() {
        let mut empty = grant(LicenseDuration::Unlimited);
        empty.handle = GrantedHandle::New(Handle::new(Vec::new()));
        assert_eq!(widevine(empty).unwrap_err().code(), Code::LicensePersistenceDenied);
        let mut huge = grant(LicenseDuration::Unlimited);
        huge.handle = GrantedHandle::New(Handle::new(vec![1; MAX_HANDLE_BYTES + 1]));
        assert_eq!(widevine(huge).unwrap_err().code(), Code::CdmFailed);
    }

    #[test]
    fn only_a_renewal_keeps_or_changes_a_handle() {
        for handle in [GrantedHandle::Same, GrantedHandle::Changed(Handle::new(*b"other"))] {
            let grant = LicenseGrant { handle, ..grant(LicenseDuration::Unlimited) };
            assert_eq!(widevine(grant.clone()).unwrap_err().code(), Code::CdmFailed);
            assert!(check_grant(&request(DrmScheme::Widevine), true, grant, facts(None), NOW).is_ok());
        }
        let empty = LicenseGrant {
            handle: GrantedHandle::Changed(Handle::new(Vec::new())),
            ..grant(LicenseDuration::Unlimited)
        };
        let checked = check_grant(&request(DrmScheme::Widevine), true, empty, facts(None), NOW);
        assert_eq!(checked.unwrap_err().code(), Code::LicensePersistenceDenied);
    }

    #[test]
    fn a_key_that_is_known_to_be_missing_fails_and_an_unknown_one_does_not() {
        for (needed, granted, expected) in [
            (vec![A, B], None, Ok(KeyCoverage::Unknown)),
            (vec![], Some(vec![A]), Ok(KeyCoverage::Unknown)),
            (vec![A], Some(vec![B, A]), Ok(KeyCoverage::Covered)),
            (vec![A, B], Some(vec![A]), Err(Code::LicenseKeysMissing)),
            (vec![A], Some(vec![]), Err(Code::LicenseKeysMissing)),
        ] {
            let request = KeyRequest { key_ids: needed, ..request(DrmScheme::Widevine) };
            let grant = LicenseGrant { key_ids: granted, ..grant(LicenseDuration::Unlimited) };
            let checked = check_grant(&request, false, grant, facts(None), NOW);
            assert_eq!(checked.map(|c| c.coverage).map_err(|e| e.code()), expected);
        }
    }

    #[test]
    fn a_playback_window_is_kept_unless_it_is_no_limit() {
        for (playback, expected) in [
            (LicenseDuration::Unknown, None),
            (LicenseDuration::Unlimited, None),
            (LicenseDuration::Seconds(i64::MAX as u64), None),
            (LicenseDuration::Seconds(172_800), Some(172_800)),
        ] {
            let mut grant = grant(LicenseDuration::Unlimited);
            grant.times.playback = playback;
            assert_eq!(widevine(grant).unwrap().playback_window_seconds, expected);
        }
    }

    #[test]
    fn a_clock_at_the_end_of_time_does_not_overflow() {
        let checked = check_grant(
            &request(DrmScheme::Widevine),
            false,
            grant(LicenseDuration::Seconds(60)),
            facts(None),
            i64::MAX,
        );
        assert_eq!(checked.unwrap().expires, Expiry::At(i64::MAX));
    }
}
