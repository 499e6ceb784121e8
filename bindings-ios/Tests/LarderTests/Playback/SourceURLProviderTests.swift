import Foundation
import Larder
import TestSupport
import Testing

@Suite("The source URL provider")
struct SourceURLProviderTests {
  private let current = URL(string: "https://cdn.example/film/master.m3u8?sig=1")

  @Test("the app's provider is asked at every playback: its answer may change between two plays")
  func changing() throws {
    let device = try TestDevice()
    let answer = Shared<URL?>(nil)
    let asked = Shared<[String]>([])
    let manager = try manager(device) { entry, current in
      asked.change { $0.append("\(entry) \(current?.absoluteString ?? "-")") }
      return answer.value
    }
    #expect(try manager.sourceURL(for: "entry-1", current: current) == nil)
    let mirror = try #require(URL(string: "https://mirror.example/a%20b.m3u8"))
    answer.value = mirror
    #expect(try manager.sourceURL(for: "entry-1", current: current) == mirror)
    answer.value = nil
    #expect(try manager.sourceURL(for: "entry-1") == nil)
    let url = try #require(current).absoluteString
    #expect(asked.value == ["entry-1 \(url)", "entry-1 \(url)", "entry-1 -"])
  }

  @Test("the registry answers as its mode says, and the mode may change between two plays")
  func modes() async throws {
    let device = try TestDevice()
    let manager = try manager(device, provider: nil)
    let location = try device.download(.clearHls)
    try await manager.registerDownloadedAsset(
      location: location, mediaSource: MediaSource(id: "s", url: "https://cdn.example/m.m3u8"), assetId: "film",
      entryId: "entry-1")
    func answer() throws -> String? { try manager.sourceURL(for: "entry-1", current: current)?.path }

    #expect(try answer() == nil)
    try manager.setSourceURLMode(.localAlways)
    #expect(try answer() == location.path)
    #expect(try manager.sourceURL(for: "another", current: current) == nil)
    try manager.setSourceURLMode(.localWhenOffline)
    try manager.setNetworkState(.online)
    #expect(try answer() == nil)
    try manager.setNetworkState(.offline)
    #expect(try answer() == location.path)
    try await manager.unregisterAsset("film")
    #expect(try answer() == nil)
  }

  @Test("the order decides who is asked first; the second is asked if the first keeps the current URL")
  func order() async throws {
    let device = try TestDevice()
    let mirror = URL(string: "https://mirror.example/m.m3u8")
    let answer = Shared<URL?>(mirror)
    let manager = try manager(device) { _, _ in answer.value }
    let location = try device.download(.clearHls)
    try await manager.registerDownloadedAsset(
      location: location, mediaSource: MediaSource(id: "s", url: "https://cdn.example/m.m3u8"), assetId: "film")

    try manager.setSourceURLMode(.localAlways, order: .appFirst)
    #expect(try manager.sourceURL(for: "film", current: current) == mirror)
    try manager.setSourceURLMode(.localAlways, order: .registryFirst)
    #expect(try manager.sourceURL(for: "film", current: current)?.path == location.path)
    #expect(try manager.sourceURL(for: "another", current: current) == mirror)
    answer.value = nil
    try manager.setSourceURLMode(.localAlways, order: .appFirst)
    #expect(try manager.sourceURL(for: "film", current: current)?.path == location.path)
  }

  @Test("a provider that throws keeps nobody from playing: the next one is asked")
  func throwing() async throws {
    let device = try TestDevice()
    let manager = try manager(device) { _, _ in throw Failure(what: "hunter2") }
    let location = try device.download(.clearHls)
    try await manager.registerDownloadedAsset(
      location: location, mediaSource: MediaSource(id: "s", url: "https://cdn.example/m.m3u8"), assetId: "film")
    #expect(try manager.sourceURL(for: "film", current: current) == nil)
    try manager.setSourceURLMode(.localAlways, order: .appFirst)
    #expect(try manager.sourceURL(for: "film", current: current)?.path == location.path)
  }

  @Test("a provider that hangs is not waited for", .timeLimit(.minutes(1)))
  func hanging() throws {
    let (device, free) = (try TestDevice(), Gate())
    let manager = try LocalAssetsManager(
      config: device.config(delegateTimeoutSeconds: 1), storage: MemoryDrmStorage(),
      sourceURLProvider: Provider { _, _ in
        free.wait()
        return URL(string: "https://too.late/")
      })
    #expect(try manager.sourceURL(for: "entry-1", current: current) == nil)
    free.open()
  }

  @Test("a provider may call the manager back")
  func reentrant() throws {
    let device = try TestDevice()
    let manager = Shared<LocalAssetsManager?>(nil)
    let made = try self.manager(device) { entry, _ in
      try manager.value?.asset(entry) == nil ? URL(string: "https://remote.example/") : nil
    }
    manager.value = made
    #expect(try made.sourceURL(for: "entry-1")?.host == "remote.example")
    manager.value = nil
  }

  private func manager(
    _ device: TestDevice, provider: (@Sendable (String, URL?) throws -> URL?)?
  ) throws -> LocalAssetsManager {
    try LocalAssetsManager(
      config: device.config(), storage: MemoryDrmStorage(), sourceURLProvider: provider.map(Provider.init))
  }

  private func manager(
    _ device: TestDevice, _ provider: @escaping @Sendable (String, URL?) throws -> URL?
  ) throws -> LocalAssetsManager {
    try manager(device, provider: provider)
  }
}

private struct Provider: SourceURLProvider {
  let answer: @Sendable (String, URL?) throws -> URL?

  init(_ answer: @escaping @Sendable (String, URL?) throws -> URL?) {
    self.answer = answer
  }

  func sourceURL(for entryId: String, current: URL?) throws -> URL? { try answer(entryId, current) }
}
