//! Facts for support, redacted: versions, counts, states, codes. No key, handle, token, URL or path.

use crate::error::Result;
use crate::model::LicenseState;
use crate::registry::Registry;
use crate::store::Notice;

impl Registry {
    /// As JSON, one object.
    pub(crate) fn diagnostics(&self) -> Result<String> {
        let rows = self.store().read(|tx| tx.licenses_in(&LicenseState::ALL))?;
        let licenses: Vec<_> = rows
            .iter()
            .map(|row| {
                serde_json::json!({
                    "license_id": row.license_id.as_str(),
                    "scheme": row.request.scheme.as_str(),
                    "state": row.state.as_str(),
                    "wire": row.params.wire,
                    "renewal": row.params.renewal,
                    "keys_asked_for": row.request.key_ids.len(),
                    "release_attempts": row.release_attempts,
                    "last_error": row.last_error,
                })
            })
            .collect();
        let statuses = self.statuses()?;
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
        let conditions = self.conditions();
        let schemes: Vec<_> = self.licensing.engines.schemes().iter().map(|scheme| scheme.as_str()).collect();
        Ok(serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"),
            "store": {
                "is_read_only": self.store().is_read_only(),
                "notice": self.notice().map(Notice::code).map(|code| code.as_str()),
            },
            "network": {
                "state": format!("{:?}", conditions.network),
                "is_metered": conditions.is_metered,
                "is_roaming": conditions.is_roaming,
                "requests_made": self.requests_made(),
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
}
