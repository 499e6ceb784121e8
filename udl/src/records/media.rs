//! Titles and their sources, remote and local.

use larder_core::model::{DrmScheme, LicenseWire, MediaFormat, RenewalPolicy, SecurityLevel};
use larder_core::{Code, Error, model};

/// A title as a backend describes it. See `larder.udl`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MediaEntry {
    /// The backend's id.
    pub id: String,
    /// The title for people.
    pub name: String,
    /// The ways to play it.
    pub sources: Vec<MediaSource>,
}

/// One way to play a title. See `larder.udl`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct MediaSource {
    /// The backend's id of this source.
    pub id: String,
    /// The URL.
    pub url: String,
    /// The format, if the backend says.
    pub format: Option<MediaFormat>,
    /// One entry per key system.
    pub drm: Vec<DrmParams>,
    /// True for one that Larder gave for playback.
    pub is_local: bool,
}

/// Without the URL, which is often signed.
impl std::fmt::Debug for MediaSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaSource")
            .field("id", &self.id)
            .field("format", &self.format)
            .field("drm", &self.drm)
            .field("is_local", &self.is_local)
            .finish_non_exhaustive()
    }
}

/// Only a remote source can be registered: a local one says where the media lies, not how to get licenses.
impl TryFrom<MediaSource> for model::MediaSource {
    type Error = Error;

    fn try_from(source: MediaSource) -> Result<Self, Error> {
        let MediaSource { id, url, format, drm, is_local } = source;
        if is_local {
            return Err(Error::new(
                Code::InvalidArgument,
                "this is a local source: register with the remote source that the media was downloaded from",
            ));
        }
        Ok(Self { id, url, format, drm: drm.into_iter().map(model::DrmParams::from).collect() })
    }
}

/// How to get licenses of one key system. See `larder.udl`.
#[derive(Clone, PartialEq, Eq)]
pub struct DrmParams {
    /// The key system.
    pub scheme: DrmScheme,
    /// The license server.
    pub license_url: String,
    /// FairPlay: the application certificate.
    pub certificate: Option<Vec<u8>>,
    /// FairPlay: where to get it.
    pub certificate_url: Option<String>,
    /// The wire format of the license server.
    pub wire: LicenseWire,
    /// How a refresh treats the old license.
    pub renewal: RenewalPolicy,
    /// Widevine: the security level to ask for.
    pub security_level: SecurityLevel,
}

/// Without the URLs, which are often signed.
impl std::fmt::Debug for DrmParams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DrmParams")
            .field("scheme", &self.scheme)
            .field("wire", &self.wire)
            .field("renewal", &self.renewal)
            .field("security_level", &self.security_level)
            .finish_non_exhaustive()
    }
}

impl From<DrmParams> for model::DrmParams {
    fn from(params: DrmParams) -> Self {
        let DrmParams { scheme, license_url, certificate, certificate_url, wire, renewal, security_level } = params;
        Self { scheme, license_url, certificate, certificate_url, wire, renewal, security_level }
    }
}
