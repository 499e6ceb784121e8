use super::*;
use crate::manifest::presentation::{ByteSpan, Segment, Track, TrackMedia};
use crate::model::{DrmScheme, KeyId, TrackKind};

fn multivariant(text: &str) -> Presentation {
    match read(text.as_bytes(), &Variables::new()) {
        Ok(Playlist::Multivariant(playlist)) => playlist,
        other => panic!("{other:?}"),
    }
}

fn media(text: &str) -> MediaPlaylist {
    match read(text.as_bytes(), &Variables::new()) {
        Ok(Playlist::Media(playlist)) => playlist,
        other => panic!("{other:?}"),
    }
}

fn uris(media: &MediaPlaylist) -> Vec<&str> {
    media.segments.iter().map(|segment| &*segment.reference).collect()
}

fn tracks(playlist: &Presentation) -> &[Track] {
    &playlist.periods[0].sets[0].tracks
}

/// Kind and reference of each track that has a media playlist, in order of the references, once each.
fn renditions(playlist: &Presentation) -> Vec<(TrackKind, &str)> {
    let mut found: Vec<_> = tracks(playlist)
        .iter()
        .filter_map(|track| match &track.media {
            TrackMedia::Playlist(reference) => Some((track.kind, reference.as_str())),
            _ => None,
        })
        .collect();
    found.sort_by_key(|(_, reference)| *reference);
    found.dedup();
    found
}

#[test]
fn renditions_and_their_kinds_are_read_and_named_once() {
    let playlist = multivariant(
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"avc1.4d,mp4a.40.2\",AUDIO=\"a\"\nv.m3u8\n\
         #EXT-X-STREAM-INF:BANDWIDTH=2,RESOLUTION=1x1\nv.m3u8\n\
         #EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"mp4a.40.2, ec-3\"\nsound.m3u8\n\
         #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"i.m3u8\"\n\
         #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"x, y\",URI=\"en,1.m3u8\"\n\
         #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"inside the variant\"\n\
         #EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"s\",NAME=\"x\",URI=\"s.m3u8\"\n\
         #EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"c\",NAME=\"x\",INSTREAM-ID=\"CC1\"\n",
    );
    let found = renditions(&playlist);
    let expected = [
        (TrackKind::Audio, "en,1.m3u8"),
        (TrackKind::Video, "i.m3u8"),
        (TrackKind::Text, "s.m3u8"),
        (TrackKind::Audio, "sound.m3u8"),
        (TrackKind::Video, "v.m3u8"),
    ];
    assert_eq!(found, expected);
}

#[test]
fn facts_that_m3u8_rs_drops_are_read() {
    // A variant without BANDWIDTH, a rendition without a name.
    let playlist = multivariant(
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8\n#EXT-X-STREAM-INF:PROGRAM-ID=1\nb.m3u8\n\
         #EXT-X-MEDIA:TYPE=AUDIO,URI=\"c.m3u8\"\n",
    );
    assert_eq!(renditions(&playlist).iter().map(|(_, uri)| *uri).collect::<Vec<_>>(), ["a.m3u8", "b.m3u8", "c.m3u8"]);
    // A comma in a title, a lone carriage return, no end of the last line, METHOD=NONE without an IV, KEYID.
    let playlist = media(
        "#EXTM3U\n#EXT-X-KEY:METHOD=NONE\n#EXTINF:4,A title, with a comma\r1.ts\n\
         #EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://a\",KEYFORMAT=\"com.apple.streamingkeydelivery\"\n\
         #EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"data:x\",KEYID=0x01010101010101010101010101010101,KEYFORMAT=\"urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed\"\n\
         #EXTINF:4,\n2.ts",
    );
    assert_eq!(uris(&playlist), ["1.ts", "2.ts"]);
    let keys: Vec<_> = playlist.keys.iter().map(|key| (key.tag.key_format.clone(), key.tag.key_id)).collect();
    let expected = [
        (KeyFormat::Identity, None),
        (KeyFormat::Drm(DrmScheme::FairPlay), None),
        (KeyFormat::Drm(DrmScheme::Widevine), Some(KeyId([1; 16]))),
    ];
    assert_eq!(keys, expected);
}

