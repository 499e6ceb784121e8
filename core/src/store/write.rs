//! Writing rows.

use std::ops::Deref;

use rusqlite::{OptionalExtension as _, named_params, params};

use super::encoding::{self, Coded};
use super::failure;
use super::packed;
use super::read::ReadTx;
use super::rows::{AssetRow, ClockMark, LicenseRow};
use crate::error::{Code, Error, Result};
use crate::model::{AssetId, LicenseId, LicenseState, Profile};

/// One step that changes the store: all of it is durable when [`Store::write`](super::Store::write) returns, or none.
#[derive(Debug)]
pub struct WriteTx<'a> {
    read: ReadTx<'a>,
    session: Option<&'a str>,
}

impl<'a> Deref for WriteTx<'a> {
    type Target = ReadTx<'a>;

    fn deref(&self) -> &ReadTx<'a> {
        &self.read
    }
}

impl<'a> WriteTx<'a> {
    pub(super) fn new(read: ReadTx<'a>, session: Option<&'a str>) -> Self {
        Self { read, session }
    }

    /// Adds an asset. [`Code::AssetExists`] if the profile has one of this id.
    pub fn insert_asset(&self, row: &AssetRow) -> Result<()> {
        if self.asset_key(&row.profile, &row.asset_id)?.is_some() {
            if self.asset(&row.profile, &row.asset_id)?.is_some() {
                return Err(Error::new(Code::AssetExists, format!("the asset {} is registered already", row.asset_id)));
            }
            // A row that is not understood is as good as absent, for this too.
            self.delete_asset(&row.profile, &row.asset_id)?;
        }
        let id = self.put_asset_row(None, row)?;
        self.put_asset_details(id, row)
    }

    /// Replaces an asset, found by its profile and id. [`Code::AssetNotFound`] if there is none.
    pub fn update_asset(&self, row: &AssetRow) -> Result<()> {
        let Some(id) = self.asset_key(&row.profile, &row.asset_id)? else {
            return Err(Error::new(Code::AssetNotFound, format!("no asset {} is registered", row.asset_id)));
        };
        self.put_asset_row(Some(id), row)?;
        self.put_asset_details(id, row)
    }

    /// Removes an asset, not its licenses. True if it was there.
    pub fn delete_asset(&self, profile: &Profile, asset_id: &AssetId) -> Result<bool> {
        let fail = failure::sqlite("did not remove an asset");
        let Some(id) = self.asset_key(profile, asset_id)? else { return Ok(false) };
        self.conn().execute("DELETE FROM asset_details WHERE id = ?1", [id]).map_err(&fail)?;
        self.conn().execute("DELETE FROM assets WHERE id = ?1", [id]).map_err(&fail)?;
        Ok(true)
    }

    /// Adds a license.
    pub fn insert_license(&self, row: &LicenseRow) -> Result<()> {
        self.put_license(None, row)
    }

    /// Replaces a license, found by its id. [`Code::Internal`] if there is none: the ledger never loses one.
    pub fn update_license(&self, row: &LicenseRow) -> Result<()> {
        let id = self.license_key(&row.license_id)?.ok_or_else(no_such_license)?;
        self.put_license(Some(id), row)
    }

    /// Moves a license to another state. [`Code::Internal`] if there is none: the ledger never loses one.
    pub fn set_license_state(&self, license_id: &LicenseId, state: LicenseState) -> Result<()> {
        let changed = self
            .conn()
            .execute(
                "UPDATE licenses SET state = ?2, written_by = ?3 WHERE license_id = ?1",
                params![license_id.as_str(), state.encode(), self.session],
            )
            .map_err(failure::sqlite("did not change a license"))?;
        if changed == 1 { Ok(()) } else { Err(no_such_license()) }
    }

    /// Removes a license. True if it was there.
    pub fn delete_license(&self, license_id: &LicenseId) -> Result<bool> {
        let fail = failure::sqlite("did not remove a license");
        let Some(id) = self.license_key(license_id)? else { return Ok(false) };
        self.conn().execute("DELETE FROM license_details WHERE id = ?1", [id]).map_err(&fail)?;
        self.conn().execute("DELETE FROM licenses WHERE id = ?1", [id]).map_err(&fail)?;
        Ok(true)
    }

    /// Keeps the clock as it is seen now.
    pub fn set_clock_mark(&self, mark: &ClockMark) -> Result<()> {
        self.conn()
            .execute(
                "INSERT OR REPLACE INTO clock_mark (id, wall_ms, since_boot_ms, boot_id, rollback_suspected)
                 VALUES (1, ?1, ?2, ?3, ?4)",
                params![mark.wall_ms, mark.since_boot_ms, mark.boot_id, mark.rollback_suspected],
            )
            .map_err(failure::sqlite("did not take the clock mark"))?;
        Ok(())
    }

    /// Makes this session the one that works on an asset.
    pub(super) fn adopt_asset(&self, profile: &Profile, asset_id: &AssetId) -> Result<()> {
        self.adopt(
            "UPDATE assets SET written_by = ?1 WHERE profile = ?2 AND asset_id = ?3",
            params![self.session, profile.as_str(), asset_id.as_str()],
        )
    }

    /// Makes this session the one that works on a license.
    pub(super) fn adopt_license(&self, license_id: &LicenseId) -> Result<()> {
        self.adopt(
            "UPDATE licenses SET written_by = ?1 WHERE license_id = ?2",
            params![self.session, license_id.as_str()],
        )
    }

