@_spi(Stub) import AVFoundation
import Foundation
import Larder
import TestSupport
import Testing

extension FairPlaySuites {
  @Suite("FairPlay and cancelled tasks", .timeLimit(.minutes(2)))
  struct FairPlayCancellationTests {
    /// Every point at which something else is waited for during a registration.
    enum Point: CaseIterable, Sendable {
      case beforeTheCall
      case inTheTokenProvider
      case beforeTheRequest
      case beforeThePersistableRequest
      case beforeTheKeyData
      case whileTheServerAnswers
      case inTheAnswerParser
      case beforeThePersistableKey
      case beforeTheAnswerTakesEffect
      case whileTheKeyIsSaved
      case whileTheKeyIsReadBack

      init?(_ step: StubFairPlay.Step) {
        switch step {
        case .request: self = .beforeTheRequest
        case .persistableRequest: self = .beforeThePersistableRequest
        case .requestData: self = .beforeTheKeyData
        case .persistableKey: self = .beforeThePersistableKey
        case .response: self = .beforeTheAnswerTakesEffect
        case .invalidation: return nil
        }
      }
    }

    @Test(
      "a task cancelled at any await leaves no half state, no live license, no open request", arguments: Point.allCases)
    func everyPoint(point: Point) async throws {
      let task = Shared<Task<AssetStatus, any Error>?>(nil)
      let begun = Gate()
      let reached: @Sendable (Point?) -> Void = { here in
        guard here == point else { return }
        begun.wait()
        task.value?.cancel()
      }
      let storage = SteppedStorage { step in
        switch step {
        case .save: reached(.whileTheKeyIsSaved)
        case .load: reached(.whileTheKeyIsReadBack)
        case .remove: break
        }
      }
      let hooks = Hooks(adapting: { reached(.inTheTokenProvider) }, parsing: { reached(.inTheAnswerParser) })
      let client = SteppedHttpClient { if $0.url.contains("/udrm") { reached(.whileTheServerAnswers) } }
      let device = try FairPlayTestDevice(
        storage: storage, requestAdapter: hooks, tokenProvider: hooks,
        httpClient: point == .whileTheServerAnswers ? client : nil
      ) { $0.release = .atServer }
      device.fairPlay.script = { step in
        reached(Point(step))
        return .succeeds
      }
      task.value = Task {
        if point == .beforeTheCall { withUnsafeCurrentTask { $0?.cancel() } }
        return try await device.register()
      }
      begun.open()
      switch try #require(await task.value?.result) {
      case .failure(let error):
        #expect(error is CancellationError, "\(error)")
      case .success(let status):
        // Too late to stop: then it is registered as if nobody had asked.
        #expect(
          [.beforeTheAnswerTakesEffect, .whileTheKeyIsSaved, .whileTheKeyIsReadBack].contains(point),
          "\(point) was not heard")
        #expect(status.isPlayable)
        try await device.manager.unregisterAsset("film")
      }
      // Only what is asked for in the last moment may still be on its way back.
      try await eventually("a license is still live") {
        try await device.manager.reconcile()
        return try await device.servers.licenseRecords().live == 0
      }
      try await device.isGone()
      #expect(storage.memory.keys.isEmpty)
      try await device.isTidy()
    }

    @Test("a task cancelled after any time leaves none, either", arguments: 0..<10)
    func anyTime(turn: Int) async throws {
      let device = try FairPlayTestDevice { $0.release = .atServer }
      let task = Task { try await device.register() }
      try await Task.sleep(nanoseconds: UInt64(turn) * 4_000_000)
      task.cancel()
      switch await task.result {
      case .failure(let error): #expect(error is CancellationError, "\(error)")
      case .success: try await device.manager.unregisterAsset("film")
      }
      try await eventually("a license is still live") {
        try await device.manager.reconcile()
        return try await device.servers.licenseRecords().live == 0
      }
      try await device.isGone()
      try await device.isTidy()
    }

    @Test("a cancelled renewal keeps the key that works")
    func renewal() async throws {
      let device = try FairPlayTestDevice { $0.release = .atServer }
      try await device.register()
      let task = Shared<Task<AssetStatus, any Error>?>(nil)
      let begun = Gate()
      device.fairPlay.script = { step in
        if step == .requestData {
          begun.wait()
          task.value?.cancel()
        }
        return .succeeds
      }
      task.value = Task { try await device.manager.refreshAsset("film") }
      begun.open()
      await #expect(throws: CancellationError.self) { try await task.value?.value }
      device.fairPlay.script = { _ in .succeeds }
      #expect(try await device.play().item.status == .readyToPlay)
      try await device.manager.reconcile()
      #expect(try await device.servers.licenseRecords().live == 1)
    }
  }
}

/// A request adapter and token provider that only say that they were called.
private struct Hooks: RequestAdapter, TokenProvider {
  let adapting: @Sendable () -> Void
  let parsing: @Sendable () -> Void

  func adapt(_ request: LicenseRequest) throws -> LicenseRequest { request }

  func parse(_ response: LicenseResponse) throws -> ExchangeAnswer? {
    if response.kind == .license { parsing() }
    return nil
  }

  func authorization(for assetId: String, rejected: Bool) throws -> String? {
    adapting()
    return nil
  }
}
