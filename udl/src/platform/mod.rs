//! The platform-specific code, and the crate's only unsafe code.
//!
//! | file | what |
//! |---|---|
//! | `apple.rs` | the boot id |
//! | `jvm.rs` | attaching threads to the JVM, where there is one |
//! | `jvm_lookup.rs` | the one call that Kotlin makes by JNI, because it must be quick |
//! | `log.rs` | logcat, Apple's unified log, stderr |
//! | `ports.rs` | the ports of a real system: network, clock, engines, delegates |

#[cfg(target_vendor = "apple")]
mod apple;
#[cfg(not(target_vendor = "apple"))]
mod jvm;
#[cfg(not(target_vendor = "apple"))]
mod jvm_lookup;
pub(crate) mod log;
pub(crate) mod ports;

/// To be called first on every thread that may call foreign code.
pub(crate) fn thread_started() {
    #[cfg(not(target_vendor = "apple"))]
    jvm::attach_current_thread();
}

/// To be called last on such a thread.
pub(crate) fn thread_stopping() {
    #[cfg(not(target_vendor = "apple"))]
    jvm::detach_current_thread();
}
