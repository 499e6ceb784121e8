import AVFoundation
import Foundation
import LarderBindings

/// Acquires persistable keys for media that `AVAssetDownloadTask` is downloading, and stores them until it is registered.
///
/// Every request is answered once, with the key or with an error. If AVFoundation does not continue, the request fails
/// after `callbackTimeout`.
final class DownloadContentKeyDelegate: NSObject, AVContentKeySessionDelegate, @unchecked Sendable {
  // Serial, so that AVFoundation's callbacks come in order. They wait for the secret storage only.
  let queue = DispatchQueue(label: "dev.larder.download-keys")
  // Concurrent, for requests to the server, so that the keys of one title are acquired in parallel.
  private let work = DispatchQueue(label: "dev.larder.download-keys.server", attributes: .concurrent)

  private let manager: LocalAssetsManager
  private let source: MediaSource
  private let assetId: String
  private let contentId: FairPlayContentId
  private let playbackWindowSeconds: Int64?
  private let callbackTimeout: TimeInterval
  private let onFailure: (@Sendable (LarderError) -> Void)?

  init(
    manager: LocalAssetsManager, source: MediaSource, assetId: String, contentId: FairPlayContentId,
    playbackWindow: TimeInterval?, callbackTimeout: TimeInterval, onFailure: (@Sendable (LarderError) -> Void)?
  ) {
    self.manager = manager
    self.source = source
    self.assetId = assetId
    self.contentId = contentId
    playbackWindowSeconds = playbackWindow.map { Int64($0.rounded()) }
    self.callbackTimeout = callbackTimeout
    self.onFailure = onFailure
  }

  func contentKeySession(_ session: AVContentKeySession, didProvide keyRequest: AVContentKeyRequest) {
    do {
      try keyRequest.respondByRequestingPersistableContentKeyRequestAndReturnError()
    } catch {
      keyRequest.processContentKeyResponseError(described(error))
      onFailure?(described(error))
    }
  }

  func contentKeySession(_ session: AVContentKeySession, didProvide keyRequest: AVPersistableContentKeyRequest) {
    let asked = Asked(keyRequest, session)
    work.async { [self] in
      do { try begin(asked) } catch { refuse(asked, described(error)) }
    }
  }

  // Called for a title that is played while it downloads: the key that was stored before is void (dual expiry).
  func contentKeySession(
    _ session: AVContentKeySession, didUpdatePersistableContentKey persistableContentKey: Data,
    forContentKeyIdentifier keyIdentifier: Any
  ) {
    guard let uri = Self.uri(keyIdentifier) else { return }
    do {
      let old = try manager.preparedKeys.keys(of: source.id).first { $0.uri == uri }
      try manager.preparedKeys.keep(
        PreparedKeys.Key(
          sourceId: source.id, uri: uri, handle: persistableContentKey,
          expiresAtMs: playedUntilMs() ?? old?.expiresAtMs,
          playbackWindowSeconds: playbackWindowSeconds))
    } catch {
      onFailure?(described(error))
    }
  }

  func contentKeySession(
    _ session: AVContentKeySession, contentKeyRequest keyRequest: AVContentKeyRequest, didFailWithError err: any Error
  ) {
    // The delegate's own refusals were reported when they were made.
    if LarderError(behind: err) == nil { onFailure?(described(err)) }
  }

  // MARK: - Steps

  private func begin(_ asked: Asked) throws {
    guard let uri = asked.uri, let content = contentId.contentId(uri), !content.isEmpty else {
      throw LarderError(.sessionKeyMissing, "the key's URI has no content identifier")
    }
    // A download that continues after a relaunch requests its stored keys again.
    if let key = try? manager.preparedKeys.keys(of: source.id).first(where: { $0.uri == uri }) {
      return respond(asked, key.handle)
    }
    let certificate = try manager.exchange(
      assetId, source, ExchangeMessage(kind: .certificate, body: Data())
    ).body
    asked.request.makeStreamingContentKeyRequestData(
      forApp: certificate, contentIdentifier: content, options: [AVContentKeyRequestProtocolVersionsKey: [1]]
    ) { [self] spc, error in
      work.async { [self] in
        do { try finish(asked, uri, spc, error) } catch { refuse(asked, described(error)) }
      }
    }
    work.asyncAfter(deadline: .now() + callbackTimeout) { [weak self] in
      guard let self, asked.spcIsMissing else { return }
      refuse(asked, unanswered())
    }
  }

