@_spi(Stub) import AVFoundation
import Foundation
import Larder
import TestSupport
import Testing

@Suite("Downloads with AVAssetDownloadTask", .timeLimit(.minutes(1)))
struct AssetDownloadsTests {
  @Test("a title is downloaded with its key, registered, and can be played", arguments: ["film", "clear film"])
  func wholeFlow(assetId: String) async throws {
    let phone = try DownloadPhone()
    let task = try phone.downloads.start(assetId, title: "A film", entryId: "entry-1") { $0.artworkData = Data([1]) }
    #expect(task.title == "A film" && task.state == .running)
    #expect(phone.downloads.downloads().map(\.state) == [.running])
    #expect(try await thrown { try phone.downloads.start(assetId, title: "again") }.code == .assetBusy)

    try await phone.run(assetId)
    guard case .registered(let status) = try await phone.event() else { throw Failure(what: "not registered") }
    #expect(status.assetId == assetId && status.isPlayable)
    #expect(phone.downloads.downloads().isEmpty)
    #expect(try phone.manager.assets(ofEntry: "entry-1").map(\.assetId) == [assetId])
    #expect(try phone.manager.asset(assetId)?.root == "home")
    #expect(phone.engine.asked.value == 0)
    #expect(try await phone.licenseRequests() == (assetId == "film" ? 1 : 0))
  }

  @Test("a package that is broken off is reported as incomplete, and taken up again where it lies")
  func brokenOff() async throws {
    let phone = try DownloadPhone()
    try phone.downloads.start("film", title: "A film")
    try await phone.run("film", isComplete: false, error: URLError(.networkConnectionLost))
    guard case .incomplete("film", let error) = try await phone.event() else { throw Failure(what: "another event") }
    #expect(error.code == .network && error.isRetryable)
    let left = try #require(phone.downloads.downloads().first)
    #expect(left.state == .incomplete && left.location?.pathExtension == "movpkg")
    #expect(try phone.manager.assets().isEmpty)

    let again = try phone.downloads.start("film", title: "A film")
    #expect(again.urlAsset.url == left.location)
    try await phone.run("film")
    guard case .registered = try await phone.event() else { throw Failure(what: "not registered") }
    #expect(try await phone.licenseRequests() == 1)
  }

  @Test("a task that ends well with an incomplete package is no success")
  func incompleteWithoutError() async throws {
    let phone = try DownloadPhone()
    try phone.downloads.start("film", title: "A film")
    try await phone.run("film", isComplete: false)
    guard case .incomplete("film", let error) = try await phone.event() else { throw Failure(what: "another event") }
    #expect(error.code == .mediaUnreadable && error.remedy == .repair)
    #expect(try phone.manager.assets().isEmpty)
  }

  @Test("a task goes on after a relaunch, and its key too")
  func relaunch() async throws {
    let phone = try DownloadPhone()
    try phone.downloads.start("film", title: "A film")
    try phone.relaunch()
    let restored = await phone.downloads.restore()
    #expect(restored.map(\.state) == [.running] && restored.map(\.title) == ["A film"])
    try await phone.run("film")
    guard case .registered(let status) = try await phone.event() else { throw Failure(what: "not registered") }
    #expect(status.isPlayable && phone.engine.asked.value == 0)
  }

  @Test("a download whose task is gone is incomplete: the user threw the app away")
  func thrownAway() async throws {
    let phone = try DownloadPhone()
    try phone.downloads.start("film", title: "A film")
    phone.system.forgetAll()
    try phone.relaunch()
    #expect(await phone.downloads.restore().map(\.state) == [.incomplete])
    guard case .incomplete("film", let error) = try await phone.event() else { throw Failure(what: "another event") }
    #expect(error.code == .cancelled)
    // said once
    try phone.relaunch()
    await phone.downloads.restore()
    #expect(phone.events.value.isEmpty)
  }

  @Test("what an update has moved is found: a partial package, and one that is registered")
  func containerMove() async throws {
    let phone = try DownloadPhone()
    try phone.downloads.start("film", title: "A film")
    try await phone.run("film")
    guard case .registered = try await phone.event() else { throw Failure(what: "not registered") }
    try phone.downloads.start("part", title: "A part")
    try await phone.run("part", isComplete: false, error: URLError(.timedOut))
    _ = try await phone.event()

    try phone.relaunch(movingTo: "B")
    let part = try #require(await phone.downloads.restore().first)
    #expect(part.location?.path.hasPrefix(phone.container.home.path) == true)
    let local = try phone.manager.getLocalMediaSource(assetId: "film")
    let url = try #require(URL(string: local.url))
    #expect(url.path.hasPrefix(phone.container.home.path))
    phone.say(true, of: url)
    #expect(try await phone.manager.verifyAsset("film").isPlayable)
  }

