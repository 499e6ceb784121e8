//! An HLS playlist, the playlists that it names, their init segments and segments.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::scan::Scanner;
use crate::error::{Code, Error, Result};
use crate::manifest::hls::keys::{data_of_uri, is_skd, pssh_of_data_uri};
use crate::manifest::hls::{self, KeyFormat, KeyTag, MediaPlaylist, Method, Playlist, Variables};
use crate::manifest::limits::{MAX_MANIFEST_BYTES, MAX_MEDIA_PLAYLISTS};
use crate::manifest::local::{self, Absent};
use crate::manifest::mp4::Mp4Facts;
use crate::manifest::presentation::{ByteSpan, Key, Presentation, TrackMedia};
use crate::manifest::protection::{InitDataSourceId, ProtectedTrack, ProtectionBuilder};
use crate::manifest::protection::{IssueKind, KeyFileState, Protection, absent_issue, track};
use crate::manifest::reference::Place;
use crate::manifest::resolve::Part;
use crate::model::{DrmScheme, TrackKind};

pub(super) fn inspect(manifest: &Path, scanner: &mut Scanner) -> Result<Protection> {
    let bytes = local::read_whole(manifest, MAX_MANIFEST_BYTES)?;
    let playlist = hls::read(&bytes, &Variables::new())?;
    drop(bytes);
    let place = super::place_of(manifest);
    let mut title = Title::new(scanner);
    match playlist {
        Playlist::Multivariant(playlist) => title.multivariant(&playlist, &place)?,
        Playlist::Media(playlist) => {
            let name = manifest.file_name().unwrap_or_default().to_string_lossy();
            title.media(&playlist, &place, TrackKind::Other, &name)?;
        }
    }
    title.finish()
}

/// One title while its playlists are read.
pub(super) struct Title<'a> {
    scanner: &'a mut Scanner,
    builder: ProtectionBuilder,
    /// Containers of its media playlists: of those that are protected, and of all.
    protected: Containers,
    all: Containers,
}

#[derive(Default)]
struct Containers {
    mp4: bool,
    ts: bool,
}

/// What the key tags of one playlist come to.
#[derive(Default)]
struct Keys {
    sources: BTreeSet<InitDataSourceId>,
    /// A tag of a DRM scheme, or one that should be.
    needs_license: bool,
    /// A tag for samples whose key lies here.
    has_local_key: bool,
    /// A tag for whole segments: their boxes cannot be read, nor those of the init segment.
    is_whole: bool,
    /// A tag of FairPlay, which cannot be asked by key id.
    is_fairplay: bool,
}

impl<'a> Title<'a> {
    pub(super) fn new(scanner: &'a mut Scanner) -> Self {
        Self {
            scanner,
            builder: ProtectionBuilder::default(),
            protected: Containers::default(),
            all: Containers::default(),
        }
    }

    /// A manifest file of the title; None, and an issue, if it cannot be read.
    pub(super) fn file(&mut self, place: &Place, name: &str) -> Result<Option<Vec<u8>>> {
        self.scanner.manifest(place, name, &mut self.builder)
    }

    pub(super) fn issue(&mut self, kind: IssueKind, what: &str) {
        self.builder.issue(kind, what);
    }

    pub(super) fn finish(self) -> Result<Protection> {
        let containers = if self.protected.mp4 || self.protected.ts { self.protected } else { self.all };
        self.builder.finish(if containers.ts && !containers.mp4 { "video/mp2t" } else { "video/mp4" })
    }

    /// A multivariant playlist and the media playlists that it names.
    pub(super) fn multivariant(&mut self, playlist: &Presentation, place: &Place) -> Result<()> {
        self.session_keys(playlist, place)?;
        let renditions = renditions(playlist);
        if renditions.len() > MAX_MEDIA_PLAYLISTS {
            return Err(Error::new(
                Code::ManifestTooLarge,
                format!("the playlist names more than {MAX_MEDIA_PLAYLISTS} media playlists"),
            ));
        }
        for (reference, kind) in renditions {
            self.rendition(&place.join(reference), kind, reference, &playlist.variables)?;
        }
        Ok(())
    }

    /// The keys of a multivariant playlist alone.
    pub(super) fn session_keys(&mut self, playlist: &Presentation, place: &Place) -> Result<()> {
        self.malformed_tags(&playlist.malformed_tags);
        let keys = self.keys(&distinct(&playlist.session_keys), place)?;
        keys.sources.into_iter().for_each(|way| self.builder.session(way));
        Ok(())
    }

