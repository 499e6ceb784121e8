//! Errors: where they come from, who converts them, and what leaves the process.
//!
//! **Sources.** The core meets six: arguments of the caller, files and manifests (hostile), the network, license
//! servers and CDMs (hostile answers, denial, state), the secret storage and other code of the app, and our own
//! database and disk. Each has its codes below.
//!
//! **Conversion.** A module turns a foreign error (`std::io::Error`, `rusqlite::Error`, `reqwest::Error`) into an
//! [`Error`] at the place where it knows what was being done, with the source kept for the log. Nobody above converts
//! again; a flow adds context only by choosing another code.
//!
//! **What leaves the process.** An [`Error`] has a [`Code`] (stable, part of the API), a message that is safe to log
//! and to show to a developer, and a source that is neither: it may quote a URL or an exception of the app. The FFI
//! passes on code, message, remedy and whether a retry can help, and drops the source. Messages never contain a key, a
//! handle, a challenge, a token, a query string, or more than a shortened, escaped form of a caller's string
//! (see [`Quoted`]).

use std::borrow::Cow;
use std::fmt;

/// The result of everything in the core that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error with a stable code, a message that is safe to log, and the cause for whoever debugs the process.
pub struct Error {
    code: Code,
    message: Cow<'static, str>,
    http_status: Option<u16>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of this code. The message must be safe to log: quote foreign strings with [`Quoted`].
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), http_status: None, source: None }
    }

    /// Keeps the cause. It stays inside the process: it may hold what a message must not.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Keeps the HTTP status that led to this error.
    #[must_use]
    pub fn with_http_status(mut self, status: u16) -> Self {
        self.http_status = Some(status);
        self
    }

    /// What went wrong, as a stable constant.
    pub fn code(&self) -> Code {
        self.code
    }

    /// What went wrong, for a developer. Safe to log.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What the caller can do about it.
    pub fn remedy(&self) -> Remedy {
        self.code.remedy()
    }

    /// True if the same call may succeed later without any change by the caller.
    pub fn is_retryable(&self) -> bool {
        self.code.is_retryable()
    }

    /// The HTTP status behind this error, if one was received.
    pub fn http_status(&self) -> Option<u16> {
        self.http_status
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

/// As [`Display`](fmt::Display): the cause may hold secrets, so `Debug` does not print it either.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// What the caller can do about an error or a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Remedy {
    /// Nothing to do. This is the default.
    Nothing,
    /// Call again later; nothing has to change.
    Retry,
    /// Connect to a network and call again.
    GoOnline,
    /// Let the user sign in again, or give a fresh token or media source.
    SignIn,
    /// Register the asset again with a fresh media source while online.
    Reregister,
    /// Download the damaged or missing media again.
    Repair,
    /// Free space on the device.
    FreeSpace,
    /// Correct the device's clock.
    SetClock,
    /// Correct the argument, the content or the app's code as the message says.
    FixInput,
    /// Ask the service's support: the server or the device refuses.
    ContactSupport,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $remedy:ident, $retry:literal;)*) => {
        /// What went wrong. The text form ([`Code::as_str`]) is part of the API and never changes its meaning; new ones
        /// may be added.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// The stable constant, as users see it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text,)* }
            }

            /// What the caller can do about it.
            pub const fn remedy(self) -> Remedy {
                match self { $(Code::$name => Remedy::$remedy,)* }
            }

            /// True if the same call may succeed later without any change by the caller.
            pub const fn is_retryable(self) -> bool {
                match self { $(Code::$name => $retry,)* }
            }
        }
    };
}

