//! The tracks of an init segment: codec, protection, defaults (ISO/IEC 14496-12, 14496-15, 23001-7).

use larder_core::model::KeyId;

use super::PlaybackError;
use super::aac::AacConfig;
use super::avc::AvcConfig;
use super::boxes::{Fields, boxes, first, path};

pub(super) struct Track {
    pub(super) id: u32,
    /// In the order of `stsd`; a fragment names one by its number.
    pub(super) entries: Vec<SampleEntry>,
    pub(super) default_entry: u32,
    pub(super) default_size: u32,
}

pub(super) struct SampleEntry {
    pub(super) codec: CodecConfig,
    pub(super) protection: Option<Protection>,
}

pub(super) enum CodecConfig {
    Avc(AvcConfig),
    Aac(AacConfig),
    Other,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Protection {
    pub(super) scheme: Scheme,
    pub(super) key_id: KeyId,
    /// Of the IVs in `senc`; 0: there is the constant one.
    pub(super) iv_bytes: usize,
    pub(super) constant_iv: Vec<u8>,
    /// Blocks encrypted and blocks left clear, again and again; (0, 0): all.
    pub(super) pattern: (u8, u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Cenc,
    Cbcs,
}

impl Scheme {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Cenc => "cenc",
            Self::Cbcs => "cbcs",
        }
    }
}

/// The tracks of an init segment.
pub(super) fn tracks(init: &[u8]) -> Result<Vec<Track>, PlaybackError> {
    let moov = path(init, &[b"moov"])?;
    let extends = match first(moov, b"mvex")? {
        Some(mvex) => boxes(mvex)?.into_iter().filter(|b| b.kind == *b"trex").map(|b| defaults(b.payload)).collect(),
        None => Ok(Vec::new()),
    }?;
    let mut tracks = Vec::new();
    for trak in boxes(moov)?.iter().filter(|b| b.kind == *b"trak") {
        let (mut tkhd, version, _) = Fields::full_box(path(trak.payload, &[b"tkhd"])?)?;
        tkhd.bytes(if version == 1 { 16 } else { 8 })?;
        let id = tkhd.u32()?;
        let (mut stsd, _, _) = Fields::full_box(path(trak.payload, &[b"mdia", b"minf", b"stbl", b"stsd"])?)?;
        stsd.u32()?;
        let entries = boxes(stsd.rest())?.iter().map(|b| sample_entry(b.kind, b.payload)).collect::<Result<_, _>>()?;
        let (_, default_entry, default_size) = extends.iter().find(|(of, ..)| *of == id).copied().unwrap_or((id, 1, 0));
        tracks.push(Track { id, entries, default_entry, default_size });
    }
    Ok(tracks)
}

fn defaults(trex: &[u8]) -> Result<(u32, u32, u32), PlaybackError> {
    let (mut fields, _, _) = Fields::full_box(trex)?;
    let (id, entry) = (fields.u32()?, fields.u32()?);
    fields.u32()?;
    Ok((id, entry, fields.u32()?))
}

fn sample_entry(kind: [u8; 4], payload: &[u8]) -> Result<SampleEntry, PlaybackError> {
    // Fixed fields before the boxes: 78 bytes of a visual entry, 28 of an audio one (ISO/IEC 14496-12, 12.1.3, 12.2.3).
    let fixed = match &kind {
        b"avc1" | b"avc3" | b"encv" => 78,
        b"mp4a" | b"enca" => 28,
        _ => return Ok(SampleEntry { codec: CodecConfig::Other, protection: None }),
    };
    let children = payload.get(fixed..).ok_or(PlaybackError::Malformed("a sample entry is too short"))?;
    let protection = match first(children, b"sinf")? {
        Some(sinf) => Some(protection(sinf)?),
        None if matches!(&kind, b"encv" | b"enca") => {
            return Err(PlaybackError::Malformed("a protected entry without sinf"));
        }
        None => None,
    };
    let codec = if let Some(avcc) = first(children, b"avcC")? {
        CodecConfig::Avc(AvcConfig::parse(avcc)?)
    } else if let Some(esds) = first(children, b"esds")? {
        AacConfig::parse_esds(esds)?.map_or(CodecConfig::Other, CodecConfig::Aac)
    } else {
        CodecConfig::Other
    };
    Ok(SampleEntry { codec, protection })
}

fn protection(sinf: &[u8]) -> Result<Protection, PlaybackError> {
    let (mut schm, _, _) = Fields::full_box(path(sinf, &[b"schm"])?)?;
    let scheme = match schm.bytes(4)? {
        b"cenc" => Scheme::Cenc,
        b"cbcs" => Scheme::Cbcs,
        _ => return Err(PlaybackError::Unsupported("protection schemes other than cenc and cbcs")),
    };
    let (mut tenc, version, _) = Fields::full_box(path(sinf, &[b"schi", b"tenc"])?)?;
    tenc.u8()?;
    let pattern = tenc.u8()?;
    let is_protected = tenc.u8()?;
    let iv_bytes = usize::from(tenc.u8()?);
    let key_id = KeyId(tenc.bytes(16)?.try_into().map_err(|_| PlaybackError::Malformed("tenc is too short"))?);
    if is_protected != 1 {
        return Err(PlaybackError::Unsupported("tracks that tenc calls clear by default"));
    }
    let constant_iv = if iv_bytes == 0 {
        let count = usize::from(tenc.u8()?);
        tenc.bytes(count)?.to_vec()
    } else {
        Vec::new()
    };
    if !matches!(iv_bytes, 0 | 8 | 16) || (iv_bytes == 0 && !matches!(constant_iv.len(), 8 | 16)) {
        return Err(PlaybackError::Malformed("an IV has 8 or 16 bytes"));
    }
    let pattern = if version == 0 { (0, 0) } else { (pattern >> 4, pattern & 0x0f) };
    Ok(Protection { scheme, key_id, iv_bytes, constant_iv, pattern })
}
