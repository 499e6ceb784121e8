//! Key ids in a PlayReady Object (PRO): binary records, one of which is the WRMHEADER, XML in UTF-16.
//!
//! Versions 4.0 (`<KID>base64</KID>`), 4.1 (`<KID VALUE="base64"/>`) and 4.2 and later (several, in `<KIDS>`). A KID is
//! a GUID as Windows lays it out: its first three numbers are little-endian.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quick_xml::events::Event;

use super::bytes::Bytes;
use super::xml::{self, Xml};
use crate::model::KeyId;

/// Returns the key ids that the object states; none if it is malformed.
pub fn key_ids(object: &[u8]) -> Vec<KeyId> {
    header(object).and_then(|header| header_key_ids(&header)).unwrap_or_default()
}

/// Returns the WRMHEADER of an object ("PlayReady Header Specification", 2).
fn header(object: &[u8]) -> Option<String> {
    const RIGHTS_MANAGEMENT_HEADER: u16 = 1;
    let mut input = Bytes(object);
    let _size = input.take(4)?;
    let records = input.u16_le()?;
    for _ in 0..records {
        let kind = input.u16_le()?;
        let length = usize::from(input.u16_le()?);
        let value = input.take(length)?;
        if kind == RIGHTS_MANAGEMENT_HEADER {
            let (units, _) = value.as_chunks::<2>();
            let units = units.iter().map(|unit| u16::from_le_bytes(*unit));
            return char::decode_utf16(units).collect::<Result<String, _>>().ok();
        }
    }
    None
}

fn header_key_ids(header: &str) -> Option<Vec<KeyId>> {
    let mut xml = Xml::new(header.trim_start_matches('\u{feff}'));
    let mut found = Vec::new();
    let mut text = None;
    loop {
        match xml.next().ok()? {
            Event::Start(element) if xml::local_name(&element) == "KID" => {
                found.extend(xml::attribute(&element, "VALUE").ok()?.and_then(|value| guid(&value)));
                text = Some(String::new());
            }
            Event::End(_) => found.extend(text.take().and_then(|text| guid(&text))),
            Event::Text(part) => {
                if let Some(text) = &mut text {
                    text.push_str(&part.xml10_content());
                }
            }
            Event::Eof => return Some(found),
            _ => {}
        }
    }
}

/// Reads a KID from base64: the bytes of a GUID, put into the order of its text form.
fn guid(text: &str) -> Option<KeyId> {
    let bytes: [u8; 16] = STANDARD.decode(text.trim()).ok()?.try_into().ok()?;
    let [a, b, c, d, e, f, g, h, rest @ ..] = bytes;
    let mut id = [0; 16];
    id.iter_mut().zip([d, c, b, a, f, e, h, g].into_iter().chain(rest)).for_each(|(to, from)| *to = from);
    Some(KeyId(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KID: &str = "AQIDBAUGBwgJCgsMDQ4PEA==";

    fn object(header: &str) -> Vec<u8> {
        let utf16: Vec<u8> = header.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let length = u16::try_from(utf16.len()).unwrap();
        let records = [
            &3_u16.to_le_bytes()[..],
            &2_u16.to_le_bytes(),
            b"xx",
            &1_u16.to_le_bytes(),
            &length.to_le_bytes(),
            &utf16,
        ]
        .concat();
        [&(records.len() as u32 + 6).to_le_bytes()[..], &2_u16.to_le_bytes(), &records].concat()
    }

    #[test]
    fn every_version_of_the_header_is_read_with_its_little_endian_ids() {
        let expected = KeyId::parse("04030201-0605-0807-090a-0b0c0d0e0f10").unwrap();
        for header in [
            format!("<WRMHEADER version='4.0.0.0'><DATA><KID> {KID} </KID></DATA></WRMHEADER>"),
            format!(
                "<WRMHEADER version='4.1.0.0'><DATA><PROTECTINFO><KID ALGID='AESCTR' VALUE='{KID}'></KID></PROTECTINFO></DATA></WRMHEADER>"
            ),
            format!(
                "\u{feff}<WRMHEADER version='4.3.0.0'><DATA><PROTECTINFO><KIDS><KID VALUE='{KID}' ALGID='AESCBC'/></KIDS></PROTECTINFO></DATA></WRMHEADER>"
            ),
        ] {
            assert_eq!(key_ids(&object(&header)), [expected], "{header}");
        }
    }

    #[test]
    fn a_malformed_object_states_nothing() {
        let good = object(&format!("<WRMHEADER><DATA><KID>{KID}</KID></DATA></WRMHEADER>"));
        for length in 0..good.len() {
            assert_eq!(key_ids(&good[..length]), [], "cut to {length}");
        }
        assert_eq!(key_ids(&object("<WRMHEADER><KID VALUE='&x;'/>")), []);
        assert_eq!(key_ids(&object("<!DOCTYPE x [<!ENTITY a 'b'>]><WRMHEADER/>")), []);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(data in proptest::collection::vec(proptest::num::u8::ANY, 0..200), header in ".{0,100}") {
            key_ids(&data);
            key_ids(&object(&header));
            key_ids(&object(&format!("<KID VALUE='{header}'>{header}</KID>")));
        }
    }
}
