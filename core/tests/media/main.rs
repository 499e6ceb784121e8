//! Media on disk: its format, its protection, and the readers' behaviour on hostile media.

mod find_media;
mod hls_peer;
mod hostile_media;
mod init_data;
mod protection;
mod recorded;

#[path = "../written/mod.rs"]
mod written;