#[test]
fn every_key_of_a_rotating_playlist_is_kept_once() {
    let mut text = "#EXTM3U\n".to_owned();
    for period in 0..6 {
        text += &format!("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://{}\"\n#EXTINF:4,\n{period}.ts\n", period % 3);
    }
    let keys = media(&text).keys;
    assert_eq!(
        keys.iter().filter_map(|key| key.tag.uri.as_deref()).collect::<Vec<_>>(),
        ["skd://0", "skd://1", "skd://2"]
    );
}

#[test]
fn init_segments_and_byte_ranges_are_read() {
    let playlist = media(
        "#EXTM3U\n#EXT-X-MAP:URI=\"v.mp4\",BYTERANGE=\"700@100\"\n#EXTINF:4,\n#EXT-X-BYTERANGE:10@800\nv.mp4\n\
         #EXTINF:4,\n#EXT-X-BYTERANGE: 20\nv.mp4\n#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"b.mp4\"\n#EXTINF:4,\nw.mp4\n",
    );
    let inits: Vec<_> =
        playlist.inits.iter().map(|init| (init.reference.as_str(), init.range.map(ByteSpan::range))).collect();
    assert_eq!(inits, [("v.mp4", Some(100..800)), ("b.mp4", None)]);
    let ranges: Vec<_> = playlist.segments.iter().map(|segment| segment.range.map(ByteSpan::range)).collect();
    assert_eq!(ranges, [Some(800..810), Some(810..830), None]);
}

#[test]
fn variables_are_put_in_and_passed_on() {
    let top = multivariant(
        "#EXTM3U\n#EXT-X-DEFINE:NAME=\"id\",VALUE=\"abc\"\n#EXT-X-DEFINE:QUERYPARAM=\"token\"\n\
         #EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI=\"skd://{$id}/{$other}\"\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{$id}.m3u8\n",
    );
    assert_eq!(top.session_keys[0].tag.uri.as_deref(), Some("skd://abc/{$other}"));
    assert_eq!(renditions(&top)[0].1, "abc.m3u8");
    assert_eq!(top.malformed_tags.iter().copied().collect::<Vec<_>>(), ["EXT-X-DEFINE"]);
    let text = "#EXTM3U\n#EXT-X-DEFINE:IMPORT=\"id\"\n#EXTINF:4,\n{$id}.ts\n";
    assert!(matches!(read(text.as_bytes(), &top.variables), Ok(Playlist::Media(media)) if uris(&media) == ["abc.ts"]));
}

#[test]
fn variables_cannot_grow_a_line_without_bound() {
    let long = "x".repeat(10_000);
    let text = format!("#EXTM3U\n#EXT-X-DEFINE:NAME=\"a\",VALUE=\"{long}\"\n#EXTINF:1,\n{}\n", "{$a}".repeat(10_000));
    assert_eq!(read(text.as_bytes(), &Variables::new()).unwrap_err().code(), Code::ManifestTooLarge);
}

#[test]
fn debug_shows_no_query_no_key_uri_and_no_variable() {
    let top = multivariant(
        "#EXTM3U\n#EXT-X-DEFINE:NAME=\"t\",VALUE=\"secret\"\n#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI=\"skd://secret\"\n\
         #EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8?{$t}\n",
    );
    let low = media("#EXTM3U\n#EXT-X-MAP:URI=\"i.mp4?secret\"\n#EXTINF:4,\n1.m4s?secret\n");
    let shown = format!("{top:?} {low:?}");
    assert!(shown.contains("v.m3u8") && shown.contains("1.m4s") && !shown.contains("secret"), "{shown}");
}

