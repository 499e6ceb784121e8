//! A DASH manifest and the files of its Representations.

use std::collections::BTreeSet;
use std::path::Path;

use super::scan::Scanner;
use crate::error::Result;
use crate::manifest::dash::{self, ContentProtection, Representation};
use crate::manifest::findings::{Findings, Unit, WayId};
use crate::manifest::limits::MAX_MANIFEST_BYTES;
use crate::manifest::local;
use crate::manifest::mp4::Mp4Facts;
use crate::manifest::protection::{IssueKind, Protection, track};
use crate::manifest::pssh;
use crate::model::{DrmScheme, KeyId};

/// Whole segments encrypted, with keys in the manifest (ISO/IEC 23009-4): no DRM, and not supported.
const SEGMENT_ENCRYPTION: &str = "urn:mpeg:dash:sea:2012";

pub(super) fn inspect(manifest: &Path, scanner: &mut Scanner) -> Result<Protection> {
    let bytes = local::read_whole(manifest, MAX_MANIFEST_BYTES)?;
    let mpd = dash::read(&bytes, &super::place_of(manifest))?;
    drop(bytes);
    let mut findings = Findings::default();
    let mut is_webm = false;
    for linked in &mpd.linked {
        findings.issue(IssueKind::RemoteReference, linked);
    }
    let root = Said::by(&mpd.protection, &mut findings)?;
    for period in &mpd.periods {
        let in_period = Said::by(&period.protection, &mut findings)?;
        for set in &period.sets {
            let in_set = Said::by(&set.protection, &mut findings)?;
            for representation in &set.representations {
                let own = Said::by(&representation.protection, &mut findings)?;
                let levels: &[&Said] = if representation.may_be_encrypted() {
                    &[&root, &in_period, &in_set, &own]
                } else {
                    &[&in_set, &own]
                };
                let unit = unit(representation, levels, scanner, &mut findings)?;
                is_webm |= unit.is_protected && is_webm_type(representation);
                findings.unit(unit)?;
            }
        }
    }
    findings.finish(if is_webm { "video/webm" } else { "video/mp4" })
}

/// What the descriptors of one level say.
struct Said {
    is_protected: bool,
    ways: BTreeSet<WayId>,
    key_ids: BTreeSet<KeyId>,
}

impl Said {
    fn by(descriptors: &[ContentProtection], findings: &mut Findings) -> Result<Self> {
        let mut said = Self { is_protected: !descriptors.is_empty(), ways: BTreeSet::new(), key_ids: BTreeSet::new() };
        for descriptor in descriptors {
            said.key_ids.extend(&descriptor.key_ids);
            if descriptor.is_malformed {
                findings.malformed_pssh("ContentProtection");
            }
            for bytes in &descriptor.boxes {
                said.ways.extend(findings.pssh_text(bytes, "ContentProtection")?);
            }
            // PlayReady's object stands beside its box; alone, it gets one.
            if let (Some(object), true) = (&descriptor.playready_object, descriptor.boxes.is_empty()) {
                said.ways.insert(findings.pssh(pssh::wrap(pssh::PLAYREADY, object)?)?);
            }
            if descriptor.scheme == Some(DrmScheme::ClearKey) && descriptor.boxes.is_empty() {
                said.ways.insert(findings.by_key_id()?);
            }
            for url in &descriptor.license_urls {
                findings.license_url(descriptor.scheme, url);
            }
            if descriptor.scheme_id == SEGMENT_ENCRYPTION {
                findings.issue(IssueKind::UnknownProtection, "ContentProtection");
            }
        }
        Ok(said)
    }
}

fn unit(
    representation: &Representation,
    levels: &[&Said],
    scanner: &mut Scanner,
    findings: &mut Findings,
) -> Result<Unit> {
    let mut unit = Unit::new(track(representation.kind, &representation.id));
    unit.is_protected = levels.iter().any(|said| said.is_protected);
    unit.ways = levels.iter().flat_map(|said| said.ways.iter().copied()).collect();
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
    let init = representation.files.init();
    if let Some(init) = &init {
        scanner.init(init, &mut facts, findings)?;
    }
    if unit.is_protected || facts.is_protected() {
        // A single file without ranges was read whole.
        let segments = representation.files.segments().filter(|segment| init.as_ref() != Some(segment));
        scanner.segments(segments, &mut facts, findings)?;
    }
    findings.add_facts(&mut unit, &facts)?;
    Ok(unit)
}

fn is_webm_type(representation: &Representation) -> bool {
    representation.mime.ends_with("/webm")
}
