//! `refresh` and `renew-all`: licenses and metadata anew.

use larder_core::Result;
use larder_core::assets::{Refresh as Change, RenewalResult};
use larder_core::model::AssetId;
use serde_json::json;

use crate::Answer;
use crate::args::{Refresh, RenewAll};
use crate::host::Host;
use crate::names;
use crate::output::{Output, error_object};
use crate::shapes::StatusShape;
use crate::source;

pub(super) fn refresh(args: &Refresh, host: &Host, output: &Output) -> Result<Answer> {
    let id = AssetId::new(args.id.as_str())?;
    let change = Change {
        source: args.source.as_ref().map(|path| source::read(path)).transpose()?,
        metadata: args.metadata.as_ref().map(|path| source::read_file("the metadata", path)).transpose()?,
    };
    let busy = output.busy("refreshing");
    host.change(|manager| manager.refresh(&id, change, host.interrupted()))?;
    drop(busy);
    // As it is after the old license was released.
    let status = host.manager().status(&id)?;
    let expires = names::expiry_sentence(status.expires, status.checked_at_ms);
    output.note(&format!("refreshed {id}: {expires}"));
    if status.pending_releases > 0 {
        output.note(&format!("  releases that wait for a server: {}", status.pending_releases));
    }
    output.data(&StatusShape::new(&status), |_| {})?;
    Ok(Answer::Yes)
}

/// One failure does not stop the rest, but shows in the exit status.
pub(super) fn renew_all(args: &RenewAll, host: &Host, output: &Output) -> Result<Answer> {
    let busy = output.busy("renewing");
    let renewals = host.change(|manager| manager.renew_all(args.within, host.interrupted()))?;
    drop(busy);
    for RenewalResult { asset_id, error } in &renewals {
        match error {
            None => output.note(&format!("renewed {asset_id}")),
            Some(error) => output.note(&format!("not renewed: {asset_id}: {error}")),
        }
    }
    if renewals.is_empty() {
        output.note(&format!("no license ends within {}", names::span(args.within)));
    }
    let shapes: Vec<_> = renewals
        .iter()
        .map(|RenewalResult { asset_id, error }| {
            json!({ "asset_id": asset_id.as_str(), "error": error.as_ref().map(error_object) })
        })
        .collect();
    output.data(&shapes, |_| {})?;
    // Each failure has been said where it belongs: with its asset.
    Ok(if renewals.iter().any(|renewal| renewal.error.is_some()) { Answer::Failed } else { Answer::Yes })
}
