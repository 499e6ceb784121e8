//! Packs several values into one column, a `summary`.
//!
//! Finding, checking and handing over columns is most of the cost of reading a list. An asset and its license have 7
//! columns instead of 23, which takes a third off the time to read the snapshot of 10,000 assets.
//!
//! The format is part of the schema. Integers are little-endian; a text is its length and its bytes; an optional value
//! begins with 0 or 1. Fields are only ever added at the end, and a reader ignores the bytes behind the fields it
//! knows.

use super::encoding;
use crate::model::KeyId;

/// Writes values one after another.
#[derive(Default)]
pub(super) struct Packer(Vec<u8>);

impl Packer {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub(super) fn integer(&mut self, integer: i64) {
        self.0.extend(integer.to_le_bytes());
    }

    pub(super) fn text(&mut self, text: &str) {
        self.length(text.len());
        self.0.extend(text.as_bytes());
    }

    pub(super) fn key_ids(&mut self, ids: &[KeyId]) {
        self.length(ids.len());
        self.0.extend(ids.iter().flat_map(|id| id.0));
    }

    pub(super) fn optional<T>(&mut self, value: Option<T>, pack: impl FnOnce(&mut Self, T)) {
        self.byte(u8::from(value.is_some()));
        if let Some(value) = value {
            pack(self, value);
        }
    }

    fn length(&mut self, length: usize) {
        // SQLite refuses a value of 4 GB, so a longer one fails there.
        self.0.extend(u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    }
}

/// Reads values in the order in which they were packed. Every function returns `None` for a value that does not decode.
pub(super) struct Unpacker<'a>(&'a [u8]);

impl<'a> Unpacker<'a> {
    pub(super) fn of(packed: &'a [u8]) -> Self {
        Self(packed)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub(super) fn integer(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    pub(super) fn text(&mut self) -> Option<String> {
        let length = self.length()?;
        std::str::from_utf8(self.bytes(length)?).ok().map(str::to_owned)
    }

    pub(super) fn key_ids(&mut self) -> Option<Vec<KeyId>> {
        let length = self.length()?.checked_mul(16)?;
        encoding::decode_key_ids(self.bytes(length)?)
    }

    /// Returns `Some(None)` for an absent value.
    pub(super) fn optional<T>(&mut self, unpack: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        if self.flag()? { unpack(self).map(Some) } else { Some(None) }
    }

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

    fn length(&mut self) -> Option<usize> {
        self.array().map(u32::from_le_bytes).and_then(|length| usize::try_from(length).ok())
    }
}
