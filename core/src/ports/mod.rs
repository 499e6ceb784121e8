//! Interfaces that the platform and the app implement for the core.
//!
//! Every method is synchronous and may block. The core calls it on a thread that may block, never under a lock, and bounds
//! each call by a timeout. Calls may come from any thread, several at once. A method must not panic; the core catches a
//! panic and reports it as [`Code::DelegateFailed`](crate::Code::DelegateFailed).
//!
//! | file | interfaces |
//! |---|---|
//! | `engine` | [`DrmEngine`]: one CDM; [`LicenseExchange`]: its way to the servers |
//! | `storage` | [`LocalDrmStorage`]: small secrets under short keys |
//! | `http` | [`HttpClient`]: one small request; [`ServerTrust`]: the platform's judgement of a server |
//! | `transport` | [`Transport`]: one download, as a stream |
//! | `executors` | [`Executors`]: the threads for foreign code and for the core's own work |
//! | `events`, `dispatcher` | [`EventSink`]: state changes and progress, outwards; [`EventDispatcher`]: the thread that delivers them |
//! | `device` | [`Clock`], [`NetworkState`], [`DeviceConditions`] |
//! | `app` | [`RequestAdapter`], [`TokenProvider`], [`SourceUrlProvider`] |

mod app;
mod device;
mod dispatcher;
mod engine;
mod events;
mod executors;
mod http;
mod storage;
mod transport;

pub use app::{LicenseRequest, LicenseResponse, RequestAdapter, SourceUrlProvider, TokenProvider};
pub use device::{Clock, DeviceConditions, NetworkState};
pub use dispatcher::EventDispatcher;
pub use engine::{DrmEngine, ExchangeAnswer, ExchangeKind, ExchangeMessage, LicenseExchange};
pub use events::{AssetEvent, EventSink, Progress};
pub use executors::Executors;
pub use http::{HttpClient, HttpRequest, HttpResponse, ServerTrust};
pub use storage::LocalDrmStorage;
pub use transport::{
    ByteRange, ByteSink, Flow, ResponseHead, TransferDeadlines, TransferEnd, TransferRequest, Transport, Validator,
};
