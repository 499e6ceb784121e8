//! From a path to the file that a player opens: files, folders, misleading names, links.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests may say what they expect")]

use crate::written::{Folder, testkit};
use larder_core::manifest::{LocalMedia, find, find_format};
use larder_core::model::MediaFormat;
use larder_core::{Code, Error};

const MPD: &str = "<?xml version='1.0'?><MPD></MPD>";
const MULTIVARIANT: &str = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8\n";
const MEDIA: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n1.ts\n";
const MP4: &[u8] = b"\0\0\0\x08ftyp\0\0\0\x08moov";
const HTML: &str = "<!DOCTYPE html><html>login</html>";

/// The format and file name found in a folder.
fn found(folder: &Folder) -> Result<(MediaFormat, String), Error> {
    find(&folder.path("")).map(|media| {
        assert!(media.is_folder);
        (media.format, media.manifest.file_name().unwrap().to_str().unwrap().to_owned())
    })
}

fn code(folder: &Folder) -> Code {
    found(folder).unwrap_err().code()
}

#[test]
fn a_file_is_known_by_its_content_and_not_by_its_name() {
    let folder = Folder::new();
    for (content, format) in [
        (MPD.as_bytes(), MediaFormat::Dash),
        (MULTIVARIANT.as_bytes(), MediaFormat::Hls),
        (MEDIA.as_bytes(), MediaFormat::Hls),
        (MP4, MediaFormat::Mp4),
    ] {
        for name in ["x.mpd", "x.m3u8", "x.mp4", "x", "x.😀"] {
            folder.write(name, content);
            let path = folder.path(name);
            assert_eq!(find(&path).unwrap(), LocalMedia { format, manifest: path, is_folder: false }, "{name}");
        }
    }
}

#[test]
fn an_error_says_why_a_file_is_no_media() {
    let folder =
        Folder::new().with("empty.mpd", "").with("page.m3u8", HTML).with("note.txt", "hello").with("zeros", [0; 64]);
    for (name, code, says) in [
        ("empty.mpd", Code::ManifestInvalid, "empty"),
        ("page.m3u8", Code::ManifestInvalid, "web page"),
        ("note.txt", Code::FormatUnsupported, "note.txt"),
        ("zeros", Code::FormatUnsupported, "zeros"),
        ("nothing", Code::MediaNotFound, "nothing"),
        ("note.txt/x", Code::MediaNotFound, "x"),
    ] {
        let error = find(&folder.path(name)).unwrap_err();
        assert_eq!(error.code(), code, "{name}");
        assert!(error.message().contains(says), "{error}");
    }
}

#[test]
fn a_folder_is_played_by_its_one_manifest() {
    let one = |name: &str, content: &str| found(&Folder::new().with("1.m4s", MP4).with(name, content)).unwrap();
    assert_eq!(one("any.mpd", MPD), (MediaFormat::Dash, "any.mpd".to_owned()));
    assert_eq!(one("ANY.M3U8", MULTIVARIANT), (MediaFormat::Hls, "ANY.M3U8".to_owned()));
    assert_eq!(one("any.m3u8", MEDIA), (MediaFormat::Hls, "any.m3u8".to_owned()));
    assert_eq!(one("without extension", MPD), (MediaFormat::Dash, "without extension".to_owned()));
    assert_eq!(one("lie.m3u8", MPD), (MediaFormat::Dash, "lie.m3u8".to_owned()));
    assert_eq!(found(&Folder::new().with("film.bin", MP4)).unwrap(), (MediaFormat::Mp4, "film.bin".to_owned()));
}

#[test]
fn the_multivariant_playlist_wins_and_then_the_common_names() {
    let media = || Folder::new().with("audio.m3u8", MEDIA).with("index.m3u8", MEDIA).with("video.m3u8", MEDIA);
    assert_eq!(found(&media().with("zz.m3u8", MULTIVARIANT)).unwrap().1, "zz.m3u8");
    let two = media().with("zz.m3u8", MULTIVARIANT).with("playlist.m3u8", MULTIVARIANT);
    assert_eq!(found(&two).unwrap().1, "playlist.m3u8");
    assert_eq!(found(&two.with("Master.m3u8", MULTIVARIANT)).unwrap().1, "Master.m3u8");
    assert_eq!(code(&media()), Code::MediaAmbiguous);
}

#[test]
fn an_ambiguous_folder_lists_its_manifests_and_the_format_may_decide() {
    let folder = Folder::new().with("a.mpd", MPD).with("b.m3u8", MULTIVARIANT);
    let error = found(&folder).unwrap_err();
    assert_eq!(error.code(), Code::MediaAmbiguous);
    assert!(error.message().contains("\"a.mpd\", \"b.m3u8\""), "{error}");
    assert!(error.message().contains("register the path"), "{error}");
    for (format, name) in [(MediaFormat::Dash, "a.mpd"), (MediaFormat::Hls, "b.m3u8")] {
        assert_eq!(find_format(&folder.path(""), Some(format)).unwrap().manifest, folder.path(name));
    }
    let many = (0..20).fold(Folder::new(), |folder, n| folder.with(&format!("{n:02}.mpd"), MPD));
    let error = find_format(&many.path(""), Some(MediaFormat::Dash)).unwrap_err();
    assert!(error.message().contains("20 manifests") && error.message().len() < 300, "{error}");
}

