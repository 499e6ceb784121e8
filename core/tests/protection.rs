//! How media is protected, case by case, on media written by hand.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests may say what they expect")]

mod written;

use larder_core::Code;
use larder_core::manifest::{IssueKind, KeyFileState, Protection};
use larder_core::model::{DrmScheme, InitData, KeyId, TrackKind};
use proptest::prelude::*;
use written::{
    CLEARKEY, COMMON, Folder, PLAYREADY, WIDEVINE, base64, boxed, default_kid, descriptor, init, kid, mpd, pssh,
    refused, segment, trak, uuid,
};

fn keys(bytes: &[u8]) -> Vec<KeyId> {
    bytes.iter().map(|byte| KeyId([*byte; 16])).collect()
}

/// What a track needs, by its name.
fn needs(found: &Protection, name: &str) -> Vec<KeyId> {
    found.required_keys.iter().find(|track| track.track.name == name).unwrap().key_ids.clone()
}

fn of(found: &Protection, scheme: DrmScheme) -> Vec<&InitData> {
    found.for_scheme(scheme).unwrap()
}

fn names(data: &InitData) -> Vec<&str> {
    data.tracks.iter().map(|track| track.name.as_str()).collect()
}

fn issues(found: &Protection) -> Vec<(IssueKind, &str)> {
    found.issues.iter().map(|issue| (issue.kind, issue.what.as_str())).collect()
}

/// One adaptation set with one Representation.
fn set(kind: &str, id: &str, inside: &str) -> String {
    format!(
        r#"<AdaptationSet contentType="{kind}" mimeType="{kind}/mp4">{inside}<Representation id="{id}" bandwidth="1">
        <SegmentTemplate initialization="$RepresentationID$.mp4" media="$RepresentationID$-$Number$.m4s" duration="4"/></Representation></AdaptationSet>"#
    )
}

fn dash(sets: &str) -> Folder {
    Folder::new().with("m.mpd", mpd(sets))
}

// DASH

#[test]
fn key_ids_alone_are_asked_for_by_clearkey() {
    let found =
        dash(&(set("video", "v", &default_kid(&[1])) + &set("audio", "a", &default_kid(&[2, 3])))).inspect("").unwrap();
    assert!(found.is_protected);
    assert_eq!(found.init_data.len(), 1);
    let data = of(&found, DrmScheme::ClearKey)[0];
    assert_eq!((data.system_id, &data.pssh, &data.uri), (Some(uuid(COMMON)), &None, &None));
    assert_eq!((data.key_ids.as_slice(), names(data)), (keys(&[1, 2, 3]).as_slice(), vec!["v", "a"]));
    assert_eq!((needs(&found, "v"), needs(&found, "a")), (keys(&[1]), keys(&[2, 3])));
    assert_eq!(found.for_scheme(DrmScheme::Widevine).unwrap_err().code(), Code::InitDataMissing);
    assert_eq!(found.for_scheme(DrmScheme::FairPlay).unwrap_err().code(), Code::SessionKeyMissing);
}

#[test]
fn clearkey_is_known_by_its_descriptor_by_the_common_box_and_once_if_by_both() {
    let bare = descriptor(CLEARKEY, &[]);
    let common = descriptor(COMMON, &[pssh(COMMON, &[1], b"")]);
    for (descriptors, boxes) in [(bare.clone(), 0), (common.clone(), 1), (bare + &common, 1)] {
        let found = dash(&set("video", "v", &(default_kid(&[1]) + &descriptors))).inspect("").unwrap();
        let data = of(&found, DrmScheme::ClearKey);
        assert_eq!(data.len(), 1, "{descriptors}");
        assert_eq!((data[0].pssh.iter().count(), data[0].key_ids.as_slice()), (boxes, keys(&[1]).as_slice()));
    }
}

#[test]
fn a_known_system_is_no_reason_for_clearkey() {
    let found = dash(&set("video", "v", &(default_kid(&[1]) + &descriptor(WIDEVINE, &[pssh(WIDEVINE, &[], b"x")]))))
        .inspect("")
        .unwrap();
    assert_eq!(found.init_data.len(), 1);
    assert_eq!(of(&found, DrmScheme::Widevine)[0].key_ids, keys(&[1]));
    assert!(found.for_scheme(DrmScheme::ClearKey).is_err());
}

