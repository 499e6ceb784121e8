import Foundation

/// A device with FairPlay, as far as an app can see it: keys are blobs that the app keeps and only this device opens;
/// nobody lists them and nobody reads an end from one.
///
/// A model of ours. Each test has a device of its own and scripts what it does at each step; sessions are made on it with
/// `AVContentKeySession(keySystem:device:)`.
@_spi(Stub) public final class StubFairPlay: @unchecked Sendable {
  /// The device of sessions that are made as an app makes them.
  public static let shared = StubFairPlay()

  /// Where a script can step in.
  public enum Step: String, CaseIterable, Sendable {
    /// Before the delegate gets a request.
    case request
    /// Before the delegate gets the persistable request.
    case persistableRequest
    /// Before an SPC is handed out.
    case requestData
    /// When a CKC is to become a persistable key. Cannot be delayed: the caller waits.
    case persistableKey
    /// Before an answer to a request takes effect.
    case response
    /// Before a key is made void.
    case invalidation
  }

  /// The outcome of a step.
  public enum Behaviour: Sendable {
    /// The step succeeds.
    case succeeds
    /// It fails, with a number in AVFoundation's error domain.
    case fails(Int)
    /// The handler gets neither data nor error.
    case givesNothing
    /// The callback does not come.
    case never
    /// The callback comes when this is called, on a queue of the system's.
    case waits(@Sendable (@escaping @Sendable () -> Void) -> Void)
    /// AVFoundation asks whether to try again.
    case asksToRetry(AVContentKeyRequest.RetryReason)
  }

  /// The answer to a request.
  public enum Answer: Sendable {
    case response(Data)
    case error(any Error)

    public var error: (any Error)? {
      if case .error(let error) = self { error } else { nil }
    }
  }

  /// An event on the device.
  public enum Event: Sendable {
    /// A call that the real AVFoundation answers with an exception, or not at all.
    case misuse(String)
  }

  /// One request for a key, and its answer.
  public final class Record: @unchecked Sendable {
    public let identifier: String
    // Protects `stored`.
    private let lock = NSLock()
    private var stored: Answer?

    init(_ identifier: String) {
      self.identifier = identifier
    }

    /// `nil`: not answered.
    public var answer: Answer? { lock.withLock { stored } }

    func answer(_ answer: Answer) -> Bool {
      lock.withLock {
        defer { stored = stored ?? answer }
        return stored == nil
      }
    }
  }

  struct Failure: Error, Sendable {
    var number: Int
    var what = "scripted"
    var isSilent = false
    var retryReason: AVContentKeyRequest.RetryReason?

    // https://developer.apple.com/documentation/avfoundation/averror
    var error: NSError {
      NSError(domain: "AVFoundationErrorDomain", code: number, userInfo: [NSLocalizedDescriptionKey: what])
    }
  }

  /// Returns the outcome of each step of a request. All steps succeed by default.
  public var script: @Sendable (Step) -> Behaviour {
    get { lock.withLock { storedScript } }
    set { lock.withLock { storedScript = newValue } }
  }

  /// How far this device's clock is ahead, in seconds.
  public var clockAheadSeconds: Int64 {
    get { lock.withLock { ahead } }
    set { lock.withLock { ahead = newValue } }
  }

  // Protects what follows; never held while something of the app's is called.
  private let lock = NSLock()
  private var storedScript: @Sendable (Step) -> Behaviour = { _ in .succeeds }
  private var ahead: Int64 = 0
  private var identity = UUID().uuidString
  private var count = 0
  private var void: Set<Int> = []
  private var events: [Event] = []
  private var all: [Record] = []
  private var sessions = (made: 0, live: 0, most: 0)
  private var unexpired = 0
  /// AVFoundation answers on queues of its own.
  private let queue = DispatchQueue(label: "com.apple.avfoundation.stub", attributes: .concurrent)

  public init() {}

  /// The calls that AVFoundation would have refused.
  public var misuses: [String] {
    lock.withLock { events.map { if case .misuse(let what) = $0 { what } else { "" } } }
  }

  /// Every request that came into being, in order.
  public var requests: [Record] { lock.withLock { all } }

  /// Requests that nobody answered.
  public var unanswered: [Record] { requests.filter { $0.answer == nil } }

  /// Content key sessions: made so far, there now, and at most at work at one time (not expired).
  public var sessionCounts: (made: Int, live: Int, most: Int) { lock.withLock { sessions } }

