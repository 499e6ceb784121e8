//! The ids of assets, profiles, licenses and content keys. An asset id is given by the app and is data: it never
//! becomes a path.
//!
//! Ids are cheap to clone: a clone of an [`AssetId`] or a [`Profile`] counts a reference, a [`LicenseId`] is 32 bytes
//! on the stack.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::error::{Code, Error, Quoted, Result};

/// The app's id of one title on this device: any string of 1 to 1024 bytes of UTF-8 without NUL.
///
/// `..`, `a/b` and emoji are valid. Ids are stored and compared byte by byte, and never used as a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AssetId(Arc<str>);

/// A namespace for one of the app's users. The default profile has the empty name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Profile(Arc<str>);

const MAX_ID_BYTES: usize = 1024;

impl AssetId {
    /// Creates an id. Fails with [`Code::InvalidArgument`] if it is empty, longer than 1024 bytes, or contains NUL.
    pub fn new(id: impl Into<Arc<str>>) -> Result<Self> {
        let id = id.into();
        if id.is_empty() {
            return Err(Error::new(Code::InvalidArgument, "the asset id is empty; use an id of 1 to 1024 bytes"));
        }
        check("asset id", &id)?;
        Ok(Self(id))
    }

    /// Returns the id as the app gave it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Profile {
    /// Creates a profile. Fails with [`Code::InvalidArgument`] if the name is longer than 1024 bytes or contains NUL.
    pub fn new(name: impl Into<Arc<str>>) -> Result<Self> {
        let name = name.into();
        check("profile", &name)?;
        Ok(Self(name))
    }

    /// Returns the name as the app gave it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check(what: &str, id: &str) -> Result<()> {
    if id.len() > MAX_ID_BYTES {
        return Err(Error::new(
            Code::InvalidArgument,
            format!("the {what} has {} bytes, but at most {MAX_ID_BYTES} are allowed; use a shorter one", id.len()),
        ));
    }
    if id.contains('\0') {
        return Err(Error::new(
            Code::InvalidArgument,
            format!("the {what} {} contains a NUL character; use one without", Quoted(id)),
        ));
    }
    Ok(())
}

impl fmt::Display for AssetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Quoted(&self.0), f)
    }
}

/// The id of one license in the ledger: 128 random bits in hexadecimal. Its handle has the same name in the secret
/// storage.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LicenseId([u8; 32]);

impl LicenseId {
    /// Creates an id from the system's random source.
    pub fn random() -> Result<Self> {
        let mut bytes = [0_u8; 16];
        getrandom::fill(&mut bytes).map_err(|e| {
            Error::new(Code::Internal, "creating a license id failed: the system's random source is not available")
                .caused_by(e.to_string())
        })?;
        Ok(Self(hex_digits(bytes)))
    }

    /// Derives an id from facts about a license, always the same from the same facts, so that an imported license is
    /// found again.
    pub fn of(facts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for fact in facts {
            // Length-prefix each fact, so that ("ab", "c") and ("a", "bc") hash differently.
            hash.update((fact.len() as u64).to_be_bytes());
            hash.update(fact);
        }
        let digest: [u8; 32] = hash.finalize().into();
        let mut first = [0; 16];
        first.copy_from_slice(&digest[..16]);
        Self(hex_digits(first))
    }

    /// Parses an id that was stored earlier: 32 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let mut digits: [u8; 32] = text.as_bytes().try_into().ok()?;
        digits.make_ascii_lowercase();
        digits.iter().all(u8::is_ascii_hexdigit).then_some(Self(digits))
    }

    /// Returns the 32 digits.
    pub fn as_str(&self) -> &str {
        // Every constructor makes digits.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Returns the key of the handle in the app's secret storage.
    pub fn storage_key(&self) -> String {
        format!("larder.license.{self}")
    }

    /// Returns the key of FairPlay's secure token (SPC) in the app's secret storage. The token is there from the start
    /// of a release until the server has confirmed it.
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

/// The id of a content key (KID): 16 bytes, shown in lower-case hexadecimal without dashes (ISO/IEC 23001-7, 8.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub [u8; 16]);

impl KeyId {
    /// Parses 32 hexadecimal digits, with or without the dashes of a UUID.
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

    /// Returns 32 lower-case hexadecimal digits.
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

/// Returns lower-case hexadecimal digits, in ASCII.
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
    fn an_asset_id_is_any_string_that_is_not_empty_huge_or_with_nul() {
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
    fn a_key_id_parses_hex_with_and_without_dashes() {
        let plain = KeyId::parse("00112233445566778899AABBCCDDEEFF").unwrap();
        assert_eq!(KeyId::parse("00112233-4455-6677-8899-aabbccddeeff"), Some(plain));
        assert_eq!(plain.to_hex(), "00112233445566778899aabbccddeeff");
        for bad in ["", "00", "00112233445566778899aabbccddeeff00", "zz112233445566778899aabbccddeeff"] {
            assert_eq!(KeyId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn random_license_ids_differ_and_parse() {
        let (a, b) = (LicenseId::random().unwrap(), LicenseId::random().unwrap());
        assert_ne!(a, b);
        assert_eq!(LicenseId::parse(a.as_str()), Some(a));
        assert_eq!(LicenseId::parse("../../etc/passwd"), None);
    }
}
