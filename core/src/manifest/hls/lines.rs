//! A playlist as lines: tags, references and the rest. The reader and the localizer share it.

/// One line, without white space around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::manifest) enum Line<'a> {
    /// `#EXT…`: the name without `#EXT`, and the text after the colon.
    Tag(&'a str, &'a str),
    /// A reference: the URI of a segment or of a media playlist.
    Reference(&'a str),
    /// A comment or an empty line.
    Other,
}

/// Splits a playlist at `\n`, `\r\n` and a lone `\r`, which some packagers write.
pub(in crate::manifest) fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    whole_lines(text).map(|line| read(line.trim()))
}

/// As [`lines`], unread and with their ends.
pub(in crate::manifest) fn whole_lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.bytes().position(|byte| matches!(byte, b'\n' | b'\r')).map_or(rest.len(), |end| end + 1);
        let is_pair = rest.as_bytes().get(end - 1..=end) == Some(b"\r\n");
        let (line, after) = rest.split_at(end + usize::from(is_pair));
        rest = after;
        Some(line)
    })
}

/// Reads one line without white space around it.
pub(in crate::manifest) fn read(line: &str) -> Line<'_> {
    if !line.starts_with('#') {
        return if line.is_empty() { Line::Other } else { Line::Reference(line) };
    }
    let Some(tag) = line.strip_prefix("#EXT") else { return Line::Other };
    let (name, list) = tag.split_once(':').unwrap_or((tag, ""));
    Line::Tag(name, list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_line_end_separates_and_white_space_does_not_matter() {
        let found: Vec<_> = lines("#EXTM3U\r\n  a.ts \r#EXTINF:4,b:c\n\n# comment\n#EXT-X-ENDLIST").collect();
        let expected = [
            Line::Tag("M3U", ""),
            Line::Reference("a.ts"),
            Line::Tag("INF", "4,b:c"),
            Line::Other,
            Line::Other,
            Line::Tag("-X-ENDLIST", ""),
        ];
        assert_eq!(found, expected);
        let text = "a\r\nb\rc\n\nd";
        assert_eq!(whole_lines(text).collect::<Vec<_>>(), ["a\r\n", "b\r", "c\n", "\n", "d"]);
    }
}
