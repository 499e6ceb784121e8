//! Registration, lookup and unregistration through the manager, against real servers and real media.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects")]

use crate::test_device::{TestDevice, id, reconcile_all, register};
use larder_core::assets::{Config, Refresh, SourceUrlMode, SourceUrlOrder, Verify};
use larder_core::model::{
    DrmParams, DrmScheme, Expiry, LicenseState, MediaFormat, MediaPresence, PlayabilityReason, Profile, RenewalPolicy,
    SecurityLevel, Warning,
};
use larder_core::ports::NetworkState;
use larder_core::{Cancellation, Code, Remedy};

#[test]
fn clear_asset_registers_without_a_network() {
    let device = TestDevice::new();
    device.servers.stop().unwrap();
    let manager = device.start();
    manager.set_network_state(NetworkState::Offline).unwrap();
    let status = register(&manager, device.clear("film")).unwrap();
    assert!(status.is_registered && status.is_playable);
    assert_eq!(
        (status.why, status.expires, status.format),
        (PlayabilityReason::Playable, Expiry::Never, Some(MediaFormat::Dash))
    );
    assert_eq!(manager.requests_made(), 0);
}

#[test]
fn two_key_title_gets_its_license_in_one_round_trip_and_plays_offline() {
    let device = TestDevice::new();
    let manager = device.start();
    let status = register(&manager, device.clear_key("film")).unwrap();
    assert!(status.is_playable, "{}", status.message);
    assert_eq!(status.licenses.len(), 1);
    assert_eq!(status.licenses[0].key_ids.len(), 2);
    assert_eq!(manager.requests_made(), 1);
    device.servers.stop().unwrap();
    manager.set_network_state(NetworkState::Offline).unwrap();
    let source = manager.local_media_source(&id("film"), None).unwrap();
    assert!(source.url.starts_with("file:///") && source.url.ends_with("/dash-cenc/manifest.mpd"), "{}", source.url);
    let handle = manager.license_handle(&source.licenses[0].license_id).unwrap();
    assert!(!handle.is_empty());
    assert!(manager.status(&id("film")).unwrap().is_playable);
    assert_eq!(manager.requests_made(), 1, "offline mode makes no request");
}

#[test]
fn local_source_reports_the_security_level_of_the_license() {
    let device = TestDevice::new();
    let manager = device.start();
    register(&manager, device.widevine("film", RenewalPolicy::AcquireThenRelease)).unwrap();
    let mut in_software = device.widevine("in software", RenewalPolicy::AcquireThenRelease);
    in_software.source.drm[0].security_level = SecurityLevel::L3;
    register(&manager, in_software).unwrap();
    register(&manager, device.clear_key("without levels")).unwrap();
    drop(manager);
    let manager = device.start();
    for (name, level) in [("film", Some("L1")), ("in software", Some("L3")), ("without levels", None)] {
        let source = manager.local_media_source(&id(name), None).unwrap();
        assert_eq!(source.licenses[0].acquired_level.as_deref(), level, "{name}");
    }
}

#[test]
fn every_scheme_registers_refreshes_and_releases_its_licenses() {
    let device = TestDevice::new();
    let manager = device.start();
    for (name, registration) in [
        ("clearkey", device.clear_key("clearkey")),
        ("widevine", device.widevine("widevine", RenewalPolicy::AcquireThenRelease)),
        ("fairplay", device.fair_play("fairplay")),
    ] {
        let status = register(&manager, registration).unwrap();
        assert!(status.is_playable, "{name}: {}", status.message);
        assert!(matches!(status.expires, Expiry::At(_)), "{name}: {:?}", status.expires);
        let refreshed = manager.refresh(&id(name), Refresh::default(), &Cancellation::new()).unwrap();
        assert!(refreshed.is_playable, "{name}");
        assert_ne!(refreshed.licenses[0].license_id, status.licenses[0].license_id, "{name}");
        assert!(manager.unregister(&id(name)).unwrap().was_registered);
        assert_eq!(manager.status(&id(name)).unwrap().why, PlayabilityReason::NotRegistered);
        reconcile_all(&manager);
    }
    let unreleased: Vec<_> = device
        .servers
        .book()
        .licenses
        .into_iter()
        .filter(|license| license.persistent && license.released_at_ms.is_none())
        .map(|license| license.scheme)
        .collect();
    // FairPlay licenses are released at the server only if engine and server both support it.
    assert!(unreleased.iter().all(|scheme| *scheme == larder_testkit::Scheme::FairPlay), "{unreleased:?}");
    assert!(device.storage.keys().is_empty(), "{:?}", device.storage.keys());
    assert!(device.widevine.key_set_ids().is_empty());
}

