import AVFoundation
import Foundation
import LarderBindings

/// FairPlay Streaming on `AVContentKeySession`: gets persistable keys, renews them and makes them void.
///
/// ```swift
/// let manager = try LocalAssetsManager(config: .standard(), engines: [FairPlayEngine()])
/// ```
///
/// ``LocalAssetsManager/managerWithDefaultDataStore()`` has one on Apple's systems.
///
/// **Sessions.** Each operation has a content key session of its own: in one session AVFoundation never asks twice for the
/// same key. At most ``Options/operationsAtOnce`` run at a time, the others wait in order.
///
/// **Errors.** ``LarderError/Code/certificateMissing`` without an application certificate;
/// ``LarderError/Code/licensePersistenceDenied`` and ``LarderError/Code/licenseMalformed`` for an answer of which
/// AVFoundation makes no persistable key; ``LarderError/Code/cdmBusy`` (retryable) in the background, where FairPlay
/// exchanges no keys, and when the queue does not move; ``LarderError/Code/cdmFailed`` with AVFoundation's domain and
/// number for anything else it says. What the exchange throws is passed on.
///
/// **Times.** A persistable key does not tell its end. It comes from the server's answer (`persistence_duration` in
/// Kaltura's uDRM, or what a ``RequestAdapter`` finds); the playback window from ``Options/playbackWindow``.
///
/// **Needs** a device: the simulator has no FairPlay.
///
/// Source: <https://developer.apple.com/documentation/avfoundation/avcontentkeysession>.
public final class FairPlayEngine: DrmEngine {
  private let options: Options
  private let turns: FairPlayTurns
  private let activity: AppActivity

  /// An engine; one is enough for all managers.
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

  /// Gets a persistable key for one `skd://` URI.
  public func acquire(_ request: KeyRequest, exchange: any LicenseExchange) throws -> LicenseGrant {
    let key = try persistableKey(for: request, held: nil, .license, exchange)
    return LicenseGrant(handle: .new(handle: key), times: times(of: request))
  }

  /// Gets a fresh persistable key in the place of a held one, with the parameters of `request`.
  ///
  /// The server is told which key it is about (the request carries validation data of the old one), and is expected to
  /// renew *that* license: so the old key is void afterwards, and is not given back. A server that grants a license of its
  /// own each time wants `RenewalPolicy.acquireThenRelease`, the default.
  public func renew(
    _ held: StoredLicense, request: KeyRequest, exchange: any LicenseExchange
  ) throws -> LicenseGrant {
    let key = try persistableKey(for: request, held: held.handle, .renewal, exchange)
    return LicenseGrant(handle: .changed(handle: key), times: times(of: request))
  }

  /// AVFoundation tells nothing about a persistable key: both times are unknown, the ledger's stay.
  public func inspect(_ held: StoredLicense) throws -> LicenseTimes {
    LicenseTimes(license: .unknown, playback: .unknown)
  }

  /// Makes a key void on this device and, where the server takes it (``Options/release``), proves that to it.
  ///
  /// `notSupported` is the usual outcome: most servers take nothing back.
  public func release(_ held: StoredLicense, exchange: any LicenseExchange) throws -> ReleaseOutcome {
    switch options.release {
    case .onDevice:
      // A failure here changes nothing: the key leaves the storage, and no other copy exists.
      _ = try? invalidated(held, challenge: nil)
      return .notSupported
    case .atServer(let challenge):
      // Making a key void twice gives no second token. The exchange keeps this one, and if it does not arrive now it is
      // sent again without this engine.
      guard let token = try invalidated(held, challenge: challenge(held)) else { return .forgotten }
      do {
        _ = try exchange.send(ExchangeMessage(kind: .release, body: token))
      } catch let error as LarderError where error.isNoSuchService {
        return .notSupported
      }
      return .released
    }
  }

