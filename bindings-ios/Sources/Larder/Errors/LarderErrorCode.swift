// Generated from core/src/error.rs (UPDATE_DOCS=1 cargo test -p larder-cli --test docs).

extension LarderError {
  /// The stable name of an error.
  ///
  /// The text never changes its meaning, and later versions may add codes. `Code` is a structure and not an enumeration, so
  /// that a new code does not break a `switch`: give it a `default` that handles the error by its remedy.
  public struct Code: RawRepresentable, Hashable, Sendable {
    /// The stable text, for example `OFFLINE`.
    public let rawValue: String

    /// Makes a code from its stable text. A text that this version of Larder does not know is a valid code, too.
    public init(rawValue: String) {
      self.rawValue = rawValue
    }
  }
}

extension LarderError.Code: CustomStringConvertible {
  /// The stable text.
  public var description: String { rawValue }
}

// MARK: - The call itself

extension LarderError.Code {
  /// An argument is empty, too long, malformed or contradictory. The message names it.
  public static let invalidArgument = Self(rawValue: "INVALID_ARGUMENT")

  /// A path is relative. Give an absolute path, which keeps its meaning after a restart.
  public static let relativePath = Self(rawValue: "RELATIVE_PATH")

  /// No asset with this id or path is registered in this profile.
  public static let assetNotFound = Self(rawValue: "ASSET_NOT_FOUND")

  /// The asset id is registered for other media. Unregister it first.
  public static let assetExists = Self(rawValue: "ASSET_EXISTS")

  /// Another call is changing this asset.
  public static let assetBusy = Self(rawValue: "ASSET_BUSY")

  /// The asset is registered, but not playable now. The message has the reason.
  public static let assetNotPlayable = Self(rawValue: "ASSET_NOT_PLAYABLE")

  /// The manager was closed.
  public static let closed = Self(rawValue: "CLOSED")

  /// The caller cancelled the call.
  public static let cancelled = Self(rawValue: "CANCELLED")

  /// A defect in Larder. Report it with the diagnostics.
  public static let `internal` = Self(rawValue: "INTERNAL")
}

// MARK: - Media on disk

extension LarderError.Code {
  /// There is no file or folder at the path.
  public static let mediaNotFound = Self(rawValue: "MEDIA_NOT_FOUND")

  /// The volume of the media is not mounted, for example an ejected card.
  public static let volumeMissing = Self(rawValue: "VOLUME_MISSING")

  /// The path exists but cannot be read: a missing permission, a loop of links, or a special file.
  public static let mediaUnreadable = Self(rawValue: "MEDIA_UNREADABLE")

  /// The manifest or media file is malformed.
  public static let manifestInvalid = Self(rawValue: "MANIFEST_INVALID")

  /// The manifest exceeds the limits on size, nesting or number of keys.
  public static let manifestTooLarge = Self(rawValue: "MANIFEST_TOO_LARGE")

  /// There is no manifest or media file of a supported format at the path.
  public static let formatUnsupported = Self(rawValue: "FORMAT_UNSUPPORTED")

  /// The folder has several manifests, and none of them is the obvious one. The message lists them. Register one by its
  /// own path.
  public static let mediaAmbiguous = Self(rawValue: "MEDIA_AMBIGUOUS")

  /// The media is protected, but neither the manifest nor an init segment has the data to request a license with.
  public static let initDataMissing = Self(rawValue: "INIT_DATA_MISSING")

  /// The playlists of a FairPlay asset name no `skd://` key. Keep EXT-X-SESSION-KEY when downloading.
  public static let sessionKeyMissing = Self(rawValue: "SESSION_KEY_MISSING")
}

// MARK: - DRM set-up

extension LarderError.Code {
  /// No engine is registered for any DRM scheme of this source.
  public static let drmUnsupported = Self(rawValue: "DRM_UNSUPPORTED")

  /// The media is protected, but the source has no DRM parameters (license URL).
  public static let drmParamsMissing = Self(rawValue: "DRM_PARAMS_MISSING")

  /// The license or certificate URL is not an absolute http(s) URL with a host and without user info, or it is a plain
  /// http URL that the app's configuration forbids.
  public static let urlInvalid = Self(rawValue: "URL_INVALID")

