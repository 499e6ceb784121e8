//! A license's state with its sub-states, as its row has them.

use std::fmt;

use crate::error::Code;
use crate::model::LicenseState;
use crate::store::{IntentKind, IntentOutcome, LicenseRow};

/// A license's state with its sub-state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Position {
    /// It is not in the ledger.
    Absent,
    /// It is being acquired.
    Intended,
    /// It was being acquired; whether it was granted is not known.
    IntendedUnknown,
    /// An existing license is being continued under another handle.
    Continuing,
    /// An existing license was being continued; whether its new handle was stored is not known.
    ContinuingUnknown,
    /// See [`LicenseState::Stored`].
    Stored,
    /// See [`LicenseState::Active`].
    Active,
    /// See [`LicenseState::Superseded`].
    Superseded,
    /// Its release is queued.
    Releasing,
    /// A call is releasing it.
    Leased,
    /// See [`LicenseState::Released`].
    Released,
    /// See [`LicenseState::Forgotten`].
    Forgotten,
}

impl Position {
    /// Returns the position of a license.
    pub(crate) fn of(row: Option<&LicenseRow>) -> Self {
        let Some(row) = row else { return Self::Absent };
        match row.state {
            LicenseState::Intended => match (is_continuation(row), is_outcome_unknown(row)) {
                (false, false) => Self::Intended,
                (false, true) => Self::IntendedUnknown,
                (true, false) => Self::Continuing,
                (true, true) => Self::ContinuingUnknown,
            },
            LicenseState::Stored => Self::Stored,
            LicenseState::Active => Self::Active,
            LicenseState::Superseded => Self::Superseded,
            LicenseState::Releasing if row.lease_until_ms.is_some() => Self::Leased,
            LicenseState::Releasing => Self::Releasing,
            LicenseState::Released => Self::Released,
            LicenseState::Forgotten => Self::Forgotten,
        }
    }

    /// Returns the name, as the ledger's table writes it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Intended => "intended",
            Self::IntendedUnknown => "intended (unknown)",
            Self::Continuing => "continuing",
            Self::ContinuingUnknown => "continuing (unknown)",
            Self::Stored => "stored",
            Self::Active => "active",
            Self::Superseded => "superseded",
            Self::Releasing => "releasing",
            Self::Leased => "releasing (leased)",
            Self::Released => "released",
            Self::Forgotten => "forgotten",
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// True for an intent that a living call is working on, as far as the row says.
pub(crate) fn is_in_progress(row: &LicenseRow) -> bool {
    row.state == LicenseState::Intended && row.outcome == IntentOutcome::InProgress
}

/// True for an intent of which it is not known whether its license was granted.
pub(crate) fn is_outcome_unknown(row: &LicenseRow) -> bool {
    row.state == LicenseState::Intended && row.outcome == IntentOutcome::Unknown
}

/// True for an intent whose license was granted before and goes on under another handle. A release of the new handle
/// would release the license that it replaces.
pub(crate) fn is_continuation(row: &LicenseRow) -> bool {
    row.state == LicenseState::Intended && row.kind == IntentKind::Continuation
}

/// Writes state and sub-state of an intent.
pub(super) fn set_intent(row: &mut LicenseRow, kind: IntentKind, outcome: IntentOutcome) {
    row.state = LicenseState::Intended;
    (row.kind, row.outcome, row.lease_until_ms) = (kind, outcome, None);
}

/// Ends an intent: its license is stored.
pub(super) fn set_stored(row: &mut LicenseRow) {
    row.state = LicenseState::Stored;
    (row.kind, row.outcome, row.last_error) = (IntentKind::New, IntentOutcome::InProgress, None);
}

/// Queues a release, to be tried from this time on.
pub(super) fn set_releasing(row: &mut LicenseRow, next_attempt_at_ms: i64) {
    row.state = LicenseState::Releasing;
    (row.kind, row.outcome, row.lease_until_ms) = (IntentKind::New, IntentOutcome::InProgress, None);
    row.next_attempt_at_ms = next_attempt_at_ms;
}

/// Records a failure, for people.
pub(super) fn set_error(row: &mut LicenseRow, error: Code) {
    row.last_error = Some(error.as_str().to_owned());
}