#[test]
fn bytes_that_are_no_playlist_are_refused() {
    for (text, code) in [
        ("", Code::ManifestInvalid),
        ("<html>", Code::ManifestInvalid),
        ("not one", Code::ManifestInvalid),
        ("#EXTM3U\n", Code::ManifestInvalid),
        ("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na\n#EXTINF:4,\nb\n", Code::ManifestInvalid),
        ("#EXTM3U\n#EXTINF:4,\n\u{e9}", Code::ManifestInvalid),
    ] {
        // The last one in Latin-1.
        let bytes: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        assert_eq!(read(&bytes, &Variables::new()).unwrap_err().code(), code, "{text}");
    }
    assert_eq!(media("\u{feff}#EXTM3U\n#EXTINF:4,\n1.ts").segments.len(), 1);
}

#[test]
fn tags_without_an_equals_sign_do_not_cost_a_search_of_the_whole_file() {
    // m3u8-rs alone looks for the next `=` to the end of the file, for each of them: minutes.
    let tags = "#EXT-X-KEY:A\n#EXT-X-MAP:B\n#EXT-X-DATERANGE:C\n#EXT-X-START:D\n".repeat(100_000);
    let started = std::time::Instant::now();
    let playlist = media(&format!("#EXTM3U\n#EXTINF:4,\n1.ts\n{tags}"));
    assert_eq!(playlist.malformed_tags.into_iter().collect::<Vec<_>>(), ["EXT-X-KEY", "EXT-X-MAP"]);
    assert!(started.elapsed().as_secs() < 20);
}

#[test]
fn absurd_numbers_of_tags_and_segments_are_refused() {
    let segments = "#EXTINF:1,\n1.ts\n".repeat(300_000);
    assert_eq!(
        read(format!("#EXTM3U\n{segments}").as_bytes(), &Variables::new()).unwrap_err().code(),
        Code::ManifestTooLarge
    );
    let keys = "#EXT-X-KEY:METHOD=NONE\n".repeat(400_000);
    assert_eq!(
        read(format!("#EXTM3U\n{keys}").as_bytes(), &Variables::new()).unwrap_err().code(),
        Code::ManifestTooLarge
    );
}

#[test]
fn each_segment_has_its_keys_its_init_segment_and_its_marks() {
    let playlist = media(
        "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-DISCONTINUITY-SEQUENCE:2\n\
         #EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:4.004004,title\nclear.m4s\n\
         #EXT-X-KEY:METHOD=AES-128,URI=\"k1\",IV=0x000000000000000000000000000000ff\n#EXT-X-MAP:URI=\"i1\"\n\
         #EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://a\",KEYFORMAT=\"com.apple.streamingkeydelivery\",KEYFORMATVERSIONS=\"1/2\"\n\
         #EXTINF:3,\na.m4s\n#EXT-X-GAP\n#EXTINF:.5\nb.m4s\n\
         #EXT-X-DISCONTINUITY\n#EXT-X-KEY:METHOD=AES-128,URI=\"k2\"\n#EXT-X-MAP:URI=\"i2\"\n#EXTINF:1,\nc.m4s\n\
         #EXT-X-KEY:METHOD=NONE\n#EXTINF:1,\nd.m4s\n#EXT-X-ENDLIST\n",
    );
    let key = |segment: &Segment| -> Vec<&str> {
        let Some(set) = segment.keys else { return Vec::new() };
        let keys = playlist.key_sets[set as usize].iter();
        keys.map(|key| playlist.keys[*key as usize].tag.uri.as_deref().unwrap()).collect()
    };
    let init = |segment: &Segment| segment.init.map(|init| playlist.inits[init as usize].reference.as_str());
    let found: Vec<_> = playlist
        .segments
        .iter()
        .map(|s| (&*s.reference, s.duration_us.unwrap(), key(s), init(s), s.is_discontinuity, s.is_gap, s.line))
        .collect();
    assert_eq!(
        found,
        [
            ("clear.m4s", 4_004_004, vec![], None, false, false, 7),
            ("a.m4s", 3_000_000, vec!["k1", "skd://a"], Some("i1"), false, false, 12),
            ("b.m4s", 500_000, vec!["k1", "skd://a"], Some("i1"), false, true, 15),
            ("c.m4s", 1_000_000, vec!["skd://a", "k2"], Some("i2"), true, false, 20),
            ("d.m4s", 1_000_000, vec![], Some("i2"), false, false, 23),
        ]
    );
    let mut iv = [0; 16];
    iv[15] = 0xff;
    assert_eq!((playlist.keys[0].iv, playlist.keys[2].iv), (Some(iv), None), "explicit and implied");
    assert_eq!(playlist.keys[1].format_versions.as_deref(), Some("1/2"));
    assert_eq!(playlist.inits[0].keys, Some(0), "the key tag before an init segment encrypts it");
    assert_eq!((playlist.media_sequence, playlist.discontinuity_sequence), (7, 2));
    assert_eq!((playlist.target_duration_us, playlist.has_end, playlist.is_live()), (Some(4_000_000), true, false));
    assert!(media("#EXTM3U\n#EXTINF:1,\na.ts\n").is_live());
}

