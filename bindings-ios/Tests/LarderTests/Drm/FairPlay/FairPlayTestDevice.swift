@_spi(Stub) import AVFoundation
import Foundation
import Larder
import TestSupport
import Testing

/// An iPhone for one test: test servers, a folder, a FairPlay fairPlay of its own (a model: see Stubs), a manager with the
/// engine under test.
final class FairPlayTestDevice: Sendable {
  let servers: TestServers
  let base: TestDevice
  let fairPlay = StubFairPlay()
  let storage: MemoryDrmStorage
  let notifications = NotificationCenter()
  let manager: LocalAssetsManager

  /// - Parameters:
  ///   - change: how the engine differs from the usual one.
  ///   - storage: in place of one in memory.
  init(
    engineTimeoutSeconds: Int32 = 60, storage: (any LocalDrmStorage)? = nil,
    requestAdapter: (any RequestAdapter)? = nil,
    tokenProvider: (any TokenProvider)? = nil, sourceURLProvider: (any SourceURLProvider)? = nil,
    httpClient: (any HttpClient)? = nil, application: String = "UIApplication",
    _ change: (inout FairPlayEngine.Options) -> Void = { _ in }
  ) throws {
    (servers, base, self.storage) = (try TestServers(), try TestDevice(), MemoryDrmStorage())
    var options = FairPlayEngine.Options()
    options.sessions = { [fairPlay] in AVContentKeySession(keySystem: .fairPlayStreaming, device: fairPlay) }
    change(&options)
    let engine = FairPlayEngine(options: options, notifications: notifications, application: application)
    manager = try LocalAssetsManager(
      config: base.config(engineTimeoutSeconds: engineTimeoutSeconds), storage: storage ?? self.storage,
      engines: [engine],
      requestAdapter: requestAdapter, tokenProvider: tokenProvider, sourceURLProvider: sourceURLProvider,
      httpClient: httpClient)
  }

  /// The app as it is started again: another engine and another manager, on the same fairPlay, storage and folder.
  func relaunched() throws -> LocalAssetsManager {
    var options = FairPlayEngine.Options()
    options.sessions = session
    options.release = .atServer
    let engine = FairPlayEngine(options: options, notifications: notifications)
    return try LocalAssetsManager(config: base.config(), storage: storage, engines: [engine])
  }

  /// A session on this device's fairPlay.
  @Sendable func session() -> AVContentKeySession {
    AVContentKeySession(keySystem: .fairPlayStreaming, device: fairPlay)
  }

  /// The URI of the key of the test title.
  static let keyURI = "skd://license.invalid/dc17a1fbd4c04ba6a33ec70ff3ba9042"

  /// Where a title came from. `query` is the license server's terms, for example `&playback_seconds=600`.
  func source(
    _ asset: String = "film", wire: LicenseWire = .standard, path: String = "udrm", query: String = "",
    renewal: RenewalPolicy = .acquireThenRelease, certificate: Data? = nil,
    certificatePath: String? = "fairplay/certificate"
  ) -> MediaSource {
    let params = DrmParams(
      scheme: .fairPlay, licenseUrl: "\(servers.url)/fairplay/\(path)?asset=\(asset)\(query)", certificate: certificate,
      certificateUrl: certificatePath.map { "\(servers.url)/\($0)" }, wire: wire, renewal: renewal)
    return MediaSource(
      id: "source-\(asset)", url: "\(servers.url)/media/hls-cbcs/master.m3u8", format: .hls, drm: [params])
  }

  /// The same with a license URL that does not name the asset: the server notes the content identifier instead.
  func unnamedSource() -> MediaSource {
    let params = DrmParams(
      scheme: .fairPlay, licenseUrl: "\(servers.url)/fairplay/udrm",
      certificateUrl: "\(servers.url)/fairplay/certificate")
    return MediaSource(id: "source", url: "\(servers.url)/media/hls-cbcs/master.m3u8", format: .hls, drm: [params])
  }

  @discardableResult
  func register(_ asset: String = "film", from source: MediaSource? = nil) async throws -> AssetStatus {
    let location = try base.download(.fairPlayHls, as: asset)
    return try await manager.registerDownloadedAsset(
      location: location, mediaSource: source ?? self.source(asset), assetId: asset)
  }

  /// Requests for licenses that reached the servers.
  func licenseRequests(_ kinds: Set<String> = ["license", "renewal"]) async throws -> Int {
    try await servers.requests().filter { kinds.contains($0.kind) }.count
  }

  /// Plays a local source as an app does, until it plays or fails.
  @MainActor
  func play(_ asset: String = "film", media: StubMedia? = nil) async throws -> (player: AVPlayer, item: AVPlayerItem) {
    let source = try manager.getLocalMediaSource(assetId: asset)
    let url = try #require(URL(string: source.url))
    StubMedia.put(media ?? StubMedia(keys: [FairPlayTestDevice.keyURI]), at: url)
    let item = try await source.makePlayerItem(manager: manager, session: session)
    let player = AVPlayer(playerItem: item)
    player.play()
    try await eventually("it neither plays nor fails") { item.status != .unknown }
    return (player, item)
  }

  /// Waits until the keys that a first playback has made void (dual expiry) have their successors in the ledger. What is
  /// given back before that is given back with a key that is void.
  func keysHaveChanged(since before: AssetStatus, _ here: SourceLocation = #_sourceLocation) async throws {
    let old = Set(before.licenses.map(\.licenseId))
    try await eventually("a new key was not stored", here) {
      let now = try await self.manager.status(of: before.assetId).licenses.filter { $0.state == .active }
      return !now.isEmpty && old.isDisjoint(with: now.map(\.licenseId))
    }
  }

  /// No request is left without an answer, nothing was done that AVFoundation forbids, and no session is left.
  func isTidy(_ here: SourceLocation = #_sourceLocation) async throws {
    try await eventually("a request is left without an answer", here) { self.fairPlay.unanswered.isEmpty }
    #expect(fairPlay.misuses.isEmpty, "\(fairPlay.misuses)", sourceLocation: here)
    try await eventually("a session is left", here) { self.fairPlay.sessionCounts.live == 0 }
  }

  /// Nothing of an asset is here, nor, once what is queued was sent, at the servers.
  func isGone(_ asset: String = "film", live: Int = 0, _ here: SourceLocation = #_sourceLocation) async throws {
    #expect(try manager.assets().isEmpty, sourceLocation: here)
    #expect(try await manager.status(of: asset).why == .notRegistered, sourceLocation: here)
    let reconciled = try await manager.reconcile()
    #expect(reconciled.pending == 0, sourceLocation: here)
    #expect(storage.keys.isEmpty, sourceLocation: here)
    let records = try await servers.licenseRecords()
    #expect(records.live == live, "\(reconciled) \(records)", sourceLocation: here)
  }
}
