//! The URL that a player is given, asked for at the start of every playback and never cached.

use crate::error::Result;
use crate::model::{SourceUrlMode, SourceUrlOrder};
use crate::ports::NetworkState;
use crate::registry::Registry;

/// Returns the URL to play for an entry; `None` keeps the current one.
pub(super) fn source_url(registry: &Registry, entry_id: &str, current_url: Option<&str>) -> Result<Option<String>> {
    match registry.source_urls.order() {
        SourceUrlOrder::RegistryFirst => match registry_url(registry, entry_id)? {
            Some(url) => Ok(Some(url)),
            None => Ok(registry.source_urls.ask_app(entry_id, current_url)),
        },
        SourceUrlOrder::AppFirst => match registry.source_urls.ask_app(entry_id, current_url) {
            Some(url) => Ok(Some(url)),
            None => registry_url(registry, entry_id),
        },
    }
}

/// Returns the local URL of a playable asset of the entry, if the mode lets the registry answer now.
fn registry_url(registry: &Registry, entry_id: &str) -> Result<Option<String>> {
    let answers = match registry.source_urls.mode() {
        SourceUrlMode::Off => false,
        SourceUrlMode::LocalAlways => true,
        SourceUrlMode::LocalWhenOffline => registry.network_state() == NetworkState::Offline,
    };
    if !answers {
        return Ok(None);
    }
    let now_ms = registry.now_ms();
    let view = registry.view()?;
    let url = view.assets_of_entry(entry_id).find(|asset| asset.is_playable(now_ms)).and_then(|asset| asset.url());
    Ok(url.map(str::to_owned))
}