  /// FairPlay needs the application certificate, and the source has neither a certificate nor a working URL for it.
  public static let certificateMissing = Self(rawValue: "CERTIFICATE_MISSING")
}

// MARK: - Network

extension LarderError.Code {
  /// The server could not be reached: no network, no route, unknown host, or connection refused.
  public static let offline = Self(rawValue: "OFFLINE")

  /// The server did not answer in time. The outcome is unknown: a license that it may have granted is released later.
  public static let timeout = Self(rawValue: "TIMEOUT")

  /// The connection broke, or the response was not HTTP.
  public static let network = Self(rawValue: "NETWORK")

  /// The TLS handshake failed: a wrong certificate, or a wrong device clock.
  public static let tls = Self(rawValue: "TLS")

  /// The server redirects in a loop, or to a URL that is not allowed.
  public static let redirect = Self(rawValue: "REDIRECT")

  /// The response exceeds the size limit.
  public static let responseTooLarge = Self(rawValue: "RESPONSE_TOO_LARGE")

  /// The server answers 401 or 403, also with a renewed token.
  public static let unauthorized = Self(rawValue: "UNAUTHORIZED")

  /// The server rejects the request with another client error (4xx).
  public static let serverRejected = Self(rawValue: "SERVER_REJECTED")

  /// The server fails with a server error (5xx), also after retries.
  public static let serverFailed = Self(rawValue: "SERVER_FAILED")
}

// MARK: - Licenses

extension LarderError.Code {
  /// The license server refuses a license for this user, title or device.
  public static let licenseDenied = Self(rawValue: "LICENSE_DENIED")

  /// The license server answered with success and an empty body.
  public static let licenseEmpty = Self(rawValue: "LICENSE_EMPTY")

  /// The license server answered with a web page or other text instead of a license: a captive portal, or a wrong URL.
  public static let licenseNotALicense = Self(rawValue: "LICENSE_NOT_A_LICENSE")

  /// The response is not a license of this scheme.
  public static let licenseMalformed = Self(rawValue: "LICENSE_MALFORMED")

  /// The server grants streaming only: the license may not be stored.
  public static let licensePersistenceDenied = Self(rawValue: "LICENSE_PERSISTENCE_DENIED")

  /// The duration of the license is zero or implausibly long.
  public static let licenseDurationInvalid = Self(rawValue: "LICENSE_DURATION_INVALID")

  /// The license lacks a key that the media needs.
  public static let licenseKeysMissing = Self(rawValue: "LICENSE_KEYS_MISSING")

  /// The license has expired.
  public static let licenseExpired = Self(rawValue: "LICENSE_EXPIRED")

  /// The asset needs a license and has none.
  public static let licenseMissing = Self(rawValue: "LICENSE_MISSING")

  /// The secret storage no longer returns the stored license.
  public static let licenseUnreadable = Self(rawValue: "LICENSE_UNREADABLE")

  /// The CDM no longer has the license, though it was not released.
  public static let licenseVanished = Self(rawValue: "LICENSE_VANISHED")

  /// The server or the license forbids renewal. Acquire a new license instead.
  public static let renewalNotPermitted = Self(rawValue: "RENEWAL_NOT_PERMITTED")
}

// MARK: - CDM

extension LarderError.Code {
  /// The device could not be provisioned for this DRM scheme.
  public static let provisioningFailed = Self(rawValue: "PROVISIONING_FAILED")

  /// The CDM has no free session. Wait for other playbacks to end.
  public static let cdmBusy = Self(rawValue: "CDM_BUSY")

  /// The CDM reports an error or is in an invalid state.
  public static let cdmFailed = Self(rawValue: "CDM_FAILED")

  /// The device's DRM certificate is revoked.
  public static let cdmRevoked = Self(rawValue: "CDM_REVOKED")

  /// The device no longer has the security level that the license was acquired at, so the license does not open.
  public static let cdmLevelChanged = Self(rawValue: "CDM_LEVEL_CHANGED")
}

// MARK: - Code of the app

extension LarderError.Code {
  /// The app's secret storage failed.
  public static let storageFailed = Self(rawValue: "STORAGE_FAILED")

