import Foundation
import Larder
import TestSupport
import Testing

@Suite("Locations")
struct LocationTests {
  private let source = MediaSource(id: "s", url: "https://cdn.example/master.m3u8")

  @Test("without an id, an asset is named by its place below its root, so that a moved container changes nothing")
  func derivedId() async throws {
    let device = try TestDevice()
    let manager = try LocalAssetsManager(config: device.config(), storage: MemoryDrmStorage())
    let location = try device.download(.clearHls, as: "film one")
    let status = try await manager.registerDownloadedAsset(location: location, mediaSource: source)
    #expect(status.assetId == "downloads:film one/master.m3u8")
    #expect(
      try await manager.registerDownloadedAsset(location: location, mediaSource: source).assetId == status.assetId)
    #expect(try manager.assets().count == 1)
  }

  @Test("a root that is named by a link is the same root")
  func linkedRoot() async throws {
    let device = try TestDevice()
    let link = device.folder.appendingPathComponent("link")
    try FileManager.default.createSymbolicLink(at: link, withDestinationURL: device.downloads)
    let roots = [StorageRoot(name: "outer", path: device.folder.path), StorageRoot(name: "films", path: link.path)]
    let manager = try LocalAssetsManager(
      config: LarderConfig(dataDir: device.folder.appendingPathComponent("data").path, roots: roots),
      storage: MemoryDrmStorage())
    let location = try device.download(.clearHls)
    let status = try await manager.registerDownloadedAsset(location: location, mediaSource: source)
    #expect(status.assetId == "films:film/master.m3u8")
    #expect(!status.warnings.contains(.pathOutsideRoots))
  }

  @Test("without an id, a location that is registered means the asset that is there")
  func knownLocation() async throws {
    let device = try TestDevice()
    let manager = try LocalAssetsManager(config: device.config(), storage: MemoryDrmStorage())
    let location = try device.download(.clearHls)
    try await manager.registerDownloadedAsset(location: location, mediaSource: source, assetId: "film-1")
    #expect(try await manager.registerDownloadedAsset(location: location, mediaSource: source).assetId == "film-1")
    #expect(try await manager.renewDownloadedAsset(location: location).assetId == "film-1")
    #expect(try await manager.status(at: location).assetId == "film-1")
    #expect(try manager.asset(at: location)?.assetId == "film-1")
    #expect(try await manager.unregisterDownloadedAsset(location: location).wasRegistered)
    #expect(try await !manager.unregisterDownloadedAsset(location: location).wasRegistered)
  }

  @Test("a location outside every root is named by its path, and its status says so")
  func outsideRoots() async throws {
    let (device, other) = (try TestDevice(), try TestDevice())
    let manager = try LocalAssetsManager(config: device.config(), storage: MemoryDrmStorage())
    let location = try other.download(.clearHls)
    let status = try await manager.registerDownloadedAsset(location: location, mediaSource: source)
    #expect(status.assetId == location.path)
    #expect(status.root == nil && status.warnings.contains(.pathOutsideRoots))
  }

  @Test("several spellings of a location mean one place")
  func spellings() async throws {
    let device = try TestDevice()
    let manager = try LocalAssetsManager(config: device.config(), storage: MemoryDrmStorage())
    let location = try device.download(.clearHls)
    try await manager.registerDownloadedAsset(location: location, mediaSource: source, assetId: "film")
    let detour = device.downloads.appendingPathComponent("film/../film/./master.m3u8")
    #expect(try manager.asset(at: detour)?.assetId == "film")
  }

  @Test(
    "a location that is no file is refused",
    arguments: ["https://cdn.example/a.m3u8", "relative", "http://localhost:1/m"])
  func notAFile(text: String) async throws {
    let device = try TestDevice()
    let manager = try LocalAssetsManager(config: device.config(), storage: MemoryDrmStorage())
    let location = try #require(URL(string: text))
    let source = source
    let calls: [@Sendable () async throws -> Void] = [
      { _ = try await manager.registerDownloadedAsset(location: location, mediaSource: source) },
      { _ = try await manager.renewDownloadedAsset(location: location) },
      { _ = try await manager.unregisterDownloadedAsset(location: location) },
      { _ = try await manager.getLicenseExpirationInfo(location: location) },
      { _ = try await manager.status(at: location) },
      { _ = try manager.createLocalMediaEntry(for: "a", localURL: location) },
    ]
    for call in calls {
      #expect(try await thrown(call).code == .invalidArgument)
    }
  }

  @Test("an entry for a player has one source, the local one; an unknown location has none")
  func localEntry() async throws {
    let device = try TestDevice()
    let manager = try LocalAssetsManager(config: device.config(), storage: MemoryDrmStorage())
    let location = try device.download(.clearHls)
    #expect(
      try await thrown { try manager.createLocalMediaEntry(for: "film", localURL: location) }.code == .assetNotFound)
    #expect(try await thrown { try await manager.renewDownloadedAsset(location: location) }.code == .assetNotFound)
    #expect(try await manager.status(at: location).why == .notRegistered)

    try await manager.registerDownloadedAsset(location: location, mediaSource: source, assetId: "film")
    let entry = try manager.createLocalMediaEntry(for: "entry-1", localURL: location)
    #expect(entry.id == "entry-1" && entry.sources.count == 1)
    let local = try #require(entry.sources.first)
    #expect(local.isLocal && URL(string: local.url)?.path == location.path && local.format == .hls)
    #expect(!source.isLocal)
  }

  @Test("the source to download is the first HLS that this device can store, else the first MP4")
  func preferredSource() throws {
    let device = try TestDevice()
    let manager = try LocalAssetsManager(config: device.config(), storage: MemoryDrmStorage())
    let fairPlay = DrmParams(scheme: .fairPlay, licenseUrl: "https://drm.example/fps")
    let widevine = DrmParams(scheme: .widevine, licenseUrl: "https://drm.example/wv")
    let dash = MediaSource(id: "dash", url: "https://cdn.example/a.mpd")
    let mp4 = MediaSource(id: "mp4", url: "https://cdn.example/a.mp4?x=.m3u8")
    let foreign = MediaSource(id: "foreign", url: "https://cdn.example/a.m3u8", format: .hls, drm: [widevine])
    let fps = MediaSource(id: "fps", url: "https://cdn.example/play", format: .hls, drm: [widevine, fairPlay])
    let clear = MediaSource(id: "clear", url: "https://cdn.example/A.M3U8?sig=1")
    func preferred(_ sources: [MediaSource]) -> String? {
      manager.getPreferredDownloadableMediaSource(for: MediaEntry(id: "e", sources: sources))?.id
    }
    #expect(preferred([dash, mp4, foreign, fps, clear]) == "fps")
    #expect(preferred([dash, mp4, foreign, clear, fps]) == "clear")
    #expect(preferred([dash, mp4, foreign]) == "mp4")
    #expect(preferred([dash, foreign]) == nil)
    #expect(preferred([]) == nil)
  }
}
