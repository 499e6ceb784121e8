//! Init data of real packaged media (`testkit/media`), as snapshots.

use std::fmt::Write as _;
use std::path::PathBuf;

use larder_core::manifest::{self, Protection};

fn media(path: &str) -> PathBuf {
    larder_testkit::media_root().join(path)
}

#[expect(clippy::unwrap_used, reason = "tests may say what they expect")]
fn inspect(path: &str) -> Protection {
    manifest::inspect(&manifest::find(&media(path)).unwrap()).unwrap()
}

/// A page of what was found: one line a fact.
pub(crate) fn page(found: &Protection) -> String {
    let mut page = format!("protected: {}, {}\n", found.is_protected, found.mime);
    for data in &found.init_data {
        let scheme = data.scheme.map_or("unknown", |scheme| scheme.as_str());
        let _ = writeln!(page, "{scheme}");
        let _ = writeln!(page, "  system id {}", data.system_id.map_or("none".to_owned(), |id| hex(&id)));
        for key_id in &data.key_ids {
            let _ = writeln!(page, "  key id {key_id}");
        }
        if let Some(pssh) = &data.pssh {
            let _ = writeln!(page, "  pssh of {} bytes: {}", pssh.len(), hex(pssh));
        }
        if let Some(uri) = &data.uri {
            let _ = writeln!(page, "  uri {uri}");
        }
        for track in &data.tracks {
            let _ = writeln!(page, "  track {} {}", track.kind.as_str(), track.name);
        }
    }
    for needed in &found.required_keys {
        let _ = writeln!(page, "{} {} needs {:?}", needed.track.kind.as_str(), needed.track.name, needed.key_ids);
    }
    found.key_files.iter().for_each(|file| _ = writeln!(page, "key file {} is {:?}", file.uri, file.state));
    found.issues.iter().for_each(|issue| _ = writeln!(page, "issue: {issue}"));
    page
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn clear_media_needs_nothing() {
    for path in ["cmaf-clear/manifest.mpd", "cmaf-clear/master.m3u8", "cmaf-clear/video-234.m3u8"] {
        assert_eq!(page(&inspect(path)), "protected: false, video/mp4\n", "{path}");
    }
}

#[test]
fn cenc_dash_with_two_keys() {
    insta::assert_snapshot!(page(&inspect("dash-cenc")));
}

#[test]
fn cbcs_hls_with_session_keys() {
    insta::assert_snapshot!(page(&inspect("hls-cbcs")));
}

#[test]
fn a_media_playlist_alone() {
    insta::assert_snapshot!(page(&inspect("hls-cbcs/audio-en.m3u8")));
}

#[test]
fn aes_128_is_a_local_key_file_and_no_license() {
    insta::assert_snapshot!(page(&inspect("hls-aes128")));
}

#[test]
fn an_init_segment_alone() {
    insta::assert_snapshot!(page(&inspect("dash-cenc/audio-es/init.mp4")));
}
