//! HLS, DASH and MP4: bytes to one media model, and pure functions over it.
//!
//! All input is hostile: nothing here panics, recurses or allocates without a bound.
//!
//! | file | what |
//! |---|---|
//! | [`presentation`] | the media model: periods, tracks, segments, init segments; references as written |
//! | [`hls`], [`dash`] | playlists and MPDs to the model |
//! | [`mp4`] | boxes of media files and init segments |
//! | [`resolve`] | a reference against a local folder, or against a URL |
//! | [`protection`] | from the model to init data, keys per track, key files, issues |
//! | `files` | the port through which documents and media files are read |
//! | `local` | that port for a folder: nothing outside of it is opened |
//! | `find` | from a path that an app registers to the file that a player opens |
//! | `inspect/` | from that file to its protection |
//! | [`localize`] | a manifest with other references and fewer tracks, and nothing else changed |
//! | [`pssh`], [`widevine`], [`playready`] | PSSH boxes, and the key ids in those of two key systems |
//! | `xml`, `text`, `sniff`, `bytes` | XML events without DTDs; encodings; the format of a file by its first bytes; a cursor |
//! | [`limits`] | how much of a hostile file is read |

mod bytes;
pub mod dash;
mod files;
mod find;
pub mod hls;
mod inspect;
pub mod limits;
mod local;
pub mod localize;
pub mod mp4;
pub mod playready;
pub mod presentation;
pub mod protection;
pub mod pssh;
pub mod resolve;
mod sniff;
mod text;
pub mod widevine;
mod xml;

pub use find::{LocalMedia, find, find_format};
pub use inspect::inspect;
pub use protection::{Issue, IssueKind, KeyFile, KeyFileState, LicenseUrl, Protection, TrackKeys};
