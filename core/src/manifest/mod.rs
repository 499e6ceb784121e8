//! HLS, DASH and MP4 boxes: bytes in, facts out.
//!
//! Everything here takes hostile input: nothing panics, recurses or allocates without a bound.
//!
//! | file | what |
//! |---|---|
//! | `find` | from a path that an app registers to the file that a player opens |
//! | `inspect/` | from that file, and what it names on disk, to how it is protected |
//! | [`protection`] | the answer: init data, keys per track, key files, issues |
//! | [`hls`], [`dash`] | what playlists and MPDs say about keys, init segments and segments |
//! | [`mp4`] | boxes of media files and init segments |
//! | `findings` | from scattered finds to one answer |
//! | [`pssh`], [`widevine`], [`playready`] | PSSH boxes, and the key ids in those of two key systems |
//! | `xml`, `text`, `sniff`, `bytes` | XML events without DTDs; encodings; what a file is; a cursor |
//! | [`mod@reference`] | where a URI in a manifest points, seen from its folder |
//! | `local` | reads files of a title from the disk, as `find` and `inspect` do |
//! | [`limits`] | how much of a hostile file is read |

mod bytes;
pub mod dash;
mod find;
mod findings;
pub mod hls;
mod inspect;
pub mod limits;
mod local;
pub mod mp4;
pub mod playready;
pub mod protection;
pub mod pssh;
pub mod reference;
mod sniff;
mod text;
pub mod widevine;
mod xml;

pub use find::{LocalMedia, find, find_format};
pub use inspect::inspect;
pub use protection::{Issue, IssueKind, KeyFile, KeyFileState, LicenseUrl, Protection, TrackKeys};
