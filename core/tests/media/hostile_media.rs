//! Hostile and broken input: each piece is read or refused with a typed error, in bounded time.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests may say what they expect")]

use std::fmt::Write as _;
use std::fs::File;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::written::{
    CLEARKEY, Folder, WIDEVINE, base64, boxed, default_kid, descriptor, init, mpd, pssh, refused, testkit,
};
use larder_core::manifest::{IssueKind, Protection, dash};
use larder_core::model::DrmScheme;
use larder_core::{Code, Remedy, Result};
use larder_testkit::{copy_dir, media_root};
use proptest::prelude::*;

/// Returns true for an answer, or for an error of the media with a remedy.
fn is_typed(result: &Result<Protection>) -> bool {
    match result {
        Ok(_) => true,
        Err(error) => {
            let codes = [
                Code::ManifestInvalid,
                Code::ManifestTooLarge,
                Code::FormatUnsupported,
                Code::InitDataMissing,
                Code::SessionKeyMissing,
            ];
            codes.contains(&error.code()) && error.remedy() != Remedy::Nothing
        }
    }
}

/// Fails if the work takes long. The limit is generous, because the machine may be busy: the faults take minutes or never end.
fn soon<T>(what: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = what();
    assert!(started.elapsed() < Duration::from_secs(60), "took {:?}", started.elapsed());
    result
}

fn issues(found: &Protection) -> Vec<(IssueKind, &str)> {
    found.issues.iter().map(|issue| (issue.kind, issue.what.as_str())).collect()
}

#[test]
fn an_empty_file_and_a_web_page_are_invalid() {
    for content in ["", "<!DOCTYPE html><html><body>Please log in</body></html>", "<html lang='de'>"] {
        for name in ["m.mpd", "m.m3u8", "m.mp4"] {
            assert_eq!(refused(Folder::new().with(name, content).inspect(name)), Code::ManifestInvalid, "{name}");
        }
    }
}

#[test]
fn an_mpd_cut_at_any_byte_is_invalid() {
    let whole = std::fs::read(testkit("dash-cenc/manifest.mpd")).unwrap();
    let folder = Folder::new();
    for length in 0..whole.trim_ascii_end().len() {
        let error = dash::read(&whole[..length]).unwrap_err();
        assert_eq!(error.code(), Code::ManifestInvalid, "{length}");
        // Through the file system it takes longer; every 29th length is enough.
        if length % 29 == 0 {
            folder.write("m.mpd", &whole[..length]);
            let code = refused(folder.inspect("m.mpd"));
            assert!(matches!(code, Code::ManifestInvalid | Code::FormatUnsupported), "{length}: {code}");
        }
    }
}

#[test]
fn a_playlist_cut_at_any_byte_is_an_error_or_a_shorter_playlist() {
    for name in ["master.m3u8", "audio-en.m3u8"] {
        let whole = std::fs::read(testkit("hls-cbcs").join(name)).unwrap();
        let folder = Folder::new();
        let mut read = 0;
        for length in 0..whole.len() {
            folder.write(name, &whole[..length]);
            let result = folder.inspect(name);
            assert!(is_typed(&result), "{name} cut to {length}: {result:?}");
            read += usize::from(result.is_ok());
        }
        assert!(read > 0, "{name}");
    }
}

#[test]
fn an_init_segment_cut_at_any_byte_is_an_error_alone_and_an_issue_in_a_title() {
    let whole = std::fs::read(testkit("dash-cenc/video-234/init.mp4")).unwrap();
    let folder = Folder::new().with("v.m3u8", "#EXTM3U\n#EXT-X-MAP:URI=\"i.mp4\"\n#EXTINF:4,\n1.m4s\n");
    for length in 0..whole.len() {
        folder.write("i.mp4", &whole[..length]);
        assert!(is_typed(&folder.inspect("i.mp4")), "{length}");
        assert!(folder.inspect("i.mp4").is_err(), "{length}");
        let found = folder.inspect("v.m3u8");
        assert!(found.is_ok() || is_typed(&found), "{length}");
    }
    folder.write("i.mp4", &whole[..whole.len() - 1]);
    assert_eq!(issues(&folder.inspect("v.m3u8").unwrap()), [(IssueKind::MalformedFile, "\"i.mp4\"")]);
}

