//! Taking over what a process left behind when it died.

use super::rows::LicenseRow;
use super::session::Sessions;
use super::{ReadTx, Store};
use crate::error::Result;
use crate::model::{AssetId, LicenseId, LicenseState, Profile};

/// Work that was begun and that nobody does any more. It belongs to the store that was given it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Abandoned {
    /// Licences in the states intended and stored, oldest first.
    pub licenses: Vec<LicenseRow>,
    /// Assets in the state registering, oldest first.
    pub assets: Vec<(Profile, AssetId)>,
}

impl Store {
    /// Takes over the unfinished work of stores that were closed or killed. Each piece is given to one caller, once:
    /// what another process is doing at this moment is not touched, nor is what this store itself is doing.
    pub fn adopt_abandoned(&self) -> Result<Abandoned> {
        if self.is_read_only() || self.read(|tx| self.abandoned(tx))?.is_empty() {
            return Ok(Abandoned::default());
        }
        self.write(|tx| {
            let Found { licenses, assets } = self.abandoned(tx)?;
            licenses.iter().try_for_each(|id| tx.adopt_license(id))?;
            assets.iter().try_for_each(|(profile, id)| tx.adopt_asset(profile, id))?;
            let mut rows = tx.licenses_in(&[LicenseState::Intended, LicenseState::Stored])?;
            rows.retain(|row| licenses.contains(&row.license_id));
            Ok(Abandoned { licenses: rows, assets })
        })
    }

    fn abandoned(&self, tx: &ReadTx<'_>) -> Result<Found> {
        let unfinished = tx.unfinished()?;
        let mut sessions = Sessions::of(&self.dir);
        let mut is_dead = |session: &Option<String>| !sessions.is_live(session.as_deref());
        Ok(Found {
            licenses: unfinished.licenses.into_iter().filter(|(_, by)| is_dead(by)).map(|(id, _)| id).collect(),
            assets: unfinished.assets.into_iter().filter(|(_, by)| is_dead(by)).map(|(id, _)| id).collect(),
        })
    }
}

struct Found {
    licenses: Vec<LicenseId>,
    assets: Vec<(Profile, AssetId)>,
}

impl Found {
    fn is_empty(&self) -> bool {
        self.licenses.is_empty() && self.assets.is_empty()
    }
}
