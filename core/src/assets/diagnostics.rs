//! Facts for support, redacted: versions, counts, states, codes. No key, handle, token, URL or path.

use super::status;
use crate::error::Result;
use crate::model::LicenseState;
use crate::registry::Registry;
use crate::store::Notice;

/// Returns one JSON object.
pub(super) fn diagnostics(registry: &Registry) -> Result<String> {
    let rows = registry.store().read(|tx| tx.licenses_in(&LicenseState::ALL))?;
    let licenses: Vec<_> = rows
        .iter()
        .map(|row| {
            serde_json::json!({
                "license_id": row.license_id.as_str(),
                "scheme": row.request.scheme.as_str(),
                "state": row.state.as_str(),
                "wire": row.params.wire,
                "renewal": row.params.renewal,
                "requested_keys": row.request.key_ids.len(),
                "release_attempts": row.release_attempts,
                "last_error": row.last_error,
            })
        })
        .collect();
    let statuses = status::statuses(registry)?;
    let assets: Vec<_> = statuses
        .iter()
        .map(|status| {
            serde_json::json!({
                "why": format!("{:?}", status.why),
                "format": status.format.map(|format| format.as_str()),
                "licenses": status.licenses.len(),
                "warnings": status.warnings.iter().map(|warning| format!("{warning:?}")).collect::<Vec<_>>(),
            })
        })
        .collect();
    let conditions = registry.conditions();
    let schemes: Vec<_> = registry.licensing.schemes().iter().map(|scheme| scheme.as_str()).collect();
    Ok(serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"),
        "store": {
            "is_read_only": registry.store().is_read_only(),
            "notice": registry.notice().map(Notice::code).map(|code| code.as_str()),
        },
        "network": {
            "state": format!("{:?}", conditions.network),
            "is_metered": conditions.is_metered,
            "is_roaming": conditions.is_roaming,
            "requests_made": registry.requests_made(),
        },
        "device": {
            "is_charging": conditions.is_charging,
            "battery_percent": conditions.battery_percent,
            "is_storage_low": conditions.is_storage_low,
        },
        "engines": schemes,
        "registered": statuses.len(),
        "assets": assets,
        "licenses": licenses,
    })
    .to_string())
}
