@_spi(Stub) import AVFoundation
import Foundation
import Larder
import TestSupport
import Testing

/// An iPhone that downloads with AVFoundation, for one test: test servers, a container, the system's download process, a
/// FairPlay fairPlay (models: see Stubs), a manager, and `AssetDownloads`, which a relaunch makes anew.
final class DownloadTestDevice: @unchecked Sendable {
  let servers: TestServers
  let base: TestDevice
  let fairPlay = StubFairPlay()
  let system = StubDownloads()
  let storage = MemoryDrmStorage()
  let engine = NoKeys()
  let events = Shared<[AssetDownloads.Event]>([])
  private(set) var container: AppContainer
  private(set) var manager: LocalAssetsManager
  private(set) var downloads: AssetDownloads
  var knowsSources = true

  /// The URI of the key of the test title.
  static let keyURI = "skd://film-key"

  init() throws {
    (servers, base) = (try TestServers(), try TestDevice())
    container = AppContainer(home: base.folder.appendingPathComponent("Application/A"))
    manager = try LocalAssetsManager(config: .standard(in: container), storage: storage, engines: [engine])
    downloads = Self.downloads(manager, container, servers, fairPlay, system, events)
  }

  /// The app is killed, perhaps updated (its container moves), and started again.
  func relaunch(movingTo name: String? = nil) throws {
    manager.close()
    if let name {
      let moved = AppContainer(home: base.folder.appendingPathComponent("Application/\(name)"))
      try FileManager.default.moveItem(at: container.home, to: moved.home)
      container = moved
    }
    manager = try LocalAssetsManager(config: .standard(in: container), storage: storage, engines: [engine])
    downloads = Self.downloads(manager, container, servers, fairPlay, system, events)
  }

  private static func downloads(
    _ manager: LocalAssetsManager, _ container: AppContainer, _ servers: TestServers, _ fairPlay: StubFairPlay,
    _ system: StubDownloads, _ events: Shared<[AssetDownloads.Event]>
  ) -> AssetDownloads {
    AssetDownloads(
      manager: manager, configuration: .ephemeral, mediaSource: { Self.source(servers, $0) },
      onEvent: { event in events.change { $0.append(event) } }, home: container.home,
      keySession: { AVContentKeySession(keySystem: .fairPlayStreaming, device: fairPlay) },
      makeSession: { AVAssetDownloadURLSession(system: system, assetDownloadDelegate: $1, delegateQueue: nil) })
  }

  /// Where a title comes from. One named `clear…` is not protected, one named `unknown…` the app does not know.
  static func source(_ servers: TestServers, _ assetId: String) -> MediaSource? {
    if assetId.hasPrefix("unknown") { return nil }
    let params = DrmParams(
      scheme: .fairPlay, licenseUrl: "\(servers.url)/fairplay/udrm?asset=\(assetId)",
      certificateUrl: "\(servers.url)/fairplay/certificate")
    return MediaSource(
      id: "source-\(assetId)", url: "https://cdn.example/\(UUID().uuidString)/\(assetId).m3u8", format: .hls,
      drm: assetId.hasPrefix("clear") ? [] : [params])
  }

  func source(_ assetId: String) throws -> MediaSource { try #require(Self.source(servers, assetId)) }

  func session() -> AVContentKeySession { AVContentKeySession(keySystem: .fairPlayStreaming, device: fairPlay) }

  /// Creates the package that the system would have downloaded, with the title's key in its playlist.
  func package(_ assetId: String, isComplete: Bool = true) throws -> URL {
    let folder = container.home
      .appendingPathComponent("Library/com.apple.UserManagedAssets.x/\(assetId).movpkg", isDirectory: true)
    try FileManager.default.createDirectory(
      at: folder.appendingPathComponent("Data"), withIntermediateDirectories: true)
    let boot = """
      <?xml version='1.0'?><HLSMoviePackage xmlns='http://apple.com/IMG/Schemas/HLSMoviePackage'><DataItems Directory='Data'>
      <DataItem><Category>Playlist</Category><DataPath>m.m3u8</DataPath></DataItem></DataItems></HLSMoviePackage>
      """
    let key =
      "#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI=\"\(Self.keyURI)\",KEYFORMAT=\"com.apple.streamingkeydelivery\"\n"
    let variant = "#EXT-X-STREAM-INF:BANDWIDTH=1\nhttps://cdn.example/v.m3u8\n"
    let master = "#EXTM3U\n" + (assetId.hasPrefix("clear") ? "" : key) + variant
    try Data(boot.utf8).write(to: folder.appendingPathComponent("boot.xml"))
    try Data(master.utf8).write(to: folder.appendingPathComponent("Data/m.m3u8"))
    say(isComplete, of: folder)
    return folder
  }

  /// Sets the state that AVFoundation reports for a package.
  func say(_ isComplete: Bool, of package: URL) {
    StubMedia.put(StubMedia(keys: [Self.keyURI], stored: StubMedia.Stored(isComplete: isComplete)), at: package)
  }

  /// The system downloads what was started: it asks for the key, and the package is there.
  func run(_ assetId: String, isComplete: Bool = true, error: (any Error)? = nil) async throws {
    let task = try #require(system.tasks.first { $0.taskDescription == assetId })
    StubMedia.put(StubMedia(keys: assetId.hasPrefix("clear") ? [] : [Self.keyURI]), at: task.urlAsset.url)
    try await system.run(task, to: try package(assetId, isComplete: isComplete), error: error)
  }

  /// Waits for the next event and takes it.
  func event(_ here: SourceLocation = #_sourceLocation) async throws -> AssetDownloads.Event {
    for _ in 0..<4_000 {
      if let event = events.change({ $0.isEmpty ? nil : $0.removeFirst() }) { return event }
      try await Task.sleep(nanoseconds: 5_000_000)
    }
    throw Failure(what: "no event")
  }

  /// Requests for licenses that reached the servers.
  func licenseRequests() async throws -> Int {
    try await servers.requests().filter { $0.kind == "license" }.count
  }
}

/// An engine that gets no keys: those that came during the download must do.
final class NoKeys: DrmEngine {
  let scheme = DrmScheme.fairPlay
  let asked = Shared(0)

  func acquire(_ request: KeyRequest, exchange: any LicenseExchange) throws -> LicenseGrant {
    asked.change { $0 += 1 }
    throw LarderError(.cdmFailed, "it was asked for a key")
  }

  func renew(_ held: StoredLicense, request: KeyRequest, exchange: any LicenseExchange) throws -> LicenseGrant {
    throw LarderError(.renewalNotPermitted, "it was asked to renew")
  }

  func inspect(_ held: StoredLicense) throws -> LicenseTimes { LicenseTimes(license: .unknown, playback: .unknown) }

  func release(_ held: StoredLicense, exchange: any LicenseExchange) throws -> ReleaseOutcome { .notSupported }

  func held() throws -> [Data]? { nil }
}
