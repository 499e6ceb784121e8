//! The kind of a file, by its first bytes. File names are not reliable: players and servers rename files.

use super::text;

/// The kind of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An MPD.
    Mpd,
    /// A playlist that names other playlists.
    MultivariantPlaylist,
    /// A playlist that names segments.
    MediaPlaylist,
    /// A playlist whose head does not say which kind it is.
    Playlist,
    /// An ISO base media file.
    Mp4,
    /// The description of an AVFoundation download (`boot.xml`).
    MoviePackage,
    /// A web page.
    Html,
    /// An empty file.
    Empty,
    /// Anything else.
    Unknown,
}

/// Returns the kind of a file. `head` is its first part, cut anywhere.
pub(super) fn sniff(head: &[u8]) -> Kind {
    if head.is_empty() {
        return Kind::Empty;
    }
    if is_mp4(head) {
        return Kind::Mp4;
    }
    let Some(text) = head_text(head) else { return Kind::Unknown };
    let text = text.trim_start();
    if text.starts_with("#EXTM3U") {
        return playlist(text);
    }
    match root_element(text) {
        Some("MPD") => Kind::Mpd,
        Some("HLSMoviePackage") => Kind::MoviePackage,
        Some(root) if root.eq_ignore_ascii_case("html") => Kind::Html,
        _ => Kind::Unknown,
    }
}

/// Returns the text of the head, without a character that the cut divided.
fn head_text(head: &[u8]) -> Option<std::borrow::Cow<'_, str>> {
    (0..4).find_map(|cut| text::decode(head.get(..head.len().checked_sub(cut)?)?).ok()).or_else(|| {
        // One bad byte in the middle does not change the kind; the reader will name the byte.
        head.iter().take(16).all(|b| b.is_ascii()).then(|| String::from_utf8_lossy(head))
    })
}

/// Returns true if the first box is one of an ISO base media file. A media segment alone is a media file, too.
fn is_mp4(head: &[u8]) -> bool {
    const FIRST_BOXES: [&[u8; 4]; 12] =
        [b"ftyp", b"styp", b"moov", b"moof", b"sidx", b"free", b"skip", b"wide", b"mdat", b"pssh", b"emsg", b"prft"];
    head.get(4..8).is_some_and(|kind| FIRST_BOXES.iter().any(|first| first.as_slice() == kind))
}

fn playlist(text: &str) -> Kind {
    for line in text.lines() {
        if is_multivariant_tag(line) {
            return Kind::MultivariantPlaylist;
        }
        if line.starts_with("#EXTINF") || line.starts_with("#EXT-X-TARGETDURATION") {
            return Kind::MediaPlaylist;
        }
    }
    Kind::Playlist
}

/// Returns true for the tags that only a multivariant playlist has (RFC 8216, 4.3.4).
fn is_multivariant_tag(line: &str) -> bool {
    const TAGS: [&str; 5] = [
        "#EXT-X-STREAM-INF:",
        "#EXT-X-MEDIA:",
        "#EXT-X-I-FRAME-STREAM-INF:",
        "#EXT-X-SESSION-DATA:",
        "#EXT-X-SESSION-KEY:",
    ];
    TAGS.iter().any(|tag| line.starts_with(tag))
}

/// Returns the local name of the first element or of the document type.
fn root_element(text: &str) -> Option<&str> {
    let mut rest = text;
    loop {
        rest = rest.get(rest.find('<')?..)?;
        if rest.starts_with("<!--") {
            rest = rest.get(rest.find("-->")?..)?;
        } else if rest.starts_with("<?") {
            rest = rest.get(rest.find("?>")?..)?;
        } else {
            let name = match rest.get(..9) {
                Some(start) if start.eq_ignore_ascii_case("<!doctype") => rest.get(9..)?.trim_start(),
                _ => rest.get(1..)?,
            };
            let end = name.find(|c: char| c.is_whitespace() || matches!(c, '>' | '/' | '[')).unwrap_or(name.len());
            return name.get(..end)?.rsplit(':').next();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_a_file_is_told_by_its_content() {
        for (head, kind) in [
            (&b"<MPD>"[..], Kind::Mpd),
            (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- <html> -->\n<dash:MPD xmlns:dash='x' ", Kind::Mpd),
            (b"<!DOCTYPE MPD [", Kind::Mpd),
            (b"\xff\xfe<\0M\0P\0D\0>\0", Kind::Mpd),
            (b"<MPD>\xfc", Kind::Mpd),
            (b"<MPDX>", Kind::Unknown),
            (b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nx.m3u8", Kind::MultivariantPlaylist),
            (b"#EXTM3U\r\n#EXT-X-MEDIA-SEQUENCE:1\r\n#EXTINF:4,\r\n", Kind::MediaPlaylist),
            (b"#EXTM3U", Kind::Playlist),
            (b"\0\0\0\x18ftypmp42", Kind::Mp4),
            (b"\0\0\0\x18stypmsdh", Kind::Mp4),
            (b"<!doctype html><html>", Kind::Html),
            (b"\n<HTML lang=en>", Kind::Html),
            (b"<?xml version='1.0'?><HLSMoviePackage xmlns='x'>", Kind::MoviePackage),
            (b"", Kind::Empty),
            (b"\0\0\0\0\0\0\0\0", Kind::Unknown),
            (b"not a manifest", Kind::Unknown),
            (b"<!-- never closed", Kind::Unknown),
            (b"\x47\x40\x11\x10", Kind::Unknown),
        ] {
            assert_eq!(sniff(head), kind, "{:?}", String::from_utf8_lossy(head));
        }
    }

    #[test]
    fn a_cut_inside_a_character_does_not_hide_a_manifest() {
        let text = "<MPD id='ü'".as_bytes();
        assert_eq!(sniff(&text[..text.len() - 2]), Kind::Mpd);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_sniffer_panic(head in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            sniff(&head);
        }
    }
}
