//! `keys-check`: the stored keys decrypt the stored media, and other keys do not.
//!
//! Not "a key exists": a segment of each protected track is decrypted, and what comes out is read as its codec. Tracks
//! are found as packagers leave them: an init segment with its media segments beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use larder_core::manifest;
use larder_core::model::{AssetId, DrmScheme};
use larder_core::{Code, Error, Result};
use larder_testkit::playback::{Codec, PlaybackError, Report, verify_decrypts};
use serde_json::json;

use crate::Answer;
use crate::args::Asset;
use crate::host::Host;
use crate::output::Output;

/// Content keys by key id.
type Keys = BTreeMap<[u8; 16], [u8; 16]>;

const MAX_SEGMENT_BYTES: u64 = 64 * 1024 * 1024;
const MAX_FILES: usize = 10_000;

pub(super) fn keys_check(args: &Asset, host: &Host, output: &Output) -> Result<Answer> {
    let id = AssetId::new(args.id.as_str())?;
    let source = host.manager().local_media_source(&id, None)?;
    let mut keys = Keys::new();
    for license in source.licenses.iter().filter(|license| license.scheme == DrmScheme::ClearKey) {
        let handle = host.manager().license_handle(&license.license_id)?;
        keys.extend(host.clear_key().keys(&handle)?.iter().map(|(id, key)| (id.0, *key.as_bytes())));
    }
    let asset = host.manager().asset(&id)?;
    let path = asset.ok_or_else(|| Error::new(Code::AssetNotFound, format!("{id} is not registered")))?.path;
    let proofs: Vec<_> =
        tracks(&manifest::find(&path)?.manifest)?.iter().filter_map(|track| prove(track, &keys)).collect();

    let decrypts = !proofs.is_empty() && proofs.iter().all(|proof| proof.flaw.is_none() && proof.fails_with_other_keys);
    let shapes: Vec<_> = proofs.iter().map(Proof::shape).collect();
    output.data(&json!({ "asset_id": id.as_str(), "decrypts": decrypts, "tracks": shapes }), |lines| {
        for proof in &proofs {
            let _ = writeln!(lines, "{}", proof.sentence());
        }
        if proofs.is_empty() {
            let _ = writeln!(lines, "no protected track was found");
        }
    })?;
    Ok(Answer::yes_if(decrypts))
}

/// The result for one track.
struct Proof {
    name: String,
    kind: &'static str,
    scheme: &'static str,
    key_id: String,
    samples: usize,
    decoded_units: u32,
    flaw: Option<String>,
    fails_with_other_keys: bool,
}

impl Proof {
    fn shape(&self) -> serde_json::Value {
        json!({
            "name": self.name,
            "kind": self.kind,
            "scheme": self.scheme,
            "key_id": self.key_id,
            "samples": self.samples,
            "decoded_units": self.decoded_units,
            "flaw": self.flaw,
            "fails_with_other_keys": self.fails_with_other_keys,
        })
    }

    fn sentence(&self) -> String {
        let Self { name, kind, scheme, samples, decoded_units, .. } = self;
        if let Some(flaw) = &self.flaw {
            return format!("{name}: does not decrypt: {flaw}");
        }
        let units = match *kind {
            "video" => "macroblocks decoded, NAL lengths right",
            _ => "AAC bands coded, every frame sound",
        };
        let other = if self.fails_with_other_keys { "other keys fail" } else { "OTHER KEYS DO NOT FAIL" };
        format!("{name}: {kind}, {scheme}, {samples} samples decrypted, {decoded_units} {units}; {other}")
    }
}

/// A track on the disk: an init segment, and the first media segment beside it.
struct Track {
    name: String,
    init: Vec<u8>,
    segment: Vec<u8>,
}

/// Tries one track with these keys and with others; `None` if it is clear or of a kind that proves nothing.
fn prove(track: &Track, keys: &Keys) -> Option<Proof> {
    let others: Keys = keys.iter().map(|(id, key)| (*id, key.map(|byte| !byte))).collect();
    let try_with = |keys: &Keys| verify_decrypts(&track.init, &track.segment, keys);
    let fails_with_other_keys = try_with(&others).is_err();
    let failed = |flaw: PlaybackError| Proof {
        name: track.name.clone(),
        kind: "unknown",
        scheme: "unknown",
        key_id: String::new(),
        samples: 0,
        decoded_units: 0,
        flaw: Some(flaw.to_string()),
        fails_with_other_keys,
    };
    match try_with(keys) {
        Ok(Report { tracks }) => {
            let protected = tracks.into_iter().find_map(|track| Some((track.scheme?, track.key_id?, track)));
            protected.map(|(scheme, key_id, report)| Proof {
                name: track.name.clone(),
                kind: if report.codec == Codec::Avc { "video" } else { "audio" },
                scheme,
                key_id: key_id.to_hex(),
                samples: report.samples,
                decoded_units: report.decoded_units,
                flaw: None,
                fails_with_other_keys,
            })
        }
        Err(PlaybackError::Unsupported(_) | PlaybackError::NothingProved(_)) => None,
        Err(flaw) => Some(failed(flaw)),
    }
}

/// The tracks in a manifest's folder and the folders in it.
fn tracks(manifest: &Path) -> Result<Vec<Track>> {
    let root = manifest.parent().unwrap_or(manifest);
    let mut folders = vec![root.to_owned()];
    let mut tracks = Vec::new();
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        let mut files = BTreeSet::new();
        for entry in fs::read_dir(&folder).map_err(|cause| unreadable(&cause))?.flatten() {
            seen += 1;
            // Links are not followed: they may lead anywhere.
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && seen < MAX_FILES => folders.push(entry.path()),
                Ok(kind) if kind.is_file() && seen < MAX_FILES => drop(files.insert(entry.path())),
                _ => {}
            }
        }
        tracks.extend(track(root, &folder, &files));
    }
    tracks.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(tracks)
}

fn track(root: &Path, folder: &Path, files: &BTreeSet<PathBuf>) -> Option<Track> {
    let init =
        files.iter().find_map(|path| read_if(path, |boxes| boxes.contains(b"moov") && !boxes.contains(b"moof")))?;
    let segment =
        files.iter().find_map(|path| read_if(path, |boxes| boxes.contains(b"moof") && !boxes.contains(b"moov")))?;
    let name = folder.strip_prefix(root).unwrap_or(folder).to_string_lossy().into_owned();
    Some(Track { name, init, segment })
}

/// A file whose boxes are as wanted.
fn read_if(path: &Path, wanted: impl Fn(&BTreeSet<[u8; 4]>) -> bool) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(MAX_SEGMENT_BYTES).read_to_end(&mut bytes).ok()?;
    wanted(&top_level_boxes(&bytes)).then_some(bytes)
}

/// The types of a file's outermost boxes; none if it has no boxes.
fn top_level_boxes(mut bytes: &[u8]) -> BTreeSet<[u8; 4]> {
    let mut found = BTreeSet::new();
    while let Some((size, rest)) = bytes.split_first_chunk::<4>() {
        let Some(kind) = rest.first_chunk::<4>() else { break };
        let size = u32::from_be_bytes(*size) as usize;
        let Some(next) = bytes.get(size..).filter(|_| size >= 8) else { break };
        found.insert(*kind);
        bytes = next;
    }
    found
}

fn unreadable(cause: &std::io::Error) -> Error {
    Error::new(Code::MediaUnreadable, format!("the asset's folder cannot be read: {}", cause.kind()))
}
