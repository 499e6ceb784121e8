//! Media as a backend describes it, and as the app registers it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{DrmScheme, SecurityLevel};

/// A container or manifest format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MediaFormat {
    /// MPEG-DASH: an `.mpd` manifest (ISO/IEC 23009-1).
    Dash,
    /// HTTP Live Streaming: an `.m3u8` playlist (RFC 8216).
    Hls,
    /// One ISO base media file.
    Mp4,
}

impl MediaFormat {
    /// The stable name, as stored and as the command prints it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dash => "dash",
            Self::Hls => "hls",
            Self::Mp4 => "mp4",
        }
    }

    /// The format of a stable name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Dash, Self::Hls, Self::Mp4].into_iter().find(|format| format.as_str() == name)
    }
}

impl fmt::Display for MediaFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A title as a backend describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MediaEntry {
    /// The backend's id. A source URL provider is asked with it.
    pub id: String,
    /// The title for people.
    pub name: String,
    /// The ways to play it, the backend's favourite first.
    pub sources: Vec<MediaSource>,
}

/// One way to play a title.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct MediaSource {
    /// The backend's id of this source.
    pub id: String,
    /// The remote URL. It is kept for a later refresh and never logged with its query.
    pub url: String,
    /// The format, if the backend says; else it is found in the media.
    pub format: Option<MediaFormat>,
    /// One entry per key system that protects it. Empty for clear media.
    pub drm: Vec<DrmParams>,
}

/// The URL is shown without its query, which may be signed.
impl fmt::Debug for MediaSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaSource")
            .field("id", &self.id)
            .field("format", &self.format)
            .field("drm", &self.drm)
            .finish_non_exhaustive()
    }
}

/// How to get licenses of one key system.
#[derive(Clone, PartialEq, Eq)]
pub struct DrmParams {
    /// The key system.
    pub scheme: DrmScheme,
    /// The license server: an absolute http or https URL without user info.
    pub license_url: String,
    /// FairPlay: the application certificate in DER.
    pub certificate: Option<Vec<u8>>,
    /// FairPlay: where to get the certificate, if it is not given.
    pub certificate_url: Option<String>,
    /// What the license server speaks.
    pub wire: LicenseWire,
    /// What a refresh does with the old license.
    pub renewal: RenewalPolicy,
    /// Widevine: the security level to ask for.
    pub security_level: SecurityLevel,
}

impl DrmParams {
    /// Parameters of this scheme and server, with the defaults for the rest.
    pub fn new(scheme: DrmScheme, license_url: impl Into<String>) -> Self {
        Self {
            scheme,
            license_url: license_url.into(),
            certificate: None,
            certificate_url: None,
            wire: LicenseWire::default(),
            renewal: RenewalPolicy::default(),
            security_level: SecurityLevel::default(),
        }
    }
}

/// Without the URLs: they are often signed.
impl fmt::Debug for DrmParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrmParams")
            .field("scheme", &self.scheme)
            .field("wire", &self.wire)
            .field("renewal", &self.renewal)
            .field("security_level", &self.security_level)
            .finish_non_exhaustive()
    }
}

/// What a license server speaks: how the CDM's message is packed and the license unpacked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LicenseWire {
    /// What the scheme usually speaks: Widevine and PlayReady raw bytes, ClearKey the W3C's JSON, FairPlay as
    /// [`LicenseWire::Udrm`]. This is the default.
    #[default]
    #[serde(alias = "usual")] // stores of version 1 and 2
    Standard,
    /// The CDM's bytes as they are, both ways.
    Raw,
    /// Base64 text, both ways.
    Base64,
    /// FairPlay form: `spc=<base64>&assetId=<id>`, answered by base64 text, bare or in `<ckc>`.
    Form,
    /// Kaltura's uDRM: base64 text there, JSON with `ckc` and `persistence_duration` back.
    Udrm,
}

/// What a refresh does with the license that an asset already has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RenewalPolicy {
    /// Get a new license, then release the old one. Nothing is lost if a step fails. This is the default.
    #[default]
    AcquireThenRelease,
    /// Ask the CDM to renew the license it has.
    InPlace,
    /// Release the old license, then get a new one: for servers that count devices strictly. A failure between the two
    /// leaves the asset without a license until the next refresh.
    ReleaseThenAcquire,
}
