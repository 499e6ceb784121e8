//! Stored keys decrypt real packaged media; wrong ones, and none, do not.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the lint knows test functions, not what they call")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use larder_core::model::KeyId;
use larder_testkit::playback::aac::{AacConfig, check_aac_frame};
use larder_testkit::playback::ts::verify_ts;
use larder_testkit::playback::{Codec, PlaybackError, TrackReport, verify_decrypts};
use larder_testkit::read_key_table;

type Keys = BTreeMap<[u8; 16], [u8; 16]>;

fn read(folder: &str, path: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder).join(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn media(path: &str) -> Vec<u8> {
    read("media", path)
}

/// An init segment and the first media segment of a track.
fn track(name: &str) -> (Vec<u8>, Vec<u8>) {
    (media(&format!("{name}/init.mp4")), media(&format!("{name}/1.m4s")))
}

fn keys() -> Keys {
    let table = read_key_table(&String::from_utf8(media("keys.json")).unwrap()).unwrap();
    table.into_iter().map(|(id, key)| (id.0, key.0)).collect()
}

/// The right key ids with other keys.
fn wrong_keys(seed: u64) -> Keys {
    let mut random = Random(seed);
    keys().into_keys().map(|id| (id, std::array::from_fn(|_| random.byte()))).collect()
}

/// xorshift64*: the same bytes in every run.
struct Random(u64);

impl Random {
    fn byte(&mut self) -> u8 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 56) as u8
    }
}

fn is_not_media(error: &PlaybackError) -> bool {
    matches!(error, PlaybackError::NotAvc { .. } | PlaybackError::NotAac { .. })
}

const ENCRYPTED: [&str; 5] =
    ["dash-cenc/video-234", "dash-cenc/audio-en", "dash-cenc/audio-es", "hls-cbcs/video-234", "hls-cbcs/audio-en"];

#[test]
fn every_segment_of_every_set_decrypts_and_decodes() {
    for (set, scheme) in [("cmaf-clear", None), ("dash-cenc", Some("cenc")), ("hls-cbcs", Some("cbcs"))] {
        for (name, codec) in [("video-234", Codec::Avc), ("audio-en", Codec::Aac), ("audio-es", Codec::Aac)] {
            let init = media(&format!("{set}/{name}/init.mp4"));
            for number in 1..=3 {
                let segment = media(&format!("{set}/{name}/{number}.m4s"));
                let report = verify_decrypts(&init, &segment, &keys());
                let report = report.unwrap_or_else(|error| panic!("{set}/{name}/{number}: {error}"));
                let [track] = report.tracks.as_slice() else { panic!("{report:?}") };
                assert_eq!((track.codec, track.scheme, track.key_id.is_some()), (codec, scheme, scheme.is_some()));
                // 416x234 in macroblocks of 16x16, one intra picture a segment; four seconds of sound.
                match codec {
                    Codec::Avc => assert_eq!((track.samples, track.decoded_units), (96, 26 * 15)),
                    Codec::Aac => assert!(track.samples > 180 && track.decoded_units > 1000, "{track:?}"),
                }
            }
        }
    }
}

#[test]
fn the_report_names_the_key_that_was_needed() {
    let (init, segment) = track("dash-cenc/video-234");
    let mut keys = keys();
    let needed = verify_decrypts(&init, &segment, &keys).unwrap().tracks[0].key_id.unwrap();
    assert_eq!(needed, KeyId::parse("6f651ae1dbe44434bcb4690d1564c41c").unwrap());
    keys.remove(&needed.0);
    assert_eq!(verify_decrypts(&init, &segment, &keys), Err(PlaybackError::KeyMissing(needed)));
}

#[test]
fn no_wrong_key_passes() {
    for name in ENCRYPTED {
        let (init, segment) = track(name);
        for seed in 1..=100 {
            let error = verify_decrypts(&init, &segment, &wrong_keys(seed)).unwrap_err();
            assert!(is_not_media(&error), "{name} {seed}: {error}");
        }
    }
}

#[test]
fn still_encrypted_media_does_not_pass_as_clear() {
    for (clear, encrypted) in [
        ("cmaf-clear/video-234", "dash-cenc/video-234"),
        ("cmaf-clear/video-234", "hls-cbcs/video-234"),
        ("cmaf-clear/audio-en", "dash-cenc/audio-en"),
        ("cmaf-clear/audio-en", "hls-cbcs/audio-en"),
    ] {
        // The clear init segment: nothing says that the samples are encrypted, so nothing is decrypted.
        let init = media(&format!("{clear}/init.mp4"));
        for number in 1..=3 {
            let segment = media(&format!("{encrypted}/{number}.m4s"));
            let error = verify_decrypts(&init, &segment, &Keys::new()).unwrap_err();
            assert!(is_not_media(&error), "{encrypted}/{number}: {error}");
        }
    }
}

#[test]
fn the_other_scheme_or_the_other_tracks_key_does_not_decrypt() {
    let all = keys();
    for name in ENCRYPTED {
        let (init, segment) = track(name);
        let needed = verify_decrypts(&init, &segment, &all).unwrap().tracks[0].key_id.unwrap();
        for key in all.values().filter(|key| **key != all[&needed.0]) {
            let error = verify_decrypts(&init, &segment, &Keys::from([(needed.0, *key)])).unwrap_err();
            assert!(is_not_media(&error), "{name}: {error}");
        }
    }
}