#[test]
fn a_box_that_tracks_share_is_one_with_the_keys_of_both() {
    let shared = descriptor(WIDEVINE, &[pssh(WIDEVINE, &[], b"content")]);
    let sets = set("video", "v", &(default_kid(&[1]) + &shared)) + &set("audio", "a", &(shared + &default_kid(&[2])));
    let found = dash(&sets).inspect("").unwrap();
    let data = of(&found, DrmScheme::Widevine);
    assert_eq!((data.len(), names(data[0]), data[0].key_ids.as_slice()), (1, vec!["v", "a"], keys(&[1, 2]).as_slice()));
}

#[test]
fn several_boxes_of_one_system_are_told_apart_by_the_keys_they_state() {
    let boxes = [pssh(WIDEVINE, &[1], b""), pssh(WIDEVINE, &[2], b""), pssh(WIDEVINE, &[3], b"")];
    let both = descriptor(WIDEVINE, &boxes);
    let sets = set("video", "v", &(default_kid(&[1]) + &both)) + &set("audio", "a", &(default_kid(&[2]) + &both));
    let found = dash(&sets).inspect("").unwrap();
    let data: Vec<_> = of(&found, DrmScheme::Widevine).iter().map(|data| (data.key_ids.clone(), names(data))).collect();
    // Nobody needs the third; it is listed with those that carry it.
    assert_eq!(data, [(keys(&[1]), vec!["v"]), (keys(&[2]), vec!["a"]), (keys(&[3]), vec!["v", "a"])]);
}

#[test]
fn a_silent_box_is_for_the_keys_that_no_other_box_states() {
    let boxes = descriptor(WIDEVINE, &[pssh(WIDEVINE, &[1], b""), pssh(WIDEVINE, &[], b"rest")]);
    let found = dash(&set("video", "v", &(default_kid(&[1, 2]) + &boxes))).inspect("").unwrap();
    let mut stated: Vec<_> = of(&found, DrmScheme::Widevine).iter().map(|data| data.key_ids.clone()).collect();
    stated.sort();
    assert_eq!(stated, [keys(&[1]), keys(&[2])]);
}

#[test]
fn the_init_segment_knows_its_keys_better_than_the_manifest() {
    let folder = dash(&(set("video", "v", &default_kid(&[1])) + &set("audio", "a", &default_kid(&[2]))))
        .with("v.mp4", init(b"vide", Some(9), &[pssh(WIDEVINE, &[], b"init only")]))
        .with("a.mp4", init(b"soun", Some(2), &[]));
    let found = folder.inspect("").unwrap();
    assert_eq!((needs(&found, "v"), needs(&found, "a")), (keys(&[9]), keys(&[2])));
    assert_eq!(names(of(&found, DrmScheme::Widevine)[0]), ["v"]);
    assert_eq!(issues(&found), [(IssueKind::KeyIdMismatch, "\"v\"")]);
}

#[test]
fn protection_may_stand_in_the_init_segment_alone() {
    let folder = dash(&set("video", "v", "")).with("v.mp4", init(b"vide", Some(1), &[pssh(WIDEVINE, &[], b"x")]));
    let found = folder.inspect("").unwrap();
    assert!(found.is_protected);
    assert_eq!(needs(&found, "v"), keys(&[1]));
}

#[test]
fn boxes_in_a_clear_init_segment_are_for_other_tracks() {
    let folder = dash(&set("video", "v", "")).with("v.mp4", init(b"vide", None, &[pssh(WIDEVINE, &[], b"x")]));
    assert!(!folder.inspect("").unwrap().is_protected);
}

#[test]
fn rotating_keys_are_found_in_every_segment() {
    let folder = dash(&set("video", "v", &default_kid(&[0])))
        .with("v.mp4", init(b"vide", Some(0), &[]))
        .with("v-1.m4s", segment(&[pssh(WIDEVINE, &[1], b"")], Some(1)))
        .with("v-2.m4s", segment(&[pssh(WIDEVINE, &[2], b"")], Some(2)));
    let found = folder.inspect("").unwrap();
    assert_eq!(needs(&found, "v"), keys(&[1, 2]));
    assert_eq!(of(&found, DrmScheme::Widevine).len(), 2);
}

