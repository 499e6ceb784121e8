//! The tables `assets` and `asset_details`: the registrations. Each has one row in both tables, under the same key.
//!
//! ## `assets`
//!
//! Has what lookups and statuses need. The snapshot reads this table as a whole when the store is opened. A row appears
//! in the state registering before the first license is requested, and becomes registered in one transaction with the
//! activation of its licenses. Removing the registration deletes the row; its licenses stay until they are released.
//!
//! - `assets.id`: the key, which `asset_details` shares. Rises in the order of registration.
//! - `assets.profile`: the profile that the asset belongs to. Empty for the default profile.
//! - `assets.asset_id`: the app's id of the asset, unique within the profile.
//! - `assets.state`: the number of an [`AssetState`]. Written by registration, import, and the recovery of an
//!   interrupted registration.
//! - `assets.summary`: the fields of [`AssetSummary`] that have no column, packed by [`AssetSummary::pack`].
//! - `assets.written_by`: the session that wrote the row last, see `session.rs`. NULL if that store could not begin a
//!   session, and after a repair.
//!
//! ## `asset_details`
//!
//! Has what a single asset is asked for. Registration and import write it; a refresh replaces `source` and `metadata`.
//!
//! - `asset_details.id`: the key of the row in `assets`.
//! - `asset_details.source`: the media source that the asset was downloaded from, as JSON ([`encoding::source`]). A
//!   refresh requests its licenses with it. May hold signed URLs and tokens: not for logs.
//! - `asset_details.required_keys`: the tracks and the content keys that each needs, as JSON
//!   ([`encoding::required_keys`]).
//! - `asset_details.metadata`: the app's own bytes. NULL if the app gave none.

use std::fmt;

use rusqlite::{Connection, OptionalExtension as _, named_params, params};
use serde_json::{Value, json};

use super::super::columns::Columns;
use super::super::encoding::{self, Coded, coded};
use super::super::failure;
use super::super::packed::{Packer, Unpacker};
use super::super::salvage;
use super::super::session::Unfinished;
use super::super::transaction::{ReadTx, WriteTx};
use super::Table;
use super::licenses::LicenseSummary;
use crate::error::{Code, Error, Result};
use crate::model::{AssetId, InitDataTrack, KeyId, LicenseState, MediaFormat, MediaSource, Profile};

pub(super) const TABLE: Table = Table { versions: &[(1, VERSION_1)], salvage };

const VERSION_1: &str = "
CREATE TABLE assets (
    id INTEGER PRIMARY KEY,
    profile TEXT NOT NULL,
    asset_id TEXT NOT NULL CHECK (asset_id <> ''),
    state INTEGER NOT NULL CHECK (state IN (0, 1)),
    summary BLOB NOT NULL,
    written_by TEXT,
    UNIQUE (profile, asset_id)
);
CREATE TABLE asset_details (
    id INTEGER PRIMARY KEY REFERENCES assets (id) ON DELETE CASCADE,
    source TEXT NOT NULL,
    required_keys TEXT NOT NULL,
    metadata BLOB
);
";

/// The columns of [`decode_summary`].
///
/// NOT INDEXED: one pass over the narrow table is five times faster than the index on (profile, asset_id) with a
/// look-up of each row, and nearly every installation has one profile.
const SELECT_SUMMARIES: &str = "SELECT asset_id, state, summary FROM assets NOT INDEXED WHERE profile = ?1 ORDER BY id";

/// The columns of [`decode`]: those of [`decode_summary`], then the others.
const SELECT: &str = "SELECT a.asset_id, a.state, a.summary, a.profile, d.source, d.metadata, d.required_keys
    FROM assets a JOIN asset_details d ON d.id = a.id";

/// The columns of [`Unfinished::decode`].
const SELECT_UNFINISHED: &str =
    "SELECT profile, asset_id, written_by FROM assets NOT INDEXED WHERE state = ?1 ORDER BY id";

const INSERT: &str = "INSERT INTO assets (id, profile, asset_id, state, summary, written_by)
    VALUES (:id, :profile, :asset_id, :state, :summary, :written_by)";

const UPDATE: &str = "UPDATE assets SET profile = :profile, asset_id = :asset_id, state = :state, summary = :summary,
    written_by = :written_by WHERE id = :id";

