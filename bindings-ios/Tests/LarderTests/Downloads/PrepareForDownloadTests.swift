@_spi(Stub) import AVFoundation
import Foundation
import Larder
import TestSupport
import Testing

@Suite("An asset that is prepared for download", .timeLimit(.minutes(1)))
struct PrepareForDownloadTests {
  @Test("its key is stored while it downloads, and belongs to the asset once it is registered, without a network")
  func keyDuringDownload() async throws {
    let device = try DownloadTestDevice()
    let source = try device.source("film")
    let asset = try await prepared(device, source)
    #expect(device.storage.keys.count == 1)
    #expect(device.fairPlay.unanswered.isEmpty && device.fairPlay.misuses.isEmpty)
    #expect(asset.url.absoluteString == source.url)

    try await device.servers.stop()
    try device.manager.setNetworkState(.offline)
    let package = try device.package("film")
    let status = try await device.manager.registerDownloadedAsset(
      location: package, mediaSource: source, assetId: "film")
    #expect(status.isPlayable && status.licenses.map(\.state) == [.active])
    let end = try #require(status.expires.date)
    #expect(end.timeIntervalSinceNow > 24 * 3600)
    #expect(device.engine.asked.value == 0)
    let local = try device.manager.getLocalMediaSource(assetId: "film")
    #expect(URL(string: local.url)?.path == package.path && local.format == .hls)
    let license = try #require(local.licenses.first)
    #expect(device.fairPlay.opens(try device.manager.licenseHandle(license.licenseId)))
    #expect(device.storage.keys.count == 1)  // the asset's own
  }

  @Test("its playback window is known from the registration on, and is a key's whole life once it is played")
  func playbackWindow() async throws {
    let device = try DownloadTestDevice()
    let source = try device.source("film")
    let asset = AVURLAsset(url: try #require(URL(string: source.url)))
    device.manager.prepareForDownload(
      asset: asset, mediaSource: source, playbackWindow: 600, session: device.session())
    try await StubMedia.at(asset.url).key(DownloadTestDevice.keyURI, for: asset)
    // The stub's key has changed by being played: what is kept is its successor.
    struct Kept: Decodable { let handle: Data }
    try await eventually("the new key is not kept") {
      let value = try #require(try device.storage.load(key: "prepared-keys"))
      return try JSONDecoder().decode([Kept].self, from: value).allSatisfy { device.fairPlay.opens($0.handle) }
    }
    let status = try await device.manager.registerDownloadedAsset(
      location: try device.package("film"), mediaSource: source, assetId: "film")
    #expect(status.playbackWindowSeconds == 600 && status.isPlayable)
    #expect(abs(try #require(status.expires.date).timeIntervalSinceNow - 600) < 60)
  }

  @Test("a key that is there already is not asked for again, also after a relaunch")
  func onceOnly() async throws {
    let device = try DownloadTestDevice()
    let source = try device.source("film")
    _ = try await prepared(device, source)
    try device.relaunch()
    _ = try await prepared(device, source)
    #expect(try await device.licenseRequests() == 1)
    #expect(device.fairPlay.unanswered.isEmpty)
  }

  @Test("a key of one source is not another's, nor another profile's")
  func ownKeys() async throws {
    let device = try DownloadTestDevice()
    _ = try await prepared(device, try device.source("film"))
    let error = try await thrown {
      try await device.manager.registerDownloadedAsset(
        location: try device.package("other"), mediaSource: try device.source("other"), assetId: "other")
    }
    #expect(error.code == .cdmFailed && device.engine.asked.value == 1)
    let other = try LocalAssetsManager(
      config: .standard(profile: "bob", in: device.container), storage: device.storage, engines: [device.engine])
    let refused = try await thrown {
      try await other.registerDownloadedAsset(
        location: try device.package("film"), mediaSource: try device.source("film"), assetId: "film")
    }
    #expect(refused.code == .cdmFailed && device.engine.asked.value == 2)
  }

  @Test("keys of a download that is given up are forgotten")
  func forgotten() async throws {
    let device = try DownloadTestDevice()
    let source = try device.source("film")
    _ = try await prepared(device, source)
    try device.manager.forgetPreparedKeys(of: source)
    #expect(device.storage.keys.isEmpty)
  }

  @Test("a clear source needs nothing")
  func clear() throws {
    let device = try DownloadTestDevice()
    let source = try device.source("clear")
    let asset = AVURLAsset(url: try #require(URL(string: source.url)))
    device.manager.prepareForDownload(asset: asset, mediaSource: source)
    #expect(device.fairPlay.sessionCounts.made == 0)
  }

  struct Trouble: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let fault: String
    var step: StubFairPlay.Step?
    let code: LarderError.Code
  }

  @Test(
    "every request is answered, whatever goes wrong, and the app is told",
    arguments: [
      Trouble(
        testDescription: "denied", fault: #"{"path": "/fairplay/udrm", "action": {"kind": "status", "status": 403}}"#,
        code: .unauthorized),
      Trouble(
        testDescription: "a web page", fault: #"{"path": "/fairplay/udrm", "action": {"kind": "html"}}"#,
        code: .licenseNotALicense),
      Trouble(
        testDescription: "no certificate",
        fault: #"{"path": "/fairplay/certificate", "action": {"kind": "status", "status": 404}}"#,
        code: .certificateMissing),
      Trouble(testDescription: "no SPC", fault: "", step: .requestData, code: .cdmFailed),
      Trouble(testDescription: "no persistable request", fault: "", step: .persistableRequest, code: .cdmFailed),
      Trouble(testDescription: "no persistable key", fault: "", step: .persistableKey, code: .cdmFailed),
    ])
  func troubles(trouble: Trouble) async throws {
    let device = try DownloadTestDevice()
    if !trouble.fault.isEmpty { try await device.servers.addFault(trouble.fault) }
    device.fairPlay.script = { $0 == trouble.step ? .fails(-11800) : .succeeds }
    let failures = Shared<[LarderError]>([])
    await #expect(throws: (any Error).self) {
      try await prepared(device, try device.source("film")) { failure in failures.change { $0.append(failure) } }
    }
    // The player's error and the app's news of it come by ways of their own.
    try await eventually("nobody is told") { !failures.value.isEmpty }
    #expect(failures.value.map(\.code) == [trouble.code], "\(failures.value)")
    #expect(device.fairPlay.unanswered.isEmpty || trouble.step == .persistableRequest)
    #expect(device.storage.keys.isEmpty)
  }

