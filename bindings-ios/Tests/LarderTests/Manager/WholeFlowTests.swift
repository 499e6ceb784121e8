import Foundation
import Larder
import TestSupport
import Testing

@Suite("The whole flow over HTTP")
struct WholeFlowTests {
  @Test("a protected title is registered, played offline, refreshed and given back", arguments: Engine.allCases)
  func protectedTitle(engine: Engine) async throws {
    let (servers, device) = (try TestServers(), try TestDevice())
    let manager = try engine.manager(device)
    let location = try device.download(.cencDash)

    let registered = try await manager.registerDownloadedAsset(
      location: location, mediaSource: servers.source(.cencDash), assetId: "film-1", entryId: "entry-1",
      metadata: Data("a poster".utf8))
    #expect(registered.isRegistered && registered.isPlayable)
    #expect(registered.why == .playable)
    #expect(registered.remedy == .nothing)
    #expect(registered.licenses.map(\.state) == [.active])
    #expect(try await servers.licenseRecords().live == 1)
    #expect(try await servers.requests().filter { $0.path == "/clearkey/license" }.count == 1)

    try await servers.stop()
    let source = try manager.getLocalMediaSource(assetId: "film-1", location: location)
    #expect(source.isLocal && source.format == .dash && source.entryId == "entry-1")
    #expect(URL(string: source.url)?.path == location.path)
    #expect(source.licenses.count == 1)
    #expect(try !manager.licenseHandle(try #require(source.licenses.first).licenseId).isEmpty)
    #expect(try manager.metadata(of: "film-1") == Data("a poster".utf8))
    let offline = try await manager.status(of: "film-1")
    #expect(offline.isPlayable && offline.format == .dash && offline.root == "downloads")
    #expect(try #require(offline.remainingSeconds) > 29 * 24 * 3600)
    #expect(try #require(offline.expires.date) > Date())

    let failed = try await thrown { try await manager.refreshAsset("film-1") }
    #expect(failed.code == .offline && failed.remedy == .goOnline && failed.isRetryable)
    #expect(try await manager.verifyAsset("film-1").isPlayable)

    try await servers.resume()
    let old = try #require(offline.licenses.first).licenseId
    let refreshed = try await manager.refreshAsset("film-1")
    #expect(refreshed.isPlayable)
    #expect(refreshed.licenses.filter { $0.state == .active }.map(\.licenseId) != [old])
    try await manager.reconcile()
    let records = try await servers.licenseRecords()
    #expect(records.licenses.count == 2 && records.live == 1)

    try await servers.stop()
    let removed = try await manager.unregisterDownloadedAsset(location: location)
    #expect(removed.wasRegistered && removed.pendingReleases == 1)
    #expect(try manager.assets().isEmpty)
    #expect(try await manager.status(of: "film-1").why == .notRegistered)

    try await servers.resume()
    let reconciled = try await manager.reconcile()
    #expect(reconciled.pending == 0)
    #expect(try await servers.licenseRecords().live == 0)
  }

  @Test("a clear title needs no network", arguments: [Title.clearHls, .aes128Hls])
  func clearTitle(title: Title) async throws {
    let device = try TestDevice()
    let manager = try LocalAssetsManager(config: device.config(), storage: MemoryDrmStorage())
    try manager.setNetworkState(.offline)
    let location = try device.download(title)
    let source = MediaSource(id: "s", url: "https://cdn.example/master.m3u8")

    let status = try await manager.registerAsset(
      try AssetRegistration(assetId: "clear", location: location, mediaSource: source))
    #expect(status.isPlayable && status.expires == .never && status.licenses.isEmpty)
    #expect(try await manager.getLicenseExpirationInfo(location: location) == nil)
    #expect(try await manager.refreshAsset("clear", metadata: Data([1, 2, 3])).isPlayable)
    #expect(try manager.metadata(of: "clear") == Data([1, 2, 3]))
    #expect(try await manager.unregisterAsset("clear").wasRegistered)
  }