#[test]
fn a_track_has_the_attributes_of_its_tag() {
    let playlist = multivariant(
        "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"English, 5.1\",LANGUAGE=\"en\",DEFAULT=YES,CHANNELS=\"6\",\
         CHARACTERISTICS=\"public.accessibility.describes-video, x\",STABLE-RENDITION-ID=\"r1\",URI=\"en.m3u8\"\n\
         #EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"s\",NAME=\"f\",FORCED=YES,URI=\"f.m3u8\"\n\
         #EXT-X-STREAM-INF:BANDWIDTH=800000,CODECS=\"avc1.4d401e,mp4a.40.2\",RESOLUTION=1280x720,FRAME-RATE=23.976,\
         AUDIO=\"a\",SUBTITLES=\"s\",CLOSED-CAPTIONS=NONE,STABLE-VARIANT-ID=\"v1\"\nv.m3u8\n\
         #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"i.m3u8\"\n",
    );
    let [audio, text, video, i_frames] = tracks(&playlist) else { panic!("{playlist:?}") };
    assert_eq!((audio.label.as_deref(), audio.language.as_deref()), (Some("English, 5.1"), Some("en")));
    assert_eq!((audio.group.as_deref(), audio.channels.as_deref(), audio.is_default), (Some("a"), Some("6"), true));
    assert_eq!((audio.roles.len(), audio.id.as_str()), (2, "r1"));
    assert_eq!((text.kind, text.is_forced), (TrackKind::Text, true));
    assert_eq!((video.bandwidth, video.resolution, video.id.as_str()), (Some(800_000), Some((1280, 720)), "v1"));
    assert_eq!((video.frame_rate.as_deref(), video.plays_with.audio.as_deref()), (Some("23.976"), Some("a")));
    assert_eq!(video.plays_with.closed_captions.as_deref(), Some("NONE"));
    assert_eq!((video.is_trick_play, i_frames.is_trick_play), (false, true));
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let _ = read(&bytes, &Variables::new());
        let _ = read(&[b"#EXTM3U\n", bytes.as_slice()].concat(), &Variables::new());
    }

    #[test]
    fn no_tags_make_the_reader_panic(lines in proptest::collection::vec("(#EXT(INF|-X-(KEY|MAP|MEDIA|STREAM-INF|BYTERANGE|DEFINE|I-FRAME-STREAM-INF)):)?[A-Z=,\"0-9@. {$}a-c-]{0,40}", 0..12)) {
        let text = format!("#EXTM3U\n{}", lines.join("\n"));
        let _ = read(text.as_bytes(), &Variables::new());
    }
}
