//! The tables `licenses` and `license_details`: the license ledger. Each license has one row in both tables, under the
//! same key.
//!
//! Only `license/ledger` writes these tables: it knows which change of a license's state is legal. The CDM's handle of
//! a license is not here. It is in the app's secret storage, under
//! [`LicenseId::storage_key`](crate::model::LicenseId::storage_key).
//!
//! ## `licenses`
//!
//! Has what lookups and statuses need. The snapshot reads this table as a whole when the store is opened. A row appears
//! before the CDM is asked for the license, and outlives the row of its asset while the release waits for the server.
//! Each step of the ledger writes `state`, `summary` and `written_by`; the other columns stay as they were inserted.
//!
//! - `licenses.id`: the key, which `license_details` shares. Rises in the order in which licenses are requested.
//! - `licenses.license_id`: our id of the license: 32 hexadecimal digits.
//! - `licenses.profile`: the profile that the license belongs to.
//! - `licenses.asset_id`: the asset that the license was acquired for. The asset need not exist any more.
//! - `licenses.state`: the number of a [`LicenseState`].
//! - `licenses.summary`: the fields of [`LicenseSummary`] that have no column, packed by [`LicenseSummary::pack`].
//! - `licenses.written_by`: the session that wrote the row last, see `session.rs`. NULL if that store could not begin a
//!   session, and after a repair.
//!
//! ## `license_details`
//!
//! Has what a request or a release of the license needs. The intent writes the columns of the request (`init_data` to
//! `params`), and `held_before` and `replaces`. The grant writes `handle_digest`, `key_ids` and `acquired_level`, and
//! the release `lease_until_ms`, `release_attempts` and `next_attempt_at_ms`. "Request" below is the request for the
//! license, which is repeated for a renewal.
//!
//! - `license_details.id`: the key of the row in `licenses`.
//! - `license_details.init_data`: the init data of the request: a PSSH box, an `skd://` URI, key ids.
//! - `license_details.mime`: the MIME type of the init data, as the CDM takes it.
//! - `license_details.certificate`: the FairPlay certificate of the request, which a release needs, too. NULL for other
//!   schemes.
//! - `license_details.security_level`: the [`SecurityLevel`](crate::model::SecurityLevel) that the request asked for.
//! - `license_details.params`: the server and its parameters at the time of the request, as JSON
//!   ([`encoding::params`]). A release goes there. May hold signed URLs and tokens: not for logs.
//! - `license_details.handle_digest`: the SHA-256 digest of the CDM's handle. NULL until there is a handle.
//! - `license_details.held_before`: the digests of the handles that the CDM held when the license was requested. NULL
//!   if the CDM cannot list its licenses. Recovery finds by it which license is new.
//! - `license_details.replaces`: the id of the license that this license replaces: that one is superseded when this one
//!   becomes active. NULL if there is none.
//! - `license_details.key_ids`: the content keys in the license. NULL if the CDM does not tell.
//! - `license_details.release_attempts`: the number of attempts to release it that the server has refused. The pause
//!   before the next attempt grows with it.
//! - `license_details.next_attempt_at_ms`: in state releasing: the time of the next attempt, in milliseconds since
//!   1970-01-01 UTC; 0 for at once.
//! - `license_details.last_error`: the code of the last failure, for people: nothing in the core reads it. NULL if
//!   there was none.
//! - `license_details.acquired_level`: the security level that the CDM acquired the license at, in the CDM's words. A
//!   device may change its level, and then the license does not play. NULL if the CDM did not tell, and in rows of
//!   version 1.
//! - `license_details.kind`: in state intended: the number of an [`IntentKind`]. Otherwise without meaning.
//! - `license_details.outcome`: in state intended: the number of an [`IntentOutcome`]. Otherwise without meaning.
//! - `license_details.lease_until_ms`: in state releasing: the time until which a call may be releasing the license, in
//!   milliseconds since 1970-01-01 UTC. NULL if no call is. Otherwise without meaning.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, named_params, params, params_from_iter};
use serde_json::{Value, json};

