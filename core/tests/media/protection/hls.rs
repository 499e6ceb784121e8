//! HLS playlists, their init segments, and AVFoundation's packages.

use larder_core::Code;
use larder_core::manifest::KeyFileState;
use larder_core::model::{DrmScheme, TrackKind};

use super::{FAIRPLAY, issues, keys, names, needs, of, playlist};
use crate::written::{COMMON, Folder, WIDEVINE, base64, init, pssh, refused, segment};

fn session(attributes: &str) -> String {
    format!("#EXTM3U\n#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,{attributes}\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8\n")
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
    // If the media playlist is missing or has no key, the session key holds for the whole presentation.
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
fn a_package_of_avfoundation_has_keys_in_its_playlists_and_boxes_in_its_streams() {
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
