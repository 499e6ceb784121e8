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

    fn replace(&mut self, reference: Reference<'_>) -> Option<Replacement> {
        self.seen.push((reference.kind, reference.text.to_owned()));
        self.prefix.map(|prefix| format!("{prefix}{}", reference.text).into())
    }
}

fn at(period: usize, set: usize, track: usize) -> TrackAt {
    TrackAt { period, set, track }
}

const URL: &str = "https://cdn.example/film/main?sig=1&x=2";

fn absolute(text: &str, format: MediaFormat) -> String {
    absolute_with(text, format, &mut |_| true).unwrap()
}

fn absolute_with(text: &str, format: MediaFormat, keeps: &mut dyn FnMut(TrackAt) -> bool) -> Result<String> {
    make_absolute(text.as_bytes(), format, URL, keeps).map(|bytes| String::from_utf8(bytes).unwrap())
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
        .map(|set| set.tracks.iter().map(|track| &*track.id).collect())
        .collect();
    assert_eq!((presentation.periods.len(), ids), (1, vec![vec!["hi"]]));
    assert!(rewritten.contains("EventStream"), "{rewritten}");
}

#[test]
fn dropped_periods_let_those_after_them_start_earlier() {
    let mpd = "<MPD mediaPresentationDuration='PT30.5S'><Period id='1' duration='PT10S'><AdaptationSet><Representation/></AdaptationSet></Period>\
        <Period id='2' start='PT10S' note='a>b'><AdaptationSet><Representation/></AdaptationSet></Period>\
        <Period id='3' start='PT20.5S'><AdaptationSet><Representation/></AdaptationSet></Period></MPD>";
    let mut edits = Recorder { dropped: vec![at(0, 0, 0)], ..Recorder::default() };
    let rewritten = rewrite(mpd, MediaFormat::Dash, &mut edits).unwrap();
    let times = |text: &str| -> Vec<String> {
        let presentation = crate::manifest::dash::read(text.as_bytes()).unwrap();
        let of_periods = presentation.periods.iter().flat_map(|period| [period.start, period.duration]);
        of_periods.chain([presentation.duration]).map(|time| time.unwrap().to_string()).collect()
    };
    assert_eq!(times(mpd), ["0", "10", "10", "10.5", "20.5", "10", "30.5"]);
    assert_eq!(times(&rewritten), ["0", "10.5", "10.5", "10", "20.5"]);
    assert!(rewritten.contains("note='a>b'"), "{rewritten}");
}

#[test]
fn variants_are_told_apart_by_their_resolved_references() {
    let text = "#EXTM3U\n#EXT-X-DEFINE:NAME=\"v\",VALUE=\"v1\"\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{$v}.m3u8\n\
        #EXT-X-STREAM-INF:BANDWIDTH=2\n./v1.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=3\nv2.m3u8\n";
    let kept = absolute_with(text, MediaFormat::Hls, &mut |track| track == at(0, VARIANTS, 1)).unwrap();
    let expected = "#EXTM3U\n#EXT-X-DEFINE:NAME=\"v\",VALUE=\"v1\"\n#EXT-X-STREAM-INF:BANDWIDTH=3\n\
        https://cdn.example/film/v2.m3u8\n";
    assert_eq!(kept, expected);
}

#[test]
fn a_video_rendition_that_is_not_kept_disappears_with_its_group() {
    let text = "#EXTM3U\n#EXT-X-MEDIA:TYPE=VIDEO,GROUP-ID=\"angle\",NAME=\"b\",URI=\"b.m3u8\"\n\
        #EXT-X-STREAM-INF:BANDWIDTH=2,VIDEO=\"angle\"\nv.m3u8\n";
    let mut edits = Recorder { dropped: vec![at(0, VIDEO, 0)], ..Recorder::default() };
    let rewritten = rewrite(text, MediaFormat::Hls, &mut edits).unwrap();
    assert_eq!(rewritten, "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=2\nv.m3u8\n");
}

#[test]
fn a_removed_group_takes_its_codecs_along() {
    let text = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"x\",URI=\"a.m3u8\"\n\
        #EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"s\",NAME=\"x\",URI=\"s.m3u8\"\n\
        #EXT-X-STREAM-INF:BANDWIDTH=2,CODECS=\"avc1.4d401e,ac-3,stpp.ttml.im1t\",AUDIO=\"a\",SUBTITLES=\"s\"\nv.m3u8\n\
        #EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"ac-3\",AUDIO=\"a\"\na.m3u8\n";
    let mut edits = Recorder { dropped: vec![at(0, AUDIO, 0)], ..Recorder::default() };
    let rewritten = rewrite(text, MediaFormat::Hls, &mut edits).unwrap();
    assert!(rewritten.contains("CODECS=\"avc1.4d401e,stpp.ttml.im1t\",SUBTITLES=\"s\"\n"), "{rewritten}");
    assert!(rewritten.contains("BANDWIDTH=1,CODECS=\"ac-3\"\n"), "an audio-only variant keeps its codec: {rewritten}");
}

