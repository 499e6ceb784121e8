//! Key ids in sample entries and sample groups (ISO/IEC 23001-7, 8.2 `tenc` and 6 `seig`).

use std::collections::BTreeSet;

use crate::manifest::bytes::Bytes;
use crate::model::KeyId;

/// The protection of one track, by its `stsd`.
#[derive(Default)]
pub(super) struct SampleProtection {
    pub(super) is_protected: bool,
    pub(super) key_ids: BTreeSet<KeyId>,
}

/// Reads the content of a `stsd` box. `None` if it is cut.
pub(super) fn read(stsd: &[u8]) -> Option<SampleProtection> {
    let mut input = Bytes(stsd);
    let _version_and_flags = input.take(4)?;
    let _entry_count = input.take(4)?;
    let mut protection = SampleProtection::default();
    // A track with a clear lead has a clear entry beside its encrypted one.
    while let Some((kind, entry)) = next_box(&mut input) {
        if kind.starts_with(b"enc") {
            protection.is_protected = true;
            protection.key_ids.extend(default_key_ids(entry));
        }
    }
    Some(protection)
}

/// Returns the key ids of an encrypted sample entry (`sinf/schi/tenc`).
///
/// The header before the boxes differs by media, brand and version (QuickTime has three for audio), so `sinf` is searched
/// for. Its size must fit, and its content must be boxes again.
fn default_key_ids(entry: &[u8]) -> BTreeSet<KeyId> {
    let is_sinf = |at: &usize| entry.get(at + 4..at + 8) == Some(b"sinf");
    (0..entry.len())
        .filter(is_sinf)
        .filter_map(|at| next_box(&mut Bytes(entry.get(at..)?)))
        .flat_map(|(_, sinf)| children(sinf, *b"schi"))
        .flat_map(|schi| children(schi, *b"tenc"))
        .filter_map(default_key_id)
        .collect()
}

fn default_key_id(tenc: &[u8]) -> Option<KeyId> {
    let mut tenc = Bytes(tenc);
    let _version_and_flags = tenc.take(4)?;
    // Reserved, and the cbcs pattern in version 1.
    let _pattern = tenc.take(2)?;
    let is_protected = tenc.u8()? != 0;
    let _iv_size = tenc.u8()?;
    tenc.array().map(KeyId).filter(|id| is_protected && *id != KeyId([0; 16]))
}

/// Returns the key ids of a `sgpd` box of grouping type `seig`: rotating keys. Empty for other groups and malformed boxes.
pub(super) fn group_key_ids(sgpd: &[u8]) -> BTreeSet<KeyId> {
    let mut key_ids = BTreeSet::new();
    let _ = read_group(&mut Bytes(sgpd), &mut key_ids);
    key_ids
}

fn read_group(input: &mut Bytes<'_>, key_ids: &mut BTreeSet<KeyId>) -> Option<()> {
    let version = input.u8()?;
    let _flags = input.take(3)?;
    if &input.array::<4>()? != b"seig" {
        return None;
    }
    let default_length = if version == 1 { input.u32()? } else { 0 };
    if version >= 2 {
        let _default_description = input.u32()?;
    }
    for _ in 0..input.u32()? {
        let length = match (version, default_length) {
            // Version 0 gives no lengths: an entry without a constant IV has 20 bytes.
            (0, _) => 20,
            (_, 0) => input.u32()?,
            (_, length) => length,
        };
        let mut entry = Bytes(input.take(usize::try_from(length).ok()?)?);
        let _pattern = entry.take(2)?;
        let is_protected = entry.u8()? != 0;
        let _iv_size = entry.u8()?;
        key_ids.extend(entry.array().map(KeyId).filter(|id| is_protected && *id != KeyId([0; 16])));
    }
    Some(())
}

fn children(content: &[u8], wanted: [u8; 4]) -> impl Iterator<Item = &[u8]> {
    let mut input = Bytes(content);
    std::iter::from_fn(move || next_box(&mut input))
        .filter_map(move |(kind, content)| (kind == wanted).then_some(content))
}

fn next_box<'a>(input: &mut Bytes<'a>) -> Option<([u8; 4], &'a [u8])> {
    let size = usize::try_from(Bytes(input.0).u32()?).ok()?;
    let mut content = Bytes(input.take(if size == 0 { input.len() } else { size })?);
    content.take(4)?;
    Some((content.array()?, content.0))
}
