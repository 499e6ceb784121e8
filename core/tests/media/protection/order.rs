//! The order of tracks, tags, boxes and attributes leaves no trace in the answer.

use proptest::prelude::*;

use super::{dash, playlist};
use crate::written::{
    CLEARKEY, COMMON, Folder, PLAYREADY, WIDEVINE, base64, boxed, default_kid, descriptor, kid, pssh, trak,
};

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
