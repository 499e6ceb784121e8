//! From scattered finds to one answer: the same key asked for in ten places is one init data with ten tracks, and the
//! order in which the places were read leaves no trace.

mod answer;

use std::collections::{BTreeMap, BTreeSet};

use super::limits::{MAX_ISSUES, MAX_KEY_LINKS, MAX_KEYS, MAX_TOTAL_PSSH_BYTES, MAX_TRACKS};
use super::mp4::Mp4Facts;
use super::protection::{Issue, IssueKind, KeyFileState, LicenseUrl, Protection};
use super::pssh::{self, PsshBox};
use crate::error::{Code, Error, Result};
use crate::model::{DrmScheme, InitDataTrack, KeyId};

/// Everything found so far about one title.
#[derive(Default)]
pub(super) struct Findings {
    /// Every way to ask for keys, once, and its place in `ways`.
    index: BTreeMap<Way, WayId>,
    /// The keys that each way states by itself.
    stated: Vec<BTreeSet<KeyId>>,
    pssh_bytes: usize,
    units: Vec<Unit>,
    /// Units times ways: one PSSH at the top of a huge manifest holds for every track of it.
    links: usize,
    /// Ways that hold for the whole presentation, from a multivariant playlist.
    session: BTreeSet<WayId>,
    key_files: BTreeMap<String, KeyFileState>,
    license_urls: BTreeSet<LicenseUrl>,
    issues: BTreeSet<Issue>,
    dropped_issues: usize,
    /// A tag asks for FairPlay without saying how.
    pub(super) expects_session_key: bool,
    /// Something that should have held init data was malformed.
    has_malformed_pssh: bool,
}

/// One way to ask for keys: what makes two finds the same.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Way {
    scheme: Option<DrmScheme>,
    system_id: Option<[u8; 16]>,
    pssh: Option<Vec<u8>>,
    uri: Option<String>,
}

/// A way's place in [`Findings`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WayId(usize);

/// One Representation, playlist or file track: what shares a set of keys. Several units may be one track, as in periods.
pub(super) struct Unit {
    pub(super) track: InitDataTrack,
    pub(super) is_protected: bool,
    pub(super) ways: BTreeSet<WayId>,
    /// Keys that the manifest announces.
    pub(super) announced: BTreeSet<KeyId>,
    /// Keys that the media itself needs. If there are any, they are right and the announced ones are not asked for.
    pub(super) needed: BTreeSet<KeyId>,
    /// False where knowing the key ids alone is no way to ask for them, as for FairPlay.
    pub(super) can_ask_by_key_id: bool,
}

impl Unit {
    pub(super) fn new(track: InitDataTrack) -> Self {
        Self {
            track,
            is_protected: false,
            ways: BTreeSet::new(),
            announced: BTreeSet::new(),
            needed: BTreeSet::new(),
            can_ask_by_key_id: true,
        }
    }

    fn required(&self) -> &BTreeSet<KeyId> {
        if self.needed.is_empty() { &self.announced } else { &self.needed }
    }
}

impl Findings {
    /// A PSSH box.
    pub(super) fn pssh(&mut self, pssh: PsshBox) -> Result<WayId> {
        let stated = pssh.stated_key_ids();
        let bytes = pssh.bytes.len();
        let way = Way { scheme: pssh.scheme(), system_id: Some(pssh.system_id), pssh: Some(pssh.bytes), uri: None };
        self.way(way, stated, bytes)
    }

