//! Redirects, as license servers mean them: the message is sent again to the new place.

use url::Url;

use super::url::{check_url, is_same_origin};
use crate::error::{Code, Error, Result};
use crate::ports::HttpRequest;

/// How many are followed in one call.
pub const MAX_REDIRECTS: usize = 5;

/// The headers that a redirect to another origin keeps. All others are dropped: license services carry their tokens in
/// headers of many names (`customData`, `preAuthorization`, `X-AxDRM-Message`, …), so a list of those cannot be complete.
const HEADERS_FOR_ANYONE: [&str; 5] = ["accept", "accept-language", "content-type", "soapaction", "user-agent"];

/// The request that a redirect asks for; `None` if `status` is none.
///
/// 301, 302, 307 and 308 repeat method and body (browsers turn the first two into GET, which loses the challenge), 303
/// asks with GET for the answer of what was sent. Another origin gets no credentials. Fails with [`Code::Redirect`] for
/// one without a usable `Location`, and for one from https to http.
pub fn redirected(
    request: &HttpRequest,
    from: &Url,
    status: u16,
    location: Option<&str>,
) -> Result<Option<HttpRequest>> {
    if !matches!(status, 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let refused = |why: &str| Error::new(Code::Redirect, format!("the server {why}")).with_http_status(status);
    let location = location.ok_or_else(|| refused("redirects without saying where"))?;
    let target = from.join(location).map_err(|cause| refused("redirects to a malformed URL").caused_by(cause))?;
    let target = check_url("redirect's target", target.as_str()).map_err(|cause| {
        let why = format!("redirects to where it must not: {}", cause.message());
        refused(&why).caused_by(cause)
    })?;
    if from.scheme() == "https" && target.scheme() == "http" {
        return Err(refused("redirects from https to http"));
    }

    let mut next = HttpRequest { url: target.to_string(), ..request.clone() };
    if status == 303 {
        next.method = "GET";
        next.body.clear();
        next.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
    }
    if !is_same_origin(from, &target) {
        next.headers.retain(|(name, _)| HEADERS_FOR_ANYONE.iter().any(|kept| name.eq_ignore_ascii_case(kept)));
    }
    Ok(Some(next))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: &str = "https://license.example/v1/get?a=b";

    fn request() -> HttpRequest {
        let headers = ["Authorization", "customData", "X-Session", "Content-Type", "Cookie"];
        HttpRequest {
            method: "POST",
            url: FROM.to_owned(),
            headers: headers.map(|name| (name.to_owned(), "value".to_owned())).to_vec(),
            body: b"challenge".to_vec(),
            timeout_ms: 1000,
            max_body_bytes: 10,
        }
    }

    fn follow(status: u16, location: &str) -> Result<Option<HttpRequest>> {
        redirected(&request(), &Url::parse(FROM).unwrap(), status, Some(location))
    }

    #[test]
    fn method_and_body_are_sent_again() {
        for status in [301, 302, 307, 308] {
            let next = follow(status, "/v2?c=d").unwrap().unwrap();
            assert_eq!(next.url, "https://license.example/v2?c=d");
            assert_eq!((next.method, next.body.as_slice()), ("POST", &b"challenge"[..]));
            assert_eq!(next.headers.len(), 5, "the same origin gets every header");
        }
    }

    #[test]
    fn see_other_is_a_get_without_a_body() {
        let next = follow(303, "next").unwrap().unwrap();
        assert_eq!((next.method, next.body.len()), ("GET", 0));
        assert_eq!(next.url, "https://license.example/v1/next");
        assert!(!next.headers.iter().any(|(name, _)| name == "Content-Type"));
    }

    #[test]
    fn another_origin_gets_no_credentials() {
        for location in ["https://other.example/", "//other.example/", "https://license.example:444/"] {
            let next = follow(307, location).unwrap().unwrap();
            let names: Vec<_> = next.headers.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["Content-Type"], "{location}");
        }
    }

    #[test]
    fn a_redirect_to_where_it_must_not_go_is_refused() {
        for location in [
            "http://license.example/v1/get",
            "http://license.example:443/",
            "file:///etc/passwd",
            "https://user:password@license.example/",
            "data:,x",
            "https://",
            "skd://x",
        ] {
            assert_eq!(follow(302, location).unwrap_err().code(), Code::Redirect, "{location}");
        }
        let nowhere = redirected(&request(), &Url::parse(FROM).unwrap(), 302, None);
        assert_eq!(nowhere.unwrap_err().code(), Code::Redirect);
    }

    #[test]
    fn http_may_go_on_to_https() {
        let from = Url::parse("http://license.example/").unwrap();
        let next = redirected(&request(), &from, 308, Some("https://license.example/")).unwrap().unwrap();
        assert_eq!(next.url, "https://license.example/");
    }

    #[test]
    fn other_statuses_are_no_redirects() {
        for status in [200, 300, 304, 305, 400] {
            assert!(follow(status, "/").unwrap().is_none(), "{status}");
        }
    }
}
