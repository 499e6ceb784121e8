import Foundation

// https://developer.apple.com/documentation/avfoundation/avcontentkeyrequestprotocolversionskey
@available(iOS 10.3, macOS 10.12.4, *)
public let AVContentKeyRequestProtocolVersionsKey = "ProtocolVersionsKey"

// https://developer.apple.com/documentation/avfoundation/avcontentkeyrequestrequiresvalidationdatainsecuretokenkey
// Its value is the persistable key that is held already.
@available(iOS 13.0, macOS 10.15, *)
public let AVContentKeyRequestRequiresValidationDataInSecureTokenKey = "RequiresValidationDataInSecureTokenKey"

// https://developer.apple.com/documentation/avfoundation/avcontentkeyrequest
@available(iOS 10.3, macOS 10.12.4, *)
public class AVContentKeyRequest: NSObject, @unchecked Sendable {
  // https://developer.apple.com/documentation/avfoundation/avcontentkeyrequest/status-swift.enum
  public enum Status: Int, Sendable {
    case requestingResponse = 0
    case receivedResponse = 1
    case renewed = 2
    case retried = 3
    case cancelled = 4
    case failed = 5
  }

  // https://developer.apple.com/documentation/avfoundation/avcontentkeyrequest/retryreason
  public struct RetryReason: RawRepresentable, Hashable, Sendable {
    public let rawValue: String

    public init(rawValue: String) {
      self.rawValue = rawValue
    }

    // The response came too late.
    public static let timedOut = RetryReason(rawValue: "TimedOut")
    // A response was given whose lease had expired.
    public static let receivedResponseWithExpiredLease = RetryReason(rawValue: "ReceivedResponseWithExpiredLease")
    // A response was given for a key that is no longer in use.
    public static let receivedObsoleteContentKey = RetryReason(rawValue: "ReceivedObsoleteContentKey")
  }

  // Protects what follows.
  private let lock = NSLock()
  private var storedStatus = Status.requestingResponse
  private var storedError: (any Error)?
  private var storedCertificate: Data?

  // "AVContentKeyRequest objects are strongly tied to the lifetime of their managing AVContentKeySession": one that is
  // used after it may raise an exception (AVContentKeySession.h, didProvideContentKeyRequest).
  private weak var session: AVContentKeySession?
  let device: StubFairPlay
  let name: String
  let canPersist: Bool
  private let completed: (@Sendable (Result<Void, any Error>) -> Void)?
  /// Shared with the persistable request that takes this one's place.
  let record: StubFairPlay.Record

  init(
    _ session: AVContentKeySession, _ name: String, renews: Bool = false, canPersist: Bool = true,
    record: StubFairPlay.Record? = nil, completed: (@Sendable (Result<Void, any Error>) -> Void)? = nil
  ) {
    self.session = session
    self.device = session.device
    self.name = name
    self.canPersist = canPersist
    self.renewsExpiringResponseData = renews
    self.completed = completed
    self.record = record ?? session.device.newRecord(name)
    super.init()
  }

  // ".../status"
  public var status: Status { lock.withLock { storedStatus } }

  // ".../error"
  public var error: (any Error)? { lock.withLock { storedError } }

  // ".../identifier"
  public var identifier: (any Sendable)? { name }

  // ".../initializationdata"
  public var initializationData: Data? { nil }

  // ".../canprovidepersistablecontentkey": true in AVPersistableContentKeyRequest alone.
  public var canProvidePersistableContentKey: Bool { false }

  // ".../renewsexpiringresponsedata"
  public let renewsExpiringResponseData: Bool

  // ".../makestreamingcontentkeyrequestdata(forapp:contentidentifier:options:completionhandler:)": the handler runs on a
  // queue of the system's.
  public func makeStreamingContentKeyRequestData(
    forApp appIdentifier: Data, contentIdentifier: Data?, options: [String: Any]? = nil,
    completionHandler handler: @escaping @Sendable (Data?, (any Error)?) -> Void
  ) {
    guard usable("an SPC") != nil else { return }
    let held = options?[AVContentKeyRequestRequiresValidationDataInSecureTokenKey] as? Data
    let persists = canProvidePersistableContentKey
    lock.withLock { storedCertificate = appIdentifier }
    device.step(.requestData) { [device] failure in
      if let failure { return handler(nil, failure.isSilent ? nil : failure.error) }
      do {
        handler(
          try device.spc(
            certificate: appIdentifier, contentIdentifier: contentIdentifier, persists: persists, held: held), nil)
      } catch {
        handler(nil, error)
      }
    }
  }

