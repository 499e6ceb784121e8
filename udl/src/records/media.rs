//! Titles and their sources, remote and local.

use larder_core::model::{DrmParams, MediaFormat};
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

/// The core's own form, which leaves out the URL.
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

/// Only a remote source can be registered: a local one says where the media lies, not how to get licences.
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
        Ok(Self { id, url, format, drm })
    }
}
