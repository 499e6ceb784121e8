//! Opening, closing, and what lies between.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests; clippy only knows so inside #[test]")]

use std::sync::Arc;

use crate::support::{Device, clear, code, uncancelled, wait};
use larder_ffi::{FfiManager, StorageRoot};

#[test]
fn opening_reports_what_is_there() {
    let device = Device::new();
    let path = device.download("cmaf-clear/manifest.mpd");
    let manager = device.manager();
    assert_eq!(wait(manager.open()).unwrap().assets, 0);
    wait(manager.register_asset(clear("a", &path), uncancelled())).unwrap();
    drop(manager);
    assert_eq!(wait(device.manager().open()).unwrap().assets, 1);
}

#[test]
fn a_bad_configuration_is_refused_by_the_constructor() {
    let device = Device::new();
    let good = device.config();
    let mut bad = vec![("no folder", good.clone()), ("relative folder", good.clone())];
    bad[0].1.data_dir = String::new();
    bad[1].1.data_dir = "larder".into();
    bad.push(("profile with NUL", {
        let mut c = good.clone();
        c.profile = "a\0".into();
        c
    }));
    bad.push(("no time", {
        let mut c = good.clone();
        c.engine_timeout_seconds = 0;
        c
    }));
    bad.push(("malformed certificate", {
        let mut c = good.clone();
        c.extra_root_certificates = vec![vec![1]];
        c
    }));
    bad.push(("user agent with a line break", {
        let mut c = good.clone();
        c.user_agent = "a\r\nb: c".into();
        c
    }));
    let root = StorageRoot { name: "films".into(), path: "/films".into() };
    bad.push(("two roots of one name", {
        let mut c = good.clone();
        c.roots = vec![root.clone(), root];
        c
    }));
    for (what, config) in bad {
        let outcome = FfiManager::new(config, device.delegates());
        let code = code(outcome);
        assert!(code == "INVALID_ARGUMENT" || code == "RELATIVE_PATH", "{what}: {code}");
    }
}

#[test]
fn an_opening_that_failed_is_tried_again_by_the_next_call() {
    let device = Device::new();
    let in_the_way = device.folder.path().join("larder");
    std::fs::write(&in_the_way, "a file where the folder should be").unwrap();
    let manager = device.manager();
    assert_eq!(code(wait(manager.open())), "STORE_UNAVAILABLE");
    assert_eq!(code(manager.assets()), "STORE_UNAVAILABLE");
    std::fs::remove_file(&in_the_way).unwrap();
    assert_eq!(manager.assets().unwrap(), []);
    assert_eq!(wait(manager.open()).unwrap().assets, 0);
}

#[test]
fn every_call_after_shut_down_is_closed_and_closing_twice_is_closing_once() {
    let device = Device::new();
    let path = device.download("cmaf-clear/manifest.mpd");
    let manager = device.manager();
    wait(manager.open()).unwrap();
    manager.shut_down();
    manager.shut_down();
    assert_eq!(code(wait(manager.open())), "CLOSED");
    assert_eq!(code(wait(manager.register_asset(clear("a", &path), uncancelled()))), "CLOSED");
    assert_eq!(code(wait(manager.asset_status("a".into()))), "CLOSED");
    assert_eq!(code(wait(manager.reconcile())), "CLOSED");
    assert_eq!(code(manager.assets()), "CLOSED");
    assert_eq!(code(manager.source_url("a".into(), None)), "CLOSED");
    assert_eq!(code(manager.diagnostics()), "CLOSED");
}

#[test]
fn a_manager_closed_before_it_was_open_is_closed_too() {
    let device = Device::new();
    let manager = device.manager();
    manager.shut_down();
    assert_eq!(code(wait(manager.open())), "CLOSED");
    assert_eq!(code(manager.assets()), "CLOSED");
}

#[test]
fn managers_over_one_folder_see_the_same_and_end_one_by_one() {
    let device = Device::new();
    let path = device.download("cmaf-clear/manifest.mpd");
    let (one, other) = (device.manager(), device.manager());
    wait(one.register_asset(clear("a", &path), uncancelled())).unwrap();
    assert_eq!(other.asset("a".into()).unwrap().unwrap().path, path);
    one.shut_down();
    assert!(wait(other.asset_status("a".into())).unwrap().is_registered);
}

#[test]
fn a_profile_does_not_see_the_assets_of_another() {
    let device = Device::new();
    let path = device.download("cmaf-clear/manifest.mpd");
    wait(device.manager().register_asset(clear("a", &path), uncancelled())).unwrap();
    let mut config = device.config();
    config.profile = "somebody else".into();
    let theirs = FfiManager::new(config, device.delegates()).unwrap();
    assert_eq!(theirs.assets().unwrap(), []);
}

#[test]
fn many_threads_may_use_one_manager_at_once() {
    let device = Device::new();
    let path = device.download("cmaf-clear/manifest.mpd");
    let manager = device.manager();
    let threads: Vec<_> = (0..64)
        .map(|n| {
            let (manager, path) = (Arc::clone(&manager), path.clone());
            std::thread::spawn(move || {
                let id = format!("asset {n}");
                wait(manager.register_asset(clear(&id, &path), uncancelled())).unwrap();
                let source = manager.local_media_source(id.clone(), Some(path)).unwrap();
                assert!(source.is_local && source.url.starts_with("file:///"), "{}", source.url);
                assert!(wait(manager.asset_status(id.clone())).unwrap().is_playable);
                if n % 2 == 0 {
                    assert!(wait(manager.unregister_asset(id)).unwrap().was_registered);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(manager.assets().unwrap().len(), 32);
}

#[test]
fn a_source_that_larder_gave_cannot_be_registered() {
    let device = Device::new();
    let path = device.download("cmaf-clear/manifest.mpd");
    let manager = device.manager();
    let mut registration = clear("a", &path);
    registration.source.is_local = true;
    assert_eq!(code(wait(manager.register_asset(registration, uncancelled()))), "INVALID_ARGUMENT");
    assert_eq!(manager.assets().unwrap(), []);
}
