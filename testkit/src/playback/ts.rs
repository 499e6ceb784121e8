//! MPEG-TS segments under whole-segment AES-128-CBC (RFC 8216, 4.3.2.4).

use aes::Aes128;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockDecryptMut as _, KeyIvInit as _};

use super::PlaybackError;
use super::boxes::Fields;

const PACKET_BYTES: usize = 188;
const SYNC: u8 = 0x47;
/// Fewer sync bytes could be luck: each is right in one of 256.
const MIN_PACKETS: usize = 4;

/// Decrypts a segment and checks that it is a transport stream: padding, whole packets, every packet's sync byte, and
/// the table that a segment begins with: the program association (RFC 8216, 3.2), or ffmpeg's service description before
/// it. Returns the number of packets.
///
/// A wrong key passes with at most 2^-8 for the padding, 188^-1 for the length and 2^-32 for four sync bytes. A wrong
/// IV spoils the first 16 bytes alone: they are in the table, whose CRC then fails.
pub fn verify_ts(segment: &[u8], key: &[u8; 16], iv: &[u8; 16]) -> Result<usize, PlaybackError> {
    let clear = cbc::Decryptor::<Aes128>::new(key.into(), iv.into())
        .decrypt_padded_vec_mut::<Pkcs7>(segment)
        .map_err(|_| PlaybackError::NotTransportStream("the padding is wrong"))?;
    check_ts(&clear)
}

/// Checks that bytes are a transport stream that begins as a segment does; returns the number of packets.
pub fn check_ts(bytes: &[u8]) -> Result<usize, PlaybackError> {
    let packets = bytes.chunks_exact(PACKET_BYTES);
    if !packets.remainder().is_empty() {
        return Err(PlaybackError::NotTransportStream("it does not have whole packets"));
    }
    if packets.len() < MIN_PACKETS {
        return Err(PlaybackError::NothingProved("the segment has too few packets to be sure"));
    }
    if packets.clone().any(|packet| packet.first() != Some(&SYNC)) {
        return Err(PlaybackError::NotTransportStream("a packet does not begin with 0x47"));
    }
    match packets.clone().next().and_then(table) {
        Some(section) if crc32(section) == 0 => Ok(packets.len()),
        _ => Err(PlaybackError::NotTransportStream("it does not begin with a table")),
    }
}

/// A table's section within one packet (ISO/IEC 13818-1, 2.4.3.2 and 2.4.4). The PIDs below 0x20 are for tables.
fn table(packet: &[u8]) -> Option<&[u8]> {
    let mut header = Fields::new(packet);
    header.u8().ok()?;
    let (pid, control) = (header.u16().ok()?, header.u8().ok()?);
    let begins_a_section = pid & 0x4000 != 0;
    if !begins_a_section || pid & 0x1fff >= 0x20 || control & 0x10 == 0 {
        return None;
    }
    if control & 0x20 != 0 {
        let adaptation = header.u8().ok()?;
        header.bytes(usize::from(adaptation)).ok()?;
    }
    let pointer = header.u8().ok()?;
    header.bytes(usize::from(pointer)).ok()?;
    let section = header.rest();
    let length = match section {
        [_, high, low, ..] => usize::from(u16::from_be_bytes([high & 0x0f, *low])),
        _ => return None,
    };
    section.get(..3 + length)
}

/// CRC-32/MPEG-2; 0 over a section with its own CRC (ISO/IEC 13818-1, annex A).
fn crc32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0xffff_ffff_u32, |crc, byte| {
        (0..8).fold(
            crc ^ (u32::from(*byte) << 24),
            |crc, _| {
                if crc >> 31 == 1 { (crc << 1) ^ 0x04c1_1db7 } else { crc << 1 }
            },
        )
    })
}
