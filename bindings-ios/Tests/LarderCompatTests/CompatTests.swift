import Foundation
import LarderCompat
import TestSupport
import Testing

@Suite("PlayKit's names")
struct CompatTests {
  @Test("the guide's code for iOS compiles and runs", .timeLimit(.minutes(1)))
  func guide() async throws {
    let scene = try Scene()
    let location = try scene.download(.clearHls)
    let app = GuideApp(manager: LocalAssetsManager.managerWithDefaultDataStore())
    let entry = PKMediaEntry(
      "entry-1",
      sources: [
        PKMediaSource("dash", contentUrl: URL(string: "https://cdn.example/a.mpd")),
        PKMediaSource("hls", contentUrl: URL(string: "https://cdn.example/a.m3u8"), mediaFormat: .hls),
      ])

    let error = await withCheckedContinuation { app.register(entry, at: location, $0) }
    #expect(error == nil)
    #expect(app.mediaSource?.contentUrl?.absoluteString == "https://cdn.example/a.m3u8")
    let local = app.localEntry("entry-1", location)
    #expect(local.id == "entry-1")
    #expect(local.sources.map(\.isLocal) == [true])
    #expect(local.sources.first?.contentUrl?.path == location.path)
    #expect(await withCheckedContinuation { app.renew(at: location, $0) } == nil)
    #expect(await withCheckedContinuation { app.unregister(at: location, $0) } == nil)
    #expect(app.localEntry("entry-1", location).sources.isEmpty)
    app.localAssetsManager.close()
  }

  @Test("the status of a licence reads as PlayKit's")
  func expirationInfo() async throws {
    let (kit, scene) = (try Testkit(), try Scene())
    let manager = try LocalAssetsManager(
      config: scene.config(), storage: MemoryDrmStorage(), engines: [SwiftClearKey()])
    let location = try scene.download(.cencDash)
    #expect(await blocking { manager.getLicenseExpirationInfo(location: location)?.isValid() } == nil)
    try await manager.registerDownloadedAsset(location: location, mediaSource: kit.source(.cencDash))

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
    let (kit, scene, store) = (try Testkit(), try Scene(), Store())
    let manager = try LocalAssetsManager(
      config: scene.config(), storage: LocalDataStoreAdapter(store), engines: [SwiftClearKey()])
    let location = try scene.download(.cencDash)
    try await manager.registerDownloadedAsset(location: location, mediaSource: kit.source(.cencDash))
    #expect(store.count == 1)
    #expect(try await manager.verify(manager.assets().map(\.assetId).joined()).isPlayable)
    try await manager.unregisterDownloadedAsset(location: location)
    try await manager.settle()
    #expect(store.count == 0)
    #expect(try await kit.book().live == 0)
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
    #expect(params.wire == .usual)
  }

  // What blocks must not block a thread of Swift's own pool.
  private func blocking<T: Sendable>(_ call: @escaping @Sendable () -> T) async -> T {
    await withCheckedContinuation { continuation in
      Thread.detachNewThread { continuation.resume(returning: call()) }
    }
  }
}

/// The guide's lines, with only the import and the `PK` prefix changed.
private final class GuideApp: @unchecked Sendable {
  let localAssetsManager: LocalAssetsManager
  // swift-format-ignore: NeverUseImplicitlyUnwrappedOptionals
  var mediaSource: MediaSource!

  init(manager: LocalAssetsManager) {
    localAssetsManager = manager
  }

  func register(_ entry: MediaEntry, at playbackUrl: URL, _ done: CheckedContinuation<Error?, Never>) {
    mediaSource = localAssetsManager.getPreferredDownloadableMediaSource(for: entry)
    localAssetsManager.registerDownloadedAsset(location: playbackUrl, mediaSource: mediaSource) { error in
      done.resume(returning: error)
    }
  }

  func localEntry(_ id: String, _ url: URL) -> MediaEntry {
    localAssetsManager.createLocalMediaEntry(for: id, localURL: url)
  }

  func renew(at playbackUrl: URL, _ done: CheckedContinuation<Error?, Never>) {
    localAssetsManager.renewDownloadedAsset(location: playbackUrl, mediaSource: mediaSource) { error in
      done.resume(returning: error)
    }
  }

  func unregister(at playbackUrl: URL, _ done: CheckedContinuation<Error?, Never>) {
    localAssetsManager.unregisterDownloadedAsset(location: playbackUrl) { error in
      done.resume(returning: error)
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
