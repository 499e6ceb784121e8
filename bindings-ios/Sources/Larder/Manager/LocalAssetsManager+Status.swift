import Foundation
import LarderBindings

extension LocalAssetsManager {
  /// Everything an app needs to show or decide about an asset, from the ledger: no CDM session, no network.
  ///
  /// An unknown id is a status too: `PlayabilityReason.notRegistered`.
  public func status(of assetId: String) async throws -> AssetStatus {
    try await abandonable { try await $0.assetStatus(assetId: assetId) }
  }

  /// The status of the asset at a location. A location without a registration is a status too.
  public func status(at location: URL) async throws -> AssetStatus {
    let id = try await registeredId(at: location)
    return try await status(of: id ?? derivedId(of: location))
  }

  /// The status of every registered asset.
  public func allStatuses() async throws -> [AssetStatus] {
    try await abandonable { try await $0.allStatuses() }
  }

  /// The status after asking the disk and the CDM. Slower.
  ///
  /// - Parameters:
  ///   - assetId: the asset.
  ///   - media: ask the disk whether the media is there, and AVFoundation whether a package of its own (`.movpkg`) is
  ///     complete (`AVAssetCache.isPlayableOffline`).
  ///   - licenses: ask storage and CDM whether the licenses are there and what is left of them.
  public func verifyAsset(_ assetId: String, media: Bool = true, licenses: Bool = true) async throws -> AssetStatus {
    let status = try await abandonable {
      try await $0.verifyAsset(assetId: assetId, checkMedia: media, checkLicenses: licenses)
    }
    return media ? status.checkingPackage(at: try asset(assetId)?.path) : status
  }
}

/// How long an asset may be played.
public struct LicenseExpirationInfo: Sendable, Equatable {
  /// The earliest end among its licenses, with a running playback window counted in.
  public let expires: Expiry

  /// Whether it could be played when it was asked.
  public let isPlayable: Bool

  /// The time at which it ends; `nil` if it never ends or the end is not known.
  public var expirationDate: Date? { expires.date }

  /// True if it may be played now: it could be when asked, and its time has not run out since.
  public func isValid() -> Bool {
    isPlayable && expirationDate.map { $0 > Date() } ?? true
  }

  /// `nil` for an asset that needs no license.
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
