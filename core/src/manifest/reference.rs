//! References in a manifest: where one points, seen from the folder of the manifest. Pure.
//!
//! Not the `url` crate: it keeps `..` below the root by itself, and here a reference that climbs out of the folder must
//! be noticed (`../../etc/passwd`), not bent.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use percent_encoding::percent_decode_str;

use super::limits::MAX_REFERENCE_BYTES;

/// Where a reference points.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// In the folder.
    Inside(InsidePath),
    /// On a server.
    Remote,
    /// In the file system, but not in the folder: `..`, an absolute path, `file:`.
    Outside,
    /// In the reference itself: a `data:` URI.
    Inline,
    /// Nowhere that a file could be: `skd:` and other schemes, or longer than any path.
    Elsewhere,
}

/// A path below the folder, still percent-encoded, without `.`, `..`, query and fragment.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InsidePath {
    folders: Vec<String>,
    file: String,
}

impl Place {
    /// The manifest itself, by its file name: what references in it are relative to.
    pub fn manifest(file_name: &str) -> Self {
        Self::Inside(InsidePath { folders: Vec::new(), file: file_name.to_owned() })
    }

    /// Where `reference` points, seen from here (RFC 3986, 5.2, within the folder).
    pub fn join(&self, reference: &str) -> Self {
        let reference = reference.trim();
        if let Some(scheme) = scheme(reference) {
            return match scheme.to_ascii_lowercase().as_str() {
                "data" => Self::Inline,
                "file" => Self::Outside,
                "http" | "https" | "ftp" => Self::Remote,
                _ => Self::Elsewhere,
            };
        }
        let Self::Inside(base) = self else { return self.clone() };
        let path = reference.split(['?', '#']).next().unwrap_or_default();
        if path.is_empty() {
            return self.clone();
        }
        if path.starts_with("//") {
            return Self::Remote;
        }
        if path.starts_with('/') {
            return Self::Outside;
        }
        match base.join(path) {
            Some(path) if path.len() > MAX_REFERENCE_BYTES => Self::Elsewhere,
            Some(path) => Self::Inside(path),
            None => Self::Outside,
        }
    }
}

impl InsidePath {
    fn len(&self) -> usize {
        self.folders.iter().map(|folder| folder.len() + 1).sum::<usize>() + self.file.len()
    }

    fn join(&self, path: &str) -> Option<Self> {
        let mut folders = self.folders.clone();
        let (parents, file) = path.rsplit_once('/').unwrap_or(("", path));
        for part in parents.split('/') {
            descend(&mut folders, part)?;
        }
        // `a/..` names a folder, as `a/.` does.
        let file = match decoded(file).as_str() {
            "." | ".." => {
                descend(&mut folders, file)?;
                String::new()
            }
            _ => file.to_owned(),
        };
        Some(Self { folders, file })
    }

    /// The paths to try below the folder, likeliest first: decoded, and as written, because some apps save a segment
    /// under the last part of its URL as it stands. None if a part, once decoded, is no plain name.
    pub fn candidates(&self) -> Option<Vec<PathBuf>> {
        let parts = || self.folders.iter().chain(std::iter::once(&self.file)).filter(|part| !part.is_empty());
        let plain: PathBuf = parts().map(|part| plain_name(decoded(part))).collect::<Option<_>>()?;
        let written: PathBuf = parts().map(|part| plain_name(part.clone())).collect::<Option<_>>()?;
        Some(if plain == written { vec![plain] } else { vec![plain, written] })
    }
}

/// As a reference from the folder.
impl fmt::Display for InsidePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.folders.iter().try_for_each(|folder| write!(f, "{folder}/"))?;
        f.write_str(&self.file)
    }
}

fn descend(folders: &mut Vec<String>, part: &str) -> Option<()> {
    match decoded(part).as_str() {
        "" | "." => Some(()),
        ".." => folders.pop().map(drop),
        _ => {
            folders.push(part.to_owned());
            Some(())
        }
    }
}

fn decoded(part: &str) -> String {
    percent_decode_str(part).decode_utf8_lossy().into_owned()
}

/// A part of a path that is one name: no separator (`%2F`), no drive, no NUL.
fn plain_name(part: String) -> Option<String> {
    let mut components = Path::new(&part).components();
    let one = matches!((components.next(), components.next()), (Some(Component::Normal(_)), None));
    (one && !part.contains(['/', '\0'])).then_some(part)
}

