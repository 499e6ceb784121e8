//! ISO base media file format: boxes in boxes (ISO/IEC 14496-12, 4.2).

use super::PlaybackError;

pub(super) struct Mp4Box<'a> {
    pub(super) kind: [u8; 4],
    /// Where it begins in what was given to [`boxes`].
    pub(super) offset: usize,
    pub(super) payload: &'a [u8],
}

/// The boxes that stand one after the other in `data`.
pub(super) fn boxes(data: &[u8]) -> Result<Vec<Mp4Box<'_>>, PlaybackError> {
    let lies = || PlaybackError::Malformed("a box's size lies");
    let mut found = Vec::new();
    let mut offset = 0;
    while offset < data.len() {
        let rest = data.get(offset..).unwrap_or_default();
        let mut header = Fields::new(rest);
        let size = header.u32()?;
        let kind = header.bytes(4)?.try_into().map_err(|_| lies())?;
        let (size, header_bytes) = match size {
            0 => (rest.len(), 8),
            1 => (usize::try_from(header.u64()?).map_err(|_| lies())?, 16),
            size => (size as usize, 8),
        };
        let payload = rest.get(header_bytes..size).ok_or_else(lies)?;
        found.push(Mp4Box { kind, offset, payload });
        offset += size;
    }
    Ok(found)
}

/// The first box of a kind.
pub(super) fn first<'a>(data: &'a [u8], kind: &[u8; 4]) -> Result<Option<&'a [u8]>, PlaybackError> {
    Ok(boxes(data)?.into_iter().find(|b| b.kind == *kind).map(|b| b.payload))
}

/// A box that must be there, found step by step.
pub(super) fn path<'a>(mut data: &'a [u8], kinds: &[&[u8; 4]]) -> Result<&'a [u8], PlaybackError> {
    for kind in kinds {
        data = first(data, kind)?.ok_or(PlaybackError::Malformed("a box is missing"))?;
    }
    Ok(data)
}

/// The fields of a box, one after the other.
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn new(payload: &'a [u8]) -> Self {
        Self(payload)
    }

    /// A full box's version and flags.
    pub(super) fn full_box(payload: &'a [u8]) -> Result<(Self, u8, u32), PlaybackError> {
        let mut fields = Self(payload);
        let word = fields.u32()?;
        Ok((fields, u8::try_from(word >> 24).unwrap_or(0), word & 0x00ff_ffff))
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], PlaybackError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(PlaybackError::Malformed("a box is too short"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn uint(&mut self, count: usize) -> Result<u64, PlaybackError> {
        Ok(self.bytes(count)?.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte)))
    }

    pub(super) fn u8(&mut self) -> Result<u8, PlaybackError> {
        self.uint(1).map(|value| value as u8)
    }

    pub(super) fn u16(&mut self) -> Result<u16, PlaybackError> {
        self.uint(2).map(|value| value as u16)
    }

    pub(super) fn u32(&mut self) -> Result<u32, PlaybackError> {
        self.uint(4).map(|value| value as u32)
    }

    pub(super) fn u64(&mut self) -> Result<u64, PlaybackError> {
        self.uint(8)
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.0
    }
}
