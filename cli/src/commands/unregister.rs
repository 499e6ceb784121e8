//! `unregister` and `reconcile`: licenses go back.

use std::fmt::Write as _;

use larder_core::Result;
use larder_core::assets::LocalAssetsManager;
use larder_core::model::AssetId;
use serde_json::json;

use crate::Answer;
use crate::args::Unregister;
use crate::host::Host;
use crate::output::Output;
use crate::shapes::{ReconcileReportShape, UnregisteredShape};

pub(super) fn unregister(args: &Unregister, host: &Host, output: &Output) -> Result<Answer> {
    let busy = output.busy("unregistering");
    let Some(id) = &args.id else {
        let removed = host.change(LocalAssetsManager::remove_all)?;
        drop(busy);
        output.note(&format!("unregistered {removed} assets"));
        output.data(&json!({ "removed": removed }), |_| {})?;
        return Ok(Answer::Yes);
    };
    let id = AssetId::new(id.as_str())?;
    let mut done = host.change(|manager| manager.unregister(&id))?;
    done.pending_releases = host.manager().status(&id)?.pending_releases;
    drop(busy);
    match (done.was_registered, done.pending_releases) {
        (false, _) => output.note(&format!("{id} was not registered")),
        (true, 0) => output.note(&format!("unregistered {id}")),
        (true, waiting) => {
            output.note(&format!(
                "unregistered {id}; releases that wait for a server: {waiting} (`larder reconcile` sends them)"
            ));
        }
    }
    output.data(&UnregisteredShape::new(done), |_| {})?;
    Ok(Answer::yes_if(done.was_registered))
}

pub(super) fn reconcile(host: &Host, output: &Output) -> Result<Answer> {
    let busy = output.busy("reconciling");
    let done = host.manager().reconcile()?;
    drop(busy);
    output.data(&ReconcileReportShape::new(done), |lines| {
        let _ =
            writeln!(lines, "released {}, forgotten {}, still waiting {}", done.released, done.forgotten, done.pending);
        if done.foreign > 0 {
            let _ = writeln!(lines, "licenses of others, left alone: {}", done.foreign);
        }
    })?;
    Ok(Answer::yes_if(done.pending == 0))
}