use super::super::columns::Columns;
use super::super::encoding::{self, Coded, coded};
use super::super::failure;
use super::super::packed::{Packer, Unpacker};
use super::super::salvage;
use super::super::schema;
use super::super::session::Unfinished;
use super::super::transaction::{ReadTx, WriteTx};
use super::Table;
use crate::error::{Code, Error, Result};
use crate::model::license::{Handle, HandleDigest, StoredLicense};
use crate::model::{
    AssetId, DrmParams, DrmScheme, Expiry, KeyCoverage, KeyId, KeyRequest, LicenseId, LicenseState, Profile,
};

/// The sub-states of a license `l` with the details `d`, as versions 1 and 2 encoded them. An intent that knew a grant,
/// a handle and a predecessor was a continuation: `granted_at_ms` follows scheme, coverage and expiry in the summary,
/// and is 0 before a grant. An intent with an error had an unknown outcome. A release without an error was being tried,
/// and its next attempt was the end of the lease.
macro_rules! sub_states_before_3 {
    () => {
        "l.state = 0 AND d.replaces IS NOT NULL AND d.handle_digest IS NOT NULL
        AND substr(l.summary, CASE substr(l.summary, 3, 1) WHEN x'02' THEN 12 ELSE 4 END, 8) <> x'0000000000000000',
    l.state = 0 AND d.last_error IS NOT NULL,
    CASE WHEN l.state = 4 AND d.last_error IS NULL THEN nullif(d.next_attempt_at_ms, 0) END,
    CASE WHEN l.state = 4 AND d.last_error IS NULL THEN 0 ELSE d.next_attempt_at_ms END"
    };
}

pub(super) const TABLE: Table = Table { versions: &[(1, VERSION_1), (2, VERSION_2), (3, VERSION_3)], salvage };

const VERSION_1: &str = "
CREATE TABLE licenses (
    id INTEGER PRIMARY KEY,
    license_id TEXT NOT NULL UNIQUE CHECK (length(license_id) = 32),
    profile TEXT NOT NULL,
    asset_id TEXT NOT NULL CHECK (asset_id <> ''),
    state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 6),
    summary BLOB NOT NULL,
    written_by TEXT
);
CREATE INDEX licenses_by_asset ON licenses (profile, asset_id);
CREATE INDEX licenses_by_state ON licenses (state);
CREATE TABLE license_details (
    id INTEGER PRIMARY KEY REFERENCES licenses (id) ON DELETE CASCADE,
    init_data BLOB NOT NULL,
    mime TEXT NOT NULL,
    certificate BLOB,
    security_level INTEGER NOT NULL,
    params TEXT NOT NULL,
    handle_digest BLOB CHECK (length(handle_digest) = 32),
    held_before BLOB CHECK (length(held_before) % 32 = 0),
    replaces TEXT,
    key_ids BLOB CHECK (length(key_ids) % 16 = 0),
    release_attempts INTEGER NOT NULL,
    next_attempt_at_ms INTEGER NOT NULL,
    last_error TEXT
);
";

/// The security level that a license was acquired at, because a device may change its own.
const VERSION_2: &str = "ALTER TABLE license_details ADD COLUMN acquired_level TEXT;";

