//! Holds [`transition`] to the table of the module, which is the specification: the tests read it from the source.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;
use crate::model::license::HandleDigest;
use crate::model::{DrmParams, DrmScheme, KeyCoverage, KeyRequest, LicenseId, SecurityLevel};
use crate::store::Store;

const POSITIONS: [Position; 12] = [
    Position::Absent,
    Position::Intended,
    Position::IntendedUnknown,
    Position::Continuing,
    Position::ContinuingUnknown,
    Position::Stored,
    Position::Active,
    Position::Superseded,
    Position::Releasing,
    Position::Leased,
    Position::Released,
    Position::Forgotten,
];

/// The next state of every legal pair of state and step.
type Table = BTreeMap<(Position, String), Position>;

fn table() -> Table {
    let position = |name: &str| POSITIONS.into_iter().find(|one| one.name() == name).unwrap();
    let mut table = Table::new();
    let lines = include_str!("mod.rs").lines().filter_map(|line| line.strip_prefix("//! | "));
    for line in lines.filter(|line| !line.starts_with("state |")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        for from in cells[0].split(", ") {
            let step = cells[1].trim_matches('`').to_owned();
            assert_eq!(table.insert((position(from), step), position(cells[2])), None, "{line}");
        }
    }
    table
}

fn digest(byte: u8) -> HandleDigest {
    HandleDigest([byte; 32])
}

/// Every step, with a handle of this digest where a step has one.
fn steps(byte: u8) -> Vec<Step> {
    let terms = Terms {
        granted_at_ms: 7,
        expires: Expiry::At(9),
        playback_window_seconds: Some(5),
        coverage: KeyCoverage::Covered,
        key_ids: None,
        acquired_level: Some("L1".to_owned()),
    };
    let grant = Grant { digest: Some(digest(byte)), terms, params: None, certificate: None };
    let renewed = Grant { digest: None, ..grant.clone() };
    let grant = Box::new(grant);
    vec![
        Step::Intend,
        Step::Import,
        Step::Store(grant.clone()),
        Step::Continue(grant.clone()),
        Step::LeaveContinuation(grant),
        Step::StoreContinuation,
        Step::LoseTrack(Code::Timeout),
        Step::Strand { digest: digest(byte), error: Code::StorageFailed },
        Step::DiscardUngranted,
        Step::DiscardUnknown,
        Step::DiscardReleased,
        Step::Activate(if byte.is_multiple_of(2) { Predecessor::IsReleased } else { Predecessor::LivesOn }),
        Step::Renew(Box::new(renewed)),
        Step::Shorten(Expiry::At(8)),
        Step::Supersede,
        Step::ReleaseUnused(digest(byte)),
        Step::QueueRelease,
        Step::BeginRelease { lease_until_ms: 1_000 },
        Step::PostponeRelease { error: Code::ServerFailed, next_attempt_at_ms: 2_000, attempts: 1 },
        Step::Restore,
        Step::ConfirmRelease,
        Step::Forget,
        Step::Erase,
    ]
}

/// A license that is not in the ledger yet. Of the three, each replaces the one before it, and the first the last.
fn license(number: u64) -> LicenseRow {
    let id = |number: u64| LicenseId::parse(&format!("{number:032x}")).unwrap();
    let request = KeyRequest {
        scheme: DrmScheme::Widevine,
        init_data: Vec::new(),
        key_ids: Vec::new(),
        mime: String::new(),
        certificate: None,
        security_level: SecurityLevel::Default,
    };
    let asset_id = AssetId::new("film").unwrap();
    let params = DrmParams::new(DrmScheme::Widevine, "https://license.example/");
    let row = LicenseRow::intended(id(number), Profile::default(), asset_id, request, params);
    LicenseRow { replaces: Some(id((number + 2) % 3)), ..row }
}

/// The license after a step, `None` if the step is illegal.
fn after(row: Option<&LicenseRow>, step: Step) -> Option<Option<LicenseRow>> {
    match next(row.unwrap_or(&license(1)), Position::of(row), step)? {
        Next::Row(row) => Some(Some(*row)),
        Next::Removed => Some(None),
    }
}

/// One license in every position that steps lead to.
fn reachable() -> BTreeMap<Position, Option<LicenseRow>> {
    let mut found = BTreeMap::from([(Position::Absent, None)]);
    loop {
        let known = found.len();
        for row in found.clone().into_values() {
            for step in steps(1) {
                if let Some(next) = after(row.as_ref(), step) {
                    found.entry(Position::of(next.as_ref())).or_insert(next);
                }
            }
        }
        if found.len() == known {
            return found;
        }
    }
}

