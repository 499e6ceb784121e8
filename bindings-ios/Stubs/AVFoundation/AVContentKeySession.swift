@_exported import Foundation

// https://developer.apple.com/documentation/avfoundation/avcontentkeysystem
public struct AVContentKeySystem: RawRepresentable, Hashable, Sendable {
  public let rawValue: String

  public init(rawValue: String) {
    self.rawValue = rawValue
  }

  // https://developer.apple.com/documentation/avfoundation/avcontentkeysystem/fairplaystreaming
  @available(iOS 10.3, macOS 10.12.4, *)
  public static let fairPlayStreaming = AVContentKeySystem(rawValue: "FairPlayStreaming")
}

// https://developer.apple.com/documentation/avfoundation/avcontentkeysessionserverplaybackcontextoption
@available(iOS 12.2, macOS 10.15, *)
public struct AVContentKeySessionServerPlaybackContextOption: RawRepresentable, Hashable, Sendable {
  public let rawValue: String

  public init(rawValue: String) {
    self.rawValue = rawValue
  }

  // ".../serverchallenge": a nonce of 8 bytes.
  public static let serverChallenge = AVContentKeySessionServerPlaybackContextOption(rawValue: "ServerChallenge")
}

// https://developer.apple.com/documentation/avfoundation/avcontentkeyrecipient
@available(iOS 10.3, macOS 10.12.4, *)
public protocol AVContentKeyRecipient: AnyObject {
  // ".../mayrequirecontentkeysformediadataprocessing"
  var mayRequireContentKeysForMediaDataProcessing: Bool { get }
}

// https://developer.apple.com/documentation/avfoundation/avcontentkeysessiondelegate
//
// Apple's protocol is Objective-C's: all methods but the first are optional. A default stands for an optional method that
// is not there; what AVFoundation does then is the default's answer.
@available(iOS 10.3, macOS 10.12.4, *)
public protocol AVContentKeySessionDelegate: AnyObject, Sendable {
  // ".../contentkeysession(_:didprovide:)-…": a new request, on the delegate's queue.
  func contentKeySession(_ session: AVContentKeySession, didProvide keyRequest: AVContentKeyRequest)

  // ".../contentkeysession(_:didproviderenewingcontentkeyrequest:)": the outcome of renewExpiringResponseData(for:).
  func contentKeySession(
    _ session: AVContentKeySession, didProvideRenewingContentKeyRequest keyRequest: AVContentKeyRequest)

  // ".../contentkeysession(_:didprovide:)-…": the outcome of
  // respondByRequestingPersistableContentKeyRequestAndReturnError().
  func contentKeySession(_ session: AVContentKeySession, didProvide keyRequest: AVPersistableContentKeyRequest)

  // ".../contentkeysession(_:didupdatepersistablecontentkey:forcontentkeyidentifier:)": the key before it is void.
  @available(iOS 11.0, macOS 10.15, *)
  func contentKeySession(
    _ session: AVContentKeySession, didUpdatePersistableContentKey persistableContentKey: Data,
    forContentKeyIdentifier keyIdentifier: Any)

  // ".../contentkeysession(_:contentkeyrequest:didfailwitherror:)"
  func contentKeySession(
    _ session: AVContentKeySession, contentKeyRequest keyRequest: AVContentKeyRequest, didFailWithError err: any Error)

  // ".../contentkeysession(_:shouldretry:reason:)": without it, or if it says no, the request fails.
  func contentKeySession(
    _ session: AVContentKeySession, shouldRetry keyRequest: AVContentKeyRequest,
    reason retryReason: AVContentKeyRequest.RetryReason
  ) -> Bool

  // ".../contentkeysession(_:contentkeyrequestdidsucceed:)"
  @available(iOS 12.0, macOS 10.14, *)
  func contentKeySession(_ session: AVContentKeySession, contentKeyRequestDidSucceed keyRequest: AVContentKeyRequest)
}

extension AVContentKeySessionDelegate {
  public func contentKeySession(
    _ session: AVContentKeySession, didProvideRenewingContentKeyRequest keyRequest: AVContentKeyRequest
  ) {
    session.device.note(.misuse("a renewing request that nobody takes"))
  }

  // The documentation: NSInternalInconsistencyException.
  public func contentKeySession(_ session: AVContentKeySession, didProvide keyRequest: AVPersistableContentKeyRequest) {
    session.device.note(.misuse("a persistable request that nobody takes"))
  }

  public func contentKeySession(
    _ session: AVContentKeySession, didUpdatePersistableContentKey persistableContentKey: Data,
    forContentKeyIdentifier keyIdentifier: Any
  ) {
    session.device.note(.misuse("an updated key that nobody stores"))
  }

  public func contentKeySession(
    _ session: AVContentKeySession, contentKeyRequest keyRequest: AVContentKeyRequest, didFailWithError err: any Error
  ) {}

  public func contentKeySession(
    _ session: AVContentKeySession, shouldRetry keyRequest: AVContentKeyRequest,
    reason retryReason: AVContentKeyRequest.RetryReason
  ) -> Bool { false }

  public func contentKeySession(
    _ session: AVContentKeySession, contentKeyRequestDidSucceed keyRequest: AVContentKeyRequest
  ) {}
}

// https://developer.apple.com/documentation/avfoundation/avcontentkeysession
//
// Sendable since the SDK of iOS 18 says so (NS_SWIFT_SENDABLE). Not subclassed here.
@available(iOS 10.3, macOS 10.12.4, *)
public final class AVContentKeySession: NSObject, @unchecked Sendable {
  // Protects what follows; never held while the delegate is called.
  private let lock = NSLock()
  private weak var storedDelegate: (any AVContentKeySessionDelegate)?
  private var storedQueue: DispatchQueue?
  private var storedRecipients: [Weak] = []
  private var isExpired = false
  /// The identifiers that were requested here already; they are not requested again.
  private var known: Set<String> = []

