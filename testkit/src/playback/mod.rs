//! Proof that stored keys really decrypt stored media, as a player would begin.
//!
//! "A key exists" proves nothing, and neither does a NAL header: packagers leave lengths and headers in the clear, and
//! what is encrypted, entropy-coded slice data, looks as random before as after. So the first picture is read to its
//! end: with the right key the entropy decoder finds exactly the picture's macroblocks and stops exactly at the last
//! bit. Sound is read frame by frame as far as its codebooks.
//!
//! | file | what |
//! |---|---|
//! | `boxes`, `track`, `fragment` | what the init segment and the media segment say |
//! | `decrypt` | AES-CTR and AES-CBC with a pattern |
//! | [`avc`] | H.264: NAL units, slice headers, and the macroblocks of intra slices |
//! | [`aac`] | AAC access units |
//! | [`ts`] | MPEG-TS under AES-128 |

pub mod aac;
pub mod avc;
mod bits;
mod boxes;
mod decrypt;
mod fragment;
mod track;
pub mod ts;

use std::collections::BTreeMap;

use larder_core::model::KeyId;

use avc::ParameterSets;
use track::CodecConfig;

/// The results, track by track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// In the order of the segment.
    pub tracks: Vec<TrackReport>,
}

/// The result for one track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackReport {
    /// Its id in the init segment.
    pub track_id: u32,
    /// Its kind.
    pub codec: Codec,
    /// `cenc` or `cbcs`; `None` for a clear track.
    pub scheme: Option<&'static str>,
    /// The key that it needed.
    pub key_id: Option<KeyId>,
    /// Samples decrypted (or found clear), and all found sound.
    pub samples: usize,
    /// Video: macroblocks read to the end of their slices. Audio: bands with a codebook.
    pub decoded_units: u32,
}

/// The check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// H.264
    Avc,
    /// AAC
    Aac,
}

/// Why a segment does not play with these keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaybackError {
    /// The file is damaged.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// This key is not there.
    #[error("no key for {0}")]
    KeyMissing(KeyId),
    /// Decrypted, it is not H.264: the key is wrong, or nothing was decrypted.
    #[error("sample {sample} is not H.264: {why}")]
    NotAvc {
        /// Counted from 0 in the segment.
        sample: usize,
        /// The flaw.
        why: &'static str,
    },
    /// Decrypted, it is not AAC: the key is wrong, or nothing was decrypted.
    #[error("sample {sample} is not AAC: {why}")]
    NotAac {
        /// Counted from 0 in the segment.
        sample: usize,
        /// The flaw.
        why: &'static str,
    },
    /// Decrypted, it is not MPEG-TS.
    #[error("not MPEG-TS: {0}")]
    NotTransportStream(&'static str),
    /// Nothing contradicts, but nothing proves either.
    #[error("nothing is proved: {0}")]
    NothingProved(&'static str),
    /// Media of a kind that cannot be checked here.
    #[error("cannot be checked: {0}")]
    Unsupported(&'static str),
}

/// Decrypts all samples of an fMP4 media segment and checks that they are what their codec says.
///
/// `init` is the track's init segment, `keys` are content keys by key id. A clear track is checked in the same way.
/// With a wrong key, or with none applied, video passes with less than one part in a million (see [`avc`]), audio with
/// less than 400^-n for n frames.
pub fn verify_decrypts(
    init: &[u8],
    segment: &[u8],
    keys: &BTreeMap<[u8; 16], [u8; 16]>,
) -> Result<Report, PlaybackError> {
    let tracks = track::tracks(init)?;
    let mut reports: Vec<TrackReport> = Vec::new();
    for run in fragment::runs(segment, &tracks)? {
        let entry = tracks
            .iter()
            .find(|track| track.id == run.track_id)
            .and_then(|track| track.entries.get((run.entry as usize).checked_sub(1)?))
            .ok_or(PlaybackError::Malformed("a fragment without its track"))?;
        let mut check = Check::of(&entry.codec)?;
        let protection = entry.protection.as_ref();
        let mut decoded_units = 0;
        for (at, sample) in run.samples.iter().enumerate() {
            let mut bytes = segment.get(sample.bytes.clone()).unwrap_or_default().to_vec();
            if let (Some(protection), Some(encryption)) = (protection, &sample.encryption) {
                let key = keys.get(&protection.key_id.0).ok_or(PlaybackError::KeyMissing(protection.key_id))?;
                decrypt::decrypt(&mut bytes, encryption, protection, key)?;
            }
            decoded_units += check.sample(at, &bytes)?;
        }
        reports.push(TrackReport {
            track_id: run.track_id,
            codec: check.codec(),
            scheme: protection.map(|protection| protection.scheme.as_str()),
            key_id: protection.map(|protection| protection.key_id),
            samples: run.samples.len(),
            decoded_units,
        });
    }
    if reports.iter().all(|report| report.decoded_units == 0) {
        return Err(PlaybackError::NothingProved("the segment has neither an intra picture nor a sound"));
    }
    Ok(Report { tracks: reports })
}

/// One track's decoder, as far as it goes.
enum Check<'a> {
    Avc { nal_length_bytes: usize, sets: ParameterSets },
    Aac(&'a aac::AacConfig),
}

impl<'a> Check<'a> {
    fn of(codec: &'a CodecConfig) -> Result<Self, PlaybackError> {
        match codec {
            CodecConfig::Avc(config) => {
                Ok(Self::Avc { nal_length_bytes: config.nal_length_bytes, sets: ParameterSets::of(config)? })
            }
            CodecConfig::Aac(config) => Ok(Self::Aac(config)),
            CodecConfig::Other => Err(PlaybackError::Unsupported("codecs other than H.264 and AAC")),
        }
    }

    fn codec(&self) -> Codec {
        match self {
            Self::Avc { .. } => Codec::Avc,
            Self::Aac(_) => Codec::Aac,
        }
    }

    /// Checks the sample of this number; returns how much of it was decoded.
    fn sample(&mut self, at: usize, bytes: &[u8]) -> Result<u32, PlaybackError> {
        match self {
            Self::Avc { nal_length_bytes, sets } => avc::check_avc_sample(bytes, *nal_length_bytes, sets)
                .map(|found| found.decoded_macroblocks)
                .map_err(|flaw| flaw.at(at)),
            Self::Aac(config) => {
                aac::check_aac_frame(bytes, config).map_err(|why| PlaybackError::NotAac { sample: at, why })
            }
        }
    }
}
