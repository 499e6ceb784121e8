@_spi(Stub) import AVFoundation
import Foundation
import Larder
import TestSupport
import Testing

@Suite("Downloads with AVAssetDownloadTask", .timeLimit(.minutes(1)))
struct AssetDownloadsTests {
  @Test("a title is downloaded with its key, registered, and can be played", arguments: ["film", "clear film"])
  func wholeFlow(assetId: String) async throws {
    let device = try DownloadTestDevice()
    let task = try device.downloads.start(assetId, title: "A film", entryId: "entry-1") { $0.artworkData = Data([1]) }
    #expect(task.title == "A film" && task.state == .running)
    #expect(device.downloads.downloads().map(\.state) == [.running])
    #expect(try await thrown { try device.downloads.start(assetId, title: "again") }.code == .assetBusy)

    try await device.run(assetId)
    guard case .registered(let status) = try await device.event() else { throw Failure(what: "not registered") }
    #expect(status.assetId == assetId && status.isPlayable)
    #expect(device.downloads.downloads().isEmpty)
    #expect(try device.manager.assets(ofEntry: "entry-1").map(\.assetId) == [assetId])
    #expect(try device.manager.asset(assetId)?.root == "home")
    #expect(device.engine.asked.value == 0)
    #expect(try await device.licenseRequests() == (assetId == "film" ? 1 : 0))
  }

  @Test("a package that is broken off is reported as incomplete, and taken up again where it lies")
  func brokenOff() async throws {
    let device = try DownloadTestDevice()
    try device.downloads.start("film", title: "A film")
    try await device.run("film", isComplete: false, error: URLError(.networkConnectionLost))
    guard case .incomplete("film", let error) = try await device.event() else { throw Failure(what: "another event") }
    #expect(error.code == .network && error.isRetryable)
    let left = try #require(device.downloads.downloads().first)
    #expect(left.state == .incomplete && left.location?.pathExtension == "movpkg")
    #expect(try device.manager.assets().isEmpty)

    let again = try device.downloads.start("film", title: "A film")
    #expect(again.urlAsset.url == left.location)
    try await device.run("film")
    guard case .registered = try await device.event() else { throw Failure(what: "not registered") }
    #expect(try await device.licenseRequests() == 1)
  }

  @Test("a task that ends well with an incomplete package is no success")
  func incompleteWithoutError() async throws {
    let device = try DownloadTestDevice()
    try device.downloads.start("film", title: "A film")
    try await device.run("film", isComplete: false)
    guard case .incomplete("film", let error) = try await device.event() else { throw Failure(what: "another event") }
    #expect(error.code == .mediaNotFound && error.remedy == .repair)
    #expect(try device.manager.assets().isEmpty)
  }

  @Test("a task goes on after a relaunch, and its key too")
  func relaunch() async throws {
    let device = try DownloadTestDevice()
    try device.downloads.start("film", title: "A film")
    try device.relaunch()
    let restored = await device.downloads.restore()
    #expect(restored.map(\.state) == [.running] && restored.map(\.title) == ["A film"])
    try await device.run("film")
    guard case .registered(let status) = try await device.event() else { throw Failure(what: "not registered") }
    #expect(status.isPlayable && device.engine.asked.value == 0)
  }

  @Test("a download whose task is gone is incomplete: the user threw the app away")
  func thrownAway() async throws {
    let device = try DownloadTestDevice()
    try device.downloads.start("film", title: "A film")
    device.system.forgetAll()
    try device.relaunch()
    #expect(await device.downloads.restore().map(\.state) == [.incomplete])
    guard case .incomplete("film", let error) = try await device.event() else { throw Failure(what: "another event") }
    #expect(error.code == .cancelled)
    // said once
    try device.relaunch()
    await device.downloads.restore()
    #expect(device.events.value.isEmpty)
  }

  @Test("what an update has moved is found: a partial package, and one that is registered")
  func containerMove() async throws {
    let device = try DownloadTestDevice()
    try device.downloads.start("film", title: "A film")
    try await device.run("film")
    guard case .registered = try await device.event() else { throw Failure(what: "not registered") }
    try device.downloads.start("part", title: "A part")
    try await device.run("part", isComplete: false, error: URLError(.timedOut))
    _ = try await device.event()

    try device.relaunch(movingTo: "B")
    let part = try #require(await device.downloads.restore().first)
    #expect(part.location?.path.hasPrefix(device.container.home.path) == true)
    let local = try device.manager.getLocalMediaSource(assetId: "film")
    let url = try #require(URL(string: local.url))
    #expect(url.path.hasPrefix(device.container.home.path))
    device.say(true, of: url)
    #expect(try await device.manager.verifyAsset("film").isPlayable)
  }