#[test]
fn one_damaged_bit_of_a_picture_shows() {
    let (init, segment) = track("dash-cenc/video-234");
    // Sample 0 begins with `mdat`; its slice lies behind some 700 bytes of text by the encoder.
    let start = segment.windows(4).position(|w| w == b"mdat").unwrap() + 4;
    let mut caught = 0;
    for at in (start + 900..start + 3300).step_by(100) {
        let mut damaged = segment.clone();
        damaged[at] ^= 0x10;
        caught += u32::from(verify_decrypts(&init, &damaged, &keys()).is_err());
    }
    // A changed bit makes another picture of the same length now and then; hardly more often than once in a hundred.
    assert!(caught >= 22, "{caught} of 24");
}

#[test]
fn random_frames_pass_as_aac_once_in_hundreds() {
    let mut random = Random(7);
    for (config, what) in [([0x11, 0x88], "mono, 48 kHz"), ([0x12, 0x10], "stereo, 44.1 kHz")] {
        let config = AacConfig::parse(&config).unwrap();
        let passed = (0..50_000)
            .filter(|_| {
                let frame: Vec<u8> = (0..64).map(|_| random.byte()).collect();
                check_aac_frame(&frame, &config).is_ok()
            })
            .count();
        assert!(passed < 50_000 / 400, "{what}: {passed}");
    }
}

#[test]
fn transport_streams_under_aes_128_decrypt_with_the_right_key_and_iv_only() {
    let key: [u8; 16] = media("hls-aes128/aes128.key").try_into().unwrap();
    let stated = 0x0f1e_2d3c_4b5a_6978_8796_a5b4_c3d2_e1f0_u128;
    for number in 0..3_u128 {
        let video = media(&format!("hls-aes128/video-234/{number}.ts"));
        assert!(verify_ts(&video, &key, &stated.to_be_bytes()).unwrap() > 100);
        // Audio takes its IV from the media sequence number (RFC 8216, 5.2).
        let audio = media(&format!("hls-aes128/audio-en/{number}.ts"));
        assert!(verify_ts(&audio, &key, &number.to_be_bytes()).unwrap() > 50);

        // The next segment's IV differs in a bit or two, and so does what comes out.
        assert!(verify_ts(&audio, &key, &(number + 1).to_be_bytes()).is_err());
        for seed in 1..=40 {
            let mut random = Random(seed);
            let wrong: [u8; 16] = std::array::from_fn(|_| random.byte());
            let error = verify_ts(&video, &wrong, &stated.to_be_bytes()).unwrap_err();
            assert!(matches!(error, PlaybackError::NotTransportStream(_)), "{error}");
        }
        assert!(verify_ts(&video[..video.len() - 1], &key, &stated.to_be_bytes()).is_err());
    }
    assert!(verify_ts(&[], &key, &[0; 16]).is_err());
}

#[test]
fn other_profiles_and_channel_layouts_are_read() {
    let report = |name: &str| -> Vec<TrackReport> {
        let file = read("tests/elementary", name);
        verify_decrypts(&file, &file, &Keys::new()).unwrap_or_else(|error| panic!("{name}: {error}")).tracks
    };
    let units = |name: &str| -> u32 { report(name).iter().map(|track| track.decoded_units).sum() };
    assert_eq!(units("high-8x8-slices.mp4"), 2 * 36, "two pictures of 96x96");
    assert_eq!(units("main-large-levels.mp4"), 4, "one picture of 32x32");
    assert!(units("aac-stereo.mp4") > 100);
    assert!(units("aac-5.1.mp4") > 50);
    let baseline = read("tests/elementary", "baseline.mp4");
    let error = verify_decrypts(&baseline, &baseline, &Keys::new()).unwrap_err();
    assert!(matches!(error, PlaybackError::Unsupported(why) if why.contains("CAVLC")), "{error}");
}

#[test]
fn a_truncated_file_is_an_error_at_every_length() {
    let keys = keys();
    for name in ["dash-cenc/audio-en", "hls-cbcs/video-234"] {
        let (init, segment) = track(name);
        for length in 0..init.len() {
            assert!(verify_decrypts(&init[..length], &segment, &keys).is_err(), "{name}: init of {length}");
        }
        let step = segment.len() / 400;
        for length in (0..3000).chain((3000..segment.len()).step_by(step)) {
            assert!(verify_decrypts(&init, &segment[..length], &keys).is_err(), "{name}: segment of {length}");
        }
    }
}

#[test]
fn damaged_files_never_panic() {
    let keys = keys();
    let mut random = Random(99);
    let mut index = |length: usize| (0..4).fold(0, |n, _| n << 8 | usize::from(random.byte())) % length;
    for name in ["dash-cenc/video-234", "dash-cenc/audio-en", "hls-cbcs/video-234"] {
        let (init, segment) = track(name);
        for round in 0..300 {
            let (mut init, mut segment) = (init.clone(), segment.clone());
            for _ in 0..1 + round % 4 {
                let (at, value) = (index(init.len()), index(256));
                init[at] = value as u8;
                // Within the boxes, not the samples.
                let (at, value) = (index(3500), index(256));
                segment[at] = value as u8;
            }
            let _ = verify_decrypts(&init, &segment, &keys);
        }
    }
}
