//! Reading rows.

use std::collections::{BTreeSet, HashMap};

use rusqlite::{Connection, OptionalExtension as _, Row, params, params_from_iter};

use super::encoding::{self, Coded};
use super::failure;
use super::packed;
use super::rows::{AssetRow, AssetState, AssetSummary, ClockMark, LicenseRow, LicenseSummary};
use super::schema;
use crate::error::Result;
use crate::model::license::HandleDigest;
use crate::model::{AssetId, KeyRequest, LicenseId, LicenseState, Profile};

/// A consistent view of the store. Steps that read take it; do not call the [`Store`](super::Store) within one.
///
/// A row that this Larder cannot understand (a damaged value, a newer enumeration) is as good as absent: it is left out,
/// with a line in the log, so that one bad row does not take the others with it.
#[derive(Debug)]
pub struct ReadTx<'a> {
    conn: &'a Connection,
}

impl<'a> ReadTx<'a> {
    pub(super) fn new(conn: &'a Connection) -> Self {
        Self { conn }
    }

    pub(super) fn conn(&self) -> &'a Connection {
        self.conn
    }

    /// One asset with all that is known of it.
    pub fn asset(&self, profile: &Profile, asset_id: &AssetId) -> Result<Option<AssetRow>> {
        let row = self
            .conn
            .query_row(
                &format!("{SELECT_ASSET} WHERE a.profile = ?1 AND a.asset_id = ?2"),
                params![profile.as_str(), asset_id.as_str()],
                |row| Ok(decode_asset(row)),
            )
            .optional()
            .map_err(failure::sqlite("did not give an asset"))?;
        Ok(row.and_then(|row| understood("asset", row)))
    }

    /// Every asset of a profile, light, in the order of registration.
    pub fn summaries(&self, profile: &Profile) -> Result<Vec<AssetSummary>> {
        let mut summaries = self.asset_summaries(profile)?;
        let mut places = Places::default();
        self.each_license(profile, |asset_id, license| {
            let Some(summary) = places.find(&mut summaries, asset_id) else { return };
            match license.state {
                LicenseState::Intended | LicenseState::Stored | LicenseState::Active => {
                    // Most have one; room for four each would be half of the snapshot.
                    summary.licenses.reserve_exact(1);
                    summary.licenses.push(license);
                }
                LicenseState::Superseded
                | LicenseState::Releasing
                | LicenseState::Released
                | LicenseState::Forgotten => {}
            }
        })?;
        Ok(summaries)
    }

    /// How many licenses are superseded or wait for their release, by asset id, whether that is registered or not.
    pub fn pending_releases(&self, profile: &Profile) -> Result<HashMap<AssetId, u32>> {
        let fail = failure::sqlite("did not give the pending releases");
        let mut statement = self
            .conn
            .prepare(
                // +profile: few licenses are in these states, so by the state they are found at once. For its grouping
                // SQLite would rather walk through the index on (profile, asset_id), all of it.
                "SELECT asset_id, count(*) FROM licenses WHERE +profile = ?1 AND state IN (?2, ?3) GROUP BY asset_id",
            )
            .map_err(&fail)?;
        let states = [LicenseState::Superseded.encode(), LicenseState::Releasing.encode()];
        let mut rows = statement.query(params![profile.as_str(), states[0], states[1]]).map_err(&fail)?;
        let mut pending = HashMap::new();
        while let Some(row) = rows.next().map_err(&fail)? {
            if let Some((id, count)) = understood("license", decode_count(row)) {
                pending.insert(id, count);
            }
        }
        Ok(pending)
    }

    /// The licenses of one asset id, in any state, oldest first; also those of an earlier registration.
    pub fn licenses_of(&self, profile: &Profile, asset_id: &AssetId) -> Result<Vec<LicenseRow>> {
        self.licenses("WHERE l.profile = ? AND l.asset_id = ?", &[profile.as_str(), asset_id.as_str()])
    }

    /// One license.
    pub fn license(&self, license_id: &LicenseId) -> Result<Option<LicenseRow>> {
        Ok(self.licenses("WHERE l.license_id = ?", &[license_id.as_str()])?.pop())
    }

    /// The licenses in these states, of all profiles, oldest first.
    pub fn licenses_in(&self, states: &[LicenseState]) -> Result<Vec<LicenseRow>> {
        let marks = vec!["?"; states.len()].join(", ");
        let numbers: Vec<u8> = states.iter().map(|state| state.encode()).collect();
        self.licenses(&format!("WHERE l.state IN ({marks})"), &numbers)
    }

    /// True if another license, of whatever asset and profile, is in use under the same handle: two that were imported
    /// may share one.
    pub fn is_handle_in_use_elsewhere(&self, license: &LicenseRow) -> Result<bool> {
        let Some(digest) = license.handle_digest else { return Ok(false) };
        self.conn
            .query_row(
                "SELECT EXISTS (SELECT 1 FROM license_details d JOIN licenses l USING (id)
                 WHERE d.handle_digest = ?1 AND l.license_id <> ?2 AND l.state IN (?3, ?4))",
                (digest.0, license.license_id.as_str(), LicenseState::Stored.encode(), LicenseState::Active.encode()),
                |row| row.get(0),
            )
            .map_err(failure::sqlite("did not say who uses a license"))
    }

    /// Every profile that has an asset or a license.
    pub fn profiles(&self) -> Result<BTreeSet<Profile>> {
        let fail = failure::sqlite("did not give the profiles");
        let mut statement =
            self.conn.prepare("SELECT profile FROM assets UNION SELECT profile FROM licenses").map_err(&fail)?;
        let mut rows = statement.query([]).map_err(&fail)?;
        let mut profiles = BTreeSet::new();
        while let Some(row) = rows.next().map_err(&fail)? {
            profiles.extend(understood("profile", text(row, 0).and_then(|name| Profile::new(name).ok())));
        }
        Ok(profiles)
    }

    /// The clock as it was last seen.
    pub fn clock_mark(&self) -> Result<Option<ClockMark>> {
        self.conn
            .query_row("SELECT wall_ms, since_boot_ms, boot_id, rollback_suspected FROM clock_mark", [], |row| {
                Ok(ClockMark {
                    wall_ms: row.get(0)?,
                    since_boot_ms: row.get(1)?,
                    boot_id: row.get(2)?,
                    rollback_suspected: row.get(3)?,
                })
            })
            .optional()
            .map_err(failure::sqlite("did not give the clock mark"))
    }

    /// The licenses in intent or stored, the assets that are being registered, and who wrote each last.
    pub(super) fn unfinished(&self) -> Result<Unfinished> {
        let fail = failure::sqlite("did not give the unfinished steps");
        let mut unfinished = Unfinished::default();
        let mut licenses = self
            .conn
            .prepare(
                "SELECT profile, asset_id, written_by, license_id FROM licenses WHERE state IN (?1, ?2) ORDER BY id",
            )
            .map_err(&fail)?;
        let mut rows =
            licenses.query([LicenseState::Intended.encode(), LicenseState::Stored.encode()]).map_err(&fail)?;
        while let Some(row) = rows.next().map_err(&fail)? {
            let license = str(row, 3).and_then(LicenseId::parse).and_then(|id| decode_work(row, id));
            unfinished.licenses.extend(understood("license", license));
        }
        let mut assets = self
            .conn
            .prepare("SELECT profile, asset_id, written_by FROM assets NOT INDEXED WHERE state = ?1 ORDER BY id")
            .map_err(&fail)?;
        let mut rows = assets.query([AssetState::Registering.encode()]).map_err(&fail)?;
        while let Some(row) = rows.next().map_err(&fail)? {
            unfinished.assets.extend(understood("asset", decode_work(row, ())));
        }
        Ok(unfinished)
    }

    /// Who wrote a license last.
    pub(super) fn session_of(&self, license_id: &LicenseId) -> Result<Option<String>> {
        let sql = "SELECT written_by FROM licenses WHERE license_id = ?1";
        let session = self.conn.query_row(sql, params![license_id.as_str()], |row| Ok(get(row, 0).flatten()));
        Ok(session.optional().map_err(failure::sqlite("did not give a license"))?.flatten())
    }

    fn asset_summaries(&self, profile: &Profile) -> Result<Vec<AssetSummary>> {
        let fail = failure::sqlite("did not give the assets");
        // NOT INDEXED: one pass over the narrow table is five times faster than the index on (profile, asset_id) with a
        // look-up of each row; nearly every installation has one profile.
        let mut statement = self
            .conn
            .prepare("SELECT asset_id, state, summary FROM assets NOT INDEXED WHERE profile = ?1 ORDER BY id")
            .map_err(&fail)?;
        let mut rows = statement.query([profile.as_str()]).map_err(&fail)?;
        let mut summaries = Vec::new();
        while let Some(row) = rows.next().map_err(&fail)? {
            summaries.extend(understood("asset", decode_asset_summary(row)));
        }
        Ok(summaries)
    }

    fn each_license(&self, profile: &Profile, mut take: impl FnMut(&str, LicenseSummary)) -> Result<()> {
        let fail = failure::sqlite("did not give the licenses");
        let mut statement = self
            .conn
            .prepare(
                "SELECT asset_id, license_id, state, summary FROM licenses NOT INDEXED WHERE profile = ?1 ORDER BY id",
            )
            .map_err(&fail)?;
        let mut rows = statement.query([profile.as_str()]).map_err(&fail)?;
        while let Some(row) = rows.next().map_err(&fail)? {
            if let Some(license) = understood("license", decode_license_summary(row)) {
                take(str(row, 0).unwrap_or_default(), license);
            }
        }
        Ok(())
    }

    fn licenses(&self, filter: &str, values: &[impl rusqlite::ToSql]) -> Result<Vec<LicenseRow>> {
        let fail = failure::sqlite("did not give licenses");
        let mut statement =
            self.conn.prepare(&format!("{} {filter} ORDER BY l.id", select_license(schema::VERSION))).map_err(&fail)?;
        let mut rows = statement.query(params_from_iter(values)).map_err(&fail)?;
        let mut licenses = Vec::new();
        while let Some(row) = rows.next().map_err(&fail)? {
            licenses.extend(understood("license", decode_license(row)));
        }
        Ok(licenses)
    }
}