/// The columns of a license's sub-states.
const VERSION_3: &str = concat!(
    "
ALTER TABLE license_details ADD COLUMN kind INTEGER NOT NULL DEFAULT 0 CHECK (kind IN (0, 1));
ALTER TABLE license_details ADD COLUMN outcome INTEGER NOT NULL DEFAULT 0 CHECK (outcome IN (0, 1));
ALTER TABLE license_details ADD COLUMN lease_until_ms INTEGER;
UPDATE license_details AS d SET (kind, outcome, lease_until_ms, next_attempt_at_ms) =
    (SELECT ",
    sub_states_before_3!(),
    " FROM licenses l WHERE l.id = d.id) WHERE d.id IN (SELECT id FROM licenses WHERE state IN (0, 4));
"
);
/// The asset id, then the columns of [`decode_summary`].
///
/// NOT INDEXED: one pass over the narrow table is five times faster than the index on (profile, asset_id) with a
/// look-up of each row, and nearly every installation has one profile.
const SELECT_SUMMARIES: &str =
    "SELECT asset_id, license_id, state, summary FROM licenses NOT INDEXED WHERE profile = ?1 ORDER BY id";

/// Selects the columns of [`decode`]: those of [`decode_summary`], then the others. `version` is the version of the
/// file: a damaged file of an older version cannot be migrated, so its columns are computed as the migration would.
fn select(version: i32) -> String {
    let acquired_level = if version < 2 { "NULL" } else { "d.acquired_level" };
    let sub_states =
        if version < 3 { sub_states_before_3!() } else { "d.kind, d.outcome, d.lease_until_ms, d.next_attempt_at_ms" };
    format!(
        "SELECT l.license_id, l.state, l.summary, l.profile, l.asset_id, d.init_data, d.mime, d.certificate,
         d.security_level, d.params, d.handle_digest, d.held_before, d.replaces, d.key_ids, {sub_states},
         d.release_attempts, d.last_error, {acquired_level}
         FROM licenses l JOIN license_details d ON d.id = l.id"
    )
}

/// The columns of [`Unfinished::decode`], then the license id.
const SELECT_UNFINISHED: &str =
    "SELECT profile, asset_id, written_by, license_id FROM licenses WHERE state IN (?1, ?2) ORDER BY id";

/// +profile: few licenses are in these states, so the index on the state finds them at once. For the sake of the
/// grouping, SQLite would walk through all of the index on (profile, asset_id).
const SELECT_PENDING_RELEASES: &str =
    "SELECT asset_id, count(*) FROM licenses WHERE +profile = ?1 AND state IN (?2, ?3) GROUP BY asset_id";

const EXISTS_WITH_HANDLE: &str = "SELECT EXISTS (SELECT 1 FROM license_details d JOIN licenses l USING (id)
    WHERE d.handle_digest = ?1 AND l.license_id <> ?2 AND l.state IN (?3, ?4))";

const INSERT: &str = "INSERT INTO licenses (id, license_id, profile, asset_id, state, summary, written_by)
    VALUES (:id, :license_id, :profile, :asset_id, :state, :summary, :written_by)";

const UPDATE: &str = "UPDATE licenses SET license_id = :license_id, profile = :profile, asset_id = :asset_id,
    state = :state, summary = :summary, written_by = :written_by WHERE id = :id";

const REPLACE_DETAILS: &str =
    "INSERT OR REPLACE INTO license_details (id, init_data, mime, certificate, security_level,
    params, handle_digest, held_before, replaces, key_ids, kind, outcome, lease_until_ms, release_attempts,
    next_attempt_at_ms, last_error, acquired_level)
    VALUES (:id, :init_data, :mime, :certificate, :security_level, :params, :handle_digest, :held_before, :replaces,
    :key_ids, :kind, :outcome, :lease_until_ms, :release_attempts, :next_attempt_at_ms, :last_error, :acquired_level)";

/// See [`salvage::Rows::keys`].
const KEYS: &[&str] = &[
    "SELECT id FROM licenses NOT INDEXED ORDER BY id",
    "SELECT id FROM licenses NOT INDEXED ORDER BY id DESC",
    "SELECT id FROM licenses INDEXED BY sqlite_autoindex_licenses_1 ORDER BY license_id",
    "SELECT id FROM licenses INDEXED BY sqlite_autoindex_licenses_1 ORDER BY license_id DESC",
    "SELECT id FROM licenses INDEXED BY licenses_by_asset ORDER BY profile, asset_id",
    "SELECT id FROM license_details ORDER BY id",
    "SELECT id FROM license_details ORDER BY id DESC",
];

