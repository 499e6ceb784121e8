//! The finds of one title as one answer: which way is for which keys and tracks, in an order of its own.

use std::collections::{BTreeMap, BTreeSet};

use super::{InitDataSource, InitDataSourceId, ProtectedTrack, ProtectionBuilder};
use crate::error::{Code, Error, Result};
use crate::manifest::protection::{Issue, IssueKind, KeyFile, Protection, TrackKeys, session_key_missing};
use crate::model::{DrmScheme, InitData, InitDataTrack, KeyId};

pub(super) fn answer(mut builder: ProtectionBuilder, mime: &'static str) -> Result<Protection> {
    let mut sources: Vec<(InitDataSource, InitDataSourceId)> = std::mem::take(&mut builder.index).into_iter().collect();
    let systems = sources.iter().map(|(way, id)| (*id, System::of(way))).collect();
    let units: Vec<ProtectedTrack> =
        std::mem::take(&mut builder.units).into_iter().filter(|unit| unit.is_protected).collect();
    let mut uses = Uses::default();
    let mut required: BTreeMap<InitDataTrack, BTreeSet<KeyId>> = BTreeMap::new();
    for unit in units {
        uses.add(&unit, &systems, &mut builder)?;
        required.entry(unit.track.clone()).or_default().extend(unit.required());
    }
    let mut tracks = uses.tracks();

    sources.retain(|(_, id)| tracks.contains_key(id) || builder.session.contains(id));
    // Known schemes first, then by content.
    sources.sort_by(|(a, _), (b, _)| (a.scheme.is_none(), a).cmp(&(b.scheme.is_none(), b)));
    let is_protected = !required.is_empty() || !builder.session.is_empty();
    if is_protected && sources.iter().all(|(way, _)| way.scheme.is_none()) {
        return Err(no_way(&builder));
    }
    let init_data = sources
        .into_iter()
        .map(|(way, id)| {
            let mut key_ids = uses.untold.remove(&id).unwrap_or_default();
            key_ids.extend(builder.stated_by(id));
            InitData {
                scheme: way.scheme,
                system_id: way.system_id,
                key_ids: key_ids.into_iter().collect(),
                pssh: way.pssh,
                uri: way.uri,
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

/// What makes two sources alternatives for the same keys: the scheme (ClearKey has two system ids), or the system id of one
/// that Larder does not know.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum System {
    Known(DrmScheme),
    Unknown(Option<[u8; 16]>),
}

impl System {
    fn of(way: &InitDataSource) -> Self {
        way.scheme.map_or(Self::Unknown(way.system_id), Self::Known)
    }
}

/// Who uses which way, and for which keys that the way does not state itself.
#[derive(Default)]
struct Uses {
    needed_by: BTreeMap<InitDataSourceId, BTreeSet<InitDataTrack>>,
    carried_by: BTreeMap<InitDataSourceId, BTreeSet<InitDataTrack>>,
    untold: BTreeMap<InitDataSourceId, BTreeSet<KeyId>>,
}

impl Uses {
    /// A way that states its keys is for those; one that states none is for all keys that no other way of the same
    /// system states; if every way states other keys, nobody can tell, and each may be for it (PlayReady headers often
    /// name the first key only).
    fn add(
        &mut self,
        unit: &ProtectedTrack,
        systems: &BTreeMap<InitDataSourceId, System>,
        builder: &mut ProtectionBuilder,
    ) -> Result<()> {
        let mut by_system: BTreeMap<System, Vec<InitDataSourceId>> = BTreeMap::new();
        for way in &unit.sources {
            builder.count(builder.stated_by(*way).len())?;
            let system = systems.get(way).copied().unwrap_or(System::Unknown(None));
            by_system.entry(system).or_default().push(*way);
        }
        for sources in by_system.values() {
            let told: BTreeSet<KeyId> = sources.iter().flat_map(|way| builder.stated_by(*way)).copied().collect();
            let untold: Vec<KeyId> = unit.required().difference(&told).copied().collect();
            let silent = sources.iter().filter(|way| builder.stated_by(**way).is_empty()).count();
            let takers = if silent == 0 && !untold.is_empty() { sources.len() } else { silent };
            builder.count(takers.saturating_mul(untold.len()))?;
            for way in sources {
                let is_taker = builder.stated_by(*way).is_empty() || takers > silent;
                if is_taker {
                    self.untold.entry(*way).or_default().extend(&untold);
                }
                let is_needed = is_taker || unit.required().is_empty() || {
                    let stated = builder.stated_by(*way);
                    !stated.is_disjoint(unit.required())
                };
                let list = if is_needed { &mut self.needed_by } else { &mut self.carried_by };
                list.entry(*way).or_default().insert(unit.track.clone());
            }
        }
        Ok(())
    }

    /// A track that carries a box for other keys than its own does not need it; a box that no track needs is listed with
    /// those that carry it.
    fn tracks(&mut self) -> BTreeMap<InitDataSourceId, BTreeSet<InitDataTrack>> {
        let mut tracks = std::mem::take(&mut self.needed_by);
        for (way, carriers) in std::mem::take(&mut self.carried_by) {
            tracks.entry(way).or_insert(carriers);
        }
        tracks
    }
}

fn no_way(builder: &ProtectionBuilder) -> Error {
    if builder.expects_session_key {
        return session_key_missing();
    }
    if builder.has_malformed_pssh {
        return Error::new(
            Code::ManifestInvalid,
            "the media is protected, and every PSSH box in it that could say how to get a license is malformed",
        );
    }
    Error::new(
        Code::InitDataMissing,
        "the media is protected, but neither the manifest nor the media says how to ask for a license: no PSSH box, no \
         key tag and no key id of a DRM scheme that Larder knows",
    )
}

fn with_count(issues: BTreeSet<Issue>, dropped: usize) -> Vec<Issue> {
    let mut issues: Vec<Issue> = issues.into_iter().collect();
    if dropped > 0 {
        issues.push(Issue { kind: IssueKind::MoreIssues, what: dropped.to_string() });
    }
    issues
}
