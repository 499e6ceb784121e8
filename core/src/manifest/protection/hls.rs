//! The protection of an HLS title: its playlists' keys, their init segments and segments.

use std::collections::BTreeSet;

use super::builder::{ProtectedTrack, ProtectionBuilder, SourceId};
use super::scan::Scanner;
use super::{IssueKind, KeyFileState, Protection, absent_issue, track_of};
use crate::error::{Code, Error, Result};
use crate::manifest::files::Absent;
use crate::manifest::hls::keys::{data_of_uri, is_skd, pssh_of_data_uri};
use crate::manifest::hls::{self, Key, KeyScope, KeySystem, MediaPlaylist, Multivariant, Playlist, Variables};
use crate::manifest::limits::MAX_MEDIA_PLAYLISTS;
use crate::manifest::mp4::Mp4Facts;
use crate::manifest::resolve::{Part, Target};
use crate::model::{DrmScheme, KeyId, TrackKind};

/// Returns the protection of a title whose manifest is at `manifest`. `name` is the manifest's file name.
pub(in crate::manifest) fn protection(
    playlist: &Playlist,
    manifest: &Target,
    name: &str,
    scanner: &mut Scanner<'_>,
) -> Result<Protection> {
    let mut title = Title::new(scanner);
    match playlist {
        Playlist::Multivariant(playlist) => title.multivariant(playlist, manifest)?,
        Playlist::Media(playlist) => title.media_playlist(playlist, manifest, TrackKind::Other, name)?,
    }
    title.finish()
}

/// One title while its playlists are read, one at a time.
pub(in crate::manifest) struct Title<'a, 'b> {
    scanner: &'a mut Scanner<'b>,
    builder: ProtectionBuilder,
    /// The containers of the protected media playlists.
    protected: Containers,
    /// The containers of all media playlists.
    all: Containers,
}

#[derive(Default)]
struct Containers {
    mp4: bool,
    ts: bool,
}

/// A media playlist as far as protection goes.
pub(in crate::manifest) struct TrackFiles<'a> {
    pub(in crate::manifest) kind: TrackKind,
    pub(in crate::manifest) name: &'a str,
    pub(in crate::manifest) keys: &'a [Key],
    pub(in crate::manifest) malformed_tags: &'a BTreeSet<&'static str>,
    pub(in crate::manifest) inits: Vec<Part>,
    pub(in crate::manifest) segments: &'a mut dyn Iterator<Item = Part>,
}

/// The result of reading the key tags of one playlist.
#[derive(Default)]
struct PlaylistKeys {
    sources: BTreeSet<SourceId>,
    /// A tag of a DRM scheme, or one that should be.
    needs_license: bool,
    /// A tag for samples whose key file is local.
    has_local_key: bool,
    /// A tag for whole segments: neither their boxes nor those of the init segment can be read.
    has_encrypted_segments: bool,
    /// A tag of FairPlay, which cannot be asked by key id.
    is_fairplay: bool,
}

impl<'a, 'b> Title<'a, 'b> {
    pub(in crate::manifest) fn new(scanner: &'a mut Scanner<'b>) -> Self {
        Self {
            scanner,
            builder: ProtectionBuilder::default(),
            protected: Containers::default(),
            all: Containers::default(),
        }
    }

    /// Returns a document of the title; `None`, and an issue, if it cannot be read.
    pub(in crate::manifest) fn document(&mut self, target: &Target, name: &str) -> Result<Option<Vec<u8>>> {
        self.scanner.document(target, name, &mut self.builder)
    }

    pub(in crate::manifest) fn issue(&mut self, kind: IssueKind, what: &str) {
        self.builder.issue(kind, what);
    }

    pub(in crate::manifest) fn finish(self) -> Result<Protection> {
        let containers = if self.protected.mp4 || self.protected.ts { self.protected } else { self.all };
        self.builder.finish(if containers.ts && !containers.mp4 { "video/mp2t" } else { "video/mp4" })
    }

    /// Adds a multivariant playlist and the media playlists that it names.
    fn multivariant(&mut self, playlist: &Multivariant, manifest: &Target) -> Result<()> {
        self.session_keys(playlist, manifest)?;
        let playlists = playlist.playlists();
        if playlists.len() > MAX_MEDIA_PLAYLISTS {
            return Err(Error::new(
                Code::ManifestTooLarge,
                format!("the playlist names more than {MAX_MEDIA_PLAYLISTS} media playlists"),
            ));
        }
        for (reference, kind) in playlists {
            self.load(&manifest.join(reference), kind, reference, &playlist.variables)?;
        }
        Ok(())
    }

