use std::borrow::Cow;

use super::*;
use crate::error::Code;
use crate::manifest::presentation::{ByteRange, MediaTime, Segment, TrackMedia};
use crate::model::{DrmScheme, KeyId, TrackKind};

fn multivariant(text: &str) -> Multivariant {
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

fn uris(media: &MediaPlaylist) -> Vec<Cow<'_, str>> {
    media.segments().filter_map(|segment| segment.reference).collect()
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
    let found: Vec<_> = playlist.playlists().into_iter().map(|(uri, kind)| (kind, uri)).collect();
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
    assert_eq!(playlist.playlists().into_keys().collect::<Vec<_>>(), ["a.m3u8", "b.m3u8", "c.m3u8"]);
    // A comma in a title, a lone carriage return, no end of the last line, METHOD=NONE without an IV, KEYID.
    let playlist = media(
        "#EXTM3U\n#EXT-X-KEY:METHOD=NONE\n#EXTINF:4,A title, with a comma\r1.ts\n\
         #EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://a\",KEYFORMAT=\"com.apple.streamingkeydelivery\"\n\
         #EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"data:x\",KEYID=0x01010101010101010101010101010101,KEYFORMAT=\"urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed\"\n\
         #EXTINF:4,\n2.ts",
    );
    assert_eq!(uris(&playlist), ["1.ts", "2.ts"]);
    let keys: Vec<_> = playlist.keys.iter().map(|key| (key.system(), key.key_id)).collect();
    let expected =
        [(KeySystem::Drm(DrmScheme::FairPlay), None), (KeySystem::Drm(DrmScheme::Widevine), Some(KeyId([1; 16])))];
    assert_eq!(keys, expected);
    // METHOD=NONE is no key: the first segment has none, the second has both.
    let sets: Vec<_> =
        playlist.segments().map(|segment| segment.key_set.map(|set| playlist.key_set(set).count())).collect();
    assert_eq!(sets, [None, Some(2)]);
}

#[test]
fn every_key_of_a_rotating_playlist_is_kept_once() {
    let mut text = "#EXTM3U\n".to_owned();
    for period in 0..6 {
        text += &format!("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://{}\"\n#EXTINF:4,\n{period}.ts\n", period % 3);
    }
    let keys = media(&text).keys;
    assert_eq!(keys.iter().filter_map(|key| key.uri.as_deref()).collect::<Vec<_>>(), ["skd://0", "skd://1", "skd://2"]);
}

#[test]
fn init_segments_and_byte_ranges_are_read() {
    let playlist = media(
        "#EXTM3U\n#EXT-X-MAP:URI=\"v.mp4\",BYTERANGE=\"700@100\"\n#EXTINF:4,\n#EXT-X-BYTERANGE:10@800\nv.mp4\n\
         #EXTINF:4,\n#EXT-X-BYTERANGE: 20\nv.mp4\n#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"b.mp4\"\n#EXTINF:4,\nw.mp4\n",
    );
    let inits: Vec<_> = playlist
        .inits
        .iter()
        .map(|init| (init.resource.reference.as_deref().unwrap(), init.resource.range.map(ByteRange::positions)))
        .collect();
    assert_eq!(inits, [("v.mp4", Some(100..800)), ("b.mp4", None)]);
    let ranges: Vec<_> = playlist.segments().map(|segment| segment.range.map(ByteRange::positions)).collect();
    assert_eq!(ranges, [Some(800..810), Some(810..830), None]);
    let of_segments: Vec<_> = playlist.segments().map(|segment| (segment.init, segment.is_discontinuity)).collect();
    assert_eq!(of_segments, [(Some(0), false), (Some(0), false), (Some(1), true)]);
}

#[test]
fn variables_are_replaced_and_passed_on() {
    let top = multivariant(
        "#EXTM3U\n#EXT-X-DEFINE:NAME=\"id\",VALUE=\"abc\"\n#EXT-X-DEFINE:QUERYPARAM=\"token\"\n\
         #EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI=\"skd://{$id}/{$other}\"\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{$id}.m3u8\n",
    );
    assert_eq!(top.keys.first().unwrap().uri.as_deref(), Some("skd://abc/{$other}"));
    assert_eq!(&*top.variants[0].reference, "abc.m3u8");
    assert_eq!(top.malformed_tags.iter().copied().collect::<Vec<_>>(), ["EXT-X-DEFINE"]);
    let text = "#EXTM3U\n#EXT-X-DEFINE:IMPORT=\"id\"\n#EXTINF:4,\n{$id}.ts\n";
    assert!(matches!(read(text.as_bytes(), &top.variables), Ok(Playlist::Media(media)) if uris(&media) == ["abc.ts"]));
}

