import Foundation
import LarderBindings

// The same calls for code without `async`. Every handler runs on the main queue, exactly once.
extension LocalAssetsManager {
  /// Registers media that the app has downloaded. PlayKit's function; see
  /// ``registerDownloadedAsset(location:mediaSource:assetId:entryId:metadata:)`` for the asset's id.
  ///
  /// - Parameter callback: receives `nil`, or a ``LarderError``.
  public func registerDownloadedAsset(
    location: URL, mediaSource: MediaSource, callback: @escaping @MainActor (Error?) -> Void
  ) {
    run({ try await $0.registerDownloadedAsset(location: location, mediaSource: mediaSource) }, callback)
  }

  /// Acquires new licenses for the asset at a location. PlayKit's function.
  ///
  /// - Parameter callback: receives `nil`, or a ``LarderError``.
  public func renewDownloadedAsset(
    location: URL, mediaSource: MediaSource, callback: @escaping @MainActor (Error?) -> Void
  ) {
    run({ try await $0.renewDownloadedAsset(location: location, mediaSource: mediaSource) }, callback)
  }

  /// Removes the registration of the asset at a location. PlayKit's function.
  ///
  /// - Parameter callback: receives `nil`, or a ``LarderError``.
  public func unregisterDownloadedAsset(location: URL, callback: @escaping @MainActor (Error?) -> Void) {
    run({ try await $0.unregisterDownloadedAsset(location: location) }, callback)
  }

  /// Returns the expiry of the asset at a location.
  public func getLicenseExpirationInfo(
    location: URL, completion: @escaping @MainActor (Result<LicenseExpirationInfo?, Error>) -> Void
  ) {
    run({ try await $0.getLicenseExpirationInfo(location: location) }, completion)
  }

  /// Waits until the store is open.
  public func open(completion: @escaping @MainActor (Result<OpenReport, Error>) -> Void) {
    run({ try await $0.open() }, completion)
  }

  /// Registers media that lies on this device, with its licenses if it is protected.
  public func registerAsset(
    _ registration: AssetRegistration, completion: @escaping @MainActor (Result<AssetStatus, Error>) -> Void
  ) {
    run({ try await $0.registerAsset(registration) }, completion)
  }

  /// Acquires new licenses for a registered asset, and stores new metadata.
  public func refreshAsset(
    _ assetId: String, mediaSource: MediaSource? = nil, metadata: Data? = nil,
    completion: @escaping @MainActor (Result<AssetStatus, Error>) -> Void
  ) {
    run({ try await $0.refreshAsset(assetId, mediaSource: mediaSource, metadata: metadata) }, completion)
  }

  /// Removes a registration.
  public func unregisterAsset(
    _ assetId: String, completion: @escaping @MainActor (Result<UnregisterResult, Error>) -> Void
  ) {
    run({ try await $0.unregisterAsset(assetId) }, completion)
  }

  /// Removes every registration of this profile.
  public func removeAll(completion: @escaping @MainActor (Result<Int, Error>) -> Void) {
    run({ try await $0.removeAll() }, completion)
  }

  /// Renews the licenses that expire within `seconds`.
  public func renewAll(
    expiringWithin seconds: TimeInterval, completion: @escaping @MainActor (Result<[RenewalResult], Error>) -> Void
  ) {
    run({ try await $0.renewAll(expiringWithin: seconds) }, completion)
  }

  /// Takes over titles whose licenses another library of the app has stored.
  public func importAssets(
    _ assets: [AssetImport], completion: @escaping @MainActor (Result<[ImportResult], Error>) -> Void
  ) {
    run({ try await $0.importAssets(assets) }, completion)
  }

  /// Sends queued releases and reconciles the ledger with the CDM.
  public func reconcile(completion: @escaping @MainActor (Result<ReconcileReport, Error>) -> Void) {
    run({ try await $0.reconcile() }, completion)
  }

  /// Returns the status of an asset.
  public func status(of assetId: String, completion: @escaping @MainActor (Result<AssetStatus, Error>) -> Void) {
    run({ try await $0.status(of: assetId) }, completion)
  }

  /// Returns the status of the asset at a location.
  public func status(at location: URL, completion: @escaping @MainActor (Result<AssetStatus, Error>) -> Void) {
    run({ try await $0.status(at: location) }, completion)
  }

  /// Returns the status of every registered asset.
  public func allStatuses(completion: @escaping @MainActor (Result<[AssetStatus], Error>) -> Void) {
    run({ try await $0.allStatuses() }, completion)
  }

  /// Returns the status after checks of the disk and the CDM.
  public func verifyAsset(
    _ assetId: String, media: Bool = true, licenses: Bool = true,
    completion: @escaping @MainActor (Result<AssetStatus, Error>) -> Void
  ) {
    run({ try await $0.verifyAsset(assetId, media: media, licenses: licenses) }, completion)
  }

  private func run<T: Sendable>(
    _ call: @escaping @Sendable (LocalAssetsManager) async throws -> T,
    _ completion: @escaping @MainActor (Result<T, Error>) -> Void
  ) {
    Task {
      let outcome: Result<T, Error>
      do { outcome = .success(try await call(self)) } catch { outcome = .failure(error) }
      await completion(outcome)
    }
  }

  private func run<T: Sendable>(
    _ call: @escaping @Sendable (LocalAssetsManager) async throws -> T,
    _ callback: @escaping @MainActor (Error?) -> Void
  ) {
    run(call) { (outcome: Result<T, Error>) in
      if case .failure(let error) = outcome { callback(error) } else { callback(nil) }
    }
  }
}