    /// Adds the keys of a multivariant playlist alone.
    pub(in crate::manifest) fn session_keys(&mut self, playlist: &Multivariant, manifest: &Target) -> Result<()> {
        self.malformed_tags(&playlist.malformed_tags);
        let keys = self.keys(&playlist.keys, manifest)?;
        keys.sources.into_iter().for_each(|source| self.builder.session(source));
        Ok(())
    }

    /// Loads a media playlist and adds it.
    fn load(&mut self, target: &Target, kind: TrackKind, name: &str, variables: &Variables) -> Result<()> {
        let Some(bytes) = self.document(target, name)? else { return Ok(()) };
        match hls::read(&bytes, variables) {
            Ok(Playlist::Media(playlist)) => self.media_playlist(&playlist, target, kind, name),
            Err(error) if error.code() == Code::ManifestTooLarge => Err(error),
            // A multivariant playlist in a multivariant playlist is not followed: it could name itself.
            Ok(Playlist::Multivariant(_)) | Err(_) => {
                self.builder.issue(IssueKind::MalformedFile, name);
                Ok(())
            }
        }
    }

    /// Adds a media playlist and its files.
    pub(in crate::manifest) fn media_playlist(
        &mut self,
        playlist: &MediaPlaylist,
        target: &Target,
        kind: TrackKind,
        name: &str,
    ) -> Result<()> {
        let part = |reference: Option<&str>, range| Part::new(target, "", reference, range);
        let inits: BTreeSet<_> =
            playlist.inits.iter().map(|init| (init.resource.reference.as_deref(), init.resource.range)).collect();
        let mut segments = playlist.segments().map(|segment| part(segment.reference.as_deref(), segment.range));
        let files = TrackFiles {
            kind,
            name,
            keys: &playlist.keys,
            malformed_tags: &playlist.malformed_tags,
            inits: inits.into_iter().map(|(reference, range)| part(reference, range)).collect(),
            segments: &mut segments,
        };
        self.track(files, target)
    }

    /// Adds a track. References of its keys are resolved against `base`.
    pub(in crate::manifest) fn track(&mut self, files: TrackFiles<'_>, base: &Target) -> Result<()> {
        self.malformed_tags(files.malformed_tags);
        let keys = self.keys(files.keys, base)?;
        let mut facts = Mp4Facts::default();
        for init in files.inits.iter().filter(|_| !keys.has_encrypted_segments) {
            self.scanner.init(init, &mut facts, &mut self.builder)?;
        }
        let is_protected = keys.needs_license || (facts.is_protected() && !keys.has_local_key);
        let is_mp4 = !files.inits.is_empty();
        if is_protected && is_mp4 && !keys.has_encrypted_segments {
            self.scanner.segments(files.segments, &mut facts, &mut self.builder)?;
        }
        for containers in [Some(&mut self.all), is_protected.then_some(&mut self.protected)].into_iter().flatten() {
            containers.mp4 |= is_mp4;
            containers.ts |= !is_mp4 && files.kind != TrackKind::Text;
        }
        let mut track = ProtectedTrack::new(track_of(kind_of(files.kind, &facts), files.name));
        track.announced = files.keys.iter().filter_map(|key| key.key_id).collect();
        track.sources = keys.sources;
        track.can_ask_by_key_id = !keys.is_fairplay;
        if is_protected {
            self.builder.add_facts(&mut track, &facts)?;
        }
        track.is_protected = is_protected;
        self.builder.track(track)
    }

    fn malformed_tags(&mut self, tags: &BTreeSet<&'static str>) {
        tags.iter().for_each(|tag| self.builder.issue(IssueKind::MalformedTag, tag));
    }

    fn keys(&mut self, tags: &[Key], base: &Target) -> Result<PlaylistKeys> {
        let mut keys = PlaylistKeys::default();
        // Tags that differ in their IV alone ask for the same key.
        let distinct: BTreeSet<_> =
            tags.iter().map(|key| (key.scope(), key.system(), key.uri.as_deref(), key.key_id)).collect();
        for (scope, system, uri, key_id) in distinct {
            self.key(&KeyTag { scope, system, uri, stated: key_id.into_iter().collect() }, base, &mut keys)?;
        }
        Ok(keys)
    }