#[test]
fn a_single_file_is_searched_in_its_ranges_or_whole() {
    let head = init(b"vide", Some(1), &[pssh(WIDEVINE, &[1], b"")]);
    let tail = segment(&[pssh(WIDEVINE, &[2], b"")], Some(2));
    let film = [head.clone(), tail].concat();
    for base in [
        String::new(),
        "<SegmentBase indexRange='0-1'/>".to_owned(),
        format!("<SegmentBase><Initialization range='0-{}'/></SegmentBase>", head.len() - 1),
        format!(
            "<SegmentList><Initialization range='0-{}'/><SegmentURL mediaRange='{}-{}'/></SegmentList>",
            head.len() - 1,
            head.len(),
            film.len() - 1
        ),
    ] {
        let set = format!(
            "<AdaptationSet><Representation id='v'><BaseURL>film.mp4</BaseURL>{base}</Representation></AdaptationSet>"
        );
        let found = dash(&set).with("film.mp4", &film).inspect("").unwrap();
        assert_eq!(needs(&found, "v"), keys(&[1, 2]), "{base}");
        assert_eq!(of(&found, DrmScheme::Widevine).len(), 2, "{base}");
    }
}

#[test]
fn periods_and_levels_add_up() {
    let period =
        |id: &str, key| format!("<AdaptationSet>{}<Representation id='{id}'/></AdaptationSet>", default_kid(&[key]));
    let text = format!(
        "<MPD>{}<Period>{}</Period><Period>{}{}</Period></MPD>",
        descriptor(WIDEVINE, &[pssh(WIDEVINE, &[], b"x")]),
        period("v", 1),
        period("v", 2),
        "<AdaptationSet mimeType='text/vtt'><Representation id='t'/></AdaptationSet>",
    )
    .replace("cenc:", "x:");
    let found = Folder::new().with("m.mpd", text).inspect("").unwrap();
    // One track in two periods; a descriptor at the top does not make subtitles protected.
    assert_eq!(found.required_keys.len(), 1);
    assert_eq!(needs(&found, "v"), keys(&[1, 2]));
    assert_eq!(of(&found, DrmScheme::Widevine)[0].key_ids, keys(&[1, 2]));
}

#[test]
fn the_key_of_a_representation_replaces_that_of_its_set() {
    let set = format!(
        "<AdaptationSet>{}<Representation id='hd'>{}</Representation><Representation id='sd'/></AdaptationSet>",
        default_kid(&[1]),
        default_kid(&[2])
    );
    let found = dash(&set).inspect("").unwrap();
    assert_eq!((needs(&found, "hd"), needs(&found, "sd")), (keys(&[2]), keys(&[1])));
}

#[test]
fn a_bare_playready_object_gets_a_box_and_beside_one_it_does_not() {
    let object = base64(b"object");
    let descriptor = |inside: &str| {
        format!(
            "<ContentProtection schemeIdUri='urn:uuid:{PLAYREADY}'><m:pro>{object}</m:pro>{inside}</ContentProtection>"
        )
    };
    let boxed = base64(&pssh(PLAYREADY, &[1], b"object"));
    for (inside, version) in [(String::new(), 0), (format!("<pssh>{boxed}</pssh>"), 1)] {
        let found = dash(&set("video", "v", &descriptor(&inside))).inspect("").unwrap();
        let data = of(&found, DrmScheme::PlayReady);
        assert_eq!((data.len(), data[0].pssh.as_ref().unwrap()[8]), (1, version));
    }
}

#[test]
fn an_unknown_key_system_is_reported_and_never_used() {
    let other = "11111111-1111-1111-1111-111111111111";
    let unknown = descriptor(other, &[pssh(other, &[1], b"")]);
    let found = dash(&set("video", "v", &(unknown.clone() + &descriptor(WIDEVINE, &[pssh(WIDEVINE, &[], b"x")]))))
        .inspect("")
        .unwrap();
    let schemes: Vec<_> = found.init_data.iter().map(|data| data.scheme).collect();
    assert_eq!(schemes, [Some(DrmScheme::Widevine), None]);
    assert_eq!(refused(dash(&set("video", "v", &unknown)).inspect("")), Code::InitDataMissing);
}

