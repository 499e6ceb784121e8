//! The local source that a player opens instead of the remote one, and when it is used.

use std::fmt;

use super::{AssetId, DrmScheme, Expiry, KeyId, LicenseId, MediaFormat, SecurityLevel};

/// What a player plays instead of the remote source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalMediaSource {
    /// The app's id.
    pub asset_id: AssetId,
    /// The backend's entry id.
    pub entry_id: String,
    /// A `file:` URL of the manifest or media file.
    pub url: String,
    /// Its format.
    pub format: MediaFormat,
    /// One entry per license. Empty for clear media.
    pub licenses: Vec<LocalLicense>,
}

/// A license that a player needs for a local source.
#[derive(Clone, PartialEq, Eq)]
pub struct LocalLicense {
    /// Its id.
    pub license_id: LicenseId,
    /// The key system.
    pub scheme: DrmScheme,
    /// The content keys it was asked for.
    pub key_ids: Vec<KeyId>,
    /// What it was asked for with, as the CDM takes it.
    pub init_data: Vec<u8>,
    /// The security level it was asked for with; a player opens its session with the same.
    pub security_level: SecurityLevel,
    /// When it ends.
    pub expires: Expiry,
    /// The security level it was acquired at (`L1`), if the engine said so: it opens at that one only.
    pub acquired_level: Option<String>,
}

impl fmt::Debug for LocalLicense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalLicense")
            .field("license_id", &self.license_id)
            .field("scheme", &self.scheme)
            .field("key_ids", &self.key_ids)
            .finish_non_exhaustive()
    }
}

/// When the registry answers a source URL provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SourceUrlMode {
    /// Never. This is the default.
    #[default]
    Off,
    /// Whenever a playable asset is registered.
    LocalAlways,
    /// Only while the app says that there is no network.
    LocalWhenOffline,
}

/// Who is asked first for a source URL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SourceUrlOrder {
    /// The app's provider, then the registry. This is the default.
    #[default]
    AppFirst,
    /// The registry, then the app's provider.
    RegistryFirst,
}
