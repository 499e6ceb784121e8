//! Errors: where they come from, who converts them, and what leaves the process.
//!
//! **Sources.** Errors come from six sources: arguments of the caller; files and manifests, which may be hostile; the
//! network; license servers and CDMs, which deny, answer with garbage or lose state; the secret storage and other code
//! of the app; and our own database and disk. The table of codes below has a section for each.
//!
//! **Conversion.** A module converts a foreign error (`std::io::Error`, `rusqlite::Error`, `reqwest::Error`) into an
//! [`Error`] at the place that knows which operation failed, and keeps the foreign error as the source for the log. The
//! layers above do not convert again. A flow that knows more than the layer below chooses another code.
//!
//! **Leaving the process.** An [`Error`] has a [`Code`], which is stable and part of the API; a message, which is safe
//! to log and to show to a developer; and a source, which is not safe, because it may quote a URL or an exception of
//! the app. The FFI passes on the code, the message, the remedy and whether a retry can help, and drops the source. A
//! message never contains a key, a handle, a challenge, a token or a query string, and strings of the caller only
//! shortened and escaped (see [`Quoted`]).
//!
//! **Remedies.** A code has one remedy, everywhere. A place that needs another remedy needs another code. The codes of
//! Kotlin and Swift and `docs/errors.md` are generated from the table in this file: the doc comment of a code is its
//! published meaning.

use std::borrow::Cow;
use std::fmt;

