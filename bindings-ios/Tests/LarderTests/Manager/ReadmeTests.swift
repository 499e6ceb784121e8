import Foundation
import Larder
import TestSupport
import Testing

@Suite("The READMEs")
struct ReadmeTests {
  @Test("their code is the code below", arguments: ["README.md", "bindings-ios/README.md"])
  func same(path: String) throws {
    let readme = try String(contentsOf: Repository.root.appendingPathComponent(path), encoding: .utf8)
    let source = try String(contentsOf: URL(fileURLWithPath: #filePath), encoding: .utf8)
    let shown = try #require(readme.components(separatedBy: "```swift\nimport Larder\n\n").last)
    let code = try #require(shown.components(separatedBy: "```").first)
    #expect(code.contains("func play"))
    #expect(source.hasSuffix("// What the README shows.\n\n" + code))
  }

  @Test("their code keeps a film and plays it")
  func runs() async throws {
    let device = try TestDevice()
    let film = try device.download(.clearHls)
    // The one folder that tests share with each other, and with a run that did not come to its end.
    try await LocalAssetsManager.managerWithDefaultDataStore().unregisterAsset("film-1")
    try await keep(film, from: MediaSource(id: "s", url: "https://cdn.example/master.m3u8"))
    let entry = try await play(film)
    #expect(entry?.sources.map(\.isLocal) == [true])
    try await LocalAssetsManager.managerWithDefaultDataStore().unregisterAsset("film-1")
    #expect(try await play(film) == nil)
  }
}

// What the README shows.

func keep(_ film: URL, from source: MediaSource) async throws {
  let manager = LocalAssetsManager.managerWithDefaultDataStore()
  try await manager.registerDownloadedAsset(location: film, mediaSource: source, assetId: "film-1")
}

func play(_ film: URL) async throws -> MediaEntry? {
  let manager = LocalAssetsManager.managerWithDefaultDataStore()
  let status = try await manager.status(of: "film-1")
  guard status.isPlayable else {
    print(status.why, status.remedy, status.message)
    return nil
  }
  return try manager.createLocalMediaEntry(for: "film-1", localURL: film)
}