    /// A media playlist that lies at a place.
    pub(super) fn rendition(
        &mut self,
        place: &Place,
        kind: TrackKind,
        name: &str,
        variables: &Variables,
    ) -> Result<()> {
        let Some(bytes) = self.file(place, name)? else { return Ok(()) };
        match hls::read(&bytes, variables) {
            Ok(Playlist::Media(playlist)) => self.media(&playlist, place, kind, name),
            Err(error) if error.code() == Code::ManifestTooLarge => Err(error),
            // A multivariant playlist in a multivariant playlist is not followed: it could name itself.
            Ok(Playlist::Multivariant(_)) | Err(_) => {
                self.builder.issue(IssueKind::MalformedFile, name);
                Ok(())
            }
        }
    }

    /// A media playlist and its files.
    pub(super) fn media(&mut self, playlist: &MediaPlaylist, place: &Place, kind: TrackKind, name: &str) -> Result<()> {
        self.malformed_tags(&playlist.malformed_tags);
        let tags = distinct(&playlist.keys);
        let keys = self.keys(&tags, place)?;
        let mut facts = Mp4Facts::default();
        // In the order of their names: the order of a playlist leaves no trace.
        let inits: BTreeSet<_> = playlist.inits.iter().map(|init| (init.reference.as_str(), init.range)).collect();
        for (reference, range) in inits.into_iter().filter(|_| !keys.is_whole) {
            self.scanner.init(&part(place, reference, range), &mut facts, &mut self.builder)?;
        }
        let is_protected = keys.needs_license || (facts.is_protected() && !keys.has_local_key);
        let is_mp4 = !playlist.inits.is_empty();
        if is_protected && is_mp4 && !keys.is_whole {
            let segments = playlist.segments.iter().map(|segment| part(place, &segment.reference, segment.range));
            self.scanner.segments(segments, &mut facts, &mut self.builder)?;
        }
        for containers in [Some(&mut self.all), is_protected.then_some(&mut self.protected)].into_iter().flatten() {
            containers.mp4 |= is_mp4;
            containers.ts |= !is_mp4 && kind != TrackKind::Text;
        }
        let mut unit = ProtectedTrack::new(track(kind_of(kind, &facts), name));
        unit.announced = tags.iter().filter_map(|key| key.key_id).collect();
        unit.sources = keys.sources;
        unit.can_ask_by_key_id = !keys.is_fairplay;
        if is_protected {
            self.builder.add_facts(&mut unit, &facts)?;
        }
        unit.is_protected = is_protected;
        self.builder.unit(unit)
    }

    fn malformed_tags(&mut self, tags: &BTreeSet<&'static str>) {
        tags.iter().for_each(|tag| self.builder.issue(IssueKind::MalformedTag, tag));
    }

    fn keys(&mut self, tags: &BTreeSet<KeyTag>, place: &Place) -> Result<Keys> {
        let mut keys = Keys::default();
        for tag in tags {
            self.key(tag, place, &mut keys)?;
        }
        Ok(keys)
    }

    fn key(&mut self, tag: &KeyTag, place: &Place, keys: &mut Keys) -> Result<()> {
        let uri = tag.uri.as_deref();
        match (&tag.method, &tag.key_format, uri) {
            (Method::None, ..) => Ok(()),
            (_, KeyFormat::Drm(DrmScheme::FairPlay) | KeyFormat::Identity, Some(uri)) if is_skd(uri) => {
                keys.is_fairplay = true;
                let way = self.builder.uri(Some(DrmScheme::FairPlay), uri, tag.key_id.into_iter().collect())?;
                keys.add(way);
                Ok(())
            }
            // SAMPLE-AES without a URI is what is left of FairPlay's tag when a downloader rewrote it.
            (_, KeyFormat::Drm(DrmScheme::FairPlay), _) | (Method::Sample, KeyFormat::Identity, None) => {
                keys.is_fairplay = true;
                keys.needs_license = true;
                self.builder.expects_session_key = true;
                self.builder.issue(IssueKind::MalformedTag, "a FairPlay key tag without skd://");
                Ok(())
            }
            (_, KeyFormat::Drm(scheme), uri) => self.drm_key(tag, *scheme, uri.unwrap_or_default(), keys),
            (_, KeyFormat::Unknown(format), uri) => {
                keys.needs_license = true;
                self.builder.issue(IssueKind::UnknownProtection, format);
                let way = self.builder.uri(None, uri.unwrap_or_default(), tag.key_id.into_iter().collect())?;
                keys.add(way);
                Ok(())
            }
            (Method::Whole, KeyFormat::Identity, None) => {
                self.builder.issue(IssueKind::MalformedTag, "EXT-X-KEY");
                Ok(())
            }
            (Method::Whole, KeyFormat::Identity, Some(uri)) => {
                keys.is_whole = true;
                self.key_file(uri, place).map(drop)
            }
            (Method::Sample, KeyFormat::Identity, Some(uri)) => self.sample_key(tag, uri, place, keys),
        }
    }

