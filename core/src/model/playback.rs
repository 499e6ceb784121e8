//! The local source that a player opens instead of the remote one, and the settings of the source URL provider.

use std::fmt;

use super::{AssetId, DrmScheme, Expiry, KeyId, LicenseId, MediaFormat, SecurityLevel};

/// The local source of an asset, which a player opens instead of the remote one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalMediaSource {
    /// The app's id for the asset.
    pub asset_id: AssetId,
    /// The backend's entry id.
    pub entry_id: String,
    /// The `file:` URL of the manifest or media file.
    pub url: String,
    /// The format of the media.
    pub format: MediaFormat,
    /// The licenses that the media needs. Empty for clear media.
    pub licenses: Vec<LocalLicense>,
}

/// A license that a player needs for a local source.
#[derive(Clone, PartialEq, Eq)]
pub struct LocalLicense {
    /// The id of the license.
    pub license_id: LicenseId,
    /// The key system.
    pub scheme: DrmScheme,
    /// The content keys that it was requested for.
    pub key_ids: Vec<KeyId>,
    /// The init data that it was requested with, in the form that the CDM takes.
    pub init_data: Vec<u8>,
    /// The security level that it was requested with. A player opens its session with the same one.
    pub security_level: SecurityLevel,
    /// Its expiry.
    pub expires: Expiry,
    /// The security level that it was acquired at (for example `L1`), if the engine reports it. The license opens at
    /// this level only.
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

/// The cases in which the registry answers a source URL request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SourceUrlMode {
    /// Never. This is the default.
    #[default]
    Off,
    /// Whenever a playable asset is registered.
    LocalAlways,
    /// Only while the network state is `Offline`.
    LocalWhenOffline,
}

/// The order in which a source URL is looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SourceUrlOrder {
    /// The app's provider, then the registry. This is the default.
    #[default]
    AppFirst,
    /// The registry, then the app's provider.
    RegistryFirst,
}
