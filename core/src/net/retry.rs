//! When a request is sent again, and how long to wait before. Pure.

use std::time::Duration;

use super::status::is_transient;
use super::time::retry_after;
use crate::error::{Code, Result};
use crate::ports::HttpResponse;

/// How often and how long a call retries. The defaults are for licenses: small responses that a user waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often a request is sent at most. Redirects do not count. Default 3.
    pub attempts: u32,
    /// How long one request may take, in milliseconds. Default 15,000.
    pub attempt_timeout_ms: u64,
    /// How long the whole call may take, in milliseconds. Default 40,000.
    pub deadline_ms: u64,
    /// The pause after the first failure, in milliseconds; it doubles with each, and half of it is random. Default 400.
    pub first_pause_ms: u64,
    /// A longer `Retry-After` is not waited for: the call fails at once. In milliseconds. Default 10,000.
    pub longest_pause_ms: u64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 3,
            attempt_timeout_ms: 15_000,
            deadline_ms: 40_000,
            first_pause_ms: 400,
            longest_pause_ms: 10_000,
        }
    }
}

impl RetryPolicy {
    /// The pause before the next attempt, `None` if there is none.
    ///
    /// `attempt` counts from 1, `left` is what remains of the deadline, `random` any number. A failing server (5xx, 429)
    /// and a broken connection are asked again. Being offline is reported at once. A timeout leaves the outcome unknown:
    /// the server may have granted a license and counted the device, so only a request that `is_repeatable` (reading a
    /// certificate) is sent again then.
    pub(super) fn pause(
        &self,
        attempt: u32,
        result: &Result<HttpResponse>,
        is_repeatable: bool,
        left: Duration,
        random: u64,
    ) -> Option<Duration> {
        if attempt >= self.attempts {
            return None;
        }
        let pause = match result {
            Ok(response) if is_transient(response.status) => {
                retry_after(response).unwrap_or_else(|| self.back_off(attempt, random))
            }
            Err(error) if error.code() == Code::Network => self.back_off(attempt, random),
            Err(error) if error.code() == Code::Timeout && is_repeatable => self.back_off(attempt, random),
            _ => return None,
        };
        let is_bearable = pause <= Duration::from_millis(self.longest_pause_ms) && pause < left;
        is_bearable.then_some(pause)
    }

    fn back_off(&self, attempt: u32, random: u64) -> Duration {
        let doubled = self.first_pause_ms.saturating_mul(1_u64 << attempt.saturating_sub(1).min(16));
        let full = doubled.min(self.longest_pause_ms);
        let half = full / 2;
        Duration::from_millis(half + random % (full - half + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    const LEFT: Duration = Duration::from_secs(30);

    fn status(status: u16, retry_after: Option<&str>) -> Result<HttpResponse> {
        let headers = retry_after.map(|value| ("retry-after".to_owned(), value.to_owned())).into_iter().collect();
        Ok(HttpResponse { status, headers, body: Vec::new() })
    }

    fn failed(code: Code) -> Result<HttpResponse> {
        Err(Error::new(code, "failed"))
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let policy = RetryPolicy::default();
        let table = [
            (status(200, None), false),
            (status(400, None), false),
            (status(401, None), false),
            (status(404, None), false),
            (status(429, None), true),
            (status(500, None), true),
            (status(501, None), false),
            (status(503, None), true),
            (failed(Code::Network), true),
            (failed(Code::Offline), false),
            (failed(Code::Timeout), false),
            (failed(Code::Tls), false),
            (failed(Code::Redirect), false),
            (failed(Code::ResponseTooLarge), false),
            (failed(Code::Cancelled), false),
        ];
        for (result, expected) in table {
            assert_eq!(policy.pause(1, &result, false, LEFT, 0).is_some(), expected, "{result:?}");
        }
        assert!(policy.pause(1, &failed(Code::Timeout), true, LEFT, 0).is_some(), "a certificate may be asked twice");
    }

    #[test]
    fn attempts_are_bounded() {
        let policy = RetryPolicy::default();
        assert!(policy.pause(2, &status(500, None), false, LEFT, 0).is_some());
        assert!(policy.pause(3, &status(500, None), false, LEFT, 0).is_none());
    }

    #[test]
    fn pauses_grow_with_jitter_and_stay_in_bounds() {
        let policy = RetryPolicy { attempts: u32::MAX, ..RetryPolicy::default() };
        for random in [0, 1, 7, 1 << 40, u64::MAX] {
            for (attempt, least, most) in [(1, 200, 400), (2, 400, 800), (3, 800, 1600), (60, 5_000, 10_000)] {
                let pause = policy.pause(attempt, &status(500, None), false, LEFT, random).unwrap();
                assert!((least..=most).contains(&pause.as_millis()), "{attempt} {pause:?}");
            }
        }
    }

    #[test]
    fn the_servers_wish_is_honoured_or_the_call_ends() {
        let policy = RetryPolicy::default();
        let pause = |value, left| policy.pause(1, &status(503, Some(value)), false, left, 0);
        assert_eq!(pause("2", LEFT), Some(Duration::from_secs(2)));
        assert_eq!(pause("0", LEFT), Some(Duration::ZERO));
        assert_eq!(pause("11", LEFT), None, "longer than the time that is left");
        assert_eq!(pause("99999999999999999999999", LEFT), None);
        assert_eq!(pause("2", Duration::from_secs(1)), None, "the deadline comes first");
        assert!(pause("soon", LEFT).is_some(), "nonsense is no wish");
    }

    #[test]
    fn a_policy_of_zeros_does_not_divide_by_zero() {
        let policy = RetryPolicy { attempts: 2, first_pause_ms: 0, longest_pause_ms: 0, ..RetryPolicy::default() };
        assert_eq!(policy.pause(1, &status(500, None), false, LEFT, u64::MAX), Some(Duration::ZERO));
    }
}
