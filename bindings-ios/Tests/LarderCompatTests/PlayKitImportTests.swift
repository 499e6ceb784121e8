import Foundation
import LarderCompat
import TestSupport
import Testing

@Suite("What PlayKit has stored")
struct PlayKitImportTests {
  @Test("is taken over without a network, however often, and goes when it is verified")
  func wholeMove() async throws {
    let device = try PlayKitTestDevice()
    try device.store("film", json(key: "key of film", expiryDate: 900_000_000))
    let titles = [try device.title("film")]

    for _ in 0..<2 {
      let imported = try await device.manager.importFromPlayKit(titles, from: device.store)
      #expect(imported == [ImportResult(assetId: "film", isImported: true, errorCode: nil, errorMessage: nil)])
    }
    let status = try await device.manager.status(of: "film")
    #expect(status.isPlayable && status.licenses.count == 1)
    #expect(status.expires == .at(atMs: 1_878_307_200_000))
    #expect(try device.handle(of: "film") == Data("key of film".utf8))
    #expect(device.has("film"))

    #expect(try await device.manager.removePlayKitOriginals(of: titles, in: device.store).isEmpty)
    #expect(!device.has("film"))
    #expect(try device.handle(of: "film") == Data("key of film".utf8))
    let again = try await device.manager.importFromPlayKit(titles, from: device.store)
    #expect(again.map(\.isImported) == [true])
  }

  @Test("an original stays until its key was given back by our storage")
  func unverified() async throws {
    let device = try PlayKitTestDevice()
    try device.store("film", json(key: "key", expiryDate: 900_000_000))
    let titles = [try device.title("film")]
    #expect(try await device.manager.removePlayKitOriginals(of: titles, in: device.store) == ["film"])
    #expect(device.has("film"))

    _ = try await device.manager.importFromPlayKit(titles, from: device.store)
    for key in device.handles.keys { try device.handles.remove(key: key) }
    #expect(try await device.manager.removePlayKitOriginals(of: titles, in: device.store) == ["film"])
    #expect(device.has("film"))
  }

  @Test("a key that two titles share belongs to both, and its file goes with the last")
  func sharedKey() async throws {
    let device = try PlayKitTestDevice()
    try device.store("shared", json(key: "key", expiryDate: 900_000_000))
    let titles = try ["one", "two"].map { try device.title($0, key: "shared") }
    _ = try await device.manager.importFromPlayKit([titles[0]], from: device.store)
    #expect(try await device.manager.removePlayKitOriginals(of: titles, in: device.store) == ["two"])
    #expect(device.has("shared"))

    let imported = try await device.manager.importFromPlayKit(titles, from: device.store)
    #expect(imported.map(\.isImported) == [true, true])
    #expect(try await device.manager.removePlayKitOriginals(of: titles, in: device.store).isEmpty)
    #expect(!device.has("shared"))
    try await device.manager.unregisterAsset("one")
    try await device.manager.reconcile()
    #expect(try await device.manager.verifyAsset("two").isPlayable)
    #expect(device.engine.released.value.isEmpty)
  }

  @Test("the legacy player's keys and PlayKit's first ones never said when they end")
  func rawKeys() async throws {
    let device = try PlayKitTestDevice()
    try device.library.write("pkLocalDataStore/first.fpskey", "raw")
    try device.library.write("KalturaKeyStore/8b04d5e3775d298e78455efc5ca404d5.key", "legacy")  // md5 of "first"
    try device.library.write("KalturaKeyStore/a9f0e61a137d86aa9db53465e0801612.key", "legacy")  // md5 of "second"
    let titles = try ["first", "second"].map { try device.title($0) }
    let imported = try await device.manager.importFromPlayKit(titles, from: device.store)
    #expect(imported.map(\.isImported) == [true, true])
    #expect(try device.handle(of: "first") == Data("raw".utf8))
    #expect(try device.handle(of: "second") == Data("legacy".utf8))
    #expect(try await device.manager.status(of: "second").expires == .unknown)
  }

  @Test("an expired key is not lost: its title says why it does not play, and can be refreshed")
  func expired() async throws {
    let device = try PlayKitTestDevice()
    try device.store("film", json(key: "key", expiryDate: 1))
    let imported = try await device.manager.importFromPlayKit([try device.title("film")], from: device.store)
    #expect(imported.map(\.isImported) == [true])
    let status = try await device.manager.status(of: "film")
    #expect(!status.isPlayable && status.why == .licenseExpired && status.remedy != .nothing)
  }

  @Test("clear titles need no key; a title that fails stops no other")
  func mixed() async throws {
    let device = try PlayKitTestDevice()
    try device.store("good", json(key: "key", expiryDate: 900_000_000))
    try device.store("damaged", #"{"data":"AQ"#)
    let source = MediaSource(id: "s", url: "https://cdn.example/m.m3u8")
    let clear = AssetRegistration(
      assetId: "clear", path: try device.device.download(.clearHls, as: "clear").path, source: source)
    let gone = AssetRegistration(assetId: "gone", path: device.device.downloads.path + "/gone.m3u8", source: source)
    let titles = [gone, try device.title("damaged"), clear, try device.title("keyless"), try device.title("good")]
    let imported = try await device.manager.importFromPlayKit(titles, from: device.store)
    #expect(imported.map(\.assetId) == titles.map(\.assetId))
    #expect(imported.map(\.isImported) == [false, false, true, false, true])
    #expect(
      imported.map(\.errorCode) == ["MEDIA_NOT_FOUND", "LICENSE_UNREADABLE", nil, "LICENSE_MISSING", nil])
    #expect(try device.manager.assets().map(\.assetId) == ["clear", "good"])
    #expect(device.has("damaged"))
  }