  // ".../respondbyrequestingpersistablecontentkeyrequestandreturnerror()": throws where keys cannot persist, for one on
  // AirPlay's behalf; this request is then to be answered.
  @available(iOS 11.2, macOS 10.15, *)
  public func respondByRequestingPersistableContentKeyRequestAndReturnError() throws {
    guard let session = usable("a persistable request") else { return }
    guard canPersist else {
      throw StubFairPlay.Failure(number: -11835, what: "no persistable key for this request").error
    }
    let persistable = AVPersistableContentKeyRequest(
      session, name, renews: renewsExpiringResponseData, record: record, completed: completed)
    device.step(.persistableRequest) { failure in
      if let failure { return persistable.fail(failure) }
      session.tell { $0.contentKeySession($1, didProvide: persistable) }
    }
  }

  // ".../processcontentkeyresponse(_:)"
  public func processContentKeyResponse(_ keyResponse: AVContentKeyResponse) {
    guard let session = usable("a response") else { return }
    guard answer(.response(keyResponse.data)) else { return }
    device.step(.response) { [self, device] failure in
      if let failure { return fail(failure) }
      do {
        let updated = try device.open(keyResponse.data, for: name, plays: completed != nil)
        lock.withLock { storedStatus = .receivedResponse }
        if let updated {
          // Dual expiry (".../contentkeysession(_:didupdatepersistablecontentkey:forcontentkeyidentifier:)").
          session.tell { [name] in
            $0.contentKeySession($1, didUpdatePersistableContentKey: updated, forContentKeyIdentifier: name)
          }
        }
        session.tell { $0.contentKeySession($1, contentKeyRequestDidSucceed: self) }
        completed?(.success(()))
      } catch {
        fail(error)
      }
    }
  }

  // ".../processcontentkeyresponseerror(_:)": the request fails with this error.
  public func processContentKeyResponseError(_ error: any Error) {
    guard usable("an error") != nil, answer(.error(error)) else { return }
    fail(error)
  }

  var certificate: Data? { lock.withLock { storedCertificate } }

  /// It failed as the script said: for good, or so that it may be tried again.
  func fail(_ failure: StubFairPlay.Failure) {
    guard let reason = failure.retryReason, let session else { return fail(failure.error) }
    session.tell { [self] delegate, session in
      guard delegate.contentKeySession(session, shouldRetry: self, reason: reason) else { return fail(failure.error) }
      lock.withLock { storedStatus = .retried }
      session.provide(AVContentKeyRequest(session, name, canPersist: canPersist, record: record, completed: completed))
    }
  }

  /// The request has failed: the delegate hears of it, and the player that waits.
  func fail(_ error: any Error) {
    lock.withLock { (storedStatus, storedError) = (.failed, error) }
    session?.tell { $0.contentKeySession($1, contentKeyRequest: self, didFailWithError: error) }
    completed?(.failure(error))
  }

  private func answer(_ answer: StubFairPlay.Answer) -> Bool {
    let isFirst = record.answer(answer)
    if !isFirst { device.note(.misuse("a second answer to one request")) }
    return isFirst
  }

  private func usable(_ what: String) -> AVContentKeySession? {
    if session == nil { device.note(.misuse("\(what) for a request whose session is gone")) }
    return session
  }
}

// https://developer.apple.com/documentation/avfoundation/avpersistablecontentkeyrequest
@available(iOS 10.3, macOS 10.15, *)
public final class AVPersistableContentKeyRequest: AVContentKeyRequest, @unchecked Sendable {
  public override var canProvidePersistableContentKey: Bool { true }

  // ".../persistablecontentkey(fromkeyvendorresponse:options:)"
  public func persistableContentKey(
    fromKeyVendorResponse keyVendorResponse: Data, options: [String: Any]? = nil
  ) throws -> Data {
    if let failure = device.stepNow(.persistableKey) { throw failure.error }
    return try device.persist(keyVendorResponse, certificate: certificate)
  }
}

// https://developer.apple.com/documentation/avfoundation/avcontentkeyresponse
@available(iOS 10.3, macOS 10.12.4, *)
public final class AVContentKeyResponse: NSObject, @unchecked Sendable {
  let data: Data

  // ".../init(fairplaystreamingkeyresponsedata:)": a CKC, or a persistable key.
  public init(fairPlayStreamingKeyResponseData keyResponseData: Data) {
    data = keyResponseData
    super.init()
  }
}
