//! The types of the domain. No I/O.
//!
//! | file | what |
//! |---|---|
//! | [`ids`] | asset, profile, license and key ids, each valid by construction |
//! | [`drm`] | schemes, init data, the request for a license |
//! | [`media`] | media entries and sources as a backend describes them, formats, renewal policy |
//! | [`license`] | states of a license, times, handles, grants |
//! | [`asset`] | an asset as an app registers, imports, refreshes and lists it |
//! | [`status`] | whether an asset plays, and why not |
//! | [`playback`] | the local source for a player |
//! | [`report`] | results of the calls that open, change or reconcile the registry |
//!
//! Every type that a call of the manager takes or returns is in this room. The types that a manager is made of
//! (`Config`, `Ports`) are in `registry`, because they hold objects of the platform.

pub mod asset;
pub mod drm;
pub mod ids;
pub mod license;
pub mod media;
pub mod playback;
pub mod report;
pub mod status;

pub use asset::{AssetImport, AssetInfo, AssetRegistration, LicenseImport, Refresh, StorageRoot, Verify};
pub use drm::{DrmScheme, InitData, InitDataTrack, KeyRequest, SecurityLevel, TrackKind};
pub use ids::{AssetId, KeyId, LicenseId, Profile};
pub use license::{Expiry, Handle, KeyCoverage, LicenseDuration, LicenseState, LicenseTimes};
pub use media::{DrmParams, LicenseWire, MediaEntry, MediaFormat, MediaSource, RenewalPolicy};
pub use playback::{LocalLicense, LocalMediaSource, SourceUrlMode, SourceUrlOrder};
pub use report::{ImportResult, OpenReport, ReconcileReport, RenewalResult, UnregisterResult};
pub use status::{AssetStatus, LicenseStatus, MediaPresence, PlayabilityReason, Warning};
