import Foundation
import LarderBindings

// Calls that take a location: the functions of PlayKit's manager, which had no asset ids.
//
// A location stands for the asset that is registered there. A registration without an id derives one from the location:
// `root:path/below/root` below one of the configured roots, which survives moves of the app's container, else the
// absolute path.
extension LocalAssetsManager {
  /// Registers media that the app has downloaded, with its licenses if it is protected.
  ///
  /// Has the name of PlayKit's function and also accepts clear media. Equivalent to ``registerAsset(_:)``.
  ///
  /// - Parameters:
  ///   - location: a file URL: a manifest, a media file, or a folder that holds one manifest.
  ///   - mediaSource: its remote source with the DRM parameters.
  ///   - assetId: the app's id. By default the id of the asset that is registered at this location, or one derived from the
  ///     location: `root:path/below/root` below a root of the configuration, else the absolute path.
  ///   - entryId: the backend's entry id, which source URL providers receive; the asset id by default.
  ///   - metadata: data of the app's own, at most 1 MiB.
  @discardableResult
  public func registerDownloadedAsset(
    location: URL, mediaSource: MediaSource, assetId: String? = nil, entryId: String? = nil, metadata: Data? = nil
  ) async throws -> AssetStatus {
    let id: String
    if let assetId {
      id = assetId
    } else {
      id = try await registeredId(at: location) ?? derivedId(of: location)
    }
    return try await registerAsset(
      AssetRegistration(
        assetId: id, location: location, mediaSource: mediaSource, entryId: entryId, metadata: metadata))
  }

  /// Acquires new licenses for the asset at a location, by its source's renewal policy.
  ///
  /// - Parameter mediaSource: replaces the stored one: fresh license URLs and tokens.
  /// - Throws: ``LarderError/Code/assetNotFound`` if no asset is registered there.
  @discardableResult
  public func renewDownloadedAsset(location: URL, mediaSource: MediaSource? = nil) async throws -> AssetStatus {
    guard let id = try await registeredId(at: location) else { throw notRegistered() }
    return try await refreshAsset(id, mediaSource: mediaSource)
  }

  /// Removes the registration of the asset at a location. Needs neither the media nor a network.
  ///
  /// A location without a registration is not an error; `wasRegistered` is false then.
  @discardableResult
  public func unregisterDownloadedAsset(location: URL) async throws -> UnregisterResult {
    guard let id = try await registeredId(at: location) else {
      return UnregisterResult(wasRegistered: false, pendingReleases: 0)
    }
    return try await unregisterAsset(id)
  }

  /// Returns the expiry of the asset at a location; `nil` if none is registered there or it needs no license.
  public func getLicenseExpirationInfo(location: URL) async throws -> LicenseExpirationInfo? {
    guard let id = try await registeredId(at: location) else { return nil }
    return LicenseExpirationInfo(try await status(of: id))
  }

  /// Returns the source of an entry to download for offline playback: the first HLS source, else the first MP4 source, clear
  /// or with a key system whose licenses this device can store. `nil` if there is none.
  public func getPreferredDownloadableMediaSource(for entry: MediaEntry) -> MediaSource? {
    let candidates = entry.sources.filter { source in
      source.drm.isEmpty || source.drm.contains { schemes.contains($0.scheme) }
    }
    return candidates.first { $0.likelyFormat == .hls } ?? candidates.first { $0.likelyFormat == .mp4 }
  }

  // Waits for the store without blocking a thread of Swift's pool. The lookup itself is in memory.
  func registeredId(at location: URL) async throws -> String? {
    try await open()
    return try asset(at: location)?.assetId
  }

  func derivedId(of location: URL) throws -> String {
    let path = try location.mediaPath()
    let below = roots.compactMap { root -> (root: StorageRoot, rest: Substring)? in
      let top = URL(fileURLWithPath: root.path, isDirectory: true)
      let rest =
        path.below(top.standardizedFileURL.path)
        ?? location.resolvingSymlinksInPath().path.below(top.resolvingSymlinksInPath().path)
      return rest.map { (root, $0) }
    }
    guard let nearest = below.min(by: { $0.rest.utf8.count < $1.rest.utf8.count }) else { return path }
    return "\(nearest.root.name):\(nearest.rest)"
  }

  func notRegistered() -> LarderError {
    LarderError(.assetNotFound, "no asset is registered at this location")
  }
}

extension String {
  /// Returns the part of this path after a folder's path; `nil` if it is not below the folder.
  fileprivate func below(_ folder: String) -> Substring? {
    let prefix = folder.hasSuffix("/") ? folder : folder + "/"
    return hasPrefix(prefix) ? dropFirst(prefix.count) : nil
  }
}

extension MediaSource {
  /// The format that the backend states, else a guess by the URL's path.
  var likelyFormat: MediaFormat? {
    if let format { return format }
    guard let path = URLComponents(string: url)?.path.lowercased() else { return nil }
    if path.hasSuffix(".m3u8") { return .hls }
    if path.hasSuffix(".mpd") { return .dash }
    if path.hasSuffix(".mp4") { return .mp4 }
    return nil
  }
}
