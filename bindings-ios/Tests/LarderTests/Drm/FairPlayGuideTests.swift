import AVFoundation
import Foundation
import Larder
import TestSupport
import Testing

@Suite("The guide to FairPlay")
struct FairPlayGuideTests {
  @Test("its lines are compiled below")
  func same() throws {
    let guide = try String(
      contentsOf: Repository.root.appendingPathComponent("docs/guides/fairplay.md"), encoding: .utf8)
    let source = try String(contentsOf: URL(fileURLWithPath: #filePath), encoding: .utf8)
    let shown = guide.components(separatedBy: "```swift\n").dropFirst().map { $0.components(separatedBy: "```")[0] }
    #expect(shown.count == 3)
    for line in shown.joined().split(separator: "\n") {
      let line = line.trimmingCharacters(in: .whitespaces)
      #expect(source.contains(line), "\(line)")
    }
  }

  @Test("its player plays what the app had, when nothing is here")
  @MainActor
  func remote() async throws {
    let manager = try LocalAssetsManager(config: try TestDevice().config(), storage: MemoryDrmStorage())
    let player = AVPlayer(playerItem: nil)
    let remoteURL = try #require(URL(string: "https://cdn.example/master.m3u8"))
    try await play(player, manager, remoteURL)
    #expect((player.currentItem?.asset as? AVURLAsset)?.url == remoteURL)
  }
}

// What the guide shows.

func fairPlayManager() throws -> LocalAssetsManager {
  var options = FairPlayEngine.Options()
  options.playbackWindow = { _ in 48 * 3600 }  // if your service has one: FairPlay does not tell
  let manager = try LocalAssetsManager(config: .standard(), engines: [FairPlayEngine(options: options)])
  return manager
}

@MainActor
private func play(_ player: AVPlayer, _ manager: LocalAssetsManager, _ remoteURL: URL) async throws {
  player.replaceCurrentItem(with: try await manager.playerItem(for: "entry-1", current: remoteURL))
}

@MainActor
func playAgain(
  _ player: AVPlayer, _ item: AVPlayerItem, _ manager: LocalAssetsManager, _ source: LocalMediaSource
) async throws {
  if LocalMediaSource.isFirstOfflineFailure(item.error) {
    player.replaceCurrentItem(with: try await source.makePlayerItem(manager: manager))
  }
}
