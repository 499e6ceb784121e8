import Foundation
import LarderBindings

extension LocalAssetsManager {
  /// Returns the status of an asset from the ledger, without a CDM session or the network.
  ///
  /// An unknown id has the status `PlayabilityReason.notRegistered`.
  public func status(of assetId: String) async throws -> AssetStatus {
    try await abandonable { try await $0.assetStatus(assetId: assetId) }
  }

  /// Returns the status of the asset at a location; `PlayabilityReason.notRegistered` if none is registered there.
  public func status(at location: URL) async throws -> AssetStatus {
    let id = try await registeredId(at: location)
    return try await status(of: id ?? derivedId(of: location))
  }

  /// Returns the status of every registered asset.
  public func allStatuses() async throws -> [AssetStatus] {
    try await abandonable { try await $0.allStatuses() }
  }

  /// Returns the status after checks of the disk and the CDM, which take longer.
  ///
  /// - Parameters:
  ///   - assetId: the asset.
  ///   - media: checks that the media exists and, with AVFoundation, that a `.movpkg` package is complete
  ///     (`AVAssetCache.isPlayableOffline`).
  ///   - licenses: checks in the storage and the CDM that the licenses exist, and their remaining time.
  public func verifyAsset(_ assetId: String, media: Bool = true, licenses: Bool = true) async throws -> AssetStatus {
    let status = try await abandonable {
      try await $0.verifyAsset(assetId: assetId, checkMedia: media, checkLicenses: licenses)
    }
    return media ? status.checkingPackage(at: try asset(assetId)?.path) : status
  }
}

/// The expiry of an asset.
public struct LicenseExpirationInfo: Sendable, Equatable {
  /// The earliest expiry of its licenses and of a running playback window.
  public let expires: Expiry

  /// True if the asset was playable when this value was made.
  public let isPlayable: Bool

  /// The time at which it ends; `nil` if it never ends or the end is not known.
  public var expirationDate: Date? { expires.date }

  /// Returns true if the asset was playable when this value was made and has not expired since.
  public func isValid() -> Bool {
    isPlayable && expirationDate.map { $0 > Date() } ?? true
  }

  /// Fails (`nil`) for an asset that needs no license.
  init?(_ status: AssetStatus) {
    guard status.isRegistered, !status.licenses.isEmpty || !status.isPlayable else { return nil }
    expires = status.expires
    isPlayable = status.isPlayable
  }
}

extension Expiry {
  /// The time at which it ends; `nil` if it never ends or the end is not known.
  public var date: Date? {
    guard case .at(let atMs) = self else { return nil }
    return Date(timeIntervalSince1970: Double(atMs) / 1000)
  }
}
