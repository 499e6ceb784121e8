import AVFoundation
import Foundation
import LarderBindings

/// Answers a player's key requests from the stored licenses of one asset, and from nothing else: it has no network.
///
/// ``LocalMediaSource/makeAsset(manager:url:session:)`` attaches one. Attach it yourself where you make your own assets:
///
/// ```swift
/// let session = AVContentKeySession(keySystem: .fairPlayStreaming)
/// let keys = OfflineContentKeyDelegate(manager: manager, source: source)
/// session.setDelegate(keys, queue: keys.queue)
/// session.addContentKeyRecipient(asset)   // and keep `session` and `keys` as long as the asset
/// ```
///
/// Each request gets its answer at once: the stored key, or a ``LarderError`` that says why there is none
/// (``LarderError/Code/licenseExpired``, ``LarderError/Code/licenseMissing``, …), which fails the player item; see
/// ``LarderError/init(behind:)``.
///
/// Where the key has a playback duration, AVFoundation makes another one at the first playback (dual expiry), and the old
/// one is void. The new one is stored before the next request is answered, also if the player is closed at once.
///
/// **AirPlay.** A receiver that plays by itself needs an online key, which a stored one is not: such a request is answered
/// with ``LarderError/Code/assetNotPlayable``. Play the remote source there.
///
/// Source: <https://developer.apple.com/documentation/avfoundation/avcontentkeysessiondelegate>.
public final class OfflineContentKeyDelegate: NSObject, AVContentKeySessionDelegate, @unchecked Sendable {
  /// The queue to give to `setDelegate(_:queue:)`.
  ///
  /// Serial: a key that has changed is stored before the next request of any session is answered. It is this
  /// delegate's own, so that the storage may block it.
  public let queue = DispatchQueue(label: "dev.larder.offline-keys")

  private let manager: LocalAssetsManager
  private let assetId: String
  private let onFailure: (@Sendable (LarderError) -> Void)?

  // Protects what follows; never held while AVFoundation, the manager or the app is called.
  private let lock = NSLock()
  /// By the key's URI.
  private var licenses: [String: Held] = [:]
  /// The license that a request was answered from last, by the key's URI: a changed key is that one's, although a refresh has
  /// brought another since.
  private var answered: [String: String] = [:]
  private var retries: [String: Int] = [:]
  /// How long it plays after the first start, as the ledger has it.
  private var windowSeconds: Int64?

  private struct Held {
    var licenseId: String
    /// A key that AVFoundation has changed, and the storage has not taken yet.
    var unstored: Data?
  }

  /// - Parameters:
  ///   - manager: has the licenses. It is kept as long as the delegate.
  ///   - source: what is played.
  ///   - onFailure: told of each request that could not be answered with a key, and of a changed key that could not be
  ///     stored. On the delegate's queue or a background thread.
  public init(
    manager: LocalAssetsManager, source: LocalMediaSource, onFailure: (@Sendable (LarderError) -> Void)? = nil
  ) {
    self.manager = manager
    self.onFailure = onFailure
    assetId = source.assetId
    super.init()
    take(source)
  }

  // MARK: - AVContentKeySessionDelegate

  /// Answers with the stored key, through a persistable request, or with an error.
  public func contentKeySession(_ session: AVContentKeySession, didProvide keyRequest: AVContentKeyRequest) {
    let request = Kept(keyRequest, session)
    // The status is asked without blocking the queue. It comes from memory.
    Task { [self] in
      do {
        try await checkPlayable(keyRequest: request)
      } catch {
        return refuse(request.request, LarderError(error))
      }
      queue.async { [self] in
        do {
          try request.request.respondByRequestingPersistableContentKeyRequestAndReturnError()
        } catch {
          refuse(request.request, noPersistence(error))
        }
      }
    }
  }

