//! Media on disk: what it is, what protects it, and what hostile media does to who reads it.

mod find_media;
mod hostile_media;
mod init_data;
mod protection;

#[path = "../written/mod.rs"]
mod written;