  @Test("a storage of the app's own is read in the same way")
  func ownStorage() async throws {
    let device = try PlayKitTestDevice()
    let own = OwnStorage()
    try own.save(key: "film.fpskey", value: Data(json(key: "key", expiryDate: 900_000_000).utf8))
    let titles = [try device.title("film")]
    let store = PlayKitKeyStore(own)
    #expect(try await device.manager.importFromPlayKit(titles, from: store).map(\.isImported) == [true])
    #expect(own.exists(key: "film.fpskey"))
    #expect(try await device.manager.removePlayKitOriginals(of: titles, in: store).isEmpty)
    #expect(!own.exists(key: "film.fpskey"))
  }

  private func json(key: String, expiryDate: Int) -> String {
    #"{"expiryDate":\#(expiryDate),"data":"\#(Data(key.utf8).base64EncodedString())"}"#
  }
}

/// A device on which PlayKit has been: its stores, its downloads, and Larder beside them, without a network.
private final class PlayKitTestDevice {
  let device: TestDevice
  let library: Library
  let handles = MemoryDrmStorage()
  let engine = KeyKeeper()
  let manager: LocalAssetsManager

  init() throws {
    device = try TestDevice()
    library = try Library()
    manager = try LocalAssetsManager(config: device.config(), storage: handles, engines: [engine])
    try manager.setNetworkState(.offline)
  }

  var store: PlayKitKeyStore { library.store }

  func store(_ id: String, _ text: String) throws { try library.write("pkLocalDataStore/\(id).fpskey", text) }

  func has(_ id: String) -> Bool { library.has("pkLocalDataStore/\(id).fpskey") }

  /// A title as PlayKit's downloader left it: a local master playlist with its session key, and what it names.
  func title(_ name: String, key: String? = nil) throws -> AssetRegistration {
    let folder = device.downloads.appendingPathComponent(name)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let line =
      #"METHOD=SAMPLE-AES,URI="skd://\#(key ?? name)",KEYFORMAT="com.apple.streamingkeydelivery",KEYFORMATVERSIONS="1""#
    let master = folder.appendingPathComponent("master.m3u8")
    try Data("#EXTM3U\n#EXT-X-SESSION-KEY:\(line)\n#EXT-X-STREAM-INF:BANDWIDTH=800000\nv.m3u8\n".utf8).write(to: master)
    try Data(
      "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-KEY:\(line)\n#EXTINF:4,\nv.ts\n#EXT-X-ENDLIST\n".utf8
    ).write(to: folder.appendingPathComponent("v.m3u8"))
    try Data(repeating: 0x47, count: 188).write(to: folder.appendingPathComponent("v.ts"))
    return AssetRegistration(
      assetId: name, path: master.path,
      source: MediaSource(
        id: name, url: "https://cdn.example/\(name).m3u8",
        drm: [DrmParams(scheme: .fairPlay, licenseUrl: "https://drm.example/fps")]))
  }

  func handle(of assetId: String) throws -> Data {
    let license = try #require(try manager.getLocalMediaSource(assetId: assetId).licenses.first)
    return try manager.licenseHandle(license.licenseId)
  }
}

/// A FairPlay CDM as far as an import needs one: a persistable key says nothing about itself.
private final class KeyKeeper: DrmEngine {
  let released = Shared<[Data]>([])
  let scheme = DrmScheme.fairPlay

  func acquire(_ request: KeyRequest, exchange: any LicenseExchange) throws -> LicenseGrant {
    throw LarderError(.cdmFailed, "an import acquires nothing")
  }

  func renew(_ held: StoredLicense, request: KeyRequest, exchange: any LicenseExchange) throws -> LicenseGrant {
    throw LarderError(.renewalNotPermitted, "an import renews nothing")
  }

  func inspect(_ held: StoredLicense) throws -> LicenseTimes { LicenseTimes(license: .unknown, playback: .unknown) }

  func release(_ held: StoredLicense, exchange: any LicenseExchange) throws -> ReleaseOutcome {
    released.change { $0.append(held.handle) }
    return .notSupported
  }

  func held() throws -> [Data]? { nil }
}

private final class OwnStorage: LocalDataStore {
  private let values = Shared<[String: Data]>([:])

  func save(key: String, value: Data) throws { values.change { $0[key] = value } }

  func load(key: String) throws -> Data { try #require(values.value[key]) }

  func remove(key: String) throws { values.change { _ = $0.removeValue(forKey: key) } }

  func exists(key: String) -> Bool { values.value[key] != nil }
}
