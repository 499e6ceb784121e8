//! The macroblocks of intra slices in progressive 4:2:0 pictures (ITU-T H.264, 7.3.4, 7.3.5 and 9.3.3.1).

use super::AvcFlaw;
use super::cabac::Cabac;
use super::params::{PictureSet, SequenceSet};
use super::residual::{BlockKind, read_block};
use super::slice::SliceHeader;
use crate::playback::bits::Bits;

// First context of each syntax element (table 9-34).
const MB_TYPE: usize = 3;
const QP_DELTA: usize = 60;
const CHROMA_MODE: usize = 64;
const PREVIOUS_MODE: usize = 68;
const REMAINING_MODE: usize = 69;
const CBP_LUMA: usize = 73;
const CBP_CHROMA: usize = 77;
const TRANSFORM_8X8: usize = 399;

/// Raw samples of an `I_PCM` macroblock: 16x16 and twice 8x8.
const RAW_BYTES: usize = 384;

/// A picture whose slices are read one by one.
pub(super) struct Picture {
    width: usize,
    macroblocks: Vec<Option<Macroblock>>,
    /// Where the next slice must begin.
    next: usize,
}

/// The facts about one macroblock that later ones need.
#[derive(Clone, Copy, Debug, Default)]
struct Macroblock {
    /// Of its slice: one of another slice is not available.
    slice: usize,
    kind: Kind,
    is_8x8: bool,
    has_chroma_mode: bool,
    /// One bit for each 8x8 block of luma.
    cbp_luma: u8,
    /// 0: none, 1: DC, 2: DC and AC.
    cbp_chroma: u8,
    /// `coded_block_flag`: luma blocks in raster order, luma DC, chroma DC, chroma AC.
    luma: [bool; 16],
    luma_dc: bool,
    chroma_dc: [bool; 2],
    chroma_ac: [[bool; 4]; 2],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    /// 4x4 or 8x8 prediction.
    #[default]
    Blocks,
    /// 16x16 prediction.
    Whole,
    /// Raw samples.
    Raw,
}

impl Picture {
    pub(super) fn new(sequence: &SequenceSet) -> Self {
        let (width, height) = (sequence.width_mbs as usize, sequence.height_mbs as usize);
        Self { width, macroblocks: vec![None; width * height], next: 0 }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.next == self.macroblocks.len()
    }

    /// Reads a slice's macroblocks to its last bit; returns how many there are.
    pub(super) fn read_slice(
        &mut self,
        bits: &mut Bits<'_>,
        header: &SliceHeader,
        set: &PictureSet,
    ) -> Result<u32, AvcFlaw> {
        let first = header.first_mb as usize;
        if first != self.next {
            return Err(AvcFlaw::Broken("a slice does not begin where the last one ended"));
        }
        let impossible = || AvcFlaw::Broken("the macroblocks cannot be decoded");
        let mut cabac = Cabac::new(bits, header.qp).ok_or_else(impossible)?;
        let mut had_qp_delta = false;
        for at in first..self.macroblocks.len() {
            let left = if at % self.width == 0 { None } else { self.neighbour(at.checked_sub(1), first) };
            let top = self.neighbour(at.checked_sub(self.width), first);
            let mut reader = Reader { cabac: &mut cabac, set, left, top, had_qp_delta };
            let macroblock = reader.read(first).ok_or_else(impossible)?;
            had_qp_delta = reader.had_qp_delta;
            if let Some(place) = self.macroblocks.get_mut(at) {
                *place = Some(macroblock);
            }
            if cabac.terminate().ok_or_else(impossible)? {
                if !cabac.is_at_end() {
                    return Err(AvcFlaw::Broken("a slice's macroblocks end before its data"));
                }
                self.next = at + 1;
                return u32::try_from(self.next - first).map_err(|_| impossible());
            }
        }
        Err(AvcFlaw::Broken("a slice has more macroblocks than its picture"))
    }

