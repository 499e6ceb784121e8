//! The registered CDM engines. Every call is bounded in time; one that does not come back in time is closed off from
//! the network, and what it brings later goes to whoever can undo it.

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

/// One engine per scheme.
#[derive(Clone)]
pub(crate) struct Engines {
    by_scheme: BTreeMap<DrmScheme, Arc<dyn DrmEngine>>,
    runtime: Runtime,
    timeout: Duration,
}

impl Engines {
    /// Takes the engines; of several for one scheme the first counts.
    pub(crate) fn new(engines: Vec<Arc<dyn DrmEngine>>, runtime: Runtime, timeout: Duration) -> Self {
        let mut by_scheme = BTreeMap::new();
        for engine in engines {
            by_scheme.entry(engine.scheme()).or_insert(engine);
        }
        Self { by_scheme, runtime, timeout }
    }

    /// The schemes that can be served.
    pub(crate) fn schemes(&self) -> Vec<DrmScheme> {
        self.by_scheme.keys().copied().collect()
    }

    /// How long a call may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Where foreign calls get their threads.
    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Calls an engine. `late` gets the result if it comes after the time is up (the call has then [`Hung`]).
    ///
    /// [`Hung`]: EngineError::Hung
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
                    "the {scheme} engine did not answer within {} s; the outcome is unknown",
                    self.timeout.as_secs()
                ),
            ))),
            Err(Unanswered::Panicked) => {
                Err(EngineError::Hung(Error::new(Code::CdmFailed, format!("the {scheme} engine panicked"))))
            }
        }
    }

    /// What each engine's CDM holds; without those that cannot list or fail to.
    pub(crate) fn held(&self) -> Vec<(DrmScheme, Vec<Handle>)> {
        self.schemes().into_iter().filter_map(|scheme| Some((scheme, self.held_by(scheme)?))).collect()
    }

    /// How many licenses the CDMs hold for this app; `None` if none can tell.
    pub(crate) fn count_held(&self) -> Option<u32> {
        count(&self.held())
    }

    /// What the CDM of a scheme holds, `None` if it cannot tell.
    pub(crate) fn held_by(&self, scheme: DrmScheme) -> Option<Vec<Handle>> {
        match self.call(scheme, None, |engine| engine.held(), drop) {
            Ok(held) => held,
            Err(error) => {
                tracing::warn!(%scheme, code = %error.error().code(), "the CDM does not list its licenses");
                None
            }
        }
    }
}

/// How many licenses these are; `None` if nobody lists any.
pub(crate) fn count(held: &[(DrmScheme, Vec<Handle>)]) -> Option<u32> {
    let count: usize = held.iter().map(|(_, handles)| handles.len()).sum();
    (!held.is_empty()).then(|| u32::try_from(count).unwrap_or(u32::MAX))
}

/// A call of an engine that gave no result.
#[derive(Debug)]
pub(crate) enum EngineError {
    /// The engine says why. It has stored nothing.
    Answered(Error),
    /// It did not come back, or broke off: it may have stored something.
    Hung(Error),
}

impl EngineError {
    fn error(&self) -> &Error {
        match self {
            Self::Answered(error) | Self::Hung(error) => error,
        }
    }

    /// The error alone.
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Answered(error) | Self::Hung(error) => error,
        }
    }
}
