//! What the store keeps, as typed rows.

use std::fmt;

use crate::model::license::{Handle, HandleDigest, StoredLicense};
use crate::model::{
    AssetId, DrmParams, DrmScheme, Expiry, InitDataTrack, KeyCoverage, KeyId, KeyRequest, LicenseId, LicenseState,
    MediaFormat, MediaSource, Profile,
};

/// One registration.
#[derive(Clone, PartialEq, Eq)]
pub struct AssetRow {
    /// Whose it is.
    pub profile: Profile,
    /// The app's id of it; unique within the profile.
    pub asset_id: AssetId,
    /// The backend's id of the title.
    pub entry_id: String,
    /// Whether the registration has ended.
    pub state: AssetState,
    /// Where the media lies.
    pub path: StoredPath,
    /// What the media is.
    pub format: MediaFormat,
    /// True if the media needs licenses.
    pub is_protected: bool,
    /// Where it came from; a refresh needs it.
    pub source: MediaSource,
    /// The app's own bytes.
    pub metadata: Option<Vec<u8>>,
    /// Which track needs which content keys, as far as the media says.
    pub required_keys: Vec<(InitDataTrack, Vec<KeyId>)>,
    /// True if the playlists name an AES-128 key file that is not on the device.
    pub key_files_missing: bool,
    /// When it was first registered, in milliseconds since 1970-01-01 UTC.
    pub registered_at_ms: i64,
    /// When it was last registered or refreshed, in milliseconds since 1970-01-01 UTC.
    pub updated_at_ms: i64,
    /// When its first playback started, in milliseconds since 1970-01-01 UTC.
    pub playback_started_at_ms: Option<i64>,
}

/// Without the metadata: it is the app's.
impl fmt::Debug for AssetRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssetRow")
            .field("asset_id", &self.asset_id)
            .field("state", &self.state)
            .field("format", &self.format)
            .field("source", &self.source)
            .field("metadata_bytes", &self.metadata.as_ref().map(Vec::len))
            .field("required_keys", &self.required_keys)
            .finish_non_exhaustive()
    }
}

/// Whether a registration has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AssetState {
    /// It has begun; its licenses are being got.
    Registering,
    /// It is complete.
    Registered,
}

/// Where media lies: in UTF-8, separated by `/`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StoredPath {
    /// The name of the root that `path` is relative to; `None` for an absolute one outside every root.
    pub root: Option<String>,
    /// A manifest, a media file or a folder.
    pub path: String,
    /// The manifest, relative to `path`, when that is a folder.
    pub manifest: Option<String>,
}

impl StoredPath {
    /// True if both name the same registered path. The manifest below it may differ.
    pub fn is_same_media(&self, other: &Self) -> bool {
        self.root == other.root && self.path == other.path
    }
}

/// One license in the ledger. It outlives its asset's row while its release waits for the server.
///
/// The CDM's handle is not here: it lies in the app's secret storage, under
/// [`LicenseId::storage_key`](crate::model::LicenseId::storage_key).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LicenseRow {
    /// Our id of it.
    pub license_id: LicenseId,
    /// Whose it is.
    pub profile: Profile,
    /// The asset it is for.
    pub asset_id: AssetId,
    /// Where it stands.
    pub state: LicenseState,
    /// What it was, or is to be, asked for with.
    pub request: KeyRequest,
    /// The server and its manners at the time of the request; a release goes there.
    pub params: DrmParams,
    /// The digest of the CDM's handle, once there is one.
    pub handle_digest: Option<HandleDigest>,
    /// What the CDM held when the intent was made; `None` if it cannot list.
    pub held_before: Option<Vec<HandleDigest>>,
    /// The license that this one takes the place of.
    pub replaces: Option<LicenseId>,
    /// When it was granted or last renewed, in milliseconds since 1970-01-01 UTC; 0 before.
    pub granted_at_ms: i64,
    /// When it ends.
    pub expires: Expiry,
    /// How long it plays after the first start, in seconds. Kept up to `i64::MAX`.
    pub playback_window_seconds: Option<u64>,
    /// Whether it has the keys it was asked for.
    pub coverage: KeyCoverage,
    /// The content keys in it, if the CDM tells.
    pub key_ids: Option<Vec<KeyId>>,
    /// In state intended: the kind of license that the intent acquires. Otherwise without meaning.
    pub kind: IntentKind,
    /// In state intended: whether the outcome is known. Otherwise without meaning.
    pub outcome: IntentOutcome,
    /// In state releasing: until when a call may be releasing it, in milliseconds since 1970-01-01 UTC. `None` if no call
    /// is. Otherwise without meaning.
    pub lease_until_ms: Option<i64>,
    /// How many attempts to release it the server has refused.
    pub release_attempts: u32,
    /// In state releasing: when the next attempt is due, in milliseconds since 1970-01-01 UTC; 0 for at once.
    pub next_attempt_at_ms: i64,
    /// The code of the last failure, for people: nothing in the core reads it.
    pub last_error: Option<String>,
    /// The security level that it was acquired at, if the CDM said so.
    pub acquired_level: Option<String>,
}

