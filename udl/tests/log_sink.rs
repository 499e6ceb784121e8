//! The app's log sink. One test, because the sink is the process's.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests; clippy only knows so inside #[test]")]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use larder_ffi::{FfiError, FfiLogSink, FfiManager, LogLevel, set_log_sink};
use larder_testkit::eventually;
use support::{Device, clear, failed, protected, servers, uncancelled, wait};

#[derive(Default)]
struct Lines {
    all: Mutex<Vec<(LogLevel, String, String)>>,
    threads: Mutex<std::collections::BTreeSet<String>>,
    manager: Mutex<Option<Arc<FfiManager>>>,
    calls: AtomicUsize,
}

impl FfiLogSink for Lines {
    fn log(&self, level: LogLevel, target: String, message: String) -> Result<(), FfiError> {
        self.threads.lock().unwrap().insert(std::thread::current().name().unwrap_or_default().to_owned());
        self.all.lock().unwrap().push((level, target, message));
        // A sink may use Larder, which logs; it may throw; it may panic.
        let manager = self.manager.lock().unwrap().clone();
        if let Some(manager) = manager {
            drop(manager.assets());
            drop(wait(manager.verify_asset("a".into(), true, true)));
        }
        match self.calls.fetch_add(1, Ordering::SeqCst) % 3 {
            0 => Err(failed("INTERNAL", "the sink")),
            1 => panic!("the sink"),
            _ => Ok(()),
        }
    }
}

#[test]
fn a_sink_gets_lines_of_its_level_from_one_thread_and_may_call_back_throw_and_panic() {
    let (device, servers) = (Device::new(), servers());
    let (clear_path, path) = (device.download("cmaf-clear/manifest.mpd"), device.download("dash-cenc"));
    let manager = device.manager();
    let lines = Arc::new(Lines::default());
    *lines.manager.lock().unwrap() = Some(Arc::clone(&manager));
    set_log_sink(Some(Arc::clone(&lines) as _), LogLevel::Debug).unwrap();

    wait(manager.register_asset(clear("a", &clear_path), uncancelled())).unwrap();
    let mut with_secret = protected("b", &path, &servers);
    with_secret.source.drm[0].license_url.push_str("?token=s3cr3t-token");
    wait(manager.register_asset(with_secret, uncancelled())).unwrap();
    device.engine.hook(|_| Err(failed("CDM_FAILED", "boom")));
    drop(wait(manager.verify_asset("b".into(), true, true)));
    eventually("a line reached the sink", || !lines.all.lock().unwrap().is_empty());

    *lines.manager.lock().unwrap() = None;
    set_log_sink(None, LogLevel::Debug).unwrap();
    let seen = lines.all.lock().unwrap().clone();
    for (_, target, message) in &seen {
        assert!(target.starts_with("larder_"), "{target}");
        assert!(!message.contains('\n') && !message.contains("s3cr3t"), "{message}");
    }
    assert_eq!(lines.threads.lock().unwrap().iter().collect::<Vec<_>>(), ["larder-log"]);
}