#[test]
fn two_hundred_megabytes_are_refused_before_they_are_read() {
    let folder = Folder::new();
    for (name, start) in [("m.mpd", "<?xml version='1.0'?><MPD>"), ("m.m3u8", "#EXTM3U\n#EXTINF:4,\n")] {
        folder.write(name, start);
        File::options().write(true).open(folder.path(name)).unwrap().set_len(200 << 20).unwrap();
        assert_eq!(refused(soon(|| folder.inspect(name))), Code::ManifestTooLarge, "{name}");
    }
    // A media file of that size is an ordinary one: here a moov at the very end of a hole.
    let moov = init(b"vide", Some(1), &[pssh(WIDEVINE, &[1], b"")]).split_off(16);
    let hole = 200 << 20;
    let head = [boxed(b"ftyp", b"isom\0\0\0\0"), u32::to_be_bytes(hole).to_vec(), b"mdat".to_vec()].concat();
    folder.write("film.mp4", head);
    let mut file = File::options().write(true).open(folder.path("film.mp4")).unwrap();
    std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(16 + u64::from(hole))).unwrap();
    std::io::Write::write_all(&mut file, &moov).unwrap();
    assert!(soon(|| folder.inspect("film.mp4")).unwrap().is_protected);
    // A file without a written byte.
    folder.write("hole.mpd", "");
    File::options().write(true).open(folder.path("hole.mpd")).unwrap().set_len(200 << 20).unwrap();
    assert_eq!(refused(soon(|| folder.inspect("hole.mpd"))), Code::FormatUnsupported);
}

#[test]
fn deep_nesting_is_refused() {
    let deep = "<Period>".repeat(1_000_000);
    assert_eq!(refused(soon(|| Folder::new().with("m.mpd", mpd(&deep)).inspect(""))), Code::ManifestTooLarge);
    let nested = (0..100_000).fold(
        Vec::new(),
        |inside: Vec<u8>, _| {
            if inside.len() > 1 << 20 { inside } else { boxed(b"moov", &inside) }
        },
    );
    let found = soon(|| Folder::new().with("m.mp4", nested).inspect("m.mp4"));
    assert!(is_typed(&found));
}

#[test]
fn a_hundred_thousand_keys_are_answered_soon() {
    let distinct: String = (0..100_000).fold(String::new(), |mut text, n| {
        let _ = write!(text, "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://{n}\"\n#EXTINF:4,\n{n}.ts\n");
        text
    });
    let hls = Folder::new().with("m.m3u8", format!("#EXTM3U\n{distinct}"));
    assert_eq!(refused(soon(|| hls.inspect(""))), Code::ManifestTooLarge);
    // The same key repeated before each segment is one key.
    let repeated = "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://1\"\n#EXTINF:4,\n1.ts\n".repeat(100_000);
    let hls = Folder::new().with("m.m3u8", format!("#EXTM3U\n{repeated}"));
    assert_eq!(soon(|| hls.inspect("")).unwrap().for_scheme(DrmScheme::FairPlay).unwrap().len(), 1);

    let set = |inside: &str| mpd(&format!("<AdaptationSet>{inside}<Representation id='v'/></AdaptationSet>"));
    let key_ids: String = (0..100_000).fold(String::new(), |mut text, n| {
        let _ = write!(text, "{:032x} ", n + 1);
        text
    });
    let many_ids = format!("<ContentProtection schemeIdUri='urn:uuid:{CLEARKEY}' default_KID='{key_ids}'/>");
    assert!(is_typed(&soon(|| Folder::new().with("m.mpd", set(&many_ids)).inspect(""))));
    let boxes: Vec<Vec<u8>> = (0..100_000_u32).map(|n| pssh(WIDEVINE, &[], &n.to_be_bytes())).collect();
    let many_boxes = Folder::new().with("m.mpd", set(&descriptor(WIDEVINE, &boxes)));
    assert_eq!(refused(soon(|| many_boxes.inspect(""))), Code::ManifestTooLarge);
    let in_file = Folder::new().with("m.mp4", boxed(b"moov", &boxes.concat()));
    assert_eq!(refused(soon(|| in_file.inspect("m.mp4"))), Code::ManifestTooLarge);
}

#[test]
fn many_tracks_times_many_keys_are_refused_soon() {
    // Each number alone is allowed; their product is not.
    let boxes: Vec<Vec<u8>> = (0..5_000_u32).map(|n| pssh(WIDEVINE, &[], &n.to_be_bytes())).collect();
    let tracks: String = (0..15_000).fold(String::new(), |mut text, n| {
        let _ = write!(text, "<Representation id='{n}'/>");
        text
    });
    let text = mpd(&format!("<AdaptationSet>{}{tracks}</AdaptationSet>", descriptor(WIDEVINE, &boxes)));
    assert_eq!(refused(soon(|| Folder::new().with("m.mpd", text).inspect(""))), Code::ManifestTooLarge);
    // Boxes that state many keys each, on many tracks.
    let boxes: Vec<Vec<u8>> = (0..200).map(|n| pssh(WIDEVINE, &vec![n; 1_000], &[n])).collect();
    let text =
        mpd(&format!("<AdaptationSet>{}{}{tracks}</AdaptationSet>", default_kid(&[1]), descriptor(WIDEVINE, &boxes)));
    assert!(is_typed(&soon(|| Folder::new().with("m.mpd", text).inspect(""))));
}

