//! ISO base media files (ISO/IEC 14496-12): protected tracks, their keys, and PSSH boxes.
//!
//! The walk follows the known path only (`moov/trak/mdia/minf/stbl/stsd`, `moof/traf`), so that deep nesting costs nothing,
//! and seeks over everything else: a film of gigabytes is a few reads. `sample_entry` reads `stsd`.

mod sample_entry;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;

use super::bytes::Bytes;
use super::limits::{MAX_BOXES, MAX_KEYS, MAX_PSSH_BYTES, MAX_TOTAL_PSSH_BYTES};
use super::pssh::{self, PsshBox};
use crate::error::{Code, Error, Result};
use crate::model::{KeyId, TrackKind};

/// The protection of one or several media files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mp4Facts {
    /// Tracks by their id.
    pub tracks: BTreeMap<u32, Mp4Track>,
    /// Every well-formed PSSH box of `moov` and `moof`, once.
    pub pssh: BTreeSet<PsshBox>,
    /// True if a PSSH box was malformed.
    pub has_malformed_pssh: bool,
    /// True if there was a `moov`.
    pub has_moov: bool,
    /// Bytes of the PSSH boxes.
    pssh_bytes: usize,
}

/// The boxes that may still be visited, over all files of one title.
#[derive(Clone, Debug)]
pub struct Budget {
    boxes: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { boxes: MAX_BOXES }
    }
}

/// One track of a media file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mp4Track {
    /// The kind, by the handler.
    pub kind: TrackKind,
    /// True if it has an encrypted sample entry.
    pub is_protected: bool,
    /// Its keys: the defaults (`tenc`) and those of its sample groups (`seig`).
    pub key_ids: BTreeSet<KeyId>,
}

impl Mp4Track {
    fn new() -> Self {
        Self { kind: TrackKind::Other, is_protected: false, key_ids: BTreeSet::new() }
    }
}

impl Mp4Facts {
    /// Reads a media file, an init segment or a media segment, or the given bytes of one, and adds its facts.
    ///
    /// Fails with [`Code::ManifestInvalid`] if a box is longer than what it lies in, with [`Code::ManifestTooLarge`] if
    /// there are more boxes or keys than in any real file, with [`Code::MediaUnreadable`] if the disk fails. A file that
    /// ends within its media data is accepted.
    pub fn read<R: Read + Seek + ?Sized>(
        &mut self,
        source: &mut R,
        bytes: Option<Range<u64>>,
        budget: &mut Budget,
    ) -> Result<()> {
        let mut reader = BufReader::with_capacity(4 << 10, source);
        let length = reader.seek(SeekFrom::End(0)).map_err(read_error)?;
        let range = bytes.unwrap_or(0..length);
        let end = range.end.min(length);
        let start = range.start.min(end);
        reader.seek(SeekFrom::Start(start)).map_err(read_error)?;
        Walk { reader, at: start, budget, facts: self }.file(start..end)
    }

    /// Returns the keys of all tracks together.
    pub fn key_ids(&self) -> BTreeSet<KeyId> {
        self.tracks.values().flat_map(|track| track.key_ids.iter().copied()).collect()
    }

    /// Returns true if a track is protected, or if a file without tracks (a media segment) has init data. PSSH boxes beside
    /// clear tracks are for other tracks of the title.
    pub fn is_protected(&self) -> bool {
        let has_boxes = !self.pssh.is_empty() || self.has_malformed_pssh;
        self.tracks.values().any(|track| track.is_protected) || (self.tracks.is_empty() && has_boxes)
    }

    fn add_pssh(&mut self, bytes: &[u8]) -> Result<()> {
        let Ok(boxes) = pssh::parse_all(bytes) else {
            self.has_malformed_pssh = true;
            return Ok(());
        };
        for pssh in boxes {
            let size = pssh.bytes.len();
            if self.pssh.insert(pssh) {
                self.pssh_bytes += size;
            }
        }
        if self.pssh.len() > MAX_KEYS || self.pssh_bytes > MAX_TOTAL_PSSH_BYTES {
            return Err(Error::new(Code::ManifestTooLarge, "the media file has more PSSH boxes than any real one"));
        }
        Ok(())
    }

    fn add_track(&mut self, id: u32, track: Mp4Track) -> Result<()> {
        let known = self.tracks.entry(id).or_insert_with(Mp4Track::new);
        if known.kind == TrackKind::Other {
            known.kind = track.kind;
        }
        known.is_protected |= track.is_protected;
        known.key_ids.extend(track.key_ids);
        self.check_keys(id)
    }

