//! Licenses: the ledger, the conversation with license servers, expiry, release and recovery.
//!
//! A license belongs to exactly one registration. It moves `intended -> stored -> active -> superseded | releasing ->
//! released | forgotten`, each step one transaction; `recover` says what each state means after a crash. One step leads
//! back: a release that a strict server is asked for before the next license, and that fails while the CDM still has the
//! old one, leaves that active. Its handle lies in the app's secret storage, under the license's own id; the ledger has
//! only a digest of it.
//!
//! | file | what |
//! |---|---|
//! | `requests` | from what the media says to what an engine is asked |
//! | `licensing` | what every flow here works with |
//! | `obtain` | one license from intent to stored |
//! | `ledger` | steps that belong into somebody's transaction |
//! | `release` | the release queue |
//! | `recover` | after a crash, and what the CDM holds that nobody knows |
//! | `engines`, `vault` | CDMs and the secret storage, each call bounded |
//! | [`exchange`] | the network that an engine borrows for one conversation with its servers |
//! | [`certificates`] | FairPlay's application certificates, fetched once |
//! | [`wire`] | what license servers speak: bytes in, bytes out |
//! | [`grant`] | whether what came back is a license that is worth keeping |
//! | [`clearkey`] | the software ClearKey engine |

pub mod certificates;
pub mod clearkey;
mod engines;
pub mod exchange;
pub mod grant;
mod ledger;
mod licensing;
mod obtain;
mod recover;
mod release;
mod requests;
mod vault;
pub mod wire;

pub(crate) use engines::{EngineError, Engines};
pub(crate) use ledger::{Predecessor, activate};
pub(crate) use licensing::{InFlight, Licensing};
pub(crate) use obtain::{Ask, Obtained, drop_intent};
pub(crate) use release::Drained;
pub(crate) use requests::{Plan, plan};
pub(crate) use vault::Vault;
