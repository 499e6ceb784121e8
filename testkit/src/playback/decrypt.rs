//! Sample decryption: AES-CTR (`cenc`) and AES-CBC with a pattern (`cbcs`), as ISO/IEC 23001-7 has them.

use aes::Aes128;
use aes::cipher::generic_array::GenericArray;
use aes::cipher::{BlockDecrypt as _, KeyInit as _, KeyIvInit as _, StreamCipher as _};

use super::PlaybackError;
use super::fragment::Encryption;
use super::track::{Protection, Scheme};

/// The block counter of `cenc` has 64 bits and does not carry into the IV before it (ISO/IEC 23001-7, 9.3).
type Ctr = ctr::Ctr64BE<Aes128>;

/// Decrypts one sample in place.
pub(super) fn decrypt(
    sample: &mut [u8],
    encryption: &Encryption,
    protection: &Protection,
    key: &[u8; 16],
) -> Result<(), PlaybackError> {
    let whole = [(0, sample.len())];
    let subsamples = if encryption.subsamples.is_empty() { &whole[..] } else { &encryption.subsamples };
    // The key stream of cenc runs on over the clear bytes' gaps; cbcs begins anew at each subsample.
    let mut stream = Ctr::new(key.into(), &encryption.iv.into());
    let mut rest = sample;
    for (clear, protected) in subsamples {
        let ends = || PlaybackError::Malformed("subsamples are longer than their sample");
        let (_, after) = rest.split_at_mut_checked(*clear).ok_or_else(ends)?;
        let (range, after) = after.split_at_mut_checked(*protected).ok_or_else(ends)?;
        match protection.scheme {
            Scheme::Cenc => stream.apply_keystream(range),
            Scheme::Cbcs => cbcs(range, encryption.iv, protection.pattern, key),
        }
        rest = after;
    }
    if rest.is_empty() { Ok(()) } else { Err(PlaybackError::Malformed("subsamples are shorter than their sample")) }
}

/// Whole blocks only: a rest of less than 16 bytes is clear (ISO/IEC 23001-7, 10.4.2).
fn cbcs(range: &mut [u8], iv: [u8; 16], (crypt, skip): (u8, u8), key: &[u8; 16]) {
    let cipher = Aes128::new(key.into());
    let period = usize::from(crypt) + usize::from(skip);
    let mut previous = iv;
    for (at, block) in range.chunks_exact_mut(16).enumerate() {
        if period != 0 && at % period >= usize::from(crypt) {
            continue;
        }
        let encrypted: [u8; 16] = std::array::from_fn(|i| block.get(i).copied().unwrap_or(0));
        cipher.decrypt_block(GenericArray::from_mut_slice(block));
        block.iter_mut().zip(previous).for_each(|(byte, with)| *byte ^= with);
        previous = encrypted;
    }
}
