//! A download of AVFoundation (`.movpkg`): a folder that describes itself.
//!
//! `boot.xml` names the playlists as they were on the server (`DataItem`) and a folder for each stream, whose
//! `StreamInfoBoot.xml` names the stream's own playlist and its stored files. In the playlists all references still lead
//! to the server; what is stored is what the XML says. Apple does not document the format: what is not understood is
//! skipped, and the session keys of the multivariant playlist are what registration needs first.

use std::path::Path;

use quick_xml::events::Event;

use super::hls::{Title, renditions};
use super::scan::Scanner;
use crate::error::{Code, Result};
use crate::manifest::hls::{self, MediaPlaylist, Playlist, Variables};
use crate::manifest::limits::{MAX_MEDIA_PLAYLISTS, MAX_SCANNED_SEGMENTS};
use crate::manifest::local::Folder;
use crate::manifest::presentation::{InitSegment, Segment};
use crate::manifest::protection::{IssueKind, Protection};
use crate::manifest::reference::{Place, public_name};
use crate::manifest::text;
use crate::manifest::xml::{Xml, for_each_attribute, local_name};
use crate::model::TrackKind;

pub(super) fn inspect(package: &Path) -> Result<Protection> {
    let mut scanner = Scanner::new(Folder::at(package)?);
    let mut title = Title::new(&mut scanner);
    let place = Place::manifest("boot.xml");
    let boot = title.file(&place, "boot.xml")?.map(|bytes| Boot::read(&bytes)).transpose()?.unwrap_or_default();
    let mut kinds: Vec<(String, TrackKind)> = Vec::new();
    let mut variables = Variables::new();
    for reference in &boot.playlists {
        let place = place.join(reference);
        let Some(bytes) = title.file(&place, reference)? else { continue };
        match hls::read(&bytes, &Variables::new()) {
            Ok(Playlist::Multivariant(playlist)) => {
                title.session_keys(&playlist, &place)?;
                kinds.extend(renditions(&playlist).into_iter().map(|(uri, kind)| (uri.to_owned(), kind)));
                variables.extend(playlist.variables);
            }
            Ok(Playlist::Media(playlist)) => title.media(&playlist, &place, TrackKind::Other, reference)?,
            Err(error) if error.code() == Code::ManifestTooLarge => return Err(error),
            Err(_) => title.issue(IssueKind::MalformedFile, reference),
        }
    }
    for stream in &boot.streams {
        let place = place.join(&format!("{}/StreamInfoBoot.xml", stream.folder));
        read_stream(&mut title, stream, &place, kind_of(stream, &kinds), &variables)?;
    }
    title.finish()
}

/// One stream: its playlist gives the keys, its XML the stored files.
fn read_stream(
    title: &mut Title<'_>,
    stream: &Stream,
    place: &Place,
    kind: TrackKind,
    variables: &Variables,
) -> Result<()> {
    let Some(bytes) = title.file(place, &stream.folder)? else { return Ok(()) };
    let Ok(info) = StreamInfo::read(&bytes) else {
        title.issue(IssueKind::MalformedFile, &stream.folder);
        return Ok(());
    };
    let mut media = MediaPlaylist::default();
    if let Some(playlist) = &info.playlist
        && let Some(bytes) = title.file(&place.join(playlist), playlist)?
    {
        match hls::read(&bytes, variables) {
            Ok(Playlist::Media(read)) => media = read,
            Err(error) if error.code() == Code::ManifestTooLarge => return Err(error),
            Ok(Playlist::Multivariant(_)) | Err(_) => title.issue(IssueKind::MalformedFile, playlist),
        }
    }
    let init = |reference| InitSegment { reference, range: None, keys: None };
    media.inits = info.init_segments.into_iter().map(init).collect();
    media.segments = info.segments.iter().map(|reference| Segment::whole(reference)).collect();
    title.media(&media, place, kind, &stream.folder)
}

/// What a stream is: what the multivariant playlist says of the playlist that it was downloaded from.
fn kind_of(stream: &Stream, kinds: &[(String, TrackKind)]) -> TrackKind {
    let url = public_name(&stream.url);
    let is_it = |(reference, _): &&(String, TrackKind)| {
        let name = public_name(reference);
        url == name || url.strip_suffix(&name).is_some_and(|before| before.ends_with('/'))
    };
    kinds.iter().find(is_it).map_or(TrackKind::Other, |(_, kind)| *kind)
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
