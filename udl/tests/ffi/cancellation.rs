//! A registration that is cancelled at any of its steps leaves no half state, and no license that will not be released.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests; clippy only knows so inside #[test]")]

use std::future::Future as _;
use std::sync::Arc;
use std::task::{Context, Waker};

use larder_testkit::eventually;

use crate::support::{Device, Gate, code, protected, servers, uncancelled, wait};
use larder_ffi::{FfiCancellation, PlayabilityReason};

const STEPS: [&str; 6] = ["acquire", "before send", "after send", "save", "load", "release"];

/// Holds the step until the test lets it go.
fn hold(device: &Device, step: &'static str) -> Arc<Gate> {
    let gate = Arc::new(Gate::default());
    let (in_engine, in_storage) = (Arc::clone(&gate), Arc::clone(&gate));
    device.engine.hook(move |at| {
        if at == step {
            in_engine.pass();
        }
        Ok(())
    });
    device.storage.hook(move |at| {
        if at == step {
            in_storage.pass();
        }
        Ok(())
    });
    gate
}

#[test]
fn a_registration_whose_future_is_dropped_at_any_step_leaves_nothing_behind() {
    for step in STEPS.into_iter().filter(|step| *step != "release") {
        let (device, servers) = (Device::new(), servers());
        let path = device.download("dash-cenc");
        let manager = device.manager();
        wait(manager.open()).unwrap();
        let gate = hold(&device, step);
        let mut registration = Box::pin(manager.register_asset(protected("a", &path, &servers), uncancelled()));
        assert!(registration.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        gate.wait_for_somebody();
        drop(registration);
        gate.open();
        eventually(step, || {
            let status = wait(manager.asset_status("a".into())).unwrap();
            let live = servers.book().licenses.iter().filter(|license| license.released_at_ms.is_none()).count();
            status.why == PlayabilityReason::NotRegistered && live == 0 && status.pending_releases == 0
        });
        assert!(device.storage.values.lock().unwrap().is_empty(), "{step}");
        // And the same asset can be registered at once.
        wait(manager.register_asset(protected("a", &path, &servers), uncancelled())).unwrap();
    }
}

#[test]
fn a_registration_that_is_cancelled_by_its_object_says_so() {
    for step in ["acquire", "before send", "after send", "save"] {
        let (device, servers) = (Device::new(), servers());
        let path = device.download("dash-cenc");
        let manager = device.manager();
        let gate = hold(&device, step);
        let cancellation = Arc::new(FfiCancellation::new());
        let (canceller, holder) = (Arc::clone(&cancellation), Arc::clone(&gate));
        let thread = std::thread::spawn(move || {
            holder.wait_for_somebody();
            canceller.cancel();
            holder.open();
        });
        let outcome = wait(manager.register_asset(protected("a", &path, &servers), cancellation));
        thread.join().unwrap();
        assert_eq!(code(outcome), "CANCELLED", "{step}");
        // The call completes at once; a license that the engine still gets is given back when it is there.
        eventually(step, || {
            wait(manager.reconcile()).unwrap();
            servers.book().live == 0
        });
        assert_eq!(wait(manager.asset_status("a".into())).unwrap().why, PlayabilityReason::NotRegistered, "{step}");
    }
}

#[test]
fn a_cancellation_raised_before_the_call_makes_no_request() {
    let (device, servers) = (Device::new(), servers());
    let path = device.download("dash-cenc");
    let manager = device.manager();
    let cancellation = Arc::new(FfiCancellation::new());
    cancellation.cancel();
    cancellation.cancel();
    assert_eq!(code(wait(manager.register_asset(protected("a", &path, &servers), cancellation))), "CANCELLED");
    assert_eq!(servers.counts().requests, 0);
}

#[test]
fn shutting_down_during_a_registration_lets_it_come_to_its_end() {
    let (device, servers) = (Device::new(), servers());
    let path = device.download("dash-cenc");
    let manager = device.manager();
    let gate = hold(&device, "save");
    let registering = Arc::clone(&manager);
    let registration = protected("a", &path, &servers);
    let thread = std::thread::spawn(move || wait(registering.register_asset(registration, uncancelled())));
    gate.wait_for_somebody();
    manager.shut_down();
    gate.open();
    let outcome = thread.join().unwrap();
    // Either way it is whole: registered with its license, or nothing.
    let status = wait(device.manager().asset_status("a".into())).unwrap();
    assert_eq!(outcome.is_ok(), status.is_playable, "{status:?}");
    assert_eq!(servers.book().live, usize::from(outcome.is_ok()));
}