#[test]
fn widevine_registers_hls_and_a_single_file_too() {
    let device = TestDevice::new();
    let manager = device.start();
    // A progressive download: one file with all boxes.
    let parts = ["init.mp4", "1.m4s", "2.m4s", "3.m4s"].map(|part| device.path("dash-cenc/video-234").join(part));
    let file: Vec<u8> = parts.iter().flat_map(|part| std::fs::read(part).unwrap()).collect();
    std::fs::write(device.path("film.mp4"), file).unwrap();

    for (title, format, keys) in [("hls-cbcs", MediaFormat::Hls, 1), ("film.mp4", MediaFormat::Mp4, 2)] {
        let params = DrmParams::new(DrmScheme::Widevine, device.servers.url("/widevine/license"));
        let status = register(&manager, device.registration(title, title, vec![params])).unwrap();
        assert!(status.is_playable, "{title}: {}", status.message);
        assert_eq!((status.format, status.licenses.len()), (Some(format), 1), "{title}");
        assert_eq!(status.licenses[0].key_ids.len(), keys, "{title}");
        let source = manager.local_media_source(&id(title), None).unwrap();
        let handle = manager.license_handle(&source.licenses[0].license_id).unwrap();
        assert_eq!(device.widevine.play(&handle).unwrap().len(), keys, "the CDM has the keys of {title}");
        manager.unregister(&id(title)).unwrap();
    }
    reconcile_all(&manager);
    assert_eq!(device.live(), 0);
}

#[test]
fn protected_asset_offline_fails_immediately_and_leaves_no_trace() {
    let device = TestDevice::new();
    device.servers.stop().unwrap();
    for state in [NetworkState::Unknown, NetworkState::Offline] {
        let manager = device.start();
        manager.set_network_state(state).unwrap();
        let error = register(&manager, device.clear_key("film")).unwrap_err();
        assert_eq!(error.code(), Code::Offline, "{state:?}: {error}");
        let status = manager.status(&id("film")).unwrap();
        assert_eq!((status.why, status.pending_releases), (PlayabilityReason::NotRegistered, 0));
        assert!(manager.assets().unwrap().is_empty());
        assert!(manager.diagnostics().unwrap().contains("\"licenses\":[]"));
    }
    assert!(device.storage.keys().is_empty());
}

#[test]
fn registering_again_keeps_the_license_and_stores_new_metadata() {
    let device = TestDevice::new();
    let manager = device.start();
    let first = register(&manager, device.clear_key("film")).unwrap();
    let mut again = device.clear_key("film");
    again.metadata = Some(b"poster".to_vec());
    let second = register(&manager, again).unwrap();
    assert_eq!(first.licenses[0].license_id, second.licenses[0].license_id);
    assert_eq!(manager.metadata(&id("film")).unwrap().as_deref(), Some(&b"poster"[..]));
    assert_eq!(device.servers.book().licenses.len(), 1);
    // `None` keeps the stored metadata.
    register(&manager, device.clear_key("film")).unwrap();
    assert_eq!(manager.metadata(&id("film")).unwrap().as_deref(), Some(&b"poster"[..]));
}

#[test]
fn registering_an_expired_asset_again_gets_a_new_license() {
    let device = TestDevice::new();
    let manager = device.start();
    let first = register(&manager, device.clear_key("film")).unwrap();
    device.clock.advance_seconds(31 * 86_400);
    assert_eq!(manager.status(&id("film")).unwrap().why, PlayabilityReason::LicenseExpired);
    let second = register(&manager, device.clear_key("film")).unwrap();
    assert!(second.is_playable, "{}", second.message);
    assert_ne!(first.licenses[0].license_id, second.licenses[0].license_id);
}

#[test]
fn registering_other_media_under_the_same_id_is_rejected_and_changes_nothing() {
    let device = TestDevice::new();
    let manager = device.start();
    register(&manager, device.clear_key("film")).unwrap();
    let error = register(&manager, device.clear("film")).unwrap_err();
    assert_eq!(error.code(), Code::AssetExists);
    assert_eq!(manager.asset(&id("film")).unwrap().unwrap().path, device.path("dash-cenc"));
}

