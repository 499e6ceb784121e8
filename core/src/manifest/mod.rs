//! HLS, DASH and MP4 boxes: bytes in, facts out.
//!
//! Everything here takes hostile input: nothing panics, recurses or allocates without a bound.
//!
//! | file | what |
//! |---|---|
//! | `find` | from a path that an app registers to the file that a player opens |
//! | [`presentation`] | the media model: periods, tracks, segments, init segments, keys; references as written |
//! | [`hls`], [`dash`] | readers: playlists and MPDs to the model |
//! | [`resolve`], [`mod@reference`] | a reference against a local folder or against a URL |
//! | [`localize`] | a manifest with other references and fewer tracks, and nothing else changed |
//! | `inspect` | local media to its protection: walks the manifest, and the media files that it names |
//! | [`protection`] | the protection of a title: init data, keys per track, key files, issues |
//! | [`mp4`] | boxes of media files and init segments |
//! | [`pssh`], [`widevine`], [`playready`] | PSSH boxes, and the key ids in those of two key systems |
//! | `xml`, `text`, `sniff`, `bytes` | XML events without DTDs; encodings and base64; the format of a file; a cursor |
//! | `local` | opens and reads files of one folder, within limits |
//! | [`limits`] | how much of a hostile file is read |

mod bytes;
pub mod dash;
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
pub mod reference;
pub mod resolve;
mod sniff;
mod text;
pub mod widevine;
mod xml;

pub use find::{LocalMedia, find, find_format};
pub use inspect::inspect;
pub use protection::{Issue, IssueKind, KeyFile, KeyFileState, LicenseUrl, Protection, TrackKeys};
pub use text::decode;