    /// A tag of Widevine, PlayReady or ClearKey: PSSH boxes in its URI.
    fn drm_key(&mut self, tag: &KeyTag, scheme: DrmScheme, uri: &str, keys: &mut Keys) -> Result<()> {
        keys.needs_license = true;
        let sources = match pssh_of_data_uri(scheme, uri) {
            Some(bytes) => self.builder.pssh_text(&bytes, "EXT-X-KEY")?,
            None if scheme == DrmScheme::ClearKey && !uri.is_empty() && data_of_uri(uri).is_none() => {
                vec![self.builder.uri(Some(scheme), uri, BTreeSet::new())?]
            }
            None => {
                self.builder.malformed_pssh("EXT-X-KEY");
                Vec::new()
            }
        };
        for way in sources {
            self.builder.state(way, tag.key_id)?;
            keys.add(way);
        }
        Ok(())
    }

    /// Samples under a key that is at the URI itself: content if it lies here, else ClearKey by that URI.
    fn sample_key(&mut self, tag: &KeyTag, uri: &str, place: &Place, keys: &mut Keys) -> Result<()> {
        if let Some(bytes) = data_of_uri(uri).filter(|bytes| bytes.get(4..8) == Some(b"pssh")) {
            for way in self.builder.pssh_text(&bytes, "EXT-X-KEY")? {
                keys.add(way);
            }
            keys.needs_license = true;
            return Ok(());
        }
        if self.key_file(uri, place)?.is_usable() {
            keys.has_local_key = true;
            return Ok(());
        }
        let way = self.builder.uri(Some(DrmScheme::ClearKey), uri, tag.key_id.into_iter().collect())?;
        keys.add(way);
        Ok(())
    }

    fn key_file(&mut self, uri: &str, place: &Place) -> Result<KeyFileState> {
        let place = place.join(uri);
        // A name from the folder of the manifest: two playlists in two folders may each have a `key.bin`.
        let name = match &place {
            Place::Inside(path) => path.to_string(),
            Place::Inline => "data:".to_owned(),
            _ => uri.to_owned(),
        };
        let state = match self.scanner.folder.locate(&place) {
            Ok(path) => match std::fs::metadata(path).map(|metadata| metadata.len()) {
                Ok(16 | 32) => KeyFileState::Present,
                _ => KeyFileState::NotAKey,
            },
            Err(_) if place == Place::Inline => KeyFileState::Inline,
            // Another scheme is served by the app or a server, but not from here.
            Err(Absent::Remote | Absent::NotAFile) => KeyFileState::Remote,
            Err(Absent::Missing) => KeyFileState::Missing,
            Err(absent @ (Absent::Outside | Absent::Unreadable)) => {
                self.builder.issue(absent_issue(absent), uri);
                KeyFileState::Refused
            }
        };
        self.builder.key_file(&name, state)?;
        Ok(state)
    }
}

impl Keys {
    fn add(&mut self, way: InitDataSourceId) {
        self.needs_license = true;
        self.sources.insert(way);
    }
}

fn part(place: &Place, reference: &str, range: Option<ByteSpan>) -> Part {
    Part::new(place, reference, range.map(ByteSpan::range))
}

/// Returns the media playlists of a multivariant playlist, once each, by their references. A playlist that is a rendition and a
/// variant, too, has the kind of the rendition.
pub(super) fn renditions(playlist: &Presentation) -> BTreeMap<&str, TrackKind> {
    let mut renditions = BTreeMap::new();
    for track in playlist.periods.iter().flat_map(|period| &period.sets).flat_map(|set| &set.tracks) {
        if let TrackMedia::Playlist(reference) = &track.media
            && !reference.is_empty()
        {
            let kind = renditions.entry(reference.as_str()).or_insert(track.kind);
            *kind = (*kind).max(track.kind);
        }
    }
    renditions
}

/// Returns the key tags without initialization vectors, which change with every segment and name no key.
fn distinct(keys: &[Key]) -> BTreeSet<KeyTag> {
    keys.iter().map(|key| key.tag.clone()).collect()
}

/// The init segment knows better what a playlist is, if it holds one track.
fn kind_of(kind: TrackKind, facts: &Mp4Facts) -> TrackKind {
    let mut tracks = facts.tracks.values().map(|track| track.kind);
    match (tracks.next(), tracks.next()) {
        (Some(only), None) if only != TrackKind::Other => only,
        (Some(_), Some(_)) if kind == TrackKind::Other => TrackKind::Video,
        _ => kind,
    }
}