/// The scheme of a URI, if it has one (RFC 3986, 3.1).
pub fn scheme(reference: &str) -> Option<&str> {
    let (scheme, _) = reference.split_once(':')?;
    let mut bytes = scheme.bytes();
    (bytes.next()?.is_ascii_alphabetic() && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.')))
        .then_some(scheme)
}

/// A reference as a name for people and logs: without query and fragment, which may be signed, and without user info.
pub fn public_name(reference: &str) -> String {
    let bare = reference.trim().split(['?', '#']).next().unwrap_or_default();
    match scheme(bare).map(str::to_ascii_lowercase).as_deref() {
        Some("data") => "data:".to_owned(),
        Some(_) => match bare.split_once("://") {
            Some((scheme, rest)) => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                let host = authority.rsplit('@').next().unwrap_or_default();
                format!("{scheme}://{host}{path}")
            }
            None => bare.to_owned(),
        },
        None => bare.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(place: &Place) -> Vec<String> {
        match place {
            Place::Inside(path) => {
                path.candidates().unwrap_or_default().iter().map(|path| path.to_str().unwrap().to_owned()).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn references_resolve_below_the_folder() {
        let manifest = Place::manifest("main.mpd");
        assert_eq!(paths(&manifest.join("a/b.mp4")), ["a/b.mp4"]);
        assert_eq!(paths(&manifest.join("a/").join("b.mp4")), ["a/b.mp4"]);
        assert_eq!(paths(&manifest.join("a/x.m3u8").join("b.mp4?token=1#t")), ["a/b.mp4"]);
        assert_eq!(paths(&manifest.join("a/b/").join("../c//./d.mp4")), ["a/c/d.mp4"]);
        assert_eq!(paths(&manifest.join("a/b.mp4").join("")), ["a/b.mp4"]);
        assert_eq!(paths(&manifest.join("a%20b.mp4")), ["a b.mp4", "a%20b.mp4"]);
        assert_eq!(paths(&manifest.join(" 12:30/a.mp4 ")), ["12:30/a.mp4"]);
    }

    #[test]
    fn a_reference_out_of_the_folder_is_noticed_in_any_spelling() {
        let manifest = Place::manifest("main.mpd");
        for out in
            ["../x", "a/../../x", "/etc/passwd", "file:///etc/passwd", "%2e%2e/x", "a/%2E%2E/.%2e/x", "..", "FILE:x"]
        {
            assert_eq!(manifest.join(out), Place::Outside, "{out}");
        }
        for smuggled in ["a%2f..%2f..%2fx", "x%00.mp4"] {
            assert!(
                matches!(manifest.join(smuggled), Place::Inside(path) if path.candidates().is_none()),
                "{smuggled}"
            );
        }
    }

    #[test]
    fn what_lies_elsewhere_is_told_apart() {
        let manifest = Place::manifest("main.mpd");
        assert_eq!(manifest.join("https://host/x"), Place::Remote);
        assert_eq!(manifest.join("//host/x"), Place::Remote);
        assert_eq!(manifest.join("HTTP://host/").join("x.mp4"), Place::Remote);
        assert_eq!(manifest.join("data:text/plain,x"), Place::Inline);
        assert_eq!(manifest.join("skd://x"), Place::Elsewhere);
    }

    #[test]
    fn a_public_name_has_no_query_and_no_user() {
        assert_eq!(public_name("a/b.m3u8?token=secret#x"), "a/b.m3u8");
        assert_eq!(public_name("https://user:pass@host/a?b"), "https://host/a");
        assert_eq!(public_name("data:text/plain;base64,AAAA"), "data:");
    }

    proptest::proptest! {
        #[test]
        fn no_reference_leaves_the_folder(base in ".{0,30}", reference in "[./%2eEfF?#:\\\\a-c]{0,40}") {
            if let Place::Inside(path) = Place::manifest("m").join(&base).join(&reference) {
                for candidate in path.candidates().unwrap_or_default() {
                    let normal = candidate.components().all(|part| matches!(part, Component::Normal(_)));
                    proptest::prop_assert!(normal, "{candidate:?}");
                }
            }
        }
    }
}
