//! Which URLs are fit to be asked.

use url::Url;

use crate::error::{Code, Error, Result};

/// More than any signed license URL has; a provisioning request carries its whole message in the URL.
const MAX_URL_BYTES: usize = 32 * 1024;

/// Takes an absolute http or https URL with a host and without user info.
///
/// `what` names it in the error ([`Code::UrlInvalid`]), which tells the defect and nothing of the URL. Stricter than
/// the URL standard, which repairs: a line break in the middle or a missing slash is a mistake in the app or its server,
/// and is reported before a token is sent to the wrong place.
pub fn check_url(what: &str, text: &str) -> Result<Url> {
    let invalid = |defect: &str| Error::new(Code::UrlInvalid, format!("the {what} {defect}"));
    if text.is_empty() {
        return Err(invalid("is empty"));
    }
    if text.len() > MAX_URL_BYTES {
        return Err(invalid(&format!("has {} bytes; at most {MAX_URL_BYTES} are allowed", text.len())));
    }
    if text.chars().any(char::is_control) {
        return Err(invalid("has a control character"));
    }
    if text.chars().any(char::is_whitespace) {
        return Err(invalid("has a space; it must be percent-encoded"));
    }
    if text.contains('\\') {
        return Err(invalid("has a backslash"));
    }
    let Some((scheme, rest)) = text.split_once(':') else {
        return Err(invalid("is not absolute: it has no scheme"));
    };
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(invalid("has a scheme other than http and https"));
    }
    let Some(rest) = rest.strip_prefix("//") else {
        return Err(invalid("has no // after its scheme"));
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.is_empty() {
        return Err(invalid("has no host"));
    }
    if authority.contains('@') {
        return Err(invalid("has user info (user@host); credentials belong in a header"));
    }
    // The parser's own error says no more than this and never quotes the input, but it is not ours to promise.
    let url = Url::parse(text).map_err(|cause| invalid("is malformed").caused_by(cause))?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err(invalid("has no host"));
    }
    if url.port() == Some(0) {
        return Err(invalid("has port 0"));
    }
    Ok(url)
}

/// True if both have the same scheme, host and port: what a credential for one may be sent to.
pub fn is_same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme() && a.host_str() == b.host_str() && a.port_or_known_default() == b.port_or_known_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_absolute_http_with_a_host_and_without_user_info() {
        for good in [
            "https://host",
            "http://host/path",
            "HTTPS://Host:8443/path?query=a@b#fragment",
            "http://127.0.0.1:1/",
            "http://[::1]:8080/license",
            "https://bücher.example/",
            "https://host/a%20b",
        ] {
            assert!(check_url("license URL", good).is_ok(), "{good}");
        }
        let table = [
            ("", "empty"),
            ("host/path", "no scheme"),
            ("/path", "no scheme"),
            ("//host/path", "no scheme"),
            ("file:///etc/passwd", "scheme"),
            ("ftp://host/", "scheme"),
            ("skd://asset", "scheme"),
            ("javascript:alert(1)", "scheme"),
            ("data:text/plain,x", "scheme"),
            ("https:host/path", "//"),
            ("https:/host/path", "//"),
            ("https://", "no host"),
            ("https:///path", "no host"),
            ("https://?query", "no host"),
            ("https://:443/", "malformed"),
            ("https://user@host/", "user info"),
            ("https://user:password@host/", "user info"),
            ("https://@host/", "user info"),
            ("https://host/a b", "space"),
            (" https://host/", "space"),
            ("https://host/ ", "space"),
            ("https://ho\u{a0}st/", "space"),
            ("https://host/a\nb", "control"),
            ("https://ho\tst/", "control"),
            ("https://host/\0", "control"),
            ("https:\\\\host\\path", "backslash"),
            ("https://host:0/", "port 0"),
            ("https://host:99999/", "malformed"),
            ("https://ho%00st/", "malformed"),
            ("https://[::1/", "malformed"),
        ];
        for (bad, defect) in table {
            let error = check_url("license URL", bad).unwrap_err();
            assert_eq!(error.code(), Code::UrlInvalid, "{bad}");
            assert!(error.message().contains(defect), "{bad}: {error}");
        }
        let long = format!("https://host/{}", "x".repeat(MAX_URL_BYTES));
        assert_eq!(check_url("license URL", &long).unwrap_err().code(), Code::UrlInvalid);
    }

    #[test]
    fn the_error_never_quotes_the_url() {
        for bad in ["https://marker:marker@marker/marker?marker", "marker://marker", "https://marker:marker/", "marker"]
        {
            let error = check_url("license URL", bad).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("marker"), "{error}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let url = |text| Url::parse(text).unwrap();
        assert!(is_same_origin(&url("https://a/x"), &url("https://a:443/y?z")));
        for other in ["http://a/x", "https://b/x", "https://a:444/x", "https://a.b/x"] {
            assert!(!is_same_origin(&url("https://a/x"), &url(other)), "{other}");
        }
    }
}