#[test]
fn entities_and_document_types_are_refused() {
    let mut laughs = "<!DOCTYPE MPD [<!ENTITY a0 \"ha\">".to_owned();
    for level in 1..40 {
        let _ = write!(laughs, "<!ENTITY a{level} \"{}\">", format!("&a{};", level - 1).repeat(10));
    }
    let bomb = format!("{laughs}]><MPD><BaseURL>&a39;</BaseURL></MPD>");
    let outside = "<!DOCTYPE MPD [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><MPD><BaseURL>&x;</BaseURL></MPD>";
    let undeclared = mpd("<BaseURL>&x;</BaseURL>");
    for text in [bomb.as_str(), outside, "<!DOCTYPE MPD SYSTEM \"http://host/x.dtd\"><MPD/>", &undeclared] {
        assert_eq!(refused(soon(|| Folder::new().with("m.mpd", text).inspect(""))), Code::ManifestInvalid);
    }
    let escaped = mpd(
        "<AdaptationSet><Representation id='a&amp;b&#x21;'><BaseURL>x&lt;&#50;</BaseURL></Representation></AdaptationSet>",
    );
    let found = Folder::new().with("m.mpd", escaped).inspect("").unwrap();
    assert_eq!(issues(&found), [(IssueKind::MissingFile, "\"x<2\"")]);
}

#[test]
fn an_error_names_the_wrong_encoding() {
    let latin: Vec<u8> = mpd("<AdaptationSet lang='").bytes().chain([0xE9]).chain(*b"'/>").collect();
    let utf16: Vec<u8> = mpd("").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let playlist: Vec<u8> = b"#EXTM3U\n#EXTINF:4,\n".iter().copied().chain([0xE9, b'\n']).collect();
    for (name, bytes, says) in
        [("m.mpd", latin, "not UTF-8"), ("m.mpd", utf16, "UTF-16"), ("m.m3u8", playlist, "not UTF-8")]
    {
        let error = Folder::new().with(name, bytes).inspect(name).unwrap_err();
        assert!(matches!(error.code(), Code::ManifestInvalid | Code::FormatUnsupported), "{error}");
        assert!(error.message().contains(says) || error.code() == Code::FormatUnsupported, "{error}");
    }
    let marked: Vec<u8> = format!("\u{feff}{}", mpd("")).encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert!(!Folder::new().with("m.mpd", marked).inspect("").unwrap().is_protected);
}

#[test]
fn a_pssh_box_with_a_wrong_length_is_an_error_unless_another_box_is_good() {
    let good = pssh(WIDEVINE, &[1], b"data");
    for (at, lie) in [(3, 0), (3, 7), (0, 0xFF), (28, 0xFF), (good.len() - 5, 0xFF)] {
        let mut flawed = good.clone();
        flawed[at] = lie;
        // Size 0 means to the end, which is true here.
        if lie == 0 {
            continue;
        }
        let set = |boxes: &[Vec<u8>]| {
            mpd(&format!(
                "<AdaptationSet>{}{}<Representation id='v'/></AdaptationSet>",
                default_kid(&[1]),
                descriptor(WIDEVINE, boxes)
            ))
        };
        let dash = |boxes: &[Vec<u8>]| Folder::new().with("m.mpd", set(boxes)).inspect("");
        assert_eq!(refused(dash(std::slice::from_ref(&flawed))), Code::ManifestInvalid, "{at}");
        let both = dash(&[flawed.clone(), good.clone()]).unwrap();
        assert_eq!((both.for_scheme(DrmScheme::Widevine).unwrap().len(), both.issues.len()), (1, 1), "{at}");
        let tag = format!(
            "#EXTM3U\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"data:;base64,{}\",KEYFORMAT=\"urn:uuid:{WIDEVINE}\"\n#EXTINF:4,\n1.ts\n",
            base64(&flawed)
        );
        assert_eq!(refused(Folder::new().with("m.m3u8", tag).inspect("")), Code::ManifestInvalid, "{at}");
    }
    for not_base64 in ["***", "AAAA*", "A"] {
        let text = mpd(&format!(
            "<AdaptationSet><ContentProtection schemeIdUri='urn:uuid:{WIDEVINE}'><cenc:pssh>{not_base64}</cenc:pssh></ContentProtection><Representation/></AdaptationSet>"
        ));
        assert_eq!(refused(Folder::new().with("m.mpd", text).inspect("")), Code::ManifestInvalid);
    }
}