  @Test("a protected title offline fails at once and leaves no trace")
  func protectedOffline() async throws {
    let (servers, device) = (try TestServers(), try TestDevice())
    let storage = MemoryDrmStorage()
    let manager = try LocalAssetsManager(config: device.config(), storage: storage, engines: [SwiftClearKey()])
    try manager.setNetworkState(.offline)
    let location = try device.download(.cencDash)

    let error = try await thrown {
      try await manager.registerDownloadedAsset(location: location, mediaSource: servers.source(.cencDash))
    }
    #expect(error.code == .offline && error.remedy == .goOnline)
    #expect(try manager.assets().isEmpty && storage.keys.isEmpty)
    #expect(try await servers.requests().isEmpty)
  }

  @Test("licenses that end soon are renewed in one call")
  func renewAll() async throws {
    let (servers, device) = (try TestServers(), try TestDevice())
    let manager = try LocalAssetsManager(
      config: device.config(), storage: MemoryDrmStorage(), engines: [SwiftClearKey()])
    for name in ["long", "short"] {
      let location = try device.download(.cencDash, as: name)
      let terms = name == "short" ? "&duration_seconds=7200" : ""
      try await manager.registerDownloadedAsset(
        location: location, mediaSource: servers.source(.cencDash, asset: name, query: terms), assetId: name)
    }

    let renewals = try await manager.renewAll(expiringWithin: 24 * 3600)
    #expect(renewals.map(\.assetId) == ["short"])
    #expect(renewals.allSatisfy { $0.isRenewed && $0.errorCode == nil })
    await #expect(throws: LarderError.self) { try await manager.renewAll(expiringWithin: -1) }
    await #expect(throws: LarderError.self) { try await manager.renewAll(expiringWithin: .nan) }
  }

  @Test("a user who signs out takes his assets along, and nobody else's")
  func removeAll() async throws {
    let (servers, device) = (try TestServers(), try TestDevice())
    let engines = [SwiftClearKey()]
    let storage = MemoryDrmStorage()
    let ada = try LocalAssetsManager(config: device.config(profile: "ada"), storage: storage, engines: engines)
    let bob = try LocalAssetsManager(config: device.config(profile: "bob"), storage: storage, engines: engines)
    let location = try device.download(.cencDash)
    for manager in [ada, bob] {
      try await manager.registerDownloadedAsset(
        location: location, mediaSource: servers.source(.cencDash), assetId: "film")
    }
    #expect(try await servers.licenseRecords().live == 2)

    #expect(try await ada.removeAll() == 1)
    try await ada.reconcile()
    #expect(try ada.assets().isEmpty)
    #expect(try await bob.status(of: "film").isPlayable)
    #expect(try await servers.licenseRecords().live == 1)
  }

  @Test("what was registered is there after a restart")
  func restart() async throws {
    let (servers, device) = (try TestServers(), try TestDevice())
    let location = try device.download(.cencDash)
    do {
      let manager = try LocalAssetsManager(config: device.config(softwareClearKey: true))
      try await manager.registerDownloadedAsset(
        location: location, mediaSource: servers.source(.cencDash), assetId: "film")
      manager.close()
    }
    let manager = try LocalAssetsManager(config: device.config(softwareClearKey: true))
    #expect(try await manager.open().assets == 1)
    #expect(try await manager.verifyAsset("film").isPlayable)
  }
}

/// The engines that run the same flow.
enum Engine: CaseIterable {
  case software
  case swift

  func manager(_ device: TestDevice) throws -> LocalAssetsManager {
    switch self {
    case .software:
      try LocalAssetsManager(config: device.config(softwareClearKey: true), storage: MemoryDrmStorage())
    case .swift:
      try LocalAssetsManager(config: device.config(), storage: MemoryDrmStorage(), engines: [SwiftClearKey()])
    }
  }
}
