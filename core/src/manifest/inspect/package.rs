//! A download of AVFoundation (`.movpkg`): a folder that describes itself.
//!
//! `boot.xml` names the playlists as they were on the server (`DataItem`) and a folder for each stream, whose
//! `StreamInfoBoot.xml` names the stream's own playlist and its stored files. In the playlists all references still lead
//! to the server; the XML names the stored files. Apple does not document the format: unknown parts are skipped, and the
//! session keys of the multivariant playlist are the first thing that registration needs.

use std::path::Path;

use quick_xml::events::Event;

use crate::error::{Code, Result};
use crate::manifest::hls::{self, MediaPlaylist, Multivariant, Playlist, Variables};
use crate::manifest::limits::{MAX_MEDIA_PLAYLISTS, MAX_SCANNED_SEGMENTS};
use crate::manifest::local::Folder;
use crate::manifest::protection::hls::{Title, TrackFiles};
use crate::manifest::protection::scan::Scanner;
use crate::manifest::protection::{IssueKind, Protection};
use crate::manifest::resolve::{Part, Target, public_name};
use crate::manifest::text;
use crate::manifest::xml::{Xml, for_each_attribute, local_name};
use crate::model::TrackKind;

pub(super) fn inspect(package: &Path) -> Result<Protection> {
    let mut folder = Folder::at(package)?;
    let mut scanner = Scanner::new(&mut folder);
    let mut title = Title::new(&mut scanner);
    let base = Target::in_folder("boot.xml");
    let boot = title.document(&base, "boot.xml")?.map(|bytes| Boot::read(&bytes)).transpose()?.unwrap_or_default();
    let mut kinds = Vec::new();
    let mut variables = Variables::new();
    for reference in &boot.playlists {
        let target = base.join(reference);
        let Some(bytes) = title.document(&target, reference)? else { continue };
        match hls::read(&bytes, &Variables::new()) {
            Ok(Playlist::Multivariant(playlist)) => {
                title.session_keys(&playlist, &target)?;
                kinds.extend(names_and_kinds(&playlist));
                variables.extend(playlist.variables);
            }
            Ok(Playlist::Media(playlist)) => title.media_playlist(&playlist, &target, TrackKind::Other, reference)?,
            Err(error) if error.code() == Code::ManifestTooLarge => return Err(error),
            Err(_) => title.issue(IssueKind::MalformedFile, reference),
        }
    }
    for stream in &boot.streams {
        let target = base.join(&format!("{}/StreamInfoBoot.xml", stream.folder));
        read_stream(&mut title, stream, &target, kind_of(stream, &kinds), &variables)?;
    }
    title.finish()
}

/// Reads one stream: its playlist gives the keys, its XML the stored files.
fn read_stream(
    title: &mut Title<'_, '_>,
    stream: &Stream,
    base: &Target,
    kind: TrackKind,
    variables: &Variables,
) -> Result<()> {
    let Some(bytes) = title.document(base, &stream.folder)? else { return Ok(()) };
    let Ok(info) = StreamInfo::read(&bytes) else {
        title.issue(IssueKind::MalformedFile, &stream.folder);
        return Ok(());
    };
    let mut media = MediaPlaylist::default();
    if let Some(playlist) = &info.playlist
        && let Some(bytes) = title.document(&base.join(playlist), playlist)?
    {
        match hls::read(&bytes, variables) {
            Ok(Playlist::Media(read)) => media = read,
            Err(error) if error.code() == Code::ManifestTooLarge => return Err(error),
            Ok(Playlist::Multivariant(_)) | Err(_) => title.issue(IssueKind::MalformedFile, playlist),
        }
    }
    let part = |reference: &String| Part::new(base, "", Some(reference), None);
    let mut inits: Vec<&String> = info.init_segments.iter().collect();
    inits.sort_unstable();
    inits.dedup();
    let files = TrackFiles {
        kind,
        name: &stream.folder,
        keys: &media.keys,
        malformed_tags: &media.malformed_tags,
        inits: inits.into_iter().map(part).collect(),
        segments: &mut info.segments.iter().map(part),
    };
    title.track(files, base)
}

fn names_and_kinds(playlist: &Multivariant) -> Vec<(String, TrackKind)> {
    playlist.playlists().into_iter().map(|(reference, kind)| (public_name(reference), kind)).collect()
}

/// Returns the kind of a stream: the one that the multivariant playlist gives the playlist from which it was downloaded.
fn kind_of(stream: &Stream, kinds: &[(String, TrackKind)]) -> TrackKind {
    let url = public_name(&stream.url);
    let is_same = |name: &str| url == *name || url.strip_suffix(name).is_some_and(|before| before.ends_with('/'));
    kinds.iter().find(|(name, _)| is_same(name)).map_or(TrackKind::Other, |(_, kind)| *kind)
}

/// `boot.xml`.
#[derive(Default)]
struct Boot {
    streams: Vec<Stream>,
    playlists: Vec<String>,
}

struct Stream {
    folder: String,
    url: String,
}

impl Boot {
    fn read(bytes: &[u8]) -> Result<Self> {
        let mut boot = Self::default();
        let mut directory = String::new();
        let text = text::decode(bytes)?;
        let mut xml = Xml::new(&text);
        let mut in_data_path = false;
        loop {
            match xml.next()? {
                Event::Start(element) => {
                    let name = local_name(&element);
                    in_data_path = name == "DataPath";
                    let mut stream = Stream { folder: String::new(), url: String::new() };
                    for_each_attribute(&element, &mut |attribute, value| match (name, attribute) {
                        ("DataItems", "Directory") => directory = value.into_owned(),
                        ("Stream", "Path") => stream.folder = value.into_owned(),
                        ("Stream", "NetworkURL") => stream.url = value.into_owned(),
                        _ => {}
                    })?;
                    if !stream.folder.is_empty() && boot.streams.len() < MAX_MEDIA_PLAYLISTS {
                        boot.streams.push(stream);
                    }
                }
                Event::Text(path) if in_data_path => {
                    let path = path.xml10_content();
                    if path.trim().ends_with(".m3u8") && boot.playlists.len() < MAX_MEDIA_PLAYLISTS {
                        boot.playlists.push(format!("{directory}/{}", path.trim()).trim_start_matches('/').to_owned());
                    }
                }
                Event::End(_) => in_data_path = false,
                Event::Eof => return Ok(boot),
                _ => {}
            }
        }
    }
}

/// `StreamInfoBoot.xml`.
#[derive(Default)]
struct StreamInfo {
    playlist: Option<String>,
    init_segments: Vec<String>,
    segments: Vec<String>,
}

impl StreamInfo {
    fn read(bytes: &[u8]) -> Result<Self> {
        let mut info = Self::default();
        let text = text::decode(bytes)?;
        let mut xml = Xml::new(&text);
        let mut in_playlist_path = false;
        loop {
            match xml.next()? {
                Event::Start(element) => {
                    let name = local_name(&element);
                    in_playlist_path = name == "PathToLocalCopy";
                    let list = match name {
                        "ISEG" => &mut info.init_segments,
                        "SEG" => &mut info.segments,
                        _ => continue,
                    };
                    for_each_attribute(&element, &mut |attribute, value| {
                        if attribute == "PATH" && list.len() < MAX_SCANNED_SEGMENTS {
                            list.push(value.into_owned());
                        }
                    })?;
                }
                Event::Text(path) if in_playlist_path => info.playlist = Some(path.xml10_content().trim().to_owned()),
                Event::End(_) => in_playlist_path = false,
                Event::Eof => return Ok(info),
                _ => {}
            }
        }
    }
}