    fn add_fragment_keys(&mut self, track_id: u32, key_ids: BTreeSet<KeyId>) -> Result<()> {
        if key_ids.is_empty() {
            return Ok(());
        }
        let track = self.tracks.entry(track_id).or_insert_with(Mp4Track::new);
        track.is_protected = true;
        track.key_ids.extend(key_ids);
        self.check_keys(track_id)
    }

    fn check_keys(&self, track_id: u32) -> Result<()> {
        let keys = self.tracks.get(&track_id).map_or(0, |track| track.key_ids.len());
        if keys > MAX_KEYS || self.tracks.len() > MAX_KEYS {
            return Err(Error::new(Code::ManifestTooLarge, "the media file has more tracks or keys than any real one"));
        }
        Ok(())
    }
}

struct Walk<'a, R: ?Sized> {
    reader: BufReader<&'a mut R>,
    /// The position of the reader.
    at: u64,
    budget: &'a mut Budget,
    facts: &'a mut Mp4Facts,
}

/// A box: its kind, and the position of its content.
struct Header {
    kind: [u8; 4],
    content: Range<u64>,
}

/// The largest content that is read into memory. A `stsd` with all codec headers has some kilobytes, a `sgpd` of 1,000 keys
/// has 40.
const MAX_CONTENT_BYTES: u64 = 1 << 20;