/// Finds the asset of each license.
#[derive(Default)]
struct Places {
    /// Where the last one was. Licenses mostly lie in the order of their assets, so that the next is there or beside it.
    last: usize,
    /// Made for the first license that does not.
    by_id: Option<HashMap<String, usize>>,
}

impl Places {
    fn find<'s>(&mut self, summaries: &'s mut [AssetSummary], asset_id: &str) -> Option<&'s mut AssetSummary> {
        let is_at = |at: usize| summaries.get(at).is_some_and(|summary| summary.asset_id.as_str() == asset_id);
        let near = [self.last, self.last + 1].into_iter().find(|at| is_at(*at));
        let at = match near {
            Some(at) => at,
            None => {
                let named = |(at, summary): (usize, &AssetSummary)| (summary.asset_id.as_str().to_owned(), at);
                *self.by_id.get_or_insert_with(|| summaries.iter().enumerate().map(named).collect()).get(asset_id)?
            }
        };
        self.last = at;
        summaries.get_mut(at)
    }
}

/// Rows with work on them.
#[derive(Default)]
pub(super) struct Unfinished {
    pub(super) licenses: Vec<Work<LicenseId>>,
    pub(super) assets: Vec<Work<()>>,
}

/// Work on something, the asset that it is for, and the session that wrote it last.
pub(super) struct Work<T> {
    pub(super) what: T,
    pub(super) of: (Profile, AssetId),
    pub(super) session: Option<String>,
}