    fn neighbour(&self, at: Option<usize>, slice: usize) -> Option<Macroblock> {
        self.macroblocks.get(at?).copied().flatten().filter(|macroblock| macroblock.slice == slice)
    }
}

struct Reader<'a, 'b, 'c> {
    cabac: &'c mut Cabac<'a, 'b>,
    set: &'c PictureSet,
    left: Option<Macroblock>,
    top: Option<Macroblock>,
    /// Whether the macroblock before, in this slice, had a `mb_qp_delta` other than 0.
    had_qp_delta: bool,
}

impl Reader<'_, '_, '_> {
    /// How many of left and top neighbours are so; one that is not available is not.
    fn neighbours(&self, is_so: impl Fn(&Macroblock) -> bool) -> usize {
        usize::from(self.left.as_ref().is_some_and(&is_so)) + usize::from(self.top.as_ref().is_some_and(&is_so))
    }

    /// As before, but the top neighbour counts twice.
    fn weighted(left: bool, top: bool) -> usize {
        usize::from(left) + 2 * usize::from(top)
    }

    fn read(&mut self, slice: usize) -> Option<Macroblock> {
        let mut mb = Macroblock { slice, ..Macroblock::default() };
        let inc = self.neighbours(|other| other.kind != Kind::Blocks);
        if !self.cabac.decide(MB_TYPE + inc)? {
            self.read_prediction_of_blocks(&mut mb)?;
        } else if self.cabac.terminate()? {
            self.cabac.skip_raw(RAW_BYTES)?;
            self.had_qp_delta = false;
            return Some(Macroblock {
                kind: Kind::Raw,
                cbp_luma: 15,
                cbp_chroma: 2,
                luma: [true; 16],
                luma_dc: true,
                chroma_dc: [true; 2],
                chroma_ac: [[true; 4]; 2],
                ..mb
            });
        } else {
            mb.kind = Kind::Whole;
            mb.cbp_luma = if self.cabac.decide(MB_TYPE + 3)? { 15 } else { 0 };
            if self.cabac.decide(MB_TYPE + 4)? {
                mb.cbp_chroma = 1 + u8::from(self.cabac.decide(MB_TYPE + 5)?);
            }
            // Intra16x16PredMode
            self.cabac.decide(MB_TYPE + 6)?;
            self.cabac.decide(MB_TYPE + 7)?;
        }
        mb.has_chroma_mode = self.read_chroma_mode()?;
        if mb.kind == Kind::Blocks {
            self.read_coded_block_pattern(&mut mb)?;
        }
        if mb.kind == Kind::Whole || mb.cbp_luma != 0 || mb.cbp_chroma != 0 {
            self.read_qp_delta()?;
            self.read_luma(&mut mb)?;
            self.read_chroma(&mut mb)?;
        } else {
            self.had_qp_delta = false;
        }
        Some(mb)
    }

    fn read_prediction_of_blocks(&mut self, mb: &mut Macroblock) -> Option<()> {
        if self.set.has_8x8_transform {
            let inc = self.neighbours(|other| other.is_8x8);
            mb.is_8x8 = self.cabac.decide(TRANSFORM_8X8 + inc)?;
        }
        for _ in 0..if mb.is_8x8 { 4 } else { 16 } {
            if !self.cabac.decide(PREVIOUS_MODE)? {
                for _ in 0..3 {
                    self.cabac.decide(REMAINING_MODE)?;
                }
            }
        }
        Some(())
    }

    /// `intra_chroma_pred_mode`; returns whether it is not 0.
    fn read_chroma_mode(&mut self) -> Option<bool> {
        let inc = self.neighbours(|other| other.has_chroma_mode);
        if !self.cabac.decide(CHROMA_MODE + inc)? {
            return Some(false);
        }
        for _ in 0..2 {
            if !self.cabac.decide(CHROMA_MODE + 3)? {
                break;
            }
        }
        Some(true)
    }

    fn read_coded_block_pattern(&mut self, mb: &mut Macroblock) -> Option<()> {
        // The neighbour counts if its 8x8 block is *not* coded; one that is not available counts as coded.
        let is_empty = |other: Option<Macroblock>, block: u8| other.is_some_and(|o| o.cbp_luma >> block & 1 == 0);
        for block in 0..4_u8 {
            let own = |block: u8, mb: &Macroblock| mb.cbp_luma >> block & 1 == 0;
            let left = if block & 1 == 1 { own(block - 1, mb) } else { is_empty(self.left, block + 1) };
            let top = if block >= 2 { own(block - 2, mb) } else { is_empty(self.top, block + 2) };
            mb.cbp_luma |= u8::from(self.cabac.decide(CBP_LUMA + Self::weighted(left, top))?) << block;
        }
        let at_least = |other: Option<Macroblock>, chroma: u8| other.is_some_and(|o| o.cbp_chroma >= chroma);
        if self.cabac.decide(CBP_CHROMA + Self::weighted(at_least(self.left, 1), at_least(self.top, 1)))? {
            let inc = Self::weighted(at_least(self.left, 2), at_least(self.top, 2));
            mb.cbp_chroma = 1 + u8::from(self.cabac.decide(CBP_CHROMA + 4 + inc)?);
        }
        Some(())
    }

    /// `mb_qp_delta`: -26 to 25 (7.4.5), so 52 values.
    fn read_qp_delta(&mut self) -> Option<()> {
        let mut index = QP_DELTA + usize::from(self.had_qp_delta);
        let mut value = 0;
        while self.cabac.decide(index)? {
            value += 1;
            if value > 52 {
                return None;
            }
            index = QP_DELTA + if value == 1 { 2 } else { 3 };
        }
        self.had_qp_delta = value != 0;
        Some(())
    }

    fn read_luma(&mut self, mb: &mut Macroblock) -> Option<()> {
        // A neighbour that is not available counts as coded: this is an intra macroblock (9.3.3.1.1.9).
        let coded = |other: Option<Macroblock>, is_coded: fn(&Macroblock) -> bool| other.is_none_or(|o| is_coded(&o));
        if mb.kind == Kind::Whole {
            let inc = Self::weighted(coded(self.left, |o| o.luma_dc), coded(self.top, |o| o.luma_dc));
            mb.luma_dc = read_block(self.cabac, BlockKind::LumaDc, inc)?;
        }
        let kind = if mb.kind == Kind::Whole { BlockKind::LumaAc } else { BlockKind::Luma };
        for block in 0..16_usize {
            if mb.cbp_luma >> (block / 4) & 1 == 0 {
                continue;
            }
            let (x, y) = place(block);
            if mb.is_8x8 {
                if block % 4 == 0 {
                    read_block(self.cabac, BlockKind::Luma8x8, 0)?;
                }
                *mb.luma.get_mut(y * 4 + x)? = true;
                continue;
            }
            let at = |other: Option<Macroblock>, at: usize| other.is_none_or(|o| o.luma.get(at).is_some_and(|b| *b));
            let left = if x > 0 { at(Some(*mb), y * 4 + x - 1) } else { at(self.left, y * 4 + 3) };
            let top = if y > 0 { at(Some(*mb), y * 4 + x - 4) } else { at(self.top, 12 + x) };
            *mb.luma.get_mut(y * 4 + x)? = read_block(self.cabac, kind, Self::weighted(left, top))?;
        }
        Some(())
    }

    fn read_chroma(&mut self, mb: &mut Macroblock) -> Option<()> {
        if mb.cbp_chroma == 0 {
            return Some(());
        }
        for plane in 0..2_usize {
            let dc = |other: Option<Macroblock>| other.is_none_or(|o| o.chroma_dc.get(plane).is_some_and(|b| *b));
            let inc = Self::weighted(dc(self.left), dc(self.top));
            *mb.chroma_dc.get_mut(plane)? = read_block(self.cabac, BlockKind::ChromaDc, inc)?;
        }
        if mb.cbp_chroma == 1 {
            return Some(());
        }
        for plane in 0..2_usize {
            for block in 0..4_usize {
                let at = |other: Option<Macroblock>, at: usize| {
                    other.is_none_or(|o| o.chroma_ac.get(plane).and_then(|blocks| blocks.get(at)) == Some(&true))
                };
                let left = if block % 2 == 1 { at(Some(*mb), block - 1) } else { at(self.left, block + 1) };
                let top = if block >= 2 { at(Some(*mb), block - 2) } else { at(self.top, block + 2) };
                let is_coded = read_block(self.cabac, BlockKind::ChromaAc, Self::weighted(left, top))?;
                *mb.chroma_ac.get_mut(plane)?.get_mut(block)? = is_coded;
            }
        }
        Some(())
    }
}