#[test]
fn references_out_of_the_folder_are_noted_and_not_read() {
    let outside = Folder::new().with("secret.mp4", init(b"vide", Some(1), &[pssh(WIDEVINE, &[1], b"")]));
    let inside = "media/m.mpd";
    for reference in [
        "../secret.mp4".to_owned(),
        "x/../../secret.mp4".to_owned(),
        "%2e%2e/secret.mp4".to_owned(),
        "x%2f..%2f..%2fsecret.mp4".to_owned(),
        outside.path("secret.mp4").to_str().unwrap().to_owned(),
        format!("file://{}", outside.path("secret.mp4").display()),
        #[cfg(unix)]
        {
            std::fs::create_dir_all(outside.path("media")).unwrap();
            std::os::unix::fs::symlink(outside.path("secret.mp4"), outside.path("media/link.mp4")).unwrap();
            "link.mp4".to_owned()
        },
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(outside.path(""), outside.path("media/up")).unwrap();
            "up/secret.mp4".to_owned()
        },
    ] {
        for text in [
            mpd(&format!(
                "<AdaptationSet><Representation id='v'><BaseURL>{reference}</BaseURL></Representation></AdaptationSet>"
            )),
            mpd(&format!(
                "<AdaptationSet><Representation id='v'><SegmentTemplate initialization='{reference}'/></Representation></AdaptationSet>"
            )),
        ] {
            outside.write(inside, text);
            let found = outside.inspect(inside).unwrap();
            assert!(!found.is_protected, "{reference}");
            assert_eq!(found.issues[0].kind, IssueKind::OutsideFolder, "{reference}");
        }
        let playlist = format!("#EXTM3U\n#EXT-X-MAP:URI=\"{reference}\"\n#EXTINF:4,\n{reference}\n");
        outside.write("media/m.m3u8", &playlist);
        let found = outside.inspect("media/m.m3u8").unwrap();
        assert_eq!((found.is_protected, found.issues[0].kind), (false, IssueKind::OutsideFolder), "{reference}");
        outside.write("media/m.m3u8", format!("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{reference}\n"));
        assert_eq!(outside.inspect("media/m.m3u8").unwrap().issues[0].kind, IssueKind::OutsideFolder, "{reference}");
    }
}

#[test]
fn remote_missing_and_odd_files_are_issues_without_their_query() {
    let text = "#EXTM3U\n\
        #EXT-X-STREAM-INF:BANDWIDTH=1\nhttps://user:pass@host/v.m3u8?token=secret\n\
        #EXT-X-STREAM-INF:BANDWIDTH=1\nmissing.m3u8?token=secret\n\
        #EXT-X-STREAM-INF:BANDWIDTH=1\nfolder\n\
        #EXT-X-STREAM-INF:BANDWIDTH=1\nm.m3u8\n\
        #EXT-X-STREAM-INF:BANDWIDTH=1\npage.m3u8\n\
        #EXT-X-MEDIA:TYPE=AUDIO\n#EXT-X-SESSION-KEY:URI=\"skd://x\"\n#EXT-X-MEDIA:TYPE=,URI=\"x\"\n";
    let folder = Folder::new().with("m.m3u8", text).with("folder/x", "").with("page.m3u8", "<html>");
    let found = folder.inspect("m.m3u8").unwrap();
    let expected = [
        (IssueKind::RemoteReference, "\"https://host/v.m3u8\""),
        (IssueKind::MissingFile, "\"missing.m3u8\""),
        (IssueKind::UnreadableFile, "\"folder\""),
        // A playlist that names itself is not followed.
        (IssueKind::MalformedFile, "\"m.m3u8\""),
        (IssueKind::MalformedFile, "\"page.m3u8\""),
        (IssueKind::MalformedTag, "\"EXT-X-MEDIA\""),
        (IssueKind::MalformedTag, "\"EXT-X-SESSION-KEY\""),
    ];
    assert_eq!(issues(&found), expected);
    let shown: String = found.issues.iter().map(|issue| format!("{issue}\n")).collect();
    assert!(!shown.contains("secret") && !shown.contains("pass"), "{shown}");
}