const REPLACE_DETAILS: &str = "INSERT OR REPLACE INTO asset_details (id, source, required_keys, metadata)
    VALUES (:id, :source, :required_keys, :metadata)";

/// See [`salvage::Rows::keys`].
const KEYS: &[&str] = &[
    "SELECT id FROM assets NOT INDEXED ORDER BY id",
    "SELECT id FROM assets NOT INDEXED ORDER BY id DESC",
    "SELECT id FROM assets INDEXED BY sqlite_autoindex_assets_1 ORDER BY profile, asset_id",
    "SELECT id FROM assets INDEXED BY sqlite_autoindex_assets_1 ORDER BY profile DESC, asset_id DESC",
    "SELECT id FROM asset_details ORDER BY id",
    "SELECT id FROM asset_details ORDER BY id DESC",
];

/// One registration.
#[derive(Clone, PartialEq, Eq)]
pub struct AssetRow {
    /// The profile that the asset belongs to.
    pub profile: Profile,
    /// The app's id of the asset, unique within the profile.
    pub asset_id: AssetId,
    /// The backend's id of the title.
    pub entry_id: String,
    /// The progress of the registration.
    pub state: AssetState,
    /// The place of the media.
    pub path: StoredPath,
    /// The format of the media.
    pub format: MediaFormat,
    /// True if the media needs licenses.
    pub is_protected: bool,
    /// The media source that the asset was downloaded from. A refresh requests its licenses with it.
    pub source: MediaSource,
    /// The app's own bytes.
    pub metadata: Option<Vec<u8>>,
    /// The tracks and the content keys that each needs, as far as the media tells.
    pub required_keys: Vec<(InitDataTrack, Vec<KeyId>)>,
    /// True if the playlists name an AES-128 key file that is not on the device.
    pub key_files_missing: bool,
    /// The time of the first registration, in milliseconds since 1970-01-01 UTC.
    pub registered_at_ms: i64,
    /// The time of the last registration or refresh, in milliseconds since 1970-01-01 UTC.
    pub updated_at_ms: i64,
    /// The start of the first playback, in milliseconds since 1970-01-01 UTC. `None` before it.
    pub playback_started_at_ms: Option<i64>,
}

/// Omits the metadata, which is the app's.
impl fmt::Debug for AssetRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssetRow")
            .field("asset_id", &self.asset_id)
            .field("state", &self.state)
            .field("format", &self.format)
            .field("source", &self.source)
            .field("metadata_bytes", &self.metadata.as_ref().map(Vec::len))
            .field("required_keys", &self.required_keys)
            .finish_non_exhaustive()
    }
}

/// The progress of a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AssetState {
    /// Its licenses are being acquired.
    Registering,
    /// It is complete.
    Registered,
}

coded! {
    AssetState { Registering = 0, Registered = 1 }
}

/// The place of media, in UTF-8 with `/` as separator.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StoredPath {
    /// The name of the root that `path` is relative to. `None` for an absolute path outside every root.
    pub root: Option<String>,
    /// The path of a manifest, a media file or a folder.
    pub path: String,
    /// The path of the manifest relative to `path`, if that is a folder.
    pub manifest: Option<String>,
}

impl StoredPath {
    /// True if both name the same registered path. The manifest below it may differ.
    pub fn is_same_media(&self, other: &Self) -> bool {
        self.root == other.root && self.path == other.path
    }
}

/// The part of an asset that lookups and statuses need, kept in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetSummary {
    /// The app's id of the asset.
    pub asset_id: AssetId,
    /// The backend's id of the title.
    pub entry_id: String,
    /// The progress of the registration.
    pub state: AssetState,
    /// The place of the media.
    pub path: StoredPath,
    /// The format of the media.
    pub format: MediaFormat,
    /// True if the media needs licenses.
    pub is_protected: bool,
    /// Every content key that a track needs, sorted, each once.
    pub required_key_ids: Vec<KeyId>,
    /// True if the playlists name an AES-128 key file that is not on the device.
    pub key_files_missing: bool,
    /// The start of the first playback, in milliseconds since 1970-01-01 UTC. `None` before it.
    pub playback_started_at_ms: Option<i64>,
    /// The time of the first registration, in milliseconds since 1970-01-01 UTC.
    pub registered_at_ms: i64,
    /// The time of the last registration or refresh, in milliseconds since 1970-01-01 UTC.
    pub updated_at_ms: i64,
    /// Its licenses in the states intended, stored and active, oldest first.
    pub licenses: Vec<LicenseSummary>,
}

