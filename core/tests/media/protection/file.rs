//! Media files by themselves.

use larder_core::model::DrmScheme;

use super::{keys, names, of};
use crate::written::{Folder, WIDEVINE, boxed, pssh, segment, trak};

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
