//! The words of the domain as types. No I/O.
//!
//! | file | what |
//! |---|---|
//! | [`ids`] | asset, profile, licence and key ids, each valid by construction |
//! | [`drm`] | schemes, init data, what a licence is asked for |

pub mod drm;
pub mod ids;

pub use drm::{DrmScheme, InitData, InitDataTrack, KeyRequest, SecurityLevel, TrackKind};
pub use ids::{AssetId, KeyId, LicenseId, Profile};
