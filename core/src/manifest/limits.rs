//! The limits beyond which a hostile file is refused.
//!
//! Each limit is well above any real title and well below what harms a phone. A file beyond one is
//! [`Code::ManifestTooLarge`](crate::Code::ManifestTooLarge).

/// A manifest or playlist. A 24-hour MPD with a `SegmentTimeline` per Representation stays below 10 MB, a playlist of
/// 100,000 signed segment URLs of 500 bytes near 50 MB.
pub const MAX_MANIFEST_BYTES: u64 = 64 << 20;

/// All playlists of one title together: a ladder of twenty rungs and languages, each as large as that.
pub const MAX_TOTAL_MANIFEST_BYTES: u64 = 256 << 20;

/// The head of a file that is read to tell its format: real manifests say so after a comment or two.
pub const SNIFF_BYTES: u64 = 64 << 10;

/// Entries of a folder that are searched for a manifest. An app that keeps every segment beside the manifest has
/// thousands; their names alone are read.
pub const MAX_FOLDER_ENTRIES: usize = 200_000;

/// Files of a folder that are opened to tell their format, if no name tells.
pub const MAX_SNIFFED_FILES: usize = 256;

/// Depth of XML elements. An MPD needs nine, its extensions a few more.
pub const MAX_XML_DEPTH: usize = 64;

/// Media playlists of one multivariant playlist. The largest real ladders (rungs times codecs times languages) stay
/// below 300.
pub const MAX_MEDIA_PLAYLISTS: usize = 2_000;

/// Segments, byte ranges and init segments of one playlist: 24 hours in segments of one second, each a byte range, are
/// 172,800 lines. Each costs 48 bytes of memory beside the text.
pub const MAX_PLAYLIST_LINES: usize = 250_000;

/// Periods, adaptation sets and representations of one MPD.
pub const MAX_LEVELS: usize = 60_000;

/// One reference without its query. No file system allows longer paths.
pub const MAX_REFERENCE_BYTES: usize = 4096;

/// Tracks of one title: Representations in all periods. A day of ad breaks makes hundreds of periods.
pub const MAX_TRACKS: usize = 20_000;

/// Distinct init data, and distinct key ids. A title with a key per track has a handful; a day of hourly
/// rotation with a key for each of ten tracks has 240 per key system.
pub const MAX_KEYS: usize = 10_000;

/// Tracks times the keys of each: a day with 2,000 tracks in periods, each with boxes of five key systems, is 10,000.
pub const MAX_KEY_LINKS: usize = 1_000_000;

/// Key tags and `ContentProtection` descriptors of one manifest, repeated ones too: three for each one-second segment
/// of a day are 260,000.
pub const MAX_KEY_TAGS: usize = 300_000;

/// Keys in effect for one segment at the same time: one for each key format. Real playlists have three or four.
pub const MAX_KEYS_IN_EFFECT: usize = 32;

/// Entries of all segment lists and timelines of one MPD: 24 hours of one-second segments of 20 tracks.
pub const MAX_SEGMENT_ENTRIES: usize = 2_000_000;

/// One PSSH box. A PlayReady header may have 15 KB, a v1 box with 1,000 key ids 16 KB.
pub const MAX_PSSH_BYTES: usize = 256 << 10;

/// All PSSH boxes of one title together.
pub const MAX_TOTAL_PSSH_BYTES: usize = 16 << 20;

/// Boxes visited in one media file: 24 hours in one-second fragments of 14 boxes each are 1.2 million.
pub const MAX_BOXES: u64 = 2_000_000;

/// Segment files that are opened to look for keys in `moof`, over all tracks of a protected title. Each costs an open
/// and a read of a few kilobytes. Beyond it the search stops and an issue says so.
pub const MAX_SCANNED_SEGMENTS: usize = 50_000;

/// Issues kept about one title; further ones are only counted.
pub const MAX_ISSUES: usize = 100;