/// Column and row of a 4x4 block, by its number in decoding order (6.4.3).
fn place(block: usize) -> (usize, usize) {
    (block % 2 + 2 * (block / 4 % 2), block / 2 % 2 + 2 * (block / 8))
}

#[cfg(test)]
mod tests {
    use super::super::cabac::tests::Encoder;
    use super::super::params::OrderCount;
    use super::*;

    fn sequence(width_mbs: u32) -> SequenceSet {
        SequenceSet {
            id: 0,
            chroma_format: 1,
            bit_depth_is_8: true,
            frame_num_bits: 4,
            order_count: OrderCount::None,
            width_mbs,
            height_mbs: 1,
            frames_only: true,
        }
    }

    fn picture_set() -> PictureSet {
        PictureSet {
            id: 0,
            sequence_id: 0,
            is_cabac: true,
            has_bottom_order: false,
            slice_groups: 1,
            initial_qp: 26,
            has_deblocking_control: false,
            has_redundant_count: false,
            has_8x8_transform: false,
        }
    }

    fn read(bytes: &[u8], width_mbs: u32) -> Result<u32, AvcFlaw> {
        let mut picture = Picture::new(&sequence(width_mbs));
        let header = SliceHeader { first_mb: 0, is_intra: true, qp: 26 };
        picture.read_slice(&mut Bits::new(bytes), &header, &picture_set())
    }