/// The columns of [`decode_asset`].
pub(super) const SELECT_ASSET: &str = "SELECT a.asset_id, a.state, a.summary, a.profile, d.source, d.metadata,
    d.required_keys FROM assets a JOIN asset_details d ON d.id = a.id";

/// The columns of [`decode_license`], of a file of this version. A damaged file of an older version cannot be migrated, so
/// its columns are read as a migration would make them.
pub(super) fn select_license(version: i32) -> String {
    let level = if version < 2 { "NULL" } else { "d.acquired_level" };
    let sub_states = if version < 3 { schema::SUB_STATES_BEFORE_3 } else { schema::SUB_STATES };
    format!(
        "SELECT l.asset_id, l.license_id, l.state, l.summary, l.profile, d.init_data, d.mime, d.certificate,
         d.security_level, d.params, d.handle_digest, d.held_before, d.replaces, d.key_ids, d.release_attempts,
         d.last_error, {level}, {sub_states} FROM licenses l JOIN license_details d ON d.id = l.id"
    )
}

/// Of the first three columns.
fn decode_asset_summary(row: &Row<'_>) -> Option<AssetSummary> {
    packed::asset_of(AssetId::new(text(row, 0)?).ok()?, coded(row, 1)?, blob(row, 2)?)
}

pub(super) fn decode_asset(row: &Row<'_>) -> Option<AssetRow> {
    let summary = decode_asset_summary(row)?;
    Some(AssetRow {
        profile: Profile::new(text(row, 3)?).ok()?,
        asset_id: summary.asset_id,
        entry_id: summary.entry_id,
        state: summary.state,
        path: summary.path,
        format: summary.format,
        is_protected: summary.is_protected,
        source: encoding::source_of(str(row, 4)?)?,
        metadata: get(row, 5)?,
        required_keys: encoding::required_keys_of(str(row, 6)?)?,
        key_files_missing: summary.key_files_missing,
        registered_at_ms: summary.registered_at_ms,
        updated_at_ms: summary.updated_at_ms,
        playback_started_at_ms: summary.playback_started_at_ms,
    })
}

