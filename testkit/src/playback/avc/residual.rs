//! Blocks of transform coefficients (ITU-T H.264, 7.3.5.3.3 and 9.3.3.1.3).

use super::cabac::Cabac;
use super::tables::{LAST_8X8, SIGNIFICANT_8X8};

/// `ctxBlockCat` (table 9-42).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BlockKind {
    LumaDc,
    LumaAc,
    Luma,
    ChromaDc,
    ChromaAc,
    Luma8x8,
}

/// Where a kind's contexts begin (table 9-34 and 9-40), and how many coefficients it has.
struct Shape {
    coded: Option<usize>,
    significant: usize,
    last: usize,
    level: usize,
    coefficients: usize,
}

impl BlockKind {
    fn shape(self) -> Shape {
        let of = |coded: usize, map: usize, level: usize, coefficients: usize| Shape {
            coded: Some(85 + coded),
            significant: 105 + map,
            last: 166 + map,
            level: 227 + level,
            coefficients,
        };
        match self {
            Self::LumaDc => of(0, 0, 0, 16),
            Self::LumaAc => of(4, 15, 10, 15),
            Self::Luma => of(8, 29, 20, 16),
            Self::ChromaDc => of(12, 44, 30, 4),
            Self::ChromaAc => of(16, 47, 39, 15),
            // In 4:2:0 its coded_block_flag is not sent: the coded block pattern says it.
            Self::Luma8x8 => Shape { coded: None, significant: 402, last: 417, level: 426, coefficients: 64 },
        }
    }

    /// The context offset of a coefficient's position: for the map, and for "this is the last".
    fn increments(self, at: usize) -> Option<(usize, usize)> {
        match self {
            Self::Luma8x8 => Some((usize::from(*SIGNIFICANT_8X8.get(at)?), usize::from(*LAST_8X8.get(at)?))),
            Self::ChromaDc => Some((at.min(2), at.min(2))),
            _ => Some((at, at)),
        }
    }
}

/// Reads one block; returns its `coded_block_flag`. `increment` is what the neighbours add to that flag's context.
pub(super) fn read_block(cabac: &mut Cabac<'_, '_>, kind: BlockKind, increment: usize) -> Option<bool> {
    let shape = kind.shape();
    if let Some(coded) = shape.coded
        && !cabac.decide(coded + increment)?
    {
        return Some(false);
    }
    let mut significant = 0;
    let mut at = 0;
    while at + 1 < shape.coefficients {
        let (map, last) = kind.increments(at)?;
        if cabac.decide(shape.significant + map)? {
            significant += 1;
            if cabac.decide(shape.last + last)? {
                break;
            }
        }
        at += 1;
    }
    if at + 1 == shape.coefficients {
        // None was called the last: so the very last one is.
        significant += 1;
    }
    read_levels(cabac, kind, shape.level, significant)?;
    Some(true)
}

/// `coeff_abs_level_minus1` and `coeff_sign_flag`, from the last coefficient to the first.
fn read_levels(cabac: &mut Cabac<'_, '_>, kind: BlockKind, first: usize, count: usize) -> Option<()> {
    const PREFIX: u32 = 14;
    let most = if kind == BlockKind::ChromaDc { 3 } else { 4 };
    let (mut ones, mut greater) = (0_usize, 0_usize);
    for _ in 0..count {
        let increment = if greater != 0 { 0 } else { (1 + ones).min(4) };
        if cabac.decide(first + increment)? {
            let index = first + 5 + greater.min(most);
            let mut prefix = 1;
            while prefix < PREFIX && cabac.decide(index)? {
                prefix += 1;
            }
            if prefix == PREFIX {
                skip_exp_golomb(cabac)?;
            }
            greater += 1;
        } else {
            ones += 1;
        }
        cabac.bypass()?;
    }
    Some(())
}

/// The suffix of a large level. No level of 8-bit video needs more than 16 bits.
fn skip_exp_golomb(cabac: &mut Cabac<'_, '_>) -> Option<()> {
    let mut bits = 0;
    while cabac.bypass()? {
        bits += 1;
        if bits > 16 {
            return None;
        }
    }
    for _ in 0..bits {
        cabac.bypass()?;
    }
    Some(())
}
