//! Results in the form that PlayKit's callbacks had them, with its sentinel values, for apps that migrate. No other
//! room of the core uses this one.

mod play_kit_status;

pub use play_kit_status::{PlayKitStatus, legacy_times, play_kit_status};