  /// The app's secret storage accepted a value and does not return it.
  public static let storageLost = Self(rawValue: "STORAGE_LOST")

  /// The app's secret storage did not answer in time.
  public static let storageTimeout = Self(rawValue: "STORAGE_TIMEOUT")

  /// Another callback of the app failed, or did not answer in time.
  public static let delegateFailed = Self(rawValue: "DELEGATE_FAILED")
}

// MARK: - Our database and disk

extension LarderError.Code {
  /// The database was damaged. It was set aside, and all readable records were kept. Some assets may have to be
  /// registered again.
  public static let storeCorrupt = Self(rawValue: "STORE_CORRUPT")

  /// The database cannot be opened now: a locked device, a missing volume, or another process.
  public static let storeUnavailable = Self(rawValue: "STORE_UNAVAILABLE")

  /// The database was written by a newer Larder. It is open for reading only.
  public static let storeReadOnly = Self(rawValue: "STORE_READ_ONLY")

  /// The disk is full. Nothing was changed.
  public static let diskFull = Self(rawValue: "DISK_FULL")
}

// MARK: - Remedies

extension LarderError.Code {
  /// The remedy for this code; `.nothing` for a code that this version does not know.
  public var remedy: Remedy { Self.facts[self]?.remedy ?? .nothing }

  /// True if the same call may succeed later without any change by the caller.
  public var isRetryable: Bool { Self.facts[self]?.isRetryable ?? false }

  private static let facts: [Self: (remedy: Remedy, isRetryable: Bool)] = [
    .invalidArgument: (.fixInput, false),
    .relativePath: (.fixInput, false),
    .assetNotFound: (.reregister, false),
    .assetExists: (.fixInput, false),
    .assetBusy: (.retry, true),
    .assetNotPlayable: (.reregister, false),
    .closed: (.fixInput, false),
    .cancelled: (.nothing, true),
    .`internal`: (.contactSupport, false),
    .mediaNotFound: (.repair, false),
    .volumeMissing: (.retry, true),
    .mediaUnreadable: (.fixInput, false),
    .manifestInvalid: (.repair, false),
    .manifestTooLarge: (.fixInput, false),
    .formatUnsupported: (.fixInput, false),
    .mediaAmbiguous: (.fixInput, false),
    .initDataMissing: (.fixInput, false),
    .sessionKeyMissing: (.fixInput, false),
    .drmUnsupported: (.fixInput, false),
    .drmParamsMissing: (.fixInput, false),
    .urlInvalid: (.fixInput, false),
    .certificateMissing: (.fixInput, false),
    .offline: (.goOnline, true),
    .timeout: (.retry, true),
    .network: (.retry, true),
    .tls: (.setClock, false),
    .redirect: (.contactSupport, false),
    .responseTooLarge: (.contactSupport, false),
    .unauthorized: (.signIn, false),
    .serverRejected: (.contactSupport, false),
    .serverFailed: (.retry, true),
    .licenseDenied: (.contactSupport, false),
    .licenseEmpty: (.contactSupport, true),
    .licenseNotALicense: (.retry, true),
    .licenseMalformed: (.contactSupport, false),
    .licensePersistenceDenied: (.contactSupport, false),
    .licenseDurationInvalid: (.contactSupport, false),
    .licenseKeysMissing: (.contactSupport, false),
    .licenseExpired: (.goOnline, false),
    .licenseMissing: (.reregister, false),
    .licenseUnreadable: (.reregister, false),
    .licenseVanished: (.reregister, false),
    .renewalNotPermitted: (.reregister, false),
    .provisioningFailed: (.retry, true),
    .cdmBusy: (.retry, true),
    .cdmFailed: (.retry, true),
    .cdmRevoked: (.contactSupport, false),
    .cdmLevelChanged: (.reregister, false),
    .storageFailed: (.retry, true),
    .storageLost: (.contactSupport, false),
    .storageTimeout: (.retry, true),
    .delegateFailed: (.fixInput, false),
    .storeCorrupt: (.reregister, false),
    .storeUnavailable: (.retry, true),
    .storeReadOnly: (.fixInput, false),
    .diskFull: (.freeSpace, true),
  ]
}
