//! `init-data`: what media asks for.

use std::fmt::Write as _;

use larder_core::manifest;
use larder_core::model::InitData as Found;
use larder_core::{Code, Error, Result};

use crate::Answer;
use crate::args::InitData;
use crate::output::Output;
use crate::paths::absolute;
use crate::shapes::InitDataShape;

pub(super) fn init_data(args: &InitData, output: &Output) -> Result<Answer> {
    let media = manifest::find(&absolute(&args.path)?)?;
    let protection = manifest::inspect(&media)?;
    for issue in &protection.issues {
        output.note(&format!("larder: {issue}"));
    }
    if protection.is_protected && protection.init_data.is_empty() {
        let message = "the media is protected, but neither manifest nor media says how to ask for a license";
        return Err(Error::new(Code::InitDataMissing, message));
    }
    if protection.init_data.is_empty() {
        output.note("no license is needed");
    }
    let shapes: Vec<_> = protection.init_data.iter().map(InitDataShape::new).collect();
    output.data(&shapes, |lines| protection.init_data.iter().for_each(|found| describe(found, lines)))?;
    Ok(Answer::Yes)
}

fn describe(found: &Found, lines: &mut String) {
    let scheme = found.scheme.map_or("unknown key system", |scheme| scheme.as_str());
    let _ = match &found.pssh {
        Some(pssh) => writeln!(lines, "{scheme}: a PSSH box of {} bytes", pssh.len()),
        None => writeln!(lines, "{scheme}"),
    };
    if let Some(uri) = &found.uri {
        let _ = writeln!(lines, "  uri {uri:?}");
    }
    for key_id in &found.key_ids {
        let _ = writeln!(lines, "  key {key_id}");
    }
    for track in &found.tracks {
        let _ = writeln!(lines, "  for {} {:?}", track.kind.as_str(), track.name);
    }
    if found.tracks.is_empty() {
        let _ = writeln!(lines, "  for all tracks");
    }
}