  /// The same for a renewal: a stored key is renewed by ``LocalAssetsManager/refreshAsset(_:mediaSource:metadata:)``.
  public func contentKeySession(
    _ session: AVContentKeySession, didProvideRenewingContentKeyRequest keyRequest: AVContentKeyRequest
  ) {
    contentKeySession(session, didProvide: keyRequest)
  }

  /// Answers with the stored key.
  public func contentKeySession(_ session: AVContentKeySession, didProvide keyRequest: AVPersistableContentKeyRequest) {
    guard let held = held(for: keyRequest.identifier) else { return refuse(keyRequest, noLicense()) }
    do {
      // From the secret storage: this may block the queue, which is there for nothing else.
      let key = try held.unstored ?? manager.licenseHandle(held.licenseId)
      if let uri = Self.uri(keyRequest.identifier) { lock.withLock { answered[uri] = held.licenseId } }
      keyRequest.processContentKeyResponse(AVContentKeyResponse(fairPlayStreamingKeyResponseData: key))
      linger(with: session)
    } catch {
      refuse(keyRequest, LarderError(error))
    }
  }

  /// Stores a key that AVFoundation has changed, in the place of the old one, before anything else is answered.
  public func contentKeySession(
    _ session: AVContentKeySession, didUpdatePersistableContentKey persistableContentKey: Data,
    forContentKeyIdentifier keyIdentifier: Any
  ) {
    guard let uri = Self.uri(keyIdentifier) else { return }
    let replaced = lock.withLock { () -> String? in
      if let before = answered[uri], before != licenses[uri]?.licenseId { return before }
      licenses[uri]?.unstored = persistableContentKey
      retries[uri] = 0
      return nil
    }
    guard let replaced else { return store(uri) }
    // Nothing is played with it any more. If it has not gone back yet it goes back under this key, else nothing is left to do.
    _ = try? manager.licenseHandleChanged(
      replaced, to: persistableContentKey, times: LicenseTimes(license: .unknown, playback: .unknown))
  }

  /// Tells the app why a player has no key.
  public func contentKeySession(
    _ session: AVContentKeySession, contentKeyRequest keyRequest: AVContentKeyRequest, didFailWithError err: any Error
  ) {
    // Our own refusals were told when they were made.
    guard LarderError(behind: err) == nil else { return }
    let cause = err as NSError
    onFailure?(LarderError(.cdmFailed, "AVFoundation does not play with the stored key: \(cause.domain) \(cause.code)"))
  }

  /// Once more where the answer came too late; the same key would be refused again for any other reason.
  public func contentKeySession(
    _ session: AVContentKeySession, shouldRetry keyRequest: AVContentKeyRequest,
    reason retryReason: AVContentKeyRequest.RetryReason
  ) -> Bool {
    guard retryReason == .timedOut, let uri = Self.uri(keyRequest.identifier) else { return false }
    return lock.withLock {
      retries[uri, default: 0] += 1
      return retries[uri, default: 0] <= 2
    }
  }

  // MARK: -

  private func held(for identifier: Any?) -> Held? {
    guard let uri = Self.uri(identifier) else { return nil }
    return lock.withLock { licenses[uri] }
  }

  private static func uri(_ identifier: Any?) -> String? {
    (identifier as? String) ?? (identifier as? URL)?.absoluteString
  }

  private func checkPlayable(keyRequest: Kept) async throws {
    let status = try await manager.status(of: assetId)
    if let error = status.refusal { throw error }
    lock.withLock { windowSeconds = status.playbackWindowSeconds }
    // A refresh since then has brought other licenses.
    take(try manager.getLocalMediaSource(assetId: assetId))
    if held(for: keyRequest.request.identifier) == nil { throw noLicense() }
  }

  /// Takes the licenses of an asset as they are now. What is not stored yet stays known.
  private func take(_ source: LocalMediaSource) {
    let now = source.licenses.filter { $0.scheme == .fairPlay }.compactMap { license in
      String(data: license.initData, encoding: .utf8).map { ($0, license.licenseId) }
    }
    lock.withLock {
      let before = licenses
      licenses = [:]
      for (uri, id) in now {
        licenses[uri] = before[uri].flatMap { $0.licenseId == id ? $0 : nil } ?? Held(licenseId: id)
      }
    }
  }

