//! Media written by hand for one test, and the real media of the testkit.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "tests may say what they expect"
)]

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use larder_core::manifest::{self, Protection};
use larder_core::{Code, Result};

pub const WIDEVINE: &str = "edef8ba9-79d6-4ace-a3c8-27dcd51d21ed";
pub const PLAYREADY: &str = "9a04f079-9840-4286-ab92-e65be0885f95";
pub const COMMON: &str = "1077efec-c0b2-4d02-ace3-3c1e52e2fb4b";
pub const CLEARKEY: &str = "e2719d58-a985-b3c9-781a-b030af78d30e";

/// A folder of media that goes with its test.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn with(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.write(name, content);
        self
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn inspect(&self, name: &str) -> Result<Protection> {
        inspect(&self.path(name))
    }
}

pub fn inspect(path: &Path) -> Result<Protection> {
    manifest::find(path).and_then(|media| manifest::inspect(&media))
}

/// The code that a title fails with.
pub fn refused(result: Result<Protection>) -> Code {
    result.map(|found| panic!("{found:?}")).unwrap_err().code()
}

pub fn testkit(path: &str) -> PathBuf {
    larder_testkit::media_root().join(path)
}

pub fn uuid(text: &str) -> [u8; 16] {
    larder_core::model::KeyId::parse(text).unwrap().0
}

/// A key id of one repeated byte, as a UUID.
pub fn kid(byte: u8) -> String {
    let hex = format!("{byte:02x}");
    format!("{}-{}-{}-{}-{}", hex.repeat(4), hex.repeat(2), hex.repeat(2), hex.repeat(2), hex.repeat(6))
}

pub fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32 + 8).to_be_bytes()[..], kind, content].concat()
}

/// A PSSH box: version 1 if it lists keys, else version 0.
pub fn pssh(system: &str, keys: &[u8], data: &[u8]) -> Vec<u8> {
    let mut content = vec![u8::from(!keys.is_empty()), 0, 0, 0];
    content.extend(uuid(system));
    if !keys.is_empty() {
        content.extend((keys.len() as u32).to_be_bytes());
        keys.iter().for_each(|key| content.extend([*key; 16]));
    }
    content.extend((data.len() as u32).to_be_bytes());
    content.extend(data);
    boxed(b"pssh", &content)
}

pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// An init segment with one track: protected if it has a key.
pub fn init(handler: &[u8; 4], key: Option<u8>, boxes: &[Vec<u8>]) -> Vec<u8> {
    [boxed(b"ftyp", b"iso6\0\0\0\0"), boxed(b"moov", &[trak(1, handler, key), boxes.concat()].concat())].concat()
}

pub fn trak(id: u32, handler: &[u8; 4], key: Option<u8>) -> Vec<u8> {
    let sinf = key.map(|key| {
        let tenc = boxed(b"tenc", &[&[0, 0, 0, 0, 0, 0, 1, 8][..], &[key; 16]].concat());
        boxed(b"sinf", &[boxed(b"frma", b"avc1"), boxed(b"schi", &tenc)].concat())
    });
    let entry = boxed(if key.is_some() { b"encv" } else { b"avc1" }, &[vec![0; 78], sinf.unwrap_or_default()].concat());
    let stsd = boxed(b"stsd", &[&[0, 0, 0, 0, 0, 0, 0, 1][..], &entry].concat());
    let minf = boxed(b"minf", &boxed(b"stbl", &stsd));
    let hdlr = boxed(b"hdlr", &[&[0; 8][..], handler, &[0; 12]].concat());
    let tkhd = boxed(b"tkhd", &[&[0; 12][..], &id.to_be_bytes(), &[0; 68]].concat());
    boxed(b"trak", &[tkhd, boxed(b"mdia", &[hdlr, minf].concat())].concat())
}

/// A media segment with PSSH boxes in its `moof`, and a key that its samples rotate to.
pub fn segment(boxes: &[Vec<u8>], key: Option<u8>) -> Vec<u8> {
    let group = key.map(|key| {
        let entry = [&[0, 0, 1, 8][..], &[key; 16]].concat();
        boxed(b"sgpd", &[&[1, 0, 0, 0][..], b"seig", &20_u32.to_be_bytes(), &1_u32.to_be_bytes(), &entry].concat())
    });
    let tfhd = boxed(b"tfhd", &[&[0; 4][..], &1_u32.to_be_bytes()].concat());
    let traf = boxed(b"traf", &[tfhd, group.unwrap_or_default()].concat());
    let moof = boxed(b"moof", &[boxed(b"mfhd", &[0; 8]), traf, boxes.concat()].concat());
    [boxed(b"styp", b"msdh\0\0\0\0"), moof, boxed(b"mdat", &[7; 64])].concat()
}

/// An MPD around adaptation sets.
pub fn mpd(sets: &str) -> String {
    format!(
        r#"<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" xmlns:cenc="urn:mpeg:cenc:2013" mediaPresentationDuration="PT8S"><Period>{sets}</Period></MPD>"#
    )
}

/// `ContentProtection` of a key system with boxes.
pub fn descriptor(system: &str, boxes: &[Vec<u8>]) -> String {
    let boxes: String = boxes.iter().map(|bytes| format!("<cenc:pssh>{}</cenc:pssh>", base64(bytes))).collect();
    format!(r#"<ContentProtection schemeIdUri="urn:uuid:{system}">{boxes}</ContentProtection>"#)
}

/// `ContentProtection` that gives key ids only.
pub fn default_kid(keys: &[u8]) -> String {
    let keys: Vec<String> = keys.iter().map(|key| kid(*key)).collect();
    format!(
        r#"<ContentProtection schemeIdUri="urn:mpeg:dash:mp4protection:2011" value="cenc" cenc:default_KID="{}"/>"#,
        keys.join(" ")
    )
}
