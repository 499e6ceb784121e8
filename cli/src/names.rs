//! The stable names that JSON has for the core's enums, and what people read instead.

use larder_core::Remedy;
use larder_core::model::{Expiry, KeyCoverage, MediaPresence, PlayabilityReason, Warning};

pub(crate) const fn remedy(remedy: Remedy) -> &'static str {
    match remedy {
        Remedy::Nothing => "nothing",
        Remedy::Retry => "retry",
        Remedy::GoOnline => "go-online",
        Remedy::SignIn => "sign-in",
        Remedy::Reregister => "re-register",
        Remedy::Repair => "repair",
        Remedy::FreeSpace => "free-space",
        Remedy::SetClock => "set-clock",
        Remedy::FixInput => "fix-input",
        Remedy::ContactSupport => "contact-support",
    }
}

pub(crate) const fn remedy_sentence(remedy: Remedy) -> &'static str {
    match remedy {
        Remedy::Nothing => "nothing to do",
        Remedy::Retry => "try again later",
        Remedy::GoOnline => "connect to a network and run it again",
        Remedy::SignIn => "sign in again: give a fresh token in $LARDER_TOKEN, or a fresh --source",
        Remedy::Reregister => "register it again, with a fresh source, while online",
        Remedy::Repair => "download the damaged or missing media again",
        Remedy::FreeSpace => "free space on this disk",
        Remedy::SetClock => "set this machine's clock right",
        Remedy::FixInput => "correct what the message names",
        Remedy::ContactSupport => "ask the service's support",
    }
}

pub(crate) const fn why(why: PlayabilityReason) -> &'static str {
    match why {
        PlayabilityReason::Playable => "playable",
        PlayabilityReason::NotRegistered => "not-registered",
        PlayabilityReason::Registering => "registering",
        PlayabilityReason::LicenseMissing => "license-missing",
        PlayabilityReason::LicenseUnreadable => "license-unreadable",
        PlayabilityReason::LicenseVanished => "license-vanished",
        PlayabilityReason::LicenseExpired => "license-expired",
        PlayabilityReason::PlaybackWindowOver => "playback-window-over",
        PlayabilityReason::KeyMissing => "key-missing",
        PlayabilityReason::VolumeMissing => "volume-missing",
        PlayabilityReason::MediaMissing => "media-missing",
    }
}

pub(crate) const fn coverage(coverage: KeyCoverage) -> &'static str {
    match coverage {
        KeyCoverage::Unknown => "unknown",
        KeyCoverage::Covered => "covered",
        KeyCoverage::Missing => "missing",
    }
}

pub(crate) const fn presence(presence: MediaPresence) -> &'static str {
    match presence {
        MediaPresence::NotChecked => "not-checked",
        MediaPresence::Present => "present",
        MediaPresence::Missing => "missing",
    }
}

pub(crate) const fn warning(warning: Warning) -> &'static str {
    match warning {
        Warning::ClockRollbackSuspected => "clock-rollback-suspected",
        Warning::PathOutsideRoots => "path-outside-roots",
        Warning::KeyFileNotLocal => "key-file-not-local",
        Warning::LessThanAMinuteLeft => "less-than-a-minute-left",
        Warning::ShortLicense => "short-license",
        Warning::ExpiryUnknown => "expiry-unknown",
    }
}

pub(crate) const fn warning_sentence(warning: Warning) -> &'static str {
    match warning {
        Warning::ClockRollbackSuspected => "this machine's clock was set back since the last use; times may be wrong",
        Warning::PathOutsideRoots => "the path lies outside every --root and is kept as it is",
        Warning::KeyFileNotLocal => "a key file that the playlists name is not on this machine",
        Warning::LessThanAMinuteLeft => "less than a minute is left; some players refuse to start",
        Warning::ShortLicense => "the license was granted for less than an hour",
        Warning::ExpiryUnknown => "neither CDM nor server says how long the license lasts",
    }
}

/// `never expires`, `expires in 6 days 23 hours`.
pub(crate) fn expiry_sentence(expiry: Expiry, now_ms: i64) -> String {
    match expiry {
        Expiry::Never => "never expires".to_owned(),
        Expiry::Unknown => "expiry unknown".to_owned(),
        Expiry::At(_) if expiry.is_over(now_ms) => "expired".to_owned(),
        Expiry::At(_) => format!("expires in {}", span(expiry.remaining_seconds(now_ms).unwrap_or(0))),
    }
}

/// A time span in its two largest units.
pub(crate) fn span(seconds: u64) -> String {
    let units = [
        ("day", seconds / 86_400),
        ("hour", seconds / 3600 % 24),
        ("minute", seconds / 60 % 60),
        ("second", seconds % 60),
    ];
    let shown = units.iter().skip_while(|(_, count)| *count == 0).take(2).filter(|(_, count)| *count > 0);
    let words: Vec<String> =
        shown.map(|(unit, count)| format!("{count} {unit}{}", if *count == 1 { "" } else { "s" })).collect();
    if words.is_empty() { "0 seconds".to_owned() } else { words.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_said_in_its_two_largest_units() {
        for (seconds, words) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (61, "1 minute 1 second"),
            (3600, "1 hour"),
            (604_799, "6 days 23 hours"),
            (86_400 + 59, "1 day"),
        ] {
            assert_eq!(span(seconds), words);
        }
    }

    #[test]
    fn an_end_in_the_past_has_expired() {
        assert_eq!(expiry_sentence(Expiry::At(1000), 1000), "expired");
        assert_eq!(expiry_sentence(Expiry::At(61_000), 1000), "expires in 1 minute");
    }
}
