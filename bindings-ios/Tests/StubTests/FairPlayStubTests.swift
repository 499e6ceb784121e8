@_spi(Stub) import AVFoundation
import Foundation
import Testing

/// The behaviour of AVFoundation's keys that the stub models. A change here is a decision about Apple's behaviour.
@Suite("The stub of a content key session", .timeLimit(.minutes(1)))
struct FairPlayStubTests {
  let device = StubFairPlay()
  let queue = DispatchQueue(label: "delegate")

  @Test("SHA-256 is SHA-256")
  func digest() {
    #expect(sha256(Data("abc".utf8)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(
      sha256(Data(repeating: 0x61, count: 1000)) == "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3")
  }

  @Test("callbacks come on the delegate's queue, after the call has returned")
  func queues() async throws {
    let delegate = Recorder(queue: queue)
    let session = session(delegate)
    queue.suspend()
    session.processContentKeyRequest(withIdentifier: "skd://a", initializationData: nil, options: nil)
    #expect(delegate.calls.isEmpty)
    queue.resume()
    #expect(try await delegate.next() == "provided skd://a")
    #expect(delegate.wasOnQueue)
  }

  @Test("a key is asked for once in a session, and again in another one")
  func onceASession() async throws {
    let delegate = Recorder(queue: queue)
    let first = session(delegate)
    for _ in 0..<2 { first.processContentKeyRequest(withIdentifier: "skd://a", initializationData: nil, options: nil) }
    first.processContentKeyRequest(withIdentifier: "skd://b", initializationData: nil, options: nil)
    #expect(Set([try await delegate.next(), try await delegate.next()]) == ["provided skd://a", "provided skd://b"])
    let second = session(delegate)
    second.processContentKeyRequest(withIdentifier: "skd://a", initializationData: nil, options: nil)
    #expect(try await delegate.next() == "provided skd://a")
    #expect(device.requests.count == 3)
  }

  @Test("a persistable request takes the place of the first one, and its key opens on this device alone")
  func persistable() async throws {
    let (session, delegate) = try await persistable("skd://a")
    let spc = try await spc(try #require(delegate.persistable), certificate: "c")
    #expect(String(decoding: spc, as: UTF8.self).contains(#""persist":true"#))
    let key = try #require(delegate.persistable).persistableContentKey(fromKeyVendorResponse: ckc())
    #expect(device.opens(key) && !StubFairPlay().opens(key))
    device.forgetAll()
    #expect(!device.opens(key))
    _ = session
  }

  @Test("a CKC that must not be stored gives no persistable key, and neither does anything else")
  func notStorable() async throws {
    let (session, delegate) = try await persistable("skd://a")
    let request = try #require(delegate.persistable)
    #expect(throws: NSError.self) { try request.persistableContentKey(fromKeyVendorResponse: ckc(persist: false)) }
    #expect(throws: (any Error).self) { try request.persistableContentKey(fromKeyVendorResponse: Data("page".utf8)) }
    _ = session
  }

  @Test("a stored key answers a request, an expired or a void one fails it", arguments: [0, 1, 2])
  func answers(turn: Int) async throws {
    let (session, delegate) = try await persistable("skd://a")
    let request = try #require(delegate.persistable)
    let key = try request.persistableContentKey(fromKeyVendorResponse: ckc(storageSeconds: 60))
    if turn == 1 { device.clockAheadSeconds = 61 }
    if turn == 2 { _ = try await invalidate(session, key) }
    request.processContentKeyResponse(AVContentKeyResponse(fairPlayStreamingKeyResponseData: key))
    #expect(try await delegate.next() == (turn == 0 ? "succeeded" : "failed"))
    #expect(device.unanswered.isEmpty)
  }

  @Test("the first playback of a key with a playback duration makes it void and gives another one")
  func dualExpiry() async throws {
    let (made, maker) = try await persistable("skd://a")
    let key = try #require(maker.persistable).persistableContentKey(
      fromKeyVendorResponse: ckc(storageSeconds: 60, playbackSeconds: 600))
    let delegate = Recorder(queue: queue, answer: key)
    let url = URL(fileURLWithPath: "/stub/\(UUID().uuidString)")
    StubMedia.put(StubMedia(keys: ["skd://a"]), at: url)
    let player = session(delegate)
    let asset = AVURLAsset(url: url)
    player.addContentKeyRecipient(asset)
    try await StubMedia(keys: ["skd://a"]).key("skd://a", for: asset)
    while delegate.updated == nil { await Task.yield() }
    let updated = try #require(delegate.updated)
    #expect(updated != key && device.opens(updated) && !device.opens(key))
    // From now on the playback duration is the key's life.
    device.clockAheadSeconds = 300
    delegate.answer = updated
    try await StubMedia(keys: ["skd://a"]).key("skd://a", for: asset)
    device.clockAheadSeconds = 601
    await #expect(throws: NSError.self) { try await StubMedia(keys: ["skd://a"]).key("skd://a", for: asset) }
    _ = made
  }

  @Test("a renewal asks again in the same session")
  func renewal() async throws {
    let delegate = Recorder(queue: queue)
    let session = session(delegate)
    session.processContentKeyRequest(withIdentifier: "skd://a", initializationData: nil, options: nil)
    #expect(try await delegate.next() == "provided skd://a")
    session.renewExpiringResponseData(for: try #require(delegate.provided))
    #expect(try await delegate.next() == "renewing skd://a")
  }

  @Test("a script delays, drops, fails and empties callbacks, and asks to retry")
  func script() async throws {
    let held = Held()
    device.script = { $0 == .request ? .waits { held.keep($0) } : .succeeds }
    let delegate = Recorder(queue: queue)
    let session = session(delegate)
    session.processContentKeyRequest(withIdentifier: "skd://a", initializationData: nil, options: nil)
    #expect(delegate.calls.isEmpty)
    held.letGo()
    #expect(try await delegate.next() == "provided skd://a")

    device.script = { $0 == .request ? .fails(-11800) : .succeeds }
    session.processContentKeyRequest(withIdentifier: "skd://b", initializationData: nil, options: nil)
    #expect(try await delegate.next() == "failed")

    device.script = { $0 == .requestData ? .givesNothing : .succeeds }
    let nothing = try? await spc(try #require(delegate.provided), certificate: "c")
    #expect(nothing == nil)

    let retries = Held()
    device.script = { $0 == .request && retries.first() ? .asksToRetry(.timedOut) : .succeeds }
    session.processContentKeyRequest(withIdentifier: "skd://c", initializationData: nil, options: nil)
    #expect(try await delegate.next() == "asked to retry")
    #expect(try await delegate.next() == "provided skd://c")
  }

  @Test("what Apple answers with an exception is noted")
  func misuse() async throws {
    let delegate = Recorder(queue: queue)
    var gone: AVContentKeySession? = session(delegate)
    gone?.processContentKeyRequest(withIdentifier: "skd://a", initializationData: nil, options: nil)
    #expect(try await delegate.next() == "provided skd://a")
    let request = try #require(delegate.provided)
    gone?.expire()
    gone?.addContentKeyRecipient(AVURLAsset(url: URL(fileURLWithPath: "/stub/x")))
    gone = nil
    while device.sessionCounts.live > 0 { await Task.yield() }
    request.processContentKeyResponseError(NSError(domain: "x", code: 1))
    let one = session(delegate)
    one.setDelegate(delegate, queue: nil)
    one.invalidatePersistableContentKey(Data(), options: [.serverChallenge: Data([1])]) { _, _ in }
    #expect(device.misuses.count == 4, "\(device.misuses)")
  }

  // MARK: -

  private func session(_ delegate: Recorder) -> AVContentKeySession {
    let session = AVContentKeySession(keySystem: .fairPlayStreaming, device: device)
    session.setDelegate(delegate, queue: queue)
    return session
  }

  private func persistable(_ identifier: String) async throws -> (AVContentKeySession, Recorder) {
    let delegate = Recorder(queue: queue)
    let session = session(delegate)
    session.processContentKeyRequest(withIdentifier: identifier, initializationData: nil, options: nil)
    #expect(try await delegate.next() == "provided \(identifier)")
    try #require(delegate.provided).respondByRequestingPersistableContentKeyRequestAndReturnError()
    #expect(try await delegate.next() == "persistable \(identifier)")
    return (session, delegate)
  }

  private func spc(_ request: AVContentKeyRequest, certificate: String) async throws -> Data {
    try await withCheckedThrowingContinuation { continuation in
      request.makeStreamingContentKeyRequestData(
        forApp: Data(certificate.utf8), contentIdentifier: Data("a".utf8), options: nil
      ) { data, error in
        continuation.resume(with: Result { if let data { data } else { throw error ?? CancellationError() } })
      }
    }
  }

  private func invalidate(_ session: AVContentKeySession, _ key: Data) async throws -> Data {
    try await withCheckedThrowingContinuation { continuation in
      session.invalidatePersistableContentKey(key, options: nil) { data, error in
        continuation.resume(with: Result { if let data { data } else { throw error ?? CancellationError() } })
      }
    }
  }

  private func ckc(persist: Bool = true, storageSeconds: Int = 60, playbackSeconds: Int? = nil) -> Data {
    let playback = playbackSeconds.map { #","playback_seconds":\#($0)"# } ?? ""
    return Data("CKC\u{01}".utf8)
      + Data(
        #"{"license_id":"l","content_id":"a","storage_seconds":\#(storageSeconds)\#(playback),"persist":\#(persist)}"#
          .utf8)
  }
}

/// A delegate that writes down what it is called with.
private final class Recorder: AVContentKeySessionDelegate, @unchecked Sendable {
  // Protects what follows.
  private let lock = NSLock()
  private var noted: [String] = []
  private var taken = 0
  private var first: AVContentKeyRequest?
  private var second: AVPersistableContentKeyRequest?
  private var update: Data?
  private var stored: Data?
  private var onQueue = true
  private let mark = DispatchSpecificKey<Bool>()

  init(queue: DispatchQueue, answer: Data? = nil) {
    stored = answer
    queue.setSpecific(key: mark, value: true)
  }

  var calls: [String] { lock.withLock { noted } }
  var provided: AVContentKeyRequest? { lock.withLock { first } }
  var persistable: AVPersistableContentKeyRequest? { lock.withLock { second } }
  var updated: Data? { lock.withLock { update } }
  var wasOnQueue: Bool { lock.withLock { onQueue } }
  var answer: Data? {
    get { lock.withLock { stored } }
    set { lock.withLock { stored = newValue } }
  }

  /// The next call that was not taken yet.
  func next() async throws -> String {
    for _ in 0..<6_000 {
      let found = lock.withLock { () -> String? in
        guard taken < noted.count else { return nil }
        taken += 1
        return noted[taken - 1]
      }
      if let found { return found }
      try await Task.sleep(nanoseconds: 5_000_000)
    }
    return "nothing"
  }

  private func note(_ call: String, _ change: () -> Void = {}) {
    let isOnQueue = DispatchQueue.getSpecific(key: mark) == true
    lock.withLock {
      noted.append(call)
      onQueue = onQueue && isOnQueue
      change()
    }
  }

  func contentKeySession(_ session: AVContentKeySession, didProvide keyRequest: AVContentKeyRequest) {
    note("provided \(keyRequest.identifier ?? "?")") { first = keyRequest }
    if answer != nil { try? keyRequest.respondByRequestingPersistableContentKeyRequestAndReturnError() }
  }

  func contentKeySession(
    _ session: AVContentKeySession, didProvideRenewingContentKeyRequest keyRequest: AVContentKeyRequest
  ) {
    note("renewing \(keyRequest.identifier ?? "?")")
  }

  func contentKeySession(_ session: AVContentKeySession, didProvide keyRequest: AVPersistableContentKeyRequest) {
    note("persistable \(keyRequest.identifier ?? "?")") { second = keyRequest }
    if let answer {
      keyRequest.processContentKeyResponse(AVContentKeyResponse(fairPlayStreamingKeyResponseData: answer))
    }
  }

  func contentKeySession(
    _ session: AVContentKeySession, didUpdatePersistableContentKey persistableContentKey: Data,
    forContentKeyIdentifier keyIdentifier: Any
  ) {
    note("updated") { update = persistableContentKey }
  }

  func contentKeySession(
    _ session: AVContentKeySession, contentKeyRequest keyRequest: AVContentKeyRequest, didFailWithError err: any Error
  ) {
    note("failed")
  }

  func contentKeySession(
    _ session: AVContentKeySession, shouldRetry keyRequest: AVContentKeyRequest,
    reason retryReason: AVContentKeyRequest.RetryReason
  ) -> Bool {
    note("asked to retry")
    return true
  }

  func contentKeySession(_ session: AVContentKeySession, contentKeyRequestDidSucceed keyRequest: AVContentKeyRequest) {
    note("succeeded")
  }
}

/// Callbacks that a test lets go.
private final class Held: @unchecked Sendable {
  // Protects what follows.
  private let lock = NSLock()
  private var kept: [@Sendable () -> Void] = []
  private var asked = 0

  func keep(_ callback: @escaping @Sendable () -> Void) {
    lock.withLock { kept.append(callback) }
  }

  func letGo() {
    lock.withLock { kept }.forEach { $0() }
  }

  func first() -> Bool {
    lock.withLock {
      asked += 1
      return asked == 1
    }
  }
}