#[test]
fn a_variable_of_the_url_is_written_with_its_value() {
    let text = "#EXTM3U\n#EXT-X-DEFINE:QUERYPARAM=\"sig\"\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"{$sig}\",NAME=\"x\",URI=\"a?{$sig}\"\n";
    let expected = "#EXTM3U\n#EXT-X-DEFINE:NAME=\"sig\",VALUE=\"1\"\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"{$sig}\",NAME=\"x\",\
        URI=\"https://cdn.example/film/a?1\"\n";
    assert_eq!(absolute(text, MediaFormat::Hls), expected);
}

#[test]
fn a_manifest_keeps_its_encoding() {
    let text = "\u{feff}<?xml version='1.0' encoding='UTF-16'?><MPD><BaseURL>\u{e4}/</BaseURL></MPD>";
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let rewritten = make_absolute(&utf16, MediaFormat::Dash, URL, &mut |_| true).unwrap();
    let expected = text.replace("\u{e4}/", "https://cdn.example/film/%C3%A4/");
    assert_eq!(rewritten, expected.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>());
}

#[test]
fn hostile_manifests_are_rewritten_soon_or_refused() {
    let begun = std::time::Instant::now();
    let groups: String =
        (0..20_000).map(|n| format!("#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"{n}\",NAME=\"x\",URI=\"a\"\n")).collect();
    let variants: String =
        (0..20_000).map(|n| format!("#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"{n}\"\nv{n}\n")).collect();
    let text = format!("#EXTM3U\n{groups}{variants}");
    let kept = absolute_with(&text, MediaFormat::Hls, &mut |track| track.set == VARIANTS).unwrap();
    assert!(!kept.contains("AUDIO"));
    let long = "x".repeat(10_000);
    let lines = ("{$a}".repeat(100) + "\n").repeat(2_000);
    let growing = format!("#EXTM3U\n#EXT-X-DEFINE:NAME=\"a\",VALUE=\"{long}\"\n{lines}");
    let error = rewrite(&growing, MediaFormat::Hls, &mut Recorder::default()).unwrap_err();
    assert_eq!(error.code(), Code::ManifestTooLarge);
    let periods = "<Period duration='PT1S'><AdaptationSet><Representation/></AdaptationSet></Period>".repeat(15_000);
    let odd =
        absolute_with(&format!("<MPD>{periods}</MPD>"), MediaFormat::Dash, &mut |track| track.period % 2 == 1).unwrap();
    assert_eq!(crate::manifest::dash::read(odd.as_bytes()).unwrap().periods.len(), 7_500);
    assert!(begun.elapsed().as_secs() < 30);
}

/// Replaces every reference by a name of its own, as a download does, and keeps everything.
#[derive(Default)]
struct Renamer(usize);

impl Edits for Renamer {
    fn keeps(&mut self, _: TrackAt) -> bool {
        true
    }

    fn replace(&mut self, _: Reference<'_>) -> Option<Replacement> {
        self.0 += 1;
        Some(format!("local-{}.bin", self.0).into())
    }
}

/// Packs everything that may have a range into one file, one after the other, a thousand bytes each.
#[derive(Default)]
struct Packer {
    seen: Vec<Option<ByteRange>>,
    is_whole: bool,
}

impl Edits for Packer {
    fn keeps(&mut self, _: TrackAt) -> bool {
        true
    }

    fn replace(&mut self, reference: Reference<'_>) -> Option<Replacement> {
        let start = 1000 * self.seen.len() as u64;
        self.seen.push(reference.range);
        let part = NewRange::Part(ByteRange { start, length: 1000 });
        let range = if self.is_whole { NewRange::Whole } else { part };
        Some(Replacement { reference: "packed".to_owned(), range })
    }
}

