//! Our reader of playlists beside m3u8-rs: where both read a playlist, they read the same.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test says what it expects")]

use std::fs;
use std::path::{Path, PathBuf};

use larder_core::manifest::hls::{self, MediaPlaylist, Multivariant, Playlist, Variables};
use proptest::prelude::*;

fn playlists(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            playlists(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "m3u8") {
            found.push(path);
        }
    }
}

#[test]
fn playlists_of_the_test_media_are_read_as_m3u8_rs_reads_them() {
    let mut found = Vec::new();
    playlists(&larder_testkit::media_root(), &mut found);
    let (mut multivariant, mut media) = (0, 0);
    for path in found {
        let bytes = fs::read(&path).unwrap();
        match (hls::read(&bytes, &Variables::new()).unwrap(), m3u8_rs::parse_playlist_res(&bytes).unwrap()) {
            (Playlist::Multivariant(ours), m3u8_rs::Playlist::MasterPlaylist(theirs)) => {
                compare_multivariant(&ours, &theirs);
                multivariant += 1;
            }
            (Playlist::Media(ours), m3u8_rs::Playlist::MediaPlaylist(theirs)) => {
                compare_media(&ours, &theirs);
                media += 1;
            }
            other => panic!("{}: {other:?}", path.display()),
        }
    }
    assert!(multivariant >= 3 && media >= 6, "{multivariant} {media}");
}

fn compare_multivariant(ours: &Multivariant, theirs: &m3u8_rs::MasterPlaylist) {
    let variants: Vec<_> = ours
        .variants
        .iter()
        .map(|variant| {
            let (bandwidth, codecs) = (variant.attributes.number("BANDWIDTH"), variant.attributes.get("CODECS"));
            (&*variant.reference, bandwidth, codecs, variant.resolution(), variant.is_i_frame)
        })
        .collect();
    let expected: Vec<_> = theirs
        .variants
        .iter()
        .map(|variant| {
            let size = variant.resolution.map(|size| (size.width as u32, size.height as u32));
            let (bandwidth, codecs) = (Some(variant.bandwidth), variant.codecs.as_deref());
            (variant.uri.as_str(), bandwidth, codecs, size, variant.is_i_frame)
        })
        .collect();
    assert_eq!(variants, expected);
    let renditions: Vec<_> = ours
        .renditions
        .iter()
        .map(|rendition| {
            let attributes = &rendition.attributes;
            let [group, name, language] = ["GROUP-ID", "NAME", "LANGUAGE"].map(|name| attributes.get(name));
            let (is_default, is_forced) = (attributes.is_yes("DEFAULT"), attributes.is_yes("FORCED"));
            (rendition.reference.as_deref(), group, name, language, is_default, is_forced)
        })
        .collect();
    let expected: Vec<_> = theirs
        .alternatives
        .iter()
        .map(|media| {
            let (group, name) = (Some(media.group_id.as_str()), Some(media.name.as_str()));
            (media.uri.as_deref(), group, name, media.language.as_deref(), media.default, media.forced)
        })
        .collect();
    assert_eq!(renditions, expected);
}

fn compare_media(ours: &MediaPlaylist, theirs: &m3u8_rs::MediaPlaylist) {
    assert_eq!(ours.len(), theirs.segments.len());
    assert_eq!((ours.media_sequence, ours.has_end), (theirs.media_sequence, theirs.end_list));
    assert_eq!(ours.target_duration_seconds, Some(theirs.target_duration));
    for (ours, theirs) in ours.segments().zip(&theirs.segments) {
        assert_eq!(ours.reference.as_deref(), Some(theirs.uri.as_str()));
        assert_eq!(ours.range.map(|range| range.length), theirs.byte_range.as_ref().map(|range| range.length));
        let seconds: f64 = ours.duration.unwrap().to_string().parse().unwrap();
        assert!((seconds - f64::from(theirs.duration)).abs() < 1e-3, "{seconds} {}", theirs.duration);
        assert_eq!(ours.is_discontinuity, theirs.discontinuity);
    }
    let inits: Vec<_> = ours.inits.iter().filter_map(|init| init.resource.reference.as_deref()).collect();
    let mut expected: Vec<_> =
        theirs.segments.iter().filter_map(|s| s.map.as_ref()).map(|map| map.uri.as_str()).collect();
    expected.dedup();
    assert_eq!(inits, expected);
    let keys: Vec<_> = ours.keys.iter().filter_map(|key| key.uri.as_deref()).collect();
    for key in theirs.segments.iter().flat_map(|segment| &segment.key) {
        assert!(key.uri.as_deref().is_none_or(|uri| keys.contains(&uri)), "{key:?}");
    }
}

proptest! {
    #[test]
    fn well_formed_media_playlists_are_read_as_m3u8_rs_reads_them(
        segments in proptest::collection::vec(
            ("[a-z]{1,9}\\.ts", 1_u32..10_000, proptest::option::of((1_u64..9_999, 0_u64..9_999)), any::<bool>()), 1..20,
        ),
        sequence in 0_u64..1_000_000,
    ) {
        let mut text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXT-X-MEDIA-SEQUENCE:{sequence}\n");
        for (uri, milliseconds, range, discontinuity) in segments {
            if discontinuity {
                text += "#EXT-X-DISCONTINUITY\n";
            }
            text += &format!("#EXTINF:{}.{:03},\n", milliseconds / 1000, milliseconds % 1000);
            if let Some((length, start)) = range {
                text += &format!("#EXT-X-BYTERANGE:{length}@{start}\n");
            }
            text += &format!("{uri}\n");
        }
        text += "#EXT-X-ENDLIST\n";
        let ours = hls::read(text.as_bytes(), &Variables::new()).unwrap();
        let theirs = m3u8_rs::parse_media_playlist_res(text.as_bytes()).unwrap();
        let Playlist::Media(ours) = ours else { panic!("{ours:?}") };
        compare_media(&ours, &theirs);
    }
}
