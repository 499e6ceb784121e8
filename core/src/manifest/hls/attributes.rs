//! Attribute lists of tags (RFC 8216, 4.2): `NAME=value` separated by commas. Quoted values may hold commas.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// One attribute of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::manifest) struct Attribute<'a> {
    pub(in crate::manifest) name: &'a str,
    /// Without its quotes.
    pub(in crate::manifest) value: &'a str,
    pub(in crate::manifest) is_quoted: bool,
}

/// Reads the attributes of a list, in its order. Spaces around names and values are dropped: some packagers write them.
/// Text without `=` is skipped; a quote that is never closed reaches to the end.
pub(in crate::manifest) fn attributes(list: &str) -> impl Iterator<Item = Attribute<'_>> {
    let mut rest = list;
    std::iter::from_fn(move || {
        loop {
            rest = rest.trim_start_matches([',', ' ', '\t']);
            if rest.is_empty() {
                return None;
            }
            let end = rest.find(['=', ',']).unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            let Some(after) = after.strip_prefix('=') else {
                rest = after;
                continue;
            };
            let after = after.trim_start_matches([' ', '\t']);
            let (value, is_quoted, next) = match after.strip_prefix('"') {
                Some(quoted) => {
                    let (value, next) = quoted.split_once('"').unwrap_or((quoted, ""));
                    (value, true, next)
                }
                None => {
                    let (value, next) = after.split_at(after.find(',').unwrap_or(after.len()));
                    (value.trim_end(), false, next)
                }
            };
            rest = next;
            return Some(Attribute { name: name.trim(), value, is_quoted });
        }
    })
}

/// Returns the value of the first attribute of this name.
pub(in crate::manifest) fn value<'a>(list: &'a str, name: &str) -> Option<&'a str> {
    attributes(list).find(|attribute| attribute.name == name).map(|attribute| attribute.value)
}

/// Returns where in a text a part of it stands.
pub(in crate::manifest) fn position(text: &str, part: &str) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    start..start + part.len()
}

/// An attribute list as a model keeps it: every attribute, also those that no version of RFC 8216 knows.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Attributes(pub(super) Arc<str>);

impl Attributes {
    /// Returns the value of the first attribute of this name, without quotes. An empty value counts as none.
    pub fn get(&self, name: &str) -> Option<&str> {
        value(&self.0, name).map(str::trim).filter(|value| !value.is_empty())
    }

    /// Returns a value to keep.
    pub(super) fn shared(&self, name: &str) -> Option<Arc<str>> {
        self.get(name).map(Arc::from)
    }

    /// Returns a decimal integer.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }

    /// Returns true for `YES`.
    pub fn is_yes(&self, name: &str) -> bool {
        self.get(name) == Some("YES")
    }

    /// Returns names and values, in the order of the list.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        attributes(&self.0).map(|attribute| (attribute.name, attribute.value))
    }
}

/// Names alone: values may be signed.
impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_in_quotes_do_not_split_and_spaces_do_not_matter() {
        let list = r#"METHOD=SAMPLE-AES, URI="skd://a,b=c" ,KEYFORMAT="x",,LONE,EMPTY=,Q="",IV=0x1"#;
        let found: Vec<_> = attributes(list).map(|a| (a.name, a.value, a.is_quoted)).collect();
        let expected = [
            ("METHOD", "SAMPLE-AES", false),
            ("URI", "skd://a,b=c", true),
            ("KEYFORMAT", "x", true),
            ("EMPTY", "", false),
            ("Q", "", true),
            ("IV", "0x1", false),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn an_open_quote_reaches_to_the_end() {
        assert_eq!(value("URI=\"skd://x,IV=1", "URI"), Some("skd://x,IV=1"));
        assert_eq!(value("URI=\"skd://x,IV=1", "IV"), None);
    }

    #[test]
    fn a_kept_list_has_every_attribute_and_its_debug_no_value() {
        let kept = Attributes(Arc::from("BANDWIDTH=900,X-OWN=\"secret\",FORCED=YES,NAME=\"\""));
        assert_eq!((kept.number("BANDWIDTH"), kept.get("X-OWN"), kept.get("NAME")), (Some(900), Some("secret"), None));
        assert!(kept.is_yes("FORCED") && !kept.is_yes("DEFAULT"));
        let shown = format!("{kept:?}");
        assert!(shown.contains("X-OWN") && !shown.contains("secret"), "{shown}");
    }

    proptest::proptest! {
        #[test]
        fn no_list_makes_the_reader_panic_or_loop(list in ".{0,80}") {
            proptest::prop_assert!(attributes(&list).count() <= list.len());
        }
    }
}