  /// On the queue. A storage that fails now (a locked device) is asked again, and meanwhile the key is used from memory.
  private func store(_ uri: String) {
    guard let held = lock.withLock({ licenses[uri] }), let key = held.unstored else { return }
    do {
      // From the first playback on, the playback duration is the key's whole life.
      let left = lock.withLock({ windowSeconds }).map { LicenseDuration.seconds(seconds: $0) } ?? .unknown
      let id = try manager.licenseHandleChanged(
        held.licenseId, to: key, times: LicenseTimes(license: left, playback: left))
      lock.withLock {
        answered[uri] = id
        if licenses[uri]?.licenseId == held.licenseId { licenses[uri] = Held(licenseId: id) }
      }
    } catch {
      let error = LarderError(error)
      onFailure?(error)
      // Its license is gone, and comes back by no further attempt.
      if error.code == .licenseMissing { return }
      let attempt = lock.withLock { () -> Int in
        retries[uri, default: 0] += 1
        return retries[uri, default: 0]
      }
      guard attempt <= Self.pauses.count else { return }
      queue.asyncAfter(deadline: .now() + Self.pauses[attempt - 1]) { self.store(uri) }
    }
  }

  /// Between attempts to store a changed key, in seconds.
  private static let pauses: [TimeInterval] = [0.2, 1, 5, 30, 120]

  /// Keeps this delegate, the session and what it plays for a moment, whatever the app lets go of: a player that is closed
  /// as soon as it has started would take along who stores the key of a first playback, and the old one is void.
  private func linger(with session: AVContentKeySession) {
    let kept = Lingering(session: session, recipients: session.contentKeyRecipients)
    queue.asyncAfter(deadline: .now() + Self.lingering) { [self] in withExtendedLifetime((self, kept)) {} }
  }

  /// In seconds. AVFoundation makes the new key when it takes the answer.
  private static let lingering: TimeInterval = 2

  private func refuse(_ request: AVContentKeyRequest, _ error: LarderError) {
    request.processContentKeyResponseError(error)
    onFailure?(error)
  }

  private func noLicense() -> LarderError {
    LarderError(.licenseMissing, "the asset has no license for this key", remedy: .reregister)
  }

  private func noPersistence(_ error: any Error) -> LarderError {
    let cause = error as NSError
    return LarderError(
      .assetNotPlayable,
      "this key request cannot be answered with a stored key, as on AirPlay (\(cause.domain) \(cause.code)): "
        + "play the remote source there",
      remedy: .goOnline)
  }

  /// Held on the queue, and not looked at.
  private struct Lingering: @unchecked Sendable {
    let session: AVContentKeySession
    let recipients: [any AVContentKeyRecipient]
  }

  /// A request on its way to another thread. It is of no use without its session.
  private struct Kept: @unchecked Sendable {
    let request: AVContentKeyRequest
    let session: AVContentKeySession

    init(_ request: AVContentKeyRequest, _ session: AVContentKeySession) {
      (self.request, self.session) = (request, session)
    }
  }
}

extension AssetStatus {
  /// Why a player gets no key, `nil` if it does.
  var refusal: LarderError? {
    let code: LarderError.Code
    switch why {
    case .playable, .mediaMissing, .volumeMissing: return nil
    case .notRegistered, .registering: code = .assetNotFound
    case .licenseMissing: code = .licenseMissing
    case .licenseUnreadable: code = .licenseUnreadable
    case .licenseVanished: code = .licenseVanished
    case .licenseExpired, .playbackWindowOver: code = .licenseExpired
    case .keyMissing: code = .licenseKeysMissing
    }
    return LarderError(code, message, remedy: remedy)
  }
}