    /// PSSH boxes as they stand in a manifest. If they are malformed, an issue says where and the answer is empty.
    pub(super) fn pssh_text(&mut self, bytes: &[u8], place: &str) -> Result<Vec<WayId>> {
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
    pub(super) fn uri(&mut self, scheme: Option<DrmScheme>, uri: &str, stated: BTreeSet<KeyId>) -> Result<WayId> {
        let system_id = match scheme {
            Some(DrmScheme::FairPlay) => Some(pssh::FAIRPLAY),
            _ => None,
        };
        self.way(Way { scheme, system_id, pssh: None, uri: Some(uri.to_owned()) }, stated, uri.len())
    }

    /// ClearKey by nothing but key ids.
    pub(super) fn by_key_id(&mut self) -> Result<WayId> {
        self.way(by_key_id(), BTreeSet::new(), 0)
    }

    /// What media files say about a unit.
    pub(super) fn add_facts(&mut self, unit: &mut Unit, facts: &Mp4Facts) -> Result<()> {
        unit.is_protected |= facts.is_protected();
        unit.needed.extend(facts.key_ids());
        for pssh in &facts.pssh {
            unit.ways.insert(self.pssh(pssh.clone())?);
        }
        if facts.has_malformed_pssh && unit.is_protected {
            self.malformed_pssh(&unit.track.name);
        }
        Ok(())
    }

    /// More keys that a way states, from an attribute beside it.
    pub(super) fn state(&mut self, way: WayId, key_ids: impl IntoIterator<Item = KeyId>) -> Result<()> {
        if let Some(stated) = self.stated.get_mut(way.0) {
            stated.extend(key_ids);
            if stated.len() > MAX_KEYS {
                return Err(too_many_keys());
            }
        }
        Ok(())
    }

    fn way(&mut self, way: Way, stated: BTreeSet<KeyId>, bytes: usize) -> Result<WayId> {
        let next = WayId(self.stated.len());
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
    pub(super) fn session(&mut self, way: WayId) {
        self.session.insert(way);
    }

    /// A track, or a part of one.
    pub(super) fn unit(&mut self, unit: Unit) -> Result<()> {
        self.count(1 + unit.ways.len() + unit.announced.len() + unit.needed.len())?;
        if self.units.len() == MAX_TRACKS {
            return Err(Error::new(Code::ManifestTooLarge, format!("the media has more than {MAX_TRACKS} tracks")));
        }
        self.units.push(unit);
        Ok(())
    }

    /// A key file. Found twice, the better news counts: they may be found by different references.
    pub(super) fn key_file(&mut self, uri: &str, state: KeyFileState) -> Result<()> {
        if self.key_files.len() == MAX_KEYS && !self.key_files.contains_key(uri) {
            return Err(too_many_keys());
        }
        let known = self.key_files.entry(uri.to_owned()).or_insert(state);
        *known = state.min(*known);
        Ok(())
    }

    /// A license server that the manifest names. Beyond a sensible number they are dropped.
    pub(super) fn license_url(&mut self, scheme: Option<DrmScheme>, url: &str) {
        self.license_urls.insert(LicenseUrl { scheme, url: url.to_owned() });
        if self.license_urls.len() > MAX_ISSUES {
            self.license_urls.pop_last();
        }
    }

    /// A remark.
    pub(super) fn issue(&mut self, kind: IssueKind, what: &str) {
        self.note(Issue::new(kind, what));
    }

    /// More segments than are searched.
    pub(super) fn not_scanned(&mut self, limit: usize) {
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
    pub(super) fn malformed_pssh(&mut self, place: &str) {
        self.has_malformed_pssh = true;
        self.issue(IssueKind::MalformedPssh, place);
    }

    /// The answer. Fails if the media is protected and there is no way to ask for a license that Larder knows.
    pub(super) fn finish(mut self, mime: &'static str) -> Result<Protection> {
        self.complete_units()?;
        answer::answer(self, mime)
    }

    /// Gives each protected unit what it does not name itself: the ways of its presentation, or ClearKey by key id.
    fn complete_units(&mut self) -> Result<()> {
        let schemes: BTreeMap<WayId, Option<DrmScheme>> =
            self.index.iter().map(|(way, id)| (*id, way.scheme)).collect();
        let known = |way: &WayId| schemes.get(way).copied().flatten();
        let bare = self.index.get(&by_key_id()).copied();
        let mut units = std::mem::take(&mut self.units);
        for unit in units.iter_mut().filter(|unit| unit.is_protected) {
            if !unit.ways.iter().any(|way| known(way).is_some()) {
                self.count(self.session.len())?;
                unit.ways.extend(&self.session);
            }
            let clear_key = unit.ways.iter().filter(|way| known(way) == Some(DrmScheme::ClearKey)).count();
            if let Some(bare) = bare.filter(|_| clear_key > 1) {
                // The descriptor without a box says no more than the box.
                unit.ways.remove(&bare);
            }
            let has_way = unit.ways.iter().any(|way| known(way).is_some());
            if !has_way && unit.can_ask_by_key_id && !self.has_malformed_pssh && !unit.required().is_empty() {
                unit.ways.insert(self.by_key_id()?);
            }
            if !unit.needed.is_empty() && !unit.announced.is_empty() && unit.needed.is_disjoint(&unit.announced) {
                self.issue(IssueKind::KeyIdMismatch, &unit.track.name);
            }
        }
        self.units = units;
        Ok(())
    }

    /// The keys that a way states by itself.
    fn stated_by(&self, way: WayId) -> &BTreeSet<KeyId> {
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
fn by_key_id() -> Way {
    Way { scheme: Some(DrmScheme::ClearKey), system_id: Some(pssh::COMMON), pssh: None, uri: None }
}

fn too_many_keys() -> Error {
    Error::new(Code::ManifestTooLarge, format!("the media names more than {MAX_KEYS} keys, or too long ones"))
}
