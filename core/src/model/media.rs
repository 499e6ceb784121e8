//! Media as a backend describes it.

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
    /// The backend's id of the title. A source URL provider is asked with it.
    pub id: String,
    /// The name to show to a user.
    pub name: String,
    /// The sources to play it from, in the backend's order of preference.
    pub sources: Vec<MediaSource>,
}

/// One source to play a title from.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct MediaSource {
    /// The backend's id of this source.
    pub id: String,
    /// The remote URL. It is stored for a later refresh and never logged with its query.
    pub url: String,
    /// The format. `None` if the backend does not name it; it is then detected in the media.
    pub format: Option<MediaFormat>,
    /// The parameters of each key system that protects it. Empty for clear media.
    pub drm: Vec<DrmParams>,
}

/// Omits the URL, which may be signed.
impl fmt::Debug for MediaSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaSource")
            .field("id", &self.id)
            .field("format", &self.format)
            .field("drm", &self.drm)
            .finish_non_exhaustive()
    }
}

/// The parameters for licenses of one key system.
#[derive(Clone, PartialEq, Eq)]
pub struct DrmParams {
    /// The key system.
    pub scheme: DrmScheme,
    /// The license server: an absolute http or https URL without user info.
    pub license_url: String,
    /// FairPlay: the application certificate in DER.
    pub certificate: Option<Vec<u8>>,
    /// FairPlay: the URL of the certificate, used if `certificate` is `None`.
    pub certificate_url: Option<String>,
    /// The wire format of the license server.
    pub wire: LicenseWire,
    /// The policy by which a refresh replaces the old license.
    pub renewal: RenewalPolicy,
    /// Widevine: the security level to request.
    pub security_level: SecurityLevel,
}

impl DrmParams {
    /// Creates parameters for a scheme and a server, with the defaults for the rest.
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

/// Omits the URLs, which are often signed.
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

/// The wire format of a license server: how the CDM's message is packed and the license unpacked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LicenseWire {
    /// The usual format of the scheme: raw bytes for Widevine and PlayReady, the W3C's JSON for ClearKey,
    /// [`LicenseWire::Udrm`] for FairPlay. This is the default.
    #[default]
    #[serde(alias = "usual")] // stores of version 1 and 2
    Standard,
    /// The CDM's bytes unchanged, in request and response.
    Raw,
    /// Base64 text, in request and response.
    Base64,
    /// FairPlay form: the request is `spc=<base64>&assetId=<id>`, the response base64 text, plain or in `<ckc>`.
    Form,
    /// Kaltura's uDRM: the request is base64 text, the response JSON with `ckc` and `persistence_duration`.
    Udrm,
}

/// The policy by which a refresh replaces the license of an asset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RenewalPolicy {
    /// Acquire a new license, then release the old one. If a step fails, the asset keeps a license. This is the
    /// default.
    #[default]
    AcquireThenRelease,
    /// Let the CDM renew the license that it holds.
    InPlace,
    /// Release the old license, then acquire a new one: for servers that count devices strictly. A failure in between
    /// leaves the asset without a license until the next refresh.
    ReleaseThenAcquire,
}
