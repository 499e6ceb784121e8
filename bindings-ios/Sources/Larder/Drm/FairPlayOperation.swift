import AVFoundation
import Foundation
import LarderBindings

/// One key exchange in its own content key session.
///
/// The engine's thread runs it and waits. AVFoundation's callbacks only hand over their result: they come on `queue`
/// (requests) and on AVFoundation's own queues (key data), and neither may wait for the network.
final class FairPlayOperation: NSObject, AVContentKeySessionDelegate, @unchecked Sendable {
  // Retained until the end, because a request without its session fails and may raise an exception.
  private let session: AVContentKeySession
  private let activity: AppActivity
  private let callbackTimeout: TimeInterval
  // Serial, so that callbacks come in order; one per operation, so that operations do not wait for each other.
  private let queue = DispatchQueue(label: "dev.larder.fairplay")
  private let requests = Mailbox<AVPersistableContentKeyRequest>()

  // Protects the properties below; never held while AVFoundation is called.
  private let lock = NSLock()
  /// The request that waits for an answer.
  private var open: AVContentKeyRequest?
  private var retriesLeft = 2
  private var isSent = false

  init(_ session: AVContentKeySession, _ activity: AppActivity, callbackTimeout: TimeInterval) {
    self.session = session
    self.activity = activity
    self.callbackTimeout = callbackTimeout
    super.init()
  }

  /// Requests a key by its identifier, exchanges messages with the server and returns the persistable key.
  func key(for wanted: FairPlayRequest, _ kind: ExchangeKind, _ exchange: any LicenseExchange) throws -> Data {
    session.setDelegate(self, queue: queue)
    do {
      session.processContentKeyRequest(withIdentifier: wanted.identifier, initializationData: nil, options: nil)
      let request = try requests.next(within: callbackTimeout) ?? { throw unanswered("asked for the key") }()
      let spc = try spc(of: request, wanted)
      lock.withLock { isSent = true }
      let answer = try exchange.send(ExchangeMessage(kind: kind, body: spc))
      let key = try persistableKey(of: request, answer)
      if close(request) {
        request.processContentKeyResponse(AVContentKeyResponse(fairPlayStreamingKeyResponseData: key))
      }
      end()
      return key
    } catch {
      let ours = described(error, while: "acquiring a key")
      end(ours)
      throw ours
    }
  }

  /// Invalidates a key and returns its secure token; `nil` if this device no longer knows the key.
  func invalidate(_ key: Data, challenge: Data?) throws -> Data? {
    let tokens = Mailbox<Data>()
    let options = challenge.map { [AVContentKeySessionServerPlaybackContextOption.serverChallenge: $0 as Any] }
    session.invalidatePersistableContentKey(key, options: options) { token, error in
      tokens.put(Self.outcome(token, error))
    }
    defer { session.expire() }
    do {
      return try tokens.next(within: callbackTimeout) ?? { throw unanswered("confirmed the invalidation of a key") }()
    } catch {
      // AVFoundation's errors mean only that the key cannot be used on this device.
      let ours = described(error, while: "invalidating a key")
      if ours.code == .cdmFailed { return nil }
      throw ours
    }
  }

  // MARK: - Steps

  private func spc(of request: AVPersistableContentKeyRequest, _ wanted: FairPlayRequest) throws -> Data {
    guard let held = wanted.held else { return try spc(of: request, wanted, validating: nil) }
    do {
      return try spc(of: request, wanted, validating: held)
    } catch let error as NSError where error.domain == AVFoundationErrorDomain {
      // The old key is expired or void, and a new key is still needed.
      return try spc(of: request, wanted, validating: nil)
    }
  }

  private func spc(
    of request: AVPersistableContentKeyRequest, _ wanted: FairPlayRequest, validating held: Data?
  ) throws -> Data {
    let made = Mailbox<Data>()
    var options: [String: Any] = [AVContentKeyRequestProtocolVersionsKey: [1]]
    options[AVContentKeyRequestRequiresValidationDataInSecureTokenKey] = held
    request.makeStreamingContentKeyRequestData(
      forApp: wanted.certificate, contentIdentifier: wanted.contentId, options: options
    ) { data, error in
      made.put(Self.outcome(data, error))
    }
    return try made.next(within: callbackTimeout) ?? { throw unanswered("made a request to the server") }()
  }