    /// A raw macroblock, then an empty one of 16x16.
    fn raw_and_empty() -> Vec<u8> {
        let mut encoder = Encoder::new(26);
        encoder.decide(MB_TYPE, true);
        encoder.terminate(true);
        encoder.raw(&[0x80; RAW_BYTES]);
        encoder.terminate(false);
        encoder.decide(MB_TYPE + 1, true);
        encoder.terminate(false);
        for (index, bin) in [(3, false), (4, false), (6, false), (7, true)] {
            encoder.decide(MB_TYPE + index, bin);
        }
        encoder.decide(CHROMA_MODE, false);
        encoder.decide(QP_DELTA, false);
        // Its luma DC block: the raw neighbour on the left counts as coded, and so does the missing one above.
        encoder.decide(85 + 3, false);
        encoder.terminate(true);
        encoder.bytes()
    }

    #[test]
    fn raw_macroblocks_are_skipped_and_count_as_coded() {
        let bytes = raw_and_empty();
        assert_eq!(read(&bytes, 2), Ok(2));
        assert!(read(&bytes[..RAW_BYTES / 2], 2).is_err());
    }

    #[test]
    fn a_slice_that_is_longer_than_its_picture_or_than_its_macroblocks_is_refused() {
        assert_eq!(read(&raw_and_empty(), 1), Err(AvcFlaw::Broken("a slice has more macroblocks than its picture")));
        let longer = [raw_and_empty(), vec![0xff]].concat();
        assert_eq!(read(&longer, 2), Err(AvcFlaw::Broken("a slice's macroblocks end before its data")));
    }
}
