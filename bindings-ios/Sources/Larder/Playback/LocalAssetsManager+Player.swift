import AVFoundation
import Foundation
import LarderBindings

extension LocalAssetsManager {
  /// A player item for an entry, local if there is something local to play: the one line that hooks an AVPlayer app in.
  ///
  /// ```swift
  /// player.replaceCurrentItem(with: try await manager.playerItem(for: "entry-1", current: remoteURL))
  /// ```
  ///
  /// Asks ``sourceURL(for:current:)``, the app's ``SourceURLProvider`` and the registry in the set order; so call it at the
  /// start of every playback, a replay too, and do not keep the item. Where the answer is the location of a registered
  /// asset, the item plays with its stored licenses (``LocalMediaSource/makePlayerItem(manager:url:session:)``); any other
  /// answer is played as it is.
  ///
  /// - Parameters:
  ///   - entryId: the backend's entry id.
  ///   - current: what the player would play.
  @MainActor
  public func playerItem(for entryId: String, current: URL) async throws -> AVPlayerItem {
    // The app's provider may take its time.
    let url = try await inBackground { try $0.sourceURL(for: entryId, current: current) } ?? current
    guard url.isFileURL, let asset = try asset(at: url) else { return AVPlayerItem(url: url) }
    return try await getLocalMediaSource(assetId: asset.assetId).makePlayerItem(manager: self)
  }

  // On a thread of its own, not one of the few that all tasks share.
  private func inBackground<T: Sendable>(
    _ call: @escaping @Sendable (LocalAssetsManager) throws -> T
  ) async throws -> T {
    try await withCheckedThrowingContinuation { continuation in
      DispatchQueue.global(qos: .userInitiated).async {
        continuation.resume(with: Result { try call(self) })
      }
    }
  }
}
