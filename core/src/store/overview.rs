//! Reads across tables.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::failure;
use super::tables::DUMPS;
use super::tables::assets::AssetSummary;
use super::transaction::ReadTx;
use crate::error::Result;
use crate::model::Profile;

const SELECT_PROFILES: &str = "SELECT profile FROM assets UNION SELECT profile FROM licenses";

impl ReadTx<'_> {
    /// Returns the summary of every asset of a profile, in the order of registration.
    pub fn summaries(&self, profile: &Profile) -> Result<Vec<AssetSummary>> {
        let mut summaries = self.asset_summaries(profile)?;
        let mut positions = Positions::default();
        self.each_license_summary(profile, |asset_id, license| {
            if let Some(summary) = positions.find(&mut summaries, asset_id) {
                summary.add_license(license);
            }
        })?;
        Ok(summaries)
    }

    /// Returns every profile that has an asset or a license.
    pub fn profiles(&self) -> Result<BTreeSet<Profile>> {
        let profiles = self.rows("profiles", SELECT_PROFILES, [], |columns| Profile::new(columns.text()?).ok());
        Ok(profiles.map_err(failure::sqlite("reading the profiles from the database"))?.into_iter().collect())
    }

    /// Returns every row of every table as JSON for people, each with the name of its table. The `summary` columns are
    /// unpacked. Without secrets: of a URL the host, of a BLOB the length, of a digest the beginning.
    pub fn dump(&self) -> Result<Vec<(&'static str, Value)>> {
        let mut rows = Vec::new();
        for (table, dump) in DUMPS {
            rows.extend(dump(self)?.into_iter().map(|row| (table, row)));
        }
        Ok(rows)
    }
}

/// Finds the asset of each license in the list of assets.
#[derive(Default)]
struct Positions {
    /// The position of the last asset. Most licenses are in the order of their assets, so that the next asset is the
    /// same or the next one.
    last: usize,
    /// Built for the first license out of that order.
    by_id: Option<HashMap<String, usize>>,
}

impl Positions {
    fn find<'s>(&mut self, summaries: &'s mut [AssetSummary], asset_id: &str) -> Option<&'s mut AssetSummary> {
        let is_at = |at: usize| summaries.get(at).is_some_and(|summary| summary.asset_id.as_str() == asset_id);
        let near = [self.last, self.last + 1].into_iter().find(|at| is_at(*at));
        let at = match near {
            Some(at) => at,
            None => {
                let named = |(at, summary): (usize, &AssetSummary)| (summary.asset_id.as_str().to_owned(), at);
                *self.by_id.get_or_insert_with(|| summaries.iter().enumerate().map(named).collect()).get(asset_id)?
            }
        };
        self.last = at;
        summaries.get_mut(at)
    }
}
