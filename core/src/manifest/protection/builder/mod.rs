//! From scattered finds to one answer: the same key that is named in ten places becomes one init data with ten tracks, and the
//! order in which the places were read leaves no trace.
//!
//! | file | what |
//! |---|---|
//! | `answer` | the finds of one title as one answer |

mod answer;

use std::collections::{BTreeMap, BTreeSet};

use super::{Issue, IssueKind, KeyFileState, LicenseUrl, Protection};
use crate::error::{Code, Error, Result};
use crate::manifest::limits::{MAX_ISSUES, MAX_KEY_LINKS, MAX_KEYS, MAX_TOTAL_PSSH_BYTES, MAX_TRACKS};
use crate::manifest::mp4::Mp4Facts;
use crate::manifest::pssh::{self, PsshBox};
use crate::model::{DrmScheme, InitDataTrack, KeyId};

/// Everything found so far about one title.
#[derive(Default)]
pub(in crate::manifest) struct ProtectionBuilder {
    /// Every way to ask for keys, once, and its place in `sources`.
    index: BTreeMap<InitDataSource, InitDataSourceId>,
    /// The keys that each way states by itself.
    stated: Vec<BTreeSet<KeyId>>,
    pssh_bytes: usize,
    units: Vec<ProtectedTrack>,
    /// Units times sources: one PSSH at the top of a huge manifest holds for every track of it.
    links: usize,
    /// Ways that hold for the whole presentation, from a multivariant playlist.
    session: BTreeSet<InitDataSourceId>,
    key_files: BTreeMap<String, KeyFileState>,
    license_urls: BTreeSet<LicenseUrl>,
    issues: BTreeSet<Issue>,
    dropped_issues: usize,
    /// A tag asks for FairPlay without saying how.
    pub(in crate::manifest) expects_session_key: bool,
    /// Something that should have held init data was malformed.
    has_malformed_pssh: bool,
}

/// One way to ask for keys: what makes two finds the same.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct InitDataSource {
    scheme: Option<DrmScheme>,
    system_id: Option<[u8; 16]>,
    pssh: Option<Vec<u8>>,
    uri: Option<String>,
}

/// A way's place in [`ProtectionBuilder`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::manifest) struct InitDataSourceId(usize);

/// One Representation, playlist or file track: what shares a set of keys. Several units may be one track, as in periods.
pub(in crate::manifest) struct ProtectedTrack {
    pub(in crate::manifest) track: InitDataTrack,
    pub(in crate::manifest) is_protected: bool,
    pub(in crate::manifest) sources: BTreeSet<InitDataSourceId>,
    /// Keys that the manifest announces.
    pub(in crate::manifest) announced: BTreeSet<KeyId>,
    /// Keys that the media itself needs. If there are any, they are right and the announced ones are not asked for.
    pub(in crate::manifest) needed: BTreeSet<KeyId>,
    /// False where knowing the key ids alone is no way to ask for them, as for FairPlay.
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

    fn required(&self) -> &BTreeSet<KeyId> {
        if self.needed.is_empty() { &self.announced } else { &self.needed }
    }
}

impl ProtectionBuilder {
    /// A PSSH box.
    pub(in crate::manifest) fn pssh(&mut self, pssh: PsshBox) -> Result<InitDataSourceId> {
        let stated = pssh.stated_key_ids();
        let bytes = pssh.bytes.len();
        let way = InitDataSource {
            scheme: pssh.scheme(),
            system_id: Some(pssh.system_id),
            pssh: Some(pssh.bytes),
            uri: None,
        };
        self.way(way, stated, bytes)
    }

    /// PSSH boxes as they stand in a manifest. If they are malformed, an issue says where and the answer is empty.
    pub(in crate::manifest) fn pssh_text(&mut self, bytes: &[u8], place: &str) -> Result<Vec<InitDataSourceId>> {
        match pssh::parse_all(bytes) {
            Ok(boxes) => boxes.into_iter().map(|pssh| self.pssh(pssh)).collect(),
            Err(error) if error.code() == Code::ManifestTooLarge => Err(error),
            Err(_) => {
                self.malformed_pssh(place);
                Ok(Vec::new())
            }
        }
    }

    /// A key URI.
    pub(in crate::manifest) fn uri(
        &mut self,
        scheme: Option<DrmScheme>,
        uri: &str,
        stated: BTreeSet<KeyId>,
    ) -> Result<InitDataSourceId> {
        let system_id = match scheme {
            Some(DrmScheme::FairPlay) => Some(pssh::FAIRPLAY),
            _ => None,
        };
        self.way(InitDataSource { scheme, system_id, pssh: None, uri: Some(uri.to_owned()) }, stated, uri.len())
    }

    /// ClearKey by nothing but key ids.
    pub(in crate::manifest) fn by_key_id(&mut self) -> Result<InitDataSourceId> {
        self.way(by_key_id(), BTreeSet::new(), 0)
    }

    /// What media files say about a unit.
    pub(in crate::manifest) fn add_facts(&mut self, unit: &mut ProtectedTrack, facts: &Mp4Facts) -> Result<()> {
        unit.is_protected |= facts.is_protected();
        unit.needed.extend(facts.key_ids());
        for pssh in &facts.pssh {
            unit.sources.insert(self.pssh(pssh.clone())?);
        }
        if facts.has_malformed_pssh && unit.is_protected {
            self.malformed_pssh(&unit.track.name);
        }
        Ok(())
    }

