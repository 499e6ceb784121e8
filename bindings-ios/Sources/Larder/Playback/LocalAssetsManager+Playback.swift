import Foundation
import LarderBindings

extension LocalAssetsManager {
  /// An entry with one source, the local one, for a player to play instead of the remote entry.
  ///
  /// - Parameters:
  ///   - id: what the entry shall be called: the app's asset id or the backend's entry id.
  ///   - localURL: where the media lies. It decides which asset is meant.
  /// - Throws: ``LarderError/Code/assetNotFound`` if nothing is registered there, or its registration has not ended. An
  ///   expired asset still has an entry; ``status(at:)`` says why it will not play.
  @_disfavoredOverload  // LarderCompat's form, which does not throw, wins where an app imports it.
  public func createLocalMediaEntry(for id: String, localURL: URL) throws -> MediaEntry {
    MediaEntry(id: id, sources: [try getLocalMediaSource(location: localURL).mediaSource])
  }

  /// Returns the source that a player opens for an asset, with the licenses it needs.
  ///
  /// - Parameter location: must be the registered one, if given.
  /// - Throws: ``LarderError/Code/assetNotFound``. An expired asset still has a source; its status says why it will not
  ///   play.
  public func getLocalMediaSource(assetId: String, location: URL? = nil) throws -> LocalMediaSource {
    let path = try location?.mediaPath()
    return try direct { try $0.localMediaSource(assetId: assetId, path: path) }
  }

  /// Returns the source that a player opens for the asset at a location, with the licenses it needs.
  public func getLocalMediaSource(location: URL) throws -> LocalMediaSource {
    guard let asset = try asset(at: location) else { throw notRegistered() }
    return try getLocalMediaSource(assetId: asset.assetId)
  }

  /// The URL to play for an entry: the registry and the app's ``SourceURLProvider``, in the set order.
  ///
  /// Ask at the start of every playback, a replay too, and never cache the answer.
  ///
  /// - Parameters:
  ///   - entryId: the backend's entry id.
  ///   - current: what the player would play.
  /// - Returns: `nil` to keep `current`.
  public func sourceURL(for entryId: String, current: URL? = nil) throws -> URL? {
    let answer = try direct { try $0.sourceUrl(entryId: entryId, currentUrl: current?.absoluteString) }
    guard let answer else { return nil }
    guard let url = URL(string: answer) else {
      throw LarderError(.delegateFailed, "the source URL provider's answer is not a URL", remedy: .fixInput)
    }
    return url
  }

  /// When the registry answers ``sourceURL(for:current:)``, and who is asked first. Takes effect at the next question.
  public func setSourceURLMode(_ mode: SourceUrlMode, order: SourceUrlOrder = .appFirst) throws {
    try direct { try $0.setSourceUrlMode(mode: mode, order: order) }
  }

  /// Notes that a playback of an asset has started; the first one starts the playback window of its licenses.
  public func playbackStarted(_ assetId: String, at date: Date = Date()) throws {
    let atMs = try date.milliseconds()
    try direct { try $0.playbackStarted(assetId: assetId, atMs: atMs) }
  }

  /// The CDM's handle of a license, for a player. It is a secret: hand it to the CDM and nowhere else.
  ///
  /// - Throws: ``LarderError/Code/licenseMissing`` or ``LarderError/Code/licenseUnreadable``.
  public func licenseHandle(_ licenseId: String) throws -> Data {
    try direct { try $0.licenseHandle(licenseId: licenseId) }
  }

  /// Stores a handle that the CDM changed by itself (FairPlay's dual expiry). Durable when it returns.
  ///
  /// - Returns: the id under which the license goes on.
  @discardableResult
  public func licenseHandleChanged(_ licenseId: String, to handle: Data, times: LicenseTimes) throws -> String {
    try direct { try $0.licenseHandleChanged(licenseId: licenseId, handle: handle, times: times) }
  }
}

extension LocalMediaSource {
  /// The same as a source of a media entry: `isLocal` is true, and what its licenses need is known here and not there.
  public var mediaSource: MediaSource { MediaSource(id: assetId, url: url, format: format, isLocal: true) }
}

extension Date {
  fileprivate func milliseconds() throws -> Int64 {
    guard let milliseconds = Int64(exactly: (timeIntervalSince1970 * 1000).rounded()) else {
      throw LarderError(.invalidArgument, "the date is out of range", remedy: .fixInput)
    }
    return milliseconds
  }
}