impl<R: Read + Seek + ?Sized> Walk<'_, R> {
    fn file(&mut self, range: Range<u64>) -> Result<()> {
        let mut at = range.start;
        while let Some(header) = self.header(at..range.end, true)? {
            at = header.content.end;
            match &header.kind {
                b"moov" => self.moov(header.content)?,
                b"moof" => self.moof(header.content)?,
                b"pssh" => self.pssh(header.content)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn moov(&mut self, range: Range<u64>) -> Result<()> {
        self.facts.has_moov = true;
        self.children(range, |walk, kind, content| match kind {
            b"trak" => walk.trak(content),
            b"pssh" => walk.pssh(content),
            _ => Ok(()),
        })
    }

    fn trak(&mut self, range: Range<u64>) -> Result<()> {
        let mut id = 0;
        let mut track = Mp4Track::new();
        self.children(range, |walk, kind, content| match kind {
            b"tkhd" => {
                id = track_id_of_tkhd(&walk.head(content, 24)?).ok_or_else(malformed)?;
                Ok(())
            }
            b"mdia" => walk.mdia(content, &mut track),
            _ => Ok(()),
        })?;
        self.facts.add_track(id, track)
    }

    fn mdia(&mut self, range: Range<u64>, track: &mut Mp4Track) -> Result<()> {
        self.children(range, |walk, kind, content| match kind {
            b"hdlr" => {
                track.kind = kind_of_hdlr(&walk.head(content, 12)?).ok_or_else(malformed)?;
                Ok(())
            }
            b"minf" => walk.children(content, |walk, kind, content| match kind {
                b"stbl" => walk.stbl(content, track),
                _ => Ok(()),
            }),
            _ => Ok(()),
        })
    }

    fn stbl(&mut self, range: Range<u64>, track: &mut Mp4Track) -> Result<()> {
        self.children(range, |walk, kind, content| match kind {
            b"stsd" => {
                let protection = sample_entry::read(&walk.content(content)?).ok_or_else(malformed)?;
                track.is_protected |= protection.is_protected;
                track.key_ids.extend(protection.key_ids);
                Ok(())
            }
            b"sgpd" => {
                track.key_ids.extend(sample_entry::group_key_ids(&walk.content(content)?));
                Ok(())
            }
            _ => Ok(()),
        })
    }

    fn moof(&mut self, range: Range<u64>) -> Result<()> {
        self.children(range, |walk, kind, content| match kind {
            b"pssh" => walk.pssh(content),
            b"traf" => walk.traf(content),
            _ => Ok(()),
        })
    }

    fn traf(&mut self, range: Range<u64>) -> Result<()> {
        let mut id = 0;
        let mut key_ids = BTreeSet::new();
        self.children(range, |walk, kind, content| match kind {
            b"tfhd" => {
                id = track_id_of_tfhd(&walk.head(content, 8)?).ok_or_else(malformed)?;
                Ok(())
            }
            b"sgpd" => {
                key_ids.extend(sample_entry::group_key_ids(&walk.content(content)?));
                Ok(())
            }
            _ => Ok(()),
        })?;
        self.facts.add_fragment_keys(id, key_ids)
    }

    fn pssh(&mut self, content: Range<u64>) -> Result<()> {
        let size = content.end - content.start + 8;
        if size > MAX_PSSH_BYTES as u64 {
            return Err(pssh::too_large(size));
        }
        let content = self.content(content)?;
        // The box gets a 32-bit size, whatever form the size has in the file.
        let size = u32::try_from(size).map_err(|_| pssh::too_large(size))?;
        self.facts.add_pssh(&[&size.to_be_bytes()[..], b"pssh", &content].concat())
    }

    fn children(
        &mut self,
        range: Range<u64>,
        mut each: impl FnMut(&mut Self, &[u8; 4], Range<u64>) -> Result<()>,
    ) -> Result<()> {
        let mut at = range.start;
        while let Some(header) = self.header(at..range.end, false)? {
            at = header.content.end;
            each(self, &header.kind, header.content)?;
        }
        Ok(())
    }

    /// Returns the box at the start of a range, if there is one.
    fn header(&mut self, range: Range<u64>, is_top: bool) -> Result<Option<Header>> {
        let room = range.end.saturating_sub(range.start);
        if room < 8 {
            // Fewer bytes than a header: padding in a box (QuickTime ends lists with four zeros), the cut end of a file.
            return Ok(None);
        }
        self.budget.boxes =
            self.budget.boxes.checked_sub(1).ok_or_else(|| {
                Error::new(Code::ManifestTooLarge, format!("the media has more than {MAX_BOXES} boxes"))
            })?;
        let head = self.head(range.clone(), 16)?;
        let mut head = Bytes(&head);
        let (size, kind) = match (head.u32(), head.array::<4>()) {
            (Some(size), Some(kind)) => (size, kind),
            _ => return Err(malformed()),
        };
        if is_top && kind == [0; 4] {
            // The unwritten rest of a preallocated file.
            return Ok(None);
        }
        let (size, header_bytes) = match size {
            0 => (room, 8),
            1 => (head.u64().ok_or_else(malformed)?, 16),
            size => (u64::from(size), 8),
        };
        if size < header_bytes {
            return Err(malformed());
        }
        if size > room {
            // A download that stopped within media data. In any other box the size is wrong.
            let is_cut = is_top && matches!(&kind, b"mdat" | b"free" | b"skip" | b"mfra" | b"sidx" | b"emsg" | b"uuid");
            return if is_cut { Ok(None) } else { Err(malformed()) };
        }
        Ok(Some(Header { kind, content: range.start + header_bytes..range.start + size }))
    }

    /// Returns a whole content.
    fn content(&mut self, range: Range<u64>) -> Result<Vec<u8>> {
        let size = range.end - range.start;
        if size > MAX_CONTENT_BYTES {
            return Err(Error::new(Code::ManifestInvalid, format!("a box of {size} bytes should have some kilobytes")));
        }
        self.head(range, size)
    }

    /// Returns at most the first `limit` bytes of a content.
    fn head(&mut self, range: Range<u64>, limit: u64) -> Result<Vec<u8>> {
        let step = i64::try_from(range.start).ok().zip(i64::try_from(self.at).ok());
        let (to, from) = step.ok_or_else(malformed)?;
        self.reader.seek_relative(to - from).map_err(read_error)?;
        self.at = range.start;
        let count = limit.min(range.end - range.start);
        let mut bytes = vec![0; usize::try_from(count).map_err(|_| malformed())?];
        self.reader.read_exact(&mut bytes).map_err(read_error)?;
        self.at += count;
        Ok(bytes)
    }
}

fn track_id_of_tkhd(content: &[u8]) -> Option<u32> {
    let mut content = Bytes(content);
    let version = content.u8()?;
    let _flags = content.take(3)?;
    // Creation and modification time, 64 bits each in version 1.
    content.take(if version == 1 { 16 } else { 8 })?;
    content.u32()
}

fn track_id_of_tfhd(content: &[u8]) -> Option<u32> {
    let mut content = Bytes(content);
    content.take(4)?;
    content.u32()
}

fn kind_of_hdlr(content: &[u8]) -> Option<TrackKind> {
    let mut content = Bytes(content);
    content.take(8)?;
    Some(match &content.array::<4>()? {
        b"vide" => TrackKind::Video,
        b"soun" => TrackKind::Audio,
        b"text" | b"subt" | b"sbtl" | b"clcp" => TrackKind::Text,
        _ => TrackKind::Other,
    })
}

fn malformed() -> Error {
    Error::new(Code::ManifestInvalid, "the media file is malformed: a box is cut or its size is wrong")
}

fn read_error(error: std::io::Error) -> Error {
    match error.kind() {
        ErrorKind::UnexpectedEof => malformed(),
        _ => Error::new(Code::MediaUnreadable, "the media file cannot be read").caused_by(error),
    }
}

#[cfg(test)]
mod tests;
