import AVFoundation
import Foundation
import LarderBindings

extension LocalMediaSource {
  /// An asset for a player, with its stored keys: no key server is asked.
  ///
  /// It keeps the content key session and the delegate that answers for it; keep nothing but the asset.
  ///
  /// - Parameters:
  ///   - manager: has the licenses.
  ///   - url: what the player opens, if it is not ``url``: AVPlayer plays no playlist from disk, so HLS that is no
  ///     `.movpkg` needs a server on this device, and its URL here.
  ///   - session: a fresh content key session without a delegate, if it is to be another than the usual.
  /// - Throws: ``LarderError/Code/assetNotPlayable`` for DASH, which AVPlayer does not play.
  public func makeAsset(
    manager: LocalAssetsManager, url: URL? = nil, session: AVContentKeySession? = nil
  ) throws -> AVURLAsset {
    try asset(manager, url, session)
  }

  /// The same as a player item, with the media selection limited to what is stored, and its first playback reported to the
  /// manager (``LocalAssetsManager/playbackStarted(_:at:)``).
  ///
  /// Of what `AVAssetDownloadTask` stored not every language need be there; a selection that is not there makes AVPlayer
  /// ask the network, and fail. So in each group something that is there is selected, in the user's preferred languages.
  ///
  /// **The first offline playback** of such an asset fails now and then, though it is complete: AVFoundation says "not
  /// connected to the Internet", and a second attempt with a fresh asset works. So that is what happens here, twice at
  /// most, after a short pause. Should an *item* of yours fail with that error later (`AVPlayerItem.error`, domain
  /// `NSURLErrorDomain`, -1009), make another one and play that. See ``LocalMediaSource/isFirstOfflineFailure(_:)``.
  @MainActor
  public func makePlayerItem(
    manager: LocalAssetsManager, url: URL? = nil,
    session: @Sendable () -> AVContentKeySession = { AVContentKeySession(keySystem: .fairPlayStreaming) }
  ) async throws -> AVPlayerItem {
    var pausesMs: [UInt64] = [100, 400]
    while true {
      let asset = try asset(manager, url, session())
      do {
        let selection = try await StoredSelection(of: asset)
        let item = AVPlayerItem(asset: asset)
        selection.apply(to: item)
        asset.keep(PlaybackWatch(item, manager: manager, assetId: assetId))
        return item
      } catch {
        guard Self.isFirstOfflineFailure(error), !pausesMs.isEmpty else { throw error }
        try await Task.sleep(nanoseconds: pausesMs.removeFirst() * 1_000_000)
      }
    }
  }

  /// True for the error with which the first offline playback of a complete asset fails now and then; another attempt with
  /// a fresh asset helps.
  ///
  /// Source: <https://developer.apple.com/forums/tags/media-technologies>, "FairPlay HLS downloaded asset fails to play on
  /// first attempt when offline, works on retry".
  public static func isFirstOfflineFailure(_ error: (any Error)?) -> Bool {
    var next = error.map { $0 as NSError }
    for _ in 0..<16 {
      guard let current = next else { return false }
      if current.domain == NSURLErrorDomain && current.code == NSURLErrorNotConnectedToInternet { return true }
      next = current.userInfo[NSUnderlyingErrorKey] as? NSError
    }
    return false
  }

  private func asset(_ manager: LocalAssetsManager, _ url: URL?, _ session: AVContentKeySession?) throws -> LocalAsset {
    guard format != .dash else {
      throw LarderError(.assetNotPlayable, "AVPlayer does not play DASH", remedy: .fixInput)
    }
    guard let place = url ?? URL(string: self.url) else {
      throw LarderError(.internal, "the local source's URL is none", remedy: .contactSupport)
    }
    let asset = LocalAsset(url: place)
    // Else AVFoundation asks for keys before a delegate is there to answer (kaltura/playkit-ios, FEM-2627).
    asset.resourceLoader.preloadsEligibleContentKeys = false
    guard licenses.contains(where: { $0.scheme == .fairPlay }) else { return asset }
    let keys = OfflineContentKeyDelegate(manager: manager, source: self)
    let session = session ?? AVContentKeySession(keySystem: .fairPlayStreaming)
    session.setDelegate(keys, queue: keys.queue)
    session.addContentKeyRecipient(asset)
    asset.keep(session)
    asset.keep(keys)
    return asset
  }
}

/// An asset that keeps what it needs: AVFoundation keeps neither a recipient's session nor a session's delegate.
final class LocalAsset: AVURLAsset, @unchecked Sendable {
  // Protects `kept`.
  private let lock = NSLock()
  private var kept: [AnyObject] = []

  func keep(_ object: AnyObject) {
    lock.withLock { kept.append(object) }
  }
}

/// In each group of an asset, what is stored of it.
///
/// Found where the asset loads, applied on the main actor. Apple's groups and options never change, but do not say that they
/// are Sendable.
private struct StoredSelection: @unchecked Sendable {
  private var chosen: [(AVMediaSelectionGroup, AVMediaSelectionOption?)] = []

  /// Nothing for an asset that AVFoundation did not download: all that its manifest names is there.
  init(of asset: AVURLAsset) async throws {
    guard let cache = asset.assetCache else { return }
    for characteristic in try await asset.load(.availableMediaCharacteristicsWithMediaSelectionOptions) {
      guard let group = try await asset.loadMediaSelectionGroup(for: characteristic) else { continue }
      let stored = cache.mediaSelectionOptions(in: group)
      if let option = Self.choice(of: stored, in: group, isText: characteristic == .legible) {
        chosen.append((group, option))
      } else if group.allowsEmptySelection {
        chosen.append((group, nil))
      }
    }
  }

  @MainActor
  func apply(to item: AVPlayerItem) {
    for (group, option) in chosen { item.select(option, in: group) }
  }

  /// Sound and pictures in the user's language, else as the manifest says, else what there is; text only if the manifest
  /// selects it.
  private static func choice(
    of stored: [AVMediaSelectionOption], in group: AVMediaSelectionGroup, isText: Bool
  ) -> AVMediaSelectionOption? {
    let usual = group.defaultOption.flatMap { stored.contains($0) ? $0 : nil }
    if isText { return usual }
    let preferred = AVMediaSelectionGroup.mediaSelectionOptions(
      from: stored, filteredAndSortedAccordingToPreferredLanguages: Locale.preferredLanguages)
    return preferred.first ?? usual ?? stored.first
  }
}
