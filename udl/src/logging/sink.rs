//! The app's sink, fed by a thread of its own.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use larder_core::Code;
use tracing::level_filters::LevelFilter;

use super::{LogLevel, filter};
use crate::error::FfiError;
use crate::platform;

/// Takes Larder's log lines. See `larder.udl`.
#[uniffi::trait_interface]
pub trait FfiLogSink: Send + Sync {
    /// One line, without a line break.
    fn log(&self, level: LogLevel, target: String, message: String) -> Result<(), FfiError>;
}

/// Lines that may wait for a slow sink; more are dropped, and counted.
const MAX_WAITING_LINES: usize = 1024;

pub(super) struct Sink;

struct Line {
    level: LogLevel,
    target: &'static str,
    message: String,
}

/// The sink's level, `OFF` without a sink. Read for every event, hence not under the lock.
static LEVEL: AtomicU8 = AtomicU8::new(0);
static DROPPED: AtomicU32 = AtomicU32::new(0);
// Protects who is the sink; cloned out before it is called.
static CURRENT: RwLock<Option<Arc<dyn FfiLogSink>>> = RwLock::new(None);
static QUEUE: OnceLock<SyncSender<Line>> = OnceLock::new();

#[allow(clippy::missing_const_for_thread_local, reason = "it is const; clippy does not see that for Android")]
mod thread {
    use std::cell::Cell;

    thread_local! {
    /// True on the thread that calls the sink: a sink that makes Larder log must not feed itself.
    pub(super) static IS_SINK: Cell<bool> = const { Cell::new(false) };
    }
}

impl Sink {
    pub(super) fn set(sink: Option<Arc<dyn FfiLogSink>>, level: LogLevel) -> Result<(), FfiError> {
        if sink.is_some() {
            start_thread()?;
        }
        LEVEL.store(if sink.is_some() { number(level) } else { 0 }, Ordering::Relaxed);
        // The one before is dropped after the lock: dropping it may run foreign code.
        let before = std::mem::replace(&mut *CURRENT.write().unwrap_or_else(PoisonError::into_inner), sink);
        drop(before);
        Ok(())
    }

    pub(super) fn level() -> LevelFilter {
        match LEVEL.load(Ordering::Relaxed) {
            1 => filter(LogLevel::Error),
            2 => filter(LogLevel::Warn),
            3 => filter(LogLevel::Info),
            4 => filter(LogLevel::Debug),
            _ => LevelFilter::OFF,
        }
    }

    pub(super) fn offer(level: LogLevel, target: &'static str, message: String) {
        if thread::IS_SINK.get() {
            return;
        }
        let Some(queue) = QUEUE.get() else { return };
        if let Err(TrySendError::Full(_)) = queue.try_send(Line { level, target, message }) {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn start_thread() -> Result<(), FfiError> {
    if QUEUE.get().is_some() {
        return Ok(());
    }
    let (queue, lines) = sync_channel(MAX_WAITING_LINES);
    // Who loses this race drops its queue; a thread is made for the winner alone.
    if QUEUE.set(queue).is_err() {
        return Ok(());
    }
    let spawned = std::thread::Builder::new().name("larder-log".to_owned()).spawn(move || {
        platform::thread_started();
        thread::IS_SINK.set(true);
        deliver(&lines);
    });
    spawned.map(drop).map_err(|_| FfiError::new(Code::Internal, "the system gives no thread for the log sink"))
}

/// Runs for the life of the process: the queue's sender is never dropped.
fn deliver(lines: &Receiver<Line>) {
    for line in lines {
        let sink = CURRENT.read().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(sink) = sink else { continue };
        let dropped = DROPPED.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            call(&*sink, LogLevel::Warn, module_path!(), format!("{dropped} log lines were dropped: the sink is slow"));
        }
        call(&*sink, line.level, line.target, line.message);
    }
}

/// Ignores an exception of the sink: there is no place to report it.
fn call(sink: &dyn FfiLogSink, level: LogLevel, target: &str, message: String) {
    let logged = std::panic::AssertUnwindSafe(|| sink.log(level, target.to_owned(), message));
    drop(std::panic::catch_unwind(logged));
}

fn number(level: LogLevel) -> u8 {
    match level {
        LogLevel::Error => 1,
        LogLevel::Warn => 2,
        LogLevel::Info => 3,
        LogLevel::Debug => 4,
    }
}