  /// Makes a key void on this device. A key that the device does not know any more is success.
  public func remove(_ held: StoredLicense) throws {
    // A failure here changes nothing: the key leaves the storage, and no other copy exists.
    _ = try? invalidated(held, challenge: nil)
  }

  /// AVFoundation lists no keys.
  public func held() throws -> [Data]? { nil }

  // MARK: -

  private func persistableKey(
    for request: KeyRequest, held: Data?, _ kind: ExchangeKind, _ exchange: any LicenseExchange
  ) throws -> Data {
    let wanted = try FairPlayRequest(request, contentId: options.contentId, held: held)
    return try inTurn { session in
      try FairPlayOperation(session, activity, patience: options.patience).key(for: wanted, kind, exchange)
    }
  }

  /// `nil` if this device no longer knows the key.
  private func invalidated(_ held: StoredLicense, challenge: Data?) throws -> Data? {
    if let challenge, challenge.count != 8 {
      throw LarderError(.invalidArgument, "a server's challenge for a release has 8 bytes", remedy: .fixInput)
    }
    return try inTurn { session in
      try FairPlayOperation(session, activity, patience: options.patience).invalidate(held.handle, challenge: challenge)
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
  /// How an engine differs from the usual one.
  public struct Options: Sendable {
    /// The content identifier for the server, made of the key's `skd://` URI. See ``FairPlayContentId``.
    public var contentId = FairPlayContentId.standard

    /// The way a license is released: on the device alone, unless the server accepts releases.
    public var release = FairPlayRelease.onDevice

    /// How long keys for this request may be played once playback has begun, in seconds; `nil` if they may as long as they
    /// are stored, or if it is not known. Only the server knows it, and FairPlay does not report it: an app may get it
    /// from its backend.
    public var playbackWindow: @Sendable (KeyRequest) -> TimeInterval? = { _ in nil }

    /// How many operations run at the same time. FairPlay's service on the device is one, and stalls under many
    /// (Brightcove: "preloading multiple licenses in sequence hangs").
    public var operationsAtOnce = 4

    /// How long an operation waits for its turn, in seconds; then it fails with ``LarderError/Code/cdmBusy``, and nothing
    /// was asked. Less than `LarderConfig.engineTimeoutSeconds`.
    public var queueTimeout: TimeInterval = 30

    /// How long an operation waits for one callback of AVFoundation, in seconds. More than
    /// `LarderConfig.engineTimeoutSeconds`: that ends the call for the caller, with an unknown outcome; a key that comes after it
    /// is given back. This ends it for the engine.
    public var patience: TimeInterval = 120

    /// Makes a session: a fresh one each time.
    public var sessions: @Sendable () -> AVContentKeySession = { AVContentKeySession(keySystem: .fairPlayStreaming) }

    /// The standard options.
    public init() {}
  }
}

/// How a FairPlay server takes releases.
public enum FairPlayRelease: Sendable {
  /// Not at all: the key is made void on the device, and the outcome is `notSupported`.
  case onDevice

  /// It takes the secure token that `invalidatePersistableContentKey` makes, at the license URL (a ``RequestAdapter`` sees
  /// its `kind`, `release`, and may choose another). `challenge` gives its nonce of 8 bytes, `nil` for none.
  ///
  /// There is one token for each key. It lies in the secret storage until the server has it, and is sent again after a
  /// restart; so a server must take a token whose nonce is not fresh.
  ///
  /// Source:
  /// <https://developer.apple.com/documentation/avfoundation/avcontentkeysession/invalidatepersistablecontentkey(_:options:completionhandler:)>.
  case atServer(challenge: @Sendable (StoredLicense) throws -> Data?)

  /// The same without a nonce.
  public static var atServer: FairPlayRelease { .atServer { _ in nil } }
}

extension LarderError {
  /// The server has nothing for such a message.
  fileprivate var isNoSuchService: Bool {
    code == .serverRejected && [404, 405].contains(httpStatus)
  }
}
