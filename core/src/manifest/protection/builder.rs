//! Collects what the documents and media files of one title say about its protection. The same key that is asked for in
//! ten places is one init data with ten tracks, and the order in which the places were read leaves no trace.

use std::collections::{BTreeMap, BTreeSet};

use super::{Issue, IssueKind, KeyFileState, LicenseUrl, Protection, answer};
use crate::error::{Code, Error, Result};
use crate::manifest::limits::{MAX_ISSUES, MAX_KEY_LINKS, MAX_KEYS, MAX_TOTAL_PSSH_BYTES, MAX_TRACKS};
use crate::manifest::mp4::Mp4Facts;
use crate::manifest::pssh::{self, PsshBox};
use crate::model::{DrmScheme, InitDataTrack, KeyId};

/// Everything found so far about one title.
#[derive(Default)]
pub(in crate::manifest) struct ProtectionBuilder {
    /// Every source of init data, once, with its place in `stated`.
    pub(super) sources: BTreeMap<InitDataSource, SourceId>,
    /// The keys that each source states by itself.
    stated: Vec<BTreeSet<KeyId>>,
    pssh_bytes: usize,
    pub(super) tracks: Vec<ProtectedTrack>,
    /// Tracks times sources: one PSSH box at the top of a huge manifest holds for every track of it.
    links: usize,
    /// Sources that hold for the whole presentation, from a multivariant playlist.
    pub(super) session: BTreeSet<SourceId>,
    pub(super) key_files: BTreeMap<String, KeyFileState>,
    pub(super) license_urls: BTreeSet<LicenseUrl>,
    pub(super) issues: BTreeSet<Issue>,
    pub(super) dropped_issues: usize,
    /// True if a tag asks for FairPlay without an `skd:` URI.
    pub(in crate::manifest) expects_session_key: bool,
    /// True if a place that should have held init data was malformed.
    pub(super) has_malformed_pssh: bool,
}

/// One source of init data: a PSSH box, a key URI, or a key system that is asked by key id. Equal sources are one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct InitDataSource {
    pub(super) scheme: Option<DrmScheme>,
    pub(super) system_id: Option<[u8; 16]>,
    pub(super) pssh: Option<Vec<u8>>,
    pub(super) uri: Option<String>,
}

/// The number of an [`InitDataSource`] in its [`ProtectionBuilder`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::manifest) struct SourceId(usize);

/// A Representation, a media playlist or a track of a file: tracks of the same name, as in several periods, are one track
/// of the answer.
pub(in crate::manifest) struct ProtectedTrack {
    pub(in crate::manifest) track: InitDataTrack,
    pub(in crate::manifest) is_protected: bool,
    pub(in crate::manifest) sources: BTreeSet<SourceId>,
    /// Keys that the manifest announces.
    pub(in crate::manifest) announced: BTreeSet<KeyId>,
    /// Keys that the media itself needs. If there are any, they are right and the announced ones are not asked for.
    pub(in crate::manifest) needed: BTreeSet<KeyId>,
    /// False where a key cannot be asked for by its id alone, as with FairPlay.
    pub(in crate::manifest) can_ask_by_key_id: bool,
}

impl ProtectedTrack {
    pub(in crate::manifest) fn new(track: InitDataTrack) -> Self {
        Self {
            track,
            is_protected: false,
            sources: BTreeSet::new(),
            announced: BTreeSet::new(),
            needed: BTreeSet::new(),
            can_ask_by_key_id: true,
        }
    }

    pub(super) fn required(&self) -> &BTreeSet<KeyId> {
        if self.needed.is_empty() { &self.announced } else { &self.needed }
    }
}

impl ProtectionBuilder {
    /// Adds a PSSH box.
    pub(super) fn pssh(&mut self, pssh: PsshBox) -> Result<SourceId> {
        let stated = pssh.stated_key_ids();
        let bytes = pssh.bytes.len();
        let source = InitDataSource {
            scheme: pssh.scheme(),
            system_id: Some(pssh.system_id),
            pssh: Some(pssh.bytes),
            uri: None,
        };
        self.source(source, stated, bytes)
    }

