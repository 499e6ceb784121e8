//! HTTP dates: a server's clock, and `Retry-After` (RFC 9110, 5.6.7 and 10.2.3).

use std::time::{Duration, UNIX_EPOCH};

use crate::ports::HttpResponse;

/// The time on a server's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerTime {
    /// The answer's `Date`, in milliseconds since 1970-01-01 UTC. Whole seconds.
    pub at_ms: i64,
    /// How long the exchange took: the clock is at most this much older than the answer.
    pub took_ms: u64,
    /// True if the response came over TLS, so that it is authentic.
    pub is_authentic: bool,
}

/// The `Date` of an answer, in milliseconds since 1970-01-01 UTC.
pub(super) fn date_ms(response: &HttpResponse) -> Option<i64> {
    parse_date_ms(response.header("date")?)
}

/// How long the server asks to wait: seconds, or a date, which is compared with the server's own clock.
pub(super) fn retry_after(response: &HttpResponse) -> Option<Duration> {
    let value = response.header("retry-after")?.trim();
    if value.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than fit are still "very long".
        return (!value.is_empty()).then(|| Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let wait_ms = parse_date_ms(value)?.saturating_sub(date_ms(response)?);
    Some(Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0)))
}

fn parse_date_ms(text: &str) -> Option<i64> {
    let date = httpdate::parse_http_date(text).ok()?;
    i64::try_from(date.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(headers: &[(&str, &str)]) -> HttpResponse {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        HttpResponse { status: 503, headers, body: Vec::new() }
    }

    #[test]
    fn a_date_is_read_in_every_form_of_the_rfc() {
        for text in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(date_ms(&answer(&[("date", text)])), Some(784_111_777_000), "{text}");
        }
        for text in ["", "now", "Sun, 06 Nov 1894 08:49:37 GMT", "784111777"] {
            assert_eq!(date_ms(&answer(&[("date", text)])), None, "{text}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_by_the_servers_own_clock() {
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        for (value, expected_seconds) in [
            ("5", Some(5)),
            (" 0 ", Some(0)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
            ("", None),
        ] {
            let wait = retry_after(&answer(&[date, ("retry-after", value)]));
            assert_eq!(wait, expected_seconds.map(Duration::from_secs), "{value}");
        }
    }
}
