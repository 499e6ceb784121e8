//! DASH manifests and their init segments.

use larder_core::Code;
use larder_core::manifest::IssueKind;
use larder_core::model::DrmScheme;

use super::{dash, issues, keys, names, needs, of, set};
use crate::written::{
    CLEARKEY, COMMON, Folder, PLAYREADY, WIDEVINE, base64, default_kid, descriptor, init, pssh, refused, segment, uuid,
};

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
fn clearkey_is_found_by_its_descriptor_or_the_common_box_and_only_once_with_both() {
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
fn a_known_system_leaves_out_clearkey_by_key_id() {
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
    // No track needs the third; it is listed with the tracks that carry it.
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
fn the_keys_of_the_init_segment_win_over_those_of_the_manifest() {
    let folder = dash(&(set("video", "v", &default_kid(&[1])) + &set("audio", "a", &default_kid(&[2]))))
        .with("v.mp4", init(b"vide", Some(9), &[pssh(WIDEVINE, &[], b"init only")]))
        .with("a.mp4", init(b"soun", Some(2), &[]));
    let found = folder.inspect("").unwrap();
    assert_eq!((needs(&found, "v"), needs(&found, "a")), (keys(&[9]), keys(&[2])));
    assert_eq!(names(of(&found, DrmScheme::Widevine)[0]), ["v"]);
    assert_eq!(issues(&found), [(IssueKind::KeyIdMismatch, "\"v\"")]);
}

#[test]
fn protection_may_be_in_the_init_segment_alone() {
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
fn protected_media_without_init_data_is_an_error() {
    assert_eq!(refused(dash(&set("video", "v", &descriptor(WIDEVINE, &[]))).inspect("")), Code::InitDataMissing);
    assert_eq!(refused(dash(&set("video", "v", &default_kid(&[0]))).inspect("")), Code::InitDataMissing);
}

#[test]
fn license_urls_are_kept_but_not_shown() {
    let laurl = format!(
        "<ContentProtection schemeIdUri='urn:uuid:{CLEARKEY}'><dashif:Laurl>https://u:p@host/l?token=secret</dashif:Laurl></ContentProtection>"
    );
    let found = dash(&set("video", "v", &(default_kid(&[1]) + &laurl))).inspect("").unwrap();
    assert_eq!(found.license_urls[0].url, "https://u:p@host/l?token=secret");
    assert_eq!(found.license_urls[0].scheme, Some(DrmScheme::ClearKey));
    assert!(format!("{found:?}").contains("https://host/l") && !format!("{found:?}").contains("secret"));
}
