import AVFoundation
import Foundation
import LarderBindings

// For apps that download with `AVAssetDownloadTask`.
extension LocalAssetsManager {
  /// Prepares an asset for `AVAssetDownloadTask`: its FairPlay keys are acquired and stored during the download, and become
  /// its licenses when it is registered. PlayKit's function.
  ///
  /// Call it in the foreground before the task is resumed, because FairPlay exchanges no keys in the background. It does
  /// nothing for a clear source. Afterwards ``registerDownloadedAsset(location:mediaSource:assetId:entryId:metadata:)`` with the same
  /// source uses these keys and needs no network.
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
  ///   - asset: the asset that the task downloads. The manager retains its key session as long as the asset lives.
  ///   - mediaSource: its source with the DRM parameters. The source's id names the keys until the registration.
  ///   - assetId: the id that a ``RequestAdapter`` and a ``TokenProvider`` receive; the source's id by default.
  ///   - contentId: the rule for the content identifier, as in ``FairPlayEngine/Options/contentId``.
  ///   - playbackWindow: the playback window of the keys, in seconds from the first playback; `nil` for the whole time that
  ///     they are stored, or if it is not known. As in ``FairPlayEngine/Options/playbackWindow``.
  ///   - session: a new content key session without a delegate, in place of the default one.
  ///   - onFailure: receives the error of each key that could not be acquired. The task continues without it.
  public func prepareForDownload(
    asset: AVURLAsset, mediaSource: MediaSource, assetId: String? = nil, contentId: FairPlayContentId = .standard,
    playbackWindow: TimeInterval? = nil, session: AVContentKeySession? = nil,
    onFailure: (@Sendable (LarderError) -> Void)? = nil
  ) {
    prepareForDownload(
      asset: asset, mediaSource: mediaSource, assetId: assetId, contentId: contentId, playbackWindow: playbackWindow,
      session: session, callbackTimeout: 120, onFailure: onFailure)
  }

  /// - Parameter callbackTimeout: the time that AVFoundation may take for one step, in seconds.
  package func prepareForDownload(
    asset: AVURLAsset, mediaSource: MediaSource, assetId: String? = nil, contentId: FairPlayContentId = .standard,
    playbackWindow: TimeInterval? = nil, session: AVContentKeySession?, callbackTimeout: TimeInterval,
    onFailure: (@Sendable (LarderError) -> Void)?
  ) {
    guard mediaSource.drm.contains(where: { $0.scheme == .fairPlay }), !downloadSessions.has(asset) else { return }
    let delegate = DownloadContentKeyDelegate(
      manager: self, source: mediaSource, assetId: assetId ?? mediaSource.id, contentId: contentId,
      playbackWindow: playbackWindow, callbackTimeout: callbackTimeout, onFailure: onFailure)
    downloadSessions.attach(session ?? AVContentKeySession(keySystem: .fairPlayStreaming), delegate, to: asset)
  }

  /// Returns the preferred source of an entry with an asset that is prepared for `AVAssetDownloadTask`; `nil` if no source
  /// can be downloaded. PlayKit's function.
  public func prepareForDownload(of entry: MediaEntry) -> (AVURLAsset, MediaSource)? {
    guard let source = getPreferredDownloadableMediaSource(for: entry), let url = URL(string: source.url) else {
      return nil
    }
    let asset = AVURLAsset(url: url)
    prepareForDownload(asset: asset, mediaSource: source)
    return (asset, source)
  }

  /// Deletes the keys of a download that will not be registered.
  public func forgetPreparedKeys(of mediaSource: MediaSource) throws {
    try translatingErrors { try preparedKeys.forget(mediaSource.id) }
  }

  /// Returns whether AVFoundation can play a package (`.movpkg`) offline; `nil` for media that it did not download.
  ///
  /// The package of an interrupted download is incomplete and plays online only.
  public static func isPlayableOffline(_ location: URL) -> Bool? {
    guard location.pathExtension.lowercased() == "movpkg" else { return nil }
    return AVURLAsset(url: location).assetCache?.isPlayableOffline
  }

  /// Sends a message to the license server outside of an engine's call. Blocks.
  func exchange(_ assetId: String, _ source: MediaSource, _ message: ExchangeMessage) throws -> ExchangeAnswer {
    try direct { try $0.exchange(assetId: assetId, source: source, scheme: .fairPlay, message: message) }
  }

  /// Registers with the keys that were acquired during the download; `nil` if they are not complete.
  func registerPrepared(_ registration: AssetRegistration) async throws -> AssetStatus? {
    guard registration.source.drm.contains(where: { $0.scheme == .fairPlay }) else { return nil }
    let licenses = await onQueue { self.preparedLicenses(registration) }
    guard !licenses.isEmpty else { return nil }
    try await open()
    guard try asset(registration.assetId) == nil else { return nil }
    let imported = try await importAssets([AssetImport(registration: registration, licenses: licenses)])
    // After a failure, an ordinary registration gives the better error.
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

  /// Runs work with the storage and the disk outside of Swift's thread pool.
  private func onQueue<T: Sendable>(_ body: @escaping @Sendable () -> T) async -> T {
    await withCheckedContinuation { continuation in
      DispatchQueue.global(qos: .userInitiated).async { continuation.resume(returning: body()) }
    }
  }
}

extension AssetStatus {
  /// Returns this status, with missing media if AVFoundation reports the package as incomplete.
  func checkingPackage(at path: String?) -> AssetStatus {
    guard let path, isPlayable, LocalAssetsManager.isPlayableOffline(URL(fileURLWithPath: path)) == false else {
      return self
    }
    return AssetStatus(
      assetId: assetId, isRegistered: isRegistered, isPlayable: false, why: .mediaMissing,
      message: "the package is incomplete, so AVFoundation cannot play it offline: download the rest", remedy: .repair,
      expires: expires, remainingSeconds: remainingSeconds, playbackExpires: playbackExpires,
      playbackWindowSeconds: playbackWindowSeconds,
      licenses: licenses, media: .missing, warnings: warnings, format: format, root: root,
      pendingReleases: pendingReleases, checkedAtMs: checkedAtMs)
  }
}
