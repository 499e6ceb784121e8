//! DRM schemes, and what the media says about the keys it needs.

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
    /// W3C ClearKey: `e2719d58-a985-b3c9-781a-b030af78d30e`; also the W3C common PSSH `1077efec-c0b2-4d02-ace3-3c1e52e2fb4b`.
    ClearKey,
}

impl DrmScheme {
    /// The scheme of a PSSH `SystemID`, `None` for one that Larder does not know.
    pub fn from_system_id(id: &[u8; 16]) -> Option<Self> {
        match u128::from_be_bytes(*id) {
            0xedef8ba9_79d6_4ace_a3c8_27dcd51d21ed => Some(Self::Widevine),
            0x9a04f079_9840_4286_ab92_e65be0885f95 => Some(Self::PlayReady),
            0x94ce86fb_07ff_4f43_adb8_93d2fa968ca2 => Some(Self::FairPlay),
            0xe2719d58_a985_b3c9_781a_b030af78d30e | 0x1077efec_c0b2_4d02_ace3_3c1e52e2fb4b => Some(Self::ClearKey),
            _ => None,
        }
    }

    /// The stable name, as stored and as the command prints it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Widevine => "widevine",
            Self::PlayReady => "playready",
            Self::FairPlay => "fairplay",
            Self::ClearKey => "clearkey",
        }
    }

    /// The scheme of a stable name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Widevine, Self::PlayReady, Self::FairPlay, Self::ClearKey].into_iter().find(|s| s.as_str() == name)
    }
}

impl fmt::Display for DrmScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What one track is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TrackKind {
    /// Moving pictures.
    Video,
    /// Sound.
    Audio,
    /// Subtitles or captions.
    Text,
    /// Anything else, or not known.
    Other,
}

impl TrackKind {
    /// The stable name, as the command prints it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Text => "text",
            Self::Other => "other",
        }
    }
}

/// A track that needs some init data's keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InitDataTrack {
    /// What it is.
    pub kind: TrackKind,
    /// Its name in the manifest: a Representation's id, a playlist's URI, a track id. For people.
    pub name: String,
}

/// Everything the media says about one way to ask for some of its keys.
///
/// One value per distinct (scheme, PSSH box or key URI); tracks that share it are listed together.
#[derive(Clone, PartialEq, Eq)]
pub struct InitData {
    /// The key system; `None` for one that Larder does not know (it is reported, never used).
    pub scheme: Option<DrmScheme>,
    /// The `SystemID`, where there is one.
    pub system_id: Option<[u8; 16]>,
    /// The content keys it is for, sorted, as far as the media says: v1 PSSH boxes, `cenc:default_KID`, `tenc`, `KEYID`.
    pub key_ids: Vec<KeyId>,
    /// One whole PSSH box (size and type included; ISO/IEC 23001-7, 8.1), where there is one.
    pub pssh: Option<Vec<u8>>,
    /// The key's URI as the playlist gives it (`skd://…`, or a key file), where there is one.
    pub uri: Option<String>,
    /// The tracks that need it, sorted. Empty if it holds for the whole presentation.
    pub tracks: Vec<InitDataTrack>,
}

/// Without the bytes: a URI may carry a token, and a PSSH belongs in no log.
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

/// Which Widevine security level to ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SecurityLevel {
    /// The device's own. This is the default.
    #[default]
    Default,
    /// Software decryption (L3), for devices whose hardware path is broken.
    L3,
}

/// What an engine is asked to get a license for.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRequest {
    /// The key system.
    pub scheme: DrmScheme,
    /// What the CDM takes as init data: for Widevine and PlayReady whole PSSH boxes, one after the other; for FairPlay
    /// the `skd://` URI in UTF-8; for ClearKey the EME `keyids` form, `{"kids":[…]}` in base64url.
    pub init_data: Vec<u8>,
    /// The content keys that the media needs from this license, as far as it says.
    pub key_ids: Vec<KeyId>,
    /// The container's MIME type, for example `video/mp4`.
    pub mime: String,
    /// FairPlay: the application certificate in DER.
    pub certificate: Option<Vec<u8>>,
    /// Widevine: the level to open the session with.
    pub security_level: SecurityLevel,
}

/// Without the bytes: init data may carry account data.
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
