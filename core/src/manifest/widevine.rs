//! Key ids in Widevine's PSSH data. The data is a protocol buffer (`WidevinePsshData`); two of its fields are read:
//! `key_ids` (2) and, for entitlement licenses, `key_id` (2) inside `entitled_keys` (14).

use super::bytes::Bytes;
use crate::model::KeyId;

/// Returns the key ids that the data states. Malformed data states those before the first flaw.
pub fn key_ids(data: &[u8]) -> Vec<KeyId> {
    let mut found = Vec::new();
    for_each_bytes_field(data, &mut |field, value| match field {
        2 => found.extend(key_id(value)),
        14 => for_each_bytes_field(value, &mut |field, value| {
            if field == 2 {
                found.extend(key_id(value));
            }
        }),
        _ => {}
    });
    found
}

fn key_id(value: &[u8]) -> Option<KeyId> {
    value.try_into().ok().map(KeyId)
}

/// Calls `found` for each length-delimited field of a message. Other fields are skipped.
fn for_each_bytes_field(message: &[u8], found: &mut dyn FnMut(u64, &[u8])) {
    let mut input = Bytes(message);
    while next_field(&mut input, found).is_some() {}
}

fn next_field(input: &mut Bytes<'_>, found: &mut dyn FnMut(u64, &[u8])) -> Option<()> {
    let tag = varint(input)?;
    match tag & 7 {
        0 => varint(input).map(drop),
        1 => input.take(8).map(drop),
        2 => {
            let length = usize::try_from(varint(input)?).ok()?;
            found(tag >> 3, input.take(length)?);
            Some(())
        }
        5 => input.take(4).map(drop),
        _ => None,
    }
}

fn varint(input: &mut Bytes<'_>) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = input.u8()?;
        value |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_and_entitled_key_ids_are_found_among_other_fields() {
        let entitled = [&[0x0A, 16][..], &[9; 16], &[0x12, 16], &[2; 16]].concat();
        let data = [
            &[0x08, 0x01][..], // algorithm: AESCTR
            &[0x12, 16],       // key_ids
            &[1; 16],
            &[0x12, 2, 7, 7],                   // too short for a key id
            &[0x1A, 3, b'a', b'b', b'c'],       // provider
            &[0x48, 0xE3, 0xDC, 0x95, 0x9B, 6], // protection_scheme: cenc
            &[0x72, entitled.len() as u8],      // entitled_keys
            &entitled,
        ]
        .concat();
        assert_eq!(key_ids(&data), [KeyId([1; 16]), KeyId([2; 16])]);
    }

    #[test]
    fn a_wrong_length_ends_the_search() {
        assert_eq!(key_ids(&[0x12, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1]), []);
        assert_eq!(key_ids(&[0x12, 17, 1]), []);
        assert_eq!(key_ids(b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80"), []);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_scan_panic(data in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            key_ids(&data);
        }
    }
}
