//! Slice headers (ITU-T H.264, 7.3.3).

use super::params::{OrderCount, PictureSet, SequenceSet};
use super::{AvcFlaw, ParameterSets};
use crate::playback::bits::Bits;

pub(super) struct SliceHeader {
    pub(super) first_mb: u32,
    /// An I slice. Only then the rest of the header is read.
    pub(super) is_intra: bool,
    pub(super) qp: i32,
}

impl SliceHeader {
    /// Reads a header and finds the parameter sets that it names.
    pub(super) fn read<'a>(
        nal_header: u8,
        bits: &mut Bits<'_>,
        sets: &'a ParameterSets,
    ) -> Result<(Self, &'a SequenceSet, &'a PictureSet), AvcFlaw> {
        let ends = || AvcFlaw::Broken("a slice ends within its header");
        let first_mb = bits.ue().ok_or_else(ends)?;
        let slice_type = bits.ue().ok_or_else(ends)?;
        if slice_type > 9 {
            return Err(AvcFlaw::Broken("a slice type out of range"));
        }
        let set = bits.ue().ok_or_else(ends)?;
        let picture =
            sets.pictures.get(&set).ok_or(AvcFlaw::Broken("a slice of a picture parameter set that is not there"))?;
        let sequence = sets
            .sequences
            .get(&picture.sequence_id)
            .ok_or(AvcFlaw::Broken("a slice of a sequence parameter set that is not there"))?;
        if first_mb >= sequence.width_mbs * sequence.height_mbs {
            return Err(AvcFlaw::Broken("a slice begins beyond its picture"));
        }
        let is_idr = nal_header & 0x1f == 5;
        let is_intra = slice_type % 5 == 2;
        if is_idr && !matches!(slice_type % 5, 2 | 4) {
            return Err(AvcFlaw::Broken("an IDR picture with predicted slices"));
        }
        let mut header = Self { first_mb, is_intra, qp: 0 };
        if is_intra {
            let is_reference = nal_header & 0x60 != 0;
            let delta = rest(bits, sequence, picture, is_idr, is_reference).ok_or_else(ends)?;
            header.qp = picture.initial_qp.saturating_add(delta);
            if !(0..=51).contains(&header.qp) {
                return Err(AvcFlaw::Broken("a quantiser out of range"));
            }
        }
        Ok((header, sequence, picture))
    }
}

/// The rest of an I slice's header; returns `slice_qp_delta`.
fn rest(
    bits: &mut Bits<'_>,
    sequence: &SequenceSet,
    picture: &PictureSet,
    is_idr: bool,
    is_reference: bool,
) -> Option<i32> {
    bits.u(sequence.frame_num_bits)?;
    let mut is_field = false;
    if !sequence.frames_only {
        is_field = bits.flag()?;
        if is_field {
            bits.flag()?;
        }
    }
    if is_idr {
        bits.ue()?;
    }
    match sequence.order_count {
        OrderCount::Lsb { bits: count } => {
            bits.u(count)?;
            if picture.has_bottom_order && !is_field {
                bits.se()?;
            }
        }
        OrderCount::Deltas { always_zero: false } => {
            bits.se()?;
            if picture.has_bottom_order && !is_field {
                bits.se()?;
            }
        }
        OrderCount::Deltas { always_zero: true } | OrderCount::None => {}
    }
    if picture.has_redundant_count {
        bits.ue()?;
    }
    if is_reference {
        reference_marking(bits, is_idr)?;
    }
    let delta = bits.se()?;
    if picture.has_deblocking_control && bits.ue()? != 1 {
        bits.se()?;
        bits.se()?;
    }
    Some(delta)
}

/// `dec_ref_pic_marking`
fn reference_marking(bits: &mut Bits<'_>, is_idr: bool) -> Option<()> {
    if is_idr {
        bits.u(2)?;
        return Some(());
    }
    if !bits.flag()? {
        return Some(());
    }
    loop {
        match bits.ue()? {
            0 => return Some(()),
            3 => {
                bits.ue()?;
                bits.ue()?;
            }
            1 | 2 | 4 | 6 => {
                bits.ue()?;
            }
            5 => {}
            _ => return None,
        }
    }
}
