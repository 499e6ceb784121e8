//! Bits, most significant first, with the Exp-Golomb codes of H.264 (ITU-T H.264, 7.2 and 9.1).

/// Reads bits of a slice; `None` beyond its end.
#[derive(Clone, Debug)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// Bits read so far.
    pub(super) fn position(&self) -> usize {
        self.position
    }

    pub(super) fn bit(&mut self) -> Option<u32> {
        let bit = self.at(self.position)?;
        self.position += 1;
        Some(bit)
    }

    /// The bit at a place, read or not.
    pub(super) fn at(&self, position: usize) -> Option<u32> {
        let byte = *self.bytes.get(position / 8)?;
        Some(u32::from((byte >> (7 - position % 8)) & 1))
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        self.bit().map(|bit| bit == 1)
    }

    /// `u(n)`, at most 32 bits.
    pub(super) fn u(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            value = (value << 1) | self.bit()?;
        }
        Some(value)
    }

    /// `ue(v)`
    pub(super) fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        (1_u32 << zeros).checked_add(self.u(zeros)?)?.checked_sub(1)
    }

    /// `se(v)`
    pub(super) fn se(&mut self) -> Option<i32> {
        let code = i64::from(self.ue()?);
        let value = if code % 2 == 0 { -(code / 2) } else { code / 2 + 1 };
        i32::try_from(value).ok()
    }

    pub(super) fn skip(&mut self, count: usize) -> Option<()> {
        let position = self.position.checked_add(count)?;
        (position <= self.bytes.len() * 8).then(|| self.position = position)
    }

    /// To the next whole byte.
    pub(super) fn align(&mut self) {
        self.position = self.position.next_multiple_of(8);
    }

    /// Where the last 1 stands: the `rbsp_stop_one_bit` of a NAL unit. `None` if there is none.
    pub(super) fn last_one(&self) -> Option<usize> {
        let byte = self.bytes.iter().rposition(|byte| *byte != 0)?;
        Some(byte * 8 + 7 - self.bytes.get(byte)?.trailing_zeros() as usize)
    }

    /// Whether anything but the trailing bits is left (`more_rbsp_data`).
    pub(super) fn more_data(&self) -> bool {
        self.last_one().is_some_and(|last| self.position < last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_golomb_codes_are_read_as_in_table_9_2() {
        // 1 010 011 00100 00101, then a stop bit.
        let bytes = [0b1010_0110, 0b0100_0010, 0b1100_0000];
        let mut bits = Bits::new(&bytes);
        assert_eq!([(); 5].map(|()| bits.ue().unwrap()), [0, 1, 2, 3, 4]);
        assert!(!bits.more_data());
        assert_eq!((bits.position(), bits.last_one()), (17, Some(17)));
        let mut bits = Bits::new(&bytes);
        assert_eq!([(); 5].map(|()| bits.se().unwrap()), [0, 1, -1, 2, -2]);
    }

    #[test]
    fn nothing_is_read_beyond_the_end() {
        let mut bits = Bits::new(&[0, 0, 0, 0]);
        assert_eq!((bits.clone().ue(), bits.u(33), bits.bit()), (None, None, None));
        assert_eq!(Bits::new(&[0xff]).skip(9), None);
        assert_eq!(Bits::new(&[]).last_one(), None);
    }
}
