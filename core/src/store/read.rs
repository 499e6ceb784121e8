//! Reading rows.

use std::collections::{BTreeSet, HashMap};

use rusqlite::{Connection, OptionalExtension as _, Row, params, params_from_iter};

use super::encoding::{self, Coded};
use super::failure;
use super::rows::{AssetRow, AssetState, AssetSummary, ClockMark, LicenseRow, LicenseSummary, StoredPath};
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
        let by_id: HashMap<AssetId, usize> =
            summaries.iter().enumerate().map(|(at, summary)| (summary.asset_id.clone(), at)).collect();
        self.each_license(profile, |asset_id, license| {
            let Some(summary) = by_id.get(&asset_id).and_then(|at| summaries.get_mut(*at)) else { return };
            match license.state {
                LicenseState::Intended | LicenseState::Stored | LicenseState::Active => summary.licenses.push(license),
                LicenseState::Superseded | LicenseState::Releasing => summary.pending_releases += 1,
                LicenseState::Released | LicenseState::Forgotten => {}
            }
        })?;
        Ok(summaries)
    }

    /// How many licences are superseded or wait for their release, by asset id, whether that is registered or not.
    pub fn pending_releases(&self, profile: &Profile) -> Result<HashMap<AssetId, u32>> {
        let fail = failure::sqlite("did not give the pending releases");
        let mut statement = self
            .conn
            .prepare(
                "SELECT asset_id, count(*) FROM licenses WHERE profile = ?1 AND state IN (?2, ?3) GROUP BY asset_id",
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

    /// The licences of one asset id, in any state, oldest first; also those of an earlier registration.
    pub fn licenses_of(&self, profile: &Profile, asset_id: &AssetId) -> Result<Vec<LicenseRow>> {
        self.licenses("WHERE l.profile = ? AND l.asset_id = ?", &[profile.as_str(), asset_id.as_str()])
    }

    /// One licence.
    pub fn license(&self, license_id: &LicenseId) -> Result<Option<LicenseRow>> {
        Ok(self.licenses("WHERE l.license_id = ?", &[license_id.as_str()])?.pop())
    }

    /// The licences in these states, of all profiles, oldest first.
    pub fn licenses_in(&self, states: &[LicenseState]) -> Result<Vec<LicenseRow>> {
        let marks = vec!["?"; states.len()].join(", ");
        let numbers: Vec<i64> = states.iter().map(|state| state.encode()).collect();
        self.licenses(&format!("WHERE l.state IN ({marks})"), &numbers)
    }

    /// Every profile that has an asset or a licence.
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

    /// The licences in intent or stored, the assets that are being registered, and who wrote each last.
    pub(super) fn unfinished(&self) -> Result<Unfinished> {
        let fail = failure::sqlite("did not give the unfinished steps");
        let mut unfinished = Unfinished::default();
        let mut licenses = self
            .conn
            .prepare("SELECT license_id, written_by FROM licenses WHERE state IN (?1, ?2) ORDER BY id")
            .map_err(&fail)?;
        let mut rows =
            licenses.query([LicenseState::Intended.encode(), LicenseState::Stored.encode()]).map_err(&fail)?;
        while let Some(row) = rows.next().map_err(&fail)? {
            let id = understood("license", str(row, 0).and_then(LicenseId::parse));
            unfinished.licenses.extend(id.map(|id| (id, get(row, 1).flatten())));
        }
        let mut assets = self
            .conn
            .prepare("SELECT profile, asset_id, written_by FROM assets NOT INDEXED WHERE state = ?1 ORDER BY id")
            .map_err(&fail)?;
        let mut rows = assets.query([AssetState::Registering.encode()]).map_err(&fail)?;
        while let Some(row) = rows.next().map_err(&fail)? {
            let id = text(row, 0).zip(text(row, 1));
            let id = id.and_then(|(profile, id)| Some((Profile::new(profile).ok()?, AssetId::new(id).ok()?)));
            unfinished.assets.extend(understood("asset", id).map(|id| (id, get(row, 2).flatten())));
        }
        Ok(unfinished)
    }

    fn asset_summaries(&self, profile: &Profile) -> Result<Vec<AssetSummary>> {
        let fail = failure::sqlite("did not give the assets");
        // NOT INDEXED: one pass over the narrow table is five times faster than the index on (profile, asset_id) with a
        // look-up of each row; nearly every installation has one profile.
        let mut statement = self
            .conn
            .prepare(
                "SELECT asset_id, entry_id, state, root, path, manifest, format, is_protected, required_key_ids,
                 key_files_missing, playback_started_at_ms, registered_at_ms, updated_at_ms
                 FROM assets NOT INDEXED WHERE profile = ?1 ORDER BY id",
            )
            .map_err(&fail)?;
        let mut rows = statement.query([profile.as_str()]).map_err(&fail)?;
        let mut summaries = Vec::new();
        while let Some(row) = rows.next().map_err(&fail)? {
            summaries.extend(understood("asset", decode_asset_summary(row)));
        }
        Ok(summaries)
    }

    fn each_license(&self, profile: &Profile, mut take: impl FnMut(AssetId, LicenseSummary)) -> Result<()> {
        let fail = failure::sqlite("did not give the licences");
        let mut statement = self
            .conn
            .prepare(
                "SELECT asset_id, license_id, scheme, state, expiry, expires_at_ms, granted_at_ms, playback_window_s,
                 coverage, requested_key_ids FROM licenses NOT INDEXED WHERE profile = ?1 ORDER BY id",
            )
            .map_err(&fail)?;
        let mut rows = statement.query([profile.as_str()]).map_err(&fail)?;
        while let Some(row) = rows.next().map_err(&fail)? {
            if let Some((asset_id, license)) = understood("license", decode_license_summary(row)) {
                take(asset_id, license);
            }
        }
        Ok(())
    }

    fn licenses(&self, filter: &str, values: &[impl rusqlite::ToSql]) -> Result<Vec<LicenseRow>> {
        let fail = failure::sqlite("did not give licences");
        let mut statement = self.conn.prepare(&format!("{SELECT_LICENSE} {filter} ORDER BY l.id")).map_err(&fail)?;
        let mut rows = statement.query(params_from_iter(values)).map_err(&fail)?;
        let mut licenses = Vec::new();
        while let Some(row) = rows.next().map_err(&fail)? {
            licenses.extend(understood("license", decode_license(row)));
        }
        Ok(licenses)
    }
}

/// Rows with work on them, each with the session that wrote it last.
#[derive(Default)]
pub(super) struct Unfinished {
    pub(super) licenses: Vec<(LicenseId, Option<String>)>,
    pub(super) assets: Vec<((Profile, AssetId), Option<String>)>,
}

/// The columns of [`decode_asset`].
pub(super) const SELECT_ASSET: &str = "SELECT a.profile, a.asset_id, a.entry_id, a.state, a.root, a.path, a.manifest,
    a.format, a.is_protected, d.source, d.metadata, d.required_keys, a.key_files_missing, a.registered_at_ms,
    a.updated_at_ms, a.playback_started_at_ms FROM assets a JOIN asset_details d ON d.id = a.id";

/// The columns of [`decode_license`].
pub(super) const SELECT_LICENSE: &str = "SELECT l.license_id, l.profile, l.asset_id, l.state, l.scheme, d.init_data,
    l.requested_key_ids, d.mime, d.certificate, d.security_level, d.params, d.handle_digest, d.held_before, d.replaces,
    l.granted_at_ms, l.expiry, l.expires_at_ms, l.playback_window_s, l.coverage, d.key_ids, d.release_attempts,
    d.next_attempt_at_ms, d.last_error FROM licenses l JOIN license_details d ON d.id = l.id";

pub(super) fn decode_asset(row: &Row<'_>) -> Option<AssetRow> {
    Some(AssetRow {
        profile: Profile::new(text(row, 0)?).ok()?,
        asset_id: AssetId::new(text(row, 1)?).ok()?,
        entry_id: text(row, 2)?,
        state: coded(row, 3)?,
        path: StoredPath { root: get(row, 4)?, path: text(row, 5)?, manifest: get(row, 6)? },
        format: coded(row, 7)?,
        is_protected: get(row, 8)?,
        source: encoding::source_of(str(row, 9)?)?,
        metadata: get(row, 10)?,
        required_keys: encoding::required_keys_of(str(row, 11)?)?,
        key_files_missing: get(row, 12)?,
        registered_at_ms: get(row, 13)?,
        updated_at_ms: get(row, 14)?,
        playback_started_at_ms: get(row, 15)?,
    })
}

pub(super) fn decode_license(row: &Row<'_>) -> Option<LicenseRow> {
    Some(LicenseRow {
        license_id: LicenseId::parse(str(row, 0)?)?,
        profile: Profile::new(text(row, 1)?).ok()?,
        asset_id: AssetId::new(text(row, 2)?).ok()?,
        state: coded(row, 3)?,
        request: KeyRequest {
            scheme: coded(row, 4)?,
            init_data: get(row, 5)?,
            key_ids: encoding::key_ids_of(blob(row, 6)?)?,
            mime: text(row, 7)?,
            certificate: get(row, 8)?,
            security_level: coded(row, 9)?,
        },
        params: encoding::params_of(str(row, 10)?)?,
        handle_digest: get::<Option<[u8; 32]>>(row, 11)?.map(HandleDigest),
        held_before: optional(get::<Option<Vec<u8>>>(row, 12)?, |bytes| encoding::digests_of(&bytes))?,
        replaces: optional(get::<Option<String>>(row, 13)?, |id| LicenseId::parse(&id))?,
        granted_at_ms: get(row, 14)?,
        expires: encoding::expiry_of(get(row, 15)?, get(row, 16)?)?,
        playback_window_s: optional(get::<Option<i64>>(row, 17)?, |s| u64::try_from(s).ok())?,
        coverage: coded(row, 18)?,
        key_ids: optional(get::<Option<Vec<u8>>>(row, 19)?, |bytes| encoding::key_ids_of(&bytes))?,
        release_attempts: get(row, 20)?,
        next_attempt_at_ms: get(row, 21)?,
        last_error: get(row, 22)?,
    })
}

fn decode_asset_summary(row: &Row<'_>) -> Option<AssetSummary> {
    Some(AssetSummary {
        asset_id: AssetId::new(text(row, 0)?).ok()?,
        entry_id: text(row, 1)?,
        state: coded(row, 2)?,
        path: StoredPath { root: get(row, 3)?, path: text(row, 4)?, manifest: get(row, 5)? },
        format: coded(row, 6)?,
        is_protected: get(row, 7)?,
        required_key_ids: encoding::key_ids_of(blob(row, 8)?)?,
        key_files_missing: get(row, 9)?,
        playback_started_at_ms: get(row, 10)?,
        registered_at_ms: get(row, 11)?,
        updated_at_ms: get(row, 12)?,
        licenses: Vec::new(),
        pending_releases: 0,
    })
}

fn decode_license_summary(row: &Row<'_>) -> Option<(AssetId, LicenseSummary)> {
    let license = LicenseSummary {
        license_id: LicenseId::parse(str(row, 1)?)?,
        scheme: coded(row, 2)?,
        state: coded(row, 3)?,
        expires: encoding::expiry_of(get(row, 4)?, get(row, 5)?)?,
        granted_at_ms: get(row, 6)?,
        playback_window_s: optional(get::<Option<i64>>(row, 7)?, |s| u64::try_from(s).ok())?,
        coverage: coded(row, 8)?,
        requested_key_ids: encoding::key_ids_of(blob(row, 9)?)?,
    };
    Some((AssetId::new(text(row, 0)?).ok()?, license))
}

fn decode_count(row: &Row<'_>) -> Option<(AssetId, u32)> {
    Some((AssetId::new(text(row, 0)?).ok()?, get(row, 1)?))
}

fn get<T: rusqlite::types::FromSql>(row: &Row<'_>, column: usize) -> Option<T> {
    row.get(column).ok()
}

fn text(row: &Row<'_>, column: usize) -> Option<String> {
    get(row, column)
}

/// Borrowed from the row: the many small columns of a list are not copied twice.
fn str<'r>(row: &'r Row<'_>, column: usize) -> Option<&'r str> {
    row.get_ref(column).ok()?.as_str().ok()
}

fn blob<'r>(row: &'r Row<'_>, column: usize) -> Option<&'r [u8]> {
    row.get_ref(column).ok()?.as_blob().ok()
}

fn coded<T: Coded>(row: &Row<'_>, column: usize) -> Option<T> {
    T::decode(get(row, column)?)
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
