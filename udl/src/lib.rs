//! The UniFFI face of `larder-core`. What it says, and to whom, is in `larder.udl`; here it is only carried over.
//!
//! | file | what |
//! |---|---|
//! | `larder.udl` | the contract, with its documentation |
//! | `manager.rs` | `FfiManager`: every operation, hopped onto the runtime and back |
//! | `lookup.rs` | managers by number, for a call that does not go through UniFFI |
//! | `opening.rs` | opening in the background, waited for once, tried again after a failure |
//! | `cancellation.rs` | `FfiCancellation`, and cancelling by dropping a future |
//! | `functions.rs` | the contract's free functions |
//! | `delegates/` | foreign storage, engine, adapter, token and source URL provider as the core's ports |
//! | `exchange.rs` | `FfiExchange`: the core's side of a license exchange, lent to a foreign engine |
//! | `records/` | records and enums that cannot be the core's own, and their conversions |
//! | `error.rs` | `FfiError`: what of the core's error leaves the process, and how a foreign one comes in |
//! | `runtime.rs` | the one tokio runtime, and the pool for foreign calls |
//! | `logging/` | tracing's events to logcat, Apple's unified log or stderr, and to the app's sink |
//! | `platform/` | the JVM's threads and Apple's boot id: the only unsafe code |

// With `forbid` or `deny(unsafe_code)` the scaffolding would not compile: its exports are `#[unsafe(no_mangle)]`.
#![deny(unsafe_op_in_unsafe_fn)]
#![warn(clippy::undocumented_unsafe_blocks)]

mod cancellation;
mod delegates;
mod error;
mod exchange;
mod functions;
mod logging;
mod lookup;
mod manager;
mod opening;
mod platform;
mod records;
mod runtime;

pub use larder_core::Remedy;
pub use larder_core::assets::{SourceUrlMode, SourceUrlOrder};
pub use larder_core::compat::PlayKitStatus;
pub use larder_core::model::license::ReleaseOutcome;
pub use larder_core::model::{
    DrmScheme, InitDataTrack, KeyCoverage, LicenseState, LicenseWire, MediaFormat, MediaPresence, PlayabilityReason,
    RenewalPolicy, SecurityLevel, TrackKind, Warning as AssetWarning,
};
pub use larder_core::ports::{ExchangeKind, NetworkState};

pub use cancellation::FfiCancellation;
pub use delegates::{
    FfiDelegates, FfiDrmEngine, FfiDrmStorage, FfiHttpClient, FfiRequestAdapter, FfiServerTrust, FfiSourceUrlProvider,
    FfiTokenProvider,
};
pub use error::FfiError;
pub use exchange::FfiExchange;
pub use functions::{
    FfiTrackAt, find_init_data, library_version, make_manifest_absolute, play_kit_status, set_log_sink,
};
pub use logging::{FfiLogSink, LogLevel};
pub use manager::FfiManager;
pub use records::{
    AssetImport, AssetInfo, AssetRegistration, AssetStatus, DeviceConditions, DrmParams, ExchangeAnswer,
    ExchangeMessage, Expiry, GrantedHandle, HttpHeader, HttpRequest, HttpResponse, ImportResult, InitData, KeyRequest,
    LarderConfig, LicenseDuration, LicenseGrant, LicenseImport, LicenseRequest, LicenseResponse, LicenseStatus,
    LicenseTimes, LocalLicense, LocalMediaSource, MediaEntry, MediaSource, OpenReport, ReconcileReport, RenewalResult,
    StorageRoot, StoredLicense, UnregisterResult,
};

uniffi::include_scaffolding!("larder");
