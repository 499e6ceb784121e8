use super::*;

/// Keeps everything, and records or replaces references.
#[derive(Default)]
struct Recorder {
    seen: Vec<(ReferenceKind, String)>,
    tracks: Vec<TrackAt>,
    dropped: Vec<TrackAt>,
    prefix: Option<&'static str>,
}

impl Edits for Recorder {
    fn keeps(&mut self, track: TrackAt) -> bool {
        self.tracks.push(track);
        !self.dropped.contains(&track)
    }

    fn replace(&mut self, reference: Reference<'_>) -> Option<String> {
        self.seen.push((reference.kind, reference.text.to_owned()));
        self.prefix.map(|prefix| format!("{prefix}{}", reference.text))
    }
}

fn at(period: usize, set: usize, track: usize) -> TrackAt {
    TrackAt { period, set, track }
}

const URL: &str = "https://cdn.example/film/main?sig=1&x=2";

fn absolute(text: &str, format: MediaFormat) -> String {
    make_absolute(text, format, URL, &mut |_| true).unwrap()
}

const MULTIVARIANT: &str = "\u{feff}#EXTM3U\r\n\
    #EXT-X-VERSION:6\r\n\
    #EXT-X-UNKNOWN:A=\"x, y\",URI2=\"keep\"\r\n\
    # a comment\r\n\
    #EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI=\"skd://key\",KEYFORMAT=\"com.apple.streamingkeydelivery\"\r\n\
    #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"En, glish\",URI=\"audio/en.m3u8?t=1\",LANGUAGE=\"en\"\r\n\
    #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"b\",NAME=\"De\",URI=\"audio/de.m3u8\"\r\n\
    #EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"s\",NAME=\"En\",URI=\"/subs.m3u8\"\r\n\
    #EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"c\",NAME=\"x\",INSTREAM-ID=\"CC1\"\r\n\
    \r\n\
    #EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"a\",SUBTITLES=\"s\"\r\n\
    v1.m3u8\r\n\
    #EXT-X-STREAM-INF:AUDIO=\"b\",BANDWIDTH=2,SUBTITLES=\"s\"\r\n\
    //other.example/v2.m3u8\r\n\
    #EXT-X-STREAM-INF:BANDWIDTH=3,AUDIO=\"b\"\r\n\
    v1.m3u8\r\n\
    #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"i.m3u8\"";

const MPD: &str = r#"<?xml version="1.0"?>
<!-- a comment -->
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" xmlns:xlink="x" mediaPresentationDuration='PT1M' unknown="&quot;">
  <BaseURL serviceLocation="a">video/?a=1&amp;b=2</BaseURL><BaseURL><![CDATA[mirror/]]></BaseURL>
  <Period id="1">
    <AdaptationSet id="v"><SegmentTemplate media="$Number$.m4s?x=1&amp;y" initialization='i.mp4'/>
      <Representation id="lo"/><Representation id="hi"><BaseURL>hi/</BaseURL></Representation>
    </AdaptationSet>
    <AdaptationSet id="a"><Representation id="en"/></AdaptationSet>
    <EventStream schemeIdUri="x"><Event/></EventStream>
  </Period>
  <Period id="2" xlink:href="https://host/p"><AdaptationSet><Representation id="ad"/></AdaptationSet></Period>
</MPD>
"#;

#[test]
fn without_an_edit_the_text_is_the_same_byte_by_byte() {
    for (text, format) in [(MULTIVARIANT, MediaFormat::Hls), (MPD, MediaFormat::Dash)] {
        assert_eq!(rewrite(text, format, &mut Recorder::default()).unwrap(), text);
    }
    let cr = "#EXTM3U\r#EXTINF:1,\ra.ts\r";
    assert_eq!(rewrite(cr, MediaFormat::Hls, &mut Recorder::default()).unwrap(), cr);
}

