//! From a path that an app registers to the file that a player opens.

use std::path::{Path, PathBuf};

use super::limits::{MAX_FOLDER_ENTRIES, MAX_SNIFFED_FILES, SNIFF_BYTES};
use super::local::{self, Folder, name_of};
use super::sniff::{Kind, sniff};
use crate::error::{Code, Error, Quoted, Result};
use crate::model::MediaFormat;

/// Media on this device: its format, and the file that a player opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalMedia {
    /// The format, by the content.
    pub format: MediaFormat,
    /// The file that a player opens: the manifest or media file, or the package folder of an AVFoundation download
    /// (`.movpkg`).
    pub manifest: PathBuf,
    /// True if the given path is a folder.
    pub is_folder: bool,
}

/// Finds the file to play at a path: a manifest, a media file, or a folder that holds one manifest (or, without any, one
/// media file).
///
/// The content decides, not the extension. In a folder the multivariant playlist wins over media playlists, and
/// `master`, `index`, `manifest` and `playlist`, in this order, over other multivariant ones.
///
/// Fails with [`Code::MediaNotFound`], [`Code::MediaUnreadable`] (permission, a link loop, a special file),
/// [`Code::FormatUnsupported`], [`Code::ManifestInvalid`] (empty, a web page), or [`Code::MediaAmbiguous`] if several
/// manifests are equally likely: then register one of them by its own path.
pub fn find(path: &Path) -> Result<LocalMedia> {
    find_format(path, None)
}

/// As [`find`]. If a folder holds several formats, the `wanted` one is taken.
pub fn find_format(path: &Path, wanted: Option<MediaFormat>) -> Result<LocalMedia> {
    let metadata = std::fs::metadata(path).map_err(|error| local::io_error(path, error))?;
    if metadata.is_dir() {
        return find_in_folder(path, wanted);
    }
    let kind = sniff(&local::read_head(path, SNIFF_BYTES)?);
    let format = format_of(kind).ok_or_else(|| not_media(path, kind))?;
    Ok(LocalMedia { format, manifest: path.to_owned(), is_folder: false })
}

fn find_in_folder(path: &Path, wanted: Option<MediaFormat>) -> Result<LocalMedia> {
    let folder = Folder::at(path)?;
    if is_movie_package(path, &folder) {
        return Ok(LocalMedia { format: MediaFormat::Hls, manifest: path.to_owned(), is_folder: true });
    }
    let mut unreadable = None;
    let candidates = candidates(path, &folder, &mut unreadable)?;
    match (choose(path, &candidates, wanted)?, unreadable) {
        (Some((format, manifest)), _) => Ok(LocalMedia { format, manifest, is_folder: true }),
        (None, Some(error)) => Err(error),
        (None, None) => Err(nothing_found(path, &candidates)),
    }
}

/// Returns true for a download of AVFoundation: a folder that describes itself in `boot.xml`.
fn is_movie_package(path: &Path, folder: &Folder) -> bool {
    folder.entry(Path::new("boot.xml")).is_ok()
        && local::read_head(&path.join("boot.xml"), SNIFF_BYTES).is_ok_and(|head| sniff(&head) == Kind::MoviePackage)
}

/// A file in the folder, and its kind.
struct Candidate {
    name: PathBuf,
    kind: Kind,
}

/// Returns the files that may be played: those named like manifests or, if none of these is one, all that are by their
/// content.
fn candidates(path: &Path, folder: &Folder, unreadable: &mut Option<Error>) -> Result<Vec<Candidate>> {
    let names = folder.names(MAX_FOLDER_ENTRIES)?;
    let named = read_heads(path, folder, names.iter().filter(|name| is_named_like_a_manifest(name)), unreadable);
    if named.iter().any(|candidate| is_manifest(candidate.kind)) {
        return Ok(named);
    }
    let rest = names.iter().filter(|name| !is_named_like_a_manifest(name)).take(MAX_SNIFFED_FILES);
    let mut all = named;
    all.extend(read_heads(path, folder, rest, &mut None));
    Ok(all)
}

/// Reads the heads of files. Links out of the folder, special files and unreadable files are no candidates.
fn read_heads<'a>(
    path: &Path,
    folder: &Folder,
    names: impl Iterator<Item = &'a PathBuf>,
    unreadable: &mut Option<Error>,
) -> Vec<Candidate> {
    names
        .filter(|name| folder.entry(name).is_ok())
        .filter_map(|name| match local::read_head(&path.join(name), SNIFF_BYTES) {
            Ok(head) => Some(Candidate { name: name.clone(), kind: sniff(&head) }),
            Err(error) => {
                *unreadable = Some(error);
                None
            }
        })
        .collect()
}

