//! Resolves the references of a manifest: against the folder that the manifest lies in, or against its URL. Pure.
//!
//! One type, [`Target`], serves both. Start with [`Target::in_folder`] or [`Target::at_url`] and [`Target::join`] each
//! reference on the way: playlist, `BaseURL` chain, segment. After a redirect the final URL is the base (RFC 3986, 5.1.3).
//!
//! Folders do not use the `url` crate: it keeps a `..` above the root inside the root, and here a reference that climbs
//! out of the folder (`../../etc/passwd`) must be noticed, not bent.

use std::fmt;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use percent_encoding::percent_decode_str;
use url::Url;

use super::limits::MAX_REFERENCE_BYTES;
use super::presentation::ByteRange;

/// The place that a reference leads to.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// A file in the manifest's folder.
    File(FolderPath),
    /// A resource on a server. `None` if the URL is malformed.
    Remote(Option<Box<Url>>),
    /// A file outside the manifest's folder: `..`, an absolute path, `file:`.
    Outside,
    /// The reference itself: a `data:` URI.
    Inline,
    /// Neither a file nor a server: `skd:` and other schemes, or a path that is longer than any file system allows.
    Elsewhere,
}

/// A path below the folder, still percent-encoded, without `.`, `..`, query and fragment.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FolderPath {
    folders: Vec<String>,
    file: String,
}

/// A resource that a manifest names, or a byte range of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The resource.
    pub target: Target,
    /// The reference as [`public_name`] gives it, for messages.
    pub name: String,
    /// The bytes of the resource; `None` for all.
    pub range: Option<Range<u64>>,
}

/// Without query and user info.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "File({path:?})"),
            Self::Remote(url) => {
                write!(f, "Remote({:?})", public_name(url.as_ref().map_or("", |url| url.as_str())))
            }
            Self::Outside => f.write_str("Outside"),
            Self::Inline => f.write_str("Inline"),
            Self::Elsewhere => f.write_str("Elsewhere"),
        }
    }
}

impl Target {
    /// Returns the base for a manifest in a local folder, by the manifest's file name.
    pub fn in_folder(manifest_name: &str) -> Self {
        Self::File(FolderPath { folders: Vec::new(), file: manifest_name.to_owned() })
    }

    /// Returns the base for a manifest on a server, by its URL after redirects.
    pub fn at_url(manifest_url: Url) -> Self {
        Self::Remote(Some(Box::new(manifest_url)))
    }

    /// Resolves a reference against this base (RFC 3986, 5.2; in a folder, within the folder).
    ///
    /// In a folder, a protocol-relative reference (`//host/x`) is read as `https:`.
    pub fn join(&self, reference: &str) -> Self {
        let reference = reference.trim();
        if let Some(scheme) = scheme(reference) {
            return match scheme.to_ascii_lowercase().as_str() {
                "data" => Self::Inline,
                "file" => Self::Outside,
                "http" | "https" | "ftp" => Self::Remote(Url::parse(reference).ok().map(Box::new)),
                _ => Self::Elsewhere,
            };
        }
        match self {
            Self::File(base) => base.target(reference),
            Self::Remote(Some(base)) => Self::Remote(base.join(reference).ok().map(Box::new)),
            _ => self.clone(),
        }
    }

    /// Resolves the first of several alternatives (as `BaseURL` elements of one level) that needs no server, or the
    /// first of all.
    pub fn join_any<R: AsRef<str>>(&self, references: &[R]) -> Option<(Self, usize)> {
        let joined = |(index, reference): (usize, &R)| (self.join(reference.as_ref()), index);
        let mut all = references.iter().enumerate().map(joined);
        let first = all.next()?;
        if !first.0.is_remote() {
            return Some(first);
        }
        Some(all.find(|(target, _)| !target.is_remote()).unwrap_or(first))
    }

    /// Returns true for a resource on a server.
    pub fn is_remote(&self) -> bool {
        matches!(self, Self::Remote(_))
    }
}

impl Part {
    /// Returns the part that a reference names; without a reference, of the resource that the base itself names.
    pub(super) fn new(base: &Target, base_name: &str, reference: Option<&str>, range: Option<ByteRange>) -> Self {
        let target = reference.map_or_else(|| base.clone(), |reference| base.join(reference));
        let name = public_name(reference.unwrap_or(base_name));
        Self { target, name, range: range.map(ByteRange::positions) }
    }
}

impl FolderPath {
    fn target(&self, reference: &str) -> Target {
        let path = reference.split(['?', '#']).next().unwrap_or_default();
        if path.is_empty() {
            return Target::File(self.clone());
        }
        if path.starts_with("//") {
            return Target::Remote(Url::parse(&format!("https:{reference}")).ok().map(Box::new));
        }
        if path.starts_with('/') {
            return Target::Outside;
        }
        match self.join(path) {
            Some(path) if path.len() > MAX_REFERENCE_BYTES => Target::Elsewhere,
            Some(path) => Target::File(path),
            None => Target::Outside,
        }
    }

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

    /// Returns the paths to try below the folder, likeliest first: decoded, and as written, because some apps save a
    /// segment under the last component of its URL unchanged. `None` if a component, once decoded, is not a plain name.
    pub fn candidates(&self) -> Option<Vec<PathBuf>> {
        let parts = || self.folders.iter().chain(std::iter::once(&self.file)).filter(|part| !part.is_empty());
        let plain: PathBuf = parts().map(|part| plain_name(decoded(part))).collect::<Option<_>>()?;
        let written: PathBuf = parts().map(|part| plain_name(part.clone())).collect::<Option<_>>()?;
        Some(if plain == written { vec![plain] } else { vec![plain, written] })
    }
}