/// Without licenses, which have a table of their own: add them with `AssetSummary::add_license`.
impl From<&AssetRow> for AssetSummary {
    fn from(row: &AssetRow) -> Self {
        let mut required_key_ids: Vec<KeyId> =
            row.required_keys.iter().flat_map(|(_, ids)| ids.iter().copied()).collect();
        required_key_ids.sort_unstable();
        required_key_ids.dedup();
        Self {
            asset_id: row.asset_id.clone(),
            entry_id: row.entry_id.clone(),
            state: row.state,
            path: row.path.clone(),
            format: row.format,
            is_protected: row.is_protected,
            required_key_ids,
            key_files_missing: row.key_files_missing,
            playback_started_at_ms: row.playback_started_at_ms,
            registered_at_ms: row.registered_at_ms,
            updated_at_ms: row.updated_at_ms,
            licenses: Vec::new(),
        }
    }
}

impl AssetSummary {
    /// Adds a license, unless its state says that it cannot play any more.
    pub(crate) fn add_license(&mut self, license: LicenseSummary) {
        match license.state {
            LicenseState::Intended | LicenseState::Stored | LicenseState::Active => {
                // Most assets have one license; the room for four that `push` makes would be half of the snapshot.
                self.licenses.reserve_exact(1);
                self.licenses.push(license);
            }
            LicenseState::Superseded | LicenseState::Releasing | LicenseState::Released | LicenseState::Forgotten => {}
        }
    }

    /// Packs the fields without a column of their own into `assets.summary`, in the order in which
    /// [`unpack`](Self::unpack) reads them.
    fn pack(&self) -> Vec<u8> {
        let mut out = Packer::default();
        out.byte(self.format.encode());
        out.byte(u8::from(self.is_protected));
        out.byte(u8::from(self.key_files_missing));
        out.integer(self.registered_at_ms);
        out.integer(self.updated_at_ms);
        out.optional(self.playback_started_at_ms, Packer::integer);
        out.text(&self.entry_id);
        out.optional(self.path.root.as_deref(), Packer::text);
        out.text(&self.path.path);
        out.optional(self.path.manifest.as_deref(), Packer::text);
        out.key_ids(&self.required_key_ids);
        out.into_bytes()
    }

    fn unpack(asset_id: AssetId, state: AssetState, summary: &[u8]) -> Option<Self> {
        let mut from = Unpacker::of(summary);
        Some(Self {
            asset_id,
            state,
            format: Coded::decode(from.byte()?)?,
            is_protected: from.flag()?,
            key_files_missing: from.flag()?,
            registered_at_ms: from.integer()?,
            updated_at_ms: from.integer()?,
            playback_started_at_ms: from.optional(Unpacker::integer)?,
            entry_id: from.text()?,
            path: StoredPath {
                root: from.optional(Unpacker::text)?,
                path: from.text()?,
                manifest: from.optional(Unpacker::text)?,
            },
            required_key_ids: from.key_ids()?,
            licenses: Vec::new(),
        })
    }
}

impl ReadTx<'_> {
    /// Returns one asset.
    pub fn asset(&self, profile: &Profile, asset_id: &AssetId) -> Result<Option<AssetRow>> {
        let sql = format!("{SELECT} WHERE a.profile = ?1 AND a.asset_id = ?2");
        let rows = self.rows("assets", &sql, params![profile.as_str(), asset_id.as_str()], decode);
        Ok(rows.map_err(failure::sqlite("reading an asset from the database"))?.pop())
    }

    /// Returns every asset of a profile without its licenses, in the order of registration.
    pub(in super::super) fn asset_summaries(&self, profile: &Profile) -> Result<Vec<AssetSummary>> {
        self.rows("assets", SELECT_SUMMARIES, [profile.as_str()], decode_summary)
            .map_err(failure::sqlite("reading the assets from the database"))
    }

    /// Returns the assets in the state registering.
    pub(in super::super) fn unfinished_assets(&self) -> Result<Vec<Unfinished<()>>> {
        let decode = |columns: &mut Columns<'_, '_>| Unfinished::decode(columns, |_| Some(()));
        self.rows("assets", SELECT_UNFINISHED, [AssetState::Registering.encode()], decode)
            .map_err(failure::sqlite("reading the unfinished registrations from the database"))
    }

    fn asset_key(&self, profile: &Profile, asset_id: &AssetId) -> Result<Option<i64>> {
        let sql = "SELECT id FROM assets WHERE profile = ?1 AND asset_id = ?2";
        let values = params![profile.as_str(), asset_id.as_str()];
        let key = self.conn().query_row(sql, values, |row| row.get(0)).optional();
        key.map_err(failure::sqlite("finding an asset in the database"))
    }
}