  private func persistableKey(of request: AVPersistableContentKeyRequest, _ answer: ExchangeAnswer) throws -> Data {
    let key: Data
    do {
      key = try request.persistableContentKey(fromKeyVendorResponse: answer.body, options: nil)
    } catch {
      let cause = error as NSError
      if activity.isInBackground { throw activity.inBackground() }
      // https://developer.apple.com/documentation/avfoundation/averror/contentisnotauthorized-swift.struct
      let isDenied = cause.domain == AVFoundationErrorDomain && cause.code == AVError.contentIsNotAuthorized.rawValue
      throw LarderError(
        isDenied ? .licensePersistenceDenied : .licenseMalformed,
        "AVFoundation cannot make a persistable key of the server's answer (\(cause.domain) \(cause.code))")
    }
    guard !key.isEmpty else {
      throw LarderError(.licensePersistenceDenied, "the persistable key is empty")
    }
    return key
  }

  /// Answers the open request and ends the session, after which no callback comes.
  private func end(_ error: LarderError? = nil) {
    let left = lock.withLock { () -> AVContentKeyRequest? in
      defer { open = nil }
      return open
    }
    left?.processContentKeyResponseError(error ?? LarderError(.cancelled, "the request is no longer needed"))
    session.setDelegate(nil, queue: nil)
    session.expire()
  }

  /// Returns true if this request was still open, and closes it.
  private func close(_ request: AVContentKeyRequest) -> Bool {
    lock.withLock {
      guard open === request else { return false }
      open = nil
      return true
    }
  }

  // MARK: - Errors

  private static func outcome(_ data: Data?, _ error: (any Error)?) -> Result<Data, any Error> {
    if let data, !data.isEmpty { return .success(data) }
    return .failure(error ?? LarderError(.cdmFailed, "AVFoundation gave neither data nor an error"))
  }

  private func unanswered(_ what: String) -> LarderError {
    // Not `timeout`: Larder reports that earlier, with an unknown outcome.
    activity.isInBackground
      ? activity.inBackground()
      : LarderError(.cdmFailed, "AVFoundation never \(what)")
  }

  private func described(_ error: any Error, while what: String) -> LarderError {
    if let error = error as? LarderError { return error }
    if activity.isInBackground { return activity.inBackground() }
    let cause = error as NSError
    // https://developer.apple.com/documentation/avfoundation/averror/mediaserviceswerereset-swift.struct
    if cause.domain == AVFoundationErrorDomain && cause.code == AVError.mediaServicesWereReset.rawValue {
      return LarderError(.cdmBusy, "the system's media services were reset")
    }
    return LarderError(
      .cdmFailed, "AVFoundation failed while \(what): \(cause.domain) \(cause.code)")
  }

  // MARK: - AVContentKeySessionDelegate

  func contentKeySession(_ session: AVContentKeySession, didProvide keyRequest: AVContentKeyRequest) {
    lock.withLock { open = keyRequest }
    do {
      try keyRequest.respondByRequestingPersistableContentKeyRequestAndReturnError()
    } catch {
      requests.put(.failure(error))
    }
  }

  func contentKeySession(_ session: AVContentKeySession, didProvide keyRequest: AVPersistableContentKeyRequest) {
    lock.withLock { open = keyRequest }
    requests.put(.success(keyRequest))
  }

  func contentKeySession(
    _ session: AVContentKeySession, contentKeyRequest keyRequest: AVContentKeyRequest, didFailWithError err: any Error
  ) {
    // The request has already failed and needs no answer.
    _ = close(keyRequest)
    requests.put(.failure(err))
  }

  func contentKeySession(
    _ session: AVContentKeySession, shouldRetry keyRequest: AVContentKeyRequest,
    reason retryReason: AVContentKeyRequest.RetryReason
  ) -> Bool {
    // After a request to the server, a retry would acquire a second license.
    lock.withLock {
      guard !isSent, retriesLeft > 0 else { return false }
      retriesLeft -= 1
      return true
    }
  }
}

/// Hands results of callbacks to the thread that waits for them.
private final class Mailbox<T>: @unchecked Sendable {
  // The engine's thread is Larder's and made to block; it waits here for AVFoundation. Only its caller waits
  // for it, with a time limit.
  private let arrived = DispatchSemaphore(value: 0)
  // Protects `items`.
  private let lock = NSLock()
  private var items: [Result<T, any Error>] = []

  func put(_ item: Result<T, any Error>) {
    lock.withLock { items.append(item) }
    arrived.signal()
  }

  /// Returns the next item in order; `nil` after the timeout.
  func next(within seconds: TimeInterval) throws -> T? {
    guard arrived.wait(timeout: .now() + seconds) == .success else { return nil }
    return try lock.withLock { items.removeFirst() }.get()
  }
}
