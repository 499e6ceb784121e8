//! For apps that move from PlayKit: what its callbacks said, sentinels and all. Nothing else in the core uses this.

mod play_kit_status;

pub use play_kit_status::{PlayKitStatus, legacy_times, play_kit_status};