  /// The device that this session is on.
  let device: StubFairPlay

  // ".../init(keysystem:)"
  @available(iOS 11.0, macOS 10.13, *)
  public convenience init(keySystem: AVContentKeySystem) {
    self.init(keySystem: keySystem, device: .shared)
  }

  @_spi(Stub) public init(keySystem: AVContentKeySystem, device: StubFairPlay) {
    self.keySystem = keySystem
    self.device = device
    super.init()
    device.began()
  }

  deinit {
    expire()
    device.ended()
  }

  // ".../keysystem"
  public let keySystem: AVContentKeySystem

  // ".../setdelegate(_:queue:)": kept weakly; a delegate without a queue is an exception.
  public func setDelegate(_ delegate: (any AVContentKeySessionDelegate)?, queue delegateQueue: DispatchQueue?) {
    if delegate != nil && delegateQueue == nil { device.note(.misuse("a delegate without a queue")) }
    lock.withLock { (storedDelegate, storedQueue) = (delegate, delegateQueue) }
  }

  // ".../delegate"
  public weak var delegate: (any AVContentKeySessionDelegate)? { lock.withLock { storedDelegate } }

  // ".../delegatequeue"
  public var delegateQueue: DispatchQueue? { lock.withLock { storedQueue } }

  // ".../expire()": its recipients become inoperable.
  public func expire() {
    let isFirst = lock.withLock {
      defer { isExpired = true }
      return !isExpired
    }
    if isFirst { device.expired() }
  }

  // ".../processcontentkeyrequest(withidentifier:initializationdata:options:)": returns at once; the delegate is told on
  // its queue. For a key that was asked for in this session already nothing happens
  // (https://developer.apple.com/forums/thread/103846).
  public func processContentKeyRequest(
    withIdentifier identifier: (any Sendable)?, initializationData: Data?, options: [String: any Sendable]? = nil
  ) {
    guard let name = Self.name(identifier) else { return device.note(.misuse("a request without an identifier")) }
    let isNew = lock.withLock { !isExpired && known.insert(name).inserted }
    if isNew { provide(AVContentKeyRequest(self, name)) }
  }

  // ".../renewexpiringresponsedata(for:)": the delegate gets a renewing request.
  public func renewExpiringResponseData(for contentKeyRequest: AVContentKeyRequest) {
    let renewing = AVContentKeyRequest(self, contentKeyRequest.name, renews: true)
    tell { $0.contentKeySession($1, didProvideRenewingContentKeyRequest: renewing) }
  }

  // ".../addcontentkeyrecipient(_:)": an exception on an expired session. Whether a session keeps its recipients Apple does
  // not say; the stub does not. (If Apple's does, an asset that keeps its session stays until the session expires.)
  public func addContentKeyRecipient(_ recipient: any AVContentKeyRecipient) {
    lock.withLock {
      if isExpired { device.note(.misuse("a recipient for an expired session")) }
      storedRecipients.append(Weak(recipient))
    }
    (recipient as? AVURLAsset)?.stubSession = self
  }

  // ".../contentkeyrecipients"
  public var contentKeyRecipients: [any AVContentKeyRecipient] {
    lock.withLock { storedRecipients.compactMap(\.recipient) }
  }

  private struct Weak {
    weak var recipient: (any AVContentKeyRecipient)?

    init(_ recipient: any AVContentKeyRecipient) {
      self.recipient = recipient
    }
  }

  // ".../invalidatepersistablecontentkey(_:options:completionhandler:)": from then on the key answers no request; the
  // handler gets an SPC for the server, on a queue of the system's.
  @available(iOS 12.2, macOS 10.15, *)
  public func invalidatePersistableContentKey(
    _ persistableContentKeyData: Data, options: [AVContentKeySessionServerPlaybackContextOption: Any]? = nil,
    completionHandler handler: @escaping @Sendable (Data?, (any Error)?) -> Void
  ) {
    if let challenge = options?[.serverChallenge], (challenge as? Data)?.count != 8 {
      device.note(.misuse("a server challenge that is not 8 bytes"))
    }
    device.step(.invalidation) { [device] failure in
      if let failure { return handler(nil, failure.error) }
      do { handler(try device.invalidate(persistableContentKeyData), nil) } catch { handler(nil, error) }
    }
  }
}

// MARK: - How the stub drives it

extension AVContentKeySession {
  static func name(_ identifier: Any?) -> String? {
    switch identifier {
    case let text as String: text
    case let url as URL: url.absoluteString
    default: nil
    }
  }

  var isLive: Bool { lock.withLock { !isExpired } }

  /// A player needs a key: as `processContentKeyRequest`, but every time.
  func ask(_ name: String, canPersist: Bool, _ completed: @escaping @Sendable (Result<Void, any Error>) -> Void) {
    lock.withLock { _ = known.insert(name) }
    provide(AVContentKeyRequest(self, name, canPersist: canPersist, completed: completed))
  }

  func provide(_ request: AVContentKeyRequest) {
    device.step(.request) { failure in
      if let failure { return request.fail(failure) }
      self.tell { $0.contentKeySession($1, didProvide: request) }
    }
  }

  /// On the delegate's queue, while it and the session are there. An expired session tells nothing more.
  func tell(_ what: @escaping @Sendable (any AVContentKeySessionDelegate, AVContentKeySession) -> Void) {
    guard let queue = delegateQueue else { return }
    queue.async { [weak self] in
      guard let self, self.isLive, let delegate = self.delegate else { return }
      what(delegate, self)
    }
  }
}
