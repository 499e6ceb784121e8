//! Our reader of playlists beside m3u8-rs: where both read a playlist, they read the same.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test says what it expects")]

use std::fs;
use std::path::{Path, PathBuf};

use larder_core::manifest::hls::{self, MediaPlaylist, Playlist, Variables};
use larder_core::manifest::presentation::{Presentation, TrackMedia};

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
    playlists(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../testkit/media"), &mut found);
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

fn compare_multivariant(ours: &Presentation, theirs: &m3u8_rs::MasterPlaylist) {
    let tracks = &ours.periods[0].sets[0].tracks;
    let reference = |media: &TrackMedia| match media {
        TrackMedia::Playlist(reference) => Some(reference.clone()),
        _ => None,
    };
    let variants: Vec<_> = tracks
        .iter()
        .filter(|track| track.group.is_none())
        .map(|track| {
            (reference(&track.media), track.bandwidth, track.codecs.clone(), track.resolution, track.is_trick_play)
        })
        .collect();
    let expected: Vec<_> = theirs
        .variants
        .iter()
        .map(|variant| {
            let size = variant.resolution.map(|size| (size.width as u32, size.height as u32));
            (Some(variant.uri.clone()), Some(variant.bandwidth), variant.codecs.clone(), size, variant.is_i_frame)
        })
        .collect();
    assert_eq!(variants, expected);
    let renditions: Vec<_> = tracks
        .iter()
        .filter(|track| track.group.is_some())
        .map(|track| {
            (
                reference(&track.media),
                track.group.clone(),
                track.label.clone(),
                track.language.clone(),
                track.is_default,
            )
        })
        .collect();
    let expected: Vec<_> = theirs
        .alternatives
        .iter()
        .map(|media| {
            let (group, name) = (Some(media.group_id.clone()), Some(media.name.clone()));
            (media.uri.clone(), group, name, media.language.clone(), media.default)
        })
        .collect();
    assert_eq!(renditions, expected);
}

fn compare_media(ours: &MediaPlaylist, theirs: &m3u8_rs::MediaPlaylist) {
    assert_eq!(ours.segments.len(), theirs.segments.len());
    assert_eq!((ours.media_sequence, ours.has_end), (theirs.media_sequence, theirs.end_list));
    for (ours, theirs) in ours.segments.iter().zip(&theirs.segments) {
        assert_eq!(&*ours.reference, theirs.uri);
        assert_eq!(ours.range.map(|range| range.length), theirs.byte_range.as_ref().map(|range| range.length));
        let seconds = ours.duration_us.unwrap() as f64 / 1e6;
        assert!((seconds - f64::from(theirs.duration)).abs() < 1e-4, "{seconds} {}", theirs.duration);
        assert_eq!(ours.is_discontinuity, theirs.discontinuity);
    }
    let inits: Vec<_> = ours.inits.iter().map(|init| init.reference.as_str()).collect();
    let mut expected: Vec<_> =
        theirs.segments.iter().filter_map(|s| s.map.as_ref()).map(|map| map.uri.as_str()).collect();
    expected.dedup();
    assert_eq!(inits, expected);
    let keys: Vec<_> = ours.keys.iter().filter_map(|key| key.tag.uri.as_deref()).collect();
    for key in theirs.segments.iter().flat_map(|segment| &segment.key) {
        assert!(key.uri.as_deref().is_none_or(|uri| keys.contains(&uri)), "{key:?}");
    }
}
