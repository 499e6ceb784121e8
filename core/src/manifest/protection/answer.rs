//! From the findings about one title to one answer: the keys and tracks of each init data, in an order of its own.

use std::collections::{BTreeMap, BTreeSet};

use super::builder::{InitDataSource, ProtectedTrack, ProtectionBuilder, SourceId};
use super::{Issue, IssueKind, KeyFile, Protection, TrackKeys, session_key_missing};
use crate::error::{Code, Error, Result};
use crate::model::{DrmScheme, InitData, InitDataTrack, KeyId};

pub(super) fn answer(mut builder: ProtectionBuilder, mime: &'static str) -> Result<Protection> {
    let mut sources: Vec<(InitDataSource, SourceId)> = std::mem::take(&mut builder.sources).into_iter().collect();
    let systems = sources.iter().map(|(source, id)| (*id, System::of(source))).collect();
    let protected = std::mem::take(&mut builder.tracks).into_iter().filter(|track| track.is_protected);
    let mut uses = Uses::default();
    let mut required: BTreeMap<InitDataTrack, BTreeSet<KeyId>> = BTreeMap::new();
    for track in protected {
        uses.add(&track, &systems, &mut builder)?;
        required.entry(track.track.clone()).or_default().extend(track.required());
    }
    let mut tracks = uses.tracks();

    sources.retain(|(_, id)| tracks.contains_key(id) || builder.session.contains(id));
    // Known schemes first, then by content.
    sources.sort_by(|(a, _), (b, _)| (a.scheme.is_none(), a).cmp(&(b.scheme.is_none(), b)));
    let is_protected = !required.is_empty() || !builder.session.is_empty();
    if is_protected && sources.iter().all(|(source, _)| source.scheme.is_none()) {
        return Err(no_known_source(&builder));
    }
    let init_data = sources
        .into_iter()
        .map(|(source, id)| {
            let mut key_ids = uses.assigned.remove(&id).unwrap_or_default();
            key_ids.extend(builder.stated_by(id));
            InitData {
                scheme: source.scheme,
                system_id: source.system_id,
                key_ids: key_ids.into_iter().collect(),
                pssh: source.pssh,
                uri: source.uri,
                tracks: tracks.remove(&id).unwrap_or_default().into_iter().collect(),
            }
        })
        .collect();
    Ok(Protection {
        is_protected,
        init_data,
        required_keys: required
            .into_iter()
            .map(|(track, ids)| TrackKeys { track, key_ids: ids.into_iter().collect() })
            .collect(),
        mime,
        key_files: builder.key_files.into_iter().map(|(uri, state)| KeyFile { uri, state }).collect(),
        license_urls: builder.license_urls.into_iter().collect(),
        issues: with_count(builder.issues, builder.dropped_issues),
    })
}

/// The key system of a source. Sources of one system are alternatives for the same keys. ClearKey has two system ids, so a
/// known system is its scheme.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum System {
    Known(DrmScheme),
    Unknown(Option<[u8; 16]>),
}

impl System {
    fn of(source: &InitDataSource) -> Self {
        source.scheme.map_or(Self::Unknown(source.system_id), Self::Known)
    }
}

/// The tracks that use each source, and the keys that it is used for without stating them itself.
#[derive(Default)]
struct Uses {
    needed_by: BTreeMap<SourceId, BTreeSet<InitDataTrack>>,
    carried_by: BTreeMap<SourceId, BTreeSet<InitDataTrack>>,
    assigned: BTreeMap<SourceId, BTreeSet<KeyId>>,
}

impl Uses {
    /// Assigns the keys of a track to the sources of each key system. A source that states keys gets those. A source that
    /// states none gets every key that no other source of the system states. If all state keys and some key is stated by
    /// none, each of them may cover it (PlayReady headers often list only the first key id), so each gets it.
    fn add(
        &mut self,
        track: &ProtectedTrack,
        systems: &BTreeMap<SourceId, System>,
        builder: &mut ProtectionBuilder,
    ) -> Result<()> {
        let mut by_system: BTreeMap<System, Vec<SourceId>> = BTreeMap::new();
        for source in &track.sources {
            builder.count(builder.stated_by(*source).len())?;
            let system = systems.get(source).copied().unwrap_or(System::Unknown(None));
            by_system.entry(system).or_default().push(*source);
        }
        for sources in by_system.values() {
            let stated: BTreeSet<KeyId> =
                sources.iter().flat_map(|source| builder.stated_by(*source)).copied().collect();
            let unstated: Vec<KeyId> = track.required().difference(&stated).copied().collect();
            let silent = sources.iter().filter(|source| builder.stated_by(**source).is_empty()).count();
            let takers = if silent == 0 && !unstated.is_empty() { sources.len() } else { silent };
            builder.count(takers.saturating_mul(unstated.len()))?;
            for source in sources {
                let stated = builder.stated_by(*source);
                let is_taker = stated.is_empty() || takers > silent;
                if is_taker {
                    self.assigned.entry(*source).or_default().extend(&unstated);
                }
                let is_needed = is_taker || track.required().is_empty() || !stated.is_disjoint(track.required());
                let list = if is_needed { &mut self.needed_by } else { &mut self.carried_by };
                list.entry(*source).or_default().insert(track.track.clone());
            }
        }
        Ok(())
    }

    /// Returns the tracks of each source. A track that carries a box for other keys than its own does not need it; a box
    /// that no track needs is listed with the tracks that carry it.
    fn tracks(&mut self) -> BTreeMap<SourceId, BTreeSet<InitDataTrack>> {
        let mut tracks = std::mem::take(&mut self.needed_by);
        for (source, carriers) in std::mem::take(&mut self.carried_by) {
            tracks.entry(source).or_insert(carriers);
        }
        tracks
    }
}

fn no_known_source(builder: &ProtectionBuilder) -> Error {
    if builder.expects_session_key {
        return session_key_missing();
    }
    if builder.has_malformed_pssh {
        return Error::new(
            Code::ManifestInvalid,
            "the media is protected, but every PSSH box in it is malformed, so no license can be requested",
        );
    }
    Error::new(
        Code::InitDataMissing,
        "the media is protected, but neither the manifest nor the media has init data for a license request: no PSSH box, \
         no key tag and no key id of a DRM scheme that Larder knows",
    )
}

fn with_count(issues: BTreeSet<Issue>, dropped: usize) -> Vec<Issue> {
    let mut issues: Vec<Issue> = issues.into_iter().collect();
    if dropped > 0 {
        issues.push(Issue { kind: IssueKind::MoreIssues, what: dropped.to_string() });
    }
    issues
}
