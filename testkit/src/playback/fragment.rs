//! The samples of a media segment, where they lie and how each is encrypted (ISO/IEC 14496-12, 8.8; 23001-7, 7).

use std::ops::Range;

use super::PlaybackError;
use super::boxes::{Fields, boxes, first, path};
use super::track::{Protection, Track};

/// No real segment has more.
const MAX_SAMPLES: u32 = 100_000;

pub(super) struct Sample {
    pub(super) bytes: Range<usize>,
    /// `None` for a clear sample.
    pub(super) encryption: Option<Encryption>,
}

pub(super) struct Encryption {
    pub(super) iv: [u8; 16],
    /// Clear and protected bytes, in turn. Empty: the whole sample is protected.
    pub(super) subsamples: Vec<(usize, usize)>,
}

/// The samples of one track, with the number of the sample entry that they have, counted from 1.
pub(super) struct Run {
    pub(super) track_id: u32,
    pub(super) entry: u32,
    pub(super) samples: Vec<Sample>,
}

/// All samples of a segment, fragment by fragment.
pub(super) fn runs(segment: &[u8], tracks: &[Track]) -> Result<Vec<Run>, PlaybackError> {
    let mut runs = Vec::new();
    for moof in boxes(segment)?.iter().filter(|b| b.kind == *b"moof") {
        for traf in boxes(moof.payload)?.iter().filter(|b| b.kind == *b"traf") {
            runs.push(run(traf.payload, moof.offset, segment.len(), tracks)?);
        }
    }
    if runs.is_empty() { Err(PlaybackError::Malformed("the segment has no fragment")) } else { Ok(runs) }
}

fn run(traf: &[u8], moof_offset: usize, segment_bytes: usize, tracks: &[Track]) -> Result<Run, PlaybackError> {
    let (mut tfhd, _, flags) = Fields::full_box(path(traf, &[b"tfhd"])?)?;
    let track_id = tfhd.u32()?;
    let track = tracks
        .iter()
        .find(|track| track.id == track_id)
        .ok_or(PlaybackError::Malformed("a fragment of a track that the init segment does not have"))?;
    let base = if flags & 1 != 0 { usize::try_from(tfhd.u64()?).unwrap_or(usize::MAX) } else { moof_offset };
    let entry = if flags & 2 != 0 { tfhd.u32()? } else { track.default_entry };
    if flags & 8 != 0 {
        tfhd.u32()?;
    }
    let default_size = if flags & 0x10 != 0 { tfhd.u32()? } else { track.default_size };
    let protection = (entry as usize)
        .checked_sub(1)
        .and_then(|at| track.entries.get(at))
        .ok_or(PlaybackError::Malformed("a fragment of a sample entry that the init segment does not have"))?
        .protection
        .as_ref();
    for group in boxes(traf)?.iter().filter(|b| b.kind == *b"sbgp") {
        let (mut fields, _, _) = Fields::full_box(group.payload)?;
        if fields.bytes(4)? == b"seig" {
            return Err(PlaybackError::Unsupported("keys that change within a track (seig)"));
        }
    }

    let mut places: Vec<Range<usize>> = Vec::new();
    let mut next = None;
    for trun in boxes(traf)?.iter().filter(|b| b.kind == *b"trun") {
        let (fields, _, flags) = Fields::full_box(trun.payload)?;
        next = Some(place(fields, flags, base, next, default_size, segment_bytes, &mut places)?);
    }
    let encryption = match protection {
        None => places.iter().map(|_| None).collect(),
        Some(protection) => encryption(traf, protection, places.len())?,
    };
    let samples = places.into_iter().zip(encryption).map(|(bytes, encryption)| Sample { bytes, encryption }).collect();
    Ok(Run { track_id, entry, samples })
}

/// Where the samples of a `trun` lie; returns where the next one's would begin.
fn place(
    mut trun: Fields<'_>,
    flags: u32,
    base: usize,
    next: Option<usize>,
    default_size: u32,
    segment_bytes: usize,
    places: &mut Vec<Range<usize>>,
) -> Result<usize, PlaybackError> {
    let outside = || PlaybackError::Malformed("a sample lies outside of the segment");
    let count = trun.u32()?;
    if count > MAX_SAMPLES {
        return Err(PlaybackError::Malformed("more samples than any segment has"));
    }
    let mut at = if flags & 1 != 0 {
        let offset = isize::try_from(trun.u32()? as i32).map_err(|_| outside())?;
        base.checked_add_signed(offset).ok_or_else(outside)?
    } else {
        next.unwrap_or(base)
    };
    if flags & 4 != 0 {
        trun.u32()?;
    }
    for _ in 0..count {
        if flags & 0x100 != 0 {
            trun.u32()?;
        }
        let size = if flags & 0x200 != 0 { trun.u32()? } else { default_size };
        for flag in [0x400, 0x800] {
            if flags & flag != 0 {
                trun.u32()?;
            }
        }
        let end = at.checked_add(size as usize).filter(|end| *end <= segment_bytes).ok_or_else(outside)?;
        places.push(at..end);
        at = end;
    }
    Ok(at)
}

/// The content of `senc`, or the constant IV alone.
fn encryption(traf: &[u8], protection: &Protection, samples: usize) -> Result<Vec<Option<Encryption>>, PlaybackError> {
    let constant = || pad(&protection.constant_iv);
    let Some(senc) = first(traf, b"senc")? else {
        if protection.iv_bytes != 0 {
            return Err(PlaybackError::Unsupported("sample encryption without a senc box"));
        }
        return Ok((0..samples).map(|_| Some(Encryption { iv: constant(), subsamples: Vec::new() })).collect());
    };
    let (mut fields, _, flags) = Fields::full_box(senc)?;
    if fields.u32()? as usize != samples {
        return Err(PlaybackError::Malformed("senc does not have one entry a sample"));
    }
    let mut all = Vec::new();
    for _ in 0..samples {
        let iv = if protection.iv_bytes == 0 { constant() } else { pad(fields.bytes(protection.iv_bytes)?) };
        let mut subsamples = Vec::new();
        if flags & 2 != 0 {
            for _ in 0..fields.u16()? {
                subsamples.push((usize::from(fields.u16()?), fields.u32()? as usize));
            }
        }
        all.push(Some(Encryption { iv, subsamples }));
    }
    Ok(all)
}

/// An IV of 8 bytes stands before a block counter of 8 bytes (ISO/IEC 23001-7, 9.2).
fn pad(iv: &[u8]) -> [u8; 16] {
    let mut padded = [0; 16];
    padded.iter_mut().zip(iv).for_each(|(to, from)| *to = *from);
    padded
}