/// One license in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LicenseRow {
    /// Our id of the license.
    pub license_id: LicenseId,
    /// The profile that the license belongs to.
    pub profile: Profile,
    /// The asset that the license was acquired for.
    pub asset_id: AssetId,
    /// The state.
    pub state: LicenseState,
    /// The request for the license.
    pub request: KeyRequest,
    /// The server and its parameters at the time of the request. A release goes there.
    pub params: DrmParams,
    /// The digest of the CDM's handle. `None` until there is a handle.
    pub handle_digest: Option<HandleDigest>,
    /// The digests of the handles that the CDM held when the license was requested. `None` if the CDM cannot list.
    pub held_before: Option<Vec<HandleDigest>>,
    /// The license that this one replaces.
    pub replaces: Option<LicenseId>,
    /// The time of the grant or of the last renewal, in milliseconds since 1970-01-01 UTC. 0 before the grant.
    pub granted_at_ms: i64,
    /// The end of the license.
    pub expires: Expiry,
    /// The time that it plays after the first start, in seconds. Stored up to `i64::MAX`.
    pub playback_window_seconds: Option<u64>,
    /// The result of comparing its keys with the requested ones.
    pub coverage: KeyCoverage,
    /// The content keys in the license. `None` if the CDM does not tell.
    pub key_ids: Option<Vec<KeyId>>,
    /// In state intended: the kind of license that the intent acquires. Otherwise without meaning.
    pub kind: IntentKind,
    /// In state intended: the outcome, as far as it is known. Otherwise without meaning.
    pub outcome: IntentOutcome,
    /// In state releasing: the time until which a call may be releasing the license, in milliseconds since 1970-01-01
    /// UTC. `None` if no call is. Otherwise without meaning.
    pub lease_until_ms: Option<i64>,
    /// The number of attempts to release it that the server has refused.
    pub release_attempts: u32,
    /// In state releasing: the time of the next attempt, in milliseconds since 1970-01-01 UTC; 0 for at once.
    pub next_attempt_at_ms: i64,
    /// The code of the last failure, for people: nothing in the core reads it.
    pub last_error: Option<String>,
    /// The security level that the license was acquired at. `None` if the CDM did not tell.
    pub acquired_level: Option<String>,
}

/// The license that an intent acquires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IntentKind {
    /// A license of its own. This is the default.
    #[default]
    New,
    /// The license that it replaces, which goes on under another handle.
    Continuation,
}

/// The outcome of an intent, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IntentOutcome {
    /// A call is acquiring the license, or its process died. This is the default.
    #[default]
    InProgress,
    /// The call has ended, or its process is known to be dead, and it is not known whether a license was granted.
    Unknown,
}

coded! {
    IntentKind { New = 0, Continuation = 1 }
    IntentOutcome { InProgress = 0, Unknown = 1 }
}

impl LicenseRow {
    /// Creates the row of a license that is about to be requested.
    pub fn intended(
        license_id: LicenseId,
        profile: Profile,
        asset_id: AssetId,
        request: KeyRequest,
        params: DrmParams,
    ) -> Self {
        Self {
            license_id,
            profile,
            asset_id,
            state: LicenseState::Intended,
            request,
            params,
            handle_digest: None,
            held_before: None,
            replaces: None,
            granted_at_ms: 0,
            expires: Expiry::Unknown,
            playback_window_seconds: None,
            coverage: KeyCoverage::Unknown,
            key_ids: None,
            kind: IntentKind::New,
            outcome: IntentOutcome::InProgress,
            lease_until_ms: None,
            release_attempts: 0,
            next_attempt_at_ms: 0,
            last_error: None,
            acquired_level: None,
        }
    }

    /// Returns this license with its handle, as an engine takes it.
    pub fn held_under(&self, handle: Handle) -> StoredLicense {
        StoredLicense {
            license_id: self.license_id.clone(),
            scheme: self.request.scheme,
            handle,
            request: self.request.clone(),
            acquired_level: self.acquired_level.clone(),
        }
    }
}

/// The part of a license that lookups and statuses need, kept in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LicenseSummary {
    /// Our id of the license.
    pub license_id: LicenseId,
    /// The key system.
    pub scheme: DrmScheme,
    /// The state.
    pub state: LicenseState,
    /// The end of the license.
    pub expires: Expiry,
    /// The time of the grant or of the last renewal, in milliseconds since 1970-01-01 UTC. 0 before the grant.
    pub granted_at_ms: i64,
    /// The time that it plays after the first start, in seconds.
    pub playback_window_seconds: Option<u64>,
    /// The result of comparing its keys with the requested ones.
    pub coverage: KeyCoverage,
    /// The keys that it was requested for.
    pub requested_key_ids: Vec<KeyId>,
}

