//! The arithmetic decoder (ITU-T H.264, 9.3.1 and 9.3.3.2).

use super::tables::{INTRA_CONTEXTS, NEXT_STATE_LPS, RANGE_LPS};
use crate::playback::bits::Bits;

const CONTEXTS: usize = 460;

pub(super) struct Cabac<'a, 'b> {
    bits: &'b mut Bits<'a>,
    range: u32,
    offset: u32,
    contexts: [Context; CONTEXTS],
}

#[derive(Clone, Copy, Default)]
struct Context {
    state: u8,
    most_probable: bool,
}

impl<'a, 'b> Cabac<'a, 'b> {
    /// Begins at the next whole byte. `None` if the slice ends here, or begins as no slice may.
    pub(super) fn new(bits: &'b mut Bits<'a>, qp: i32) -> Option<Self> {
        // cabac_alignment_one_bit
        while !bits.position().is_multiple_of(8) {
            if bits.bit()? == 0 {
                return None;
            }
        }
        let mut contexts = [Context::default(); CONTEXTS];
        for range in &INTRA_CONTEXTS {
            for (context, (m, n)) in contexts.iter_mut().skip(range.first).zip(range.values) {
                let value = (((i32::from(*m) * qp) >> 4) + i32::from(*n)).clamp(1, 126);
                let (state, most_probable) = if value <= 63 { (63 - value, false) } else { (value - 64, true) };
                *context = Context { state: u8::try_from(state).unwrap_or(0), most_probable };
            }
        }
        let mut cabac = Self { bits, range: 0, offset: 0, contexts };
        cabac.start()?;
        Some(cabac)
    }

    fn start(&mut self) -> Option<()> {
        self.range = 510;
        self.offset = self.bits.u(9)?;
        // 510 and 511 are in no stream (9.3.1.2).
        (self.offset < 510).then_some(())
    }

    /// One bin with a context.
    pub(super) fn decide(&mut self, index: usize) -> Option<bool> {
        let context = self.contexts.get_mut(index)?;
        let quarter = ((self.range >> 6) & 3) as usize;
        let less = u32::from(*RANGE_LPS.get(usize::from(context.state))?.get(quarter)?);
        self.range -= less;
        let mut bin = context.most_probable;
        if self.offset >= self.range {
            self.offset -= self.range;
            self.range = less;
            bin = !bin;
            if context.state == 0 {
                context.most_probable = bin;
            }
            context.state = *NEXT_STATE_LPS.get(usize::from(context.state))?;
        } else {
            context.state = (context.state + 1).min(62);
        }
        self.renormalize()?;
        Some(bin)
    }

    /// One bin without.
    pub(super) fn bypass(&mut self) -> Option<bool> {
        self.offset = (self.offset << 1) | self.bits.bit()?;
        let bin = self.offset >= self.range;
        if bin {
            self.offset -= self.range;
        }
        Some(bin)
    }

    /// The bin before raw samples and after each macroblock. When it is set, the decoder ends: the bits that it has read
    /// are then just those that the encoder has flushed, and the last of them is a 1 (9.3.4.5).
    pub(super) fn terminate(&mut self) -> Option<bool> {
        self.range -= 2;
        if self.offset >= self.range {
            return Some(true);
        }
        self.renormalize()?;
        Some(false)
    }

    /// Raw bytes of an `I_PCM` macroblock; the decoder begins anew behind them.
    pub(super) fn skip_raw(&mut self, bytes: usize) -> Option<()> {
        self.bits.align();
        self.bits.skip(bytes * 8)?;
        self.start()
    }

    /// Whether the last bit read is the 1 that ends a slice, in the slice's last byte. It is the stop bit itself, but for
    /// x264, which puts a marker of its own behind it.
    pub(super) fn is_at_end(&self) -> bool {
        let Some(last_read) = self.bits.position().checked_sub(1) else { return false };
        self.bits.at(last_read) == Some(1) && self.bits.last_one().is_some_and(|last| last / 8 == last_read / 8)
    }

