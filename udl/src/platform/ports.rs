//! The ports of a real system.

use std::sync::Arc;

use larder_core::assets::Ports;
use larder_core::clock::SystemClock;
use larder_core::license::clearkey::ClearKeyEngine;
use larder_core::net::{ClientSettings, ReqwestClient, Trust};
use larder_core::ports::{Clock, DrmEngine, Executors, HttpClient};
use larder_core::{Code, Result};

use crate::delegates::{Adapter, Engine, FfiDelegates, FfiServerTrust, Http, Platform, SourceUrls, Storage, Tokens};
use crate::error::FfiError;
use crate::records::LarderConfig;
use crate::runtime;

/// Puts together what the platform gives and what this system has.
pub(crate) fn assemble(config: &LarderConfig, delegates: FfiDelegates) -> Result<Ports, FfiError> {
    let FfiDelegates {
        storage,
        engines,
        request_adapter,
        token_provider,
        source_url_provider,
        http_client,
        server_trust,
    } = delegates;
    let foreign_calls = runtime::foreign_calls()?;
    let http: Arc<dyn HttpClient> = match http_client {
        Some(client) => Arc::new(Http { client, foreign_calls: foreign_calls.clone() }),
        None => Arc::new(built_in_client(config, server_trust)?),
    };
    let clock: Arc<dyn Clock> = Arc::new(clock());
    let engines = engines.into_iter().map(|engine| Ok(Arc::new(Engine::new(engine)?) as Arc<dyn DrmEngine>));
    let mut engines = engines.collect::<Result<Vec<_>>>()?;
    if config.software_clear_key {
        // After the app's own: the first of a scheme counts.
        engines.push(Arc::new(ClearKeyEngine::new(Arc::clone(&clock))));
    }
    Ok(Ports {
        engines,
        storage: Arc::new(Storage(storage)),
        http,
        clock,
        request_adapter: request_adapter.map(|adapter| Arc::new(Adapter(adapter)) as _),
        token_provider: token_provider.map(|tokens| Arc::new(Tokens(tokens)) as _),
        source_url_provider: source_url_provider.map(|provider| Arc::new(SourceUrls(provider)) as _),
        event_sink: None,
        executors: Executors { foreign: foreign_calls, background: runtime::operations()? },
    })
}

fn built_in_client(config: &LarderConfig, asked: Option<Arc<dyn FfiServerTrust>>) -> Result<ReqwestClient, FfiError> {
    let client = ReqwestClient::new(&client_settings(config, trust(asked)), runtime::operations()?);
    client.map_err(|error| match error.code() {
        Code::Tls if !config.extra_root_certificates.is_empty() => {
            FfiError::new(Code::InvalidArgument, "an extra root certificate cannot be used: each must be one in DER")
        }
        _ => error.into(),
    })
}

fn client_settings(config: &LarderConfig, trust: Trust) -> ClientSettings {
    let defaults = ClientSettings::default();
    let user_agent = match config.user_agent.trim() {
        "" => defaults.user_agent.clone(),
        app => format!("{app} {}", defaults.user_agent),
    };
    ClientSettings { trust, extra_roots: config.extra_root_certificates.clone(), user_agent, ..defaults }
}

fn trust(asked: Option<Arc<dyn FfiServerTrust>>) -> Trust {
    match asked {
        Some(asked) => Trust::Asking(Arc::new(Platform(asked))),
        // Android's trust store is reachable only through the app's process: without `FfiServerTrust` only the extra
        // roots are trusted.
        None if cfg!(target_os = "android") => Trust::ExtraRootsOnly,
        None => Trust::Platform,
    }
}

fn clock() -> SystemClock {
    #[cfg(target_vendor = "apple")]
    return SystemClock::with_boot_id(super::apple::boot_id());
    #[cfg(not(target_vendor = "apple"))]
    SystemClock::new()
}
