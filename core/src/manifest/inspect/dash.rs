//! A DASH manifest and the files of its Representations.

use std::collections::BTreeSet;
use std::path::Path;

use super::scan::Scanner;
use crate::error::Result;
use crate::manifest::dash::{self, ContentProtection};
use crate::manifest::limits::MAX_MANIFEST_BYTES;
use crate::manifest::local;
use crate::manifest::mp4::Mp4Facts;
use crate::manifest::presentation::{Track, TrackMedia};
use crate::manifest::protection::{InitDataSourceId, ProtectedTrack, ProtectionBuilder};
use crate::manifest::protection::{IssueKind, Protection, track};
use crate::manifest::pssh;
use crate::manifest::reference::Place;
use crate::model::{DrmScheme, KeyId};

/// Whole segments encrypted, with keys in the manifest (ISO/IEC 23009-4): no DRM, and not supported.
const SEGMENT_ENCRYPTION: &str = "urn:mpeg:dash:sea:2012";

pub(super) fn inspect(manifest: &Path, scanner: &mut Scanner) -> Result<Protection> {
    let bytes = local::read_whole(manifest, MAX_MANIFEST_BYTES)?;
    let mpd = dash::read(&bytes)?;
    let place = super::place_of(manifest);
    drop(bytes);
    let mut builder = ProtectionBuilder::default();
    let mut is_webm = false;
    for linked in &mpd.linked {
        builder.issue(IssueKind::RemoteReference, linked);
    }
    let root = Declared::by(&mpd.protection, &mut builder)?;
    for period in &mpd.periods {
        let in_period = Declared::by(&period.protection, &mut builder)?;
        for set in &period.sets {
            let in_set = Declared::by(&set.protection, &mut builder)?;
            for representation in &set.tracks {
                let own = Declared::by(&representation.protection, &mut builder)?;
                let levels: &[&Declared] = if representation.may_be_encrypted() {
                    &[&root, &in_period, &in_set, &own]
                } else {
                    &[&in_set, &own]
                };
                let unit = unit(representation, levels, &place, scanner, &mut builder)?;
                is_webm |= unit.is_protected && is_webm_type(representation);
                builder.unit(unit)?;
            }
        }
    }
    builder.finish(if is_webm { "video/webm" } else { "video/mp4" })
}

/// What the descriptors of one level say.
struct Declared {
    is_protected: bool,
    sources: BTreeSet<InitDataSourceId>,
    key_ids: BTreeSet<KeyId>,
}

impl Declared {
    fn by(descriptors: &[ContentProtection], builder: &mut ProtectionBuilder) -> Result<Self> {
        let mut said =
            Self { is_protected: !descriptors.is_empty(), sources: BTreeSet::new(), key_ids: BTreeSet::new() };
        for descriptor in descriptors {
            said.key_ids.extend(&descriptor.key_ids);
            if descriptor.is_malformed {
                builder.malformed_pssh("ContentProtection");
            }
            for bytes in &descriptor.boxes {
                said.sources.extend(builder.pssh_text(bytes, "ContentProtection")?);
            }
            // PlayReady's object stands beside its box; alone, it gets one.
            if let (Some(object), true) = (&descriptor.playready_object, descriptor.boxes.is_empty()) {
                said.sources.insert(builder.pssh(pssh::wrap(pssh::PLAYREADY, object)?)?);
            }
            if descriptor.scheme == Some(DrmScheme::ClearKey) && descriptor.boxes.is_empty() {
                said.sources.insert(builder.by_key_id()?);
            }
            for url in &descriptor.license_urls {
                builder.license_url(descriptor.scheme, url);
            }
            if descriptor.scheme_id == SEGMENT_ENCRYPTION {
                builder.issue(IssueKind::UnknownProtection, "ContentProtection");
            }
        }
        Ok(said)
    }
}

fn unit(
    representation: &Track,
    levels: &[&Declared],
    manifest: &Place,
    scanner: &mut Scanner,
    builder: &mut ProtectionBuilder,
) -> Result<ProtectedTrack> {
    let mut unit = ProtectedTrack::new(track(representation.kind, &representation.id));
    unit.is_protected = levels.iter().any(|said| said.is_protected);
    unit.sources = levels.iter().flat_map(|said| said.sources.iter().copied()).collect();
    // A Representation's own default_KID replaces that of its set.
    unit.announced = levels
        .iter()
        .rev()
        .find(|said| !said.key_ids.is_empty())
        .map_or_else(BTreeSet::new, |said| said.key_ids.clone());
    if !representation.may_be_encrypted() || is_webm_type(representation) {
        return Ok(unit);
    }
    let mut facts = Mp4Facts::default();
    let TrackMedia::Segments(files) = &representation.media else { return Ok(unit) };
    let init = files.init(manifest);
    if let Some(init) = &init {
        scanner.init(init, &mut facts, builder)?;
    }
    if unit.is_protected || facts.is_protected() {
        // A single file without ranges was read whole.
        let segments = files.segments(manifest).filter(|segment| init.as_ref() != Some(segment));
        scanner.segments(segments, &mut facts, builder)?;
    }
    builder.add_facts(&mut unit, &facts)?;
    Ok(unit)
}

fn is_webm_type(representation: &Track) -> bool {
    representation.mime.ends_with("/webm")
}
