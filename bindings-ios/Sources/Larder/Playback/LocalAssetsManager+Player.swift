import AVFoundation
import Foundation
import LarderBindings

extension LocalAssetsManager {
  /// Returns a player item for an entry, local if the entry is registered. One line integrates an AVPlayer app.
  ///
  /// ```swift
  /// player.replaceCurrentItem(with: try await manager.playerItem(for: "entry-1", current: remoteURL))
  /// ```
  ///
  /// Takes the URL from ``sourceURL(for:current:)``, so call it at the start of every playback and replay, and do not keep
  /// the item. If the URL is the location of a registered asset, the item plays with its stored licenses
  /// (``LocalMediaSource/makePlayerItem(manager:url:session:)``). Any other URL is played unchanged.
  ///
  /// - Parameters:
  ///   - entryId: the backend's entry id.
  ///   - current: the URL that the player would play otherwise.
  @MainActor
  public func playerItem(for entryId: String, current: URL) async throws -> AVPlayerItem {
    // The app's provider may block.
    let url = try await inBackground { try $0.sourceURL(for: entryId, current: current) } ?? current
    guard url.isFileURL, let asset = try asset(at: url) else { return AVPlayerItem(url: url) }
    return try await getLocalMediaSource(assetId: asset.assetId).makePlayerItem(manager: self)
  }

  /// Runs a blocking call on a thread of its own, not on one of the few that all tasks share.
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