#[test]
fn two_assets_with_the_same_keys_have_separate_licenses() {
    let device = TestDevice::new();
    let manager = device.start();
    register(&manager, device.widevine("one", RenewalPolicy::default())).unwrap();
    register(&manager, device.widevine("two", RenewalPolicy::default())).unwrap();
    manager.unregister(&id("one")).unwrap();
    reconcile_all(&manager);
    let status = manager.verify_asset(&id("two"), Verify { media: true, licenses: true }).unwrap();
    assert!(status.is_playable, "{}", status.message);
    assert_eq!(status.media, MediaPresence::Present);
}

#[test]
fn assets_are_found_by_id_by_path_and_by_entry() {
    let device = TestDevice::new();
    let manager = device.start();
    let mut registration = device.clear("film");
    registration.entry_id = Some("0_entry".into());
    register(&manager, registration).unwrap();
    let info = manager.asset(&id("film")).unwrap().unwrap();
    assert_eq!((info.entry_id.as_str(), info.root.as_deref()), ("0_entry", Some("downloads")));
    assert_eq!(manager.asset_at(&device.path("cmaf-clear")).unwrap(), Some(info.clone()));
    assert_eq!(manager.assets_of_entry("0_entry").unwrap(), vec![info.clone()]);
    assert_eq!(manager.assets().unwrap(), vec![info]);
    assert_eq!(manager.asset(&id("other")).unwrap(), None);
    assert!(manager.assets_of_entry("film").unwrap().is_empty());
}

#[test]
fn manifest_and_folder_can_be_registered_and_a_missing_key_file_is_a_warning() {
    let device = TestDevice::new();
    let manager = device.start();
    let mut by_manifest = device.clear("manifest");
    by_manifest.path = device.path("cmaf-clear").join("master.m3u8");
    assert_eq!(register(&manager, by_manifest).unwrap().format, Some(MediaFormat::Hls));
    let url = manager.local_media_source(&id("manifest"), None).unwrap().url;
    assert!(url.ends_with("cmaf-clear/master.m3u8"), "{url}");
    let mut aes = device.registration("aes", "hls-aes128", vec![]);
    aes.source.format = Some(MediaFormat::Hls);
    let status = register(&manager, aes).unwrap();
    assert!(status.is_playable && !status.warnings.contains(&Warning::KeyFileNotLocal), "{status:?}");
    std::fs::remove_file(device.path("hls-aes128").join("aes128.key")).unwrap();
    let again = register(&manager, device.registration("aes2", "hls-aes128", vec![])).unwrap();
    assert!(again.warnings.contains(&Warning::KeyFileNotLocal), "{again:?}");
}

#[test]
fn path_outside_every_root_stays_absolute_and_gives_a_warning() {
    let device = TestDevice::new();
    let manager = device.start();
    let outside = device.folder.path().join("elsewhere");
    larder_testkit::copy_dir(&device.path("cmaf-clear"), &outside).unwrap();
    let mut registration = device.clear("film");
    registration.path = outside.clone();
    let status = register(&manager, registration).unwrap();
    assert_eq!(status.root, None);
    assert!(status.warnings.contains(&Warning::PathOutsideRoots));
    assert_eq!(manager.asset(&id("film")).unwrap().unwrap().path, outside);
}

#[test]
fn paths_follow_a_moved_container() {
    let device = TestDevice::new();
    register(&device.start(), device.clear("film")).unwrap();
    let moved = device.folder.path().join("moved");
    std::fs::rename(device.folder.path().join("downloads"), &moved).unwrap();
    let mut config = device.config();
    config.roots[0].path = moved.clone();
    let manager = device.try_start(config).unwrap();
    assert_eq!(manager.asset(&id("film")).unwrap().unwrap().path, moved.join("cmaf-clear"));
    let status = manager.verify_asset(&id("film"), Verify { media: true, licenses: false }).unwrap();
    assert_eq!(status.media, MediaPresence::Present);
    let lost = device.start().verify_asset(&id("film"), Verify { media: true, licenses: false }).unwrap();
    assert_eq!((lost.media, lost.why), (MediaPresence::Missing, PlayabilityReason::MediaMissing));
}

