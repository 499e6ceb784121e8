//! docs/architecture.md, invariant 11: no key, handle, challenge, token or signed URL reaches a log, an error or `Debug`.
//!
//! A binary of its own, because it listens to all that its process logs.

mod log;
mod redaction;
mod whole_run;

#[path = "../servers/mod.rs"]
mod servers;
#[path = "../test_device/mod.rs"]
mod test_device;