  @Test("what could not be registered is registered at the next start")
  func registeredLater() async throws {
    let phone = try DownloadPhone()
    try await phone.kit.stop()
    try phone.downloads.start("film", title: "A film")
    try await phone.run("film")
    var failures: [LarderError.Code] = []
    for _ in 0..<2 {
      switch try await phone.event() {
      case .keyFailed("film", let error), .notRegistered("film", let error): failures.append(error.code)
      default: throw Failure(what: "another event")
      }
    }
    // The news of the key and that of the registration come by ways of their own.
    #expect(failures.count == 2 && failures.contains(.offline))
    #expect(phone.downloads.downloads().map(\.state) == [.downloaded])

    try await phone.kit.resume()
    try phone.relaunch()
    // the key did not come; now the engine gets it as in any registration
    #expect(await phone.downloads.restore().map(\.state) == [.downloaded])
    #expect(phone.engine.asked.value > 0)
  }

  @Test("verifying asks AVFoundation whether the package is complete")
  func verify() async throws {
    let phone = try DownloadPhone()
    try phone.downloads.start("film", title: "A film")
    try await phone.run("film")
    _ = try await phone.event()
    #expect(try await phone.manager.verifyAsset("film").isPlayable)

    let package = try #require(URL(string: try phone.manager.getLocalMediaSource(assetId: "film").url))
    phone.say(false, of: package)
    let status = try await phone.manager.verifyAsset("film")
    #expect(!status.isPlayable && status.why == .mediaMissing && status.remedy == .repair)
    #expect(status.media == .missing && status.message.contains("incomplete"))
    #expect(try await phone.manager.verifyAsset("film", media: false).isPlayable)
    #expect(LocalAssetsManager.isPlayableOffline(package) == false)
    #expect(LocalAssetsManager.isPlayableOffline(phone.scene.downloads) == nil)
  }

  @Test("a download that is removed leaves neither a task, nor a file, nor a key")
  func remove() async throws {
    let phone = try DownloadPhone()
    try phone.downloads.start("film", title: "A film")
    try await phone.run("film", isComplete: false, error: URLError(.timedOut))
    _ = try await phone.event()
    let location = try #require(phone.downloads.downloads().first?.location)
    try phone.downloads.start("film", title: "A film")
    try phone.downloads.remove("film")
    await phone.system.idle()
    #expect(phone.system.tasks.isEmpty && phone.downloads.downloads().isEmpty)
    #expect(!FileManager.default.fileExists(atPath: location.path))
    #expect(phone.storage.keys.isEmpty && phone.events.value.isEmpty)
  }

  @Test("what has no HLS source cannot be started")
  func noSource() async throws {
    let phone = try DownloadPhone()
    #expect(try await thrown { try phone.downloads.start("unknown", title: "?") }.code == .invalidArgument)
    #expect(phone.downloads.downloads().isEmpty && phone.system.tasks.isEmpty)
  }

  @Test("the system is told when its background events are dealt with, on the main queue and once")
  func backgroundEvents() async throws {
    let phone = try DownloadPhone()
    let calls = Shared(0)
    await withCheckedContinuation { continuation in
      phone.downloads.whenBackgroundEventsAreFinished {
        calls.change { $0 += 1 }
        continuation.resume()
      }
      phone.system.finishBackgroundEvents()
    }
    phone.system.finishBackgroundEvents()
    await phone.system.idle()
    #expect(calls.value == 1)
  }

  @Test("what is noted about downloads holds no URL of a server and no key")
  func noSecrets() async throws {
    let phone = try DownloadPhone()
    try phone.downloads.start("film", title: "A film")
    try await phone.run("film", isComplete: false, error: URLError(.timedOut))
    _ = try await phone.event()
    let config = LarderConfig.standard(in: phone.container)
    let noted = try String(contentsOfFile: config.dataDir + "/asset-downloads.json", encoding: .utf8)
    #expect(noted.contains("film") && !noted.contains("http") && !noted.contains("skd"))
  }
}
