//! Complete flows through a manager, with real media, test servers, scripted CDMs and storages, and a manual clock.
//!
//! One binary for all files, because each binary links the whole core and the test servers.

mod changed_handles;
mod concurrency;
mod failures;
mod full_disk;
mod import;
mod recovery;
mod recovery_table;
mod registration;
mod renewal;

#[path = "../test_device/mod.rs"]
mod test_device;