impl WriteTx<'_> {
    /// Inserts an asset. [`Code::AssetExists`] if the profile has an asset with this id.
    pub fn insert_asset(&self, row: &AssetRow) -> Result<()> {
        if self.asset_key(&row.profile, &row.asset_id)?.is_some() {
            if self.asset(&row.profile, &row.asset_id)?.is_some() {
                return Err(Error::new(Code::AssetExists, format!("the asset {} is registered already", row.asset_id)));
            }
            // A row that does not decode is treated as absent here, too.
            self.delete_asset(&row.profile, &row.asset_id)?;
        }
        self.write_asset(None, row)
    }

    /// Replaces the asset with this profile and id. [`Code::AssetNotFound`] if there is none.
    pub fn update_asset(&self, row: &AssetRow) -> Result<()> {
        let key = self
            .asset_key(&row.profile, &row.asset_id)?
            .ok_or_else(|| Error::new(Code::AssetNotFound, format!("no asset {} is registered", row.asset_id)))?;
        self.write_asset(Some(key), row)
    }

    /// Deletes an asset, but not its licenses. Returns true if it was there.
    pub fn delete_asset(&self, profile: &Profile, asset_id: &AssetId) -> Result<bool> {
        let fail = failure::sqlite("deleting an asset from the database");
        let Some(key) = self.asset_key(profile, asset_id)? else { return Ok(false) };
        self.conn().execute("DELETE FROM asset_details WHERE id = ?1", [key]).map_err(&fail)?;
        self.conn().execute("DELETE FROM assets WHERE id = ?1", [key]).map_err(&fail)?;
        Ok(true)
    }

    /// Writes this session into an asset: its process works on the asset from now on.
    pub(in super::super) fn take_over_asset(&self, profile: &Profile, asset_id: &AssetId) -> Result<()> {
        let sql = "UPDATE assets SET written_by = ?1 WHERE profile = ?2 AND asset_id = ?3";
        let values = params![self.session(), profile.as_str(), asset_id.as_str()];
        self.conn().execute(sql, values).map(drop).map_err(failure::sqlite("updating an asset in the database"))
    }

    /// Inserts an asset, or replaces the one with this key.
    fn write_asset(&self, key: Option<i64>, row: &AssetRow) -> Result<()> {
        let fail = failure::sqlite("writing an asset to the database");
        let values = named_params! {
            ":id": key,
            ":profile": row.profile.as_str(),
            ":asset_id": row.asset_id.as_str(),
            ":state": row.state.encode(),
            ":summary": AssetSummary::from(row).pack(),
            ":written_by": self.session(),
        };
        let sql = if key.is_some() { UPDATE } else { INSERT };
        self.conn().execute(sql, values).map_err(&fail)?;
        let details = named_params! {
            ":id": key.unwrap_or_else(|| self.conn().last_insert_rowid()),
            ":source": encoding::source(&row.source)?,
            ":required_keys": encoding::required_keys(&row.required_keys)?,
            ":metadata": row.metadata,
        };
        self.conn().execute(REPLACE_DETAILS, details).map(drop).map_err(&fail)
    }
}

fn decode_summary(columns: &mut Columns<'_, '_>) -> Option<AssetSummary> {
    AssetSummary::unpack(AssetId::new(columns.text()?).ok()?, columns.coded()?, columns.blob()?)
}

fn decode(columns: &mut Columns<'_, '_>) -> Option<AssetRow> {
    let summary = decode_summary(columns)?;
    Some(AssetRow {
        profile: Profile::new(columns.text()?).ok()?,
        asset_id: summary.asset_id,
        entry_id: summary.entry_id,
        state: summary.state,
        path: summary.path,
        format: summary.format,
        is_protected: summary.is_protected,
        source: encoding::decode_source(columns.text()?)?,
        metadata: columns.value()?,
        required_keys: encoding::decode_required_keys(columns.text()?)?,
        key_files_missing: summary.key_files_missing,
        registered_at_ms: summary.registered_at_ms,
        updated_at_ms: summary.updated_at_ms,
        playback_started_at_ms: summary.playback_started_at_ms,
    })
}