  @Test("AVFoundation giving nothing, or too late, is an error too, and no server is asked", arguments: [true, false])
  func silence(isLate: Bool) async throws {
    let device = try DownloadTestDevice()
    let kept = Shared<(@Sendable () -> Void)?>(nil)
    device.fairPlay.script = { step in
      guard step == .requestData else { return .succeeds }
      return isLate ? .waits { goOn in kept.value = goOn } : .givesNothing
    }
    let failures = Shared<[LarderError]>([])
    let source = try device.source("film")
    let asset = AVURLAsset(url: try #require(URL(string: source.url)))
    device.manager.prepareForDownload(
      asset: asset, mediaSource: source, session: device.session(), callbackTimeout: 0.2,
      onFailure: { failure in failures.change { $0.append(failure) } })
    await #expect(throws: (any Error).self) {
      try await StubMedia.at(asset.url).key(DownloadTestDevice.keyURI, for: asset)
    }
    try await eventually("nobody is told") { !failures.value.isEmpty }
    kept.value?()
    #expect(failures.value.map(\.code) == [.cdmFailed] && device.fairPlay.unanswered.isEmpty)
    #expect(try await device.licenseRequests() == 0)
    #expect(device.fairPlay.misuses.isEmpty)
  }

  @Test("PlayKit's other form gives the preferred source and an asset for it")
  func preferred() throws {
    let device = try DownloadTestDevice()
    let dash = MediaSource(id: "dash", url: "https://cdn.example/a.mpd")
    let hls = MediaSource(id: "hls", url: "https://cdn.example/a.m3u8")
    let (asset, source) = try #require(
      device.manager.prepareForDownload(of: MediaEntry(id: "e", sources: [dash, hls])))
    #expect(source.id == "hls" && asset.url.absoluteString == hls.url)
    #expect(device.manager.prepareForDownload(of: MediaEntry(id: "e", sources: [dash])) == nil)
  }

  /// Prepares an asset and lets AVFoundation ask for its key, as a download task does.
  @discardableResult
  private func prepared(
    _ device: DownloadTestDevice, _ source: MediaSource, onFailure: (@Sendable (LarderError) -> Void)? = nil
  ) async throws -> AVURLAsset {
    let asset = AVURLAsset(url: try #require(URL(string: source.url)))
    device.manager.prepareForDownload(
      asset: asset, mediaSource: source, session: device.session(), onFailure: onFailure)
    try await StubMedia.at(asset.url).key(DownloadTestDevice.keyURI, for: asset)
    return asset
  }
}
