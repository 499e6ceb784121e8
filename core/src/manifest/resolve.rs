//! References against a base: a place in a local folder, or a URL. The same model serves both.

use std::fmt;
use std::ops::Range;

use url::Url;

use super::reference::{Place, public_name};

/// A document or folder that references are relative to.
pub trait Base: Clone + fmt::Debug {
    /// Returns the base or resource that `reference` names, seen from here (RFC 3986, 5.2).
    fn join(&self, reference: &str) -> Self;

    /// Returns true if this alternative is to be preferred over the ones after it (DASH 5.6.5: several `BaseURL`).
    fn is_preferred(&self) -> bool;
}

/// Local media: of alternatives, the first that is not on a server. The others are mirrors.
impl Base for Place {
    fn join(&self, reference: &str) -> Self {
        Self::join(self, reference)
    }

    fn is_preferred(&self) -> bool {
        *self != Self::Remote
    }
}

/// Media on a server: the URL that answered, after redirects. `None` for references that no URL can be made of.
#[derive(Clone, PartialEq, Eq)]
pub struct Remote(pub Option<Url>);

/// Without path and query, which may be signed.
impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Remote({:?})", self.0.as_ref().and_then(Url::host_str))
    }
}

/// Any alternative will do: a download tries the next one when one fails.
impl Base for Remote {
    fn join(&self, reference: &str) -> Self {
        Self(self.0.as_ref().and_then(|base| base.join(reference.trim()).ok()))
    }

    fn is_preferred(&self) -> bool {
        self.0.is_some()
    }
}

/// A resource that a manifest names, or a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<B = Place> {
    /// Where the resource is.
    pub place: B,
    /// The reference as [`public_name`] gives it, for messages.
    pub name: String,
    /// Which bytes of the resource, if it is a part.
    pub range: Option<Range<u64>>,
}

impl<B: Base> Part<B> {
    /// Resolves a reference.
    pub fn new(base: &B, reference: &str, range: Option<Range<u64>>) -> Self {
        Self { place: base.join(reference), name: public_name(reference), range }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(url: &str) -> Remote {
        Remote(Some(Url::parse(url).unwrap()))
    }

    #[test]
    fn references_of_every_form_resolve_against_a_url() {
        let base = remote("https://cdn.example/a/b/main.m3u8?token=1");
        for (reference, expected) in [
            ("c.ts", "https://cdn.example/a/b/c.ts"),
            ("../c.ts", "https://cdn.example/a/c.ts"),
            ("/c.ts", "https://cdn.example/c.ts"),
            ("//other.example/c.ts", "https://other.example/c.ts"),
            ("?token=2", "https://cdn.example/a/b/main.m3u8?token=2"),
            ("http://plain.example/c.ts", "http://plain.example/c.ts"),
            (" c.ts ", "https://cdn.example/a/b/c.ts"),
            ("skd://key", "skd://key"),
        ] {
            assert_eq!(base.join(reference).0.unwrap().as_str(), expected, "{reference}");
        }
        assert_eq!(base.join("http://[").0, None);
        assert!(!base.join("http://[").is_preferred());
    }

    #[test]
    fn debug_shows_neither_path_nor_query() {
        assert_eq!(format!("{:?}", remote("https://h/secret?secret")), r#"Remote(Some("h"))"#);
    }
}
