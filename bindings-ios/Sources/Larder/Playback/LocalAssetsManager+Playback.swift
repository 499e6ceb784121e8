import Foundation
import LarderBindings

extension LocalAssetsManager {
  /// Returns a media entry with the local source alone, for a player to play instead of the remote entry.
  ///
  /// - Parameters:
  ///   - id: the id of the new entry: the app's asset id or the backend's entry id.
  ///   - localURL: the location of the media, which selects the asset.
  /// - Throws: ``LarderError/Code/assetNotFound`` if no asset is registered there, or its registration has not completed. An
  ///   expired asset still has an entry; ``status(at:)`` states why it does not play.
  @_disfavoredOverload  // LarderCompat's form, which does not throw, wins where an app imports it.
  public func createLocalMediaEntry(for id: String, localURL: URL) throws -> MediaEntry {
    MediaEntry(id: id, sources: [try getLocalMediaSource(location: localURL).mediaSource])
  }

  /// Returns the source that a player opens for an asset, with the licenses it needs.
  ///
  /// - Parameter location: must be the registered one, if given.
  /// - Throws: ``LarderError/Code/assetNotFound``. An expired asset still has a source; its status states why it does
  ///   not play.
  public func getLocalMediaSource(assetId: String, location: URL? = nil) throws -> LocalMediaSource {
    let path = try location?.mediaPath()
    return try direct { try $0.localMediaSource(assetId: assetId, path: path) }
  }

  /// Returns the source that a player opens for the asset at a location, with the licenses it needs.
  public func getLocalMediaSource(location: URL) throws -> LocalMediaSource {
    guard let asset = try asset(at: location) else { throw notRegistered() }
    return try getLocalMediaSource(assetId: asset.assetId)
  }

  /// Returns the URL to play for an entry, from the registry or the app's ``SourceURLProvider``, in the set order.
  ///
  /// Call it at the start of every playback and replay, and do not cache the result.
  ///
  /// - Parameters:
  ///   - entryId: the backend's entry id.
  ///   - current: the URL that the player would play otherwise.
  /// - Returns: `nil` to keep `current`.
  public func sourceURL(for entryId: String, current: URL? = nil) throws -> URL? {
    let answer = try direct { try $0.sourceUrl(entryId: entryId, currentUrl: current?.absoluteString) }
    guard let answer else { return nil }
    guard let url = URL(string: answer) else {
      throw LarderError(.delegateFailed, "the source URL provider's answer is not a URL")
    }
    return url
  }

  /// Sets when the registry answers ``sourceURL(for:current:)``, and whether the registry or the app is asked first.
  ///
  /// Takes effect with the next call.
  public func setSourceURLMode(_ mode: SourceUrlMode, order: SourceUrlOrder = .appFirst) throws {
    try direct { try $0.setSourceUrlMode(mode: mode, order: order) }
  }

  /// Records the start of a playback of an asset. The first one starts the playback window of its licenses.
  public func playbackStarted(_ assetId: String, at date: Date = Date()) throws {
    let atMs = try date.milliseconds()
    try direct { try $0.playbackStarted(assetId: assetId, atMs: atMs) }
  }

  /// Returns the CDM's handle of a license, for a player. It is a secret: pass it to the CDM only.
  ///
  /// - Throws: ``LarderError/Code/licenseMissing`` or ``LarderError/Code/licenseUnreadable``.
  public func licenseHandle(_ licenseId: String) throws -> Data {
    try direct { try $0.licenseHandle(licenseId: licenseId) }
  }

  /// Stores a handle that the CDM has rotated (FairPlay's dual expiry). The handle is durable when the call returns.
  ///
  /// - Returns: the id of the license from now on.
  @discardableResult
  public func licenseHandleChanged(_ licenseId: String, to handle: Data, times: LicenseTimes) throws -> String {
    try direct { try $0.licenseHandleChanged(licenseId: licenseId, handle: handle, times: times) }
  }
}

extension LocalMediaSource {
  /// This source as a source of a media entry. `isLocal` is true; the licenses are not part of it.
  public var mediaSource: MediaSource { MediaSource(id: assetId, url: url, format: format, isLocal: true) }
}

extension Date {
  fileprivate func milliseconds() throws -> Int64 {
    guard let milliseconds = Int64(exactly: (timeIntervalSince1970 * 1000).rounded()) else {
      throw LarderError(.invalidArgument, "the date is out of range")
    }
    return milliseconds
  }
}
