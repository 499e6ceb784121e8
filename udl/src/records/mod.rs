//! Records and enums of the contract that cannot be the core's own types, and their conversions.
//!
//! The core's own types serve where UniFFI 0.32.2 allows (`[Remote]` in the UDL, re-exported by `lib.rs`): plain enums,
//! and records that need nothing of the below. Mirrored here is the rest: enums with data, and records with ids, handles,
//! paths, unsigned numbers, or something that their text form must leave out.

mod assets;
mod config;
mod drm;
mod http;
mod media;
mod numbers;
mod status;

pub use assets::{
    AssetInfo, Imported, ImportedAsset, ImportedLicense, LocalLicense, LocalMediaSource, OpenReport, Registration,
    Renewal, Settlement, Unregistered,
};
pub use config::{DeviceConditions, LarderConfig, StorageRoot};
pub use drm::{
    ExchangeAnswer, ExchangeMessage, GrantedHandle, InitData, KeyRequest, LicenseGrant, LicenseTimes, Remaining,
    StoredLicense,
};
pub use http::{HttpAnswer, HttpHeader, HttpRequest, LicenseRequest, LicenseResponse};
pub use media::{DrmParams, MediaEntry, MediaSource};
pub use status::{AssetStatus, Expiry, LicenseStatus};
