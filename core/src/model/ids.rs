//! Ids. An asset id is the app's and is data: it never becomes a path. A license id is ours.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::error::{Code, Error, Quoted, Result};

/// One title on this device, by the app's own id: any string of 1 to 1024 bytes of UTF-8 without NUL.
///
/// `..`, `a/b` and emoji are as good as any other; they are stored and compared byte by byte and never used as a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AssetId(String);

/// A namespace for one of the app's users. The default is the empty name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Profile(String);

const MAX_ID_BYTES: usize = 1024;

impl AssetId {
    /// Checks and takes an id. Fails with [`Code::InvalidArgument`] if it is empty, longer than 1024 bytes or has a NUL.
    pub fn new(id: impl Into<String>) -> Result<Self> {
        let id = id.into();
        if id.is_empty() {
            return Err(Error::new(Code::InvalidArgument, "the asset id is empty"));
        }
        check("asset id", &id)?;
        Ok(Self(id))
    }

    /// The id as the app gave it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Profile {
    /// Checks and takes a profile's name. Fails with [`Code::InvalidArgument`] if it is longer than 1024 bytes or has a NUL.
    pub fn new(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        check("profile", &name)?;
        Ok(Self(name))
    }

    /// The name as the app gave it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check(what: &str, id: &str) -> Result<()> {
    if id.len() > MAX_ID_BYTES {
        return Err(Error::new(
            Code::InvalidArgument,
            format!("the {what} has {} bytes; at most {MAX_ID_BYTES} are allowed", id.len()),
        ));
    }
    if id.contains('\0') {
        return Err(Error::new(Code::InvalidArgument, format!("the {what} {} has a NUL character", Quoted(id))));
    }
    Ok(())
}

impl fmt::Display for AssetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Quoted(&self.0), f)
    }
}

/// One license in the ledger: 128 random bits in hexadecimal. Also the name of its handle in the secret storage.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LicenseId([u8; 32]);

impl LicenseId {
    /// A new id from the system's random source.
    pub fn random() -> Result<Self> {
        let mut bytes = [0_u8; 16];
        getrandom::fill(&mut bytes)
            .map_err(|e| Error::new(Code::Internal, "the system gives no random numbers").caused_by(e.to_string()))?;
        Ok(Self(hex_digits(bytes)))
    }

    /// The id that belongs to these facts, always the same: for a license that must be found again by what it is.
    pub fn of(facts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for fact in facts {
            // With its length, so that what is at a border belongs to one side of it.
            hash.update((fact.len() as u64).to_be_bytes());
            hash.update(fact);
        }
        let digest: [u8; 32] = hash.finalize().into();
        let mut first = [0; 16];
        first.copy_from_slice(&digest[..16]);
        Self(hex_digits(first))
    }

    /// An id that was stored earlier: 32 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let mut digits: [u8; 32] = text.as_bytes().try_into().ok()?;
        digits.make_ascii_lowercase();
        digits.iter().all(u8::is_ascii_hexdigit).then_some(Self(digits))
    }

    /// The 32 digits.
    pub fn as_str(&self) -> &str {
        // They are digits, whoever made them.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The key under which the handle lies in the app's secret storage.
    pub fn storage_key(&self) -> String {
        format!("larder.license.{self}")
    }

    /// The key under which FairPlay's secure token of its release lies there, until the server has confirmed it.
    pub fn release_token_storage_key(&self) -> String {
        format!("{}.release", self.storage_key())
    }
}

impl fmt::Display for LicenseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for LicenseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LicenseId({self})")
    }
}

/// A content key's id (KID): 16 bytes, shown in lower-case hexadecimal without dashes (ISO/IEC 23001-7, 8.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub [u8; 16]);

impl KeyId {
    /// From 32 hexadecimal digits, with or without the dashes of a UUID.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0_u8; 16];
        let mut digits = text.trim().bytes().filter(|b| *b != b'-');
        for byte in &mut bytes {
            let high = char::from(digits.next()?).to_digit(16)?;
            let low = char::from(digits.next()?).to_digit(16)?;
            *byte = u8::try_from(high * 16 + low).ok()?;
        }
        digits.next().is_none().then_some(Self(bytes))
    }

    /// 32 hexadecimal digits.
    pub fn to_hex(self) -> String {
        hex_digits(self.0).map(char::from).iter().collect()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// Lower-case hexadecimal digits, in ASCII.
fn hex_digits(bytes: [u8; 16]) -> [u8; 32] {
    let mut digits = [0; 32];
    let (pairs, _) = digits.as_chunks_mut::<2>();
    for (pair, byte) in pairs.iter_mut().zip(bytes) {
        *pair = [byte >> 4, byte & 0xf].map(|half| if half < 10 { b'0' + half } else { b'a' + half - 10 });
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asset_id_is_any_string_but_empty_huge_or_with_nul() {
        for good in ["a", "..", "a/b", "🍎", "C:\\x", "0_\n"] {
            assert_eq!(AssetId::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "a\0b", &"x".repeat(10_000_000)] {
            let error = AssetId::new(bad).unwrap_err();
            assert_eq!(error.code(), Code::InvalidArgument);
            assert!(error.message().len() < 300);
        }
    }

    #[test]
    fn a_key_id_reads_hex_with_and_without_dashes() {
        let plain = KeyId::parse("00112233445566778899AABBCCDDEEFF").unwrap();
        assert_eq!(KeyId::parse("00112233-4455-6677-8899-aabbccddeeff"), Some(plain));
        assert_eq!(plain.to_hex(), "00112233445566778899aabbccddeeff");
        for bad in ["", "00", "00112233445566778899aabbccddeeff00", "zz112233445566778899aabbccddeeff"] {
            assert_eq!(KeyId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn license_ids_differ_and_parse_back() {
        let (a, b) = (LicenseId::random().unwrap(), LicenseId::random().unwrap());
        assert_ne!(a, b);
        assert_eq!(LicenseId::parse(a.as_str()), Some(a));
        assert_eq!(LicenseId::parse("../../etc/passwd"), None);
    }
}