#[test]
fn protected_media_that_says_no_way_is_an_error() {
    assert_eq!(refused(dash(&set("video", "v", &descriptor(WIDEVINE, &[]))).inspect("")), Code::InitDataMissing);
    assert_eq!(refused(dash(&set("video", "v", &default_kid(&[0]))).inspect("")), Code::InitDataMissing);
}

#[test]
fn licence_urls_are_noted_but_not_shown() {
    let laurl = format!(
        "<ContentProtection schemeIdUri='urn:uuid:{CLEARKEY}'><dashif:Laurl>https://u:p@host/l?token=secret</dashif:Laurl></ContentProtection>"
    );
    let found = dash(&set("video", "v", &(default_kid(&[1]) + &laurl))).inspect("").unwrap();
    assert_eq!(found.license_urls[0].url, "https://u:p@host/l?token=secret");
    assert_eq!(found.license_urls[0].scheme, Some(DrmScheme::ClearKey));
    assert!(format!("{found:?}").contains("https://host/l") && !format!("{found:?}").contains("secret"));
}

// HLS

const FAIRPLAY: &str = r#"KEYFORMAT="com.apple.streamingkeydelivery",KEYFORMATVERSIONS="1""#;

fn session(attributes: &str) -> String {
    format!("#EXTM3U\n#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,{attributes}\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8\n")
}

/// A media playlist of two segments with these lines before the first.
fn playlist(lines: &str) -> String {
    format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n{lines}\n#EXTINF:4,\n1.ts\n#EXTINF:4,\n2.ts\n#EXT-X-ENDLIST\n")
}

fn hls(lines: &str) -> Folder {
    Folder::new().with("v.m3u8", playlist(lines))
}

#[test]
fn skd_uris_are_passed_on_as_they_are() {
    for uri in
        ["skd://abc-_1", "SKD://host/path/x?assetId=1&variant=%7B2%7D#f", "skd://drmtoday?assetId=x,y=z", "skd:opaque"]
    {
        for format in
            [FAIRPLAY, "KEYFORMATVERSIONS=\"1\"", "KEYFORMAT=\"urn:uuid:94CE86FB-07FF-4F43-ADB8-93D2FA968CA2\""]
        {
            let found = hls(&format!("#EXT-X-KEY:{format},URI=\"{uri}\",METHOD=SAMPLE-AES")).inspect("").unwrap();
            assert_eq!(of(&found, DrmScheme::FairPlay)[0].uri.as_deref(), Some(uri), "{format}");
            assert_eq!(found.mime, "video/mp2t");
        }
    }
}

#[test]
fn a_session_key_and_the_same_key_of_a_playlist_are_one() {
    let key = format!("URI=\"skd://one\",{FAIRPLAY}");
    let folder = Folder::new()
        .with("m.m3u8", session(&key))
        .with("v.m3u8", playlist(&format!("#EXT-X-KEY:METHOD=SAMPLE-AES,{key}")));
    let found = folder.inspect("").unwrap();
    assert_eq!(found.init_data.len(), 1);
    assert_eq!(names(&found.init_data[0]), ["v.m3u8"]);
    // Where the media playlist is not there, or says nothing, the session key holds for the whole presentation.
    for folder in [Folder::new(), hls("")] {
        let found = folder.with("m.m3u8", session(&key)).inspect("m.m3u8").unwrap();
        assert!(found.is_protected && found.init_data[0].tracks.is_empty());
    }
}

#[test]
fn a_protected_init_segment_takes_the_session_key_where_its_playlist_has_none() {
    let folder = Folder::new()
        .with("m.m3u8", session(&format!("URI=\"skd://one\",{FAIRPLAY}")))
        .with("v.m3u8", playlist("#EXT-X-MAP:URI=\"i.mp4\""))
        .with("i.mp4", init(b"vide", Some(1), &[]));
    let found = folder.inspect("").unwrap();
    let data = of(&found, DrmScheme::FairPlay)[0];
    assert_eq!((names(data), data.key_ids.as_slice()), (vec!["v.m3u8"], keys(&[1]).as_slice()));
}

