//! CDM engines, and the exchange through which an engine reaches its servers.

use std::fmt;
use std::sync::Arc;

use crate::error::Result;
use crate::model::license::{Handle, LicenseGrant, LicenseTimes, ReleaseOutcome, StoredLicense};
use crate::model::{DrmScheme, KeyRequest};

/// A CDM. One per scheme.
///
/// An engine borrows the network for one exchange: it opens its session, makes a challenge, calls
/// [`LicenseExchange::send`], gives the answer to the CDM and closes the session, all within one call. No session stays
/// open between calls.
pub trait DrmEngine: Send + Sync {
    /// The scheme it serves.
    fn scheme(&self) -> DrmScheme;

    /// Gets a license that may be stored.
    ///
    /// Fails with the exchange's own error if `send` failed, and with a `License…`, `Cdm…` or `ProvisioningFailed` code
    /// otherwise. On failure it has stored nothing.
    fn acquire(&self, request: &KeyRequest, exchange: Arc<dyn LicenseExchange>) -> Result<LicenseGrant>;

    /// Renews a license in place. `RenewalNotPermitted` if the license or the server forbids it.
    fn renew(
        &self,
        held: &StoredLicense,
        request: &KeyRequest,
        exchange: Arc<dyn LicenseExchange>,
    ) -> Result<LicenseGrant>;

    /// Asks the CDM what is left of a license. `LicenseVanished` if it does not know it, `LicenseExpired` if it says so.
    fn inspect(&self, held: &StoredLicense) -> Result<LicenseTimes>;

    /// Gives a license back to the server and removes it from the device.
    fn release(&self, held: &StoredLicense, exchange: Arc<dyn LicenseExchange>) -> Result<ReleaseOutcome>;

    /// Removes a license from the device without its server, which has refused its release for good. Success if the CDM
    /// does not have it.
    ///
    /// The default does nothing: right where a license is its handle and nothing else, wrong for a CDM that stores.
    fn remove(&self, held: &StoredLicense) -> Result<()> {
        let _ = held;
        Ok(())
    }

    /// Every license that the CDM holds for this app; `None` if this platform cannot list them.
    fn held(&self) -> Result<Option<Vec<Handle>>>;
}

/// The core's side of one conversation between a CDM and its servers. Wire formats live behind it, once.
pub trait LicenseExchange: Send + Sync {
    /// Sends the CDM's message and returns the server's answer, unpacked.
    ///
    /// Blocks until it is there; may be called from any thread, several times. Fails with a network or server code, or
    /// with `Cancelled` once the call it was lent to has ended or timed out. The engine passes that error on.
    fn send(&self, message: ExchangeMessage) -> Result<ExchangeAnswer>;
}

/// A message from a CDM to a server.
#[derive(Clone)]
pub struct ExchangeMessage {
    /// The purpose of the exchange.
    pub kind: ExchangeKind,
    /// The URL that the CDM asks for (provisioning has one), else the source's.
    pub url: Option<String>,
    /// The CDM's bytes: a challenge, an SPC, a release message.
    pub body: Vec<u8>,
}

/// Without the bytes: they are a challenge.
impl fmt::Debug for ExchangeMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExchangeMessage")
            .field("kind", &self.kind)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// The purpose of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExchangeKind {
    /// A new license.
    License,
    /// A renewal of a held one.
    Renewal,
    /// A release of a held one.
    Release,
    /// Provisioning of the device.
    Provisioning,
    /// The application certificate.
    Certificate,
}

impl ExchangeKind {
    /// The stable name, as adapters and the log see it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::License => "license",
            Self::Renewal => "renewal",
            Self::Release => "release",
            Self::Provisioning => "provisioning",
            Self::Certificate => "certificate",
        }
    }
}

/// A server's answer, unpacked from its wire format.
#[derive(Clone)]
pub struct ExchangeAnswer {
    /// The bytes for the CDM: a license, a CKC, a provisioning response, a certificate.
    pub body: Vec<u8>,
    /// How long the server says that the license may be stored, in seconds, where the wire format has it.
    pub persistence_duration_seconds: Option<u64>,
}

/// Without the bytes: they are a license.
impl fmt::Debug for ExchangeAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExchangeAnswer")
            .field("body_bytes", &self.body.len())
            .field("persistence_duration_seconds", &self.persistence_duration_seconds)
            .finish()
    }
}
