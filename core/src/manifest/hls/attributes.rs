//! Attribute lists of tags (RFC 8216, 4.2): `NAME=value` separated by commas, quoted values may hold commas.

/// One attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::manifest) struct Attribute<'a> {
    pub(in crate::manifest) name: &'a str,
    /// Without its quotes.
    pub(in crate::manifest) value: &'a str,
    pub(in crate::manifest) is_quoted: bool,
}

/// The attributes of a list, in its order. Spaces around names and values are dropped: some packagers write them.
/// What has no `=` is skipped; a quote that is never closed reaches to the end.
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

/// The value of the first attribute of this name.
pub(in crate::manifest) fn value<'a>(list: &'a str, name: &str) -> Option<&'a str> {
    attributes(list).find(|attribute| attribute.name == name).map(|attribute| attribute.value)
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

    proptest::proptest! {
        #[test]
        fn no_list_makes_the_reader_panic_or_loop(list in ".{0,80}") {
            proptest::prop_assert!(attributes(&list).count() <= list.len());
        }
    }
}