#[test]
fn media_on_an_unmounted_volume_plays_again_after_mounting() {
    let device = TestDevice::new();
    let (with, without) = (device.config(), Config { roots: Vec::new(), ..device.config() });
    let registered = register(&device.start(), device.clear("film")).unwrap();
    assert_eq!(registered.root.as_deref(), Some(with.roots[0].name.as_str()));

    let manager = device.try_start(without).unwrap();
    manager.set_source_url_mode(SourceUrlMode::LocalAlways, SourceUrlOrder::AppFirst).unwrap();
    let gone = manager.status(&id("film")).unwrap();
    assert_eq!((gone.is_playable, gone.why, gone.remedy), (false, PlayabilityReason::VolumeMissing, Remedy::Retry));
    for path in [None, Some(device.path("cmaf-clear"))] {
        let error = manager.local_media_source(&id("film"), path.as_deref()).unwrap_err();
        assert_eq!(error.code(), Code::VolumeMissing);
    }
    assert_eq!(manager.source_url("film", None).unwrap(), None);

    manager.set_roots(&with.roots).unwrap();
    assert_eq!(manager.status(&id("film")).unwrap().why, PlayabilityReason::Playable);
    assert!(manager.local_media_source(&id("film"), None).unwrap().url.starts_with("file:"));
    assert!(manager.source_url("film", None).unwrap().is_some());

    manager.set_roots(&[]).unwrap();
    assert_eq!(manager.status(&id("film")).unwrap().why, PlayabilityReason::VolumeMissing);
    assert!(manager.unregister(&id("film")).unwrap().was_registered);
    let twice = [with.roots[0].clone(), with.roots[0].clone()];
    assert_eq!(manager.set_roots(&twice).unwrap_err().code(), Code::InvalidArgument);
}

#[test]
fn profiles_are_separate() {
    let device = TestDevice::new();
    let mut config = device.config();
    config.profile = Profile::new("anna").unwrap();
    let (annas, others) = (device.try_start(config).unwrap(), device.start());
    register(&annas, device.clear_key("film")).unwrap();
    assert_eq!(others.status(&id("film")).unwrap().why, PlayabilityReason::NotRegistered);
    register(&others, device.clear_key("film")).unwrap();
    assert_eq!(annas.remove_all().unwrap(), 1);
    assert!(others.status(&id("film")).unwrap().is_playable);
    reconcile_all(&annas);
    assert_eq!(device.live(), 1, "one of the two licenses was released");
}

#[test]
fn managers_over_one_folder_see_each_others_changes() {
    let device = TestDevice::new();
    let (one, two) = (device.start(), device.start());
    register(&one, device.clear("film")).unwrap();
    assert!(two.asset(&id("film")).unwrap().is_some());
    two.unregister(&id("film")).unwrap();
    assert!(one.asset(&id("film")).unwrap().is_none());
}

#[test]
fn unusual_asset_ids_are_data_and_never_become_a_path() {
    let device = TestDevice::new();
    let manager = device.start();
    for odd in ["..", "a/b", "/etc/passwd", "🍎", "a\nb", " ", "%00", "con"] {
        register(&manager, device.clear(odd)).unwrap();
        assert!(manager.status(&id(odd)).unwrap().is_playable);
        assert!(manager.unregister(&id(odd)).unwrap().was_registered);
    }
    let left: Vec<_> = std::fs::read_dir(device.data_dir()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name.to_str().unwrap().starts_with("larder.")), "{left:?}");
}

#[test]
fn invalid_arguments_are_rejected_before_anything_changes() {
    let device = TestDevice::new();
    let manager = device.start();
    let good = || device.clear_key("film");
    let mut relative = good();
    relative.path = "dash-cenc".into();
    let mut missing = good();
    missing.path = device.path("nothing-here");
    let mut dotted = good();
    dotted.path = device.path("cmaf-clear").join("../dash-cenc");
    let mut huge = good();
    huge.metadata = Some(vec![0; (1 << 20) + 1]);
    let mut no_entry = good();
    no_entry.entry_id = Some(String::new());
    let mut no_params = good();
    no_params.source.drm.clear();
    let mut no_engine = good();
    no_engine.source.drm[0].scheme = DrmScheme::PlayReady;
    let url = |url: &str| {
        let mut registration = good();
        registration.source.drm[0].license_url = url.to_owned();
        registration
    };
    for (what, registration, code) in [
        ("relative path", relative, Code::RelativePath),
        ("missing file", missing, Code::MediaNotFound),
        ("..", dotted, Code::InvalidArgument),
        ("metadata", huge, Code::InvalidArgument),
        ("empty entry id", no_entry, Code::InvalidArgument),
        ("no DRM params", no_params, Code::DrmParamsMissing),
        ("no engine", no_engine, Code::DrmUnsupported),
        ("file URL", url("file:///etc/passwd"), Code::UrlInvalid),
        ("user info", url("https://user:secret@host/"), Code::UrlInvalid),
        ("no host", url("https:///license"), Code::UrlInvalid),
        ("unknown scheme", url("gopher://host/"), Code::UrlInvalid),
        ("relative URL", url("/license"), Code::UrlInvalid),
        ("empty URL", url(""), Code::DrmParamsMissing),
    ] {
        let error = register(&manager, registration).unwrap_err();
        assert_eq!(error.code(), code, "{what}: {error}");
        assert_ne!(error.remedy(), larder_core::Remedy::Nothing, "{what}");
        assert!(!error.to_string().contains("secret"), "{what}: {error}");
    }
    assert_eq!(manager.requests_made(), 0);
    assert!(manager.assets().unwrap().is_empty());
}

