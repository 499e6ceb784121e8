import AVFoundation
import Foundation
import LarderBindings

/// Answers a player's key requests from the stored licenses of one asset. It never uses the network.
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
/// If the key has a playback duration, AVFoundation replaces it at the first playback (dual expiry) and invalidates the old
/// one. The delegate stores the new key before it answers the next request, also if the player is closed at once.
///
/// **AirPlay.** A receiver that plays by itself needs an online key, and a stored key cannot serve it. Such a request fails
/// with ``LarderError/Code/assetNotPlayable``. Play the remote source there.
///
/// Source: <https://developer.apple.com/documentation/avfoundation/avcontentkeysessiondelegate>.
public final class OfflineContentKeyDelegate: NSObject, AVContentKeySessionDelegate, @unchecked Sendable {
  /// The queue to give to `setDelegate(_:queue:)`.
  ///
  /// Serial, so that a changed key is stored before the next request of any session is answered. The delegate has a
  /// queue of its own because the storage may block it.
  public let queue = DispatchQueue(label: "dev.larder.offline-keys")

  private let manager: LocalAssetsManager
  private let assetId: String
  private let onFailure: (@Sendable (LarderError) -> Void)?

  // Protects the properties below; never held while AVFoundation, the manager or the app is called.
  private let lock = NSLock()
  /// The licenses by the URI of their key.
  private var licenses: [String: Held] = [:]
  /// The license of the last answer, by the key's URI. A changed key belongs to it, even if a refresh has brought another
  /// license since.
  private var answered: [String: String] = [:]
  private var retries: [String: Int] = [:]
  /// The playback window after the first start, as the ledger states it.
  private var windowSeconds: Int64?

  private struct Held {
    var licenseId: String
    /// A key that AVFoundation has changed and that is not stored yet.
    var unstored: Data?
  }

  /// - Parameters:
  ///   - manager: the manager with the licenses. The delegate retains it.
  ///   - source: the source that is played.
  ///   - onFailure: receives the error of each request without a key, and of each changed key that could not be stored.
  ///     Called on the delegate's queue or a background thread.
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
    // Reads the status outside the queue, which must not wait. The status comes from memory.
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

  /// Answers a renewing request like any other; a stored key is renewed by ``LocalAssetsManager/refreshAsset(_:mediaSource:metadata:)``.
  public func contentKeySession(
    _ session: AVContentKeySession, didProvideRenewingContentKeyRequest keyRequest: AVContentKeyRequest
  ) {
    contentKeySession(session, didProvide: keyRequest)
  }

  /// Answers with the stored key.
  public func contentKeySession(_ session: AVContentKeySession, didProvide keyRequest: AVPersistableContentKeyRequest) {
    guard let held = held(for: keyRequest.identifier) else { return refuse(keyRequest, noLicense()) }
    do {
      // Reads the secret storage, which may block this queue; the queue has no other work.
      let key = try held.unstored ?? manager.licenseHandle(held.licenseId)
      if let uri = Self.uri(keyRequest.identifier) { lock.withLock { answered[uri] = held.licenseId } }
      keyRequest.processContentKeyResponse(AVContentKeyResponse(fairPlayStreamingKeyResponseData: key))
      linger(with: session)
    } catch {
      refuse(keyRequest, LarderError(error))
    }
  }

  /// Stores a key that AVFoundation has changed in place of the old one, before the next request is answered.
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
    // No playback uses the replaced license any more. If it is not released yet, its release uses this key.
    _ = try? manager.licenseHandleChanged(
      replaced, to: persistableContentKey, times: LicenseTimes(license: .unknown, playback: .unknown))
  }

  /// Reports the reason why a player has no key to `onFailure`.
  public func contentKeySession(
    _ session: AVContentKeySession, contentKeyRequest keyRequest: AVContentKeyRequest, didFailWithError err: any Error
  ) {
    // The delegate's own refusals were reported when they were made.
    guard LarderError(behind: err) == nil else { return }
    let cause = err as NSError
    onFailure?(LarderError(.cdmFailed, "AVFoundation refused the stored key: \(cause.domain) \(cause.code)"))
  }

  /// Retries after a timeout only: for any other reason the same key would be refused again.
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
    // A refresh may have brought other licenses since the delegate was made.
    take(try manager.getLocalMediaSource(assetId: assetId))
    if held(for: keyRequest.request.identifier) == nil { throw noLicense() }
  }

  /// Updates the licenses from the source. Keys that are not stored yet are kept.
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

  /// Stores a changed key; runs on the queue. If the storage fails (a locked device), it is tried again after a pause, and
  /// requests are answered with the key from memory.
  private func store(_ uri: String) {
    guard let held = lock.withLock({ licenses[uri] }), let key = held.unstored else { return }
    do {
      // After the first playback the key lives for the playback duration alone.
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
      // The license no longer exists, so another attempt cannot succeed.
      if error.code == .licenseMissing { return }
      let attempt = lock.withLock { () -> Int in
        retries[uri, default: 0] += 1
        return retries[uri, default: 0]
      }
      guard attempt <= Self.pauses.count else { return }
      queue.asyncAfter(deadline: .now() + Self.pauses[attempt - 1]) { self.store(uri) }
    }
  }

  /// Pauses between attempts to store a changed key, in seconds.
  private static let pauses: [TimeInterval] = [0.2, 1, 5, 30, 120]

  /// Retains this delegate, the session and its recipients for a moment. A player that is closed as soon as it has started
  /// would otherwise release the delegate before it can store the key of a first playback, and the old key is void.
  private func linger(with session: AVContentKeySession) {
    let kept = Lingering(session: session, recipients: session.contentKeyRecipients)
    queue.asyncAfter(deadline: .now() + Self.lingering) { [self] in withExtendedLifetime((self, kept)) {} }
  }

  /// The time for which they are retained, in seconds. AVFoundation makes the new key when it accepts the answer.
  private static let lingering: TimeInterval = 2

  private func refuse(_ request: AVContentKeyRequest, _ error: LarderError) {
    request.processContentKeyResponseError(error)
    onFailure?(error)
  }

  private func noLicense() -> LarderError {
    LarderError(.licenseMissing, "the asset has no license for this key")
  }

  private func noPersistence(_ error: any Error) -> LarderError {
    let cause = error as NSError
    // The asset is intact, so the remedy differs from the code's own.
    return LarderError(
      .assetNotPlayable,
      "this key request cannot be answered with a stored key, as on AirPlay (\(cause.domain) \(cause.code)): "
        + "play the remote source there",
      remedy: .goOnline)
  }

  /// Objects that are retained on the queue and not used.
  private struct Lingering: @unchecked Sendable {
    let session: AVContentKeySession
    let recipients: [any AVContentKeyRecipient]
  }

  /// A request that is passed to another thread, with its session, without which it cannot be answered.
  private struct Kept: @unchecked Sendable {
    let request: AVContentKeyRequest
    let session: AVContentKeySession

    init(_ request: AVContentKeyRequest, _ session: AVContentKeySession) {
      (self.request, self.session) = (request, session)
    }
  }
}

extension AssetStatus {
  /// The error for a player that gets no key; `nil` if the asset plays.
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
