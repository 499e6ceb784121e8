//! H.264 samples (ISO/IEC 14496-15; ITU-T H.264): NAL units, slice headers, and the macroblocks of intra slices.
//!
//! Lengths, headers and the first bits of a slice are in the clear in encrypted media, so they prove little. The
//! macroblocks of intra slices are therefore read to the end. Wrong bytes make the entropy decoder find syntax that
//! cannot be, or end: at any macroblock (one in 200 each), but hardly at the last one and exactly at the slice's last
//! bit. For a picture of 400 macroblocks that leaves less than one part in a million.
//!
//! | file | what |
//! |---|---|
//! | `params` | sequence and picture parameter sets, as far as slices need them |
//! | `slice` | slice headers |
//! | `cabac`, `tables` | the arithmetic decoder and its numbers |
//! | `macroblock`, `residual` | the syntax of intra macroblocks |

mod cabac;
mod macroblock;
mod params;
mod residual;
mod slice;
mod tables;

use std::collections::BTreeMap;

use super::PlaybackError;
use super::bits::Bits;
use super::boxes::Fields;
use macroblock::Picture;
use params::{PictureSet, SequenceSet};
use slice::SliceHeader;

/// The content of `avcC` (ISO/IEC 14496-15, 5.3.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AvcConfig {
    /// Bytes of the length before each NAL unit: 1, 2 or 4.
    pub nal_length_bytes: usize,
    /// Sequence and picture parameter sets, as NAL units.
    pub parameter_sets: Vec<Vec<u8>>,
}

impl AvcConfig {
    /// From the payload of an `avcC` box.
    pub fn parse(payload: &[u8]) -> Result<Self, PlaybackError> {
        let mut fields = Fields::new(payload);
        fields.bytes(4)?;
        let nal_length_bytes = usize::from(fields.u8()? & 3) + 1;
        let mut parameter_sets = Vec::new();
        for mask in [0x1f, 0xff] {
            for _ in 0..fields.u8()? & mask {
                let length = usize::from(fields.u16()?);
                parameter_sets.push(fields.bytes(length)?.to_vec());
            }
        }
        Ok(Self { nal_length_bytes, parameter_sets })
    }
}

/// The parameter sets in force; samples may bring new ones (`avc3`).
#[derive(Clone, Debug, Default)]
pub struct ParameterSets {
    sequences: BTreeMap<u32, SequenceSet>,
    pictures: BTreeMap<u32, PictureSet>,
}

impl ParameterSets {
    /// Those of a configuration.
    pub fn of(config: &AvcConfig) -> Result<Self, PlaybackError> {
        let mut sets = Self::default();
        for unit in &config.parameter_sets {
            sets.take(unit).map_err(|flaw| match flaw {
                AvcFlaw::Broken(why) => PlaybackError::Malformed(why),
                AvcFlaw::Unsupported(why) => PlaybackError::Unsupported(why),
            })?;
        }
        Ok(sets)
    }

    fn take(&mut self, unit: &[u8]) -> Result<(), AvcFlaw> {
        let payload = unescaped(unit);
        let mut bits = Bits::new(&payload);
        let broken = AvcFlaw::Broken("a parameter set cannot be read");
        match unit.first().map(|header| header & 0x1f) {
            Some(7) => {
                let set = SequenceSet::read(&mut bits).ok_or(broken)?;
                self.sequences.insert(set.id, set);
            }
            Some(8) => {
                let set = PictureSet::read(&mut bits).ok_or(broken)?;
                self.pictures.insert(set.id, set);
            }
            _ => {}
        }
        Ok(())
    }
}

/// The flaw of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AvcFlaw {
    /// It is not H.264.
    Broken(&'static str),
    /// It is of a kind that is not read here.
    Unsupported(&'static str),
}

impl AvcFlaw {
    /// The error for a sample of this number.
    pub fn at(self, sample: usize) -> PlaybackError {
        match self {
            Self::Broken(why) => PlaybackError::NotAvc { sample, why },
            Self::Unsupported(why) => PlaybackError::Unsupported(why),
        }
    }
}

/// The facts found in a sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AvcSample {
    /// NAL units of any kind.
    pub nal_units: u32,
    /// Slices, whose headers were read.
    pub slices: u32,
    /// Macroblocks of intra slices, read to the end.
    pub decoded_macroblocks: u32,
}

/// Checks one sample: NAL lengths add up, each unit's header is possible, each slice's header names a type and
/// parameter sets that are there, and intra slices decode to their last bit.
pub fn check_avc_sample(
    sample: &[u8],
    nal_length_bytes: usize,
    sets: &mut ParameterSets,
) -> Result<AvcSample, AvcFlaw> {
    let mut found = AvcSample::default();
    let mut picture = None;
    let mut rest = sample;
    while !rest.is_empty() {
        let lengths = || AvcFlaw::Broken("the NAL units' lengths do not add up to the sample");
        let (length, after) = rest.split_at_checked(nal_length_bytes).ok_or_else(lengths)?;
        let length = length.iter().fold(0_usize, |length, byte| (length << 8) | usize::from(*byte));
        let (unit, after) = after.split_at_checked(length).ok_or_else(lengths)?;
        rest = after;
        found.nal_units += 1;
        check_unit(unit, sets, &mut picture, &mut found)?;
    }
    if let Some(picture) = picture
        && !picture.is_complete()
    {
        return Err(AvcFlaw::Broken("the slices do not cover the picture"));
    }
    if found.slices == 0 { Err(AvcFlaw::Broken("the sample has no slice")) } else { Ok(found) }
}

fn check_unit(
    unit: &[u8],
    sets: &mut ParameterSets,
    picture: &mut Option<Picture>,
    found: &mut AvcSample,
) -> Result<(), AvcFlaw> {
    let header = *unit.first().ok_or(AvcFlaw::Broken("an empty NAL unit"))?;
    if header & 0x80 != 0 {
        return Err(AvcFlaw::Broken("forbidden_zero_bit is set"));
    }
    match header & 0x1f {
        1 | 5 => {}
        2..=4 => return Err(AvcFlaw::Unsupported("data partitioning")),
        7 | 8 => return sets.take(unit),
        6 | 9..=23 => return Ok(()),
        _ => return Err(AvcFlaw::Broken("a NAL unit type that is in no sample")),
    }
    let payload = unescaped(unit);
    let mut bits = Bits::new(&payload);
    let (header, sequence, picture_set) = SliceHeader::read(header, &mut bits, sets)?;
    found.slices += 1;
    if !header.is_intra {
        return Ok(());
    }
    picture_set.check_readable(sequence)?;
    let picture = picture.get_or_insert_with(|| Picture::new(sequence));
    found.decoded_macroblocks += picture.read_slice(&mut bits, &header, picture_set)?;
    Ok(())
}

/// A NAL unit without its header byte and without emulation prevention (ITU-T H.264, 7.4.1.1).
fn unescaped(unit: &[u8]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(unit.len());
    let mut zeros = 0;
    for &byte in unit.iter().skip(1) {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        payload.push(byte);
    }
    payload
}