/// The result of an operation that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error with a stable code, a message that is safe to log, and the cause for debugging inside the process.
pub struct Error {
    code: Code,
    message: Cow<'static, str>,
    http_status: Option<u16>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// Creates an error. The message must be safe to log: quote foreign strings with [`Quoted`].
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), http_status: None, source: None }
    }

    /// Attaches the cause. It stays inside the process, because it may contain data that a message must not.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Attaches the HTTP status that led to this error.
    #[must_use]
    pub fn with_http_status(mut self, status: u16) -> Self {
        self.http_status = Some(status);
        self
    }

    /// Returns the stable code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// Returns the message for developers. Safe to log.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the action that the caller can take.
    pub fn remedy(&self) -> Remedy {
        self.code.remedy()
    }

    /// True if the same call may succeed later without any change by the caller.
    pub fn is_retryable(&self) -> bool {
        self.code.is_retryable()
    }

    /// Returns the HTTP status that led to this error, if there was one.
    pub fn http_status(&self) -> Option<u16> {
        self.http_status
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

/// The same as [`Display`](fmt::Display): the cause may contain secrets, so `Debug` omits it, too.
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

/// The action that the caller can take after an error or for a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Remedy {
    /// Nothing to do. This is the default.
    Nothing,
    /// Call again later, without any change.
    Retry,
    /// Connect to a network and call again.
    GoOnline,
    /// Let the user sign in again, or provide a new token or media source.
    SignIn,
    /// Register the asset again with a new media source while online.
    Reregister,
    /// Download the damaged or missing media again.
    Repair,
    /// Free space on the device.
    FreeSpace,
    /// Correct the device's clock.
    SetClock,
    /// Correct the argument, the media or the app's code, as the message says.
    FixInput,
    /// Contact the support of the service: the server or the device refuses.
    ContactSupport,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $remedy:ident, $retry:literal;)*) => {
        /// The kind of an error. Its text ([`Code::as_str`]) is part of the API and never changes its meaning; later
        /// versions may add codes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// All codes, in the order of the documentation.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// Returns the stable text, for example `OFFLINE`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text,)* }
            }

            /// Returns the action that the caller can take.
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
    /// An argument is empty, too long, malformed or contradictory. The message names it.
    InvalidArgument = "INVALID_ARGUMENT", FixInput, false;
    /// A path is relative. Give an absolute path, which keeps its meaning after a restart.
    RelativePath = "RELATIVE_PATH", FixInput, false;
    /// No asset with this id or path is registered in this profile.
    AssetNotFound = "ASSET_NOT_FOUND", Reregister, false;
    /// The asset id is registered for other media. Unregister it first.
    AssetExists = "ASSET_EXISTS", FixInput, false;
    /// Another call is changing this asset.
    AssetBusy = "ASSET_BUSY", Retry, true;
    /// The asset is registered, but not playable now. The message has the reason.
    AssetNotPlayable = "ASSET_NOT_PLAYABLE", Reregister, false;
    /// The manager was closed.
    Closed = "CLOSED", FixInput, false;
    /// The caller cancelled the call.
    Cancelled = "CANCELLED", Nothing, true;
    /// A defect in Larder. Report it with the diagnostics.
    Internal = "INTERNAL", ContactSupport, false;

    // Media on disk
    /// There is no file or folder at the path.
    MediaNotFound = "MEDIA_NOT_FOUND", Repair, false;
    /// The volume of the media is not mounted, for example an ejected card.
    VolumeMissing = "VOLUME_MISSING", Retry, true;
    /// The path exists but cannot be read: a missing permission, a loop of links, or a special file.
    MediaUnreadable = "MEDIA_UNREADABLE", FixInput, false;
    /// The manifest or media file is malformed.
    ManifestInvalid = "MANIFEST_INVALID", Repair, false;
    /// The manifest exceeds the limits on size, nesting or number of keys.
    ManifestTooLarge = "MANIFEST_TOO_LARGE", FixInput, false;
    /// There is no manifest or media file of a supported format at the path.
    FormatUnsupported = "FORMAT_UNSUPPORTED", FixInput, false;
    /// The folder has several manifests, and none of them is the obvious one. The message lists them. Register one by
    /// its own path.
    MediaAmbiguous = "MEDIA_AMBIGUOUS", FixInput, false;
    /// The media is protected, but neither the manifest nor an init segment has the data to request a license with.
    InitDataMissing = "INIT_DATA_MISSING", FixInput, false;
    /// The playlists of a FairPlay asset name no `skd://` key. Keep EXT-X-SESSION-KEY when downloading.
    SessionKeyMissing = "SESSION_KEY_MISSING", FixInput, false;

    // DRM set-up
    /// No engine is registered for any DRM scheme of this source.
    DrmUnsupported = "DRM_UNSUPPORTED", FixInput, false;
    /// The media is protected, but the source has no DRM parameters (license URL).
    DrmParamsMissing = "DRM_PARAMS_MISSING", FixInput, false;
    /// The license or certificate URL is not an absolute http(s) URL with a host and without user info, or it is a
    /// plain http URL that the app's configuration forbids.
    UrlInvalid = "URL_INVALID", FixInput, false;
    /// FairPlay needs the application certificate, and the source has neither a certificate nor a working URL for it.
    CertificateMissing = "CERTIFICATE_MISSING", FixInput, false;

    // Network
    /// The server could not be reached: no network, no route, unknown host, or connection refused.
    Offline = "OFFLINE", GoOnline, true;
    /// The server did not answer in time. The outcome is unknown: a license that it may have granted is released later.
    Timeout = "TIMEOUT", Retry, true;
    /// The connection broke, or the response was not HTTP.
    Network = "NETWORK", Retry, true;
    /// The TLS handshake failed: a wrong certificate, or a wrong device clock.
    Tls = "TLS", SetClock, false;
    /// The server redirects in a loop, or to a URL that is not allowed.
    Redirect = "REDIRECT", ContactSupport, false;
    /// The response exceeds the size limit.
    ResponseTooLarge = "RESPONSE_TOO_LARGE", ContactSupport, false;
    /// The server answers 401 or 403, also with a renewed token.
    Unauthorized = "UNAUTHORIZED", SignIn, false;
    /// The server rejects the request with another client error (4xx).
    ServerRejected = "SERVER_REJECTED", ContactSupport, false;
    /// The server fails with a server error (5xx), also after retries.
    ServerFailed = "SERVER_FAILED", Retry, true;

    // Licenses
    /// The license server refuses a license for this user, title or device.
    LicenseDenied = "LICENSE_DENIED", ContactSupport, false;
    /// The license server answered with success and an empty body.
    LicenseEmpty = "LICENSE_EMPTY", ContactSupport, true;
    /// The license server answered with a web page or other text instead of a license: a captive portal, or a wrong
    /// URL.
    LicenseNotALicense = "LICENSE_NOT_A_LICENSE", Retry, true;
    /// The response is not a license of this scheme.
    LicenseMalformed = "LICENSE_MALFORMED", ContactSupport, false;
    /// The server grants streaming only: the license may not be stored.
    LicensePersistenceDenied = "LICENSE_PERSISTENCE_DENIED", ContactSupport, false;
    /// The duration of the license is zero or implausibly long.
    LicenseDurationInvalid = "LICENSE_DURATION_INVALID", ContactSupport, false;
    /// The license lacks a key that the media needs.
    LicenseKeysMissing = "LICENSE_KEYS_MISSING", ContactSupport, false;
    /// The license has expired.
    LicenseExpired = "LICENSE_EXPIRED", GoOnline, false;
    /// The asset needs a license and has none.
    LicenseMissing = "LICENSE_MISSING", Reregister, false;
    /// The secret storage no longer returns the stored license.
    LicenseUnreadable = "LICENSE_UNREADABLE", Reregister, false;
    /// The CDM no longer has the license, though it was not released.
    LicenseVanished = "LICENSE_VANISHED", Reregister, false;
    /// The server or the license forbids renewal. Acquire a new license instead.
    RenewalNotPermitted = "RENEWAL_NOT_PERMITTED", Reregister, false;

    // CDM
    /// The device could not be provisioned for this DRM scheme.
    ProvisioningFailed = "PROVISIONING_FAILED", Retry, true;
    /// The CDM has no free session. Wait for other playbacks to end.
    CdmBusy = "CDM_BUSY", Retry, true;
    /// The CDM reports an error or is in an invalid state.
    CdmFailed = "CDM_FAILED", Retry, true;
    /// The device's DRM certificate is revoked.
    CdmRevoked = "CDM_REVOKED", ContactSupport, false;
    /// The device no longer has the security level that the license was acquired at, so the license does not open.
    CdmLevelChanged = "CDM_LEVEL_CHANGED", Reregister, false;

    // Code of the app
    /// The app's secret storage failed.
    StorageFailed = "STORAGE_FAILED", Retry, true;
    /// The app's secret storage accepted a value and does not return it.
    StorageLost = "STORAGE_LOST", ContactSupport, false;
    /// The app's secret storage did not answer in time.
    StorageTimeout = "STORAGE_TIMEOUT", Retry, true;
    /// Another callback of the app failed, or did not answer in time.
    DelegateFailed = "DELEGATE_FAILED", FixInput, false;

    // Our database and disk
    /// The database was damaged. It was set aside, and all readable records were kept. Some assets may have to be
    /// registered again.
    StoreCorrupt = "STORE_CORRUPT", Reregister, false;
    /// The database cannot be opened now: a locked device, a missing volume, or another process.
    StoreUnavailable = "STORE_UNAVAILABLE", Retry, true;
    /// The database was written by a newer Larder. It is open for reading only.
    StoreReadOnly = "STORE_READ_ONLY", FixInput, false;
    /// The disk is full. Nothing was changed.
    DiskFull = "DISK_FULL", FreeSpace, true;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A string of the caller, made safe for a message: escaped, in quotes, at most 64 characters.
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
    fn display_and_debug_show_code_and_message_but_not_the_cause() {
        let error = Error::new(Code::Network, "the connection broke").caused_by("https://host/?token=secret");
        assert_eq!(format!("{error}"), "NETWORK: the connection broke");
        assert_eq!(format!("{error:?}"), "NETWORK: the connection broke");
    }

    #[test]
    fn code_texts_are_distinct() {
        let texts: std::collections::BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(texts.len(), Code::ALL.len());
    }

    #[test]
    fn quoted_strings_are_escaped_and_shortened() {
        let long = "a\n".repeat(1000);
        let shown = Quoted(&long).to_string();
        assert!(shown.len() < 200 && !shown.contains('\n'), "{shown}");
    }
}