    fn key(&mut self, tag: &KeyTag<'_>, base: &Target, keys: &mut PlaylistKeys) -> Result<()> {
        match (tag.scope, &tag.system, tag.uri) {
            (KeyScope::Nothing, ..) => Ok(()),
            (_, KeySystem::Drm(DrmScheme::FairPlay) | KeySystem::Identity, Some(uri)) if is_skd(uri) => {
                keys.is_fairplay = true;
                let source = self.builder.uri(Some(DrmScheme::FairPlay), uri, tag.stated.clone())?;
                keys.add(source);
                Ok(())
            }
            // A downloader that rewrites FairPlay's tag leaves SAMPLE-AES without a URI.
            (_, KeySystem::Drm(DrmScheme::FairPlay), _) | (KeyScope::Samples, KeySystem::Identity, None) => {
                keys.is_fairplay = true;
                keys.needs_license = true;
                self.builder.expects_session_key = true;
                self.builder.issue(IssueKind::MalformedTag, "a FairPlay key tag without skd://");
                Ok(())
            }
            (_, KeySystem::Drm(scheme), uri) => self.drm_key(tag, *scheme, uri.unwrap_or_default(), keys),
            (_, KeySystem::Unknown(format), uri) => {
                keys.needs_license = true;
                self.builder.issue(IssueKind::UnknownProtection, format);
                let source = self.builder.uri(None, uri.unwrap_or_default(), tag.stated.clone())?;
                keys.add(source);
                Ok(())
            }
            (KeyScope::Segment, KeySystem::Identity, None) => {
                self.builder.issue(IssueKind::MalformedTag, "EXT-X-KEY");
                Ok(())
            }
            (KeyScope::Segment, KeySystem::Identity, Some(uri)) => {
                keys.has_encrypted_segments = true;
                self.key_file(uri, base).map(drop)
            }
            (KeyScope::Samples, KeySystem::Identity, Some(uri)) => self.sample_key(tag, uri, base, keys),
        }
    }

    /// Adds a tag of Widevine, PlayReady or ClearKey: PSSH boxes in its URI.
    fn drm_key(&mut self, tag: &KeyTag<'_>, scheme: DrmScheme, uri: &str, keys: &mut PlaylistKeys) -> Result<()> {
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
        for source in sources {
            self.builder.state(source, tag.stated.iter().copied())?;
            keys.add(source);
        }
        Ok(())
    }

    /// Adds a tag for samples whose key is at the URI itself: content if the key is local, else ClearKey by that URI.
    fn sample_key(&mut self, tag: &KeyTag<'_>, uri: &str, base: &Target, keys: &mut PlaylistKeys) -> Result<()> {
        if let Some(bytes) = data_of_uri(uri).filter(|bytes| bytes.get(4..8) == Some(b"pssh")) {
            for source in self.builder.pssh_text(&bytes, "EXT-X-KEY")? {
                keys.add(source);
            }
            keys.needs_license = true;
            return Ok(());
        }
        if self.key_file(uri, base)?.is_usable() {
            keys.has_local_key = true;
            return Ok(());
        }
        let source = self.builder.uri(Some(DrmScheme::ClearKey), uri, tag.stated.clone())?;
        keys.add(source);
        Ok(())
    }

    fn key_file(&mut self, uri: &str, base: &Target) -> Result<KeyFileState> {
        let target = base.join(uri);
        // Named from the folder of the manifest: two playlists in two folders may each have a `key.bin`.
        let name = match &target {
            Target::File(path) => path.to_string(),
            Target::Inline => "data:".to_owned(),
            _ => uri.to_owned(),
        };
        let state = match self.scanner.length(&target) {
            Ok(16 | 32) => KeyFileState::Present,
            Ok(_) => KeyFileState::NotAKey,
            Err(_) if target == Target::Inline => KeyFileState::Inline,
            // Another scheme is served by the app or a server, but not from the folder.
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

/// A key tag without the attributes that do not matter here.
struct KeyTag<'a> {
    scope: KeyScope,
    system: KeySystem,
    uri: Option<&'a str>,
    /// The key id that the tag states.
    stated: BTreeSet<KeyId>,
}

impl PlaylistKeys {
    fn add(&mut self, source: SourceId) {
        self.needs_license = true;
        self.sources.insert(source);
    }
}

/// Returns the kind of a playlist. Its init segment knows better, if it holds one track.
fn kind_of(kind: TrackKind, facts: &Mp4Facts) -> TrackKind {
    let mut tracks = facts.tracks.values().map(|track| track.kind);
    match (tracks.next(), tracks.next()) {
        (Some(only), None) if only != TrackKind::Other => only,
        (Some(_), Some(_)) if kind == TrackKind::Other => TrackKind::Video,
        _ => kind,
    }
}
