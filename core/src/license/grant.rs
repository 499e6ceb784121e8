//! Checks a granted license, and computes when it expires. Pure.
//!
//! Two sources state the duration of a license: the CDM, and for FairPlay the server in its response. The earlier
//! expiry counts. The CDM may have stored a license that fails a check, so the caller releases it.

use crate::error::{Code, Error, Result};
use crate::license::wire::Format;
use crate::model::license::{GrantedHandle, Handle, LicenseGrant};
use crate::model::{DrmScheme, Expiry, KeyCoverage, KeyId, KeyRequest, LicenseDuration};

/// The longest plausible duration. A server that states a longer one means something else (milliseconds, a date).
pub const MAX_DURATION_S: u64 = 10 * 366 * 24 * 60 * 60;

/// From this number of seconds on, a CDM means "no limit": the largest `i32`, `u32` or `i64`.
const UNLIMITED_FROM_S: u64 = i32::MAX as u64;

/// The longest handle. Key set ids have some bytes, persistable keys some thousand, and secret storages refuse more
/// than this.
const MAX_HANDLE_BYTES: usize = 1024 * 1024;

/// The longest name of a security level: `L1`, `L3`, `HW_SECURE_ALL`.
const MAX_LEVEL_BYTES: usize = 64;

/// The facts of a response that the CDM does not report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerFacts {
    /// The server's wire format.
    pub format: Format,
    /// The server's limit for storing the license, in seconds.
    pub persistence_duration_seconds: Option<u64>,
}

/// A grant that passed every check.
#[derive(Clone, Debug)]
pub struct CheckedGrant {
    /// The handle of the license; never empty.
    pub handle: GrantedHandle,
    /// The expiry: the earlier of the CDM's and the server's.
    pub expires: Expiry,
    /// The playback duration after the first start, in seconds; `None` for no limit of its own.
    pub playback_window_seconds: Option<u64>,
    /// `Covered`, or `Unknown` if the CDM does not list the keys or the media does not state them.
    pub coverage: KeyCoverage,
    /// The content keys in it, if the CDM lists them.
    pub key_ids: Option<Vec<KeyId>>,
    /// The security level of its session, if the CDM reports it.
    pub acquired_level: Option<String>,
}

/// Checks a grant. Only a renewal (`is_renewal`) may keep or change a handle.
///
/// Fails with `LicensePersistenceDenied` for an empty handle, with `LicenseDurationInvalid` for a duration of 0 or of
/// more than ten years (and for FairPlay over uDRM without a duration), with `LicenseKeysMissing` if the CDM lists the
/// keys and one that the media needs is missing, and with `CdmFailed` for a grant that breaks the engine's contract.
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
            "neither the response's persistence_duration nor the CDM states how long the license may be stored; configure it at the license server",
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
            return Err(Error::new(Code::CdmFailed, "the CDM reports a renewed license, but a new one was requested"));
        }
    };
    if handle.is_empty() {
        return Err(Error::new(
            Code::LicensePersistenceDenied,
            "the CDM stored no license: the server granted a license for streaming only; allow persistence at the license server",
        ));
    }
    if handle.as_bytes().len() > MAX_HANDLE_BYTES {
        return Err(Error::new(
            Code::CdmFailed,
            format!("the CDM's handle has {} bytes; the limit is {MAX_HANDLE_BYTES}", handle.as_bytes().len()),
        ));
    }
    Ok(())
}

fn expiry(source: &str, remaining: LicenseDuration, now_ms: i64) -> Result<Expiry> {
    match remaining {
        LicenseDuration::Unknown => Ok(Expiry::Unknown),
        LicenseDuration::Unlimited => Ok(Expiry::Never),
        LicenseDuration::Seconds(seconds) if seconds >= UNLIMITED_FROM_S => Ok(Expiry::Never),
        LicenseDuration::Seconds(seconds) => Ok(Expiry::after(now_ms, plausible(source, seconds)?)),
    }
}

/// Returns the earlier expiry. A known expiry wins over `Unknown`. ([`Expiry::or_earlier`] is for several licenses of
/// one asset, where one unknown expiry makes the whole unknown.)
fn earlier_of(stated: Expiry, declared: Expiry) -> Expiry {
    match (stated, declared) {
        (Expiry::Unknown, known) | (known, Expiry::Unknown) => known,
        (stated, declared) => stated.or_earlier(declared),
    }
}

fn plausible(source: &str, seconds: u64) -> Result<u64> {
    match seconds {
        0 => Err(Error::new(
            Code::LicenseDurationInvalid,
            format!("the {source} limits storing the license to 0 seconds"),
        )),
        1..=MAX_DURATION_S => Ok(seconds),
        _ => Err(Error::new(
            Code::LicenseDurationInvalid,
            format!(
                "the {source} limits storing the license to {seconds} seconds, which is more than ten years and not plausible"
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
    fn the_earlier_expiry_of_cdm_and_server_counts() {
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
    fn a_duration_of_zero_or_of_decades_is_refused() {
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
    fn an_empty_handle_means_that_persistence_was_denied() {
        let mut empty = grant(LicenseDuration::Unlimited);
        empty.handle = GrantedHandle::New(Handle::new(Vec::new()));
        assert_eq!(widevine(empty).unwrap_err().code(), Code::LicensePersistenceDenied);
        let mut huge = grant(LicenseDuration::Unlimited);
        huge.handle = GrantedHandle::New(Handle::new(vec![1; MAX_HANDLE_BYTES + 1]));
        assert_eq!(widevine(huge).unwrap_err().code(), Code::CdmFailed);
    }

    #[test]
    fn only_a_renewal_may_keep_or_change_a_handle() {
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
    fn a_missing_key_fails_the_check_and_unlisted_keys_do_not() {
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
    fn a_playback_window_is_recorded_unless_it_means_no_limit() {
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
    fn an_expiry_beyond_the_largest_time_saturates() {
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
