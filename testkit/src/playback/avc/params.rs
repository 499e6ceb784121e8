//! Sequence and picture parameter sets (ITU-T H.264, 7.3.2.1 and 7.3.2.2), as far as intra slices need them.

use super::AvcFlaw;
use crate::playback::bits::Bits;

/// Larger pictures are no real ones (level 6.2 allows 139,264 macroblocks).
const MAX_MACROBLOCKS: u32 = 139_264;

#[derive(Clone, Debug)]
pub(super) struct SequenceSet {
    pub(super) id: u32,
    pub(super) chroma_format: u32,
    pub(super) bit_depth_is_8: bool,
    pub(super) frame_num_bits: u32,
    pub(super) order_count: OrderCount,
    pub(super) width_mbs: u32,
    pub(super) height_mbs: u32,
    pub(super) frames_only: bool,
}

/// `pic_order_cnt_type` and what slice headers have of it.
#[derive(Clone, Debug)]
pub(super) enum OrderCount {
    Lsb { bits: u32 },
    Deltas { always_zero: bool },
    None,
}

impl SequenceSet {
    pub(super) fn read(bits: &mut Bits<'_>) -> Option<Self> {
        let profile = bits.u(8)?;
        bits.u(16)?;
        let id = bits.ue()?;
        let (mut chroma_format, mut bit_depth_is_8) = (1, true);
        if matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135) {
            chroma_format = bits.ue()?;
            if chroma_format == 3 {
                bits.flag()?;
            }
            bit_depth_is_8 = (bits.ue()?, bits.ue()?) == (0, 0);
            bits.flag()?;
            if bits.flag()? {
                let lists = if chroma_format == 3 { 12 } else { 8 };
                scaling_lists(bits, lists)?;
            }
        }
        let frame_num_bits = bits.ue()?.checked_add(4).filter(|bits| *bits <= 16)?;
        let order_count = match bits.ue()? {
            0 => OrderCount::Lsb { bits: bits.ue()?.checked_add(4).filter(|bits| *bits <= 16)? },
            1 => {
                let always_zero = bits.flag()?;
                bits.se()?;
                bits.se()?;
                for _ in 0..bits.ue()?.min(255) {
                    bits.se()?;
                }
                OrderCount::Deltas { always_zero }
            }
            2 => OrderCount::None,
            _ => return None,
        };
        bits.ue()?;
        bits.flag()?;
        let width_mbs = bits.ue()?.checked_add(1)?;
        let height_units = bits.ue()?.checked_add(1)?;
        let frames_only = bits.flag()?;
        let height_mbs = height_units.checked_mul(if frames_only { 1 } else { 2 })?;
        width_mbs.checked_mul(height_mbs).filter(|mbs| *mbs <= MAX_MACROBLOCKS)?;
        Some(Self {
            id,
            chroma_format,
            bit_depth_is_8,
            frame_num_bits,
            order_count,
            width_mbs,
            height_mbs,
            frames_only,
        })
    }
}

#[derive(Clone, Debug)]
pub(super) struct PictureSet {
    pub(super) id: u32,
    pub(super) sequence_id: u32,
    pub(super) is_cabac: bool,
    pub(super) has_bottom_order: bool,
    pub(super) slice_groups: u32,
    pub(super) initial_qp: i32,
    pub(super) has_deblocking_control: bool,
    pub(super) has_redundant_count: bool,
    pub(super) has_8x8_transform: bool,
}

impl PictureSet {
    pub(super) fn read(bits: &mut Bits<'_>) -> Option<Self> {
        let (id, sequence_id) = (bits.ue()?, bits.ue()?);
        let (is_cabac, has_bottom_order) = (bits.flag()?, bits.flag()?);
        let slice_groups = bits.ue()?.checked_add(1)?;
        let mut set = Self {
            id,
            sequence_id,
            is_cabac,
            has_bottom_order,
            slice_groups,
            initial_qp: 0,
            has_deblocking_control: false,
            has_redundant_count: false,
            has_8x8_transform: false,
        };
        if slice_groups > 1 {
            // What follows depends on the groups; such pictures are refused when a slice comes.
            return Some(set);
        }
        bits.ue()?;
        bits.ue()?;
        bits.u(3)?;
        set.initial_qp = bits.se()?.checked_add(26)?;
        bits.se()?;
        bits.se()?;
        set.has_deblocking_control = bits.flag()?;
        bits.flag()?;
        set.has_redundant_count = bits.flag()?;
        if bits.more_data() {
            set.has_8x8_transform = bits.flag()?;
        }
        Some(set)
    }

    /// Whether the macroblocks of an intra slice can be read here.
    pub(super) fn check_readable(&self, sequence: &SequenceSet) -> Result<(), AvcFlaw> {
        let unsupported = |why| Err(AvcFlaw::Unsupported(why));
        if !self.is_cabac {
            return unsupported("CAVLC: intra slices are read in CABAC only");
        }
        if self.slice_groups > 1 || !sequence.frames_only {
            return unsupported("slice groups and interlaced pictures");
        }
        if sequence.chroma_format != 1 || !sequence.bit_depth_is_8 {
            return unsupported("samples other than 8 bits in 4:2:0");
        }
        Ok(())
    }
}

fn scaling_lists(bits: &mut Bits<'_>, lists: u32) -> Option<()> {
    for list in 0..lists {
        if !bits.flag()? {
            continue;
        }
        let size = if list < 6 { 16 } else { 64 };
        let (mut last, mut next) = (8, 8);
        for _ in 0..size {
            if next != 0 {
                next = (last + bits.se()? + 256) % 256;
            }
            if next != 0 {
                last = next;
            }
        }
    }
    Some(())
}
