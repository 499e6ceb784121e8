use super::*;
use crate::error::Code;
use crate::manifest::presentation::ByteRange;
use crate::manifest::resolve::{Part, Target};
use crate::model::{DrmScheme, KeyId};

fn mpd(inside: &str) -> String {
    format!(r#"<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" mediaPresentationDuration="PT1M">{inside}</MPD>"#)
}

fn read_text(text: &str) -> Result<Presentation> {
    read(text.as_bytes())
}

/// The first Representation of a document.
fn first(text: &str) -> Track {
    read_text(text).unwrap().periods.remove(0).sets.remove(0).tracks.remove(0)
}

fn addressing(track: &Track) -> &SegmentAddressing {
    match &track.media {
        TrackMedia::Segments(addressing) => addressing,
        other => panic!("{other:?}"),
    }
}

/// Resolves a reference of a track in the folder of its manifest.
fn part(track: &Track, reference: Option<&str>, range: Option<ByteRange>) -> Part {
    let manifest = Target::in_folder("main.mpd");
    let (base, name) = addressing(track).bases.resolve(&manifest);
    Part::new(&base, name, reference, range)
}

fn path(part: &Part) -> String {
    match &part.target {
        Target::File(path) => path.to_string(),
        other => format!("{other:?}"),
    }
}

/// Init segment and first three segments of a document's first Representation.
fn files(text: &str) -> (Option<String>, Vec<String>) {
    let track = first(text);
    let shown = |reference: Option<&str>, range| {
        let part = part(&track, reference, range);
        match &part.range {
            Some(range) => format!("{} {range:?}", path(&part)),
            None => path(&part),
        }
    };
    let addressing = addressing(&track);
    let init = addressing.init().map(|init| shown(init.reference.as_deref(), init.range));
    (init, addressing.segments().take(3).map(|segment| shown(segment.reference.as_deref(), segment.range)).collect())
}

/// The references of all segments.
fn references(track: &Track) -> Vec<String> {
    addressing(track).segments().filter_map(|segment| segment.reference.map(|text| text.into_owned())).collect()
}

#[test]
fn descriptors_are_read_under_any_prefix_and_at_any_level() {
    let document = mpd(
        r#"<ContentProtection schemeIdUri="urn:mpeg:dash:mp4protection:2011" x:default_KID="01010101-0101-0101-0101-010101010101"/>
        <Period><ContentProtection schemeIdUri="urn:uuid:E2719D58-A985-B3C9-781A-B030AF78D30E"><dashif:Laurl>https://l/?a&amp;b</dashif:Laurl></ContentProtection>
        <AdaptationSet>
          <Representation id="r"><ContentProtection schemeIdUri="urn:uuid:9a04f079-9840-4286-ab92-e65be0885f95"><m:pro>AQID</m:pro></ContentProtection>
            <SubRepresentation><ContentProtection schemeIdUri="x"/></SubRepresentation></Representation>
          <ContentProtection c:default_KID="02020202-0202-0202-0202-020202020202 03030303030303030303030303030303" schemeIdUri="urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed" xmlns:c="urn:mpeg:cenc:2013">
            <c:pssh> AQ
              ID </c:pssh><pssh><![CDATA[BAUG]]></pssh><ms:laurl licenseUrl="https://m/"/><c:other>AQID</c:other></ContentProtection>
        </AdaptationSet></Period>"#,
    );
    let mut found = read_text(&document).unwrap();
    assert_eq!(found.protection[0].key_ids, [KeyId([1; 16])]);
    let period = found.periods.remove(0);
    assert_eq!(period.protection[0].scheme, Some(DrmScheme::ClearKey));
    assert_eq!(period.protection[0].license_urls, ["https://l/?a&b"]);
    let set = &period.sets[0];
    assert_eq!(set.protection[0].key_ids, [KeyId([2; 16]), KeyId([3; 16])]);
    assert_eq!(set.protection[0].boxes.iter().map(|b| b.to_vec()).collect::<Vec<_>>(), [[1, 2, 3], [4, 5, 6]]);
    assert_eq!(set.protection[0].license_urls, ["https://m/"]);
    let own = &set.tracks[0].protection;
    assert_eq!(own[0].playready_object.as_deref(), Some(&[1, 2, 3][..]));
    assert_eq!(own[1].scheme_id, "x");
}

#[test]
fn a_descriptor_may_refer_to_another() {
    let document = mpd(
        r#"<Period><AdaptationSet><ContentProtection ref="a" schemeIdUri="urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed"/><Representation/></AdaptationSet>
        <AdaptationSet><ContentProtection refId="a" default_KID="01010101-0101-0101-0101-010101010101"><pssh>AQID</pssh></ContentProtection></AdaptationSet></Period>"#,
    );
    let found = read_text(&document).unwrap();
    let referring = &found.periods[0].sets[0].protection[0];
    assert_eq!((referring.boxes.len(), referring.key_ids.as_slice()), (1, &[KeyId([1; 16])][..]));
}

#[test]
fn kinds_come_from_content_type_mime_type_or_codecs() {
    let kind = |attributes: &str| {
        first(&mpd(&format!("<Period><AdaptationSet {attributes}><Representation/></AdaptationSet></Period>"))).kind
    };
    assert_eq!(kind("contentType='video'"), TrackKind::Video);
    assert_eq!(kind("mimeType='audio/mp4'"), TrackKind::Audio);
    assert_eq!(kind("mimeType='application/mp4' codecs='stpp.ttml'"), TrackKind::Text);
    assert_eq!(kind("mimeType='image/jpeg'"), TrackKind::Other);
    assert_eq!(kind(""), TrackKind::Other);
    let component =
        mpd("<Period><AdaptationSet><ContentComponent contentType='audio'/><Representation/></AdaptationSet></Period>");
    assert_eq!(first(&component).kind, TrackKind::Audio);
}

#[test]
fn templates_are_inherited_and_filled() {
    let document = mpd(r#"<BaseURL>root/</BaseURL><Period><SegmentTemplate timescale="10" startNumber="5"/>
        <AdaptationSet><SegmentTemplate initialization="$RepresentationID$/$Bandwidth$.mp4" duration="40"/>
        <Representation id="v&amp;1" bandwidth="900"><BaseURL>video/</BaseURL><SegmentTemplate media="$Number%05d$-$$.m4s"/></Representation></AdaptationSet></Period>"#);
    let (init, segments) = files(&document);
    assert_eq!(init.as_deref(), Some("root/video/v&1/900.mp4"));
    assert_eq!(segments, ["root/video/00005-$.m4s", "root/video/00006-$.m4s", "root/video/00007-$.m4s"]);
    assert_eq!(references(&first(&document)).len(), 15);
}

#[test]
fn timelines_give_times_with_repeats_gaps_and_open_ends() {
    let timeline = |runs: &str, media: &str| {
        let document = mpd(&format!(
            r#"<Period duration="PT10S"><AdaptationSet><Representation><SegmentTemplate media="{media}" timescale="2"><SegmentTimeline>{runs}</SegmentTimeline></SegmentTemplate></Representation></AdaptationSet></Period>"#
        ));
        references(&first(&document))
    };
    assert_eq!(timeline(r#"<S t="3" d="4" r="1"/><S d="1"/><S t="20" d="2"/>"#, "$Time$"), ["3", "7", "11", "20"]);
    assert_eq!(timeline(r#"<S d="4" r="-1"/>"#, "$Number$-$Time$"), ["1-0", "2-4", "3-8", "4-12", "5-16"]);
    assert_eq!(timeline(r#"<S t="1" d="4" r="-1"/><S t="9" d="1"/>"#, "$Time$"), ["1", "5", "9"]);
    assert_eq!(timeline(r#"<S t="18446744073709551615" d="9" r="5"/>"#, "$Time$"), ["18446744073709551615"]);
    assert_eq!(timeline("", "$Time$"), Vec::<String>::new());
}

#[test]
fn lists_single_files_and_ranges_are_found() {
    let document = |inside: &str| {
        mpd(&format!("<Period><AdaptationSet><Representation>{inside}</Representation></AdaptationSet></Period>"))
    };
    let list = r#"<BaseURL>v.mp4</BaseURL><SegmentList><Initialization range="0-99"/><SegmentURL mediaRange="100-199"/><SegmentURL media="w.mp4"/></SegmentList>"#;
    assert_eq!(
        files(&document(list)),
        (Some("v.mp4 0..100".to_owned()), vec!["v.mp4 100..200".to_owned(), "w.mp4".to_owned()])
    );
    let base = r#"<SegmentBase indexRange="100-199"><Initialization sourceURL="i.mp4"/></SegmentBase><BaseURL>v.mp4</BaseURL>"#;
    assert_eq!(files(&document(base)), (Some("i.mp4".to_owned()), vec!["v.mp4".to_owned()]));
    assert_eq!(files(&document("<BaseURL>v.mp4</BaseURL>")), (Some("v.mp4".to_owned()), vec!["v.mp4".to_owned()]));
    assert_eq!(files(&document("")), (None, vec![]));
    let template = r#"<SegmentTemplate media="$Number$" endNumber="2"/>"#;
    assert_eq!(files(&document(template)), (None, vec!["1".to_owned(), "2".to_owned()]));
    assert_eq!(files(&document(r#"<SegmentTemplate media="only.mp4"/>"#)).1, ["only.mp4"]);
}

#[test]
fn the_first_base_that_is_not_on_a_server_is_taken() {
    let document =
        mpd(r#"<BaseURL>https://cdn/</BaseURL><Period><BaseURL>https://b/</BaseURL><BaseURL>local/</BaseURL>
        <AdaptationSet><Representation><BaseURL>v.mp4</BaseURL></Representation></AdaptationSet></Period>"#);
    assert_eq!(files(&document).0.as_deref(), Some("Remote(\"https://b/v.mp4\")"));
    let mirrors = mpd(r#"<BaseURL>https://cdn/</BaseURL><BaseURL>local/</BaseURL><Period>
        <AdaptationSet><Representation><BaseURL>v.mp4</BaseURL></Representation></AdaptationSet></Period>"#);
    assert_eq!(files(&mirrors).0.as_deref(), Some("local/v.mp4"));
}

#[test]
fn bytes_that_are_no_mpd_are_refused() {
    let laughs = r#"<!DOCTYPE MPD [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><MPD><Period id="&b;"/></MPD>"#;
    let deep = mpd(&"<x>".repeat(100));
    for (text, code) in [
        ("", Code::ManifestInvalid),
        ("<html></html>", Code::ManifestInvalid),
        ("<MPD>", Code::ManifestInvalid),
        ("<MPD></Period>", Code::ManifestInvalid),
        ("<MPD></MPD><MPD></MPD>", Code::ManifestInvalid),
        ("<MPD a=b/>", Code::ManifestInvalid),
        (laughs, Code::ManifestInvalid),
        ("<MPD><BaseURL>&unknown;</BaseURL></MPD>", Code::ManifestInvalid),
        (r#"<MPD><Period id="&unknown;"/></MPD>"#, Code::ManifestInvalid),
        (&deep, Code::ManifestTooLarge),
        (&mpd(&"<Period/>".repeat(70_000)), Code::ManifestTooLarge),
        (
            &mpd(&format!(
                "<Period><AdaptationSet>{}</AdaptationSet></Period>",
                "<ContentProtection/>".repeat(300_001)
            )),
            Code::ManifestTooLarge,
        ),
    ] {
        assert_eq!(read_text(text).unwrap_err().code(), code, "{}", text.chars().take(60).collect::<String>());
    }
    assert!(read_text("<MPD/>").unwrap().periods.is_empty());
}

#[test]
fn references_that_replace_elements_are_listed() {
    let document = r#"<MPD xmlns:xlink="x"><Period xlink:href="https://host/p.xml?t=1"/><Period xlink:href="urn:mpeg:dash:resolve-to-zero:2013"/></MPD>"#;
    assert_eq!(read_text(document).unwrap().linked, ["https://host/p.xml"]);
}

#[test]
fn debug_shows_no_query_and_no_box() {
    let document = mpd(
        r#"<BaseURL>a/?secret</BaseURL><Period><AdaptationSet><ContentProtection schemeIdUri="x"><pssh>AQID</pssh><Laurl>https://l/?secret</Laurl></ContentProtection>
        <Representation id="r"><SegmentTemplate initialization="i.mp4?secret" media="$Number$.m4s?secret"/></Representation></AdaptationSet></Period>"#,
    );
    let read = read_text(&document).unwrap();
    let track = first(&document);
    let init = addressing(&track).init();
    let part = init.as_ref().map(|init| part(&track, init.reference.as_deref(), init.range));
    let segment = addressing(&track).segments().next();
    let shown = format!("{read:?} {init:?} {part:?} {segment:?}");
    assert!(shown.contains("\"r\"") && shown.contains("i.mp4") && !shown.contains("secret"), "{shown}");
}

#[test]
fn utf_16_is_read_by_its_byte_order_mark() {
    let text = format!("\u{feff}<?xml version='1.0' encoding='UTF-16'?>{}", mpd("<Period/>"));
    let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(read(&bytes).unwrap().periods.len(), 1);
}

#[test]
fn the_same_manifest_resolves_against_a_url() {
    let document = mpd(r#"<BaseURL>v1/</BaseURL><Period><AdaptationSet><Representation id="a"><BaseURL>a/</BaseURL>
        <SegmentTemplate initialization="i.mp4" media="$Number$.m4s?t=1" endNumber="2"/></Representation></AdaptationSet></Period>"#);
    let track = first(&document);
    let manifest = Target::at_url(url::Url::parse("https://cdn.example/film/main.mpd?sig=1").unwrap());
    let addressing = addressing(&track);
    let (base, name) = addressing.bases.resolve(&manifest);
    let url = |reference: Option<&str>| match Part::new(&base, name, reference, None).target {
        Target::Remote(Some(url)) => url.to_string(),
        other => panic!("{other:?}"),
    };
    let init = addressing.init().unwrap();
    assert_eq!(url(init.reference.as_deref()), "https://cdn.example/film/v1/a/i.mp4");
    let segments: Vec<_> = addressing.segments().map(|segment| url(segment.reference.as_deref())).collect();
    assert_eq!(segments, ["https://cdn.example/film/v1/a/1.m4s?t=1", "https://cdn.example/film/v1/a/2.m4s?t=1"]);
}

#[test]
fn a_track_has_the_attributes_of_its_levels() {
    let document = mpd(
        r#"<Period id="p"><AdaptationSet id="7" lang="de" contentType="video" frameRate="25" width="640" height="360">
        <Label>Deutsch</Label><Role schemeIdUri="urn:mpeg:dash:role:2011" value="main"/>
        <AudioChannelConfiguration schemeIdUri="x" value="6"/>
        <EssentialProperty schemeIdUri="http://dashif.org/guidelines/trickmode" value="1"/>
        <Representation id="r" bandwidth="900" codecs="avc1" width="1280" height="720"/><Representation id="s" lang="en"/></AdaptationSet></Period>"#,
    );
    let presentation = read_text(&document).unwrap();
    let set = &presentation.periods[0].sets[0];
    assert_eq!((presentation.periods[0].id.as_deref(), set.id.as_deref()), (Some("p"), Some("7")));
    let [r, s] = set.tracks.as_slice() else { panic!("{set:?}") };
    assert_eq!((&*r.id, r.bandwidth, r.codecs.as_deref()), ("r", Some(900), Some("avc1")));
    assert_eq!((r.resolution, s.resolution), (Some((1280, 720)), Some((640, 360))));
    assert_eq!((r.language.as_deref(), s.language.as_deref()), (Some("de"), Some("en")));
    assert_eq!((&*set.labels[0], r.frame_rate.as_deref(), r.channels.as_deref()), ("Deutsch", Some("25"), Some("6")));
    let roles: Vec<_> = set.properties_of(r, PropertyKind::Role).map(|role| &*role.value).collect();
    assert_eq!((roles.as_slice(), r.is_default, r.is_trick_play), (&["main"][..], true, true));
    assert!(!presentation.is_live && read_text("<MPD type='dynamic'/>").unwrap().is_live);
}

#[test]
fn tracks_have_the_attributes_of_their_set_and_their_own() {
    let document = mpd(
        r#"<Period id="p1" start="PT2S"><AdaptationSet id="7" lang="en" mimeType="VIDEO/mp4" codecs="avc1" width="1" frameRate="25">
        <Label>Main &amp; only</Label><Role schemeIdUri="urn:mpeg:dash:role:2011" value="main"/><Accessibility schemeIdUri="a" value="1"/>
        <AudioChannelConfiguration schemeIdUri="c" value="6"/>
        <Representation id="r" bandwidth="900" width="640" height="360" dependencyId="q"><EssentialProperty schemeIdUri="e" value="2"/>
        <SupplementalProperty schemeIdUri="s"/></Representation></AdaptationSet></Period>"#,
    );
    let presentation = read_text(&document).unwrap();
    let period = &presentation.periods[0];
    assert_eq!((period.id.as_deref(), period.start.unwrap().to_string()), (Some("p1"), "2".to_owned()));
    assert_eq!(period.duration.unwrap().to_string(), "58");
    let set = &period.sets[0];
    assert_eq!((set.id.as_deref(), &*set.labels[0]), (Some("7"), "Main & only"));
    let track = &set.tracks[0];
    assert_eq!((&*track.id, track.language.as_deref(), &*track.mime), ("r", Some("en"), "video/mp4"));
    assert_eq!((track.resolution, track.bandwidth), (Some((640, 360)), Some(900)));
    assert_eq!((track.frame_rate.as_deref(), track.channels.as_deref()), (Some("25"), Some("6")));
    assert_eq!((track.depends_on.as_deref(), track.is_default), (Some("q"), true));
    let values = |kind| set.properties_of(track, kind).map(|property| &*property.value).collect::<Vec<_>>();
    assert_eq!([values(PropertyKind::Role), values(PropertyKind::Accessibility)], [["main"], ["1"]]);
    assert_eq!([values(PropertyKind::Essential), values(PropertyKind::Supplemental)], [["2"], [""]]);
    let text = &document[track.span.clone()];
    assert!(text.starts_with("<Representation id=\"r\"") && text.ends_with("</Representation>"), "{text}");
}

#[test]
fn segments_have_exact_times_in_their_timescale() {
    let document = mpd(r#"<Period duration="PT10S"><AdaptationSet><Representation id="r">
        <SegmentTemplate media="$Time$" timescale="10000000" presentationTimeOffset="16000000000000001" startNumber="7">
        <SegmentTimeline><S t="16000000000000001" d="40000000" r="-1"/></SegmentTimeline></SegmentTemplate></Representation></AdaptationSet></Period>"#);
    let track = first(&document);
    let addressing = addressing(&track);
    assert_eq!((addressing.timescale(), addressing.presentation_time_offset()), (10_000_000, 16_000_000_000_000_001));
    let found: Vec<_> = addressing
        .segments()
        .map(|segment| (segment.sequence, segment.start.unwrap().ticks, segment.duration.unwrap().ticks))
        .collect();
    let start = 16_000_000_000_000_001;
    assert_eq!(
        found,
        [(7, start, 40_000_000), (8, start + 40_000_000, 40_000_000), (9, start + 80_000_000, 40_000_000)]
    );
}

#[test]
fn an_index_is_a_range_of_the_file_or_a_resource_of_its_own() {
    let index = |inside: &str| {
        let document = mpd(&format!(
            "<Period><AdaptationSet><Representation><BaseURL>v.mp4</BaseURL>{inside}</Representation></AdaptationSet></Period>"
        ));
        addressing(&first(&document)).index().map(|index| (index.reference.map(|text| text.to_string()), index.range))
    };
    let range = Some(ByteRange { start: 100, length: 100 });
    assert_eq!(index(r#"<SegmentBase indexRange="100-199"/>"#), Some((None, range)));
    let own = r#"<SegmentBase><RepresentationIndex sourceURL="v.idx" range="100-199"/></SegmentBase>"#;
    assert_eq!(index(own), Some((Some("v.idx".to_owned()), range)));
    assert_eq!(index(""), None);
}

#[test]
fn a_period_starts_where_the_one_before_it_ends() {
    let document = mpd(r#"<Period duration="PT10S"/><Period duration="PT20.5S"/><Period/>"#);
    let times: Vec<_> = read_text(&document)
        .unwrap()
        .periods
        .iter()
        .map(|period| (period.start.unwrap().to_string(), period.duration.unwrap().to_string()))
        .collect();
    let expected =
        [("0", "10"), ("10", "20.5"), ("30.5", "29.5")].map(|(start, length)| (start.to_owned(), length.to_owned()));
    assert_eq!(times, expected);
}

#[test]
fn a_deep_base_path_is_shared_by_all_representations() {
    let base = "a/".repeat(2_000);
    let representations = "<Representation id='a'/>".repeat(20_000);
    let document = mpd(&format!(
        "<BaseURL>{base}</BaseURL><Period><BaseURL>{base}</BaseURL><AdaptationSet>{representations}</AdaptationSet></Period>"
    ));
    let found = read_text(&document).unwrap();
    let addressings: Vec<_> = found.periods[0].sets[0].tracks.iter().map(addressing).collect();
    let text = |addressing: &SegmentAddressing| addressing.bases.alternatives()[0].as_ptr();
    assert!(addressings.windows(2).all(|pair| text(pair[0]) == text(pair[1])));
}

#[test]
fn twenty_thousand_representations_share_what_their_set_says() {
    let mut inside =
        format!("<Period><AdaptationSet><ContentProtection><pssh>{}</pssh></ContentProtection>", "AAAA".repeat(50_000));
    inside += "<SegmentTemplate media='$Number$.m4s'><SegmentTimeline>";
    inside += &"<S d='1'/>".repeat(50_000);
    inside += "</SegmentTimeline></SegmentTemplate>";
    inside += &"<Representation id='a'/>".repeat(20_000);
    let found = read_text(&mpd(&(inside + "</AdaptationSet></Period>"))).unwrap();
    assert_eq!(found.periods[0].sets[0].tracks.len(), 20_000);
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let _ = read(&bytes);
        let _ = read(&[b"<MPD><Period>", bytes.as_slice(), b"</Period></MPD>"].concat());
    }

    #[test]
    fn no_addressing_makes_the_reader_panic(
        media in "[$a-z%0-9d]{0,20}|\\$(Number|Time|Bandwidth|RepresentationID)(%0[0-9]{1,3}d)?\\$",
        start in proptest::num::u64::ANY, duration in "-?[0-9]{0,20}", repeat in "-?[0-9]{0,20}", time in "(PT)?[0-9.]{0,5}[HMSD]?",
    ) {
        let document = format!(
            "<MPD mediaPresentationDuration='{time}'><Period><AdaptationSet><Representation id='x'><SegmentTemplate media='{media}' \
             initialization='{media}' startNumber='{start}' duration='{duration}'/></Representation><Representation>\
             <SegmentTemplate media='{media}'><SegmentTimeline><S t='{start}' d='{duration}' r='{repeat}'/><S d='{duration}'/>\
             </SegmentTimeline></SegmentTemplate></Representation></AdaptationSet></Period></MPD>"
        );
        for representation in &read_text(&document).unwrap().periods[0].sets[0].tracks {
            let addressing = addressing(representation);
            let _ = (addressing.init(), addressing.index(), addressing.segments().take(100).count());
        }
    }
}
