import AVFoundation
import Foundation
import LarderBindings

extension LocalMediaSource {
  /// Creates an asset that plays with its stored keys, without a key server.
  ///
  /// The asset retains its content key session and the delegate of the session; the app retains the asset alone.
  ///
  /// - Parameters:
  ///   - manager: the manager with the licenses.
  ///   - url: the URL that the player opens; ``url`` by default. AVPlayer plays no playlist from disk, so HLS other than a
  ///     `.movpkg` needs a server on this device, whose URL goes here.
  ///   - session: a new content key session without a delegate, in place of the default one.
  /// - Throws: ``LarderError/Code/formatUnsupported`` for DASH, which AVPlayer does not play.
  public func makeAsset(
    manager: LocalAssetsManager, url: URL? = nil, session: AVContentKeySession? = nil
  ) throws -> AVURLAsset {
    try asset(manager, url, session)
  }

  /// Creates a player item that plays with its stored keys and selects stored media only. Its first playback is reported to
  /// the manager (``LocalAssetsManager/playbackStarted(_:at:)``).
  ///
  /// `AVAssetDownloadTask` may have stored some languages only, and a selection that is not stored makes AVPlayer use the
  /// network and fail. In each group a stored option is selected, in the user's preferred languages.
  ///
  /// **The first offline playback** of a complete asset fails at times: AVFoundation reports "not connected to the
  /// Internet", and a second attempt with a new asset works. This function makes up to two further attempts, each after a
  /// short pause. If an item fails later with this error (`AVPlayerItem.error`, domain `NSURLErrorDomain`, -1009), create
  /// another item and play it. See ``LocalMediaSource/isFirstOfflineFailure(_:)``.
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

  /// Returns true for the error with which the first offline playback of a complete asset fails at times. Another attempt
  /// with a new asset helps.
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
      throw LarderError(.formatUnsupported, "AVPlayer does not play DASH: register an HLS source")
    }
    guard let place = url ?? URL(string: self.url) else {
      throw LarderError(.internal, "the local source has no valid URL")
    }
    let asset = LocalAsset(url: place)
    // Otherwise AVFoundation requests keys before a delegate is set (kaltura/playkit-ios, FEM-2627).
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

/// An asset that retains its session and delegate, because AVFoundation retains neither.
final class LocalAsset: AVURLAsset, @unchecked Sendable {
  // Protects `kept`.
  private let lock = NSLock()
  private var kept: [AnyObject] = []

  func keep(_ object: AnyObject) {
    lock.withLock { kept.append(object) }
  }
}

/// The stored option of each media selection group of an asset.
///
/// Loaded on any thread, applied on the main actor. Apple's groups and options are immutable but not declared Sendable.
private struct StoredSelection: @unchecked Sendable {
  private var chosen: [(AVMediaSelectionGroup, AVMediaSelectionOption?)] = []

  /// Selects nothing for an asset that AVFoundation did not download: all options of its manifest are stored.
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

  /// Chooses audio and video in the user's language, else the manifest's default, else any stored option; text only if the
  /// manifest selects it.
  private static func choice(
    of stored: [AVMediaSelectionOption], in group: AVMediaSelectionGroup, isText: Bool
  ) -> AVMediaSelectionOption? {
    let byDefault = group.defaultOption.flatMap { stored.contains($0) ? $0 : nil }
    if isText { return byDefault }
    let preferred = AVMediaSelectionGroup.mediaSelectionOptions(
      from: stored, filteredAndSortedAccordingToPreferredLanguages: Locale.preferredLanguages)
    return preferred.first ?? byDefault ?? stored.first
  }
}