codes! {
    // The call itself
    /// An argument is empty, too long, malformed or contradictory; the message names it.
    InvalidArgument = "INVALID_ARGUMENT", FixInput, false;
    /// A path must be absolute: a relative one has no meaning after a restart.
    RelativePath = "RELATIVE_PATH", FixInput, false;
    /// No asset with this id (or path) is registered in this profile.
    AssetNotFound = "ASSET_NOT_FOUND", Reregister, false;
    /// This id is registered for other media; unregister it first.
    AssetExists = "ASSET_EXISTS", FixInput, false;
    /// Another call is changing this asset at the moment.
    AssetBusy = "ASSET_BUSY", Retry, true;
    /// The asset is known, but not playable now; the message says why.
    AssetNotPlayable = "ASSET_NOT_PLAYABLE", Reregister, false;
    /// The manager was closed.
    Closed = "CLOSED", FixInput, false;
    /// The caller cancelled the call.
    Cancelled = "CANCELLED", Nothing, true;
    /// A defect in Larder. Please report it with the diagnostics.
    Internal = "INTERNAL", ContactSupport, false;

    // Media on disk
    /// Nothing is at this path.
    MediaNotFound = "MEDIA_NOT_FOUND", Repair, false;
    /// The volume that the media lies on is not there now: an ejected card, a storage that is not mounted.
    VolumeMissing = "VOLUME_MISSING", Retry, true;
    /// The path is there, but cannot be read: permission, a link loop, a special file.
    MediaUnreadable = "MEDIA_UNREADABLE", FixInput, false;
    /// The manifest or media file is malformed.
    ManifestInvalid = "MANIFEST_INVALID", Repair, false;
    /// The manifest is larger, deeper or has more keys than any real one.
    ManifestTooLarge = "MANIFEST_TOO_LARGE", FixInput, false;
    /// No manifest or media file of a format that Larder knows is at this path.
    FormatUnsupported = "FORMAT_UNSUPPORTED", FixInput, false;
    /// The folder holds several manifests that are as likely; the message lists them. Register one by its own path.
    MediaAmbiguous = "MEDIA_AMBIGUOUS", FixInput, false;
    /// The media is protected, but neither manifest nor init segment says how to ask for a license.
    InitDataMissing = "INIT_DATA_MISSING", FixInput, false;
    /// A FairPlay asset whose playlists name no `skd://` key: keep EXT-X-SESSION-KEY when downloading.
    SessionKeyMissing = "SESSION_KEY_MISSING", FixInput, false;

    // DRM set-up
    /// No engine is registered for any DRM scheme of this source.
    DrmUnsupported = "DRM_UNSUPPORTED", FixInput, false;
    /// The media is protected, but the source has no DRM parameters (license URL).
    DrmParamsMissing = "DRM_PARAMS_MISSING", FixInput, false;
    /// The license or certificate URL is not an absolute http(s) URL with a host and no user info, or is a plain http one
    /// that the app's configuration forbids.
    UrlInvalid = "URL_INVALID", FixInput, false;
    /// FairPlay needs the application certificate, and none could be had.
    CertificateMissing = "CERTIFICATE_MISSING", FixInput, false;

    // Network
    /// No connection to the server: no network, no route, no such host, connection refused.
    Offline = "OFFLINE", GoOnline, true;
    /// The server did not answer in time. The outcome is unknown; what it may have granted is released later.
    Timeout = "TIMEOUT", Retry, true;
    /// The connection broke or the answer was not HTTP.
    Network = "NETWORK", Retry, true;
    /// The TLS handshake failed: a wrong certificate, or a wrong clock.
    Tls = "TLS", SetClock, false;
    /// The server redirects for ever, or to somewhere it must not.
    Redirect = "REDIRECT", ContactSupport, false;
    /// The answer is larger than any real license.
    ResponseTooLarge = "RESPONSE_TOO_LARGE", ContactSupport, false;
    /// The server answers 401 or 403, also after the token was renewed.
    Unauthorized = "UNAUTHORIZED", SignIn, false;
    /// The server answers with another error of ours (4xx).
    ServerRejected = "SERVER_REJECTED", ContactSupport, false;
    /// The server fails (5xx), also after retries.
    ServerFailed = "SERVER_FAILED", Retry, true;

    // Licenses
    /// The license server refuses this user, title or device.
    LicenseDenied = "LICENSE_DENIED", ContactSupport, false;
    /// The server answered with success and nothing in it.
    LicenseEmpty = "LICENSE_EMPTY", ContactSupport, true;
    /// The server answered with a web page or other text where a license should be: a captive portal, a wrong URL.
    LicenseNotALicense = "LICENSE_NOT_A_LICENSE", Retry, true;
    /// The answer is not a license of this scheme.
    LicenseMalformed = "LICENSE_MALFORMED", ContactSupport, false;
    /// The server grants streaming only: the license must not be stored.
    LicensePersistenceDenied = "LICENSE_PERSISTENCE_DENIED", ContactSupport, false;
    /// The license lasts no time at all, or an absurd one.
    LicenseDurationInvalid = "LICENSE_DURATION_INVALID", ContactSupport, false;
    /// The license lacks a key that the media needs.
    LicenseKeysMissing = "LICENSE_KEYS_MISSING", ContactSupport, false;
    /// The license has expired.
    LicenseExpired = "LICENSE_EXPIRED", GoOnline, false;
    /// The asset needs a license and has none.
    LicenseMissing = "LICENSE_MISSING", Reregister, false;
    /// The stored license cannot be read back from the secret storage.
    LicenseUnreadable = "LICENSE_UNREADABLE", Reregister, false;
    /// The CDM no longer knows the license, though it was not released.
    LicenseVanished = "LICENSE_VANISHED", Reregister, false;
    /// The server or the license forbids renewal; get a new one instead.
    RenewalNotPermitted = "RENEWAL_NOT_PERMITTED", Reregister, false;

    // CDM
    /// The device could not be provisioned for this DRM scheme.
    ProvisioningFailed = "PROVISIONING_FAILED", Retry, true;
    /// The CDM has no free session; wait for other playbacks to end.
    CdmBusy = "CDM_BUSY", Retry, true;
    /// The CDM is in a bad state or reports an error.
    CdmFailed = "CDM_FAILED", Retry, true;
    /// The device's DRM certificate is revoked.
    CdmRevoked = "CDM_REVOKED", ContactSupport, false;
    /// The device's security level is not the one that the license was acquired at: it does not open any more.
    CdmLevelChanged = "CDM_LEVEL_CHANGED", Reregister, false;

    // Code of the app
    /// The app's secret storage failed.
    StorageFailed = "STORAGE_FAILED", Retry, true;
    /// The app's secret storage accepted a value and does not give it back.
    StorageLost = "STORAGE_LOST", ContactSupport, false;
    /// The app's secret storage did not answer in time.
    StorageTimeout = "STORAGE_TIMEOUT", Retry, true;
    /// Another callback of the app failed or did not answer in time.
    DelegateFailed = "DELEGATE_FAILED", FixInput, false;

    // Our database and disk
    /// The database was damaged. It was set aside, what could be read was kept; assets may have to be registered again.
    StoreCorrupt = "STORE_CORRUPT", Reregister, false;
    /// The database cannot be opened at the moment: a locked device, a missing volume, another process.
    StoreUnavailable = "STORE_UNAVAILABLE", Retry, true;
    /// The database was written by a newer Larder: it is open for reading only.
    StoreReadOnly = "STORE_READ_ONLY", FixInput, false;
    /// The disk is full. Nothing was changed.
    DiskFull = "DISK_FULL", FreeSpace, true;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A caller's string, fit for a message: escaped, in quotes, at most 64 characters.
pub struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LIMIT: usize = 64;
        let mut shown = String::new();
        let mut chars = self.0.chars();
        shown.extend(chars.by_ref().take(LIMIT));
        if chars.next().is_some() {
            shown.push('…');
        }
        write!(f, "{shown:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_shows_its_code_and_message_but_never_its_cause() {
        let error = Error::new(Code::Network, "the connection broke").caused_by("https://host/?token=secret");
        assert_eq!(format!("{error}"), "NETWORK: the connection broke");
        assert_eq!(format!("{error:?}"), "NETWORK: the connection broke");
    }

    #[test]
    fn every_code_has_a_text_of_its_own() {
        let texts: std::collections::BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(texts.len(), Code::ALL.len());
    }

    #[test]
    fn a_foreign_string_is_escaped_and_shortened() {
        let long = "a\n".repeat(1000);
        let shown = Quoted(&long).to_string();
        assert!(shown.len() < 200 && !shown.contains('\n'), "{shown}");
    }
}
