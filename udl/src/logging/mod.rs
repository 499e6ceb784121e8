//! Larder's log: tracing inside; logcat, Apple's unified log or stderr outside, and the app's sink if there is one.
//!
//! Only events of Larder's own crates pass: what reqwest or rustls say may quote a URL. The platform's log gets a line
//! at once. The app's sink gets it from a thread of its own, so that it is never called under a lock, delays no
//! operation, and may call Larder back.

mod line;
mod sink;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

pub use sink::FfiLogSink;

use crate::error::FfiError;
use crate::platform;
use sink::Sink;

/// How much is logged. See `larder.udl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Failures that cost something.
    Error,
    /// Operations that succeeded in the end, but not as expected.
    Warn,
    /// One line per operation.
    Info,
    /// Every step.
    Debug,
}

/// Makes Larder's log the process's subscriber, once. A host that has set one of its own keeps it.
pub(crate) fn init() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        let subscriber = Log { platform_level: platform::log::level(), spans: AtomicU64::new(0) };
        if tracing::subscriber::set_global_default(subscriber).is_err() {
            tracing::debug!("the host has a tracing subscriber of its own: Larder's log goes there");
        }
    });
}

/// Sends the log to a sink, from this level on; `None` takes the sink away.
pub(crate) fn set_sink(sink: Option<std::sync::Arc<dyn FfiLogSink>>, level: LogLevel) -> Result<(), FfiError> {
    init();
    Sink::set(sink, level)?;
    // Call sites remember who wanted them.
    tracing::callsite::rebuild_interest_cache();
    Ok(())
}

struct Log {
    platform_level: LevelFilter,
    spans: AtomicU64,
}

impl Log {
    fn most_verbose(&self) -> LevelFilter {
        self.platform_level.max(Sink::level())
    }
}

impl Subscriber for Log {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if is_ours(metadata) && *metadata.level() <= self.most_verbose() {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_ours(metadata) && *metadata.level() <= self.most_verbose()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.most_verbose())
    }

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let line = line::of(event);
        if *metadata.level() <= self.platform_level {
            platform::log::write(*metadata.level(), metadata.target(), &line);
        }
        if *metadata.level() <= Sink::level() {
            Sink::offer(level(*metadata.level()), metadata.target(), line);
        }
    }

    // Spans are not shown: a line says by itself what it is about.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed).saturating_add(1))
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn is_ours(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    ["larder_core", "larder_ffi"]
        .iter()
        .any(|ours| target.strip_prefix(ours).is_some_and(|rest| rest.is_empty() || rest.starts_with("::")))
}

fn level(level: Level) -> LogLevel {
    match level {
        Level::ERROR => LogLevel::Error,
        Level::WARN => LogLevel::Warn,
        Level::INFO => LogLevel::Info,
        _ => LogLevel::Debug,
    }
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    }
}
