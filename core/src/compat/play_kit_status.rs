//! Converts an [`AssetStatus`] to the values that PlayKit Android's `checkAssetStatus` reported.
//!
//! | situation | expiry | available | registered |
//! |---|---|---|---|
//! | protected, license present | license seconds left | playback seconds left | true |
//! | clear | `i64::MAX` | `i64::MAX` | true |
//! | license expired, unreadable or with an unknown expiry; wrong clock | 0 | 0 | true |
//! | license missing | 0 | 0 | false |
//! | not registered | 0 | 0 | false |
//! | scheme without an adapter in PlayKit (PlayReady) | -1 | -1 | false |
//!
//! Source: the behaviour of `LocalAssetsManager` in PlayKit Android up to 4.x.

use crate::model::{AssetStatus, DrmScheme, Expiry, PlayabilityReason};

/// PlayKit's value for no limit.
const UNLIMITED: i64 = i64::MAX;

/// The arguments of PlayKit's `AssetStatusListener.onStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlayKitStatus {
    /// `expiryTimeSeconds`: the seconds left to start a playback.
    pub expiry_time_seconds: i64,
    /// `availableTimeSeconds`: the seconds left to play.
    pub available_time_seconds: i64,
    /// `isRegistered`.
    pub is_registered: bool,
}

/// Returns the arguments of PlayKit's `onStatus(path, expiryTimeSeconds, availableTimeSeconds, isRegistered)`.
pub fn play_kit_status(status: &AssetStatus) -> PlayKitStatus {
    let triple = |expiry_time_seconds, available_time_seconds, is_registered| PlayKitStatus {
        expiry_time_seconds,
        available_time_seconds,
        is_registered,
    };
    if status.licenses.iter().any(|license| license.scheme == DrmScheme::PlayReady) {
        return triple(-1, -1, false);
    }
    match status.why {
        PlayabilityReason::NotRegistered | PlayabilityReason::Registering | PlayabilityReason::LicenseMissing => {
            triple(0, 0, false)
        }
        PlayabilityReason::LicenseExpired
        | PlayabilityReason::LicenseUnreadable
        | PlayabilityReason::LicenseVanished
        | PlayabilityReason::PlaybackWindowOver => triple(0, 0, true),
        PlayabilityReason::Playable
        | PlayabilityReason::KeyMissing
        | PlayabilityReason::VolumeMissing
        | PlayabilityReason::MediaMissing
            if status.licenses.is_empty() =>
        {
            triple(UNLIMITED, UNLIMITED, true)
        }
        PlayabilityReason::Playable
        | PlayabilityReason::KeyMissing
        | PlayabilityReason::VolumeMissing
        | PlayabilityReason::MediaMissing => match seconds_left(status.expires, status.checked_at_ms) {
            Some(left) => triple(left, playback_left(status, left), true),
            None => triple(0, 0, true),
        },
    }
}

/// Returns the arguments of the older native SDKs' `onStatus(path, expiryTimeSeconds, availableTimeSeconds)`. For clear
/// media both are -1: "no DRM information".
pub fn legacy_times(status: &AssetStatus) -> (i64, i64) {
    let triple = play_kit_status(status);
    if triple.is_registered && status.licenses.is_empty() {
        return (-1, -1);
    }
    (triple.expiry_time_seconds, triple.available_time_seconds)
}

/// Returns Widevine's `PlaybackDurationRemaining`: the rest of the running playback window, the whole window before the
/// first playback, or the rest of the license if it has no window.
fn playback_left(status: &AssetStatus, license_left: i64) -> i64 {
    match (seconds_left(status.playback_expires, status.checked_at_ms), status.playback_window_seconds) {
        (Some(left), Some(_)) => left,
        (_, Some(window_seconds)) => i64::try_from(window_seconds).unwrap_or(UNLIMITED),
        _ => license_left,
    }
}