#[test]
fn fairplay_without_skd_is_an_error_that_names_the_tag_to_keep() {
    for lines in [
        format!("#EXT-X-KEY:METHOD=SAMPLE-AES,{FAIRPLAY}"),
        format!("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"https://keys/1\",{FAIRPLAY}"),
        format!("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"\",{FAIRPLAY}"),
        "#EXT-X-KEY:METHOD=SAMPLE-AES".to_owned(),
        // Knowing the key id from the init segment does not help.
        format!("#EXT-X-MAP:URI=\"i.mp4\"\n#EXT-X-KEY:METHOD=SAMPLE-AES,{FAIRPLAY}"),
    ] {
        let error = hls(&lines).with("i.mp4", init(b"vide", Some(1), &[])).inspect("").unwrap_err();
        assert_eq!(error.code(), Code::SessionKeyMissing, "{lines}");
        assert!(error.message().contains("EXT-X-SESSION-KEY"), "{error}");
    }
}

#[test]
fn fairplay_without_skd_beside_widevine_is_an_issue_only() {
    let uri = base64(&pssh(WIDEVINE, &[], b"x"));
    let found = hls(&format!(
        "#EXT-X-KEY:METHOD=SAMPLE-AES,{FAIRPLAY}\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"data:text/plain;base64,{uri}\",KEYFORMAT=\"urn:uuid:{WIDEVINE}\",KEYID=0x{}",
        "07".repeat(16)
    ))
    .inspect("")
    .unwrap();
    assert_eq!(of(&found, DrmScheme::Widevine)[0].key_ids, keys(&[7]));
    assert_eq!(needs(&found, "v.m3u8"), keys(&[7]));
    assert_eq!(found.for_scheme(DrmScheme::FairPlay).unwrap_err().code(), Code::SessionKeyMissing);
    assert_eq!(found.issues.len(), 1);
}

#[test]
fn every_system_and_every_key_of_a_rotating_playlist_is_found() {
    let data = |system: &str, bytes: &[u8]| {
        format!("URI=\"data:text/plain;base64,{}\",KEYFORMAT=\"urn:uuid:{system}\"", base64(bytes))
    };
    let mut lines = String::new();
    for key in [1, 2] {
        for key_tag in [
            format!("URI=\"skd://{key}\",{FAIRPLAY}"),
            data(WIDEVINE, &pssh(WIDEVINE, &[key], b"")),
            data(COMMON, &[pssh(COMMON, &[key], b""), pssh(COMMON, &[key + 10], b"")].concat()),
            format!(
                "URI=\"data:text/plain;charset=UTF-16;base64,{}\",KEYFORMAT=\"com.microsoft.playready\"",
                base64(&[key])
            ),
        ] {
            lines += &format!("#EXT-X-KEY:METHOD=SAMPLE-AES-CTR,{key_tag}\n");
        }
        lines += &format!("#EXTINF:4,\n{key}.ts\n");
    }
    let found = hls(&lines).inspect("").unwrap();
    let count = |scheme| of(&found, scheme).len();
    let schemes = [DrmScheme::FairPlay, DrmScheme::Widevine, DrmScheme::ClearKey, DrmScheme::PlayReady];
    assert_eq!(schemes.map(count), [2, 2, 4, 2]);
    assert_eq!(found.init_data.len(), 10);
}

#[test]
fn aes_128_is_content_whether_its_key_is_here_or_not() {
    let rotated: String = [
        "here.key",
        "sub/here.key",
        "short.key",
        "missing.key",
        "https://u:p@h/k?token=secret",
        "data:;base64,AAAA",
        "../out.key",
        "app-key://1",
    ]
    .iter()
    .map(|uri| format!("#EXT-X-KEY:METHOD=AES-128,URI=\"{uri}\"\n#EXTINF:4,\nx.ts\n"))
    .collect();
    let folder = Folder::new()
        .with("m.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nsub/v.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8\n")
        .with("sub/v.m3u8", playlist("#EXT-X-KEY:METHOD=AES-128,URI=\"here.key\",KEYFORMAT=\"identity\""))
        .with("v.m3u8", playlist(&rotated))
        .with("here.key", [1; 16])
        .with("sub/here.key", [1; 32])
        .with("short.key", [1; 15]);
    let found = folder.inspect("").unwrap();
    assert!(!found.is_protected && found.init_data.is_empty() && found.required_keys.is_empty());
    let files: Vec<_> = found.key_files.iter().map(|file| (file.uri.as_str(), file.state)).collect();
    let expected = [
        ("../out.key", KeyFileState::Refused),
        ("app-key://1", KeyFileState::Remote),
        ("data:", KeyFileState::Inline),
        ("here.key", KeyFileState::Present),
        ("https://u:p@h/k?token=secret", KeyFileState::Remote),
        ("missing.key", KeyFileState::Missing),
        ("short.key", KeyFileState::NotAKey),
        ("sub/here.key", KeyFileState::Present),
    ];
    assert_eq!(files, expected);
    assert!(!format!("{found:?}").contains("secret"));
}

#[test]
fn sample_keys_at_their_uri_are_content_here_and_clearkey_elsewhere() {
    let lines = format!(
        "#EXT-X-MAP:URI=\"i.mp4\"\n#EXT-X-KEY:METHOD=SAMPLE-AES-CTR,URI=\"k.bin\",KEYFORMAT=\"identity\",KEYID=0x{}",
        "01".repeat(16)
    );
    let folder = hls(&lines).with("i.mp4", init(b"vide", Some(1), &[]));
    let found = folder.inspect("").unwrap();
    let data = of(&found, DrmScheme::ClearKey)[0];
    assert_eq!(
        (data.uri.as_deref(), data.key_ids.as_slice(), found.mime),
        (Some("k.bin"), keys(&[1]).as_slice(), "video/mp4")
    );
    folder.write("k.bin", [1; 16]);
    assert!(!folder.inspect("").unwrap().is_protected);
    let remote = hls("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"https://keys/k?token=1\"").inspect("").unwrap();
    assert_eq!(of(&remote, DrmScheme::ClearKey)[0].uri.as_deref(), Some("https://keys/k?token=1"));
}

#[test]
fn an_unknown_key_format_is_reported() {
    let error = refused(hls("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"x\",KEYFORMAT=\"com.example\"").inspect(""));
    assert_eq!(error, Code::InitDataMissing);
}

#[test]
fn init_segments_of_a_playlist_are_read_in_their_range() {
    let film = [vec![0xFF; 50], init(b"soun", Some(1), &[pssh(WIDEVINE, &[1], b"")]), vec![0xFF; 50]].concat();
    let lines = format!(
        "#EXT-X-MAP:URI=\"film.mp4\",BYTERANGE=\"{}@50\"\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://x\"",
        film.len() - 100
    );
    let found = hls(&lines).with("film.mp4", &film).inspect("").unwrap();
    assert_eq!(found.required_keys[0].track.kind, TrackKind::Audio);
    assert_eq!((needs(&found, "v.m3u8"), of(&found, DrmScheme::Widevine).len()), (keys(&[1]), 1));
}

#[test]
fn a_package_of_avfoundation_gives_keys_from_its_playlists_and_boxes_from_its_streams() {
    let boot = "<?xml version='1.0'?><HLSMoviePackage xmlns='http://apple.com/IMG/Schemas/HLSMoviePackage'><Streams>\
        <Stream ID='0-A' Path='0-A' NetworkURL='https://cdn/x/audio/en.m3u8?t=1'/></Streams>\
        <DataItems Directory='Data'><DataItem><Category>Playlist</Category><DataPath>m.m3u8</DataPath></DataItem></DataItems></HLSMoviePackage>";
    let master = format!(
        "#EXTM3U\n#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI=\"skd://one\",{FAIRPLAY}\n\
         #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"a\",URI=\"audio/en.m3u8\"\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhttps://cdn/v.m3u8\n"
    );
    let info = "<?xml version='1.0'?><StreamInfo><MediaPlaylist><PathToLocalCopy>s.m3u8</PathToLocalCopy></MediaPlaylist>\
        <MediaInitializationSegments><ISEG PATH='i.initfrag'/></MediaInitializationSegments><MediaSegments><SEG PATH='0.frag'/></MediaSegments></StreamInfo>";
    let stream = format!(
        "#EXTM3U\n#EXT-X-MAP:URI=\"https://cdn/i.mp4\"\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://one\",{FAIRPLAY}\n#EXTINF:4,\nhttps://cdn/0.m4s\n"
    );
    let folder = Folder::new()
        .with("t.movpkg/boot.xml", boot)
        .with("t.movpkg/Data/m.m3u8", master)
        .with("t.movpkg/0-A/StreamInfoBoot.xml", info)
        .with("t.movpkg/0-A/s.m3u8", stream)
        .with("t.movpkg/0-A/i.initfrag", init(b"soun", Some(1), &[]))
        .with("t.movpkg/0-A/0.frag", segment(&[], Some(2)));
    let found = folder.inspect("t.movpkg").unwrap();
    let data = of(&found, DrmScheme::FairPlay);
    assert_eq!((data.len(), data[0].uri.as_deref(), names(data[0])), (1, Some("skd://one"), vec!["0-A"]));
    assert_eq!((data[0].tracks[0].kind, needs(&found, "0-A")), (TrackKind::Audio, keys(&[1, 2])));
    assert_eq!(issues(&found), []);
}

// One file

#[test]
fn a_media_file_alone_is_read() {
    let moov = [
        trak(1, b"vide", Some(1)),
        trak(2, b"soun", Some(2)),
        trak(3, b"text", None),
        pssh(WIDEVINE, &[1], b""),
        pssh(WIDEVINE, &[2], b""),
    ];
    let film = [boxed(b"ftyp", b"isom\0\0\0\0"), boxed(b"mdat", &[0; 9]), boxed(b"moov", &moov.concat())].concat();
    let found = Folder::new().with("film.mp4", film).inspect("film.mp4").unwrap();
    let data: Vec<_> = of(&found, DrmScheme::Widevine).iter().map(|data| (data.key_ids.clone(), names(data))).collect();
    assert_eq!(data, [(keys(&[1]), vec!["1"]), (keys(&[2]), vec!["2"])]);
    assert_eq!(found.required_keys.len(), 2);
    let segment = Folder::new().with("1.m4s", segment(&[pssh(WIDEVINE, &[1], b"")], None)).inspect("1.m4s").unwrap();
    assert_eq!(of(&segment, DrmScheme::Widevine)[0].key_ids, keys(&[1]));
}

// Order

/// The parts in an order that `seed` picks.
fn shuffled<T: Clone>(parts: &[T], seed: u64) -> Vec<T> {
    let mut left = parts.to_vec();
    let mut seed = seed;
    std::iter::from_fn(|| {
        let count = left.len() as u64;
        (count > 0).then(|| {
            let index = seed % count;
            seed = (seed / count).wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            left.remove(usize::try_from(index).unwrap())
        })
    })
    .collect()
}

/// A title with all that DASH has, its tracks, descriptors, attributes and boxes in an order that `seed` picks.
fn shuffled_dash(seed: u64) -> Folder {
    let boxes = |keys: &[u8]| {
        let all = [
            pssh(WIDEVINE, keys, b"w"),
            pssh(WIDEVINE, &[], b"silent"),
            pssh(PLAYREADY, &[], b"p"),
            pssh(COMMON, keys, b""),
        ];
        shuffled(&all, seed)
    };
    let attributed = |system: &str, key: u8| {
        let attributes = [
            format!("schemeIdUri=\"urn:uuid:{system}\""),
            "value=\"x\"".to_owned(),
            format!("cenc:default_KID=\"{}\"", kid(key)),
        ];
        format!("<ContentProtection {}/>", shuffled(&attributes, seed).join(" "))
    };
    let set = |kind: &str, id: &str, key: u8| {
        let inside = [
            default_kid(&[key]),
            descriptor(WIDEVINE, &boxes(&[1, 2])),
            attributed(CLEARKEY, key),
            format!("<Representation id=\"{id}\"><SegmentTemplate initialization=\"{id}.mp4\"/></Representation>"),
            format!("<Representation id=\"{id}2\">{}</Representation>", default_kid(&[key + 5])),
        ];
        format!("<AdaptationSet contentType=\"{kind}\">{}</AdaptationSet>", shuffled(&inside, seed).concat())
    };
    let sets = [set("video", "v", 1), set("audio", "a", 2), set("audio", "b", 3)];
    let moov = shuffled(&[trak(1, b"vide", Some(9)), pssh(PLAYREADY, &[], b"q"), pssh(WIDEVINE, &[9], b"")], seed);
    dash(&shuffled(&sets, seed).concat()).with("v.mp4", boxed(b"moov", &moov.concat()))
}

fn shuffled_hls(seed: u64) -> Folder {
    let key = |tag: &str, attributes: &[String]| format!("#EXT-X-{tag}:{}\n", shuffled(attributes, seed).join(","));
    let keys = |tag: &str| {
        let sample = "METHOD=SAMPLE-AES".to_owned();
        let tags = [
            key(
                tag,
                &[
                    sample.clone(),
                    "URI=\"skd://a,b\"".to_owned(),
                    "KEYFORMAT=\"com.apple.streamingkeydelivery\"".to_owned(),
                ],
            ),
            key(tag, &[sample.clone(), "URI=\"skd://c\"".to_owned()]),
            key(
                tag,
                &[
                    sample,
                    format!("URI=\"data:text/plain;base64,{}\"", base64(&pssh(WIDEVINE, &[], b"w"))),
                    format!("KEYFORMAT=\"urn:uuid:{WIDEVINE}\""),
                    format!("KEYID=0x{}", "01".repeat(16)),
                ],
            ),
            key(tag, &["METHOD=AES-128".to_owned(), "URI=\"k.key\"".to_owned()]),
        ];
        shuffled(&tags, seed).concat()
    };
    let renditions =
        ["v", "a"].map(|name| format!("#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"g\",NAME=\"{name}\",URI=\"{name}.m3u8\"\n"));
    let master = [
        keys("SESSION-KEY"),
        shuffled(&renditions, seed).concat(),
        "#EXT-X-STREAM-INF:BANDWIDTH=1\nx.m3u8\n".to_owned(),
    ];
    Folder::new()
        .with("m.m3u8", format!("#EXTM3U\n{}", shuffled(&master, seed).concat()))
        .with("v.m3u8", playlist(&keys("KEY")))
        .with("a.m3u8", playlist(&keys("KEY")))
        .with("x.m3u8", playlist(""))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_order_of_tracks_boxes_and_attributes_leaves_no_trace_in_dash(seed in any::<u64>()) {
        prop_assert_eq!(shuffled_dash(seed).inspect("").unwrap(), shuffled_dash(0).inspect("").unwrap());
    }

    #[test]
    fn the_order_of_tags_and_attributes_leaves_no_trace_in_hls(seed in any::<u64>()) {
        prop_assert_eq!(shuffled_hls(seed).inspect("").unwrap(), shuffled_hls(0).inspect("").unwrap());
    }

    #[test]
    fn the_order_of_boxes_leaves_no_trace_in_a_file(seed in any::<u64>()) {
        let boxes = [trak(1, b"vide", Some(1)), trak(2, b"soun", Some(2)), pssh(WIDEVINE, &[], b"a"), pssh(WIDEVINE, &[2], b""), pssh(PLAYREADY, &[], b"c")];
        let film = |seed| boxed(b"moov", &shuffled(&boxes, seed).concat());
        let folder = Folder::new().with("a.mp4", film(seed)).with("b.mp4", film(0));
        prop_assert_eq!(folder.inspect("a.mp4").unwrap(), folder.inspect("b.mp4").unwrap());
    }
}

#[test]
fn the_shuffled_titles_are_full_ones() {
    let dash = shuffled_dash(0).inspect("").unwrap();
    assert_eq!((dash.required_keys.len(), dash.init_data.len()), (6, 6));
    let hls = shuffled_hls(0).inspect("").unwrap();
    assert_eq!((hls.required_keys.len(), hls.init_data.len(), hls.key_files.len()), (2, 3, 1));
}