    /// Adds PSSH boxes from a manifest. If they are malformed, an issue names the element and no source is returned.
    pub(super) fn pssh_text(&mut self, bytes: &[u8], element: &str) -> Result<Vec<SourceId>> {
        match pssh::parse_all(bytes) {
            Ok(boxes) => boxes.into_iter().map(|pssh| self.pssh(pssh)).collect(),
            Err(error) if error.code() == Code::ManifestTooLarge => Err(error),
            Err(_) => {
                self.malformed_pssh(element);
                Ok(Vec::new())
            }
        }
    }

    /// Adds a key URI.
    pub(super) fn uri(&mut self, scheme: Option<DrmScheme>, uri: &str, stated: BTreeSet<KeyId>) -> Result<SourceId> {
        let system_id = match scheme {
            Some(DrmScheme::FairPlay) => Some(pssh::FAIRPLAY),
            _ => None,
        };
        self.source(InitDataSource { scheme, system_id, pssh: None, uri: Some(uri.to_owned()) }, stated, uri.len())
    }

    /// Adds ClearKey that is asked by key ids alone.
    pub(super) fn by_key_id(&mut self) -> Result<SourceId> {
        self.source(by_key_id(), BTreeSet::new(), 0)
    }

    /// Adds the facts of media files to a track.
    pub(in crate::manifest) fn add_facts(&mut self, track: &mut ProtectedTrack, facts: &Mp4Facts) -> Result<()> {
        track.is_protected |= facts.is_protected();
        track.needed.extend(facts.key_ids());
        for pssh in &facts.pssh {
            track.sources.insert(self.pssh(pssh.clone())?);
        }
        if facts.has_malformed_pssh && track.is_protected {
            self.malformed_pssh(&track.track.name);
        }
        Ok(())
    }

    /// Adds keys to those that a source states, from an attribute beside it.
    pub(super) fn state(&mut self, source: SourceId, key_ids: impl IntoIterator<Item = KeyId>) -> Result<()> {
        if let Some(stated) = self.stated.get_mut(source.0) {
            stated.extend(key_ids);
            if stated.len() > MAX_KEYS {
                return Err(too_many_keys());
            }
        }
        Ok(())
    }

    fn source(&mut self, source: InitDataSource, stated: BTreeSet<KeyId>, bytes: usize) -> Result<SourceId> {
        let next = SourceId(self.stated.len());
        let id = match self.sources.get(&source) {
            Some(known) => *known,
            None => {
                self.pssh_bytes += bytes;
                if self.stated.len() == MAX_KEYS || self.pssh_bytes > MAX_TOTAL_PSSH_BYTES {
                    return Err(too_many_keys());
                }
                self.sources.insert(source, next);
                self.stated.push(BTreeSet::new());
                next
            }
        };
        self.state(id, stated)?;
        Ok(id)
    }

    /// Notes a source that a multivariant playlist names for the whole presentation.
    pub(super) fn session(&mut self, source: SourceId) {
        self.session.insert(source);
    }

    /// Adds a track, or the part of one that stands in one period.
    pub(in crate::manifest) fn track(&mut self, track: ProtectedTrack) -> Result<()> {
        self.count(1 + track.sources.len() + track.announced.len() + track.needed.len())?;
        if self.tracks.len() == MAX_TRACKS {
            return Err(Error::new(Code::ManifestTooLarge, format!("the media has more than {MAX_TRACKS} tracks")));
        }
        self.tracks.push(track);
        Ok(())
    }

    /// Adds a key file. If several references lead to it, the most usable state counts.
    pub(super) fn key_file(&mut self, uri: &str, state: KeyFileState) -> Result<()> {
        if self.key_files.len() == MAX_KEYS && !self.key_files.contains_key(uri) {
            return Err(too_many_keys());
        }
        let known = self.key_files.entry(uri.to_owned()).or_insert(state);
        *known = state.min(*known);
        Ok(())
    }