#[test]
fn issues_are_counted_beyond_a_hundred() {
    let text: String = (0..500).map(|n| format!("#EXT-X-STREAM-INF:BANDWIDTH=1\n{n:03}.m3u8\n")).collect();
    let found = Folder::new().with("m.m3u8", format!("#EXTM3U\n{text}")).inspect("").unwrap();
    assert_eq!(found.issues.len(), 101);
    assert_eq!(found.issues[100].to_string(), "and 400 more");
    let too_many: String = (0..3_000).map(|n| format!("#EXT-X-STREAM-INF:BANDWIDTH=1\n{n}.m3u8\n")).collect();
    assert_eq!(
        refused(Folder::new().with("m.m3u8", format!("#EXTM3U\n{too_many}")).inspect("")),
        Code::ManifestTooLarge
    );
}

#[test]
fn a_title_with_more_segments_than_are_searched_has_an_issue() {
    let segments = "#EXTINF:1,\n#EXT-X-BYTERANGE:8@0\nv.mp4\n".repeat(50_001);
    let text = format!("#EXTM3U\n#EXT-X-MAP:URI=\"v.mp4\"\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://x\"\n{segments}");
    let folder = Folder::new().with("m.m3u8", text).with("v.mp4", boxed(b"free", b""));
    let found = soon(|| folder.inspect("m.m3u8")).unwrap();
    assert_eq!(found.issues[0].to_string(), "only the first 50000 segments were searched for keys");
}

#[test]
fn an_open_ended_template_ends_with_its_files() {
    let text = "<MPD><Period><AdaptationSet><ContentProtection schemeIdUri='x' default_KID='01010101010101010101010101010101'/>\
        <Representation id='v'><SegmentTemplate media='$Number$.m4s' duration='1' endNumber='18446744073709551615'/></Representation>\
        <Representation id='w'><SegmentTemplate media='w$Time$.m4s'><SegmentTimeline><S d='1' r='9223372036854775807'/></SegmentTimeline></SegmentTemplate></Representation>\
        </AdaptationSet></Period></MPD>";
    assert!(soon(|| Folder::new().with("m.mpd", text).inspect("")).unwrap().is_protected);
}

/// A copy of all real media, in which a test may break one file at a time.
fn titles() -> &'static Mutex<Folder> {
    static TITLES: OnceLock<Mutex<Folder>> = OnceLock::new();
    TITLES.get_or_init(|| {
        let folder = Folder::new();
        copy_dir(&media_root(), &folder.path("")).unwrap();
        Mutex::new(folder)
    })
}

/// A file to break, and the manifest of its title.
const BROKEN: [(&str, &str); 10] = [
    ("dash-cenc/manifest.mpd", "dash-cenc/manifest.mpd"),
    ("dash-cenc/video-234/init.mp4", "dash-cenc/manifest.mpd"),
    ("dash-cenc/audio-en/1.m4s", "dash-cenc/manifest.mpd"),
    ("dash-cenc/audio-en/init.mp4", "dash-cenc/audio-en/init.mp4"),
    ("cmaf-clear/manifest.mpd", "cmaf-clear/manifest.mpd"),
    ("hls-cbcs/master.m3u8", "hls-cbcs/master.m3u8"),
    ("hls-cbcs/video-234.m3u8", "hls-cbcs/master.m3u8"),
    ("hls-cbcs/video-234/init.mp4", "hls-cbcs/master.m3u8"),
    ("hls-cbcs/audio-es.m3u8", "hls-cbcs/audio-es.m3u8"),
    ("hls-aes128/audio-es.m3u8", "hls-aes128/master.m3u8"),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn real_media_with_flaws_never_panics(
        which in 0..BROKEN.len(),
        flaws in proptest::collection::vec((any::<usize>(), any::<u8>(), 0_u8..4), 1..8),
    ) {
        let (file, manifest) = BROKEN[which];
        let whole = std::fs::read(testkit(file)).unwrap();
        let mut bytes = whole.clone();
        for (at, byte, kind) in flaws {
            let at = at % bytes.len();
            match kind {
                0 => bytes[at] = byte,
                1 if bytes.len() > 1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, byte),
                _ => bytes.extend_from_within(at..(at + usize::from(byte)).min(bytes.len())),
            }
        }
        let folder = titles().lock().unwrap_or_else(PoisonError::into_inner);
        folder.write(file, &bytes);
        let result = folder.inspect(manifest);
        folder.write(file, &whole);
        prop_assert!(is_typed(&result), "{:?}", result);
    }
}
