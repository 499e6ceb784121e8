import Foundation
import Larder
import TestSupport
import Testing

@Suite("The app's DRM engine")
struct DrmEngineTests {
  @Test("an engine that speaks on another queue gets its license in one round trip, and gives it back")
  func otherQueue() async throws {
    let (servers, device, engine) = (try TestServers(), try TestDevice(), SwiftClearKey())
    let manager = try manager(device, engine)
    try await register(manager, servers, device)
    #expect(engine.journal == ["acquire"])
    #expect(engine.licenses.count == 1)
    let handle = try #require(engine.licenses.first)
    let source = try manager.getLocalMediaSource(assetId: "film")
    #expect(try manager.licenseHandle(try #require(source.licenses.first).licenseId) == handle)
    try await manager.unregisterAsset("film")
    try await manager.reconcile()
    #expect(engine.licenses.isEmpty)
    #expect(try await servers.licenseRecords().live == 0)
  }

  @Test("what the license server answers reaches the caller through the engine", arguments: Answer.allCases)
  func serverAnswers(answer: Answer) async throws {
    let (servers, device, engine) = (try TestServers(), try TestDevice(), SwiftClearKey())
    try await servers.addFault(#"{"path": "/clearkey", "action": \#(answer.action)}"#)
    let manager = try manager(device, engine)
    let error = try await thrown { try await register(manager, servers, device) }
    #expect(error.code == answer.code)
    #expect(error.httpStatus == answer.httpStatus)
    #expect(try manager.assets().isEmpty && engine.licenses.isEmpty)
  }

  enum Answer: CaseIterable {
    case forbidden
    case notFound
    case webPage
    case nothing

    var action: String {
      switch self {
      case .forbidden: #"{"kind": "status", "status": 403}"#
      case .notFound: #"{"kind": "status", "status": 404}"#
      case .webPage: #"{"kind": "html"}"#
      case .nothing: #"{"kind": "empty"}"#
      }
    }

    var code: LarderError.Code {
      switch self {
      case .forbidden: .unauthorized
      case .notFound: .serverRejected
      case .webPage: .licenseNotALicense
      case .nothing: .licenseEmpty
      }
    }

    var httpStatus: Int? {
      switch self {
      case .forbidden: 403
      case .notFound: 404
      case .webPage, .nothing: nil
      }
    }
  }

  @Test("an engine's own errors are told by number, and a LarderError as it is")
  func ownErrors() async throws {
    let (servers, device) = (try TestServers(), try TestDevice())
    let thrower = Shared<any Error>(CdmError.noSession(secret: "hunter2"))
    let engine = SwiftClearKey { if $0 == .beforeAcquire { throw thrower.value } }
    let manager = try manager(device, engine)
    let location = try device.download(.cencDash)
    func failure() async throws -> LarderError {
      try await thrown {
        try await manager.registerDownloadedAsset(location: location, mediaSource: servers.source(.cencDash))
      }
    }

    let foreign = try await failure()
    #expect(foreign.code == .cdmFailed && foreign.message.contains("CdmError"))
    #expect(!foreign.message.contains("hunter2"))

    thrower.value = LarderError(.cdmBusy, "all sessions are taken")
    let ours = try await failure()
    #expect(ours.code == .cdmBusy && ours.isRetryable && ours.message.contains("all sessions are taken"))

    thrower.value = LarderError(LarderError.Code(rawValue: "MADE_UP"), "who knows")
    #expect(try await failure().code == .cdmFailed)

    // Our task was not cancelled, so this is an error of the call, not the end of the task.
    thrower.value = CancellationError()
    #expect(try await failure().code == .cancelled)
    #expect(try await servers.requests().isEmpty)
  }

  @Test("an engine that hangs times out, and what it gets too late is given back", .timeLimit(.minutes(1)))
  func hanging() async throws {
    try await withTimeToRunOut { seconds in
      let (servers, device, isReached, free) = (try TestServers(), try TestDevice(), Shared(false), Gate())
      defer { free.open() }
      let engine = SwiftClearKey { step in
        guard step == .afterSend else { return }
        isReached.value = true
        free.wait()
      }
      let manager = try LocalAssetsManager(
        config: device.config(engineTimeoutSeconds: seconds), storage: MemoryDrmStorage(), engines: [engine])
      let error = try await thrown { try await register(manager, servers, device) }
      #expect(error.code == .timeout && error.isRetryable)
      guard isReached.value else { return false }
      #expect(try await servers.licenseRecords().live == 1)
      free.open()
      // The engine ends in its own time; only then is there something to release.
      try await eventually("the late license was not given back") {
        try await manager.reconcile()
        return try await servers.licenseRecords().live == 0 && engine.licenses.isEmpty
      }
      return true
    }
  }

  @Test("an exchange that is kept beyond its call is of no use")
  func keptExchange() async throws {
    let (servers, device) = (try TestServers(), try TestDevice())
    let kept = Shared<(any LicenseExchange)?>(nil)
    let manager = try manager(device, Keeper(engine: SwiftClearKey(), kept: kept))
    try await register(manager, servers, device)
    let requests = try await servers.requests().count
    let exchange = try #require(kept.value)
    let error = try await thrown { try exchange.send(ExchangeMessage(kind: .license, body: Data("{}".utf8))) }
    #expect(error.code == .cancelled)
    #expect(try await servers.requests().count == requests)
  }

  @Test("a handle that the CDM changed by itself takes the old one's place")
  func changedHandle() async throws {
    let (servers, device) = (try TestServers(), try TestDevice())
    let storage = MemoryDrmStorage()
    let manager = try LocalAssetsManager(config: device.config(), storage: storage, engines: [SwiftClearKey()])
    let old = try #require(try await register(manager, servers, device).licenses.first).licenseId
    let times = LicenseTimes(license: .seconds(seconds: 3600), playback: .unlimited)
    let new = try manager.licenseHandleChanged(old, to: Data("another".utf8), times: times)
    #expect(try manager.licenseHandle(new) == Data("another".utf8))
    try await manager.reconcile()
    #expect(storage.keys.count == 1)
    let status = try await manager.status(of: "film")
    #expect(status.licenses.filter { $0.state == .active }.map(\.licenseId) == [new])
    #expect(abs(try #require(status.expires.date).timeIntervalSinceNow - 3600) < 60)
  }

  @Test("an engine may call the manager back")
  func reentrant() async throws {
    let (servers, device) = (try TestServers(), try TestDevice())
    let manager = Shared<LocalAssetsManager?>(nil)
    let seen = Shared<[Int]>([])
    let engine = SwiftClearKey { _ in
      let count = try manager.value?.assets().count ?? -1
      seen.change { $0.append(count) }
    }
    let made = try self.manager(device, engine)
    manager.value = made
    try await register(made, servers, device)
    #expect(seen.value == [0, 0])
    manager.value = nil
  }

  @Test("protected media without an engine for it is refused before anything is asked")
  func noEngine() async throws {
    let (servers, device) = (try TestServers(), try TestDevice())
    let manager = try LocalAssetsManager(config: device.config(), storage: MemoryDrmStorage())
    let error = try await thrown { try await register(manager, servers, device) }
    #expect(error.code == .drmUnsupported)
    #expect(try await servers.requests().isEmpty)
  }

  // MARK: -

  private func manager(_ device: TestDevice, _ engine: any DrmEngine) throws -> LocalAssetsManager {
    try LocalAssetsManager(config: device.config(), storage: MemoryDrmStorage(), engines: [engine])
  }

  @discardableResult
  private func register(_ manager: LocalAssetsManager, _ servers: TestServers, _ device: TestDevice) async throws
    -> AssetStatus
  {
    try await manager.registerDownloadedAsset(
      location: try device.download(.cencDash), mediaSource: servers.source(.cencDash), assetId: "film")
  }
}

private enum CdmError: Error {
  case noSession(secret: String)
}

/// An engine that does what an engine must not: it keeps the exchange.
private struct Keeper: DrmEngine {
  let engine: SwiftClearKey
  let kept: Shared<(any LicenseExchange)?>

  var scheme: DrmScheme { engine.scheme }

  func acquire(_ request: KeyRequest, exchange: any LicenseExchange) throws -> LicenseGrant {
    kept.value = exchange
    return try engine.acquire(request, exchange: exchange)
  }

  func renew(_ held: StoredLicense, request: KeyRequest, exchange: any LicenseExchange) throws -> LicenseGrant {
    try engine.renew(held, request: request, exchange: exchange)
  }

  func inspect(_ held: StoredLicense) throws -> LicenseTimes {
    try engine.inspect(held)
  }

  func release(_ held: StoredLicense, exchange: any LicenseExchange) throws -> ReleaseOutcome {
    try engine.release(held, exchange: exchange)
  }

  func held() throws -> [Data]? {
    try engine.held()
  }
}
