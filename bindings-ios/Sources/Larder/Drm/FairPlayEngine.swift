import AVFoundation
import Foundation
import LarderBindings

/// FairPlay Streaming on `AVContentKeySession`: acquires, renews and invalidates persistable keys.
///
/// ```swift
/// let manager = try LocalAssetsManager(config: .standard(), engines: [FairPlayEngine()])
/// ```
///
/// ``LocalAssetsManager/managerWithDefaultDataStore()`` uses one on Apple's systems.
///
/// **Sessions.** Each operation has its own content key session, because AVFoundation requests a key only once per session.
/// At most ``Options/operationsAtOnce`` run at a time; others wait in order.
///
/// **Errors.** ``LarderError/Code/certificateMissing`` without an application certificate;
/// ``LarderError/Code/licensePersistenceDenied`` and ``LarderError/Code/licenseMalformed`` for an answer that
/// yields no persistable key; ``LarderError/Code/cdmBusy`` (retryable) in the background, where FairPlay exchanges no keys,
/// and if the operation waits too long; ``LarderError/Code/cdmFailed`` with AVFoundation's domain and number for any other
/// failure. Errors of the exchange are rethrown.
///
/// **Times.** A persistable key does not state its expiry. It comes from the server's answer (`persistence_duration` in
/// Kaltura's uDRM, or a ``RequestAdapter``), the playback window from ``Options/playbackWindow``.
///
/// **Needs a device.** The simulator has no FairPlay.
///
/// Source: <https://developer.apple.com/documentation/avfoundation/avcontentkeysession>.
public final class FairPlayEngine: DrmEngine {
  private let options: Options
  private let turns: FairPlayTurns
  private let activity: AppActivity

  /// Creates an engine. One can serve all managers.
  public convenience init(options: Options = Options()) {
    self.init(options: options, notifications: .default)
  }

  package init(options: Options, notifications: NotificationCenter, application: String = "UIApplication") {
    self.options = options
    turns = FairPlayTurns(limit: options.operationsAtOnce)
    activity = AppActivity(notifications, application: application)
  }

  /// FairPlay.
  public var scheme: DrmScheme { .fairPlay }

  /// Acquires a persistable key for one `skd://` URI.
  public func acquire(_ request: KeyRequest, exchange: any LicenseExchange) throws -> LicenseGrant {
    let key = try persistableKey(for: request, held: nil, .license, exchange)
    return LicenseGrant(handle: .new(handle: key), times: times(of: request))
  }

  /// Acquires a new persistable key in place of a held one, with the parameters of `request`.
  ///
  /// The request carries validation data of the old key, and the server is expected to renew that license. The old key is
  /// void afterwards and is not released. A server that grants a separate license each time needs
  /// `RenewalPolicy.acquireThenRelease`, the default.
  public func renew(
    _ held: StoredLicense, request: KeyRequest, exchange: any LicenseExchange
  ) throws -> LicenseGrant {
    let key = try persistableKey(for: request, held: held.handle, .renewal, exchange)
    return LicenseGrant(handle: .changed(handle: key), times: times(of: request))
  }

  /// Returns unknown times, because AVFoundation reports none. The ledger keeps its own.
  public func inspect(_ held: StoredLicense) throws -> LicenseTimes {
    LicenseTimes(license: .unknown, playback: .unknown)
  }

  /// Invalidates a key on this device and, if the server accepts releases (``Options/release``), sends it the secure token.
  ///
  /// The outcome is `notSupported` for most servers, which accept no releases.
  public func release(_ held: StoredLicense, exchange: any LicenseExchange) throws -> ReleaseOutcome {
    switch options.release {
    case .onDevice:
      // A failure here changes nothing: the key leaves the storage, and no other copy exists.
      _ = try? invalidated(held, challenge: nil)
      return .notSupported
    case .atServer(let challenge):
      // A key yields one secure token. The exchange stores it, and if it cannot be delivered now, Larder sends it again
      // without this engine.
      guard let token = try invalidated(held, challenge: challenge(held)) else { return .forgotten }
      do {
        _ = try exchange.send(ExchangeMessage(kind: .release, body: token))
      } catch let error as LarderError where error.isNoSuchService {
        return .notSupported
      }
      return .released
    }
  }

  /// Invalidates a key on this device. Succeeds if the device no longer knows the key.
  public func remove(_ held: StoredLicense) throws {
    // A failure here changes nothing: the key leaves the storage, and no other copy exists.
    _ = try? invalidated(held, challenge: nil)
  }