#[test]
fn every_reference_of_a_playlist_is_seen_and_replaced_in_its_place() {
    let text = "#EXTM3U\n#EXT-X-DEFINE:NAME=\"d\",VALUE=\"dir\"\n#EXT-X-KEY:METHOD=AES-128,URI=\"k.key\",IV=0x1\n\
        #EXT-X-MAP:BYTERANGE=\"1@2\",URI=\"i.mp4\"\n#EXTINF:4, a \"title\"\n#EXT-X-BYTERANGE:5@6\n  {$d}/1.m4s  \n\
        #EXT-X-PART:DURATION=1,URI=\"p.mp4\"\n#EXT-X-DATERANGE:ID=\"x\",X-ASSET-URI=\"ad.m3u8\"\n";
    let mut edits = Recorder { prefix: Some("n/"), ..Recorder::default() };
    let rewritten = rewrite(text, MediaFormat::Hls, &mut edits).unwrap();
    let kinds: Vec<_> = edits.seen.iter().map(|(kind, text)| (*kind, text.as_str())).collect();
    assert_eq!(
        kinds,
        [
            (ReferenceKind::Key, "k.key"),
            (ReferenceKind::Init, "i.mp4"),
            (ReferenceKind::Segment, "dir/1.m4s"),
            (ReferenceKind::Segment, "p.mp4"),
            (ReferenceKind::Other, "ad.m3u8"),
        ]
    );
    let expected = text
        .replace("\"k.key\"", "\"n/k.key\"")
        .replace("\"i.mp4\"", "\"n/i.mp4\"")
        .replace("{$d}/1.m4s", "n/dir/1.m4s")
        .replace("\"p.mp4\"", "\"n/p.mp4\"")
        .replace("\"ad.m3u8\"", "\"n/ad.m3u8\"");
    assert_eq!(rewritten, expected);
}

#[test]
fn every_reference_of_an_mpd_is_seen_and_replaced_in_its_place() {
    let mut edits = Recorder { prefix: Some("<&\""), ..Recorder::default() };
    let rewritten = rewrite(MPD, MediaFormat::Dash, &mut edits).unwrap();
    let top = ReferenceKind::Base { is_top: true };
    let seen: Vec<_> = edits.seen.iter().map(|(kind, text)| (*kind, text.as_str())).collect();
    assert_eq!(
        seen,
        [
            (top, "video/?a=1&b=2"),
            (top, "mirror/"),
            (ReferenceKind::Segment, "$Number$.m4s?x=1&y"),
            (ReferenceKind::Init, "i.mp4"),
            (ReferenceKind::Base { is_top: false }, "hi/"),
            (ReferenceKind::Other, "https://host/p"),
        ]
    );
    assert!(
        rewritten.contains("<BaseURL serviceLocation=\"a\">&lt;&amp;&quot;video/?a=1&amp;b=2</BaseURL>"),
        "{rewritten}"
    );
    assert!(rewritten.contains("media=\"&lt;&amp;&quot;$Number$.m4s?x=1&amp;y\""), "{rewritten}");
    let tracks = [at(0, 0, 0), at(0, 0, 1), at(0, 1, 0), at(1, 0, 0)];
    assert_eq!(edits.tracks, tracks);
    crate::manifest::dash::read(rewritten.as_bytes()).unwrap();
}

#[test]
fn an_absolute_playlist_has_no_relative_reference_and_the_same_lines() {
    let rewritten = absolute(MULTIVARIANT, MediaFormat::Hls);
    assert!(rewritten.contains("URI=\"https://cdn.example/film/audio/en.m3u8?t=1\",LANGUAGE"), "{rewritten}");
    assert!(rewritten.contains("\r\nhttps://cdn.example/film/v1.m3u8\r\n"), "{rewritten}");
    assert!(rewritten.contains("\r\nhttps://other.example/v2.m3u8\r\n"), "{rewritten}");
    assert!(rewritten.contains("URI=\"https://cdn.example/subs.m3u8\""), "{rewritten}");
    assert!(rewritten.contains("URI=\"skd://key\"") && rewritten.contains("URI2=\"keep\""), "{rewritten}");
    assert_eq!(rewritten.lines().count(), MULTIVARIANT.lines().count());
}

#[test]
fn an_absolute_mpd_has_an_absolute_base_and_nothing_else_changed() {
    let rewritten = absolute(MPD, MediaFormat::Dash);
    let expected = MPD
        .replace("video/?a=1&amp;b=2", "https://cdn.example/film/video/?a=1&amp;b=2")
        .replace("<![CDATA[mirror/]]>", "https://cdn.example/film/mirror/");
    assert_eq!(rewritten, expected);
    let bare = "<MPD><Period><BaseURL>x/</BaseURL></Period></MPD>";
    assert_eq!(
        absolute(bare, MediaFormat::Dash),
        "<MPD><BaseURL>https://cdn.example/film/main?sig=1&amp;x=2</BaseURL><Period><BaseURL>x/</BaseURL></Period></MPD>"
    );
}

