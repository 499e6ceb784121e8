//! Rust source as these tests read it: files of a folder, and code without comments and strings.

use std::fs;
use std::path::{Path, PathBuf};

/// Returns every Rust file below a folder, sorted.
pub(crate) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Returns the code with a space in place of each comment and literal. Tells a lifetime from a character literal.
pub(crate) fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let token = comment(rest).or_else(|| literal(rest));
        match token {
            Some(length) => {
                code.push(' ');
                rest = rest.get(length..).unwrap_or_default();
            }
            None => {
                code.push(next);
                rest = rest.get(next.len_utf8()..).unwrap_or_default();
            }
        }
    }
    code
}

/// Returns the length of a comment at the start of `text`. Block comments nest.
fn comment(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if !text.starts_with("/*") {
        return None;
    }
    let (mut depth, mut at) = (0_usize, 0_usize);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    Some(text.len())
}

/// Returns the length of a string or character literal at the start of `text`.
fn literal(text: &str) -> Option<usize> {
    if let Some(raw) = text.strip_prefix('r') {
        let hashes = raw.chars().take_while(|char| *char == '#').count();
        let body = raw.get(hashes..)?.strip_prefix('"')?;
        let end = format!("\"{}", "#".repeat(hashes));
        return Some(2 + hashes + body.find(&end)? + end.len());
    }
    let quote = text.chars().next().filter(|char| matches!(char, '"' | '\''))?;
    let mut escaped = false;
    for (count, (at, char)) in text.char_indices().skip(1).enumerate() {
        match char {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if char == quote => return Some(at + 1),
            // `'a` without a second quote is a lifetime.
            _ if quote == '\'' && count > 0 && !text.starts_with("'\\") => return None,
            _ => {}
        }
    }
    None
}

#[test]
fn comments_and_literals_are_left_out() {
    for (text, code) in [
        ("a // crate::x\nb", "a  \nb"),
        ("a /* b /* c */ d */ e", "a   e"),
        ("f(\"crate::x \\\" \", 'x', '\\'', b)", "f( ,  ,  , b)"),
        ("r#\"a \" b\"# c", "  c"),
        ("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}"),
        ("for 'x' in", "for   in"),
    ] {
        assert_eq!(code_of(text), code, "{text}");
    }
}
