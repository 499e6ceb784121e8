//! The lookup that a player makes at every start: the local URL of an entry.

use std::collections::HashMap;
use std::error::Error;
use std::hint::black_box;

use larder_core::assets::{SourceUrlMode, SourceUrlOrder};
use larder_core::model::AssetId;

use crate::catalogue::{Catalogue, asset_id};
use crate::measure::{Turns, in_turns};
use crate::table::Table;

pub(crate) fn measure(catalogue: &Catalogue, table: &mut Table) -> Result<(), Box<dyn Error>> {
    let manager = catalogue.open()?;
    manager.set_source_url_mode(SourceUrlMode::LocalAlways, SourceUrlOrder::RegistryFirst)?;
    let entries: Vec<String> = (0..catalogue.size()).map(asset_id).collect();
    let ids = entries.iter().map(|id| AssetId::new(id.as_str())).collect::<Result<Vec<_>, _>>()?;
    let urls: HashMap<String, String> =
        entries.iter().map(|id| (id.clone(), format!("file:///data/downloads/films/{id}/manifest.mpd"))).collect();
    let turns = Turns { count: 400, calls: 500 };

    // In another order than they lie in memory.
    let mut next = stride(entries.len());
    let mut next_of_peer = stride(entries.len());
    let (url_ns, map_ns) = in_turns(
        &turns,
        || -> Result<(), larder_core::Error> {
            let entry = next().and_then(|at| entries.get(at)).map_or("", String::as_str);
            black_box(manager.source_url(entry, None)?);
            Ok(())
        },
        || {
            let entry = next_of_peer().and_then(|at| entries.get(at)).map_or("", String::as_str);
            black_box(urls.get(entry).cloned());
            Ok(())
        },
    )?;
    let peer = "HashMap::get and a copy of the URL";
    table.compared("source_url, one of 10,000 entries", url_ns, peer, map_ns, "<= 1 us");

    let mut next = stride(ids.len());
    let mut next_of_peer = stride(ids.len());
    let (asset_ns, map_ns) = in_turns(
        &turns,
        || -> Result<(), larder_core::Error> {
            if let Some(id) = next().and_then(|at| ids.get(at)) {
                black_box(manager.asset(id)?);
            }
            Ok(())
        },
        || {
            let entry = next_of_peer().and_then(|at| entries.get(at)).map_or("", String::as_str);
            black_box(urls.get(entry).cloned());
            Ok(())
        },
    )?;
    table.compared("asset, one of 10,000", asset_ns, peer, map_ns, "<= 1 us");
    Ok(())
}

/// Positions in a fixed order that jumps.
fn stride(length: usize) -> impl FnMut() -> Option<usize> {
    let mut at = 0_usize;
    move || {
        at = (at + 7919).checked_rem(length)?;
        Some(at)
    }
}
