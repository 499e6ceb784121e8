//! The protection of a DASH presentation: its descriptors, and the files of its Representations.

use std::collections::BTreeSet;

use super::builder::{ProtectedTrack, ProtectionBuilder, SourceId};
use super::scan::Scanner;
use super::{IssueKind, Protection, track_of};
use crate::error::Result;
use crate::manifest::dash::{ContentProtection, SegmentAddressing};
use crate::manifest::mp4::Mp4Facts;
use crate::manifest::presentation::{Presentation, Track, TrackMedia};
use crate::manifest::pssh;
use crate::manifest::resolve::{Part, Target};
use crate::model::{DrmScheme, KeyId};

/// Encryption of whole segments with keys in the manifest (ISO/IEC 23009-4): no DRM, and not supported.
const SEGMENT_ENCRYPTION: &str = "urn:mpeg:dash:sea:2012";

/// Returns the protection of a presentation whose manifest is at `manifest`.
pub(in crate::manifest) fn protection(
    presentation: &Presentation,
    manifest: &Target,
    scanner: &mut Scanner<'_>,
) -> Result<Protection> {
    let mut builder = ProtectionBuilder::default();
    let mut is_webm = false;
    for linked in &presentation.linked {
        builder.issue(IssueKind::RemoteReference, linked);
    }
    let root = Declared::by(&presentation.protection, &mut builder)?;
    for period in &presentation.periods {
        let in_period = Declared::by(&period.protection, &mut builder)?;
        for set in &period.sets {
            let in_set = Declared::by(&set.protection, &mut builder)?;
            for track in &set.tracks {
                let own = Declared::by(&track.protection, &mut builder)?;
                let levels: &[&Declared] =
                    if track.may_be_encrypted() { &[&root, &in_period, &in_set, &own] } else { &[&in_set, &own] };
                let protected = protected_track(track, levels, manifest, scanner, &mut builder)?;
                is_webm |= protected.is_protected && is_webm_type(track);
                builder.track(protected)?;
            }
        }
    }
    builder.finish(if is_webm { "video/webm" } else { "video/mp4" })
}

/// The declarations of the descriptors of one level.
struct Declared {
    is_protected: bool,
    sources: BTreeSet<SourceId>,
    key_ids: BTreeSet<KeyId>,
}

impl Declared {
    fn by(descriptors: &[ContentProtection], builder: &mut ProtectionBuilder) -> Result<Self> {
        let is_protected = !descriptors.is_empty();
        let mut declared = Self { is_protected, sources: BTreeSet::new(), key_ids: BTreeSet::new() };
        for descriptor in descriptors {
            declared.key_ids.extend(&descriptor.key_ids);
            if descriptor.is_malformed {
                builder.malformed_pssh("ContentProtection");
            }
            for bytes in &descriptor.boxes {
                declared.sources.extend(builder.pssh_text(bytes, "ContentProtection")?);
            }
            // A PlayReady object usually stands beside its box; alone, it gets one.
            if let (Some(object), true) = (&descriptor.playready_object, descriptor.boxes.is_empty()) {
                declared.sources.insert(builder.pssh(pssh::wrap(pssh::PLAYREADY, object)?)?);
            }
            if descriptor.scheme == Some(DrmScheme::ClearKey) && descriptor.boxes.is_empty() {
                declared.sources.insert(builder.by_key_id()?);
            }
            for url in &descriptor.license_urls {
                builder.license_url(descriptor.scheme, url);
            }
            if descriptor.scheme_id == SEGMENT_ENCRYPTION {
                builder.issue(IssueKind::UnknownProtection, "ContentProtection");
            }
        }
        Ok(declared)
    }
}

fn protected_track(
    track: &Track,
    levels: &[&Declared],
    manifest: &Target,
    scanner: &mut Scanner<'_>,
    builder: &mut ProtectionBuilder,
) -> Result<ProtectedTrack> {
    let mut protected = ProtectedTrack::new(track_of(track.kind, &track.id));
    protected.is_protected = levels.iter().any(|declared| declared.is_protected);
    protected.sources = levels.iter().flat_map(|declared| declared.sources.iter().copied()).collect();
    // A Representation's own default_KID replaces that of its set.
    protected.announced = levels
        .iter()
        .rev()
        .find(|declared| !declared.key_ids.is_empty())
        .map_or_else(BTreeSet::new, |declared| declared.key_ids.clone());
    let TrackMedia::Segments(addressing) = &track.media else { return Ok(protected) };
    if !track.may_be_encrypted() || is_webm_type(track) {
        return Ok(protected);
    }
    let facts = read_files(addressing, protected.is_protected, manifest, scanner, builder)?;
    builder.add_facts(&mut protected, &facts)?;
    Ok(protected)
}

/// Reads the init segment and, if the track is protected, the segments: keys may rotate.
fn read_files(
    addressing: &SegmentAddressing,
    is_protected: bool,
    manifest: &Target,
    scanner: &mut Scanner<'_>,
    builder: &mut ProtectionBuilder,
) -> Result<Mp4Facts> {
    let (base, base_name) = addressing.bases.resolve(manifest);
    let part = |reference: Option<&str>, range| Part::new(&base, base_name, reference, range);
    let mut facts = Mp4Facts::default();
    let init = addressing.init().map(|init| part(init.reference.as_deref(), init.range));
    if let Some(init) = &init {
        scanner.init(init, &mut facts, builder)?;
    }
    if is_protected || facts.is_protected() {
        let segments = addressing.segments().map(|segment| part(segment.reference.as_deref(), segment.range));
        // A single file without ranges was read whole.
        scanner.segments(&mut segments.filter(|segment| init.as_ref() != Some(segment)), &mut facts, builder)?;
    }
    Ok(facts)
}

fn is_webm_type(track: &Track) -> bool {
    track.mime.ends_with("/webm")
}
