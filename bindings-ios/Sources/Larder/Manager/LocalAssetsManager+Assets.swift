import Foundation
import LarderBindings

// Calls that take an asset id.
extension LocalAssetsManager {
  /// Registers media that lies on this device, with its licenses if it is protected.
  ///
  /// Clear media needs no network. A second registration of the same id and path refreshes the stored registration and keeps
  /// valid licenses; other media under the same id fails with ``LarderError/Code/assetExists``. A failure leaves nothing
  /// behind.
  @discardableResult
  public func registerAsset(_ registration: AssetRegistration) async throws -> AssetStatus {
    if let status = try await registerPrepared(registration) { return status }
    return try await cancellable { try await $0.registerAsset(registration: registration, cancellation: $1) }
  }

  /// Acquires new licenses for a registered asset by its source's renewal policy, and stores new metadata.
  ///
  /// After a failure the old licenses still work, except with `RenewalPolicy.releaseThenAcquire`.
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

  /// Removes a registration. Needs neither the media nor a network: releases that cannot be sent now are queued.
  ///
  /// An unknown id is not an error; `wasRegistered` is false then.
  @discardableResult
  public func unregisterAsset(_ assetId: String) async throws -> UnregisterResult {
    try await finishing { try await $0.unregisterAsset(assetId: assetId) }
  }

  /// Removes every registration of this profile, for instance when its user signs out. Returns their number.
  @discardableResult
  public func removeAll() async throws -> Int {
    try await finishing { Int(try await $0.removeAll()) }
  }

  /// Renews the licenses that expire within `seconds`, one asset after the other. A failure does not stop the rest.
  public func renewAll(expiringWithin seconds: TimeInterval) async throws -> [RenewalResult] {
    guard let seconds = UInt64(exactly: seconds.rounded()) else {
      throw LarderError(.invalidArgument, "the time to look ahead is not a number of seconds")
    }
    return try await cancellable { try await $0.renewAll(expiringWithinSeconds: seconds, cancellation: $1) }
  }

  /// Takes over titles whose licenses another library of the app has stored, one after the other. No network is used and
  /// nothing is released.
  ///
  /// Idempotent. Two titles may come with the same license; removing one of them does not release
  /// the other's. For PlayKit's own records see `importFromPlayKit` in `LarderCompat`.
  ///
  /// - Returns: one result per title, in order. A failure does not stop the rest.
  public func importAssets(_ assets: [AssetImport]) async throws -> [ImportResult] {
    try await cancellable { try await $0.importAssets(assets: assets, cancellation: $1) }
  }

  /// Sends queued releases and reconciles the ledger with the CDM.
  ///
  /// Larder also runs it after opening and when the app reports a network. A cancelled task stops waiting for it.
  @discardableResult
  public func reconcile() async throws -> ReconcileReport {
    try await abandonable { try await $0.reconcile() }
  }

  /// Returns every registered asset, sorted by id.
  public func assets() throws -> [AssetInfo] {
    try direct { try $0.assets() }
  }

  /// Returns an asset; `nil` if it is not registered.
  public func asset(_ assetId: String) throws -> AssetInfo? {
    try direct { try $0.asset(assetId: assetId) }
  }

  /// Returns the asset at a location; `nil` if none is registered there.
  public func asset(at location: URL) throws -> AssetInfo? {
    let path = try location.mediaPath()
    return try direct { try $0.assetAt(path: path) }
  }

  /// Returns the assets of an entry.
  public func assets(ofEntry entryId: String) throws -> [AssetInfo] {
    try direct { try $0.assetsOfEntry(entryId: entryId) }
  }

  /// Returns the app's own metadata of an asset; `nil` if it has none.
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
  ///   - mediaSource: its remote source with the DRM parameters.
  ///   - entryId: the backend's entry id, which source URL providers receive; the asset id by default.
  ///   - metadata: data of the app's own, at most 1 MiB.
  /// - Throws: ``LarderError/Code/invalidArgument`` if the location is not a file URL.
  public init(
    assetId: String, location: URL, mediaSource: MediaSource, entryId: String? = nil, metadata: Data? = nil
  ) throws {
    self.init(
      assetId: assetId, path: try location.mediaPath(), source: mediaSource, entryId: entryId, metadata: metadata)
  }
}

extension URL {
  /// Returns the absolute path of a location in its canonical form.
  func mediaPath() throws -> String {
    guard isFileURL else {
      throw LarderError(.invalidArgument, "the location is not a file URL")
    }
    let path = standardizedFileURL.path
    // Apple's systems name a container with and without /private. Foundation drops the prefix only while the file exists,
    // and an asset can be unregistered after its file is gone.
    if path.hasPrefix("/private/var/") { return String(path.dropFirst("/private".count)) }
    return path
  }
}