  @Test("what could not be registered is registered at the next start")
  func registeredLater() async throws {
    let device = try DownloadTestDevice()
    try await device.servers.stop()
    try device.downloads.start("film", title: "A film")
    try await device.run("film")
    var failures: [LarderError.Code] = []
    for _ in 0..<2 {
      switch try await device.event() {
      case .keyFailed("film", let error), .notRegistered("film", let error): failures.append(error.code)
      default: throw Failure(what: "another event")
      }
    }
    // The news of the key and that of the registration come by ways of their own.
    #expect(failures.count == 2 && failures.contains(.offline))
    #expect(device.downloads.downloads().map(\.state) == [.downloaded])

    try await device.servers.resume()
    try device.relaunch()
    // the key did not come; now the engine gets it as in any registration
    #expect(await device.downloads.restore().map(\.state) == [.downloaded])
    #expect(device.engine.asked.value > 0)
  }

  @Test("verifying asks AVFoundation whether the package is complete")
  func verify() async throws {
    let device = try DownloadTestDevice()
    try device.downloads.start("film", title: "A film")
    try await device.run("film")
    _ = try await device.event()
    #expect(try await device.manager.verifyAsset("film").isPlayable)

    let package = try #require(URL(string: try device.manager.getLocalMediaSource(assetId: "film").url))
    device.say(false, of: package)
    let status = try await device.manager.verifyAsset("film")
    #expect(!status.isPlayable && status.why == .mediaMissing && status.remedy == .repair)
    #expect(status.media == .missing && status.message.contains("incomplete"))
    #expect(try await device.manager.verifyAsset("film", media: false).isPlayable)
    #expect(LocalAssetsManager.isPlayableOffline(package) == false)
    #expect(LocalAssetsManager.isPlayableOffline(device.base.downloads) == nil)
  }

  @Test("a download that is removed leaves neither a task, nor a file, nor a key")
  func remove() async throws {
    let device = try DownloadTestDevice()
    try device.downloads.start("film", title: "A film")
    try await device.run("film", isComplete: false, error: URLError(.timedOut))
    _ = try await device.event()
    let location = try #require(device.downloads.downloads().first?.location)
    try device.downloads.start("film", title: "A film")
    try device.downloads.remove("film")
    await device.system.idle()
    #expect(device.system.tasks.isEmpty && device.downloads.downloads().isEmpty)
    #expect(!FileManager.default.fileExists(atPath: location.path))
    #expect(device.storage.keys.isEmpty && device.events.value.isEmpty)
  }

  @Test("what has no HLS source cannot be started")
  func noSource() async throws {
    let device = try DownloadTestDevice()
    #expect(try await thrown { try device.downloads.start("unknown", title: "?") }.code == .invalidArgument)
    #expect(device.downloads.downloads().isEmpty && device.system.tasks.isEmpty)
  }

  @Test("the system is told when its background events are dealt with, on the main queue and once")
  func backgroundEvents() async throws {
    let device = try DownloadTestDevice()
    let calls = Shared(0)
    await withCheckedContinuation { continuation in
      device.downloads.whenBackgroundEventsAreFinished {
        calls.change { $0 += 1 }
        continuation.resume()
      }
      device.system.finishBackgroundEvents()
    }
    device.system.finishBackgroundEvents()
    await device.system.idle()
    #expect(calls.value == 1)
  }

  @Test("what is noted about downloads holds no URL of a server and no key")
  func noSecrets() async throws {
    let device = try DownloadTestDevice()
    try device.downloads.start("film", title: "A film")
    try await device.run("film", isComplete: false, error: URLError(.timedOut))
    _ = try await device.event()
    let config = LarderConfig.standard(in: device.container)
    let noted = try String(contentsOfFile: config.dataDir + "/asset-downloads.json", encoding: .utf8)
    #expect(noted.contains("film") && !noted.contains("http") && !noted.contains("skd"))
  }
}
