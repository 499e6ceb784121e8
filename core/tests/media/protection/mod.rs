//! The protection of media written by hand, case by case.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests may say what they expect")]

mod dash;
mod file;
mod hls;
mod order;

use crate::written::{Folder, mpd};
use larder_core::manifest::{IssueKind, Protection};
use larder_core::model::{DrmScheme, InitData, KeyId};

pub(crate) fn keys(bytes: &[u8]) -> Vec<KeyId> {
    bytes.iter().map(|byte| KeyId([*byte; 16])).collect()
}

/// The keys that a track needs, by its name.
pub(crate) fn needs(found: &Protection, name: &str) -> Vec<KeyId> {
    found.required_keys.iter().find(|track| track.track.name == name).unwrap().key_ids.clone()
}

pub(crate) fn of(found: &Protection, scheme: DrmScheme) -> Vec<&InitData> {
    found.for_scheme(scheme).unwrap()
}

pub(crate) fn names(data: &InitData) -> Vec<&str> {
    data.tracks.iter().map(|track| track.name.as_str()).collect()
}

pub(crate) fn issues(found: &Protection) -> Vec<(IssueKind, &str)> {
    found.issues.iter().map(|issue| (issue.kind, issue.what.as_str())).collect()
}

/// One adaptation set with one Representation.
pub(crate) fn set(kind: &str, id: &str, inside: &str) -> String {
    format!(
        r#"<AdaptationSet contentType="{kind}" mimeType="{kind}/mp4">{inside}<Representation id="{id}" bandwidth="1">
        <SegmentTemplate initialization="$RepresentationID$.mp4" media="$RepresentationID$-$Number$.m4s" duration="4"/></Representation></AdaptationSet>"#
    )
}

pub(crate) fn dash(sets: &str) -> Folder {
    Folder::new().with("m.mpd", mpd(sets))
}

/// The attributes that make a key tag FairPlay's.
pub(crate) const FAIRPLAY: &str = r#"KEYFORMAT="com.apple.streamingkeydelivery",KEYFORMATVERSIONS="1""#;

/// A media playlist of two segments with these lines before the first.
pub(crate) fn playlist(lines: &str) -> String {
    format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n{lines}\n#EXTINF:4,\n1.ts\n#EXTINF:4,\n2.ts\n#EXT-X-ENDLIST\n")
}
