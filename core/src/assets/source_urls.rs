//! `SourceURLProvider`: what a player is told to play, asked anew at the start of every playback, never cached.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::runtime::Handle as Runtime;

use super::registry::Registry;
use super::types::{SourceUrlMode, SourceUrlOrder};
use crate::error::{Code, Result};
use crate::guard::call_delegate;
use crate::ports::{NetworkState, SourceUrlProvider};

/// The app's provider, and how it and the registry take turns.
pub(crate) struct SourceUrls {
    app: Option<Arc<dyn SourceUrlProvider>>,
    runtime: Runtime,
    timeout: Duration,
    mode: AtomicU8,
    order: AtomicU8,
}

impl SourceUrls {
    pub(crate) fn new(app: Option<Arc<dyn SourceUrlProvider>>, runtime: Runtime, timeout: Duration) -> Self {
        Self { app, runtime, timeout, mode: AtomicU8::new(0), order: AtomicU8::new(0) }
    }

    pub(crate) fn set(&self, mode: SourceUrlMode, order: SourceUrlOrder) {
        self.mode.store(mode as u8, Ordering::Release);
        self.order.store(order as u8, Ordering::Release);
    }

    fn mode(&self) -> SourceUrlMode {
        match self.mode.load(Ordering::Acquire) {
            1 => SourceUrlMode::LocalAlways,
            2 => SourceUrlMode::LocalWhenOffline,
            _ => SourceUrlMode::Off,
        }
    }

    fn asks_registry_first(&self) -> bool {
        self.order.load(Ordering::Acquire) == SourceUrlOrder::RegistryFirst as u8
    }

    /// A provider of the app that fails keeps the current URL: playback is not stopped by it.
    fn ask_app(&self, entry_id: &str, current_url: Option<&str>) -> Option<String> {
        let app = Arc::clone(self.app.as_ref()?);
        let (entry_id, current_url) = (entry_id.to_owned(), current_url.map(str::to_owned));
        let answer =
            call_delegate(&self.runtime, self.timeout, "the source URL provider", Code::DelegateFailed, move || {
                app.url(&entry_id, current_url.as_deref())
            });
        answer.unwrap_or_else(|error| {
            tracing::warn!(code = %error.code(), "the app's source URL provider failed; the registry decides");
            None
        })
    }
}

impl Registry {
    /// The URL to play for an entry; `None` keeps the current one.
    pub(crate) fn source_url(&self, entry_id: &str, current_url: Option<&str>) -> Result<Option<String>> {
        if self.source_urls.asks_registry_first() {
            if let Some(url) = self.registry_url(entry_id)? {
                return Ok(Some(url));
            }
            return Ok(self.source_urls.ask_app(entry_id, current_url));
        }
        match self.source_urls.ask_app(entry_id, current_url) {
            Some(url) => Ok(Some(url)),
            None => self.registry_url(entry_id),
        }
    }

    fn registry_url(&self, entry_id: &str) -> Result<Option<String>> {
        let answers = match self.source_urls.mode() {
            SourceUrlMode::Off => false,
            SourceUrlMode::LocalAlways => true,
            SourceUrlMode::LocalWhenOffline => self.licensing.network().state() == NetworkState::Offline,
        };
        if !answers {
            return Ok(None);
        }
        let now_ms = self.clock.now_ms();
        let view = self.view()?;
        let url = view.of_entry(entry_id).find(|entry| entry.is_playable(now_ms)).and_then(|entry| entry.url());
        Ok(url.map(str::to_owned))
    }
}
