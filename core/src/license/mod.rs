//! Licenses: the ledger, the conversation with license servers, expiry, release and recovery.
//!
//! A license belongs to exactly one registration. It moves `intended -> stored -> active -> superseded | releasing ->
//! released | forgotten`, each step one transaction; `recover` defines what happens after a crash in each state. Its
//! handle is in the app's secret storage, under the license's own id. The ledger has a digest of the handle only.
//!
//! | file | content |
//! |---|---|
//! | `ledger` | the state machine: every change of a license's state |
//! | `requests` | which licenses the media needs, and the requests for them |
//! | `licensing` | the parts that every flow here works with |
//! | `acquisition` | the licenses of one asset, acquired together |
//! | `acquire` | one license from intent to stored |
//! | `rotate` | a license that goes on under another handle |
//! | `release`, `release_token` | the release queue; FairPlay's secure token |
//! | `recover` | recovery after a crash, and licenses that the ledger does not know |
//! | `engines`, `secret_store` | the CDMs and the app's secret storage, with bounded calls |
//! | [`exchange`] | the network, lent to an engine for one conversation with its servers |
//! | [`certificates`] | FairPlay's application certificates, fetched once |
//! | [`wire`] | the license servers' wire formats |
//! | [`grant`] | the checks of a granted license |
//! | [`clearkey`] | the software ClearKey engine |

mod acquire;
mod acquisition;
pub mod certificates;
pub mod clearkey;
mod engines;
pub mod exchange;
pub mod grant;
mod ledger;
mod licensing;
mod recover;
mod release;
mod release_token;
mod requests;
mod rotate;
mod secret_store;
pub mod wire;

pub(crate) use acquire::Operation;
pub(crate) use acquisition::{Acquisition, Publisher, Purpose};
pub(crate) use engines::Engines;
pub(crate) use ledger::{import_license, release_licenses_of, shorten_license};
pub(crate) use licensing::{InFlight, Licensing};
pub(crate) use release::Drained;
pub(crate) use requests::{MAX_LICENSES, Plan, has_keys, plan};
pub(crate) use secret_store::SecretStore;
