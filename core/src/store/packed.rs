//! What a list needs of a row, packed into one value.
//!
//! Finding, checking and handing over columns is what reading a list costs most: of the 23 that an asset and its license
//! would have, 7 are left, which takes a third off the snapshot of 10,000 assets.
//!
//! The format is part of the schema: integers are little-endian, a text is its length and its bytes, an optional value
//! is led by 0 or 1. Fields are only ever added at the end, and a reader ignores what follows the fields it knows.

use super::encoding::{self, Coded};
use super::rows::{AssetRow, AssetState, AssetSummary, LicenseRow, LicenseSummary, StoredPath};
use crate::model::{AssetId, Expiry, KeyId, LicenseId, LicenseState};

/// The column `assets.summary`.
pub(super) fn asset(row: &AssetRow) -> Vec<u8> {
    let mut out = Packer::default();
    out.byte(row.format.encode());
    out.byte(u8::from(row.is_protected));
    out.byte(u8::from(row.key_files_missing));
    out.integer(row.registered_at_ms);
    out.integer(row.updated_at_ms);
    out.optional(row.playback_started_at_ms, Packer::integer);
    out.text(&row.entry_id);
    out.optional(row.path.root.as_deref(), Packer::text);
    out.text(&row.path.path);
    out.optional(row.path.manifest.as_deref(), Packer::text);
    out.key_ids(&encoding::flat_key_ids(&row.required_keys));
    out.0
}

pub(super) fn asset_of(asset_id: AssetId, state: AssetState, packed: &[u8]) -> Option<AssetSummary> {
    let mut from = Unpacker(packed);
    Some(AssetSummary {
        asset_id,
        state,
        format: Coded::decode(from.byte()?)?,
        is_protected: from.flag()?,
        key_files_missing: from.flag()?,
        registered_at_ms: from.integer()?,
        updated_at_ms: from.integer()?,
        playback_started_at_ms: from.optional(Unpacker::integer)?,
        entry_id: from.text()?,
        path: StoredPath {
            root: from.optional(Unpacker::text)?,
            path: from.text()?,
            manifest: from.optional(Unpacker::text)?,
        },
        required_key_ids: from.key_ids()?,
        licenses: Vec::new(),
    })
}

/// The column `licenses.summary`.
pub(super) fn license(row: &LicenseRow) -> Vec<u8> {
    let mut out = Packer::default();
    out.byte(row.request.scheme.encode());
    out.byte(row.coverage.encode());
    match row.expires {
        Expiry::Unknown => out.byte(0),
        Expiry::Never => out.byte(1),
        Expiry::At(at_ms) => {
            out.byte(2);
            out.integer(at_ms);
        }
    }
    out.integer(row.granted_at_ms);
    out.optional(row.playback_window_seconds.map(|s| i64::try_from(s).unwrap_or(i64::MAX)), Packer::integer);
    out.key_ids(&row.request.key_ids);
    out.0
}

pub(super) fn license_of(license_id: LicenseId, state: LicenseState, packed: &[u8]) -> Option<LicenseSummary> {
    let mut from = Unpacker(packed);
    Some(LicenseSummary {
        license_id,
        state,
        scheme: Coded::decode(from.byte()?)?,
        coverage: Coded::decode(from.byte()?)?,
        expires: match from.byte()? {
            0 => Expiry::Unknown,
            1 => Expiry::Never,
            2 => Expiry::At(from.integer()?),
            _ => return None,
        },
        granted_at_ms: from.integer()?,
        playback_window_seconds: match from.optional(Unpacker::integer)? {
            Some(s) => Some(u64::try_from(s).ok()?),
            None => None,
        },
        requested_key_ids: from.key_ids()?,
    })
}

#[derive(Default)]
struct Packer(Vec<u8>);

impl Packer {
    fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    fn integer(&mut self, integer: i64) {
        self.0.extend(integer.to_le_bytes());
    }

