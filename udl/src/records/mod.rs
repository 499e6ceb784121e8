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
    AssetImport, AssetInfo, AssetRegistration, ImportResult, LicenseImport, LocalLicense, LocalMediaSource, OpenReport,
    ReconcileReport, RenewalResult, UnregisterResult,
};
pub use config::{DeviceConditions, LarderConfig, StorageRoot};
pub use drm::{
    ExchangeAnswer, ExchangeMessage, GrantedHandle, InitData, KeyRequest, LicenseDuration, LicenseGrant, LicenseTimes,
    StoredLicense,
};
pub use http::{HttpHeader, HttpRequest, HttpResponse, LicenseRequest, LicenseResponse};
pub use media::{DrmParams, MediaEntry, MediaSource};
pub use status::{AssetStatus, Expiry, LicenseStatus};