impl From<&LicenseRow> for LicenseSummary {
    fn from(row: &LicenseRow) -> Self {
        Self {
            license_id: row.license_id.clone(),
            scheme: row.request.scheme,
            state: row.state,
            expires: row.expires,
            granted_at_ms: row.granted_at_ms,
            playback_window_seconds: row.playback_window_seconds,
            coverage: row.coverage,
            requested_key_ids: row.request.key_ids.clone(),
        }
    }
}

impl LicenseSummary {
    /// Packs the fields without a column of their own into `licenses.summary`, in the order in which
    /// [`unpack`](Self::unpack) reads them.
    fn pack(&self) -> Vec<u8> {
        let mut out = Packer::default();
        out.byte(self.scheme.encode());
        out.byte(self.coverage.encode());
        match self.expires {
            Expiry::Unknown => out.byte(0),
            Expiry::Never => out.byte(1),
            Expiry::At(at_ms) => {
                out.byte(2);
                out.integer(at_ms);
            }
        }
        out.integer(self.granted_at_ms);
        let window_seconds = self.playback_window_seconds.map(|seconds| i64::try_from(seconds).unwrap_or(i64::MAX));
        out.optional(window_seconds, Packer::integer);
        out.key_ids(&self.requested_key_ids);
        out.into_bytes()
    }

    fn unpack(license_id: LicenseId, state: LicenseState, summary: &[u8]) -> Option<Self> {
        let mut from = Unpacker::of(summary);
        Some(Self {
            license_id,
            state,
            scheme: Coded::decode(from.byte()?)?,
            coverage: Coded::decode(from.byte()?)?,
            expires: match from.byte()? {
                0 => Expiry::Unknown,
                1 => Expiry::Never,
                2 => Expiry::At(from.integer()?),
                _ => return None,
            },
            granted_at_ms: from.integer()?,
            playback_window_seconds: match from.optional(Unpacker::integer)? {
                Some(seconds) => Some(u64::try_from(seconds).ok()?),
                None => None,
            },
            requested_key_ids: from.key_ids()?,
        })
    }
}

