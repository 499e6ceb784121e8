//! Whole flows through a manager: a device with devices, storages, clocks and servers, and everything that happens to it.
//!
//! One binary for many files: each would be linked with the whole core and the test servers again.

mod at_once;
mod changed_handles;
mod full_disk;
mod import;
mod recovery;
mod registration;
mod renewal;
mod trouble;

#[path = "../test_device/mod.rs"]
mod test_device;