#[test]
fn variables_cannot_grow_a_line_without_bound() {
    let long = "x".repeat(10_000);
    let line = |variables: usize| "{$a}".repeat(variables) + "\n";
    let head = format!("#EXTM3U\n#EXT-X-DEFINE:NAME=\"a\",VALUE=\"{long}\"\n#EXTINF:1,\n");
    let one_line = head.clone() + &line(10_000);
    assert_eq!(read(one_line.as_bytes(), &Variables::new()).unwrap_err().code(), Code::ManifestTooLarge);
    // Each line alone is allowed; all of them would be two gigabytes.
    let many_lines = head + &line(100).repeat(2_000);
    assert_eq!(read(many_lines.as_bytes(), &Variables::new()).unwrap_err().code(), Code::ManifestTooLarge);
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
    assert_eq!(media("\u{feff}#EXTM3U\n#EXTINF:4,\n1.ts").len(), 1);
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
fn a_playlist_cannot_keep_ever_more_keys_in_effect() {
    let mut text = "#EXTM3U\n".to_owned();
    for format in 0..100 {
        text += &format!("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"x\",KEYFORMAT=\"{format}\"\n#EXTINF:4,\n1.ts\n");
    }
    assert_eq!(read(text.as_bytes(), &Variables::new()).unwrap_err().code(), Code::ManifestTooLarge);
}

#[test]
fn a_media_playlist_keeps_numbers_times_and_flags_exactly() {
    let playlist = media(
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:10\n#EXT-X-MEDIA-SEQUENCE:41\n#EXT-X-DISCONTINUITY-SEQUENCE:3\n\
         #EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:9.9766,a title\n1.ts\n#EXT-X-GAP\n#EXTINF:4\n2.ts\n#EXT-X-DISCONTINUITY\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z\n3.ts\n#EXT-X-ENDLIST\n",
    );
    assert_eq!((playlist.version, playlist.target_duration_seconds), (Some(7), Some(10)));
    assert_eq!((playlist.media_sequence, playlist.discontinuity_sequence), (41, 3));
    assert_eq!((playlist.playlist_type, playlist.has_end), (Some(PlaylistType::Vod), true));
    let segments: Vec<_> = playlist.segments().collect();
    assert_eq!(segments.iter().map(|segment| segment.sequence).collect::<Vec<_>>(), [41, 42, 43]);
    let durations: Vec<_> = segments.iter().map(|segment| segment.duration).collect();
    let time = |ticks, timescale| Some(MediaTime { ticks, timescale });
    assert_eq!(durations, [time(99_766, 10_000), time(4, 1), None]);
    let flags: Vec<_> = segments.iter().map(|segment| (segment.is_gap, segment.is_discontinuity)).collect();
    assert_eq!(flags, [(false, false), (true, false), (false, true)]);
    let dates: Vec<_> = segments.iter().map(|segment| segment.program_date_time).collect();
    assert_eq!(dates, [None, None, Some("2026-01-01T00:00:00Z")]);
}

#[test]
fn the_iv_is_explicit_or_the_number_of_the_segment() {
    let playlist = media(
        "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXTINF:4,\n1.ts\n\
         #EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0xFF\n#EXTINF:4,\n2.ts\n\
         #EXT-X-KEY:METHOD=SAMPLE-AES-CTR,URI=\"skd://k\",KEYFORMAT=\"com.apple.streamingkeydelivery\"\n#EXTINF:4,\n3.ts\n",
    );
    let last_byte = |iv: Option<[u8; 16]>| iv.map(|iv| iv[15]);
    let ivs: Vec<_> = playlist
        .segments()
        .map(|segment| {
            let keys = playlist.key_set(segment.key_set.unwrap());
            keys.map(|key| last_byte(playlist.iv(&segment, key))).collect::<Vec<_>>()
        })
        .collect();
    // The third segment has two keys in effect: they have different formats.
    assert_eq!(ivs, [vec![Some(7)], vec![Some(255)], vec![Some(255), None]]);
}

#[test]
fn an_init_segment_before_the_key_tag_is_clear() {
    let playlist = media(
        "#EXTM3U\n#EXT-X-MAP:URI=\"clear.mp4\"\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXTINF:4,\n1.m4s\n\
         #EXT-X-MAP:URI=\"encrypted.mp4\"\n#EXTINF:4,\n2.m4s\n",
    );
    assert_eq!(playlist.inits.iter().map(|init| init.key_set).collect::<Vec<_>>(), [None, Some(0)]);
}

#[test]
fn unknown_tags_and_attributes_are_kept_with_their_place() {
    let text = "#EXTM3U\n#EXT-X-OWN:A=1\n#EXT-X-STREAM-INF:BANDWIDTH=1,X-OWN=\"v\"\nv.m3u8\n\
                #EXT-X-CONTENT-STEERING:SERVER-URI=\"s\"\n#EXT-X-SESSION-DATA:DATA-ID=\"d\",VALUE=\"1\"\n";
    let top = multivariant(text);
    assert_eq!(top.variants[0].attributes.get("X-OWN"), Some("v"));
    assert_eq!(&text[top.variants[0].span.clone()], "#EXT-X-STREAM-INF:BANDWIDTH=1,X-OWN=\"v\"");
    assert_eq!(top.steering.unwrap().get("SERVER-URI"), Some("s"));
    assert_eq!(top.session_data[0].get("DATA-ID"), Some("d"));
    let low = media(
        "#EXTM3U\n#EXT-X-OWN:A=1\n#EXT-X-DATERANGE:ID=\"a\",CLASS=\"com.apple.hls.interstitial\",X-ASSET-URI=\"u\"\n\
         #EXT-X-DATERANGE:ID=\"b\"\n#EXTINF:4,\n1.ts\n",
    );
    assert!(low.tags().any(|tag| tag == ("-X-OWN", "A=1")));
    assert_eq!(low.interstitials().filter_map(|tag| tag.get("ID").map(str::to_owned)).collect::<Vec<_>>(), ["a"]);
}

#[test]
fn a_query_parameter_of_the_playlists_url_is_a_variable() {
    let text = "#EXTM3U\n#EXT-X-DEFINE:QUERYPARAM=\"token\"\n#EXTINF:4,\n1.ts?t={$token}\n";
    let url = Url::parse("https://cdn.example/v.m3u8?token=a%20b").unwrap();
    let Ok(Playlist::Media(playlist)) = read_from(text.as_bytes(), &Variables::new(), Some(&url)) else { panic!() };
    assert_eq!(uris(&playlist), ["1.ts?t=a b"]);
    assert!(playlist.malformed_tags.is_empty());
}

#[test]
fn a_multivariant_playlist_becomes_a_presentation() {
    let presentation = multivariant(
        "#EXTM3U\n#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI=\"skd://a\"\n\
         #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"English\",LANGUAGE=\"en\",DEFAULT=YES,CHANNELS=\"6/JOC\",URI=\"en.m3u8\"\n\
         #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"inside\"\n\
         #EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"s\",NAME=\"Signs\",FORCED=YES,URI=\"s.m3u8\"\n\
         #EXT-X-STREAM-INF:BANDWIDTH=900,RESOLUTION=640x360,FRAME-RATE=29.970,CODECS=\"avc1.4d,mp4a.40.2\",AUDIO=\"a\"\nv.m3u8\n\
         #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"i.m3u8\"\n",
    )
    .presentation();
    let sets: Vec<_> = presentation.periods[0].sets.iter().map(|set| (set.id.as_deref(), set.tracks.len())).collect();
    assert_eq!(sets, [(None, 2), (Some("a"), 2), (Some("s"), 1)]);
    let [video, audio, text] = presentation.periods[0].sets.as_slice() else { panic!() };
    let variant = &video.tracks[0];
    assert_eq!((variant.kind, variant.bandwidth, variant.resolution), (TrackKind::Video, Some(900), Some((640, 360))));
    assert_eq!(variant.frame_rate.as_deref(), Some("29.970"));
    let english = &audio.tracks[0];
    assert_eq!((english.language.as_deref(), english.is_default), (Some("en"), true));
    assert_eq!((english.channels.as_deref(), &*english.labels[0]), (Some("6/JOC"), "English"));
    assert!(matches!(audio.tracks[1].media, TrackMedia::InOtherTrack));
    assert!(text.tracks[0].is_forced);
    assert_eq!(presentation.session_keys.len(), 1);
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
    let keys = |segment: &Segment<'_>| -> Vec<&str> {
        let set = segment.key_set.into_iter().flat_map(|set| playlist.key_set(set));
        set.map(|key| key.uri.as_deref().unwrap()).collect()
    };
    let init = |segment: &Segment<'_>| segment.init.and_then(|init| playlist.inits[init].resource.reference.as_deref());
    let found: Vec<_> = playlist
        .segments()
        .map(|s| {
            let duration_us = s.duration.unwrap().in_timescale(1_000_000);
            let marks = (s.is_discontinuity, s.is_gap, s.line);
            (s.reference.clone().unwrap().into_owned(), duration_us, keys(&s), init(&s), marks)
        })
        .collect();
    let expected = [
        ("clear.m4s", 4_004_004, vec![], None, (false, false, 7)),
        ("a.m4s", 3_000_000, vec!["k1", "skd://a"], Some("i1"), (false, false, 12)),
        ("b.m4s", 500_000, vec!["k1", "skd://a"], Some("i1"), (false, true, 15)),
        ("c.m4s", 1_000_000, vec!["skd://a", "k2"], Some("i2"), (true, false, 20)),
        ("d.m4s", 1_000_000, vec![], Some("i2"), (false, false, 23)),
    ];
    assert_eq!(
        found,
        expected.map(|(name, duration, keys, init, marks)| (name.to_owned(), duration, keys, init, marks))
    );
    let mut iv = [0; 16];
    iv[15] = 0xff;
    assert_eq!((playlist.keys[0].iv, playlist.keys[2].iv), (Some(iv), None), "explicit and implied");
    assert_eq!(playlist.keys[1].format_versions.as_deref(), Some("1/2"));
    assert_eq!(playlist.inits[0].key_set, Some(0), "the key tag before an init segment encrypts it");
    assert_eq!((playlist.media_sequence, playlist.discontinuity_sequence), (7, 2));
    assert_eq!((playlist.target_duration_seconds, playlist.has_end, playlist.is_live()), (Some(4), true, false));
    assert!(media("#EXTM3U\n#EXTINF:1,\na.ts\n").is_live());
}