impl ReadTx<'_> {
    /// Returns one license.
    pub fn license(&self, license_id: &LicenseId) -> Result<Option<LicenseRow>> {
        Ok(self.licenses("WHERE l.license_id = ?", &[license_id.as_str()])?.pop())
    }

    /// Returns the licenses of one asset id in any state, oldest first. They include those of an earlier registration
    /// of the same id.
    pub fn licenses_of(&self, profile: &Profile, asset_id: &AssetId) -> Result<Vec<LicenseRow>> {
        self.licenses("WHERE l.profile = ? AND l.asset_id = ?", &[profile.as_str(), asset_id.as_str()])
    }

    /// Returns the licenses of all profiles in these states, oldest first.
    pub fn licenses_in(&self, states: &[LicenseState]) -> Result<Vec<LicenseRow>> {
        let marks = vec!["?"; states.len()].join(", ");
        let numbers: Vec<u8> = states.iter().map(|state| state.encode()).collect();
        self.licenses(&format!("WHERE l.state IN ({marks})"), &numbers)
    }

    /// Returns the number of licenses that are superseded or wait for their release, by asset id. The asset need not be
    /// registered any more.
    pub fn pending_releases(&self, profile: &Profile) -> Result<HashMap<AssetId, u32>> {
        let [superseded, releasing] = [LicenseState::Superseded, LicenseState::Releasing].map(Coded::encode);
        let values = params![profile.as_str(), superseded, releasing];
        let decode = |columns: &mut Columns<'_, '_>| {
            let asset_id = AssetId::new(columns.text()?).ok()?;
            Some((asset_id, columns.value()?))
        };
        let pending = self.rows("licenses", SELECT_PENDING_RELEASES, values, decode);
        let pending = pending.map_err(failure::sqlite("counting the pending releases in the database"))?;
        Ok(pending.into_iter().collect())
    }

    /// True if another license of any asset and profile is stored or active under the same handle. Two imported
    /// licenses may share one.
    pub fn is_handle_in_use_elsewhere(&self, license: &LicenseRow) -> Result<bool> {
        let Some(digest) = license.handle_digest else { return Ok(false) };
        let [stored, active] = [LicenseState::Stored, LicenseState::Active].map(Coded::encode);
        let values = params![digest.0, license.license_id.as_str(), stored, active];
        let exists = self.conn().query_row(EXISTS_WITH_HANDLE, values, |row| row.get(0));
        exists.map_err(failure::sqlite("finding licenses with the same handle in the database"))
    }

    /// Passes the licenses of a profile to `take` with the id of their asset, oldest first.
    pub(in super::super) fn each_license_summary(
        &self,
        profile: &Profile,
        mut take: impl FnMut(&str, LicenseSummary),
    ) -> Result<()> {
        self.each_row("licenses", SELECT_SUMMARIES, [profile.as_str()], |columns| {
            let asset_id = columns.text()?;
            decode_summary(columns).map(|license| take(asset_id, license))
        })
        .map_err(failure::sqlite("reading the licenses from the database"))
    }

    /// Returns the licenses in the states intended and stored.
    pub(in super::super) fn unfinished_licenses(&self) -> Result<Vec<Unfinished<LicenseId>>> {
        let states = [LicenseState::Intended, LicenseState::Stored].map(Coded::encode);
        let decode = |columns: &mut Columns<'_, '_>| {
            Unfinished::decode(columns, |columns| columns.text().and_then(LicenseId::parse))
        };
        self.rows("licenses", SELECT_UNFINISHED, states, decode)
            .map_err(failure::sqlite("reading the unfinished licenses from the database"))
    }

    /// Returns the session that wrote a license last.
    pub(in super::super) fn session_of(&self, license_id: &LicenseId) -> Result<Option<String>> {
        let sql = "SELECT written_by FROM licenses WHERE license_id = ?1";
        let decode = |columns: &mut Columns<'_, '_>| columns.value::<Option<String>>();
        let sessions = self.rows("licenses", sql, [license_id.as_str()], decode);
        Ok(sessions.map_err(failure::sqlite("reading a license from the database"))?.pop().flatten())
    }

    fn licenses(&self, filter: &str, values: &[impl rusqlite::ToSql]) -> Result<Vec<LicenseRow>> {
        let sql = format!("{} {filter} ORDER BY l.id", select(schema::VERSION));
        self.rows("licenses", &sql, params_from_iter(values), decode)
            .map_err(failure::sqlite("reading licenses from the database"))
    }

    fn license_key(&self, license_id: &LicenseId) -> Result<Option<i64>> {
        let sql = "SELECT id FROM licenses WHERE license_id = ?1";
        let key = self.conn().query_row(sql, [license_id.as_str()], |row| row.get(0)).optional();
        key.map_err(failure::sqlite("finding a license in the database"))
    }
}