#[test]
fn dropped_tracks_of_a_playlist_leave_no_line_and_no_empty_group() {
    let dropped = vec![at(0, VARIANTS, 1), at(0, VARIANTS, 2), at(0, AUDIO, 1), at(0, SUBTITLES, 0)];
    let mut edits = Recorder { dropped, ..Recorder::default() };
    let rewritten = rewrite(MULTIVARIANT, MediaFormat::Hls, &mut edits).unwrap();
    for gone in ["v2.m3u8", "i.m3u8", "de.m3u8", "subs.m3u8", "SUBTITLES=\"s\"", "AUDIO=\"b\""] {
        assert!(!rewritten.contains(gone), "{gone}: {rewritten}");
    }
    assert!(rewritten.contains("#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"a\"\r\nv1.m3u8\r\n"), "{rewritten}");
    assert!(
        rewritten.contains("#EXT-X-STREAM-INF:BANDWIDTH=3\r\nv1.m3u8\r\n"),
        "a variant with the same URI: {rewritten}"
    );
    assert!(rewritten.contains("CLOSED-CAPTIONS"), "it is inside the variants: {rewritten}");
}

#[test]
fn a_group_at_the_head_of_a_tag_is_removed_with_its_comma() {
    let text = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"b\",NAME=\"x\",URI=\"b.m3u8\"\n\
        #EXT-X-STREAM-INF:AUDIO=\"b\",BANDWIDTH=2\nv.m3u8\n";
    let mut edits = Recorder { dropped: vec![at(0, AUDIO, 0)], ..Recorder::default() };
    let rewritten = rewrite(text, MediaFormat::Hls, &mut edits).unwrap();
    assert_eq!(rewritten, "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=2\nv.m3u8\n");
}

#[test]
fn dropped_tracks_of_an_mpd_take_their_empty_set_and_period_along() {
    let mut edits = Recorder { dropped: vec![at(0, 0, 0), at(0, 1, 0), at(1, 0, 0)], ..Recorder::default() };
    let rewritten = rewrite(MPD, MediaFormat::Dash, &mut edits).unwrap();
    let presentation = crate::manifest::dash::read(rewritten.as_bytes()).unwrap();
    let ids: Vec<Vec<&str>> = presentation
        .periods
        .iter()
        .flat_map(|period| &period.sets)
        .map(|set| set.tracks.iter().map(|track| track.id.as_str()).collect())
        .collect();
    assert_eq!((presentation.periods.len(), ids), (1, vec![vec!["hi"]]));
    assert!(rewritten.contains("EventStream"), "{rewritten}");
}

#[test]
fn a_text_that_is_no_manifest_is_refused() {
    for (text, format) in [
        ("", MediaFormat::Hls),
        ("<MPD/>", MediaFormat::Hls),
        ("#EXTM3U", MediaFormat::Dash),
        ("<MPD>", MediaFormat::Dash),
        ("<MPD></Period>", MediaFormat::Dash),
        ("<!DOCTYPE MPD []><MPD/>", MediaFormat::Dash),
        ("<Other/>", MediaFormat::Dash),
    ] {
        let error = rewrite(text, format, &mut Recorder::default()).unwrap_err();
        assert_eq!(error.code(), Code::ManifestInvalid, "{text}");
    }
    let mp4 = rewrite("", MediaFormat::Mp4, &mut Recorder::default()).unwrap_err();
    assert_eq!(mp4.code(), Code::FormatUnsupported);
    let bad = make_absolute("#EXTM3U\n#EXTINF:1,\nhttp://[\n", MediaFormat::Hls, URL, &mut |_| true);
    assert_eq!(bad.unwrap_err().code(), Code::UrlInvalid);
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_rewriter_panic_and_an_identity_changes_nothing(
        lines in proptest::collection::vec("(#EXT(INF|-X-(KEY|MAP|MEDIA|STREAM-INF|DEFINE)):)?[A-Z=,\"0-9@. {$}a-c-]{0,40}", 0..12),
        elements in proptest::collection::vec("</?(Period|AdaptationSet|Representation|BaseURL|SegmentTemplate)( (media|id|initialization)=[\"'][a-c&;<]{0,5}[\"'])?/?>|[a-c&;]{0,4}", 0..12),
    ) {
        let playlist = format!("#EXTM3U\n{}", lines.join("\n"));
        if let Ok(same) = rewrite(&playlist, MediaFormat::Hls, &mut Recorder::default()) {
            proptest::prop_assert_eq!(&same, &playlist);
        }
        let mpd = format!("<MPD>{}</MPD>", elements.concat());
        if let Ok(same) = rewrite(&mpd, MediaFormat::Dash, &mut Recorder::default()) {
            proptest::prop_assert_eq!(&same, &mpd);
        }
        let mut edits = Recorder { prefix: Some("x/"), ..Recorder::default() };
        let _ = rewrite(&mpd, MediaFormat::Dash, &mut edits);
        let _ = rewrite(&playlist, MediaFormat::Hls, &mut edits);
    }
}
