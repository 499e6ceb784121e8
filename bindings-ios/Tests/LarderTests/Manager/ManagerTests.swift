import Foundation
import Larder
import TestSupport
import Testing

@Suite("The manager")
struct ManagerTests {
  @Test("calls from many tasks at once all complete")
  func manyTasks() async throws {
    let (servers, device) = (try TestServers(), try TestDevice())
    let manager = try LocalAssetsManager(
      config: device.config(), storage: MemoryDrmStorage(), engines: [SwiftClearKey()])
    let location = try device.download(.cencDash)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<20 {
        group.addTask {
          let id = "film-\(number)"
          let status = try await manager.registerDownloadedAsset(
            location: location, mediaSource: servers.source(.cencDash, asset: id), assetId: id)
          #expect(status.isPlayable)
          #expect(try manager.getLocalMediaSource(assetId: id).assetId == id)
          #expect(try await manager.allStatuses().contains { $0.assetId == id })
          if number % 2 == 0 { try await manager.unregisterAsset(id) }
        }
      }
      try await group.waitForAll()
    }
    #expect(try manager.assets().map(\.assetId) == (0..<20).filter { $0 % 2 == 1 }.map { "film-\($0)" }.sorted())
    try await manager.reconcile()
    #expect(try await servers.licenseRecords().licenses.count == 20)
    #expect(try await servers.licenseRecords().live == 10)
  }

  @Test("two managers over one folder share one store, also when one of them is closed")
  func sharedStore() async throws {
    let device = try TestDevice()
    let storage = MemoryDrmStorage()
    let one = try LocalAssetsManager(config: device.config(), storage: storage)
    let two = try LocalAssetsManager(config: device.config(), storage: storage)
    try await one.registerDownloadedAsset(
      location: try device.download(.clearHls), mediaSource: remote, assetId: "film")
    #expect(try await two.status(of: "film").isPlayable)
    one.close()
    #expect(try await two.status(of: "film").isPlayable)
    #expect(try await two.unregisterAsset("film").wasRegistered)
  }

  @Test("after closing every call says so, and closing again does nothing")
  func useAfterClose() async throws {
    let device = try TestDevice()
    let manager = try LocalAssetsManager(config: device.config(), storage: MemoryDrmStorage())
    let location = try device.download(.clearHls)
    let source = remote
    try await manager.registerDownloadedAsset(location: location, mediaSource: source, assetId: "film")
    manager.close()
    manager.close()
    let calls: [@Sendable () async throws -> Void] = [
      { _ = try await manager.open() },
      { _ = try await manager.registerDownloadedAsset(location: location, mediaSource: source) },
      { _ = try await manager.refreshAsset("film") },
      { _ = try await manager.renewDownloadedAsset(location: location) },
      { _ = try await manager.unregisterAsset("film") },
      { _ = try await manager.unregisterDownloadedAsset(location: location) },
      { _ = try await manager.removeAll() },
      { _ = try await manager.renewAll(expiringWithin: 60) },
      { _ = try await manager.reconcile() },
      { _ = try await manager.status(of: "film") },
      { _ = try await manager.allStatuses() },
      { _ = try await manager.verifyAsset("film") },
      { _ = try manager.assets() },
      { _ = try manager.asset("film") },
      { _ = try manager.asset(at: location) },
      { _ = try manager.assets(ofEntry: "film") },
      { _ = try manager.metadata(of: "film") },
      { _ = try manager.getLocalMediaSource(assetId: "film") },
      { _ = try manager.createLocalMediaEntry(for: "film", localURL: location) },
      { _ = try manager.licenseHandle("1") },
      { try manager.playbackStarted("film") },
      { _ = try manager.sourceURL(for: "film") },
      { try manager.setSourceURLMode(.localAlways) },
      { try manager.setNetworkState(.online) },
      { try manager.setConditions(DeviceConditions(network: .online)) },
      { try manager.setRoots([]) },
      { _ = try manager.diagnostics() },
    ]
    for (number, call) in calls.enumerated() {
      #expect(try await thrown(call).code == .closed, "call \(number)")
    }
  }

  @Test("a configuration that cannot work is refused at once")
  func badConfig() async throws {
    let error = try await thrown { try LocalAssetsManager(config: LarderConfig(dataDir: "relative/folder")) }
    #expect([.invalidArgument, .relativePath].contains(error.code) && error.remedy == .fixInput)
  }

  @Test("a folder that cannot be made is an error of opening, and the next call tries again")
  func noFolder() async throws {
    let device = try TestDevice()
    let obstacle = device.folder.appendingPathComponent("data")
    try Data().write(to: obstacle)
    let manager = try LocalAssetsManager(config: device.config(), storage: MemoryDrmStorage())
    #expect(try await thrown { try await manager.open() }.code == .storeUnavailable)
    try FileManager.default.removeItem(at: obstacle)
    #expect(try await manager.open().assets == 0)
  }

  enum BadId: String, CaseIterable {
    case empty = ""
    case withNul = "a\0b"
    case tenMegabytes

    var id: String { self == .tenMegabytes ? String(repeating: "x", count: 10_000_000) : rawValue }
  }

  @Test("bad arguments are errors, not crashes", arguments: BadId.allCases)
  func badIds(bad: BadId) async throws {
    let id = bad.id
    let device = try TestDevice()
    let manager = try LocalAssetsManager(config: device.config(), storage: MemoryDrmStorage())
    let location = try device.download(.clearHls)
    let source = remote
    let calls: [@Sendable () async throws -> Void] = [
      { _ = try await manager.registerDownloadedAsset(location: location, mediaSource: source, assetId: id) },
      { _ = try await manager.unregisterAsset(id) },
      { _ = try await manager.status(of: id) },
      { _ = try manager.getLocalMediaSource(assetId: id) },
      { try manager.playbackStarted(id) },
    ]
    for call in calls {
      let error = try await thrown(call)
      #expect(error.code == .invalidArgument && error.message.utf8.count < 1000)
    }
  }

  @Test("odd asset ids are data", arguments: ["..", "a/b", "\u{1F37F}", " ", "'; DROP TABLE assets; --"])
  func oddIds(id: String) async throws {
    let device = try TestDevice()
    let manager = try LocalAssetsManager(config: device.config(), storage: MemoryDrmStorage())
    try await manager.registerDownloadedAsset(
      location: try device.download(.clearHls), mediaSource: remote, assetId: id)
    #expect(try manager.asset(id)?.assetId == id)
    #expect(try await manager.unregisterAsset(id).wasRegistered)
  }

  @Test("a playback starts the window that a license allows")
  func playbackWindow() async throws {
    let (servers, device) = (try TestServers(), try TestDevice())
    let manager = try LocalAssetsManager(
      config: device.config(), storage: MemoryDrmStorage(), engines: [SwiftClearKey()])
    try await manager.registerDownloadedAsset(
      location: try device.download(.cencDash), mediaSource: servers.source(.cencDash, query: "&playback_seconds=3600"),
      assetId: "film")
    #expect(try await manager.status(of: "film").playbackExpires == .unknown)
    try manager.playbackStarted("film", at: Date().addingTimeInterval(-600))
    let end = try #require(try await manager.status(of: "film").expires.date)
    #expect(abs(end.timeIntervalSinceNow - 3000) < 60)
    #expect(
      try await thrown { try manager.playbackStarted("film", at: .distantFuture.addingTimeInterval(1e300)) }.code
        == .invalidArgument)
  }

  private let remote = MediaSource(id: "s", url: "https://cdn.example/master.m3u8")
}
