//! Durations of XML Schema (ISO 8601): `PT1H2M3.5S`. Kept as nanoseconds.

use crate::manifest::presentation::MediaTime;

/// Nanoseconds in a second.
const NANOSECONDS: u64 = 1_000_000_000;

pub(super) const ZERO: MediaTime = MediaTime { ticks: 0, timescale: NANOSECONDS };

/// Reads a duration. Years and months do not occur in media. `None` if it is malformed or longer than 500 years.
pub(super) fn duration(text: &str) -> Option<MediaTime> {
    let mut rest = text.trim().strip_prefix('P')?;
    let mut total = 0_u64;
    let mut in_time = false;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('T') {
            in_time = true;
            rest = after;
            continue;
        }
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(end);
        let mut after = after.chars();
        let unit_seconds = match (after.next()?, in_time) {
            ('D', false) => 86_400,
            ('H', true) => 3_600,
            ('M', true) => 60,
            ('S', true) => 1,
            _ => return None,
        };
        let nanoseconds = MediaTime::from_decimal(number)?.in_timescale(NANOSECONDS);
        total = total.checked_add(nanoseconds.checked_mul(unit_seconds)?)?;
        rest = after.as_str();
    }
    Some(MediaTime { ticks: total, timescale: NANOSECONDS })
}

/// Returns the sum of two durations of this module.
pub(super) fn sum(a: Option<MediaTime>, b: Option<MediaTime>) -> Option<MediaTime> {
    Some(MediaTime { ticks: a?.ticks.checked_add(b?.ticks)?, timescale: NANOSECONDS })
}

/// Returns `a - b` of two durations of this module, at least zero.
pub(super) fn difference(a: Option<MediaTime>, b: Option<MediaTime>) -> Option<MediaTime> {
    Some(MediaTime { ticks: a?.ticks.saturating_sub(b?.ticks), timescale: NANOSECONDS })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_without_loss() {
        let seconds = |text: &str| duration(text).map(|time| time.to_string());
        assert_eq!(seconds("PT1H2M3.5S").as_deref(), Some("3723.5"));
        assert_eq!(seconds("P1DT1S").as_deref(), Some("86401"));
        assert_eq!(seconds("PT0.000000001S").as_deref(), Some("0.000000001"));
        assert_eq!(seconds("P0Y"), None);
        assert_eq!(seconds("PT99999999999999999999S"), None);
        assert_eq!(
            [seconds(""), seconds("PT"), seconds("PT1"), seconds("1S")],
            [None, Some("0".to_owned()), None, None]
        );
    }
}