    /// More keys that a way states, from an attribute beside it.
    pub(in crate::manifest) fn state(
        &mut self,
        way: InitDataSourceId,
        key_ids: impl IntoIterator<Item = KeyId>,
    ) -> Result<()> {
        if let Some(stated) = self.stated.get_mut(way.0) {
            stated.extend(key_ids);
            if stated.len() > MAX_KEYS {
                return Err(too_many_keys());
            }
        }
        Ok(())
    }

    fn way(&mut self, way: InitDataSource, stated: BTreeSet<KeyId>, bytes: usize) -> Result<InitDataSourceId> {
        let next = InitDataSourceId(self.stated.len());
        let id = match self.index.get(&way) {
            Some(known) => *known,
            None => {
                self.pssh_bytes += bytes;
                if self.stated.len() == MAX_KEYS || self.pssh_bytes > MAX_TOTAL_PSSH_BYTES {
                    return Err(too_many_keys());
                }
                self.index.insert(way, next);
                self.stated.push(BTreeSet::new());
                next
            }
        };
        self.state(id, stated)?;
        Ok(id)
    }

    /// A way that a multivariant playlist names for the whole presentation.
    pub(in crate::manifest) fn session(&mut self, way: InitDataSourceId) {
        self.session.insert(way);
    }

    /// A track, or a part of one.
    pub(in crate::manifest) fn unit(&mut self, unit: ProtectedTrack) -> Result<()> {
        self.count(1 + unit.sources.len() + unit.announced.len() + unit.needed.len())?;
        if self.units.len() == MAX_TRACKS {
            return Err(Error::new(Code::ManifestTooLarge, format!("the media has more than {MAX_TRACKS} tracks")));
        }
        self.units.push(unit);
        Ok(())
    }

    /// A key file. Found twice, the better news counts: they may be found by different references.
    pub(in crate::manifest) fn key_file(&mut self, uri: &str, state: KeyFileState) -> Result<()> {
        if self.key_files.len() == MAX_KEYS && !self.key_files.contains_key(uri) {
            return Err(too_many_keys());
        }
        let known = self.key_files.entry(uri.to_owned()).or_insert(state);
        *known = state.min(*known);
        Ok(())
    }

    /// A license server that the manifest names. Beyond a sensible number they are dropped.
    pub(in crate::manifest) fn license_url(&mut self, scheme: Option<DrmScheme>, url: &str) {
        self.license_urls.insert(LicenseUrl { scheme, url: url.to_owned() });
        if self.license_urls.len() > MAX_ISSUES {
            self.license_urls.pop_last();
        }
    }

    /// A remark.
    pub(in crate::manifest) fn issue(&mut self, kind: IssueKind, what: &str) {
        self.note(Issue::new(kind, what));
    }

    /// More segments than are searched.
    pub(in crate::manifest) fn not_scanned(&mut self, limit: usize) {
        self.note(Issue { kind: IssueKind::SegmentsNotScanned, what: limit.to_string() });
    }

    fn note(&mut self, issue: Issue) {
        if self.issues.contains(&issue) {
            return;
        }
        self.issues.insert(issue);
        if self.issues.len() > MAX_ISSUES {
            // The last in order goes, so that what is kept does not depend on what was met first.
            self.issues.pop_last();
            self.dropped_issues += 1;
        }
    }

    /// A malformed PSSH box, or something else where one should be.
    pub(in crate::manifest) fn malformed_pssh(&mut self, place: &str) {
        self.has_malformed_pssh = true;
        self.issue(IssueKind::MalformedPssh, place);
    }

    /// The answer. Fails if the media is protected and there is no way to ask for a license that Larder knows.
    pub(in crate::manifest) fn finish(mut self, mime: &'static str) -> Result<Protection> {
        self.complete_units()?;
        answer::answer(self, mime)
    }

    /// Gives each protected unit what it does not name itself: the sources of its presentation, or ClearKey by key id.
    fn complete_units(&mut self) -> Result<()> {
        let schemes: BTreeMap<InitDataSourceId, Option<DrmScheme>> =
            self.index.iter().map(|(way, id)| (*id, way.scheme)).collect();
        let known = |way: &InitDataSourceId| schemes.get(way).copied().flatten();
        let bare = self.index.get(&by_key_id()).copied();
        let mut units = std::mem::take(&mut self.units);
        for unit in units.iter_mut().filter(|unit| unit.is_protected) {
            if !unit.sources.iter().any(|way| known(way).is_some()) {
                self.count(self.session.len())?;
                unit.sources.extend(&self.session);
            }
            let clear_key = unit.sources.iter().filter(|way| known(way) == Some(DrmScheme::ClearKey)).count();
            if let Some(bare) = bare.filter(|_| clear_key > 1) {
                // The descriptor without a box says no more than the box.
                unit.sources.remove(&bare);
            }
            let has_way = unit.sources.iter().any(|way| known(way).is_some());
            if !has_way && unit.can_ask_by_key_id && !self.has_malformed_pssh && !unit.required().is_empty() {
                unit.sources.insert(self.by_key_id()?);
            }
            if !unit.needed.is_empty() && !unit.announced.is_empty() && unit.needed.is_disjoint(&unit.announced) {
                self.issue(IssueKind::KeyIdMismatch, &unit.track.name);
            }
        }
        self.units = units;
        Ok(())
    }

    /// The keys that a way states by itself.
    fn stated_by(&self, way: InitDataSourceId) -> &BTreeSet<KeyId> {
        const NONE: &BTreeSet<KeyId> = &BTreeSet::new();
        self.stated.get(way.0).unwrap_or(NONE)
    }

    /// Counts links between tracks and keys, so that a small manifest cannot ask for an endless computation.
    fn count(&mut self, links: usize) -> Result<()> {
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
