//! The threads that the core uses. It creates none of its own, apart from one for events.

use tokio::runtime::Handle;

/// Two executors, because the core's own work waits for foreign code, and foreign code may hang.
///
/// A foreign call that hangs keeps its thread. If both kinds of work shared one pool, enough hanging calls would leave no
/// thread for the core, and a call that never starts never completes.
#[derive(Clone, Debug)]
pub struct Executors {
    /// Runs code of the app and of CDMs, on its blocking pool alone. Nothing is spawned on its workers.
    pub foreign: Handle,
    /// Runs the core's own work: transfers, the loopback server, reconciliation. A multi-threaded runtime with its I/O and
    /// time drivers enabled.
    pub background: Handle,
}

impl Executors {
    /// Uses one runtime for both. For commands and tests, where foreign code does not hang.
    pub fn shared(runtime: Handle) -> Self {
        Self { foreign: runtime.clone(), background: runtime }
    }
}
