//! The words of the domain as types. No I/O.
//!
//! | file | what |
//! |---|---|
//! | [`ids`] | asset, profile, license and key ids, each valid by construction |
//! | [`drm`] | schemes, init data, what a license is asked for |
//! | [`media`] | media entry and source as a backend describes them, formats, renewal policy, a registration |
//! | [`license`] | states of a license, times, handles, grants |
//! | [`status`] | what an app is told about an asset, and why |

pub mod drm;
pub mod ids;
pub mod license;
pub mod media;
pub mod status;

pub use drm::{DrmScheme, InitData, InitDataTrack, KeyRequest, SecurityLevel, TrackKind};
pub use ids::{AssetId, KeyId, LicenseId, Profile};
pub use license::{Expiry, Handle, KeyCoverage, LicenseDuration, LicenseState, LicenseTimes};
pub use media::{AssetRegistration, DrmParams, LicenseWire, MediaEntry, MediaFormat, MediaSource, RenewalPolicy};
pub use status::{AssetStatus, LicenseStatus, MediaPresence, PlayabilityReason, Warning};
