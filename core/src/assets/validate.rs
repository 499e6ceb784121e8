//! Checks of the app's arguments, made before a flow reads or asks anything.

use crate::error::{Code, Error, Result};
use crate::model::{AssetRegistration, MediaSource};
use crate::registry::paths;
use crate::store::{AssetRow, StoredPath};

const MAX_METADATA_BYTES: usize = 1 << 20;
const MAX_ENTRY_ID_BYTES: usize = 1024;
const MAX_URL_BYTES: usize = 16 * 1024;

/// Checks a registration. Fails with `InvalidArgument` or `RelativePath`.
pub(super) fn check_registration(registration: &AssetRegistration) -> Result<()> {
    paths::check(&registration.path)?;
    if let Some(entry_id) = &registration.entry_id {
        check_text("entry id", entry_id, MAX_ENTRY_ID_BYTES)?;
        if entry_id.is_empty() {
            return Err(Error::new(Code::InvalidArgument, "the entry id is empty; leave it out to use the asset id"));
        }
    }
    check_metadata(registration.metadata.as_deref())?;
    check_source(&registration.source)
}

/// Checks the size of the app's metadata. Fails with `InvalidArgument`.
pub(super) fn check_metadata(metadata: Option<&[u8]>) -> Result<()> {
    if metadata.is_some_and(|bytes| bytes.len() > MAX_METADATA_BYTES) {
        return Err(Error::new(Code::InvalidArgument, "the metadata is larger than 1 MiB"));
    }
    Ok(())
}

/// Checks a media source. Fails with `InvalidArgument`.
pub(super) fn check_source(source: &MediaSource) -> Result<()> {
    check_text("source id", &source.id, MAX_ENTRY_ID_BYTES)?;
    check_text("source URL", &source.url, MAX_URL_BYTES)?;
    for params in &source.drm {
        // A URL is parsed only when it is about to be used: a source may carry schemes of other platforms.
        check_text("license URL", &params.license_url, MAX_URL_BYTES)?;
        check_text("certificate URL", params.certificate_url.as_deref().unwrap_or_default(), MAX_URL_BYTES)?;
    }
    Ok(())
}

/// Checks that an existing asset is registered for the media at `path`. Fails with `AssetExists`.
pub(super) fn check_same_media(existing: &AssetRow, path: &StoredPath) -> Result<()> {
    if existing.path.is_same_media(path) {
        return Ok(());
    }
    let message = format!("the id {} is registered for other media; unregister it first", existing.asset_id);
    Err(Error::new(Code::AssetExists, message))
}

fn check_text(what: &str, text: &str, max_bytes: usize) -> Result<()> {
    if text.len() > max_bytes || text.contains('\0') {
        let message = format!("the {what} is longer than {max_bytes} bytes or has a NUL character");
        return Err(Error::new(Code::InvalidArgument, message));
    }
    Ok(())
}
