//! Reads the protection of local media: opens the manifest and gives it, with the folder that it lies in, to `protection`.
//!
//! | file | what |
//! |---|---|
//! | `package` | downloads of AVFoundation, which describe themselves |

mod package;

use std::path::Path;

use super::files::MediaFile;
use super::find::LocalMedia;
use super::limits::MAX_MANIFEST_BYTES;
use super::local::{self, Folder};
use super::mp4::{Budget, Mp4Facts};
use super::protection::builder::{ProtectedTrack, ProtectionBuilder};
use super::protection::scan::Scanner;
use super::protection::{self, Protection};
use super::resolve::Target;
use super::{dash, hls};
use crate::error::{Code, Error, Result};
use crate::model::{InitDataTrack, MediaFormat, TrackKind};

/// Reads the manifest and the playlists, init segments and media segments that it names in its own folder, and returns how
/// the media is protected. Nothing is fetched; a reference to a server or out of the folder becomes an
/// [`Issue`](super::Issue).
///
/// Fails with [`Code::InitDataMissing`] if the media is protected and has no init data, [`Code::SessionKeyMissing`] if the
/// init data should have been FairPlay's, [`Code::ManifestInvalid`] and [`Code::ManifestTooLarge`] for a malformed or absurd
/// manifest, [`Code::MediaNotFound`] and [`Code::MediaUnreadable`] if it cannot be read. A flaw of a file that the manifest
/// names is an issue, not an error.
pub fn inspect(media: &LocalMedia) -> Result<Protection> {
    let manifest = media.manifest.as_path();
    match media.format {
        MediaFormat::Mp4 => inspect_mp4(manifest),
        MediaFormat::Hls if manifest.is_dir() => package::inspect(manifest),
        MediaFormat::Dash => {
            let mut folder = Folder::of(manifest)?;
            let presentation = dash::read(&local::read_whole(manifest, MAX_MANIFEST_BYTES)?)?;
            let base = Target::in_folder(&file_name(manifest));
            protection::dash::protection(&presentation, &base, &mut Scanner::new(&mut folder))
        }
        MediaFormat::Hls => {
            let mut folder = Folder::of(manifest)?;
            let playlist = hls::read(&local::read_whole(manifest, MAX_MANIFEST_BYTES)?, &hls::Variables::new())?;
            let name = file_name(manifest);
            let base = Target::in_folder(&name);
            protection::hls::protection(&playlist, &base, &name, &mut Scanner::new(&mut folder))
        }
    }
}

/// Reads one media file by itself.
fn inspect_mp4(path: &Path) -> Result<Protection> {
    let mut facts = Mp4Facts::default();
    facts.read::<dyn MediaFile>(&mut local::open(path)?, None, &mut Budget::default())?;
    if !facts.has_moov && !facts.is_protected() {
        return Err(Error::new(Code::ManifestInvalid, "the media file has no moov box: it is incomplete"));
    }
    let mut builder = ProtectionBuilder::default();
    if facts.tracks.is_empty() {
        let mut track = ProtectedTrack::new(InitDataTrack { kind: TrackKind::Other, name: String::new() });
        builder.add_facts(&mut track, &facts)?;
        builder.track(track)?;
    }
    for (id, found) in &facts.tracks {
        let mut track = ProtectedTrack::new(InitDataTrack { kind: found.kind, name: id.to_string() });
        if found.is_protected {
            builder.add_facts(&mut track, &facts)?;
        }
        track.needed = found.key_ids.clone();
        builder.track(track)?;
    }
    builder.finish("video/mp4")
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
