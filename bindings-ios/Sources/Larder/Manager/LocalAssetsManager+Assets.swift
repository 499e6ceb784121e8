import Foundation
import LarderBindings

// By asset id.
extension LocalAssetsManager {
  /// Registers media that lies on this device, with its licenses if it is protected.
  ///
  /// Clear media needs no network. A second registration of the same id and path refreshes what is stored and keeps
  /// licenses that are good; other media under the same id is ``LarderError/Code/assetExists``. On failure nothing is
  /// left behind.
  @discardableResult
  public func registerAsset(_ registration: AssetRegistration) async throws -> AssetStatus {
    if let status = try await registerPrepared(registration) { return status }
    return try await cancellable { try await $0.registerAsset(registration: registration, cancellation: $1) }
  }

  /// Gets new licenses for a registered asset by its source's renewal policy, and stores new metadata.
  ///
  /// If it fails, the old licenses still work (but see `RenewalPolicy.releaseThenAcquire`).
  ///
  /// - Parameters:
  ///   - assetId: the asset.
  ///   - mediaSource: replaces the stored one if given.
  ///   - metadata: replaces the stored one if given.
  @discardableResult
  public func refreshAsset(
    _ assetId: String, mediaSource: MediaSource? = nil, metadata: Data? = nil
  ) async throws -> AssetStatus {
    try await cancellable {
      try await $0.refreshAsset(assetId: assetId, source: mediaSource, metadata: metadata, cancellation: $1)
    }
  }

  /// Removes a registration. Never needs the media or a network: releases that cannot be sent now are queued.
  ///
  /// An unknown id is not an error; the answer says so.
  @discardableResult
  public func unregisterAsset(_ assetId: String) async throws -> UnregisterResult {
    try await finishing { try await $0.unregisterAsset(assetId: assetId) }
  }

  /// Removes every registration of this profile, for instance when its user signs out. Returns how many.
  @discardableResult
  public func removeAll() async throws -> Int {
    try await finishing { Int(try await $0.removeAll()) }
  }

  /// Renews the licenses that end within so many seconds, one asset after the other; a failure does not stop the rest.
  public func renewAll(expiringWithin seconds: TimeInterval) async throws -> [RenewalResult] {
    guard let seconds = UInt64(exactly: seconds.rounded()) else {
      throw LarderError(.invalidArgument, "the time to look ahead is not a number of seconds", remedy: .fixInput)
    }
    return try await cancellable { try await $0.renewAll(expiringWithinSeconds: seconds, cancellation: $1) }
  }

  /// Takes over titles whose licenses another library of the app has stored, one after the other. No network is used and
  /// nothing is released.
  ///
  /// Importing twice is importing once. Two titles may come with the same license; removing one of them does not release
  /// the other's. For PlayKit's own records see `importFromPlayKit` in `LarderCompat`.
  ///
  /// - Returns: one answer per title, in order; a failure does not stop the rest.
  public func importAssets(_ assets: [AssetImport]) async throws -> [ImportResult] {
    try await cancellable { try await $0.importAssets(assets: assets, cancellation: $1) }
  }

  /// Sends queued releases and reconciles the ledger with the CDM.
  ///
  /// Also runs by itself after opening and whenever the app reports a network. A cancelled task stops waiting for it.
  @discardableResult
  public func reconcile() async throws -> ReconcileReport {
    try await abandonable { try await $0.reconcile() }
  }

  /// Every registered asset, sorted by id.
  public func assets() throws -> [AssetInfo] {
    try direct { try $0.assets() }
  }

  /// One asset, `nil` if it is not registered.
  public func asset(_ assetId: String) throws -> AssetInfo? {
    try direct { try $0.asset(assetId: assetId) }
  }

  /// The asset at a location, `nil` if there is none.
  public func asset(at location: URL) throws -> AssetInfo? {
    let path = try location.mediaPath()
    return try direct { try $0.assetAt(path: path) }
  }

  /// The assets of an entry.
  public func assets(ofEntry entryId: String) throws -> [AssetInfo] {
    try direct { try $0.assetsOfEntry(entryId: entryId) }
  }

  /// The app's own metadata of an asset, `nil` if it has none.
  public func metadata(of assetId: String) throws -> Data? {
    try direct { try $0.metadata(assetId: assetId) }
  }
}

extension AssetRegistration {
  /// Creates the input of a registration from the URL of its media.
  ///
  /// - Parameters:
  ///   - assetId: the app's id of the asset.
  ///   - location: a manifest, a media file, or a folder that holds one manifest.
  ///   - mediaSource: where it came from, and its DRM parameters.
  ///   - entryId: the backend's entry id, by which a source URL provider is asked. The asset id if `nil`.
  ///   - metadata: whatever the app wants to keep with it; at most 1 MiB.
  /// - Throws: ``LarderError/Code/invalidArgument`` if the location is not a file URL.
  public init(
    assetId: String, location: URL, mediaSource: MediaSource, entryId: String? = nil, metadata: Data? = nil
  ) throws {
    self.init(
      assetId: assetId, path: try location.mediaPath(), source: mediaSource, entryId: entryId, metadata: metadata)
  }
}

extension URL {
  /// The absolute path of a location, in one form of several.
  func mediaPath() throws -> String {
    guard isFileURL else {
      throw LarderError(.invalidArgument, "the location is not a file URL", remedy: .fixInput)
    }
    let path = standardizedFileURL.path
    // Apple's systems name a container with and without /private. Foundation drops it only while the file is there, and an
    // asset can be unregistered when it no longer is.
    if path.hasPrefix("/private/var/") { return String(path.dropFirst("/private".count)) }
    return path
  }
}
