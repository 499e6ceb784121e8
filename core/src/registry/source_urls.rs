//! The state behind source URLs: the app's provider, and the mode and order in which it and the registry answer.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::runtime::Handle as Runtime;

use crate::error::Code;
use crate::guard::call_delegate;
use crate::model::{SourceUrlMode, SourceUrlOrder};
use crate::ports::SourceUrlProvider;

/// The app's provider, and how the registry answers beside it.
pub(crate) struct SourceUrls {
    app: Option<Arc<dyn SourceUrlProvider>>,
    runtime: Runtime,
    timeout: Duration,
    // Protects two small values that are set together; held to copy or replace them.
    setting: RwLock<(SourceUrlMode, SourceUrlOrder)>,
}

impl SourceUrls {
    pub(super) fn new(app: Option<Arc<dyn SourceUrlProvider>>, runtime: Runtime, timeout: Duration) -> Self {
        Self { app, runtime, timeout, setting: RwLock::default() }
    }

    pub(crate) fn set(&self, mode: SourceUrlMode, order: SourceUrlOrder) {
        *self.setting.write().unwrap_or_else(PoisonError::into_inner) = (mode, order);
    }

    pub(crate) fn mode(&self) -> SourceUrlMode {
        self.setting.read().unwrap_or_else(PoisonError::into_inner).0
    }

    pub(crate) fn order(&self) -> SourceUrlOrder {
        self.setting.read().unwrap_or_else(PoisonError::into_inner).1
    }

    /// Asks the app's provider. `None` if there is none, or if it keeps the current URL or fails: an error of the
    /// provider must not stop the playback.
    pub(crate) fn ask_app(&self, entry_id: &str, current_url: Option<&str>) -> Option<String> {
        let app = Arc::clone(self.app.as_ref()?);
        let (entry_id, current_url) = (entry_id.to_owned(), current_url.map(str::to_owned));
        let answer =
            call_delegate(&self.runtime, self.timeout, "the source URL provider", Code::DelegateFailed, move || {
                app.url(&entry_id, current_url.as_deref())
            });
        answer.unwrap_or_else(|error| {
            tracing::warn!(code = %error.code(), "source URL provider failed; the registry answers");
            None
        })
    }
}