  /// Keys made so far do not open any more, as after a restore to another device.
  public func forgetAll() {
    lock.withLock { identity = UUID().uuidString }
  }

  /// Whether this device would play with a key.
  public func opens(_ key: Data) -> Bool {
    (try? blob(key)) != nil
  }
}

// MARK: - What sessions and requests do on it

extension StubFairPlay {
  func note(_ event: Event) {
    lock.withLock { events.append(event) }
  }

  func began() {
    lock.withLock {
      unexpired += 1
      sessions = (sessions.made + 1, sessions.live + 1, max(sessions.most, unexpired))
    }
  }

  func expired() {
    lock.withLock { unexpired -= 1 }
  }

  func ended() {
    lock.withLock { sessions.live -= 1 }
  }

  func newRecord(_ identifier: String) -> Record {
    let record = Record(identifier)
    lock.withLock { all.append(record) }
    return record
  }

  /// Goes on as the script says, on a queue of the system's.
  func step(_ step: Step, then: @escaping @Sendable (Failure?) -> Void) {
    switch script(step) {
    case .succeeds: queue.async { then(nil) }
    case .fails(let number): queue.async { then(Failure(number: number)) }
    case .givesNothing: queue.async { then(Failure(number: -11800, isSilent: true)) }
    case .never: break
    case .waits(let wait): wait { [queue] in queue.async { then(nil) } }
    case .asksToRetry(let reason): queue.async { then(Failure(number: -11836, retryReason: reason)) }
    }
  }

  /// The same for what answers at once.
  func stepNow(_ step: Step) -> Failure? {
    if case .fails(let number) = script(step) { Failure(number: number) } else { nil }
  }

  func spc(certificate: Data, contentIdentifier: Data?, persists: Bool, held: Data?) throws -> Data {
    guard let id = contentIdentifier.flatMap({ String(data: $0, encoding: .utf8) }), !id.isEmpty, !certificate.isEmpty
    else { throw Failure(number: -11800, what: "an SPC needs a certificate and a content identifier").error }
    let license = try held.map { try blob($0).licenseId }
    return try ServerPlaybackContext(
      op: "license", contentId: id, certificateSha256: sha256(certificate), persist: persists, licenseId: license
    ).message()
  }

  func persist(_ ckc: Data, certificate: Data?) throws -> Data {
    let context = try ContentKeyContext(ckc)
    guard context.persist else { throw Failure(number: -11835, what: "the key must not be stored").error }
    return PersistableKey(
      identity: lock.withLock { identity }, number: nextNumber(), licenseId: context.licenseId,
      contentId: context.contentId, certificateSha256: certificate.map(sha256), storedAtSeconds: nowSeconds,
      storageSeconds: context.storageSeconds, playbackSeconds: context.playbackSeconds, firstPlayedAtSeconds: nil
    ).data()
  }

  /// Takes an answer to a request. `plays`: a player waits for the key, and its first one makes the old key void.
  func open(_ data: Data, for identifier: String, plays: Bool) throws -> Data? {
    guard (try? ContentKeyContext(data)) == nil else { return nil }
    var key = try blob(data)
    if key.isOver(at: nowSeconds) { throw Failure(number: -11836, what: "the key has expired").error }
    guard plays, key.firstPlayedAtSeconds == nil, key.playbackSeconds != nil else { return nil }
    lock.withLock { _ = void.insert(key.number) }
    key.firstPlayedAtSeconds = nowSeconds
    key.number = nextNumber()
    return key.data()
  }

  func invalidate(_ data: Data) throws -> Data {
    let key = try blob(data)
    lock.withLock { _ = void.insert(key.number) }
    return try ServerPlaybackContext(
      op: "release", contentId: key.contentId, certificateSha256: key.certificateSha256 ?? "", persist: true,
      licenseId: key.licenseId
    ).message()
  }

  private func blob(_ data: Data) throws -> PersistableKey {
    let key = try PersistableKey(data)
    let isOurs = lock.withLock { key.identity == identity && !void.contains(key.number) }
    guard isOurs else { throw Failure(number: -11833, what: "this device cannot open the key").error }
    return key
  }

  private var nowSeconds: Int64 { Int64(Date().timeIntervalSince1970) + clockAheadSeconds }

  private func nextNumber() -> Int {
    lock.withLock {
      count += 1
      return count
    }
  }
}
