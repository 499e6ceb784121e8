import Foundation
import LarderCompat
import TestSupport
import Testing

@Suite("PlayKit's names")
struct CompatTests {
  @Test("the status of a license reads as PlayKit's")
  func expirationInfo() async throws {
    let (servers, device) = (try TestServers(), try TestDevice())
    let manager = try LocalAssetsManager(
      config: device.config(), storage: MemoryDrmStorage(), engines: [SwiftClearKey()])
    let location = try device.download(.cencDash)
    #expect(await blocking { manager.getLicenseExpirationInfo(location: location)?.isValid() } == nil)
    try await manager.registerDownloadedAsset(location: location, mediaSource: servers.source(.cencDash))

    let info = try #require(await blocking { manager.getLicenseExpirationInfo(location: location) })
    #expect(info.isValid())
    #expect(info.expirationDate > Date().addingTimeInterval(29 * 24 * 3600))
    let triple = try await manager.status(at: location).playKitStatus
    #expect(triple.isRegistered && triple.expiryTimeSeconds > 29 * 24 * 3600)
    let unknown = try await manager.status(of: "nobody").playKitStatus
    #expect(unknown == PlayKitStatus(expiryTimeSeconds: 0, availableTimeSeconds: 0, isRegistered: false))
  }

  @Test("PlayKit's storage works as it is, also where it throws for what is missing")
  func dataStore() async throws {
    let (servers, device, store) = (try TestServers(), try TestDevice(), Store())
    let manager = try LocalAssetsManager(
      config: device.config(), storage: LocalDataStoreAdapter(store), engines: [SwiftClearKey()])
    let location = try device.download(.cencDash)
    try await manager.registerDownloadedAsset(location: location, mediaSource: servers.source(.cencDash))
    #expect(store.count == 1)
    #expect(try await manager.verifyAsset(manager.assets().map(\.assetId).joined()).isPlayable)
    try await manager.unregisterDownloadedAsset(location: location)
    try await manager.reconcile()
    #expect(store.count == 0)
    #expect(try await servers.licenseRecords().live == 0)
  }

  @Test("a manager takes PlayKit's storage")
  func managerWithDataStore() async throws {
    let manager = LocalAssetsManager.manager(storage: Store())
    try await manager.open()
    manager.close()
  }

  @Test("FairPlay's parameters become Larder's")
  func fairPlayParameters() throws {
    let source = PKMediaSource(
      "fps", contentUrl: URL(string: "https://cdn.example/m.m3u8"),
      drmData: [FairPlayDRMParams(licenseUri: "https://drm.example/fps", base64EncodedCertificate: "AQID\n")])
    let params = try #require(source.drm.first)
    #expect(params.scheme == .fairPlay && params.licenseUrl == "https://drm.example/fps")
    #expect(params.certificate == Data([1, 2, 3]))
    #expect(params.wire == .standard)
  }

  // What blocks must not block a thread of Swift's own pool.
  private func blocking<T: Sendable>(_ call: @escaping @Sendable () -> T) async -> T {
    await withCheckedContinuation { continuation in
      Thread.detachNewThread { continuation.resume(returning: call()) }
    }
  }
}

/// A storage as an app has it that comes from PlayKit.
private final class Store: LocalDataStore {
  private let values = Shared<[String: Data]>([:])

  func save(key: String, value: Data) throws { values.change { $0[key] = value } }

  func load(key: String) throws -> Data {
    guard let value = values.value[key] else { throw Failure(what: "no value") }
    return value
  }

  func remove(key: String) throws {
    guard exists(key: key) else { throw Failure(what: "no value") }
    values.change { _ = $0.removeValue(forKey: key) }
  }

  func exists(key: String) -> Bool { values.value[key] != nil }

  var count: Int { values.value.count }
}