  private func finish(_ asked: Asked, _ uri: String, _ spc: Data?, _ error: (any Error)?) throws {
    // An SPC that arrives after its request was refused is dropped: its license would not be stored.
    guard asked.gotSpc() else { return }
    if let error { throw error }
    guard let spc, !spc.isEmpty else {
      throw LarderError(.cdmFailed, "AVFoundation gave neither a request to the server nor an error")
    }
    let answer = try manager.exchange(assetId, source, ExchangeMessage(kind: .license, body: spc))
    let handle = try asked.request.persistableContentKey(fromKeyVendorResponse: answer.body, options: nil)
    let expiresAtMs = answer.persistenceDurationSeconds.map { Int64(Date().timeIntervalSince1970 * 1000) + $0 * 1000 }
    // The key is durable before AVFoundation may download the media that it opens.
    try manager.preparedKeys.keep(
      PreparedKeys.Key(
        sourceId: source.id, uri: uri, handle: handle, expiresAtMs: expiresAtMs,
        playbackWindowSeconds: playbackWindowSeconds))
    respond(asked, handle)
  }

  /// The end of a key whose playback begins now: after the first playback it lives for the playback window alone.
  private func playedUntilMs() -> Int64? {
    playbackWindowSeconds.map { Int64(Date().timeIntervalSince1970 * 1000) + $0 * 1000 }
  }

  private func respond(_ asked: Asked, _ handle: Data) {
    guard asked.complete() else { return }
    asked.request.processContentKeyResponse(AVContentKeyResponse(fairPlayStreamingKeyResponseData: handle))
  }

  private func refuse(_ asked: Asked, _ error: LarderError) {
    guard asked.complete() else { return }
    asked.request.processContentKeyResponseError(error)
    onFailure?(error)
  }

  private func unanswered() -> LarderError {
    LarderError(
      .cdmFailed, "AVFoundation never made a request to the server for a download's key")
  }

  private func described(_ error: any Error) -> LarderError {
    if let error = error as? LarderError { return error }
    let cause = error as NSError
    return LarderError(
      .cdmFailed, "AVFoundation failed while acquiring a key for a download: \(cause.domain) \(cause.code)")
  }

  /// A request that is passed to another thread, with its session, without which it cannot be answered.
  private final class Asked: @unchecked Sendable {
    let request: AVPersistableContentKeyRequest
    let session: AVContentKeySession
    // Protects the properties below.
    private let lock = NSLock()
    private var isCompleted = false
    private var hasSpc = false

    init(_ request: AVPersistableContentKeyRequest, _ session: AVContentKeySession) {
      (self.request, self.session) = (request, session)
    }

    var uri: String? { DownloadContentKeyDelegate.uri(request.identifier) }
    var spcIsMissing: Bool { lock.withLock { !hasSpc } }

    /// Records that the SPC is there. Returns false if the request has been answered already.
    func gotSpc() -> Bool {
      lock.withLock {
        hasSpc = true
        return !isCompleted
      }
    }

    /// Returns true for the first caller, which may answer the request.
    func complete() -> Bool {
      lock.withLock {
        defer { isCompleted = true }
        return !isCompleted
      }
    }
  }

  private static func uri(_ identifier: Any?) -> String? {
    (identifier as? String) ?? (identifier as? URL)?.absoluteString
  }
}

/// Retains the session and delegate of each asset while the app retains the asset, because AVFoundation retains neither.
final class DownloadSessions: @unchecked Sendable {
  // Protects `kept`.
  private let lock = NSLock()
  private var kept: [Kept] = []

  private struct Kept {
    weak var asset: AVURLAsset?
    let session: AVContentKeySession
    let delegate: DownloadContentKeyDelegate
  }

  func attach(_ session: AVContentKeySession, _ delegate: DownloadContentKeyDelegate, to asset: AVURLAsset) {
    lock.withLock {
      kept.removeAll { $0.asset == nil }
      kept.append(Kept(asset: asset, session: session, delegate: delegate))
    }
    session.setDelegate(delegate, queue: delegate.queue)
    session.addContentKeyRecipient(asset)
  }

  func has(_ asset: AVURLAsset) -> Bool { lock.withLock { kept.contains { $0.asset === asset } } }
}
