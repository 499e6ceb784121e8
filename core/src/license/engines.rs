//! The registered CDM engines. Every call is bounded in time. A call that times out is cut off from the network, and
//! its late result goes to a function that can undo it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle as Runtime;

use super::exchange::Exchange;
use crate::error::{Code, Error, Result};
use crate::guard::{Unanswered, call_bounded};
use crate::model::DrmScheme;
use crate::model::license::Handle;
use crate::ports::DrmEngine;

/// The engines, at most one per scheme.
#[derive(Clone)]
pub(crate) struct Engines {
    by_scheme: BTreeMap<DrmScheme, Arc<dyn DrmEngine>>,
    runtime: Runtime,
    timeout: Duration,
}

impl Engines {
    /// Takes the engines. Of several engines of one scheme, the first one is used.
    pub(crate) fn new(engines: Vec<Arc<dyn DrmEngine>>, runtime: Runtime, timeout: Duration) -> Self {
        let mut by_scheme = BTreeMap::new();
        for engine in engines {
            by_scheme.entry(engine.scheme()).or_insert(engine);
        }
        Self { by_scheme, runtime, timeout }
    }

    /// Returns the schemes that have an engine.
    pub(crate) fn schemes(&self) -> Vec<DrmScheme> {
        self.by_scheme.keys().copied().collect()
    }

    /// Returns the time limit of a call.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Calls an engine. Fails with [`EngineError::Hung`] if the call exceeds the time limit; `late` receives its result if
    /// the call still succeeds.
    pub(crate) fn call<T: Send + 'static>(
        &self,
        scheme: DrmScheme,
        exchange: Option<&Arc<Exchange>>,
        call: impl FnOnce(&dyn DrmEngine) -> Result<T> + Send + 'static,
        late: impl FnOnce(T) + Send + 'static,
    ) -> Result<T, EngineError> {
        let Some(engine) = self.by_scheme.get(&scheme).cloned() else {
            let message = format!("no engine is registered for {scheme}");
            return Err(EngineError::Answered(Error::new(Code::DrmUnsupported, message)));
        };
        let answer = call_bounded(
            &self.runtime,
            self.timeout,
            move || call(&*engine),
            move |result| {
                if let Ok(value) = result {
                    late(value);
                }
            },
        );
        if let Some(exchange) = exchange {
            exchange.close();
        }
        match answer {
            Ok(result) => result.map_err(EngineError::Answered),
            Err(Unanswered::TimedOut) => Err(EngineError::Hung(Error::new(
                Code::Timeout,
                format!(
                    "the {scheme} engine did not answer within {} s; the outcome is unknown and is recovered later",
                    self.timeout.as_secs()
                ),
            ))),
            Err(Unanswered::Panicked) => {
                Err(EngineError::Hung(Error::new(Code::CdmFailed, format!("the {scheme} engine panicked"))))
            }
        }
    }

    /// Returns the handles that each CDM holds, without the CDMs that cannot list them or fail to.
    pub(crate) fn held(&self) -> Vec<(DrmScheme, Vec<Handle>)> {
        self.schemes().into_iter().filter_map(|scheme| Some((scheme, self.held_by(scheme)?))).collect()
    }

    /// Returns how many licenses the CDMs hold for this app, or `None` if no CDM lists them.
    pub(crate) fn count_held(&self) -> Option<u32> {
        count(&self.held())
    }

    /// Returns the handles that the CDM of a scheme holds, or `None` if it cannot list them.
    pub(crate) fn held_by(&self, scheme: DrmScheme) -> Option<Vec<Handle>> {
        match self.call(scheme, None, |engine| engine.held(), drop) {
            Ok(held) => held,
            Err(error) => {
                tracing::warn!(%scheme, code = %error.error().code(), "listing the CDM's licenses failed");
                None
            }
        }
    }
}

/// Returns the number of handles, or `None` if no CDM lists any.
pub(crate) fn count(held: &[(DrmScheme, Vec<Handle>)]) -> Option<u32> {
    let count: usize = held.iter().map(|(_, handles)| handles.len()).sum();
    (!held.is_empty()).then(|| u32::try_from(count).unwrap_or(u32::MAX))
}

/// A failed call of an engine.
#[derive(Debug)]
pub(crate) enum EngineError {
    /// The engine returned this error. It has stored nothing.
    Answered(Error),
    /// The engine timed out or panicked. It may have stored a license.
    Hung(Error),
}

impl EngineError {
    fn error(&self) -> &Error {
        match self {
            Self::Answered(error) | Self::Hung(error) => error,
        }
    }

    /// Returns the error alone.
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Answered(error) | Self::Hung(error) => error,
        }
    }
}
