//! The common part of all license servers: they grant by policy, and record every license.

use std::sync::atomic::{AtomicU64, Ordering};

use larder_core::model::KeyId;

use crate::book::{Book, IssuedLicense, Scheme};
use crate::http::{Request, Response};
use crate::policy::{KeyTable, Policy};

/// Issues for one request.
pub(crate) struct Issuer<'a> {
    pub(crate) book: &'a Book,
    pub(crate) keys: &'a KeyTable,
    /// The servers' policy with what this request's URL says.
    pub(crate) policy: Policy,
    pub(crate) names: &'a Names,
    pub(crate) now_ms: i64,
}

/// The parameters of a license request.
pub(crate) struct Wish {
    pub(crate) scheme: Scheme,
    pub(crate) key_ids: Vec<KeyId>,
    pub(crate) persistent: bool,
    pub(crate) asset: Option<String>,
    pub(crate) device: Option<String>,
}

/// Why a server does not do what is asked. Each envelope says it in its own way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) why: String,
}

impl Refusal {
    pub(crate) fn new(status: u16, why: impl Into<String>) -> Self {
        Self { status, why: why.into() }
    }

    pub(crate) fn response(&self) -> Response {
        Response::json(self.status, &serde_json::json!({ "error": self.why }))
    }
}

impl Issuer<'_> {
    /// A new license, in the book.
    pub(crate) fn issue(&self, wish: Wish) -> IssuedLicense {
        let license = IssuedLicense {
            license_id: self.names.next("license"),
            scheme: wish.scheme,
            key_ids: wish.key_ids.into_iter().filter(|id| !self.policy.omit_keys.contains(id)).collect(),
            asset: wish.asset,
            device: wish.device,
            persistent: wish.persistent && self.policy.persist,
            duration_seconds: self.policy.duration_seconds,
            playback_seconds: self.policy.playback_seconds,
            renews: None,
            issued_at_ms: self.now_ms,
            renewals: 0,
            renewed_at_ms: None,
            released_at_ms: None,
        };
        self.book.add(license.clone());
        license
    }

    /// The license again: the same, or by policy a new one.
    pub(crate) fn renew(&self, scheme: Scheme, license_id: &str) -> Result<IssuedLicense, Refusal> {
        let held = self.live(scheme, license_id)?;
        if !self.policy.renewable {
            return Err(Refusal::new(403, "this license may not be renewed"));
        }
        if self.policy.renew_in_place {
            let renewed = self.book.change(license_id, |license| {
                license.renewals += 1;
                license.renewed_at_ms = Some(self.now_ms);
                license.duration_seconds = self.policy.duration_seconds;
                license.playback_seconds = self.policy.playback_seconds;
            });
            return renewed.ok_or_else(|| unknown(license_id));
        }
        let successor = IssuedLicense {
            license_id: self.names.next("license"),
            renews: Some(held.license_id.clone()),
            issued_at_ms: self.now_ms,
            renewals: 0,
            renewed_at_ms: None,
            duration_seconds: self.policy.duration_seconds,
            playback_seconds: self.policy.playback_seconds,
            persistent: self.policy.persist,
            ..held
        };
        self.book.add(successor.clone());
        Ok(successor)
    }

    /// Takes a license back. Again is success: the client may not have heard the first answer.
    pub(crate) fn release(&self, scheme: Scheme, license_id: &str) -> Result<IssuedLicense, Refusal> {
        self.book.find(scheme, license_id).ok_or_else(|| unknown(license_id))?;
        let released = self.book.change(license_id, |license| {
            license.released_at_ms.get_or_insert(self.now_ms);
        });
        released.ok_or_else(|| unknown(license_id))
    }

    fn live(&self, scheme: Scheme, license_id: &str) -> Result<IssuedLicense, Refusal> {
        let license = self.book.find(scheme, license_id).ok_or_else(|| unknown(license_id))?;
        if license.released_at_ms.is_some() {
            return Err(Refusal::new(409, format!("license {license_id} was released")));
        }
        Ok(license)
    }
}

fn unknown(license_id: &str) -> Refusal {
    Refusal::new(404, format!("license {license_id} is not in the book"))
}

/// Returns the asset that the license URL names.
pub(crate) fn asset_of(request: &Request) -> Option<String> {
    request.query_value("asset")
}

/// Names that no other run gives: a client may come back with one from before a restart.
#[derive(Debug)]
pub(crate) struct Names {
    run: u64,
    count: AtomicU64,
}

impl Names {
    pub(crate) fn new(run: u64) -> Self {
        Self { run, count: AtomicU64::new(0) }
    }

    pub(crate) fn next(&self, what: &str) -> String {
        format!("{what}-{:x}-{}", self.run, self.count.fetch_add(1, Ordering::Relaxed) + 1)
    }
}
