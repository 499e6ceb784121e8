import Foundation
import LarderBindings

// By location: the verbs of PlayKit's manager, which knew no asset ids.
//
// A location means the asset that is registered there. Where none is, a registration without an id gets one that is
// made of the location: `root:path/below/root` for a location below one of the configured roots, so that it outlives
// the moves of an app's container, and the absolute path for any other.
extension LocalAssetsManager {
  /// Registers media that the app has downloaded, with its licenses if it is protected.
  ///
  /// PlayKit's function of this name, for clear media too. Does the same as ``registerAsset(_:)``.
  ///
  /// - Parameters:
  ///   - location: a file URL: a manifest, a media file, or a folder that holds one manifest.
  ///   - mediaSource: where it came from, and its DRM parameters.
  ///   - assetId: the app's id. If `nil`, the id of the asset that is registered at this location already, or one made of
  ///     the location: `root:path/below/root` below a root of the configuration, else the absolute path.
  ///   - entryId: the backend's entry id, by which a source URL provider is asked. The asset id if `nil`.
  ///   - metadata: whatever the app wants to keep with it; at most 1 MiB.
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

  /// Gets new licenses for the asset at a location, by its source's renewal policy.
  ///
  /// - Parameter mediaSource: replaces the stored one: fresh license URLs and tokens.
  /// - Throws: ``LarderError/Code/assetNotFound`` if nothing is registered there.
  @discardableResult
  public func renewDownloadedAsset(location: URL, mediaSource: MediaSource? = nil) async throws -> AssetStatus {
    guard let id = try await registeredId(at: location) else { throw notRegistered() }
    return try await refreshAsset(id, mediaSource: mediaSource)
  }

  /// Removes the registration of the asset at a location. Never needs the media or a network.
  ///
  /// A location without a registration is not an error; the answer says so.
  @discardableResult
  public func unregisterDownloadedAsset(location: URL) async throws -> UnregisterResult {
    guard let id = try await registeredId(at: location) else {
      return UnregisterResult(wasRegistered: false, pendingReleases: 0)
    }
    return try await unregisterAsset(id)
  }

  /// How long the asset at a location may be played, `nil` if nothing is registered there or it needs no license.
  public func getLicenseExpirationInfo(location: URL) async throws -> LicenseExpirationInfo? {
    guard let id = try await registeredId(at: location) else { return nil }
    return LicenseExpirationInfo(try await status(of: id))
  }

  /// The source of an entry to download for offline playback: the first HLS, else the first MP4, clear or protected by a
  /// key system that this device can store licenses of. `nil` if there is none.
  public func getPreferredDownloadableMediaSource(for entry: MediaEntry) -> MediaSource? {
    let candidates = entry.sources.filter { source in
      source.drm.isEmpty || source.drm.contains { schemes.contains($0.scheme) }
    }
    return candidates.first { $0.likelyFormat == .hls } ?? candidates.first { $0.likelyFormat == .mp4 }
  }

  // Waits for the store without blocking a thread of Swift's pool; after that the lookup is in memory.
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
    LarderError(.assetNotFound, "no asset is registered at this location", remedy: .reregister)
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
  /// The format as the backend says it, else as the URL's path looks.
  var likelyFormat: MediaFormat? {
    if let format { return format }
    guard let path = URLComponents(string: url)?.path.lowercased() else { return nil }
    if path.hasSuffix(".m3u8") { return .hls }
    if path.hasSuffix(".mpd") { return .dash }
    if path.hasSuffix(".mp4") { return .mp4 }
    return nil
  }
}