#[test]
fn a_track_has_the_attributes_of_its_tag() {
    let presentation = multivariant(
        "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"English, 5.1\",LANGUAGE=\"en\",DEFAULT=YES,CHANNELS=\"6\",\
         CHARACTERISTICS=\"public.accessibility.describes-video, x\",STABLE-RENDITION-ID=\"r1\",URI=\"en.m3u8\"\n\
         #EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"s\",NAME=\"f\",FORCED=YES,URI=\"f.m3u8\"\n\
         #EXT-X-STREAM-INF:BANDWIDTH=800000,CODECS=\"avc1.4d401e,mp4a.40.2\",RESOLUTION=1280x720,FRAME-RATE=23.976,\
         AUDIO=\"a\",SUBTITLES=\"s\",CLOSED-CAPTIONS=NONE,STABLE-VARIANT-ID=\"v1\"\nv.m3u8\n\
         #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"i.m3u8\"\n",
    )
    .presentation();
    let tracks: Vec<_> = presentation.periods[0].sets.iter().flat_map(|set| &set.tracks).collect();
    let [video, i_frames, audio, text] = tracks.as_slice() else { panic!("{presentation:?}") };
    assert_eq!((&*audio.labels[0], audio.language.as_deref()), ("English, 5.1", Some("en")));
    assert_eq!((audio.group.as_deref(), audio.channels.as_deref(), audio.is_default), (Some("a"), Some("6"), true));
    assert_eq!((audio.properties.len(), &*audio.id), (2, "r1"));
    assert_eq!((text.kind, text.is_forced), (TrackKind::Text, true));
    assert_eq!((video.bandwidth, video.resolution, &*video.id), (Some(800_000), Some((1280, 720)), "v1"));
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
        if let Ok(Playlist::Media(playlist)) = read(text.as_bytes(), &Variables::new()) {
            for segment in playlist.segments() {
                segment.key_set.into_iter().flat_map(|set| playlist.key_set(set)).for_each(|key| _ = playlist.iv(&segment, key));
            }
        }
    }
}