impl WriteTx<'_> {
    /// Inserts a license.
    pub fn insert_license(&self, row: &LicenseRow) -> Result<()> {
        self.write_license(None, row)
    }

    /// Replaces the license with this id. [`Code::Internal`] if there is none, because the ledger never loses a
    /// license.
    pub fn update_license(&self, row: &LicenseRow) -> Result<()> {
        let key = self.license_key(&row.license_id)?.ok_or_else(no_such_license)?;
        self.write_license(Some(key), row)
    }

    /// Changes the state of a license and nothing else, which writes one page fewer than
    /// [`update_license`](Self::update_license). [`Code::Internal`] if there is no such license, because the ledger
    /// never loses a license.
    pub fn set_license_state(&self, license_id: &LicenseId, state: LicenseState) -> Result<()> {
        let sql = "UPDATE licenses SET state = ?2, written_by = ?3 WHERE license_id = ?1";
        let changed = self.conn().execute(sql, params![license_id.as_str(), state.encode(), self.session()]);
        let changed = changed.map_err(failure::sqlite("updating a license in the database"))?;
        if changed == 1 { Ok(()) } else { Err(no_such_license()) }
    }

    /// Deletes a license. Returns true if it was there.
    pub fn delete_license(&self, license_id: &LicenseId) -> Result<bool> {
        let fail = failure::sqlite("deleting a license from the database");
        let Some(key) = self.license_key(license_id)? else { return Ok(false) };
        self.conn().execute("DELETE FROM license_details WHERE id = ?1", [key]).map_err(&fail)?;
        self.conn().execute("DELETE FROM licenses WHERE id = ?1", [key]).map_err(&fail)?;
        Ok(true)
    }

    /// Writes this session into a license: its process works on the license from now on.
    pub(in super::super) fn take_over_license(&self, license_id: &LicenseId) -> Result<()> {
        let sql = "UPDATE licenses SET written_by = ?1 WHERE license_id = ?2";
        let updated = self.conn().execute(sql, params![self.session(), license_id.as_str()]);
        updated.map(drop).map_err(failure::sqlite("updating a license in the database"))
    }

    /// Inserts a license, or replaces the one with this key.
    fn write_license(&self, key: Option<i64>, row: &LicenseRow) -> Result<()> {
        let fail = failure::sqlite("writing a license to the database");
        let values = named_params! {
            ":id": key,
            ":license_id": row.license_id.as_str(),
            ":profile": row.profile.as_str(),
            ":asset_id": row.asset_id.as_str(),
            ":state": row.state.encode(),
            ":summary": LicenseSummary::from(row).pack(),
            ":written_by": self.session(),
        };
        let sql = if key.is_some() { UPDATE } else { INSERT };
        self.conn().execute(sql, values).map_err(&fail)?;
        let details = named_params! {
            ":id": key.unwrap_or_else(|| self.conn().last_insert_rowid()),
            ":init_data": row.request.init_data,
            ":mime": row.request.mime,
            ":certificate": row.request.certificate,
            ":security_level": row.request.security_level.encode(),
            ":params": encoding::params(&row.params)?,
            ":handle_digest": row.handle_digest.map(|digest| digest.0),
            ":held_before": row.held_before.as_deref().map(encoding::digests),
            ":replaces": row.replaces.as_ref().map(LicenseId::as_str),
            ":key_ids": row.key_ids.as_deref().map(encoding::key_ids),
            ":kind": row.kind.encode(),
            ":outcome": row.outcome.encode(),
            ":lease_until_ms": row.lease_until_ms,
            ":release_attempts": row.release_attempts,
            ":next_attempt_at_ms": row.next_attempt_at_ms,
            ":last_error": row.last_error,
            ":acquired_level": row.acquired_level,
        };
        self.conn().execute(REPLACE_DETAILS, details).map(drop).map_err(&fail)
    }
}

fn no_such_license() -> Error {
    Error::new(Code::Internal, "the ledger has no such license")
}

fn decode_summary(columns: &mut Columns<'_, '_>) -> Option<LicenseSummary> {
    LicenseSummary::unpack(LicenseId::parse(columns.text()?)?, columns.coded()?, columns.blob()?)
}

fn decode(columns: &mut Columns<'_, '_>) -> Option<LicenseRow> {
    let summary = decode_summary(columns)?;
    Some(LicenseRow {
        license_id: summary.license_id,
        profile: Profile::new(columns.text()?).ok()?,
        asset_id: AssetId::new(columns.text()?).ok()?,
        state: summary.state,
        request: KeyRequest {
            scheme: summary.scheme,
            init_data: columns.value()?,
            key_ids: summary.requested_key_ids,
            mime: columns.value()?,
            certificate: columns.value()?,
            security_level: columns.coded()?,
        },
        params: encoding::decode_params(columns.text()?)?,
        handle_digest: columns.value::<Option<[u8; 32]>>()?.map(HandleDigest),
        held_before: columns.optional(|bytes: Vec<u8>| encoding::decode_digests(&bytes))?,
        replaces: columns.optional(|id: String| LicenseId::parse(&id))?,
        granted_at_ms: summary.granted_at_ms,
        expires: summary.expires,
        playback_window_seconds: summary.playback_window_seconds,
        coverage: summary.coverage,
        key_ids: columns.optional(|bytes: Vec<u8>| encoding::decode_key_ids(&bytes))?,
        kind: columns.coded()?,
        outcome: columns.coded()?,
        lease_until_ms: columns.value()?,
        next_attempt_at_ms: columns.value()?,
        release_attempts: columns.value()?,
        last_error: columns.value()?,
        acquired_level: columns.value()?,
    })
}