    /// Adds a license server that the manifest names. Beyond a sensible number they are dropped.
    pub(super) fn license_url(&mut self, scheme: Option<DrmScheme>, url: &str) {
        self.license_urls.insert(LicenseUrl { scheme, url: url.to_owned() });
        if self.license_urls.len() > MAX_ISSUES {
            self.license_urls.pop_last();
        }
    }

    /// Adds an issue.
    pub(in crate::manifest) fn issue(&mut self, kind: IssueKind, what: &str) {
        self.note(Issue::new(kind, what));
    }

    /// Notes that there are more segments than are searched.
    pub(super) fn not_scanned(&mut self, limit: usize) {
        self.note(Issue { kind: IssueKind::SegmentsNotScanned, what: limit.to_string() });
    }

    fn note(&mut self, issue: Issue) {
        if self.issues.contains(&issue) {
            return;
        }
        self.issues.insert(issue);
        if self.issues.len() > MAX_ISSUES {
            // Drop the last in order, so that the kept issues do not depend on the order of reading.
            self.issues.pop_last();
            self.dropped_issues += 1;
        }
    }

    /// Notes a malformed PSSH box, or something else where a box should be.
    pub(super) fn malformed_pssh(&mut self, element: &str) {
        self.has_malformed_pssh = true;
        self.issue(IssueKind::MalformedPssh, element);
    }

    /// Returns the answer. Fails if the media is protected and no source is of a key system that Larder knows.
    pub(in crate::manifest) fn finish(mut self, mime: &'static str) -> Result<Protection> {
        self.complete_tracks()?;
        answer::answer(self, mime)
    }

    /// Gives each protected track that names no known source those of its presentation, or ClearKey by key id.
    fn complete_tracks(&mut self) -> Result<()> {
        let schemes: BTreeMap<SourceId, Option<DrmScheme>> =
            self.sources.iter().map(|(source, id)| (*id, source.scheme)).collect();
        let known = |source: &SourceId| schemes.get(source).copied().flatten();
        let bare = self.sources.get(&by_key_id()).copied();
        let mut tracks = std::mem::take(&mut self.tracks);
        for track in tracks.iter_mut().filter(|track| track.is_protected) {
            if !track.sources.iter().any(|source| known(source).is_some()) {
                self.count(self.session.len())?;
                track.sources.extend(&self.session);
            }
            let clear_key = track.sources.iter().filter(|source| known(source) == Some(DrmScheme::ClearKey)).count();
            if let Some(bare) = bare.filter(|_| clear_key > 1) {
                // The descriptor without a box says no more than the box.
                track.sources.remove(&bare);
            }
            let has_source = track.sources.iter().any(|source| known(source).is_some());
            if !has_source && track.can_ask_by_key_id && !self.has_malformed_pssh && !track.required().is_empty() {
                track.sources.insert(self.by_key_id()?);
            }
            if !track.needed.is_empty() && !track.announced.is_empty() && track.needed.is_disjoint(&track.announced) {
                self.issue(IssueKind::KeyIdMismatch, &track.track.name);
            }
        }
        self.tracks = tracks;
        Ok(())
    }

    /// Returns the keys that a source states by itself.
    pub(super) fn stated_by(&self, source: SourceId) -> &BTreeSet<KeyId> {
        const NONE: &BTreeSet<KeyId> = &BTreeSet::new();
        self.stated.get(source.0).unwrap_or(NONE)
    }

    /// Counts links between tracks and keys, so that a small manifest cannot ask for an endless computation.
    pub(super) fn count(&mut self, links: usize) -> Result<()> {
        self.links = self.links.saturating_add(links);
        if self.links > MAX_KEY_LINKS {
            return Err(Error::new(Code::ManifestTooLarge, "the media has more tracks and keys than any real title"));
        }
        Ok(())
    }
}

/// ClearKey by key ids alone, under the system id of the common PSSH.
fn by_key_id() -> InitDataSource {
    InitDataSource { scheme: Some(DrmScheme::ClearKey), system_id: Some(pssh::COMMON), pssh: None, uri: None }
}

fn too_many_keys() -> Error {
    Error::new(Code::ManifestTooLarge, format!("the media names more than {MAX_KEYS} keys, or too long ones"))
}
