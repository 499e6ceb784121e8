use std::io::Cursor;

use proptest::prelude::*;

use super::*;
use crate::manifest::pssh::{COMMON, WIDEVINE};

fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32 + 8).to_be_bytes()[..], kind, content].concat()
}

fn wide(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    [&1_u32.to_be_bytes()[..], kind, &(content.len() as u64 + 16).to_be_bytes(), content].concat()
}

fn pssh_box(system_id: [u8; 16], data: &[u8]) -> Vec<u8> {
    pssh::wrap(system_id, data).unwrap().bytes
}

fn tenc(key: u8) -> Vec<u8> {
    boxed(b"tenc", &[&[0, 0, 0, 0, 0, 0, 1, 8][..], &[key; 16]].concat())
}

fn entry(kind: &[u8; 4], header_bytes: usize, key: Option<u8>) -> Vec<u8> {
    let sinf = key.map(|key| {
        let schi = boxed(b"schi", &tenc(key));
        boxed(b"sinf", &[boxed(b"frma", b"avc1"), boxed(b"schm", b"\0\0\0\0cenc\0\x01\0\0"), schi].concat())
    });
    boxed(kind, &[vec![0; header_bytes], boxed(b"avcC", b"sinf"), sinf.unwrap_or_default()].concat())
}

fn trak(id: u32, handler: &[u8; 4], entries: &[Vec<u8>]) -> Vec<u8> {
    let tkhd = boxed(b"tkhd", &[&[0; 12][..], &id.to_be_bytes(), &[0; 68]].concat());
    let hdlr = boxed(b"hdlr", &[&[0; 8][..], handler, &[0; 12]].concat());
    let stsd = boxed(b"stsd", &[&[0, 0, 0, 0][..], &(entries.len() as u32).to_be_bytes(), &entries.concat()].concat());
    let minf = boxed(b"minf", &boxed(b"stbl", &[boxed(b"stts", &[0; 8]), stsd].concat()));
    // The handler after the media information, and the header last: the order of boxes must not matter.
    boxed(b"trak", &[boxed(b"mdia", &[minf, hdlr].concat()), tkhd].concat())
}

fn seig(track: u32, keys: &[u8]) -> Vec<u8> {
    let entries: Vec<u8> = keys.iter().flat_map(|key| [&[0, 0, 1, 8][..], &[*key; 16]].concat()).collect();
    let head = [&[1, 0, 0, 0][..], b"seig", &20_u32.to_be_bytes(), &(keys.len() as u32).to_be_bytes()].concat();
    let tfhd = boxed(b"tfhd", &[&[0; 4][..], &track.to_be_bytes()].concat());
    boxed(b"traf", &[boxed(b"sgpd", &[head, entries].concat()), tfhd].concat())
}

fn film() -> Vec<u8> {
    let video = trak(1, b"vide", &[entry(b"avc1", 78, None), entry(b"encv", 78, Some(1))]);
    let audio = trak(2, b"soun", &[entry(b"enca", 44, Some(2))]);
    let text = trak(3, b"text", &[entry(b"wvtt", 8, None)]);
    let moov = [video, pssh_box(WIDEVINE, b"w"), audio, pssh_box(COMMON, b""), text].concat();
    let moof = [boxed(b"mfhd", &[0; 8]), pssh_box(WIDEVINE, b"rotated"), seig(1, &[3, 4])].concat();
    [
        boxed(b"ftyp", b"isom\0\0\0\0"),
        boxed(b"mdat", &[9; 5000]),
        wide(b"moov", &moov),
        wide(b"mdat", &[7; 100]),
        boxed(b"moof", &moof),
        boxed(b"mdat", &[7; 100]),
    ]
    .concat()
}

fn read(bytes: &[u8]) -> Result<Mp4Facts> {
    let mut facts = Mp4Facts::default();
    facts.read(&mut Cursor::new(bytes), None, &mut Budget::default()).map(|()| facts)
}

fn keys(keys: &[u8]) -> BTreeSet<KeyId> {
    keys.iter().map(|key| KeyId([*key; 16])).collect()
}