pub(super) fn dump(tx: &ReadTx<'_>) -> Result<Vec<Value>> {
    let rows = tx.rows("assets", &format!("{SELECT} ORDER BY a.id"), [], decode);
    let rows = rows.map_err(failure::sqlite("reading the assets from the database"))?;
    let state = |state| match state {
        AssetState::Registering => "registering",
        AssetState::Registered => "registered",
    };
    let dump = |row: AssetRow| {
        let required_keys = row.required_keys.iter().map(|(track, ids)| {
            json!({ "kind": track.kind.as_str(), "name": track.name, "key_ids": encoding::dump_key_ids(ids) })
        });
        json!({
            "profile": row.profile.as_str(),
            "asset_id": row.asset_id.as_str(),
            "entry_id": row.entry_id,
            "state": state(row.state),
            "root": row.path.root,
            "path": row.path.path,
            "manifest": row.path.manifest,
            "format": row.format.as_str(),
            "is_protected": row.is_protected,
            "source_id": row.source.id,
            "source_host": encoding::dump_host(&row.source.url),
            "drm": row.source.drm.iter().map(encoding::dump_params).collect::<Vec<_>>(),
            "metadata_bytes": row.metadata.map(|bytes| bytes.len()),
            "required_keys": required_keys.collect::<Vec<_>>(),
            "key_files_missing": row.key_files_missing,
            "registered_at_ms": row.registered_at_ms,
            "updated_at_ms": row.updated_at_ms,
            "playback_started_at_ms": row.playback_started_at_ms,
        })
    };
    Ok(rows.into_iter().map(dump).collect())
}

fn salvage(damaged: &Connection, _version: i32, to: &WriteTx<'_>) -> Result<()> {
    let select = format!("{SELECT} WHERE a.id = ?1");
    salvage::Rows { keys: KEYS, select: &select, decode }.copy(damaged, |row| {
        match to.asset(&row.profile, &row.asset_id)? {
            None => to.insert_asset(row),
            Some(_) => Ok(()),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpack(summary: &[u8]) -> Option<AssetSummary> {
        AssetSummary::unpack(AssetId::new("a").unwrap(), AssetState::Registered, summary)
    }

    /// An asset as version 1 packs it.
    const PACKED: &[u8] = b"\x01\x01\x00\
        \x05\0\0\0\0\0\0\0\
        \xff\xff\xff\xff\xff\xff\xff\xff\
        \x01\x07\0\0\0\0\0\0\0\
        \x01\0\0\0e\
        \x01\x02\0\0\0ro\
        \x01\0\0\0p\
        \x00\
        \x01\0\0\0kkkkkkkkkkkkkkkk";

    #[test]
    fn an_asset_is_unpacked_as_version_1_packed_it() {
        let summary = unpack(PACKED).unwrap();
        assert_eq!(summary.format, MediaFormat::Hls);
        assert!(summary.is_protected && !summary.key_files_missing);
        assert_eq!((summary.registered_at_ms, summary.updated_at_ms), (5, -1));
        assert_eq!(summary.playback_started_at_ms, Some(7));
        assert_eq!(summary.entry_id, "e");
        let path = StoredPath { root: Some("ro".to_owned()), path: "p".to_owned(), manifest: None };
        assert_eq!(summary.path, path);
        assert_eq!(summary.required_key_ids, [KeyId(*b"kkkkkkkkkkkkkkkk")]);
        assert_eq!(summary.pack(), PACKED);
        let longer = [PACKED, b"of a later version"].concat();
        assert_eq!(unpack(&longer), Some(summary));
    }

    #[test]
    fn a_summary_that_is_cut_short_or_has_unknown_values_does_not_decode() {
        for length in 0..PACKED.len() {
            assert_eq!(unpack(&PACKED[..length]), None, "{length}");
        }
        for (at, byte) in [(0, 3), (1, 2), (19, 2), (28, 0xff), (32, 0xff)] {
            let mut damaged = PACKED.to_vec();
            damaged[at] = byte;
            assert_eq!(unpack(&damaged), None, "{at}");
        }
    }
}
