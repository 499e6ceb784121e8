//! Several processes on one store: neither corrupts nor blocks the other, and one may die at any point.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use larder_core::Code;
use larder_core::model::{LicenseState, Profile};
use larder_core::store::Store;

use crate::other_process::Other;
use crate::samples::{clear_asset, id, license_id, open};

#[expect(clippy::disallowed_methods, reason = "an arbitrary point in another process's work")]
fn pause(time: Duration) {
    thread::sleep(time);
}

fn count(store: &Store) -> usize {
    store.read(|tx| tx.summaries(&Profile::default())).unwrap().len()
}

#[test]
fn two_processes_write_and_a_third_reads_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let others = ["a", "b"].map(|name| Other::start("insert", dir.path(), name));
    let mut last = 0;
    let (mut heard_of_a_change, deadline) = (false, Instant::now() + Duration::from_secs(120));
    while last < 200 && Instant::now() < deadline {
        heard_of_a_change |= store.changed_elsewhere().unwrap();
        let now = count(&store);
        assert!(now >= last, "a row was seen and is gone");
        last = now;
    }
    others.into_iter().for_each(Other::end);
    assert_eq!(count(&store), 200);
    assert!(heard_of_a_change);
    store.changed_elsewhere().unwrap();
    store.write(|tx| tx.insert_asset(&clear_asset("own"))).unwrap();
    assert!(!store.changed_elsewhere().unwrap(), "an own change is not one from elsewhere");
    store.check().unwrap();
}

#[test]
fn many_processes_may_make_one_store_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("not/there/yet");
    let mut others: Vec<Other> = (0..6).map(|_| Other::start("open", &inner, "")).collect();
    for other in &mut others {
        assert_eq!(other.hear().as_deref(), Some("opened"));
    }
}

#[test]
fn a_reader_never_waits_for_another_process_and_a_writer_only_so_long() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut other = Other::start("hold", dir.path(), "a");
    assert_eq!(other.hear().as_deref(), Some("holding"));

    let began = Instant::now();
    assert_eq!(count(&store), 0, "a step is not seen before it is committed");
    assert!(!store.changed_elsewhere().unwrap());
    assert!(began.elapsed() < Duration::from_secs(2));

    let error = store.write(|tx| tx.insert_asset(&clear_asset("b"))).unwrap_err();
    assert_eq!(error.code(), Code::StoreUnavailable);
    assert!(error.is_retryable());

    thread::scope(|scope| {
        let waiting = scope.spawn(|| store.write(|tx| tx.insert_asset(&clear_asset("b"))));
        other.tell();
        waiting.join().unwrap().unwrap();
    });
    other.end();
    assert_eq!(count(&store), 2);
}

#[test]
fn threads_of_one_process_share_a_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    thread::scope(|scope| {
        for name in ["a", "b", "c", "d"] {
            let store = &store;
            scope.spawn(move || {
                for number in 0..20 {
                    store.write(|tx| tx.insert_asset(&clear_asset(&format!("{name}{number}")))).unwrap();
                    assert!(count(store) > number);
                }
            });
        }
    });
    assert_eq!(count(&store), 80);
}

/// Kills a writer at forty arbitrary points; whatever it had reported is there, and no step is there by half.
#[test]
fn a_killed_process_leaves_every_step_it_reported() {
    let dir = tempfile::tempdir().unwrap();
    let mut reported = BTreeSet::new();
    for round in 0_u64..40 {
        let mut other = Other::start("step", dir.path(), &(round * 10_000 + 1).to_string());
        // From "while it makes the file" to "in its hundredth step".
        if round >= 10 {
            let first = other.hear().unwrap();
            reported.insert(first.parse::<u64>().unwrap());
        }
        pause(Duration::from_micros(round * 1_700));
        other.kill();
        while let Some(number) = other.hear() {
            reported.insert(number.parse().unwrap());
        }

        let store = open(dir.path());
        let summaries = store.read(|tx| tx.summaries(&Profile::default())).unwrap();
        let there: BTreeSet<u64> = summaries.iter().map(|asset| asset.asset_id.as_str().parse().unwrap()).collect();
        let lost: Vec<_> = reported.difference(&there).collect();
        assert!(lost.is_empty(), "round {round}: {lost:?}");
        assert!(summaries.iter().all(|asset| asset.licenses.len() == 1), "round {round}: half a step");
        store.check().unwrap();
    }
    assert!(reported.len() > 100, "{} steps are too few to prove anything", reported.len());
}

#[test]
fn what_a_process_left_behind_is_given_to_one_other_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut other = Other::start("begin", dir.path(), "a");
    assert_eq!(other.hear().as_deref(), Some("begun"));
    let first = open(dir.path());
    assert!(first.interrupted().unwrap().is_empty(), "it is being worked on");
    assert_eq!(adopted(&first), None);

    other.kill();
    let second = open(dir.path());
    assert!(first.interrupted().unwrap().into_iter().eq([(Profile::default(), id("a"))]));
    assert_eq!(second.interrupted().unwrap(), first.interrupted().unwrap());
    assert_eq!(adopted(&first), Some(2), "a license in intent and an active one");
    assert!(first.interrupted().unwrap().is_empty(), "a living store has it now");
    assert_eq!((adopted(&first), adopted(&second)), (None, None));

    // The first did one thing and was closed before the other.
    first.write(|tx| tx.set_license_state(&license_id(1), LicenseState::Stored)).unwrap();
    first.write(|tx| tx.delete_asset(&Profile::default(), &id("a"))).unwrap();
    drop(first);
    assert_eq!(adopted(&second), Some(2));
    assert_eq!(adopted(&second), None);
}

/// Takes over the asset `a`, and tells how many licenses there are to decide about.
fn adopted(store: &Store) -> Option<usize> {
    let claim = store.try_lock_asset(&Profile::default(), &id("a")).unwrap().unwrap();
    let mut seen = None;
    let is_adopted = store.recover_abandoned(&claim, |tx| {
        seen = Some(tx.licenses_of(claim.profile(), claim.asset_id())?.len());
        Ok(())
    });
    assert_eq!(is_adopted.unwrap(), seen.is_some());
    seen
}

#[test]
fn a_step_that_puts_broken_off_work_right_may_fail_and_is_not_done_by_half() {
    let dir = tempfile::tempdir().unwrap();
    let mut other = Other::start("begin", dir.path(), "a");
    assert_eq!(other.hear().as_deref(), Some("begun"));
    other.kill();
    let store = open(dir.path());
    let claim = store.try_lock_asset(&Profile::default(), &id("a")).unwrap().unwrap();
    let error = store.recover_abandoned(&claim, |_| Err(larder_core::Error::new(Code::Internal, "no"))).unwrap_err();
    assert_eq!(error.code(), Code::Internal);
    assert_eq!(store.interrupted().unwrap().len(), 1, "it is still nobody's");
}

#[test]
fn a_claim_of_a_killed_process_is_free() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut other = Other::start("lock", dir.path(), "a");
    assert_eq!(other.hear().as_deref(), Some("locked"));
    let claim = || store.try_lock_asset(&Profile::default(), &id("a")).unwrap();
    assert!(claim().is_none());
    other.kill();
    assert!(claim().is_some());
}