/// Of the columns 1 to 3.
fn decode_license_summary(row: &Row<'_>) -> Option<LicenseSummary> {
    packed::license_of(LicenseId::parse(str(row, 1)?)?, coded(row, 2)?, blob(row, 3)?)
}

pub(super) fn decode_license(row: &Row<'_>) -> Option<LicenseRow> {
    let summary = decode_license_summary(row)?;
    Some(LicenseRow {
        license_id: summary.license_id,
        profile: Profile::new(text(row, 4)?).ok()?,
        asset_id: AssetId::new(text(row, 0)?).ok()?,
        state: summary.state,
        request: KeyRequest {
            scheme: summary.scheme,
            init_data: get(row, 5)?,
            key_ids: summary.requested_key_ids,
            mime: text(row, 6)?,
            certificate: get(row, 7)?,
            security_level: coded(row, 8)?,
        },
        params: encoding::params_of(str(row, 9)?)?,
        handle_digest: get::<Option<[u8; 32]>>(row, 10)?.map(HandleDigest),
        held_before: optional(get::<Option<Vec<u8>>>(row, 11)?, |bytes| encoding::digests_of(&bytes))?,
        replaces: optional(get::<Option<String>>(row, 12)?, |id| LicenseId::parse(&id))?,
        granted_at_ms: summary.granted_at_ms,
        expires: summary.expires,
        playback_window_seconds: summary.playback_window_seconds,
        coverage: summary.coverage,
        key_ids: optional(get::<Option<Vec<u8>>>(row, 13)?, |bytes| encoding::key_ids_of(&bytes))?,
        release_attempts: get(row, 14)?,
        last_error: get(row, 15)?,
        acquired_level: get(row, 16)?,
        kind: coded(row, 17)?,
        outcome: coded(row, 18)?,
        lease_until_ms: get(row, 19)?,
        next_attempt_at_ms: get(row, 20)?,
    })
}

fn decode_work<T>(row: &Row<'_>, what: T) -> Option<Work<T>> {
    let of = (Profile::new(text(row, 0)?).ok()?, AssetId::new(text(row, 1)?).ok()?);
    Some(Work { what, of, session: get(row, 2).flatten() })
}

fn decode_count(row: &Row<'_>) -> Option<(AssetId, u32)> {
    Some((AssetId::new(text(row, 0)?).ok()?, get(row, 1)?))
}

fn get<T: rusqlite::types::FromSql>(row: &Row<'_>, column: usize) -> Option<T> {
    row.get(column).ok()
}

fn text(row: &Row<'_>, column: usize) -> Option<String> {
    str(row, column).map(str::to_owned)
}

/// Borrowed from the row: the many small columns of a list are not copied twice.
fn str<'r>(row: &'r Row<'_>, column: usize) -> Option<&'r str> {
    row.get_ref(column).ok()?.as_str().ok()
}

fn blob<'r>(row: &'r Row<'_>, column: usize) -> Option<&'r [u8]> {
    row.get_ref(column).ok()?.as_blob().ok()
}

fn coded<T: Coded>(row: &Row<'_>, column: usize) -> Option<T> {
    T::decode(row.get_ref(column).ok()?.as_i64().ok()?.try_into().ok()?)
}

/// `Some(None)` for NULL, `None` for what does not decode.
fn optional<S, T>(stored: Option<S>, decode: impl FnOnce(S) -> Option<T>) -> Option<Option<T>> {
    match stored {
        Some(stored) => decode(stored).map(Some),
        None => Some(None),
    }
}

fn understood<T>(what: &'static str, row: Option<T>) -> Option<T> {
    if row.is_none() {
        tracing::warn!(what, "a row of the store is not understood; it is left out");
    }
    row
}