#[test]
fn tracks_keys_and_boxes_are_found_in_moov_and_moof() {
    let facts = read(&film()).unwrap();
    let track = |kind, is_protected, ids: &[u8]| Mp4Track { kind, is_protected, key_ids: keys(ids) };
    assert_eq!(facts.tracks[&1], track(TrackKind::Video, true, &[1, 3, 4]));
    assert_eq!(facts.tracks[&2], track(TrackKind::Audio, true, &[2]));
    assert_eq!(facts.tracks[&3], track(TrackKind::Text, false, &[]));
    let data: Vec<_> = facts.pssh.iter().map(|pssh| (pssh.system_id, pssh.data.as_slice())).collect();
    assert_eq!(data, [(COMMON, &b""[..]), (WIDEVINE, b"rotated"), (WIDEVINE, b"w")]);
    assert!(facts.has_moov && facts.is_protected());
}

#[test]
fn only_the_given_bytes_are_read() {
    let film = film();
    let moov_at = film.windows(4).position(|four| four == b"moov").unwrap() as u64 - 4;
    let moof_at = film.windows(4).position(|four| four == b"moof").unwrap() as u64 - 4;
    let mut facts = Mp4Facts::default();
    facts.read(&mut Cursor::new(&film), Some(moof_at..u64::MAX), &mut Budget::default()).unwrap();
    assert!(!facts.has_moov);
    assert_eq!(facts.key_ids(), keys(&[3, 4]));
    facts.read(&mut Cursor::new(&film), Some(moov_at..moof_at), &mut Budget::default()).unwrap();
    assert!(facts.has_moov);
    assert_eq!(facts.tracks[&1].key_ids, keys(&[1, 3, 4]));
}

#[test]
fn a_box_with_size_zero_reaches_to_the_end() {
    let mut moov = boxed(b"moov", &trak(1, b"vide", &[entry(b"encv", 78, Some(1))]));
    moov[..4].fill(0);
    assert_eq!(read(&moov).unwrap().key_ids(), keys(&[1]));
}

#[test]
fn a_wrong_size_is_an_error_but_cut_media_data_is_not() {
    let film = film();
    let moov_at = film.windows(4).position(|four| four == b"moov").unwrap();
    for lie in [0_u64, 15, 17, 1 << 40, u64::MAX] {
        let mut flawed = film.clone();
        flawed[moov_at + 4..moov_at + 12].copy_from_slice(&lie.to_be_bytes());
        assert_eq!(read(&flawed).unwrap_err().code(), Code::ManifestInvalid, "{lie}");
    }
    assert_eq!(read(&film[..film.len() - 50]).unwrap(), read(&film).unwrap());
    let mut no_protection = boxed(b"free", b"");
    no_protection.extend([0; 100]);
    assert!(!read(&no_protection).unwrap().is_protected());
}

#[test]
fn a_malformed_pssh_box_is_noted_and_the_rest_is_read() {
    let mut flawed = pssh_box(WIDEVINE, b"data");
    let length = flawed.len();
    flawed[length - 5] = 200;
    let moov = boxed(b"moov", &[flawed, pssh_box(COMMON, b""), trak(1, b"vide", &[])].concat());
    let facts = read(&moov).unwrap();
    assert!(facts.has_malformed_pssh);
    assert_eq!((facts.pssh.len(), facts.tracks.len()), (1, 1));
    let huge = boxed(b"moov", &boxed(b"pssh", &vec![0; MAX_PSSH_BYTES]));
    assert_eq!(read(&huge).unwrap_err().code(), Code::ManifestTooLarge);
}

#[test]
fn nested_boxes_are_not_followed_and_many_are_refused() {
    let mut nested = Vec::new();
    for _ in 0..10_000 {
        nested = [&(nested.len() as u32 + 8).to_be_bytes()[..], b"moov", &nested].concat();
    }
    assert!(read(&nested).unwrap().has_moov);
    let many = boxed(b"free", b"").repeat(MAX_BOXES as usize + 1);
    assert_eq!(read(&many).unwrap_err().code(), Code::ManifestTooLarge);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_bytes_make_the_walk_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes);
        let _ = read(&boxed(b"moov", &bytes));
        let _ = read(&boxed(b"moof", &boxed(b"traf", &bytes)));
        let _ = read(&boxed(b"moov", &boxed(b"trak", &boxed(b"mdia", &boxed(b"minf", &boxed(b"stbl", &boxed(b"stsd", &bytes)))))));
    }

    #[test]
    fn no_change_to_a_film_makes_the_walk_panic(at in 0_usize..7000, byte in any::<u8>(), cut in 0_usize..7000) {
        let mut film = film();
        let at = at % film.len();
        film[at] = byte;
        let _ = read(&film);
        film.truncate(cut);
        let _ = read(&film);
    }
}