    fn renormalize(&mut self) -> Option<()> {
        while self.range < 256 {
            self.range <<= 1;
            self.offset = (self.offset << 1) | self.bits.bit()?;
        }
        Some(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The encoder of 9.3.4, to make what real streams hardly have.
    pub(in super::super) struct Encoder {
        low: u32,
        range: u32,
        outstanding: u32,
        is_first: bool,
        contexts: [Context; CONTEXTS],
        pub(in super::super) bits: Vec<bool>,
    }

    impl Encoder {
        pub(in super::super) fn new(qp: i32) -> Self {
            let bytes = [0; 2];
            let contexts = Cabac::new(&mut Bits::new(&bytes), qp).unwrap().contexts;
            Self { low: 0, range: 510, outstanding: 0, is_first: true, contexts, bits: Vec::new() }
        }

        pub(in super::super) fn decide(&mut self, index: usize, bin: bool) {
            let context = &mut self.contexts[index];
            let less = u32::from(RANGE_LPS[usize::from(context.state)][(self.range >> 6 & 3) as usize]);
            self.range -= less;
            if bin == context.most_probable {
                context.state = (context.state + 1).min(62);
            } else {
                self.low += self.range;
                self.range = less;
                if context.state == 0 {
                    context.most_probable = bin;
                }
                context.state = NEXT_STATE_LPS[usize::from(context.state)];
            }
            self.renormalize();
        }

        pub(in super::super) fn bypass(&mut self, bin: bool) {
            self.low = (self.low << 1) + if bin { self.range } else { 0 };
            self.put_carry(0x400, 0x200);
        }

        /// A set bin flushes: whole bytes may follow.
        pub(in super::super) fn terminate(&mut self, bin: bool) {
            self.range -= 2;
            if !bin {
                return self.renormalize();
            }
            self.low += self.range;
            self.range = 2;
            self.renormalize();
            self.put(self.low >> 9 & 1 == 1);
            self.bits.extend([self.low >> 8 & 1 == 1, true]);
        }

        pub(in super::super) fn raw(&mut self, bytes: &[u8]) {
            self.bits.resize(self.bits.len().next_multiple_of(8), false);
            self.bits.extend(bytes.iter().flat_map(|byte| (0..8).map(move |bit| byte >> (7 - bit) & 1 == 1)));
            (self.low, self.range, self.outstanding, self.is_first) = (0, 510, 0, true);
        }

        pub(in super::super) fn bytes(&self) -> Vec<u8> {
            self.bits
                .chunks(8)
                .map(|bits| (0..8).fold(0, |byte, i| byte << 1 | u8::from(*bits.get(i).unwrap_or(&false))))
                .collect()
        }

        fn renormalize(&mut self) {
            while self.range < 256 {
                self.range <<= 1;
                self.low <<= 1;
                self.put_carry(0x400, 0x200);
            }
        }

        /// The bit above the register, if it is settled (figures 9-8 and 9-10, a step later).
        fn put_carry(&mut self, one: u32, half: u32) {
            if self.low >= one {
                self.put(true);
                self.low -= one;
            } else if self.low < half {
                self.put(false);
            } else {
                self.low -= half;
                self.outstanding += 1;
            }
        }

        fn put(&mut self, bit: bool) {
            if self.is_first {
                self.is_first = false;
            } else {
                self.bits.push(bit);
            }
            self.bits.extend(std::iter::repeat_n(!bit, std::mem::take(&mut self.outstanding) as usize));
        }
    }

    #[test]
    fn what_was_encoded_is_decoded_and_the_end_is_the_end() {
        for seed in 1..200_u32 {
            let mut random = seed;
            let mut next = || {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                random >> 24
            };
            let bins: Vec<(u32, usize, bool)> =
                (0..300).map(|_| (next() % 3, 60 + next() as usize % 200, next() % 5 == 0)).collect();
            let mut encoder = Encoder::new(30);
            for (kind, index, bin) in &bins {
                match kind {
                    0 => encoder.bypass(*bin),
                    1 => encoder.terminate(false),
                    _ => encoder.decide(*index, *bin),
                }
            }
            encoder.terminate(true);
            let bytes = encoder.bytes();
            let mut bits = Bits::new(&bytes);
            let mut cabac = Cabac::new(&mut bits, 30).unwrap();
            for (kind, index, bin) in &bins {
                let got = match kind {
                    0 => cabac.bypass() == Some(*bin),
                    1 => cabac.terminate() == Some(false),
                    _ => cabac.decide(*index) == Some(*bin),
                };
                assert!(got, "seed {seed}");
            }
            assert!(cabac.terminate() == Some(true) && cabac.is_at_end(), "seed {seed}");
        }
    }
}