    fn adopt(&self, sql: &str, values: &[&dyn rusqlite::ToSql]) -> Result<()> {
        self.conn().execute(sql, values).map_err(failure::sqlite("did not change a row"))?;
        Ok(())
    }

    /// Inserts the narrow row of an asset, or replaces the one with this key. Returns the key.
    fn put_asset_row(&self, id: Option<i64>, row: &AssetRow) -> Result<i64> {
        let sql = match id {
            None => {
                "INSERT INTO assets (id, profile, asset_id, state, summary, written_by)
                 VALUES (:id, :profile, :asset_id, :state, :summary, :written_by)"
            }
            Some(_) => {
                "UPDATE assets SET profile = :profile, asset_id = :asset_id, state = :state, summary = :summary,
                 written_by = :written_by WHERE id = :id"
            }
        };
        let values = named_params! {
            ":id": id,
            ":profile": row.profile.as_str(),
            ":asset_id": row.asset_id.as_str(),
            ":state": row.state.encode(),
            ":summary": packed::asset(row),
            ":written_by": self.session,
        };
        self.conn().execute(sql, values).map_err(failure::sqlite("did not take an asset"))?;
        Ok(id.unwrap_or_else(|| self.conn().last_insert_rowid()))
    }

    fn put_asset_details(&self, id: i64, row: &AssetRow) -> Result<()> {
        self.conn()
            .execute(
                "INSERT OR REPLACE INTO asset_details (id, source, required_keys, metadata) VALUES (?1, ?2, ?3, ?4)",
                params![id, encoding::source(&row.source)?, encoding::required_keys(&row.required_keys)?, row.metadata],
            )
            .map_err(failure::sqlite("did not take an asset"))?;
        Ok(())
    }

    /// Inserts a license, or replaces the one with this key.
    fn put_license(&self, id: Option<i64>, row: &LicenseRow) -> Result<()> {
        let sql = match id {
            None => {
                "INSERT INTO licenses (id, license_id, profile, asset_id, state, summary, written_by)
                 VALUES (:id, :license_id, :profile, :asset_id, :state, :summary, :written_by)"
            }
            Some(_) => {
                "UPDATE licenses SET license_id = :license_id, profile = :profile, asset_id = :asset_id,
                 state = :state, summary = :summary, written_by = :written_by WHERE id = :id"
            }
        };
        let values = named_params! {
            ":id": id,
            ":license_id": row.license_id.as_str(),
            ":profile": row.profile.as_str(),
            ":asset_id": row.asset_id.as_str(),
            ":state": row.state.encode(),
            ":summary": packed::license(row),
            ":written_by": self.session,
        };
        self.conn().execute(sql, values).map_err(failure::sqlite("did not take a license"))?;
        self.put_license_details(id.unwrap_or_else(|| self.conn().last_insert_rowid()), row)
    }

    fn put_license_details(&self, id: i64, row: &LicenseRow) -> Result<()> {
        self.conn()
            .execute(
                "INSERT OR REPLACE INTO license_details (id, init_data, mime, certificate, security_level, params,
                 handle_digest, held_before, replaces, key_ids, release_attempts, next_attempt_at_ms, last_error,
                 acquired_level, kind, outcome, lease_until_ms)
                 VALUES (:id, :init_data, :mime, :certificate, :security_level, :params, :handle_digest, :held_before,
                 :replaces, :key_ids, :release_attempts, :next_attempt_at_ms, :last_error, :acquired_level, :kind, :outcome,
                 :lease_until_ms)",
                named_params! {
                    ":id": id,
                    ":init_data": row.request.init_data,
                    ":mime": row.request.mime,
                    ":certificate": row.request.certificate,
                    ":security_level": row.request.security_level.encode(),
                    ":params": encoding::params(&row.params)?,
                    ":handle_digest": row.handle_digest.map(|digest| digest.0),
                    ":held_before": row.held_before.as_deref().map(encoding::digests),
                    ":replaces": row.replaces.as_ref().map(LicenseId::as_str),
                    ":key_ids": row.key_ids.as_deref().map(encoding::key_ids),
                    ":release_attempts": row.release_attempts,
                    ":next_attempt_at_ms": row.next_attempt_at_ms,
                    ":last_error": row.last_error,
                    ":acquired_level": row.acquired_level,
                    ":kind": row.kind.encode(),
                    ":outcome": row.outcome.encode(),
                    ":lease_until_ms": row.lease_until_ms,
                },
            )
            .map_err(failure::sqlite("did not take a license"))?;
        Ok(())
    }

    fn asset_key(&self, profile: &Profile, asset_id: &AssetId) -> Result<Option<i64>> {
        let values = params![profile.as_str(), asset_id.as_str()];
        self.key("SELECT id FROM assets WHERE profile = ?1 AND asset_id = ?2", values)
    }

    fn license_key(&self, license_id: &LicenseId) -> Result<Option<i64>> {
        self.key("SELECT id FROM licenses WHERE license_id = ?1", params![license_id.as_str()])
    }

    fn key(&self, sql: &str, values: &[&dyn rusqlite::ToSql]) -> Result<Option<i64>> {
        self.conn().query_row(sql, values, |row| row.get(0)).optional().map_err(failure::sqlite("did not find a row"))
    }
}

fn no_such_license() -> Error {
    Error::new(Code::Internal, "the ledger has no such license")
}
