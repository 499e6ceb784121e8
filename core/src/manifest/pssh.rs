//! PSSH boxes (ISO/IEC 23001-7, 8.1): the init data of CDMs, and the key ids in them.

use std::collections::BTreeSet;

use super::bytes::Bytes;
use super::limits::MAX_PSSH_BYTES;
use super::{playready, widevine};
use crate::error::{Code, Error, Result};
use crate::model::{DrmScheme, KeyId};

/// Widevine's `SystemID`.
pub const WIDEVINE: [u8; 16] = 0xedef8ba9_79d6_4ace_a3c8_27dcd51d21ed_u128.to_be_bytes();
/// PlayReady's `SystemID`.
pub const PLAYREADY: [u8; 16] = 0x9a04f079_9840_4286_ab92_e65be0885f95_u128.to_be_bytes();
/// FairPlay's `SystemID`.
pub const FAIRPLAY: [u8; 16] = 0x94ce86fb_07ff_4f43_adb8_93d2fa968ca2_u128.to_be_bytes();
/// The W3C's common PSSH: key ids and nothing else (W3C, "cenc" Initialization Data Format).
pub const COMMON: [u8; 16] = 0x1077efec_c0b2_4d02_ace3_3c1e52e2fb4b_u128.to_be_bytes();

/// One box.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PsshBox {
    /// The key system.
    pub system_id: [u8; 16],
    /// The key ids of a version 1 box. Version 0 has none, but see [`PsshBox::stated_key_ids`].
    pub listed_key_ids: Vec<KeyId>,
    /// The data of the key system.
    pub data: Vec<u8>,
    /// The whole box with a 32-bit size, as CDMs expect it.
    pub bytes: Vec<u8>,
}

impl PsshBox {
    /// Returns the key system, if Larder knows it.
    pub fn scheme(&self) -> Option<DrmScheme> {
        DrmScheme::from_system_id(&self.system_id)
    }

    /// Returns the keys that the box is for, from its list and from the key system's data. Empty if it states none.
    pub fn stated_key_ids(&self) -> BTreeSet<KeyId> {
        let mut key_ids: BTreeSet<KeyId> = self.listed_key_ids.iter().copied().collect();
        match self.system_id {
            WIDEVINE => key_ids.extend(widevine::key_ids(&self.data)),
            PLAYREADY => key_ids.extend(playready::key_ids(&self.data)),
            _ => {}
        }
        // Packagers write an all-zero id where keys rotate and the real id stands in the segments.
        key_ids.remove(&KeyId([0; 16]));
        key_ids
    }
}

/// Without the data, which may hold account data.
impl std::fmt::Debug for PsshBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PsshBox")
            .field("scheme", &self.scheme())
            .field("listed_key_ids", &self.listed_key_ids)
            .field("data_bytes", &self.data.len())
            .finish()
    }
}

/// Reads boxes that follow each other, as in `cenc:pssh` and in Widevine's key tags; at least one.
///
/// Fails with [`Code::ManifestInvalid`] if a length is wrong or another box is among them, and with
/// [`Code::ManifestTooLarge`] beyond [`MAX_PSSH_BYTES`].
pub fn parse_all(bytes: &[u8]) -> Result<Vec<PsshBox>> {
    if bytes.len() > MAX_PSSH_BYTES {
        return Err(too_large(bytes.len() as u64));
    }
    let mut input = Bytes(bytes);
    let mut boxes = Vec::new();
    while !input.is_empty() || boxes.is_empty() {
        boxes.push(parse_next(&mut input).ok_or_else(malformed)?);
    }
    Ok(boxes)
}

/// Returns a version 0 box around a key system's data, for playlists that hold the data alone.
pub fn wrap(system_id: [u8; 16], data: &[u8]) -> Result<PsshBox> {
    if data.len() > MAX_PSSH_BYTES {
        return Err(too_large(data.len() as u64));
    }
    let bytes = assemble(0, system_id, &[], data).ok_or_else(malformed)?;
    Ok(PsshBox { system_id, listed_key_ids: Vec::new(), data: data.to_vec(), bytes })
}

fn malformed() -> Error {
    Error::new(Code::ManifestInvalid, "a PSSH box is malformed: a length in it is wrong, or the bytes are no PSSH box")
}

pub(super) fn too_large(size: u64) -> Error {
    Error::new(Code::ManifestTooLarge, format!("a PSSH box has {size} bytes; the limit is {MAX_PSSH_BYTES}"))
}

fn parse_next(input: &mut Bytes<'_>) -> Option<PsshBox> {
    let mut header = *input;
    let (size, header_bytes) = match header.u32()? {
        0 => (input.len(), 8),
        1 => {
            header.take(4)?;
            (usize::try_from(header.u64()?).ok()?, 16)
        }
        size => (usize::try_from(size).ok()?, 8),
    };
    let mut body = Bytes(input.take(size)?);
    if body.take(header_bytes)?.get(4..8)? != b"pssh" {
        return None;
    }
    let version = body.u8()?;
    let _flags = body.take(3)?;
    let system_id = body.array()?;
    let key_ids = match version {
        0 => Vec::new(),
        1 => {
            let count = usize::try_from(body.u32()?).ok()?;
            let (ids, _) = body.take(count.checked_mul(16)?)?.as_chunks::<16>();
            ids.iter().copied().map(KeyId).collect()
        }
        _ => return None,
    };
    let data_size = usize::try_from(body.u32()?).ok()?;
    // Bytes after the data are padding that some packagers leave.
    let data = body.take(data_size)?;
    let bytes = assemble(version, system_id, &key_ids, data)?;
    Some(PsshBox { system_id, listed_key_ids: key_ids, data: data.to_vec(), bytes })
}

