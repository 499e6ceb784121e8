//! Questions about what is registered. None of them uses the network.

use std::fmt::Write as _;

use larder_core::Result;
use larder_core::assets::{AssetInfo, SourceUrlMode, SourceUrlOrder, Verify};
use larder_core::model::{AssetId, AssetStatus};

use crate::Answer;
use crate::args::{Asset, List, Prefer, Status, Url};
use crate::host::Host;
use crate::names;
use crate::output::Output;
use crate::paths::absolute;
use crate::shapes::{AssetShape, MetadataShape, StatusShape, UrlShape};

pub(super) fn status(args: &Status, host: &Host, output: &Output) -> Result<Answer> {
    let verify = Verify { media: true, licenses: true };
    let ask = |id: &AssetId| {
        if args.verify { host.manager().verify_asset(id, verify) } else { host.manager().status(id) }
    };
    if let Some(id) = &args.id {
        let status = ask(&AssetId::new(id.as_str())?)?;
        output.data(&StatusShape::new(&status), |lines| describe(&status, lines))?;
        return Ok(Answer::yes_if(status.is_playable));
    }
    let mut all = host.manager().statuses()?;
    if args.verify {
        all = all.iter().map(|status| ask(&status.asset_id)).collect::<Result<_>>()?;
    }
    let shapes: Vec<_> = all.iter().map(StatusShape::new).collect();
    output.data(&shapes, |lines| all.iter().for_each(|status| describe(status, lines)))?;
    Ok(Answer::yes_if(all.iter().all(|status| status.is_playable)))
}

/// One asset for people: the answer first, then what it rests on.
fn describe(status: &AssetStatus, lines: &mut String) {
    let now_ms = status.checked_at_ms;
    let answer = if status.is_playable { "playable" } else { names::why(status.why) };
    let expires = names::expiry_sentence(status.expires, now_ms);
    let _ = match status.is_registered {
        true => writeln!(lines, "{}: {answer}, {expires}", status.asset_id),
        false => writeln!(lines, "{}: {answer}", status.asset_id),
    };
    if !status.is_playable {
        let _ = writeln!(lines, "  {}", status.message);
        let _ = writeln!(lines, "  remedy: {}", names::remedy_sentence(status.remedy));
    }
    for license in &status.licenses {
        let expires = names::expiry_sentence(license.expires, now_ms);
        let keys = license.key_ids.len();
        let _ = writeln!(
            lines,
            "  license {}: {}, {}, keys: {keys}, {expires}",
            license.license_id,
            license.scheme,
            license.state.as_str()
        );
    }
    if let Some(window_seconds) = status.playback_window_seconds {
        let _ = writeln!(lines, "  plays for {} after the first start", names::span(window_seconds));
    }
    for warning in &status.warnings {
        let _ = writeln!(lines, "  warning: {}", names::warning_sentence(*warning));
    }
    if status.pending_releases > 0 {
        let _ = writeln!(lines, "  releases that wait for a server: {}", status.pending_releases);
    }
}

pub(super) fn list(args: &List, host: &Host, output: &Output) -> Result<Answer> {
    let manager = host.manager();
    let assets = match (&args.entry, &args.path) {
        (Some(entry), _) => manager.assets_of_entry(entry)?,
        (None, Some(path)) => manager.asset_at(&absolute(path)?)?.into_iter().collect(),
        (None, None) => manager.assets()?,
    };
    let shapes: Vec<_> = assets.iter().map(AssetShape::new).collect();
    output.data(&shapes, |lines| assets.iter().for_each(|asset| list_line(asset, lines)))?;
    Ok(Answer::Yes)
}

fn list_line(asset: &AssetInfo, lines: &mut String) {
    let protection = if asset.is_protected { "protected" } else { "clear" };
    let path = asset.path.to_string_lossy();
    let _ = writeln!(lines, "{}\t{}\t{protection}\t{path:?}", asset.asset_id, asset.format);
}

pub(super) fn url(args: &Url, is_offline: bool, host: &Host, output: &Output) -> Result<Answer> {
    let manager = host.manager();
    // The manager is opened offline for a question; whether the user is, is said by --offline.
    let mode = match args.prefer_local {
        Prefer::Always => SourceUrlMode::LocalAlways,
        Prefer::WhenOffline if is_offline => SourceUrlMode::LocalWhenOffline,
        Prefer::WhenOffline => SourceUrlMode::Off,
    };
    manager.set_source_url_mode(mode, SourceUrlOrder::RegistryFirst)?;
    let mut local = manager.source_url(&args.id, args.current.as_deref())?;
    if local.is_none() && manager.assets_of_entry(&args.id)?.is_empty() && !args.id.is_empty() {
        // Not an entry: perhaps an asset of another entry.
        if let Some(asset) = manager.asset(&AssetId::new(args.id.as_str())?)? {
            local = manager.source_url(&asset.entry_id, args.current.as_deref())?;
        }
    }
    let is_local = local.is_some();
    let url = local.or_else(|| args.current.clone());
    output.data(&UrlShape { url: url.clone(), is_local }, |lines| {
        if let Some(url) = &url {
            let _ = writeln!(lines, "{url}");
        }
    })?;
    if url.is_none() {
        output.note("larder: no local copy can be played; `larder status` says why");
    }
    Ok(Answer::yes_if(url.is_some()))
}

pub(super) fn played(args: &Asset, host: &Host, output: &Output) -> Result<Answer> {
    let id = AssetId::new(args.id.as_str())?;
    host.manager().playback_started(&id, host.now_ms())?;
    let status = host.manager().status(&id)?;
    output.data(&StatusShape::new(&status), |lines| describe(&status, lines))?;
    Ok(Answer::Yes)
}

pub(super) fn metadata(args: &Asset, host: &Host, output: &Output) -> Result<Answer> {
    let id = AssetId::new(args.id.as_str())?;
    let metadata = host.manager().metadata(&id)?;
    output.data_or_bytes(&MetadataShape::new(&id, metadata.as_deref()), metadata.as_deref().unwrap_or_default())?;
    if metadata.is_none() {
        output.note(&format!("larder: nothing was stored with {id}"));
    }
    Ok(Answer::yes_if(metadata.is_some()))
}
