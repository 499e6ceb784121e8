//! DRM schemes, init data, and the request for a license.

use std::fmt;

use super::KeyId;

/// A key system. Its UUID is the `SystemID` of PSSH boxes and of `ContentProtection@schemeIdUri`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DrmScheme {
    /// Google Widevine: `edef8ba9-79d6-4ace-a3c8-27dcd51d21ed`.
    Widevine,
    /// Microsoft PlayReady: `9a04f079-9840-4286-ab92-e65be0885f95`.
    PlayReady,
    /// Apple FairPlay Streaming: `94ce86fb-07ff-4f43-adb8-93d2fa968ca2`, `KEYFORMAT="com.apple.streamingkeydelivery"`.
    FairPlay,
    /// W3C ClearKey: `e2719d58-a985-b3c9-781a-b030af78d30e`; also the W3C common PSSH
    /// `1077efec-c0b2-4d02-ace3-3c1e52e2fb4b`.
    ClearKey,
}

impl DrmScheme {
    /// Returns the scheme of a PSSH `SystemID`; `None` for an unknown one.
    pub fn from_system_id(id: &[u8; 16]) -> Option<Self> {
        match u128::from_be_bytes(*id) {
            0xedef8ba9_79d6_4ace_a3c8_27dcd51d21ed => Some(Self::Widevine),
            0x9a04f079_9840_4286_ab92_e65be0885f95 => Some(Self::PlayReady),
            0x94ce86fb_07ff_4f43_adb8_93d2fa968ca2 => Some(Self::FairPlay),
            0xe2719d58_a985_b3c9_781a_b030af78d30e | 0x1077efec_c0b2_4d02_ace3_3c1e52e2fb4b => Some(Self::ClearKey),
            _ => None,
        }
    }

    /// Returns the stable name, as stored and as the command prints it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Widevine => "widevine",
            Self::PlayReady => "playready",
            Self::FairPlay => "fairplay",
            Self::ClearKey => "clearkey",
        }
    }

    /// Returns the scheme of a stable name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Widevine, Self::PlayReady, Self::FairPlay, Self::ClearKey].into_iter().find(|s| s.as_str() == name)
    }
}

impl fmt::Display for DrmScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The kind of a track.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TrackKind {
    /// Video.
    Video,
    /// Audio.
    Audio,
    /// Subtitles or captions.
    Text,
    /// Another kind, or an unknown one. This is the default.
    #[default]
    Other,
}

impl TrackKind {
    /// Returns the stable name, as the command prints it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Text => "text",
            Self::Other => "other",
        }
    }
}

/// A track that needs the keys of some init data.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InitDataTrack {
    /// The kind of the track.
    pub kind: TrackKind,
    /// Its name in the manifest: the id of a Representation, the URI of a playlist, or a track id. For messages only.
    pub name: String,
}

/// Init data of one key system: the data that a CDM needs to request some of the media's keys.
///
/// There is one value per distinct pair of scheme and PSSH box or key URI; it lists all tracks that share it.
#[derive(Clone, PartialEq, Eq)]
pub struct InitData {
    /// The key system; `None` for an unknown one, which is reported and never used.
    pub scheme: Option<DrmScheme>,
    /// The `SystemID`, if the media names one.
    pub system_id: Option<[u8; 16]>,
    /// The content keys that it is for, sorted, as far as the media names them: in v1 PSSH boxes, `cenc:default_KID`,
    /// `tenc` or `KEYID`.
    pub key_ids: Vec<KeyId>,
    /// One complete PSSH box with its size and type (ISO/IEC 23001-7, 8.1), if the media has one.
    pub pssh: Option<Vec<u8>>,
    /// The key URI as the playlist has it (`skd://…`, or a key file), if there is one.
    pub uri: Option<String>,
    /// The tracks that need it, sorted. Empty if it is for the whole presentation.
    pub tracks: Vec<InitDataTrack>,
}

/// Omits the bytes: a URI may carry a token, and a PSSH box must not be logged.
impl fmt::Debug for InitData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InitData")
            .field("scheme", &self.scheme)
            .field("key_ids", &self.key_ids)
            .field("pssh_bytes", &self.pssh.as_ref().map(Vec::len))
            .field("has_uri", &self.uri.is_some())
            .field("tracks", &self.tracks.len())
            .finish()
    }
}

/// The Widevine security level to request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SecurityLevel {
    /// The device's highest level. This is the default.
    #[default]
    Default,
    /// Software decryption (L3), for devices whose hardware path is broken.
    L3,
}

/// A request to an engine for one license.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRequest {
    /// The key system.
    pub scheme: DrmScheme,
    /// The init data in the form that the CDM takes. Widevine and PlayReady: complete PSSH boxes, concatenated.
    /// FairPlay: the `skd://` URI in UTF-8. ClearKey: the EME `keyids` form, `{"kids":[…]}` in base64url.
    pub init_data: Vec<u8>,
    /// The content keys that the media needs from this license, as far as the media names them.
    pub key_ids: Vec<KeyId>,
    /// The MIME type of the container, for example `video/mp4`.
    pub mime: String,
    /// FairPlay: the application certificate in DER.
    pub certificate: Option<Vec<u8>>,
    /// Widevine: the security level of the session.
    pub security_level: SecurityLevel,
}

/// Omits the bytes: init data may carry account data.
impl fmt::Debug for KeyRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRequest")
            .field("scheme", &self.scheme)
            .field("init_data_bytes", &self.init_data.len())
            .field("key_ids", &self.key_ids)
            .field("mime", &self.mime)
            .field("security_level", &self.security_level)
            .finish_non_exhaustive()
    }
}