/// As a reference from the folder.
impl fmt::Display for FolderPath {
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

/// Returns the part of a path if it is one name: no separator (`%2F`), no drive, no NUL.
fn plain_name(part: String) -> Option<String> {
    let mut components = Path::new(&part).components();
    let one = matches!((components.next(), components.next()), (Some(Component::Normal(_)), None));
    (one && !part.contains(['/', '\0'])).then_some(part)
}

/// Returns the scheme of a URI, if it has one (RFC 3986, 3.1).
pub fn scheme(reference: &str) -> Option<&str> {
    let (scheme, _) = reference.split_once(':')?;
    let mut bytes = scheme.bytes();
    (bytes.next()?.is_ascii_alphabetic() && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.')))
        .then_some(scheme)
}

/// Returns a reference as a name for people and logs: without query and fragment, which may be signed, and without user
/// info.
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

    fn paths(target: &Target) -> Vec<String> {
        match target {
            Target::File(path) => {
                path.candidates().unwrap_or_default().iter().map(|path| path.to_str().unwrap().to_owned()).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    fn url(target: &Target) -> &str {
        match target {
            Target::Remote(Some(url)) => url.as_str(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn references_resolve_below_the_folder() {
        let manifest = Target::in_folder("main.mpd");
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
        let manifest = Target::in_folder("main.mpd");
        for out in
            ["../x", "a/../../x", "/etc/passwd", "file:///etc/passwd", "%2e%2e/x", "a/%2E%2E/.%2e/x", "..", "FILE:x"]
        {
            assert_eq!(manifest.join(out), Target::Outside, "{out}");
        }
        for smuggled in ["a%2f..%2f..%2fx", "x%00.mp4"] {
            assert!(matches!(manifest.join(smuggled), Target::File(path) if path.candidates().is_none()), "{smuggled}");
        }
    }

    #[test]
    fn references_to_servers_and_other_schemes_are_told_apart() {
        let manifest = Target::in_folder("main.mpd");
        assert_eq!(url(&manifest.join("https://host/x?t=1")), "https://host/x?t=1");
        assert_eq!(url(&manifest.join("//host/x")), "https://host/x");
        assert_eq!(url(&manifest.join("HTTP://host/").join("x.mp4")), "http://host/x.mp4");
        assert_eq!(manifest.join("https://[").join("x.mp4"), Target::Remote(None));
        assert_eq!(manifest.join("data:text/plain,x"), Target::Inline);
        assert_eq!(manifest.join("skd://x"), Target::Elsewhere);
    }

    #[test]
    fn references_of_every_form_resolve_against_a_url() {
        let base = Target::at_url(Url::parse("https://cdn.example/a/b/main.m3u8?token=1").unwrap());
        for (reference, expected) in [
            ("c.ts", "https://cdn.example/a/b/c.ts"),
            ("../c.ts", "https://cdn.example/a/c.ts"),
            ("/c.ts", "https://cdn.example/c.ts"),
            ("//other.example/c.ts", "https://other.example/c.ts"),
            ("?token=2", "https://cdn.example/a/b/main.m3u8?token=2"),
            ("http://plain.example/c.ts", "http://plain.example/c.ts"),
            (" c.ts ", "https://cdn.example/a/b/c.ts"),
        ] {
            assert_eq!(url(&base.join(reference)), expected, "{reference}");
        }
        assert_eq!(base.join("http://["), Target::Remote(None));
    }

    #[test]
    fn debug_shows_neither_query_nor_user() {
        let target = Target::at_url(Url::parse("https://secret@h/path?secret").unwrap());
        assert_eq!(format!("{target:?}"), r#"Remote("https://h/path")"#);
    }

    #[test]
    fn references_resolve_against_the_url_of_the_manifest() {
        let manifest = Target::at_url(Url::parse("https://cdn.example/a/main.mpd?token=1").unwrap());
        assert_eq!(url(&manifest.join("b/1.m4s")), "https://cdn.example/a/b/1.m4s");
        assert_eq!(url(&manifest.join("/b/").join("1.m4s")), "https://cdn.example/b/1.m4s");
        assert_eq!(url(&manifest.join("//other/x")), "https://other/x");
        assert_eq!(url(&manifest.join("?u=2")), "https://cdn.example/a/main.mpd?u=2");
        assert_eq!(url(&manifest.join("")), "https://cdn.example/a/main.mpd?token=1");
        assert_eq!(manifest.join("skd://x"), Target::Elsewhere);
        assert_eq!(manifest.join("file:///etc/passwd"), Target::Outside);
    }

    #[test]
    fn of_several_base_urls_the_first_that_needs_no_server_is_taken() {
        let manifest = Target::in_folder("main.mpd");
        let chosen = |urls: &[&str]| manifest.join_any(urls).map(|(_, index)| index);
        assert_eq!(chosen(&["https://a/", "https://b/", "media/"]), Some(2));
        assert_eq!(chosen(&["https://a/", "https://b/"]), Some(0));
        assert_eq!(chosen(&[]), None);
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
            if let Target::File(path) = Target::in_folder("m").join(&base).join(&reference) {
                for candidate in path.candidates().unwrap_or_default() {
                    let normal = candidate.components().all(|part| matches!(part, Component::Normal(_)));
                    proptest::prop_assert!(normal, "{candidate:?}");
                }
            }
        }
    }
}