#[test]
fn every_pair_of_state_and_step_does_what_the_table_says() {
    let table = table();
    let reachable = reachable();
    assert_eq!(reachable.keys().copied().collect::<Vec<_>>(), POSITIONS, "every state is reached");
    let names: BTreeSet<&str> = table.keys().map(|(_, step)| step.as_str()).collect();
    assert_eq!(names, steps(1).iter().map(Step::name).collect(), "the table names every step");
    for (position, row) in reachable {
        for step in steps(1) {
            let name = step.name();
            let actual = after(row.as_ref(), step).map(|next| Position::of(next.as_ref()));
            assert_eq!(actual, table.get(&(position, name.to_owned())).copied(), "{name} in {position}");
        }
    }
}

/// `docs/architecture.md`, invariant 4.
#[test]
fn a_license_moves_forward_and_leaves_the_ledger_only_when_it_is_over() {
    let rank = |position: Position| match position {
        Position::Absent => None,
        Position::Intended | Position::IntendedUnknown | Position::Continuing | Position::ContinuingUnknown => Some(0),
        Position::Stored => Some(1),
        Position::Active => Some(2),
        Position::Superseded => Some(3),
        Position::Releasing | Position::Leased => Some(4),
        Position::Released | Position::Forgotten => Some(5),
    };
    for ((from, step), to) in table() {
        match (rank(from), rank(to)) {
            (Some(before), Some(after)) => {
                assert!(after >= before || step == "Restore", "{step} leads from {from} to {to}")
            }
            // An intent that led to nothing, or a license that is released or forgotten.
            (Some(before), None) => assert!(before == 0 || before == 5, "{step} loses a license that is {from}"),
            (None, _) => assert_ne!(to, Position::Absent, "{step}"),
        }
    }
}

#[test]
fn random_steps_keep_to_the_table_and_illegal_ones_change_nothing() {
    let table = table();
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap().store;
    // The license, the handle's digest, the step.
    let walk = proptest::collection::vec((0..3_u64, 0..4_u8, 0..steps(0).len()), 0..120);
    let check = |walk: Vec<(u64, u8, usize)>| {
        let done = store.write(|tx| {
            for (number, byte, step) in &walk {
                let before = tx.licenses_in(&LicenseState::ALL)?;
                let step = steps(*byte).swap_remove(*step);
                take_step(tx, &table, *number, step, &before)?;
            }
            tx.licenses_in(&LicenseState::ALL)?.iter().try_for_each(|row| tx.delete_license(&row.license_id).map(drop))
        });
        done.map_err(|error| TestCaseError::fail(error.to_string()))
    };
    TestRunner::new(ProptestConfig::with_cases(64)).run(&walk, check).unwrap();
}

/// Takes one step of a walk, and compares every license with the table.
fn take_step(tx: &WriteTx<'_>, table: &Table, number: u64, step: Step, before: &[LicenseRow]) -> Result<()> {
    let license = license(number);
    let find = |id: &LicenseId| before.iter().find(|row| row.license_id == *id);
    let from = Position::of(find(&license.license_id));
    let expected = table.get(&(from, step.name().to_owned())).copied();
    let predecessor = if let Step::Activate(predecessor) = &step { Some(*predecessor) } else { None };
    let name = step.name();
    let outcome = transition(tx, &license, step);
    let Some(expected) = expected else {
        assert_eq!(outcome.unwrap_err().code(), Code::Internal, "{name} in {from}");
        assert_eq!(tx.licenses_in(&LicenseState::ALL)?, before, "{name} in {from}");
        return Ok(());
    };
    outcome?;
    let now = tx.license(&license.license_id)?;
    assert_eq!(Position::of(now.as_ref()), expected, "{name} in {from}");
    for old in before.iter().filter(|row| row.license_id != license.license_id) {
        let is_predecessor = license.replaces.as_ref() == Some(&old.license_id);
        let was = Position::of(Some(old));
        let expected = match (predecessor, was) {
            (Some(predecessor), Position::Active | Position::Superseded) if is_predecessor => {
                // Invariant 5: never released under the handle of its successor.
                let is_same =
                    old.handle_digest.is_some() && old.handle_digest == now.as_ref().and_then(|now| now.handle_digest);
                let lives_on = is_same || predecessor == Predecessor::LivesOn;
                if lives_on { Position::Forgotten } else { Position::Superseded }
            }
            (_, was) => was,
        };
        assert_eq!(Position::of(tx.license(&old.license_id)?.as_ref()), expected, "{name} in {from}: the other one");
    }
    Ok(())
}

/// The store's functions are public for the tests of the store and for bench, so the compiler does not hold this.
#[test]
fn nothing_else_in_the_core_writes_a_license() {
    const WRITES: [&str; 4] = ["insert_license(", "update_license(", "set_license_state(", "delete_license("];
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let allowed = [src.join("license/ledger"), src.join("store")];
    let mut folders = vec![src];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !allowed.contains(&path) {
                    folders.push(path);
                }
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for write in WRITES {
                assert!(!text.contains(write), "{} calls {write}…): take a step of the ledger", path.display());
            }
            seen += 1;
        }
    }
    assert!(seen > 50, "the sources were read");
}
