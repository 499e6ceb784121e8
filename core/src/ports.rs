//! What the core needs from a platform and from the app.
//!
//! Every method is synchronous and may block: the core calls it on a thread that may, never under a lock, and bounded
//! by a timeout. It may be called from any thread, several at once. It must not panic; a panic is caught and reported
//! as [`Code::DelegateFailed`](crate::Code).

use std::fmt;
use std::sync::Arc;

use crate::error::Result;
use crate::model::license::{Handle, LicenseGrant, LicenseTimes, ReleaseOutcome, StoredLicense};
use crate::model::{AssetId, DrmScheme, KeyRequest};

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

/// What a CDM wants to say to a server.
#[derive(Clone)]
pub struct ExchangeMessage {
    /// What it is about.
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

/// What an exchange is about.
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
    /// What the CDM takes: a license, a CKC, a provisioning response, a certificate.
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

/// The app's secret storage: small values under short keys of ours.
pub trait LocalDrmStorage: Send + Sync {
    /// Stores a value, replacing an older one, and returns only when it is durable.
    fn save(&self, key: &str, value: &[u8]) -> Result<()>;
    /// Gives a value back, `None` if there is none. `LicenseUnreadable` says that it is there and that nothing will make
    /// it readable again: a storage that seals its values has lost the key.
    fn load(&self, key: &str) -> Result<Option<Vec<u8>>>;
    /// Removes a value. Removing one that is not there is success.
    fn remove(&self, key: &str) -> Result<()>;
}

/// The network, one request at a time: no redirects, no retries, no cache; the core does those.
pub trait HttpClient: Send + Sync {
    /// Sends a request and reads the whole answer, at most `max_body_bytes` of it.
    ///
    /// Any HTTP status is success here. Fails with `Offline`, `Timeout`, `Network`, `Tls` or `ResponseTooLarge`.
    fn send(&self, request: HttpRequest) -> Result<HttpResponse>;
}

/// One HTTP request.
#[derive(Clone)]
pub struct HttpRequest {
    /// `GET`, `POST`, …
    pub method: &'static str,
    /// An absolute http or https URL.
    pub url: String,
    /// Header names and values.
    pub headers: Vec<(String, String)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
    /// From the start of the connection to the last byte, in milliseconds.
    pub timeout_ms: u64,
    /// A longer answer is an error.
    pub max_body_bytes: usize,
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// One HTTP answer.
#[derive(Clone)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// Header names and values, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, unpacked if it was compressed.
    pub body: Vec<u8>,
}

impl HttpResponse {
    /// The first value of a header, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponse")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Whether a server may be trusted, for platforms where only the app's process can ask (Android).
pub trait ServerTrust: Send + Sync {
    /// Judges a chain of certificates in DER, the server's own first. Any error refuses the server.
    ///
    /// `host` is a DNS name or an IP address, and that the certificate is for it has been checked; a platform wants it
    /// because its trust may differ from host to host. It is called during a handshake, on the runtime's thread, and
    /// must not use the network through Larder.
    fn verify(&self, chain: Vec<Vec<u8>>, host: &str) -> Result<()>;

    /// `UrlInvalid` if the app's configuration forbids plain http to this host. Called before each such request, where
    /// blocking is allowed.
    fn check_cleartext(&self, host: &str) -> Result<()>;
}

/// Time.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970-01-01 UTC. May jump.
    fn now_ms(&self) -> i64;
    /// Milliseconds since boot, sleep included. Never jumps back within one boot. `None` if unknown.
    fn since_boot_ms(&self) -> Option<i64>;
    /// Something that differs from boot to boot, `None` if unknown.
    fn boot_id(&self) -> Option<String>;
}

/// The app's hand on every request to its license servers, offline registrations too.
pub trait RequestAdapter: Send + Sync {
    /// Changes a request before it is sent: URL, headers, body.
    fn adapt(&self, request: LicenseRequest) -> Result<LicenseRequest>;
    /// Unpacks a successful answer that is not in the usual wire format. `None` leaves it to the wire format.
    fn parse(&self, response: LicenseResponse) -> Result<Option<ExchangeAnswer>>;
}

/// A request as an adapter sees it.
#[derive(Clone)]
pub struct LicenseRequest {
    /// What it is about.
    pub kind: ExchangeKind,
    /// The asset it is for.
    pub asset_id: AssetId,
    /// Where it goes.
    pub url: String,
    /// Header names and values.
    pub headers: Vec<(String, String)>,
    /// What is sent, already in its wire format.
    pub body: Vec<u8>,
}

/// An answer as an adapter sees it.
#[derive(Clone)]
pub struct LicenseResponse {
    /// What it is about.
    pub kind: ExchangeKind,
    /// The asset it is for.
    pub asset_id: AssetId,
    /// The HTTP status; always a success.
    pub status: u16,
    /// Header names (lower case) and values.
    pub headers: Vec<(String, String)>,
    /// What was received.
    pub body: Vec<u8>,
}

/// Gives the token for requests to license servers. Asked at the time of use; tokens are never stored.
pub trait TokenProvider: Send + Sync {
    /// The value of the `Authorization` header, `None` for none.
    ///
    /// `rejected` is true when the server has just refused the token given before: get a fresh one.
    fn authorization(&self, asset_id: &AssetId, rejected: bool) -> Result<Option<String>>;
}

/// Chooses what a player plays.
pub trait SourceUrlProvider: Send + Sync {
    /// The URL to play for an entry, `None` to keep `current_url`. Asked at every start of a playback, never cached.
    fn url(&self, entry_id: &str, current_url: Option<&str>) -> Result<Option<String>>;
}

/// What the app knows of the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NetworkState {
    /// Nothing: Larder tries. This is the default.
    #[default]
    Unknown,
    /// There is a network.
    Online,
    /// There is none, or the app wants none: Larder makes no network call at all.
    Offline,
}

/// What the device is like now, as the platform reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceConditions {
    /// What is known of the network.
    pub network: NetworkState,
    /// True if the network costs the user by volume.
    pub is_metered: bool,
    /// True if the network is another operator's than the user's.
    pub is_roaming: bool,
    /// True while a charger is connected.
    pub is_charging: bool,
    /// How full the battery is, 0 to 100. `None` if unknown.
    pub battery_percent: Option<u8>,
    /// True if the platform says that storage runs low.
    pub is_storage_low: bool,
}
