import Foundation
import Larder
import TestSupport
import Testing

@Suite("Cancellation")
struct CancellationTests {
  /// Every point at which the core hands over to the app during a registration, and the time between.
  enum Point: CaseIterable, Sendable {
    case beforeTheCall
    case inTheTokenProvider
    case inTheRequestAdapter
    case beforeTheChallenge
    case whileTheServerAnswers
    case inTheAnswerParser
    case afterTheExchange
    case whileTheHandleIsSaved
    case whileTheHandleIsReadBack
  }

  @Test(
    "a task cancelled anywhere in a registration leaves no half state and no live license", arguments: Point.allCases)
  func everyPoint(point: Point) async throws {
    let (servers, device) = (try TestServers(), try TestDevice())
    let location = try device.download(.cencDash)
    let task = Shared<Task<AssetStatus, any Error>?>(nil)
    let begun = Gate()
    let reached: @Sendable (Point) -> Void = { here in
      guard here == point else { return }
      begun.wait()
      task.value?.cancel()
    }
    let storage = SteppedStorage { step in
      switch step {
      case .save: reached(.whileTheHandleIsSaved)
      case .load: reached(.whileTheHandleIsReadBack)
      case .remove: break
      }
    }
    let engine = SwiftClearKey { step in
      switch step {
      case .beforeAcquire: reached(.beforeTheChallenge)
      case .afterSend: reached(.afterTheExchange)
      case .beforeRelease: break
      }
    }
    let manager = try LocalAssetsManager(
      config: device.config(), storage: storage, engines: [engine],
      requestAdapter: Hooks(adapting: { reached(.inTheRequestAdapter) }, parsing: { reached(.inTheAnswerParser) }),
      tokenProvider: Hooks(adapting: { reached(.inTheTokenProvider) }, parsing: {}),
      httpClient: point == .whileTheServerAnswers
        ? SteppedHttpClient { if $0.url.contains("/clearkey") { reached(point) } } : nil)
    task.value = Task {
      if point == .beforeTheCall { withUnsafeCurrentTask { $0?.cancel() } }
      return try await manager.registerDownloadedAsset(
        location: location, mediaSource: servers.source(.cencDash), assetId: "film")
    }
    begun.open()
    let outcome = await task.value?.result

    switch try #require(outcome) {
    case .failure(let error):
      #expect(error is CancellationError, "\(error)")
      try await isGone(manager, servers, storage.memory, engine)
    case .success(let status):
      // Too late to stop: then it is registered as if nobody had asked.
      #expect([.whileTheHandleIsSaved, .whileTheHandleIsReadBack].contains(point), "\(point) was not heard")
      #expect(status.isPlayable)
      #expect(try await servers.licenseRecords().live == 1)
      try await manager.unregisterAsset("film")
      try await isGone(manager, servers, storage.memory, engine)
    }
  }

  @Test("a task cancelled after any time leaves no half state and no live license", arguments: 0..<12)
  func anyTime(step: Int) async throws {
    let (servers, device) = (try TestServers(), try TestDevice())
    let (storage, engine) = (MemoryDrmStorage(), SwiftClearKey())
    let manager = try LocalAssetsManager(config: device.config(), storage: storage, engines: [engine])
    let location = try device.download(.cencDash)
    let task = Task {
      try await manager.registerDownloadedAsset(
        location: location, mediaSource: servers.source(.cencDash), assetId: "film")
    }
    try await Task.sleep(nanoseconds: UInt64(step) * 3_000_000)
    task.cancel()
    switch await task.result {
    case .failure(let error):
      #expect(error is CancellationError, "\(error)")
    case .success:
      #expect(try await manager.status(of: "film").isPlayable)
      try await manager.unregisterAsset("film")
    }
    try await isGone(manager, servers, storage, engine)
  }

  @Test("a cancelled refresh keeps the license that works")
  func refresh() async throws {
    let (servers, device) = (try TestServers(), try TestDevice())
    let task = Shared<Task<AssetStatus, any Error>?>(nil)
    let engine = SwiftClearKey { if $0 == .afterSend { task.value?.cancel() } }
    let manager = try LocalAssetsManager(config: device.config(), storage: MemoryDrmStorage(), engines: [engine])
    try await manager.registerDownloadedAsset(
      location: try device.download(.cencDash), mediaSource: servers.source(.cencDash), assetId: "film")

    let begun = Gate()
    task.value = Task {
      await begun.opened()
      return try await manager.refreshAsset("film")
    }
    begun.open()
    await #expect(throws: CancellationError.self) { try await task.value?.value }
    #expect(try await manager.verifyAsset("film").isPlayable)
    try await manager.reconcile()
    #expect(try await servers.licenseRecords().live == 1)
  }

  @Test("a cancelled task stops waiting for what it does not change")
  func abandoned() async throws {
    let (servers, device) = (try TestServers(), try TestDevice())
    let manager = try LocalAssetsManager(
      config: device.config(), storage: MemoryDrmStorage(), engines: [SwiftClearKey()])
    try await manager.registerDownloadedAsset(
      location: try device.download(.cencDash), mediaSource: servers.source(.cencDash), assetId: "film")
    try await servers.stop()
    try await manager.unregisterAsset("film")
    // before the server is back: what unregistering tries by itself must not find it answering
    try await servers.addFault(#"{"path": "/clearkey", "action": {"kind": "hang"}}"#)
    let seen = try await servers.requests().count
    try await servers.resume()

    let task = Task { try await manager.reconcile() }
    while try await servers.requests().count == seen { try await Task.sleep(nanoseconds: 5_000_000) }
    task.cancel()
    // Had it waited, it would end with what became of the release.
    await #expect(throws: CancellationError.self) { try await task.value }
    try await servers.clearFaults()
  }

  @Test("a task that is cancelled already calls nothing")
  func cancelledBefore() async throws {
    let device = try TestDevice()
    let manager = try LocalAssetsManager(config: device.config(), storage: MemoryDrmStorage())
    let calls: [@Sendable () async throws -> Void] = [
      { _ = try await manager.open() },
      { _ = try await manager.status(of: "a") },
      { _ = try await manager.allStatuses() },
      { _ = try await manager.verifyAsset("a") },
      { _ = try await manager.reconcile() },
      { _ = try await manager.refreshAsset("a") },
      { _ = try await manager.unregisterAsset("a") },
      { _ = try await manager.removeAll() },
      { _ = try await manager.renewAll(expiringWithin: 60) },
    ]
    for call in calls {
      let task = Task {
        withUnsafeCurrentTask { $0?.cancel() }
        try await call()
      }
      await #expect(throws: CancellationError.self) { try await task.value }
    }
  }

  // Nothing of the asset is left here, nor at the server once what is queued was sent.
  private func isGone(
    _ manager: LocalAssetsManager, _ servers: TestServers, _ storage: MemoryDrmStorage, _ engine: SwiftClearKey
  ) async throws {
    #expect(try manager.assets().isEmpty)
    #expect(try await manager.status(of: "film").why == .notRegistered)
    let reconciled = try await manager.reconcile()
    #expect(reconciled.pending == 0)
    #expect(try await servers.licenseRecords().live == 0)
    #expect(engine.licenses.isEmpty)
    #expect(storage.keys.isEmpty)
  }
}

/// A request adapter and token provider that only say that they were called.
private struct Hooks: RequestAdapter, TokenProvider {
  let adapting: @Sendable () -> Void
  let parsing: @Sendable () -> Void

  func adapt(_ request: LicenseRequest) throws -> LicenseRequest {
    if request.kind == .license { adapting() }
    return request
  }

  func parse(_ response: LicenseResponse) throws -> ExchangeAnswer? {
    if response.kind == .license { parsing() }
    return nil
  }

  func authorization(for assetId: String, rejected: Bool) throws -> String? {
    adapting()
    return nil
  }
}
