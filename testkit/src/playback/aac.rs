//! Raw AAC access units (ISO/IEC 14496-3, 4.4): read as far as the codebooks of the first channel.
//!
//! A frame says in its first bits what follows: element, reserved and predictor bits, number of bands, and sections of
//! codebooks whose lengths must meet that number exactly. Encrypted bytes are as random ones and pass with less than
//! one part in 400 each; [`super::verify_decrypts`] asks it of every frame of a segment, which has a hundred.

use super::PlaybackError;
use super::bits::Bits;
use super::boxes::Fields;

/// The content of `AudioSpecificConfig`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AacConfig {
    frequency_index: usize,
    /// 1: mono, 2: stereo, … 7: 7.1
    channel_configuration: u32,
}

/// Scale factor bands of a long and of a short window, by sampling frequency index (14496-3, tables 4.129 to 4.147).
const BANDS: [(u32, u32); 13] = [
    (41, 12),
    (41, 12),
    (47, 12),
    (49, 14),
    (49, 14),
    (51, 14),
    (47, 15),
    (47, 15),
    (43, 15),
    (43, 15),
    (43, 15),
    (40, 15),
    (40, 15),
];

impl AacConfig {
    /// From the payload of an `esds` box. `None` if it is not AAC-LC (or HE-AAC, whose core is) as MP4 audio.
    pub(super) fn parse_esds(payload: &[u8]) -> Result<Option<Self>, PlaybackError> {
        let (fields, _, _) = Fields::full_box(payload)?;
        let mut at = fields.rest();
        // ES_Descriptor (3) > DecoderConfigDescriptor (4) > DecoderSpecificInfo (5), ISO/IEC 14496-1, 7.2.6.
        for (tag, skip) in [(3, 3), (4, 13), (5, 0)] {
            let mut fields = Fields::new(at);
            if fields.u8()? != tag {
                return Ok(None);
            }
            let mut length = 0_usize;
            for _ in 0..4 {
                let byte = fields.u8()?;
                length = (length << 7) | usize::from(byte & 0x7f);
                if byte & 0x80 == 0 {
                    break;
                }
            }
            at = fields.bytes(length)?;
            if tag == 4 && at.first() != Some(&0x40) {
                return Ok(None);
            }
            at = at.get(skip..).ok_or(PlaybackError::Malformed("a descriptor is too short"))?;
        }
        Ok(Self::parse(at))
    }

    /// From an `AudioSpecificConfig`. `None` if it is not AAC-LC or HE-AAC.
    pub fn parse(config: &[u8]) -> Option<Self> {
        let mut bits = Bits::new(config);
        let object_type = bits.u(5)?;
        let frequency_index = bits.u(4)? as usize;
        let channel_configuration = bits.u(4)?;
        let is_known = matches!(object_type, 2 | 5 | 29) && frequency_index < BANDS.len();
        (is_known && (1..=7).contains(&channel_configuration))
            .then_some(Self { frequency_index, channel_configuration })
    }
}

const ID_SINGLE_CHANNEL: u32 = 0;
const ID_CHANNEL_PAIR: u32 = 1;
const ID_FILL: u32 = 6;

/// Reads one access unit as far as its first channel's sections. Fails, saying why, if it is not what the config promises.
///
/// Returns how many bands have a codebook; none in a silent frame, which proves little.
pub fn check_aac_frame(frame: &[u8], config: &AacConfig) -> Result<u32, &'static str> {
    let mut bits = Bits::new(frame);
    let ends = "the frame ends too early";
    loop {
        match bits.u(3).ok_or(ends)? {
            ID_FILL => {
                let mut count = bits.u(4).ok_or(ends)?;
                if count == 15 {
                    count = 14 + bits.u(8).ok_or(ends)?;
                }
                bits.skip(count as usize * 8).ok_or(ends)?;
            }
            // Stereo begins with a pair; mono and all that have a centre begin with a single channel (table 1.19).
            ID_SINGLE_CHANNEL if config.channel_configuration != 2 => {
                bits.u(4).ok_or(ends)?;
                bits.u(8).ok_or(ends)?;
                let window = Window::read(&mut bits, config)?;
                return sections(&mut bits, &window);
            }
            ID_CHANNEL_PAIR if config.channel_configuration == 2 => {
                bits.u(4).ok_or(ends)?;
                let common = bits.flag().ok_or(ends)?;
                let shared = if common { Some(Window::read(&mut bits, config)?) } else { None };
                if let Some(window) = &shared {
                    match bits.u(2).ok_or(ends)? {
                        1 => bits.skip((window.groups * window.bands) as usize).ok_or(ends)?,
                        3 => return Err("a reserved mid/side mode"),
                        _ => {}
                    }
                }
                bits.u(8).ok_or(ends)?;
                let window = shared.map_or_else(|| Window::read(&mut bits, config), Ok)?;
                return sections(&mut bits, &window);
            }
            7 => return Err("the frame ends before any channel"),
            _ => return Err("the frame does not begin with its channels"),
        }
    }
}

struct Window {
    is_short: bool,
    bands: u32,
    groups: u32,
}

impl Window {
    /// `ics_info`
    fn read(bits: &mut Bits<'_>, config: &AacConfig) -> Result<Self, &'static str> {
        let ends = "the frame ends too early";
        if bits.flag().ok_or(ends)? {
            return Err("a reserved bit is set");
        }
        let is_short = bits.u(2).ok_or(ends)? == 2;
        bits.flag().ok_or(ends)?;
        let (long, short) = BANDS.get(config.frequency_index).copied().unwrap_or((0, 0));
        let (bands, most, groups) = if is_short {
            let bands = bits.u(4).ok_or(ends)?;
            let grouping = bits.u(7).ok_or(ends)?;
            (bands, short, 8 - grouping.count_ones())
        } else {
            let bands = bits.u(6).ok_or(ends)?;
            if bits.flag().ok_or(ends)? {
                return Err("prediction, which AAC-LC does not have");
            }
            (bands, long, 1)
        };
        if bands > most {
            return Err("more bands than this sampling frequency has");
        }
        Ok(Self { is_short, bands, groups })
    }
}

/// `section_data`: which codebook for which bands. The sections of each group must end where the bands end.
fn sections(bits: &mut Bits<'_>, window: &Window) -> Result<u32, &'static str> {
    let ends = "the frame ends too early";
    let (length_bits, escape) = if window.is_short { (3, 7) } else { (5, 31) };
    let mut coded = 0;
    for _ in 0..window.groups {
        let mut band = 0;
        while band < window.bands {
            let codebook = bits.u(4).ok_or(ends)?;
            // 12 is reserved; 14 and 15 (intensity) are for the second channel of a pair.
            if matches!(codebook, 12 | 14 | 15) {
                return Err("a codebook that cannot be here");
            }
            let mut length = 0;
            loop {
                let more = bits.u(length_bits).ok_or(ends)?;
                length += more;
                if more != escape {
                    break;
                }
            }
            if length == 0 {
                return Err("an empty section");
            }
            band += length;
            coded += if codebook == 0 { 0 } else { length };
        }
        if band != window.bands {
            return Err("the sections do not end where the bands end");
        }
    }
    Ok(coded)
}
