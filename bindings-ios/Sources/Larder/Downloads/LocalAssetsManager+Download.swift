import AVFoundation
import Foundation
import LarderBindings

// For apps that download with `AVAssetDownloadTask`.
extension LocalAssetsManager {
  /// Prepares an asset for `AVAssetDownloadTask`: its FairPlay keys are asked for and stored while it is downloaded, and
  /// belong to it once it is registered. PlayKit's function.
  ///
  /// Call it before the task is resumed, in the foreground, where FairPlay exchanges keys. A clear source needs nothing and
  /// gets nothing. Afterwards ``registerDownloadedAsset(location:mediaSource:assetId:entryId:metadata:)`` with the same
  /// source takes the keys over, and needs no network for that.
  ///
  /// ```swift
  /// let avAsset = AVURLAsset(url: mediaSource.contentUrl)
  /// manager.prepareForDownload(asset: avAsset, mediaSource: mediaSource)
  /// session.makeAssetDownloadTask(downloadConfiguration: AVAssetDownloadConfiguration(asset: avAsset, title: "Film")).resume()
  /// ```
  ///
  /// ``AssetDownloads`` does all of this, and survives relaunches.
  ///
  /// - Parameters:
  ///   - asset: what the task downloads. The manager keeps what answers for its keys as long as the asset is there.
  ///   - mediaSource: where it comes from, and its DRM parameters. Its id names the keys until they are taken over.
  ///   - assetId: what a ``RequestAdapter`` and a ``TokenProvider`` are asked with. The source's id if `nil`.
  ///   - contentId: the rule for the content identifier, as in ``FairPlayEngine/Options/contentId``.
  ///   - playbackWindow: how long the keys may be played once playback has begun, in seconds; `nil` if as long as they are
  ///     stored, or if it is not known. As in ``FairPlayEngine/Options/playbackWindow``.
  ///   - session: a fresh content key session without a delegate, if it is to be another than the usual.
  ///   - onFailure: told of each key that could not be had. The task goes on and ends with what it could get.
  public func prepareForDownload(
    asset: AVURLAsset, mediaSource: MediaSource, assetId: String? = nil, contentId: FairPlayContentId = .standard,
    playbackWindow: TimeInterval? = nil, session: AVContentKeySession? = nil,
    onFailure: (@Sendable (LarderError) -> Void)? = nil
  ) {
    prepareForDownload(
      asset: asset, mediaSource: mediaSource, assetId: assetId, contentId: contentId, playbackWindow: playbackWindow,
      session: session, patience: 120, onFailure: onFailure)
  }

  /// - Parameter patience: how long AVFoundation may take for one step, in seconds.
  package func prepareForDownload(
    asset: AVURLAsset, mediaSource: MediaSource, assetId: String? = nil, contentId: FairPlayContentId = .standard,
    playbackWindow: TimeInterval? = nil, session: AVContentKeySession?, patience: TimeInterval,
    onFailure: (@Sendable (LarderError) -> Void)?
  ) {
    guard mediaSource.drm.contains(where: { $0.scheme == .fairPlay }), !downloadSessions.has(asset) else { return }
    let delegate = DownloadContentKeyDelegate(
      manager: self, source: mediaSource, assetId: assetId ?? mediaSource.id, contentId: contentId,
      playbackWindow: playbackWindow, patience: patience, onFailure: onFailure)
    downloadSessions.attach(session ?? AVContentKeySession(keySystem: .fairPlayStreaming), delegate, to: asset)
  }

  /// The preferred source of an entry with an asset for it, prepared for `AVAssetDownloadTask`. PlayKit's function; `nil` if
  /// no source can be downloaded.
  public func prepareForDownload(of entry: MediaEntry) -> (AVURLAsset, MediaSource)? {
    guard let source = getPreferredDownloadableMediaSource(for: entry), let url = URL(string: source.url) else {
      return nil
    }
    let asset = AVURLAsset(url: url)
    prepareForDownload(asset: asset, mediaSource: source)
    return (asset, source)
  }

  /// Forgets keys that came for a download which will not be registered.
  public func forgetPreparedKeys(of mediaSource: MediaSource) throws {
    try translatingErrors { try preparedKeys.forget(mediaSource.id) }
  }

  /// Whether AVFoundation says that a package (`.movpkg`) can be played offline; `nil` for what it did not download.
  ///
  /// A package is incomplete when its download was broken off; what is there plays online only.
  public static func isPlayableOffline(_ location: URL) -> Bool? {
    guard location.pathExtension.lowercased() == "movpkg" else { return nil }
    return AVURLAsset(url: location).assetCache?.isPlayableOffline
  }

  /// The server's answer outside of an engine's call. Blocks.
  func exchange(_ assetId: String, _ source: MediaSource, _ message: ExchangeMessage) throws -> ExchangeAnswer {
    try direct { try $0.exchange(assetId: assetId, source: source, scheme: .fairPlay, message: message) }
  }

  /// Registers with the keys that came during the download, if they are all there; `nil` if not.
  func registerPrepared(_ registration: AssetRegistration) async throws -> AssetStatus? {
    guard registration.source.drm.contains(where: { $0.scheme == .fairPlay }) else { return nil }
    let licenses = await onQueue { self.preparedLicenses(registration) }
    guard !licenses.isEmpty else { return nil }
    try await open()
    guard try asset(registration.assetId) == nil else { return nil }
    let imported = try await importAssets([AssetImport(registration: registration, licenses: licenses)])
    // Whatever stands in the way, an ordinary registration says better.
    guard imported.first?.isImported == true else { return nil }
    await onQueue { try? self.preparedKeys.forget(registration.source.id) }
    return try await status(of: registration.assetId)
  }

  private func preparedLicenses(_ registration: AssetRegistration) -> [LicenseImport] {
    guard let keys = try? preparedKeys.keys(of: registration.source.id), !keys.isEmpty,
      let needs = try? LarderLibrary.findInitData(at: URL(fileURLWithPath: registration.path))
    else { return [] }
    let uris = Set(needs.filter { $0.scheme == .fairPlay }.compactMap(\.uri))
    let licenses = uris.sorted().compactMap { uri in
      keys.first { $0.uri == uri }.map { key in
        LicenseImport(
          scheme: .fairPlay, handle: key.handle, initData: Data(uri.utf8),
          expires: key.expiresAtMs.map { .at(atMs: $0) } ?? .unknown, playbackWindowSeconds: key.playbackWindowSeconds)
      }
    }
    return licenses.count == uris.count ? licenses : []
  }

  // Storage and disk: not on a thread of Swift's pool.
  private func onQueue<T: Sendable>(_ body: @escaping @Sendable () -> T) async -> T {
    await withCheckedContinuation { continuation in
      DispatchQueue.global(qos: .userInitiated).async { continuation.resume(returning: body()) }
    }
  }
}

extension AssetStatus {
  /// This status with what AVFoundation says about the package, where there is one.
  func checkingPackage(at path: String?) -> AssetStatus {
    guard let path, isPlayable, LocalAssetsManager.isPlayableOffline(URL(fileURLWithPath: path)) == false else {
      return self
    }
    return AssetStatus(
      assetId: assetId, isRegistered: isRegistered, isPlayable: false, why: .mediaMissing,
      message: "the package is incomplete: AVFoundation says that it cannot be played offline", remedy: .repair,
      expires: expires, remainingSeconds: remainingSeconds, playbackExpires: playbackExpires,
      playbackWindowSeconds: playbackWindowSeconds,
      licenses: licenses, media: .missing, warnings: warnings, format: format, root: root,
      pendingReleases: pendingReleases, checkedAtMs: checkedAtMs)
  }
}
