//! Several processes use one store. They do not corrupt or block each other, and each may die at any point.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use larder_core::Code;
use larder_core::model::{LicenseState, Profile};
use larder_core::store::Store;

use crate::other_process::OtherProcess;
use crate::samples::{clear_asset, id, license_id, open};

#[expect(clippy::disallowed_methods, reason = "an arbitrary point in the work of another process")]
fn pause(time: Duration) {
    thread::sleep(time);
}

fn count(store: &Store) -> usize {
    store.read(|tx| tx.summaries(&Profile::default())).unwrap().len()
}

#[test]
fn two_processes_write_while_a_third_reads() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let others = ["a", "b"].map(|name| OtherProcess::start("insert", dir.path(), name));
    let mut last = 0;
    let (mut saw_a_change, deadline) = (false, Instant::now() + Duration::from_secs(120));
    while last < 200 && Instant::now() < deadline {
        saw_a_change |= store.changed_elsewhere().unwrap();
        let now = count(&store);
        assert!(now >= last, "a row has disappeared");
        last = now;
    }
    others.into_iter().for_each(OtherProcess::join);
    assert_eq!(count(&store), 200);
    assert!(saw_a_change);
    store.changed_elsewhere().unwrap();
    store.write(|tx| tx.insert_asset(&clear_asset("own"))).unwrap();
    assert!(!store.changed_elsewhere().unwrap(), "a change of this store is not reported as one from elsewhere");
    store.check().unwrap();
}

#[test]
fn many_processes_create_one_store_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("not/there/yet");
    let mut others: Vec<OtherProcess> = (0..6).map(|_| OtherProcess::start("open", &inner, "")).collect();
    for other in &mut others {
        assert_eq!(other.next_report().as_deref(), Some("opened"));
    }
}

#[test]
fn readers_do_not_wait_for_another_process_and_writers_time_out() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut other = OtherProcess::start("hold", dir.path(), "a");
    assert_eq!(other.next_report().as_deref(), Some("holding"));

    let began = Instant::now();
    assert_eq!(count(&store), 0, "a row is not visible before its commit");
    assert!(!store.changed_elsewhere().unwrap());
    assert!(began.elapsed() < Duration::from_secs(2));

    let error = store.write(|tx| tx.insert_asset(&clear_asset("b"))).unwrap_err();
    assert_eq!(error.code(), Code::StoreUnavailable);
    assert!(error.is_retryable());

    thread::scope(|scope| {
        let waiting = scope.spawn(|| store.write(|tx| tx.insert_asset(&clear_asset("b"))));
        other.signal();
        waiting.join().unwrap().unwrap();
    });
    other.join();
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

/// Kills a writer at forty arbitrary points. Every transaction that it had reported is there, and none is there in
/// part.
#[test]
fn a_killed_process_leaves_every_transaction_that_it_reported() {
    let dir = tempfile::tempdir().unwrap();
    let mut reported = BTreeSet::new();
    for round in 0_u64..40 {
        let mut other = OtherProcess::start("write", dir.path(), &(round * 10_000 + 1).to_string());
        // From the creation of the file to about the hundredth transaction.
        if round >= 10 {
            let first = other.next_report().unwrap();
            reported.insert(first.parse::<u64>().unwrap());
        }
        pause(Duration::from_micros(round * 1_700));
        other.kill();
        while let Some(number) = other.next_report() {
            reported.insert(number.parse().unwrap());
        }

        let store = open(dir.path());
        let summaries = store.read(|tx| tx.summaries(&Profile::default())).unwrap();
        let there: BTreeSet<u64> = summaries.iter().map(|asset| asset.asset_id.as_str().parse().unwrap()).collect();
        let lost: Vec<_> = reported.difference(&there).collect();
        assert!(lost.is_empty(), "round {round}: {lost:?}");
        assert!(
            summaries.iter().all(|asset| asset.licenses.len() == 1),
            "round {round}: a transaction is there in part"
        );
        store.check().unwrap();
    }
    assert!(reported.len() > 100, "{} transactions are too few to prove anything", reported.len());
}

#[test]
fn interrupted_work_is_recovered_once_by_one_store() {
    let dir = tempfile::tempdir().unwrap();
    let mut other = OtherProcess::start("register", dir.path(), "a");
    assert_eq!(other.next_report().as_deref(), Some("registering"));
    let first = open(dir.path());
    assert!(first.interrupted().unwrap().is_empty(), "the other process is working on it");
    assert_eq!(recovered(&first), None);

    other.kill();
    let second = open(dir.path());
    assert!(first.interrupted().unwrap().into_iter().eq([(Profile::default(), id("a"))]));
    assert_eq!(second.interrupted().unwrap(), first.interrupted().unwrap());
    assert_eq!(recovered(&first), Some(2), "an intended and an active license");
    assert!(first.interrupted().unwrap().is_empty(), "a live store has taken it over");
    assert_eq!((recovered(&first), recovered(&second)), (None, None));

    // The first store is closed before its recovery is complete.
    first.write(|tx| tx.set_license_state(&license_id(1), LicenseState::Stored)).unwrap();
    first.write(|tx| tx.delete_asset(&Profile::default(), &id("a"))).unwrap();
    drop(first);
    assert_eq!(recovered(&second), Some(2));
    assert_eq!(recovered(&second), None);
}

/// Recovers the asset `a`. Returns the number of its licenses, `None` if there was nothing to recover.
fn recovered(store: &Store) -> Option<usize> {
    let lock = store.try_lock_asset(&Profile::default(), &id("a")).unwrap().unwrap();
    let mut seen = None;
    let is_recovered = store.recover_abandoned(&lock, |tx| {
        seen = Some(tx.licenses_of(lock.profile(), lock.asset_id())?.len());
        Ok(())
    });
    assert_eq!(is_recovered.unwrap(), seen.is_some());
    seen
}

#[test]
fn a_failed_recovery_changes_nothing_and_can_be_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let mut other = OtherProcess::start("register", dir.path(), "a");
    assert_eq!(other.next_report().as_deref(), Some("registering"));
    other.kill();
    let store = open(dir.path());
    let lock = store.try_lock_asset(&Profile::default(), &id("a")).unwrap().unwrap();
    let error = store
        .recover_abandoned(&lock, |_| Err(larder_core::Error::new(Code::Internal, "a failure of the test")))
        .unwrap_err();
    assert_eq!(error.code(), Code::Internal);
    assert_eq!(store.interrupted().unwrap().len(), 1, "it is still abandoned");
}

#[test]
fn the_asset_lock_of_a_killed_process_is_free() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut other = OtherProcess::start("lock", dir.path(), "a");
    assert_eq!(other.next_report().as_deref(), Some("locked"));
    let lock = || store.try_lock_asset(&Profile::default(), &id("a")).unwrap();
    assert!(lock().is_none());
    other.kill();
    assert!(lock().is_some());
}