    fn length(&mut self, length: usize) {
        // SQLite takes no value of 4 GB; a longer one fails there.
        self.0.extend(u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.length(text.len());
        self.0.extend(text.as_bytes());
    }

    fn key_ids(&mut self, ids: &[KeyId]) {
        self.length(ids.len());
        self.0.extend(ids.iter().flat_map(|id| id.0));
    }

    fn optional<T>(&mut self, value: Option<T>, pack: impl FnOnce(&mut Self, T)) {
        self.byte(u8::from(value.is_some()));
        if let Some(value) = value {
            pack(self, value);
        }
    }
}

struct Unpacker<'a>(&'a [u8]);

impl<'a> Unpacker<'a> {
    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn integer(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    fn length(&mut self) -> Option<usize> {
        self.array().map(u32::from_le_bytes).and_then(|length| usize::try_from(length).ok())
    }

    fn text(&mut self) -> Option<String> {
        let length = self.length()?;
        std::str::from_utf8(self.bytes(length)?).ok().map(str::to_owned)
    }

    fn key_ids(&mut self) -> Option<Vec<KeyId>> {
        let length = self.length()?.checked_mul(16)?;
        encoding::key_ids_of(self.bytes(length)?)
    }

    /// `Some(None)` for an absent value, `None` for one that does not decode.
    fn optional<T>(&mut self, unpack: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        if self.flag()? { unpack(self).map(Some) } else { Some(None) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DrmScheme, MediaFormat};

    fn id() -> AssetId {
        AssetId::new("a").unwrap()
    }

    /// An asset as version 1 packs it.
    const ASSET: &[u8] = b"\x01\x01\x00\
        \x05\0\0\0\0\0\0\0\
        \xff\xff\xff\xff\xff\xff\xff\xff\
        \x01\x07\0\0\0\0\0\0\0\
        \x01\0\0\0e\
        \x01\x02\0\0\0ro\
        \x01\0\0\0p\
        \x00\
        \x01\0\0\0kkkkkkkkkkkkkkkk";

    #[test]
    fn an_asset_is_read_as_it_was_packed_in_version_1() {
        let summary = asset_of(id(), AssetState::Registered, ASSET).unwrap();
        assert_eq!(summary.format, MediaFormat::Hls);
        assert!(summary.is_protected && !summary.key_files_missing);
        assert_eq!((summary.registered_at_ms, summary.updated_at_ms), (5, -1));
        assert_eq!(summary.playback_started_at_ms, Some(7));
        assert_eq!(summary.entry_id, "e");
        let path = StoredPath { root: Some("ro".to_owned()), path: "p".to_owned(), manifest: None };
        assert_eq!(summary.path, path);
        assert_eq!(summary.required_key_ids, [KeyId(*b"kkkkkkkkkkkkkkkk")]);
        let longer = [ASSET, b"of a later version"].concat();
        assert_eq!(asset_of(id(), AssetState::Registered, &longer), Some(summary));
    }

    #[test]
    fn a_license_is_read_as_it_was_packed_in_version_1() {
        let license_id = LicenseId::random().unwrap();
        let packed = b"\x02\x01\x02\x09\0\0\0\0\0\0\0\x08\0\0\0\0\0\0\0\x01\x06\0\0\0\0\0\0\0\0\0\0\0";
        let summary = license_of(license_id, LicenseState::Active, packed).unwrap();
        assert_eq!(summary.scheme, DrmScheme::FairPlay);
        assert_eq!(summary.expires, Expiry::At(9));
        assert_eq!((summary.granted_at_ms, summary.playback_window_seconds), (8, Some(6)));
        assert_eq!(summary.requested_key_ids, []);
    }

    #[test]
    fn what_is_cut_short_or_unknown_is_not_understood() {
        for length in 0..ASSET.len() {
            assert_eq!(asset_of(id(), AssetState::Registered, &ASSET[..length]), None, "{length}");
        }
        for (at, byte) in [(0, 3), (1, 2), (19, 2), (28, 0xff), (32, 0xff)] {
            let mut damaged = ASSET.to_vec();
            damaged[at] = byte;
            assert_eq!(asset_of(id(), AssetState::Registered, &damaged), None, "{at}");
        }
    }
}
