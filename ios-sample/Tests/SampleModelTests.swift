import AVFoundation
import Foundation
import Larder
import TestSupport
import Testing

@testable import SampleModel

@Suite("The sample's screen", .timeLimit(.minutes(1)))
@MainActor
struct SampleModelTests {
  @Test("it lists titles, registers one, plays, renews and deletes it")
  func wholeStory() async throws {
    let stage = try Stage()
    let model = stage.model
    await model.load()
    #expect(model.rows.map(\.name) == ["A clear film", "A film with keys"])
    #expect(model.rows.allSatisfy { $0.headline == "Not here" && $0.canRegister && !$0.canPlay && !$0.canDelete })

    await model.register("keys")
    let row = try #require(model.rows.last)
    #expect(row.headline == "Ready" && row.remedy == nil && row.detail.hasPrefix("Until "))
    #expect(row.canPlay && row.canRenew && row.canDelete && !row.canRegister)
    #expect(model.message == nil)

    await model.renew("keys")
    #expect(model.rows.last?.headline == "Ready")
    #expect(try await stage.servers.licenseRecords().licenses.count == 2)

    await model.delete("keys")
    #expect(model.rows.last?.headline == "Not here")
    try await stage.manager.reconcile()
    #expect(try await stage.servers.licenseRecords().live == 0)
    #expect(!FileManager.default.fileExists(atPath: stage.device.downloads.appendingPathComponent("keys").path))
  }

  @Test("a clip of the bundle is one MP4 file, which is registered and played")
  func bundledClip() async throws {
    let stage = try Stage()
    await stage.model.register("clear")
    let row = try #require(stage.model.rows.first)
    #expect(row.headline == "Ready" && row.detail == "Without an end.")
    let item = try #require(await stage.model.play("clear"))
    let asset = try #require(item.asset as? AVURLAsset)
    #expect(asset.url.lastPathComponent == "clear.mp4" && FileManager.default.fileExists(atPath: asset.url.path))
  }

  @Test("what fails is said with what helps, and the row is as it was")
  func failure() async throws {
    let stage = try Stage()
    try await stage.servers.stop()
    await stage.model.register("keys")
    #expect(stage.model.message?.hasSuffix("Connect to a network.") == true)
    #expect(stage.model.rows.last?.headline == "Not here" && stage.model.rows.last?.isBusy == false)
    stage.model.dismissMessage()
    #expect(stage.model.message == nil)
  }

  @Test("media that is gone is said with why and remedy, and cannot be played")
  func goneMedia() async throws {
    let stage = try Stage()
    await stage.model.register("keys")
    try FileManager.default.removeItem(at: stage.device.downloads.appendingPathComponent("keys"))
    await stage.model.load()
    let row = try #require(stage.model.rows.last)
    #expect(row.headline == "Does not play" && row.remedy == "Delete it and download it again." && !row.canPlay)
    #expect(!row.detail.isEmpty)
  }

  @Test("what is not registered does not play, and the screen says so")
  func unregistered() async throws {
    let stage = try Stage()
    #expect(await stage.model.play("clear") == nil)
    #expect(stage.model.message != nil)
  }

  @Test("a row is busy while something is done with it, and a second touch does nothing")
  func busy() async throws {
    let stage = try Stage()
    let states = Shared<[Bool]>([])
    stage.model.onChange = { states.change { $0.append(stage.model.rows[1].isBusy) } }
    let fetching = Gate()
    stage.whileFetching.value = { await fetching.opened() }
    async let first: Void = stage.model.register("keys")
    while stage.fetched.value == 0 { await Task.yield() }
    await stage.model.register("keys")
    fetching.open()
    await first
    #expect(states.value.contains(true) && states.value.last == false)
    #expect(try await stage.servers.licenseRecords().licenses.count == 1)
    #expect(stage.fetched.value == 1)
  }

  @Test("a player that stops is explained by Larder's error behind its own")
  func playerFailed() async throws {
    let stage = try Stage()
    let cause = LarderError(.licenseExpired, "the license has expired", remedy: .reregister)
    stage.model.playerFailed(
      NSError(domain: "AVFoundationErrorDomain", code: -11800, userInfo: [NSUnderlyingErrorKey: cause]))
    #expect(stage.model.message == "the license has expired. Delete it and register it again.")
    stage.model.playerFailed(nil)
    #expect(stage.model.message == "The player stopped.")
  }

  @Test("the catalogue's ids are unique, and what is downloaded is HLS")
  func catalogue() {
    #expect(Set(SampleTitle.all.map(\.id)).count == SampleTitle.all.count)
    for title in SampleTitle.all {
      if case .downloaded = title.media { #expect(title.source.format == .hls) }
      #expect(SampleTitle[title.id]?.name == title.name)
    }
  }
}

/// The sample on a device of the tests: two titles, one clear from the bundle, one with ClearKey.
@MainActor
private final class Stage {
  let servers: TestServers
  let device: TestDevice
  let manager: LocalAssetsManager
  let model: SampleModel
  let fetched = Shared(0)
  let whileFetching = Shared<(@Sendable () async -> Void)?>(nil)

  init() throws {
    let (servers, device, fetched, whileFetching) = (try TestServers(), try TestDevice(), fetched, whileFetching)
    (self.servers, self.device) = (servers, device)
    manager = try LocalAssetsManager(
      config: device.config(), storage: MemoryDrmStorage(), engines: [SwiftClearKey()])
    let titles = [
      SampleTitle(
        id: "clear", name: "A clear film", source: MediaSource(id: "clear", url: "https://cdn.example/clip.mp4"),
        media: .bundled(folder: "video-234")),
      SampleTitle(id: "keys", name: "A film with keys", source: servers.source(.cencDash), media: .downloaded),
    ]
    model = SampleModel(manager: manager, titles: titles) { title in
      fetched.change { $0 += 1 }
      await whileFetching.value?()
      guard case .bundled(let folder) = title.media else {
        return try device.download(.cencDash, as: title.id).deletingLastPathComponent()
      }
      let bundle = Repository.media.appendingPathComponent("cmaf-clear").appendingPathComponent(folder)
      return try BundledClip.unpack(bundle, as: title.id, into: device.downloads)
    }
  }
}