fn choose(
    path: &Path,
    candidates: &[Candidate],
    wanted: Option<MediaFormat>,
) -> Result<Option<(MediaFormat, PathBuf)>> {
    let mut choices: Vec<(MediaFormat, Vec<&Candidate>)> = [MediaFormat::Dash, MediaFormat::Hls]
        .into_iter()
        .map(|format| (format, likeliest(candidates, format)))
        .filter(|(_, found)| !found.is_empty())
        .collect();
    if choices.is_empty() {
        choices.push((MediaFormat::Mp4, likeliest(candidates, MediaFormat::Mp4)));
    }
    if let Some(wanted) = wanted
        && choices.iter().any(|(format, _)| *format == wanted)
    {
        choices.retain(|(format, _)| *format == wanted);
    }
    let all: Vec<(MediaFormat, &Candidate)> =
        choices.iter().flat_map(|(format, found)| found.iter().map(|candidate| (*format, *candidate))).collect();
    match all.as_slice() {
        [(format, only)] => Ok(Some((*format, path.join(&only.name)))),
        [] => Ok(None),
        several => Err(ambiguous(path, several)),
    }
}

/// Returns the likeliest files of a format: one if the choice is clear, several if not.
fn likeliest(candidates: &[Candidate], format: MediaFormat) -> Vec<&Candidate> {
    let of_kind = |kinds: &[Kind]| -> Vec<&Candidate> {
        candidates.iter().filter(|candidate| kinds.contains(&candidate.kind)).collect()
    };
    match format {
        MediaFormat::Dash => of_kind(&[Kind::Mpd]),
        MediaFormat::Mp4 => of_kind(&[Kind::Mp4]),
        MediaFormat::Hls => {
            let mut multivariant = of_kind(&[Kind::MultivariantPlaylist]);
            if multivariant.is_empty() {
                return of_kind(&[Kind::MediaPlaylist, Kind::Playlist]);
            }
            let best = multivariant.iter().map(|candidate| name_rank(&candidate.name)).min();
            multivariant.retain(|candidate| Some(name_rank(&candidate.name)) == best);
            multivariant
        }
    }
}

fn name_rank(name: &Path) -> usize {
    const COMMON: [&str; 4] = ["master", "index", "manifest", "playlist"];
    let stem = name.file_stem().map(|stem| stem.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    COMMON.iter().position(|common| *common == stem).unwrap_or(COMMON.len())
}

fn is_named_like_a_manifest(name: &Path) -> bool {
    let extension = name.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    matches!(extension.as_deref(), Some("mpd" | "m3u8" | "m3u"))
}

fn is_manifest(kind: Kind) -> bool {
    matches!(format_of(kind), Some(MediaFormat::Dash | MediaFormat::Hls))
}

fn format_of(kind: Kind) -> Option<MediaFormat> {
    match kind {
        Kind::Mpd => Some(MediaFormat::Dash),
        Kind::MultivariantPlaylist | Kind::MediaPlaylist | Kind::Playlist => Some(MediaFormat::Hls),
        Kind::Mp4 => Some(MediaFormat::Mp4),
        Kind::MoviePackage | Kind::Html | Kind::Empty | Kind::Unknown => None,
    }
}

fn not_media(path: &Path, kind: Kind) -> Error {
    let name = name_of(path);
    match kind {
        Kind::Empty => Error::new(Code::ManifestInvalid, format!("{name} is empty")),
        Kind::Html => Error::new(
            Code::ManifestInvalid,
            format!("{name} is a web page: the download got an error page or a captive portal instead of the media"),
        ),
        Kind::MoviePackage => Error::new(
            Code::FormatUnsupported,
            format!("{name} belongs to a .movpkg package; register the package's folder itself"),
        ),
        _ => Error::new(
            Code::FormatUnsupported,
            format!("{name} is neither a DASH manifest, an HLS playlist nor an MP4 file"),
        ),
    }
}

/// Returns the error for a folder without media. If a file is named like a manifest, the error says what is wrong with it.
fn nothing_found(path: &Path, candidates: &[Candidate]) -> Error {
    let named = candidates.iter().find(|candidate| is_named_like_a_manifest(&candidate.name));
    match named {
        Some(candidate) => not_media(&path.join(&candidate.name), candidate.kind),
        None => Error::new(
            Code::FormatUnsupported,
            format!(
                "the folder {} holds no DASH manifest, HLS playlist or MP4 file; give the manifest's own path",
                name_of(path)
            ),
        ),
    }
}

fn ambiguous(path: &Path, several: &[(MediaFormat, &Candidate)]) -> Error {
    const SHOWN: usize = 8;
    let mut names: Vec<String> = several
        .iter()
        .take(SHOWN)
        .map(|(_, candidate)| Quoted(&candidate.name.to_string_lossy()).to_string())
        .collect();
    if several.len() > SHOWN {
        names.push("…".to_owned());
    }
    Error::new(
        Code::MediaAmbiguous,
        format!(
            "the folder {} holds {} manifests ({}); register the path of the one to play",
            name_of(path),
            several.len(),
            names.join(", ")
        ),
    )
}