#[test]
fn ranges_of_a_playlist_are_told_and_replaced_in_the_form_that_every_player_reads() {
    let text = "#EXTM3U\n#EXT-X-MAP:URI=\"i.mp4\"\n#EXTINF:1,\n#EXT-X-BYTERANGE:10@5\n#EXT-X-DISCONTINUITY\n  a.mp4\r\n\
        #EXT-X-BYTERANGE:20\n#EXTINF:1,\na.mp4\n#EXT-X-MAP:URI=\"i.mp4\",BYTERANGE=\"3@4\"\n#EXTINF:1,\nb.mp4";
    let range = |start, length| Some(ByteRange { start, length });
    let mut packer = Packer::default();
    let packed = rewrite(text, MediaFormat::Hls, &mut packer).unwrap();
    assert_eq!(packer.seen, [None, range(5, 10), range(15, 20), range(4, 3), None]);
    let expected = "#EXTM3U\n#EXT-X-MAP:URI=\"packed\",BYTERANGE=\"1000@0\"\n#EXTINF:1,\n#EXT-X-DISCONTINUITY\n\
        #EXT-X-BYTERANGE:1000@1000\r\npacked\r\n#EXTINF:1,\n#EXT-X-BYTERANGE:1000@2000\npacked\n\
        #EXT-X-MAP:URI=\"packed\",BYTERANGE=\"1000@3000\"\n#EXTINF:1,\n#EXT-X-BYTERANGE:1000@4000\npacked";
    assert_eq!(packed, expected);
    let whole = rewrite(text, MediaFormat::Hls, &mut Packer { is_whole: true, ..Packer::default() }).unwrap();
    assert!(!whole.contains("BYTERANGE") && whole.contains("#EXT-X-MAP:URI=\"packed\"\n"), "{whole}");
    // Another name for each reference: what followed an earlier range gets an offset of its own.
    let renamed = rewrite(text, MediaFormat::Hls, &mut Renamer::default()).unwrap();
    assert!(renamed.contains("#EXT-X-BYTERANGE:20@15\n"), "{renamed}");
}

#[test]
fn ranges_of_an_mpd_are_told_and_replaced() {
    let text = "<MPD><Period><AdaptationSet><Representation><SegmentList><Initialization sourceURL='i.mp4' range=\"0-9\"/>\
        <SegmentURL media=\"a.mp4\" /><SegmentURL mediaRange='10-19' media='a.mp4'/></SegmentList></Representation>\
        </AdaptationSet></Period></MPD>";
    let range = |start, length| Some(ByteRange { start, length });
    let mut packer = Packer::default();
    let packed = rewrite(text, MediaFormat::Dash, &mut packer).unwrap();
    assert_eq!(packer.seen, [range(0, 10), None, range(10, 10)]);
    let expected = text
        .replace("'i.mp4' range=\"0-9\"", "'packed' range=\"0-999\"")
        .replace("media=\"a.mp4\" ", "media=\"packed\" mediaRange=\"1000-1999\" ")
        .replace("mediaRange='10-19' media='a.mp4'", "mediaRange='2000-2999' media='packed'");
    assert_eq!(packed, expected);
    let whole = rewrite(text, MediaFormat::Dash, &mut Packer { is_whole: true, ..Packer::default() }).unwrap();
    let expected = text
        .replace("'i.mp4' range=\"0-9\"", "'packed'")
        .replace("\"a.mp4\"", "\"packed\"")
        .replace(" mediaRange='10-19' media='a.mp4'", " media='packed'");
    assert_eq!(whole, expected);
}

#[test]
fn references_of_dropped_tracks_are_not_asked_for() {
    let mut edits = Recorder { dropped: vec![at(0, 0, 1)], ..Recorder::default() };
    rewrite(MPD, MediaFormat::Dash, &mut edits).unwrap();
    assert!(!edits.seen.iter().any(|(_, text)| text == "hi/"), "{:?}", edits.seen);
}