#[test]
fn clear_media_with_drm_parameters_plays() {
    // PlayKit FEM-2295: a source with DRM parameters does not mean that the downloaded media is protected.
    let device = TestDevice::new();
    let manager = device.start();
    let params = DrmParams::new(DrmScheme::Widevine, "https://unreachable.invalid/license");
    let mut registration = device.clear("film");
    registration.source.drm = vec![params];
    let status = register(&manager, registration).unwrap();
    assert!(status.is_playable && status.licenses.is_empty());
    assert_eq!(manager.requests_made(), 0);
}

#[test]
fn unregistering_needs_neither_media_nor_network() {
    let device = TestDevice::new();
    let manager = device.start();
    register(&manager, device.widevine("film", RenewalPolicy::default())).unwrap();
    std::fs::remove_dir_all(device.path("dash-cenc")).unwrap();
    device.servers.stop().unwrap();
    let unregistered = manager.unregister(&id("film")).unwrap();
    assert!(unregistered.was_registered);
    assert_eq!(unregistered.pending_releases, 1);
    let status = manager.status(&id("film")).unwrap();
    assert_eq!((status.why, status.pending_releases), (PlayabilityReason::NotRegistered, 1));
    assert!(!manager.unregister(&id("film")).unwrap().was_registered);
    assert_eq!(manager.reconcile().unwrap().pending, 1);
    device.servers.resume().unwrap();
    reconcile_all(&manager);
    assert_eq!(device.live(), 0);
    assert!(device.storage.keys().is_empty());
    assert!(device.widevine.key_set_ids().is_empty());
}

#[test]
fn licenses_survive_a_restart() {
    let device = TestDevice::new();
    let before = {
        let manager = device.start();
        register(&manager, device.clear_key("film")).unwrap()
    };
    let manager = device.start();
    let after = manager.status(&id("film")).unwrap();
    assert_eq!(before.licenses, after.licenses);
    assert_eq!(after.licenses[0].state, LicenseState::Active);
    assert!(!manager.license_handle(&after.licenses[0].license_id).unwrap().is_empty());
}

#[test]
fn closed_manager_fails_every_call() {
    let device = TestDevice::new();
    let manager = device.start();
    manager.close();
    manager.close();
    assert_eq!(manager.status(&id("film")).unwrap_err().code(), Code::Closed);
    assert_eq!(register(&manager, device.clear("film")).unwrap_err().code(), Code::Closed);
    assert_eq!(manager.source_url("film", None).unwrap_err().code(), Code::Closed);
}

#[test]
fn media_that_became_protected_gets_a_license_when_registered_again() {
    let device = TestDevice::new();
    let manager = device.start();
    let both = device.path("both");
    larder_testkit::copy_dir(&device.path("cmaf-clear"), &both).unwrap();
    let mut registration = device.clear_key("film");
    registration.path = both.clone();
    registration.source.format = Some(MediaFormat::Dash);
    let clear = register(&manager, registration.clone()).unwrap();
    assert!(clear.licenses.is_empty());
    std::fs::remove_dir_all(&both).unwrap();
    larder_testkit::copy_dir(&device.path("dash-cenc"), &both).unwrap();
    let protected = register(&manager, registration).unwrap();
    assert_eq!(protected.licenses.len(), 1);
    assert!(protected.is_playable);
}
