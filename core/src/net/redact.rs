//! The parts of a URL and of a server's message that may be shown.

use url::Url;

/// A URL as logs and messages show it: scheme, host and port. Paths carry signatures as often as queries do.
pub fn shown(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}/…", url.scheme(), url.host_str().unwrap_or_default())
}

/// A server's error text as messages show it: in quotes, its plain words and short numbers only, at most 120
/// characters.
///
/// Servers repeat what they were sent. So a word is shown only if it is made of letters (or is a number of at most six
/// digits, such as an error code), and is no part of `sent`, the secrets of the request.
pub fn server_message(text: &str, sent: &[&str]) -> String {
    const MAX_CHARS: usize = 120;
    let sent: Vec<String> = sent.iter().map(|secret| secret.to_lowercase()).collect();
    let mut message = String::new();
    // Bounded before it is looked at: the text is as long as the server likes.
    for word in text.split_whitespace().take(64) {
        let bare = word.trim_matches(|c: char| c.is_ascii_punctuation());
        let next = if bare.is_empty() || is_plain(bare) && !is_part_of(bare, &sent) { punctuated(word) } else { "…" };
        if next == "…" && message.ends_with('…') {
            continue;
        }
        if message.chars().count() + next.chars().count() >= MAX_CHARS {
            message.push_str(" …");
            break;
        }
        if !message.is_empty() {
            message.push(' ');
        }
        message.push_str(next);
    }
    format!("{message:?}")
}

/// A word or a short number.
fn is_plain(bare: &str) -> bool {
    let chars = bare.chars().count();
    let is_word = chars <= 20 && bare.chars().all(|c| c.is_alphabetic() || c == '\'');
    let is_number = chars <= 6 && bare.bytes().all(|b| b.is_ascii_digit());
    is_word || is_number
}

/// Words of up to three letters are parts of anything.
fn is_part_of(bare: &str, sent: &[String]) -> bool {
    let bare = bare.to_lowercase();
    bare.len() > 3 && sent.iter().any(|secret| secret.contains(&bare))
}

/// A word with at most one mark before and after it: a row of marks may be data too.
fn punctuated(word: &str) -> &str {
    let is_mark = |c: char| c.is_ascii_punctuation();
    let leading = word.chars().take_while(|c| is_mark(*c)).count();
    let trailing = word.chars().rev().take_while(|c| is_mark(*c)).count();
    if leading > 1 || trailing > 1 { word.trim_matches(is_mark) } else { word }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_path_and_query() {
        let url = Url::parse("https://host:8443/secret/path?token=secret#secret").unwrap();
        assert_eq!(shown(&url), "https://host:8443/…");
    }

    #[test]
    fn a_servers_message_keeps_plain_words_and_error_codes() {
        let table = [
            ("Too many devices for this user.", r#""Too many devices for this user.""#),
            ("error 4032: not entitled", r#""error 4032: not entitled""#),
            ("token eyJhbGciOi.abc.def expired", r#""token … expired""#),
            ("bad signature in https://host/?sig=abc", r#""bad signature in …""#),
            ("id 00112233445566778899aabbccddeeff 0011", r#""id … 0011""#),
            ("account 12345678 closed", r#""account … closed""#),
            ("user a@b.example is blocked", r#""user … is blocked""#),
            ("line\nbreak\u{7}", r#""line …""#),
            ("", r#""""#),
            ("<<<<<<>>>>>>", r#""""#),
        ];
        for (text, expected) in table {
            assert_eq!(server_message(text, &[]), expected, "{text}");
        }
    }

    #[test]
    fn a_secret_that_looks_like_a_word_is_not_repeated() {
        assert_eq!(server_message("the token Opensesame expired", &["Bearer opensesame"]), r#""the token … expired""#);
    }

    #[test]
    fn a_huge_message_is_cut() {
        assert!(server_message(&"word ".repeat(1_000_000), &[]).len() < 200);
        assert!(server_message(&"x".repeat(10_000_000), &[]).len() < 200);
    }
}
