//! The process's one tokio runtime, and the pool for foreign calls beside it. Made on first use, never dropped: a
//! runtime that is dropped on one of its own threads panics, and the app may call again at any time.
//!
//! Operations and foreign calls have pools of their own because the first wait for the second: an operation waits
//! bounded in time for a storage or an engine, and a foreign call that hangs for ever keeps its thread for ever. In one
//! pool, enough of them would leave no thread for an operation, and a call that never starts never completes.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use larder_core::Code;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::error::FfiError;
use crate::platform;

/// Drives network and timers. Two are enough: nothing on them blocks.
const WORKERS: usize = 2;
/// Operations under way at once; more wait for their turn. Threads are made on demand and end when idle.
const MAX_OPERATIONS: usize = 256;
/// Foreign calls under way at once, those that hang included; more fail with the port's timeout.
const MAX_FOREIGN_CALLS: usize = 256;
/// The idle time after which a thread for foreign calls ends. The app sees it among its own, and making another one
/// costs less than a call that leaves the process.
const FOREIGN_THREADS_STAY: Duration = Duration::from_secs(3);

/// Where operations and the network run.
pub(crate) fn operations() -> Result<Handle, FfiError> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    made_once(&RUNTIME, || {
        Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .max_blocking_threads(MAX_OPERATIONS)
            .thread_name("larder")
            .on_thread_start(platform::thread_started)
            .on_thread_stop(platform::thread_stopping)
            .enable_all()
            .build()
    })
}

/// Where foreign code is called. Only for `spawn_blocking`: nothing drives futures on it.
pub(crate) fn foreign_calls() -> Result<Handle, FfiError> {
    static POOL: OnceLock<Runtime> = OnceLock::new();
    made_once(&POOL, || {
        Builder::new_current_thread()
            .max_blocking_threads(MAX_FOREIGN_CALLS)
            .thread_keep_alive(FOREIGN_THREADS_STAY)
            .thread_name("larder-foreign")
            .on_thread_start(platform::thread_started)
            .on_thread_stop(platform::thread_stopping)
            .build()
    })
}

fn made_once(
    cell: &'static OnceLock<Runtime>,
    make: impl FnOnce() -> std::io::Result<Runtime>,
) -> Result<Handle, FfiError> {
    // Protects the making only, so that a second caller does not make, and drop, a second runtime.
    static MAKING: Mutex<()> = Mutex::new(());
    if let Some(runtime) = cell.get() {
        return Ok(runtime.handle().clone());
    }
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = cell.get() {
        return Ok(runtime.handle().clone());
    }
    let runtime = make().map_err(|_| FfiError::new(Code::Internal, "the system gives no threads for the runtime"))?;
    Ok(cell.get_or_init(|| runtime).handle().clone())
}
