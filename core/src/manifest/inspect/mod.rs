//! How local media is protected: reads the manifest and the files on disk that it names.
//!
//! | file | what |
//! |---|---|
//! | `dash`, `hls`, `package` | go through a manifest of one kind |
//! | `scan` | reads the media files that a manifest names |

mod dash;
mod hls;
mod package;
mod scan;

use std::path::Path;

use self::scan::Scanner;
use super::find::LocalMedia;
use super::local::{self, Folder};
use super::mp4::{Budget, Mp4Facts};
use super::protection::Protection;
use super::protection::{ProtectedTrack, ProtectionBuilder};
use super::reference::Place;
use crate::error::{Code, Error, Result};
use crate::model::{InitDataTrack, MediaFormat, TrackKind};

/// Reads the manifest and the playlists, init segments and media segments that it names in its own folder, and tells how
/// the media is protected. Nothing is fetched; a reference to a server or out of the folder becomes an
/// [`Issue`](super::Issue).
///
/// Fails with [`Code::InitDataMissing`] if the media is protected and says no way to ask for a license,
/// [`Code::SessionKeyMissing`] if that way should have been FairPlay's, [`Code::ManifestInvalid`] and
/// [`Code::ManifestTooLarge`] for a malformed or absurd manifest, [`Code::MediaNotFound`] and [`Code::MediaUnreadable`]
/// if it cannot be read. What is wrong with a file that the manifest names is an issue, not an error.
pub fn inspect(media: &LocalMedia) -> Result<Protection> {
    match media.format {
        MediaFormat::Mp4 => inspect_mp4(&media.manifest),
        MediaFormat::Dash => {
            let mut scanner = Scanner::new(Folder::of(&media.manifest)?);
            dash::inspect(&media.manifest, &mut scanner)
        }
        MediaFormat::Hls if media.manifest.is_dir() => package::inspect(&media.manifest),
        MediaFormat::Hls => {
            let mut scanner = Scanner::new(Folder::of(&media.manifest)?);
            hls::inspect(&media.manifest, &mut scanner)
        }
    }
}

/// One media file by itself.
fn inspect_mp4(path: &Path) -> Result<Protection> {
    let mut facts = Mp4Facts::default();
    facts.read(local::open(path)?, None, &mut Budget::default())?;
    if !facts.has_moov && !facts.is_protected() {
        return Err(Error::new(Code::ManifestInvalid, "the media file has no moov box: it is incomplete"));
    }
    let mut builder = ProtectionBuilder::default();
    if facts.tracks.is_empty() {
        let mut unit = ProtectedTrack::new(InitDataTrack { kind: TrackKind::Other, name: String::new() });
        builder.add_facts(&mut unit, &facts)?;
        builder.unit(unit)?;
    }
    for (id, track) in &facts.tracks {
        let mut unit = ProtectedTrack::new(InitDataTrack { kind: track.kind, name: id.to_string() });
        if track.is_protected {
            builder.add_facts(&mut unit, &facts)?;
        }
        unit.needed = track.key_ids.clone();
        builder.unit(unit)?;
    }
    builder.finish("video/mp4")
}

/// The place of a manifest, seen from its own folder.
fn place_of(manifest: &Path) -> Place {
    Place::manifest(&manifest.file_name().unwrap_or_default().to_string_lossy())
}