#[test]
fn an_empty_base_url_is_none() {
    assert!(
        absolute("<MPD><BaseURL/><Period/></MPD>", MediaFormat::Dash)
            .starts_with("<MPD><BaseURL>https://cdn.example/film/main?")
    );
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
    let bad = absolute_with("#EXTM3U\n#EXTINF:1,\nhttp://[\n", MediaFormat::Hls, &mut |_| true);
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
        for is_whole in [false, true] {
            let _ = rewrite(&mpd, MediaFormat::Dash, &mut Packer { is_whole, ..Packer::default() });
            let _ = rewrite(&playlist, MediaFormat::Hls, &mut Packer { is_whole, ..Packer::default() });
        }
        let mut edits = Recorder { prefix: Some("x/"), ..Recorder::default() };
        let _ = rewrite(&mpd, MediaFormat::Dash, &mut edits);
        let _ = rewrite(&playlist, MediaFormat::Hls, &mut edits);
    }

    #[test]
    fn a_localized_media_playlist_has_the_same_segments_under_other_references(
        segments in proptest::collection::vec(
            ("[a-z]{1,5}", 1_u32..100_000, proptest::option::of((1_u64..9_999, proptest::option::of(0_u64..9_999))), 0_u8..32), 1..20,
        ),
        end in proptest::sample::select(vec!["\n", "\r\n", "\r"]),
    ) {
        let mut lines = vec!["#EXTM3U".to_owned(), "#EXT-X-TARGETDURATION:100".to_owned(), "#EXT-X-OWN:a=\"b,c\"".to_owned()];
        for (name, milliseconds, range, marks) in segments {
            for (bit, tag) in [
                (1, "#EXT-X-DISCONTINUITY"),
                (2, "#EXT-X-GAP"),
                (4, "#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0x1"),
                (8, "#EXT-X-MAP:URI=\"i.mp4\",BYTERANGE=\"9@1\""),
                (16, "#EXT-X-KEY:METHOD=NONE"),
            ] {
                if marks & bit != 0 {
                    lines.push(tag.to_owned());
                }
            }
            lines.push(format!("#EXTINF:{}.{:03},", milliseconds / 1000, milliseconds % 1000));
            if let Some((length, start)) = range {
                let start = start.map(|start| format!("@{start}")).unwrap_or_default();
                lines.push(format!("#EXT-X-BYTERANGE:{length}{start}"));
            }
            lines.push(format!("{name}.m4s"));
        }
        let text = lines.join(end);
        let facts = |text: &str| {
            let read = crate::manifest::hls::read(text.as_bytes(), &crate::manifest::hls::Variables::new()).unwrap();
            let crate::manifest::hls::Playlist::Media(playlist) = read else { panic!("{text}") };
            playlist
                .segments()
                .map(|s| {
                    let keys = s.key_set.map(|set| playlist.key_set(set).count());
                    (s.range, s.duration, keys, s.init.is_some(), s.is_discontinuity, s.is_gap, s.line)
                })
                .collect::<Vec<_>>()
        };
        let localized = rewrite(&text, MediaFormat::Hls, &mut Renamer::default()).unwrap();
        proptest::prop_assert_eq!(facts(&localized), facts(&text));
        proptest::prop_assert!(!localized.contains(".m4s"));
    }

    #[test]
    fn a_localized_mpd_has_the_same_tracks_and_times_under_other_references(
        sets in proptest::collection::vec(
            proptest::collection::vec(("[a-z]{1,4}", 1_u32..9_999, 0_u8..3, 1_u64..9), 1..4), 1..4,
        ),
    ) {
        let mut text = "<MPD mediaPresentationDuration='PT40S'><BaseURL>base/</BaseURL><Period>".to_owned();
        for set in sets {
            text += "<AdaptationSet lang='en'><!-- kept -->";
            for (id, bandwidth, addressing, duration) in set {
                let inside = match addressing {
                    0 => format!("<SegmentTemplate media='$Number$.m4s' initialization='i.mp4' duration='{duration}'/>"),
                    1 => format!("<SegmentList duration='{duration}'><Initialization sourceURL='i.mp4' range='0-9'/>\
                        <SegmentURL media='a.m4s' mediaRange='10-{bandwidth}'/><SegmentURL media='b.m4s'/></SegmentList>"),
                    _ => "<BaseURL>one.mp4</BaseURL><SegmentBase indexRange='10-20'/>".to_owned(),
                };
                text += &format!("<Representation id='{id}' bandwidth='{bandwidth}'>{inside}</Representation>");
            }
            text += "</AdaptationSet>";
        }
        text += "</Period></MPD>";
        let facts = |text: &str| {
            let presentation = crate::manifest::dash::read(text.as_bytes()).unwrap();
            let tracks = presentation.periods.into_iter().flat_map(|period| period.sets).flat_map(|set| set.tracks);
            tracks
                .map(|track| {
                    let crate::manifest::presentation::TrackMedia::Segments(addressing) = &track.media else { panic!() };
                    let segments: Vec<_> = addressing
                        .segments()
                        .map(|segment| (segment.range, segment.start, segment.duration, segment.reference.is_some()))
                        .collect();
                    let init = addressing.init().map(|init| (init.reference.is_some(), init.range));
                    (track.id, track.bandwidth, track.language, init, addressing.index().map(|index| index.range), segments)
                })
                .collect::<Vec<_>>()
        };
        let localized = rewrite(&text, MediaFormat::Dash, &mut Renamer::default()).unwrap();
        proptest::prop_assert_eq!(facts(&localized), facts(&text));
        proptest::prop_assert!(!localized.contains(".m4s") && !localized.contains("one.mp4") && !localized.contains("base/"));
    }
}