fn assemble(version: u8, system_id: [u8; 16], key_ids: &[KeyId], data: &[u8]) -> Option<Vec<u8>> {
    let list_bytes = if version == 0 { 0 } else { 4 + 16 * key_ids.len() };
    let size = 8 + 4 + 16 + list_bytes + 4 + data.len();
    let mut bytes = Vec::with_capacity(size);
    bytes.extend(u32::try_from(size).ok()?.to_be_bytes());
    bytes.extend(b"pssh");
    bytes.extend([version, 0, 0, 0]);
    bytes.extend(system_id);
    if version != 0 {
        bytes.extend(u32::try_from(key_ids.len()).ok()?.to_be_bytes());
        key_ids.iter().for_each(|id| bytes.extend(id.0));
    }
    bytes.extend(u32::try_from(data.len()).ok()?.to_be_bytes());
    bytes.extend(data);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(byte: u8) -> KeyId {
        KeyId([byte; 16])
    }

    #[test]
    fn boxes_of_both_versions_are_read_back_one_after_the_other() {
        let v0 = assemble(0, WIDEVINE, &[], b"data").unwrap();
        let v1 = assemble(1, COMMON, &[id(1), id(2)], b"").unwrap();
        let boxes = parse_all(&[v0.clone(), v1.clone()].concat()).unwrap();
        assert_eq!(boxes.len(), 2);
        assert_eq!(
            (boxes[0].scheme(), boxes[0].data.as_slice(), &boxes[0].bytes),
            (Some(DrmScheme::Widevine), &b"data"[..], &v0)
        );
        assert_eq!((boxes[1].listed_key_ids.as_slice(), &boxes[1].bytes), (&[id(1), id(2)][..], &v1));
    }

    #[test]
    fn an_unusual_size_field_becomes_a_plain_one() {
        let plain = assemble(1, COMMON, &[id(1)], b"x").unwrap();
        let body = &plain[8..];
        let to_the_end = [&[0, 0, 0, 0][..], b"pssh", body].concat();
        let wide = [&[0, 0, 0, 1][..], b"pssh", &(plain.len() as u64 + 8).to_be_bytes(), body].concat();
        for unusual in [to_the_end, wide] {
            assert_eq!(parse_all(&unusual).unwrap()[0].bytes, plain);
        }
    }

    #[test]
    fn a_wrong_length_is_malformed_in_every_field() {
        let valid = assemble(1, COMMON, &[id(1)], b"data").unwrap();
        let data_size_at = valid.len() - 4 - 4;
        for (at, lie) in
            [(0, 7), (0, 200), (0, u32::MAX), (28, 2), (28, u32::MAX), (data_size_at, 5), (data_size_at, u32::MAX)]
        {
            let mut flawed = valid.clone();
            flawed[at..at + 4].copy_from_slice(&u32::to_be_bytes(lie));
            assert_eq!(parse_all(&flawed).unwrap_err().code(), Code::ManifestInvalid, "{lie} at {at}");
        }
        for length in 0..valid.len() {
            assert!(parse_all(&valid[..length]).is_err(), "cut to {length}");
        }
        assert_eq!(parse_all(&[valid, vec![0]].concat()).unwrap_err().code(), Code::ManifestInvalid);
    }

    #[test]
    fn a_huge_box_is_refused_before_it_is_copied() {
        assert_eq!(parse_all(&vec![0; MAX_PSSH_BYTES + 1]).unwrap_err().code(), Code::ManifestTooLarge);
        assert_eq!(wrap(PLAYREADY, &vec![0; MAX_PSSH_BYTES + 1]).unwrap_err().code(), Code::ManifestTooLarge);
    }

    #[test]
    fn the_zero_key_id_of_rotating_keys_is_no_key() {
        let pssh = parse_all(&assemble(1, COMMON, &[id(0), id(3)], b"").unwrap()).unwrap();
        assert_eq!(pssh[0].stated_key_ids().into_iter().collect::<Vec<_>>(), [id(3)]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_all(&bytes);
            for head in [&b"\0\0\0\x20pssh\x01\0\0\0"[..], b"\0\0\0\0pssh\0\0\0\0"] {
                let _ = parse_all(&[head, bytes.as_slice()].concat());
            }
        }

        #[test]
        fn wrapped_data_is_read_back(system in any::<[u8; 16]>(), data in proptest::collection::vec(any::<u8>(), 0..100)) {
            let wrapped = wrap(system, &data).unwrap();
            prop_assert_eq!(parse_all(&wrapped.bytes).unwrap(), vec![wrapped]);
        }
    }
}