fn seconds_left(expiry: Expiry, now_ms: i64) -> Option<i64> {
    match expiry {
        Expiry::Never => Some(UNLIMITED),
        Expiry::At(_) => expiry.remaining_seconds(now_ms).and_then(|left| i64::try_from(left).ok()),
        Expiry::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Remedy;
    use crate::model::{AssetId, KeyCoverage, LicenseId, LicenseState, LicenseStatus, MediaPresence};

    const NOW_MS: i64 = 1_700_000_000_000;

    fn status(why: PlayabilityReason, scheme: Option<DrmScheme>, expires: Expiry) -> AssetStatus {
        AssetStatus {
            asset_id: AssetId::new("a").unwrap(),
            is_registered: !matches!(why, PlayabilityReason::NotRegistered | PlayabilityReason::Registering),
            is_playable: why == PlayabilityReason::Playable,
            why,
            message: String::new(),
            remedy: Remedy::Nothing,
            expires,
            playback_expires: Expiry::Never,
            playback_window_seconds: None,
            licenses: scheme
                .map(|scheme| LicenseStatus {
                    license_id: LicenseId::random().unwrap(),
                    scheme,
                    state: LicenseState::Active,
                    expires,
                    key_ids: vec![],
                    coverage: KeyCoverage::Unknown,
                    granted_at_ms: NOW_MS,
                })
                .into_iter()
                .collect(),
            media: MediaPresence::NotChecked,
            warnings: vec![],
            format: None,
            root: None,
            pending_releases: 0,
            checked_at_ms: NOW_MS,
        }
    }

    #[test]
    fn each_situation_maps_to_the_values_of_play_kit() {
        let widevine = Some(DrmScheme::Widevine);
        let in_an_hour = Expiry::At(NOW_MS + 3_600_000);
        let max = i64::MAX;
        for (what, status, expected) in [
            ("license present", status(PlayabilityReason::Playable, widevine, in_an_hour), (3600, 3600, true)),
            ("unlimited license", status(PlayabilityReason::Playable, widevine, Expiry::Never), (max, max, true)),
            ("clear", status(PlayabilityReason::Playable, None, Expiry::Never), (max, max, true)),
            ("clear, media gone", status(PlayabilityReason::MediaMissing, None, Expiry::Never), (max, max, true)),
            ("unknown expiry", status(PlayabilityReason::Playable, widevine, Expiry::Unknown), (0, 0, true)),
            ("expired", status(PlayabilityReason::LicenseExpired, widevine, Expiry::At(NOW_MS - 1)), (0, 0, true)),
            ("unreadable", status(PlayabilityReason::LicenseUnreadable, widevine, in_an_hour), (0, 0, true)),
            ("vanished", status(PlayabilityReason::LicenseVanished, widevine, in_an_hour), (0, 0, true)),
            ("window over", status(PlayabilityReason::PlaybackWindowOver, widevine, in_an_hour), (0, 0, true)),
            ("license missing", status(PlayabilityReason::LicenseMissing, None, Expiry::Unknown), (0, 0, false)),
            ("not registered", status(PlayabilityReason::NotRegistered, None, Expiry::Unknown), (0, 0, false)),
            ("registering", status(PlayabilityReason::Registering, widevine, Expiry::Unknown), (0, 0, false)),
            ("PlayReady", status(PlayabilityReason::Playable, Some(DrmScheme::PlayReady), in_an_hour), (-1, -1, false)),
        ] {
            let triple = play_kit_status(&status);
            let triple = (triple.expiry_time_seconds, triple.available_time_seconds, triple.is_registered);
            assert_eq!(triple, expected, "{what}");
        }
    }

    #[test]
    fn available_time_is_the_whole_window_before_the_first_playback_and_its_rest_after() {
        let mut status = status(PlayabilityReason::Playable, Some(DrmScheme::Widevine), Expiry::At(NOW_MS + 3_600_000));
        status.playback_window_seconds = Some(600);
        status.playback_expires = Expiry::Unknown;
        assert_eq!(play_kit_status(&status).available_time_seconds, 600);
        status.playback_expires = Expiry::At(NOW_MS + 120_000);
        assert_eq!(play_kit_status(&status).available_time_seconds, 120);
    }

    #[test]
    fn older_sdks_report_minus_one_for_clear_media() {
        assert_eq!(legacy_times(&status(PlayabilityReason::Playable, None, Expiry::Never)), (-1, -1));
        assert_eq!(legacy_times(&status(PlayabilityReason::NotRegistered, None, Expiry::Unknown)), (0, 0));
        let widevine = Some(DrmScheme::Widevine);
        assert_eq!(legacy_times(&status(PlayabilityReason::Playable, widevine, Expiry::At(NOW_MS + 5000))), (5, 5));
    }
}