  /// Returns `nil`, because AVFoundation lists no keys.
  public func held() throws -> [Data]? { nil }

  // MARK: -

  private func persistableKey(
    for request: KeyRequest, held: Data?, _ kind: ExchangeKind, _ exchange: any LicenseExchange
  ) throws -> Data {
    let wanted = try FairPlayRequest(request, contentId: options.contentId, held: held)
    return try inTurn { session in
      try FairPlayOperation(session, activity, callbackTimeout: options.callbackTimeout).key(
        for: wanted, kind, exchange)
    }
  }

  /// Invalidates a key and returns its secure token; `nil` if this device no longer knows the key.
  private func invalidated(_ held: StoredLicense, challenge: Data?) throws -> Data? {
    if let challenge, challenge.count != 8 {
      throw LarderError(.invalidArgument, "a server's challenge for a release has 8 bytes")
    }
    return try inTurn { session in
      try FairPlayOperation(session, activity, callbackTimeout: options.callbackTimeout).invalidate(
        held.handle, challenge: challenge)
    }
  }

  private func inTurn<T>(_ body: (AVContentKeySession) throws -> T) throws -> T {
    try activity.checkForeground()
    return try turns.inTurn(within: options.queueTimeout) {
      try activity.checkForeground()
      return try body(options.sessions())
    }
  }

  private func times(of request: KeyRequest) -> LicenseTimes {
    let window = options.playbackWindow(request).map { LicenseDuration.seconds(seconds: Int64($0.rounded())) }
    return LicenseTimes(license: .unknown, playback: window ?? .unknown)
  }
}

extension FairPlayEngine {
  /// The options of an engine.
  public struct Options: Sendable {
    /// The rule that makes the server's content identifier of the key's `skd://` URI. See ``FairPlayContentId``.
    public var contentId = FairPlayContentId.standard

    /// The way a license is released: on the device alone, unless the server accepts releases.
    public var release = FairPlayRelease.onDevice

    /// The playback window of keys for a request, in seconds from the first playback; `nil` for the whole time that they
    /// are stored, or if it is not known. FairPlay does not report it; an app may get it from its backend.
    public var playbackWindow: @Sendable (KeyRequest) -> TimeInterval? = { _ in nil }

    /// The number of operations that run at the same time. The device has one FairPlay service, which stalls under many
    /// operations (Brightcove: "preloading multiple licenses in sequence hangs").
    public var operationsAtOnce = 4

    /// The time for which an operation waits for its turn, in seconds. It then fails with ``LarderError/Code/cdmBusy``
    /// before any request. Less than `LarderConfig.engineTimeoutSeconds`.
    public var queueTimeout: TimeInterval = 30

    /// The time for which an operation waits for one callback of AVFoundation, in seconds. More than
    /// `LarderConfig.engineTimeoutSeconds`, which ends the call for the caller with an unknown outcome; a key that arrives
    /// later is released. This timeout ends the operation.
    public var callbackTimeout: TimeInterval = 120

    /// Creates a new session each time.
    public var sessions: @Sendable () -> AVContentKeySession = { AVContentKeySession(keySystem: .fairPlayStreaming) }

    /// The standard options.
    public init() {}
  }
}

/// The way in which licenses of a FairPlay server are released.
public enum FairPlayRelease: Sendable {
  /// The server accepts no releases: the key is invalidated on the device, and the outcome is `notSupported`.
  case onDevice

  /// The server accepts the secure token of `invalidatePersistableContentKey`, at the license URL (a ``RequestAdapter``
  /// sees the `kind` `release` and may change the URL). `challenge` returns the server's nonce of 8 bytes, or `nil`.
  ///
  /// A key yields one token. It stays in the secret storage until the server has accepted it, and is sent again after a
  /// restart, so the server must accept a token with an old nonce.
  ///
  /// Source:
  /// <https://developer.apple.com/documentation/avfoundation/avcontentkeysession/invalidatepersistablecontentkey(_:options:completionhandler:)>.
  case atServer(challenge: @Sendable (StoredLicense) throws -> Data?)

  /// Releases at the server without a nonce.
  public static var atServer: FairPlayRelease { .atServer { _ in nil } }
}

extension LarderError {
  /// True if the server has no service for releases.
  fileprivate var isNoSuchService: Bool {
    code == .serverRejected && [404, 405].contains(httpStatus)
  }
}