#[test]
fn a_wanted_format_that_is_missing_does_not_hide_another() {
    let folder = Folder::new().with("a.mpd", MPD);
    assert_eq!(find_format(&folder.path(""), Some(MediaFormat::Hls)).unwrap().format, MediaFormat::Dash);
}

#[test]
fn the_error_of_a_folder_without_a_manifest_names_the_fault() {
    assert_eq!(code(&Folder::new()), Code::FormatUnsupported);
    assert_eq!(code(&Folder::new().with("note.txt", "x").with("sub/a.mpd", MPD)), Code::FormatUnsupported);
    assert_eq!(code(&Folder::new().with("a.mpd", HTML)), Code::ManifestInvalid);
    assert_eq!(code(&Folder::new().with("a.mpd", "").with("note.txt", "x")), Code::ManifestInvalid);
    assert_eq!(found(&Folder::new().with("a.mpd", HTML).with("b.mpd", MPD)).unwrap().1, "b.mpd");
}

#[test]
fn real_folders_are_found() {
    for (folder, format, name) in [
        ("dash-cenc", MediaFormat::Dash, "manifest.mpd"),
        ("hls-cbcs", MediaFormat::Hls, "master.m3u8"),
        ("hls-aes128", MediaFormat::Hls, "master.m3u8"),
    ] {
        let media = find(&testkit(folder)).unwrap();
        assert_eq!((media.format, media.manifest), (format, testkit(folder).join(name)));
    }
    assert_eq!(find(&testkit("cmaf-clear")).unwrap_err().code(), Code::MediaAmbiguous);
}

#[test]
fn a_package_of_avfoundation_is_played_as_a_folder() {
    let folder = Folder::new()
        .with("t.movpkg/boot.xml", "<?xml version='1.0'?><HLSMoviePackage/>")
        .with("t.movpkg/Data/x.m3u8", MULTIVARIANT);
    let media = find(&folder.path("t.movpkg")).unwrap();
    assert_eq!(media, LocalMedia { format: MediaFormat::Hls, manifest: folder.path("t.movpkg"), is_folder: true });
    assert_eq!(find(&folder.path("t.movpkg/boot.xml")).unwrap_err().code(), Code::FormatUnsupported);
}

#[cfg(unix)]
#[test]
fn links_are_followed_within_the_folder_only_and_loops_end() {
    use std::os::unix::fs::symlink;
    let outside = Folder::new().with("real.mpd", MPD);
    let folder = Folder::new();
    symlink(folder.path("loop.mpd"), folder.path("loop.mpd")).unwrap();
    assert_eq!(find(&folder.path("loop.mpd")).unwrap_err().code(), Code::MediaUnreadable);
    symlink(folder.path("nowhere"), folder.path("dangling.mpd")).unwrap();
    assert_eq!(find(&folder.path("dangling.mpd")).unwrap_err().code(), Code::MediaNotFound);
    // The path that the app names may be a link. A link in a folder may not lead out of it.
    symlink(outside.path("real.mpd"), folder.path("out.mpd")).unwrap();
    assert_eq!(find(&folder.path("out.mpd")).unwrap().format, MediaFormat::Dash);
    assert_eq!(code(&folder), Code::FormatUnsupported);
    folder.write("store/in.xyz", MPD);
    symlink(folder.path("store/in.xyz"), folder.path("in.mpd")).unwrap();
    assert_eq!(found(&folder).unwrap().1, "in.mpd");
    let linked = outside.path("folder");
    symlink(folder.path(""), &linked).unwrap();
    assert_eq!(find(&linked).unwrap().manifest, linked.join("in.mpd"));
}

#[cfg(unix)]
#[test]
fn special_files_are_refused_before_they_can_block() {
    let folder = Folder::new();
    let pipe = folder.path("pipe.mpd");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert_eq!(find(&pipe).unwrap_err().code(), Code::MediaUnreadable);
    assert_eq!(code(&folder), Code::FormatUnsupported);
    assert_eq!(find("/dev/zero".as_ref()).unwrap_err().code(), Code::MediaUnreadable);
}

/// Kernel files claim to be regular and empty; reading some of them blocks for ever.
#[cfg(target_os = "linux")]
#[test]
fn folders_of_kernel_files_are_no_media_and_do_not_block() {
    let begun = std::time::Instant::now();
    for folder in ["/proc", "/proc/self", "/sys"] {
        assert_eq!(find(folder.as_ref()).unwrap_err().code(), Code::FormatUnsupported, "{folder}");
    }
    assert!(begun.elapsed() < std::time::Duration::from_secs(20));
}

#[cfg(unix)]
#[test]
fn a_file_without_permission_is_unreadable() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new().with("locked/a.mpd", MPD);
    let lock =
        |path: &str, mode| std::fs::set_permissions(folder.path(path), std::fs::Permissions::from_mode(mode)).unwrap();
    lock("locked/a.mpd", 0);
    // Root may read everything; every other user must get the error.
    if std::fs::read(folder.path("locked/a.mpd")).is_err() {
        assert_eq!(find(&folder.path("locked/a.mpd")).unwrap_err().code(), Code::MediaUnreadable);
        assert_eq!(find(&folder.path("locked")).unwrap_err().code(), Code::MediaUnreadable);
        lock("locked", 0);
        assert_eq!(find(&folder.path("locked")).unwrap_err().code(), Code::MediaUnreadable);
        lock("locked", 0o700);
    }
}
