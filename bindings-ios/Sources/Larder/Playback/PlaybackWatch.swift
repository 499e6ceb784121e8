import AVFoundation
import Foundation

/// Reports the first playback of a player item to the manager, in any player.
///
/// An item does not report playback; its player does. The watch observes rate changes of all players, and once a player
/// with the item has a rate, it waits until playback moves.
final class PlaybackWatch: @unchecked Sendable {
  private let manager: LocalAssetsManager
  private let assetId: String
  private weak var item: AVPlayerItem?

  // Protects the properties below; never held while a player is called.
  private let lock = NSLock()
  private var notification: (any NSObjectProtocol)?
  private var isDone = false
  // Used on the main actor only.
  @MainActor private var observed: (player: AVPlayer, observer: Any)?

  @MainActor
  init(_ item: AVPlayerItem, manager: LocalAssetsManager, assetId: String) {
    (self.item, self.manager, self.assetId) = (item, manager, assetId)
    // https://developer.apple.com/documentation/avfoundation/avplayer/ratedidchangenotification
    let token = NotificationCenter.default.addObserver(
      forName: AVPlayer.rateDidChangeNotification, object: nil, queue: nil
    ) { [weak self] notification in
      guard let player = notification.object as? AVPlayer else { return }
      Task { @MainActor in self?.rateChanged(player) }
    }
    lock.withLock { notification = token }
  }

  deinit {
    if let notification { NotificationCenter.default.removeObserver(notification) }
  }

  @MainActor
  private func rateChanged(_ player: AVPlayer) {
    guard !isReported, let item, player.currentItem === item else { return }
    if player.timeControlStatus == .playing { return report() }
    guard player.rate != 0, observed == nil else { return }
    // The player may still wait for media or keys. The observer is also called when playback starts.
    let observer = player.addPeriodicTimeObserver(
      forInterval: CMTime(seconds: 1, preferredTimescale: 1), queue: .main
    ) { [weak self, weak player] _ in
      Task { @MainActor in
        guard let self, let player, player.timeControlStatus == .playing else { return }
        guard player.currentItem === self.item else { return self.stopObserving() }
        self.report()
      }
    }
    observed = (player, observer)
  }

  private var isReported: Bool { lock.withLock { isDone } }

  @MainActor
  private func report() {
    stopObserving()
    let isFirst = lock.withLock {
      defer { isDone = true }
      return !isDone
    }
    guard isFirst else { return }
    let now = Date()
    // The report is written to disk, so it runs off the main thread.
    Task.detached { [manager, assetId, weak self] in
      do {
        try manager.playbackStarted(assetId, at: now)
      } catch {
        // The next start tries again.
        self?.lock.withLock { self?.isDone = false }
      }
    }
  }

  @MainActor
  private func stopObserving() {
    observed.map { $0.player.removeTimeObserver($0.observer) }
    observed = nil
  }
}
