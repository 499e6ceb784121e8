//! Steps of the ledger that belong into somebody's transaction.

use crate::error::Result;
use crate::model::LicenseState;
use crate::store::{LicenseRow, WriteTx};

/// What becomes of the license that another one takes the place of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Predecessor {
    /// It goes back to its server.
    IsReleased,
    /// It lives on under the new handle: releasing the old one would release the new one. Only its record goes.
    LivesOn,
}

/// Makes a stored license the one that players use, and ends the one it replaces.
///
/// A predecessor with the same handle is never released.
pub(crate) fn activate(tx: &WriteTx<'_>, row: &LicenseRow, predecessor: Predecessor) -> Result<()> {
    tx.set_license_state(&row.license_id, LicenseState::Active)?;
    let Some(old_id) = &row.replaces else { return Ok(()) };
    let Some(old) = tx.license(old_id)? else { return Ok(()) };
    if !matches!(old.state, LicenseState::Active | LicenseState::Superseded) {
        return Ok(());
    }
    let is_same = old.handle_digest.is_some() && old.handle_digest == row.handle_digest;
    let lives_on = is_same || predecessor == Predecessor::LivesOn;
    tx.set_license_state(old_id, if lives_on { LicenseState::Forgotten } else { LicenseState::Superseded })
}
