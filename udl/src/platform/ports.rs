//! The ports of a real system.

use std::sync::Arc;

use larder_core::assets::Ports;
use larder_core::ports::{Clock, DrmEngine, HttpClient, HttpRequest, HttpResponse};
use larder_core::{Code, Error, Result};

use crate::delegates::{Adapter, Engine, FfiDelegates, SourceUrls, Storage, Tokens};
use crate::error::FfiError;
use crate::records::LarderConfig;
use crate::runtime;

/// Puts together what the platform gives and what this system has.
pub(crate) fn assemble(_config: &LarderConfig, delegates: FfiDelegates) -> Result<Ports, FfiError> {
    let FfiDelegates { storage, engines, request_adapter, token_provider, source_url_provider } = delegates;
    let engines = engines.into_iter().map(|engine| Ok(Arc::new(Engine::new(engine)?) as Arc<dyn DrmEngine>));
    Ok(Ports {
        engines: engines.collect::<Result<_>>()?,
        storage: Arc::new(Storage(storage)),
        http: Arc::new(NoNetworkYet),
        clock: Arc::new(NoClockYet),
        request_adapter: request_adapter.map(|adapter| Arc::new(Adapter(adapter)) as _),
        token_provider: token_provider.map(|tokens| Arc::new(Tokens(tokens)) as _),
        source_url_provider: source_url_provider.map(|provider| Arc::new(SourceUrls(provider)) as _),
        runtime: runtime::foreign_calls()?,
    })
}

struct NoNetworkYet;
impl HttpClient for NoNetworkYet {
    fn send(&self, _: HttpRequest) -> Result<HttpResponse> {
        Err(Error::new(Code::Offline, "no network yet"))
    }
}

struct NoClockYet;
impl Clock for NoClockYet {
    fn now_ms(&self) -> i64 {
        0
    }
    fn since_boot_ms(&self) -> Option<i64> {
        None
    }
    fn boot_id(&self) -> Option<String> {
        None
    }
}