/// The license that an intent acquires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IntentKind {
    /// A license of its own. This is the default.
    #[default]
    New,
    /// The license that it replaces, which goes on under another handle.
    Continuation,
}

/// The outcome of an intent, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IntentOutcome {
    /// A call is acquiring the license, or its process died. This is the default.
    #[default]
    InProgress,
    /// The call has ended, or its process is known to be dead, and it is not known whether a license was granted.
    Unknown,
}

impl LicenseRow {
    /// A license that is about to be asked for, under an id of its own: nothing is known of it yet.
    pub fn intended(
        license_id: LicenseId,
        profile: Profile,
        asset_id: AssetId,
        request: KeyRequest,
        params: DrmParams,
    ) -> Self {
        Self {
            license_id,
            profile,
            asset_id,
            state: LicenseState::Intended,
            request,
            params,
            handle_digest: None,
            held_before: None,
            replaces: None,
            granted_at_ms: 0,
            expires: Expiry::Unknown,
            playback_window_seconds: None,
            coverage: KeyCoverage::Unknown,
            key_ids: None,
            kind: IntentKind::New,
            outcome: IntentOutcome::InProgress,
            lease_until_ms: None,
            release_attempts: 0,
            next_attempt_at_ms: 0,
            last_error: None,
            acquired_level: None,
        }
    }

    /// This license as an engine takes it, with its handle.
    pub fn held_under(&self, handle: Handle) -> StoredLicense {
        StoredLicense {
            license_id: self.license_id.clone(),
            scheme: self.request.scheme,
            handle,
            request: self.request.clone(),
            acquired_level: self.acquired_level.clone(),
        }
    }
}

/// What lookups and statuses need of an asset, kept in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetSummary {
    /// The app's id of it.
    pub asset_id: AssetId,
    /// The backend's id of the title.
    pub entry_id: String,
    /// Whether the registration has ended.
    pub state: AssetState,
    /// Where the media lies.
    pub path: StoredPath,
    /// What the media is.
    pub format: MediaFormat,
    /// True if the media needs licenses.
    pub is_protected: bool,
    /// Every content key that a track needs, sorted, each once.
    pub required_key_ids: Vec<KeyId>,
    /// True if the playlists name an AES-128 key file that is not on the device.
    pub key_files_missing: bool,
    /// When its first playback started, in milliseconds since 1970-01-01 UTC.
    pub playback_started_at_ms: Option<i64>,
    /// When it was first registered, in milliseconds since 1970-01-01 UTC.
    pub registered_at_ms: i64,
    /// When it was last registered or refreshed, in milliseconds since 1970-01-01 UTC.
    pub updated_at_ms: i64,
    /// Its licenses in the states intended, stored and active, oldest first.
    pub licenses: Vec<LicenseSummary>,
}

/// What lookups and statuses need of a license.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LicenseSummary {
    /// Our id of it.
    pub license_id: LicenseId,
    /// The key system.
    pub scheme: DrmScheme,
    /// Where it stands.
    pub state: LicenseState,
    /// When it ends.
    pub expires: Expiry,
    /// When it was granted or last renewed, in milliseconds since 1970-01-01 UTC; 0 before.
    pub granted_at_ms: i64,
    /// How long it plays after the first start, in seconds.
    pub playback_window_seconds: Option<u64>,
    /// Whether it has the keys it was asked for.
    pub coverage: KeyCoverage,
    /// The keys it was asked for.
    pub requested_key_ids: Vec<KeyId>,
}

/// The clock as it was last seen, by which a rollback is noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockMark {
    /// Milliseconds since 1970-01-01 UTC.
    pub wall_ms: i64,
    /// Milliseconds since boot, sleep included.
    pub since_boot_ms: Option<i64>,
    /// Which boot that was.
    pub boot_id: Option<String>,
    /// True from the time a rollback was noticed until a server's date clears it.
    pub rollback_suspected: bool,
}
