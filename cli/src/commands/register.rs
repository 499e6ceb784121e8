//! `register`: media that lies here becomes playable without a network.

use larder_core::Result;
use larder_core::model::{AssetId, AssetRegistration, MediaSource};

use crate::Answer;
use crate::args::Register;
use crate::host::Host;
use crate::names;
use crate::output::Output;
use crate::paths::absolute;
use crate::shapes::StatusShape;
use crate::source;

pub(super) fn register(args: &Register, host: &Host, output: &Output) -> Result<Answer> {
    let registration = AssetRegistration {
        asset_id: AssetId::new(args.id.as_str())?,
        entry_id: args.entry.clone(),
        path: absolute(&args.path)?,
        source: match &args.source {
            Some(path) => source::read(path)?,
            None => MediaSource::default(),
        },
        metadata: args.metadata.as_ref().map(|path| source::read_file("the metadata", path)).transpose()?,
    };
    let busy = output.busy("registering");
    let status = host.change(|manager| manager.register(registration, host.interrupted()))?;
    drop(busy);
    let licenses = match status.licenses.len() {
        0 => "no license needed".to_owned(),
        1 => "1 license".to_owned(),
        count => format!("{count} licenses"),
    };
    let expires = names::expiry_sentence(status.expires, status.checked_at_ms);
    output.note(&format!("registered {}: {licenses}, {expires}", status.asset_id));
    for warning in &status.warnings {
        output.note(&format!("  warning: {}", names::warning_sentence(*warning)));
    }
    output.data(&StatusShape::new(&status), |_| {})?;
    Ok(Answer::Yes)
}