pub(super) fn dump(tx: &ReadTx<'_>) -> Result<Vec<Value>> {
    let rows = tx.licenses("", &[] as &[u8])?;
    let kind = |kind| match kind {
        IntentKind::New => "new",
        IntentKind::Continuation => "continuation",
    };
    let outcome = |outcome| match outcome {
        IntentOutcome::InProgress => "in-progress",
        IntentOutcome::Unknown => "unknown",
    };
    let coverage = |coverage| match coverage {
        KeyCoverage::Unknown => "unknown",
        KeyCoverage::Covered => "covered",
        KeyCoverage::Missing => "missing",
    };
    let dump = |row: LicenseRow| {
        let is_intended = row.state == LicenseState::Intended;
        json!({
            "license_id": row.license_id.as_str(),
            "profile": row.profile.as_str(),
            "asset_id": row.asset_id.as_str(),
            "state": row.state.as_str(),
            "kind": is_intended.then(|| kind(row.kind)),
            "outcome": is_intended.then(|| outcome(row.outcome)),
            "scheme": row.request.scheme.as_str(),
            "requested_key_ids": encoding::dump_key_ids(&row.request.key_ids),
            "init_data_bytes": row.request.init_data.len(),
            "mime": row.request.mime,
            "certificate_bytes": row.request.certificate.map(|bytes| bytes.len()),
            "server": encoding::dump_params(&row.params),
            "handle_digest": row.handle_digest.map(encoding::dump_digest),
            "held_before": row.held_before.map(|digests| digests.len()),
            "replaces": row.replaces.as_ref().map(LicenseId::as_str),
            "granted_at_ms": row.granted_at_ms,
            "expires": match row.expires {
                Expiry::Never => json!("never"),
                Expiry::Unknown => json!("unknown"),
                Expiry::At(at_ms) => json!({ "at_ms": at_ms }),
            },
            "playback_window_seconds": row.playback_window_seconds,
            "coverage": coverage(row.coverage),
            "key_ids": row.key_ids.as_deref().map(encoding::dump_key_ids),
            "acquired_level": row.acquired_level,
            "lease_until_ms": row.lease_until_ms,
            "release_attempts": row.release_attempts,
            "next_attempt_at_ms": row.next_attempt_at_ms,
            "last_error": row.last_error,
        })
    };
    Ok(rows.into_iter().map(dump).collect())
}

fn salvage(damaged: &Connection, version: i32, to: &WriteTx<'_>) -> Result<()> {
    let select = format!("{} WHERE l.id = ?1", select(version));
    salvage::Rows { keys: KEYS, select: &select, decode }.copy(damaged, |row| match to.license(&row.license_id)? {
        None => to.insert_license(row),
        Some(_) => Ok(()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_license_is_unpacked_as_version_1_packed_it() {
        let license_id = LicenseId::random().unwrap();
        let packed = b"\x02\x01\x02\x09\0\0\0\0\0\0\0\x08\0\0\0\0\0\0\0\x01\x06\0\0\0\0\0\0\0\0\0\0\0";
        let summary = LicenseSummary::unpack(license_id, LicenseState::Active, packed).unwrap();
        assert_eq!(summary.scheme, DrmScheme::FairPlay);
        assert_eq!(summary.expires, Expiry::At(9));
        assert_eq!((summary.granted_at_ms, summary.playback_window_seconds), (8, Some(6)));
        assert_eq!(summary.requested_key_ids, []);
        assert_eq!(summary.pack(), packed);
    }
}
