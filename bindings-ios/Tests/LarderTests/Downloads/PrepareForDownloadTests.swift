@_spi(Stub) import AVFoundation
import Foundation
import Larder
import TestSupport
import Testing

@Suite("An asset that is prepared for download", .timeLimit(.minutes(1)))
struct PrepareForDownloadTests {
  @Test("its key is stored while it downloads, and belongs to the asset once it is registered, without a network")
  func keyDuringDownload() async throws {
    let phone = try DownloadPhone()
    let source = try phone.source("film")
    let asset = try await prepared(phone, source)
    #expect(phone.storage.keys.count == 1)
    #expect(phone.device.unanswered.isEmpty && phone.device.misuses.isEmpty)
    #expect(asset.url.absoluteString == source.url)

    try await phone.kit.stop()
    try phone.manager.setNetworkState(.offline)
    let package = try phone.package("film")
    let status = try await phone.manager.registerDownloadedAsset(
      location: package, mediaSource: source, assetId: "film")
    #expect(status.isPlayable && status.licenses.map(\.state) == [.active])
    let end = try #require(status.expires.date)
    #expect(end.timeIntervalSinceNow > 24 * 3600)
    #expect(phone.engine.asked.value == 0)
    let local = try phone.manager.getLocalMediaSource(assetId: "film")
    #expect(URL(string: local.url)?.path == package.path && local.format == .hls)
    let license = try #require(local.licenses.first)
    #expect(phone.device.opens(try phone.manager.licenseHandle(license.licenseId)))
    #expect(phone.storage.keys.count == 1)  // the asset's own
  }

  @Test("its playback window is known from the registration on, and is a key's whole life once it is played")
  func playbackWindow() async throws {
    let phone = try DownloadPhone()
    let source = try phone.source("film")
    let asset = AVURLAsset(url: try #require(URL(string: source.url)))
    phone.manager.prepareForDownload(
      asset: asset, mediaSource: source, playbackWindow: 600, session: phone.session())
    try await StubMedia.at(asset.url).key(DownloadPhone.keyURI, for: asset)
    // The stub's key has changed by being played: what is kept is its successor.
    struct Kept: Decodable { let handle: Data }
    try await eventually("the new key is not kept") {
      let value = try #require(try phone.storage.load(key: "prepared-keys"))
      return try JSONDecoder().decode([Kept].self, from: value).allSatisfy { phone.device.opens($0.handle) }
    }
    let status = try await phone.manager.registerDownloadedAsset(
      location: try phone.package("film"), mediaSource: source, assetId: "film")
    #expect(status.playbackWindowSeconds == 600 && status.isPlayable)
    #expect(abs(try #require(status.expires.date).timeIntervalSinceNow - 600) < 60)
  }

  @Test("a key that is there already is not asked for again, also after a relaunch")
  func onceOnly() async throws {
    let phone = try DownloadPhone()
    let source = try phone.source("film")
    _ = try await prepared(phone, source)
    try phone.relaunch()
    _ = try await prepared(phone, source)
    #expect(try await phone.licenseRequests() == 1)
    #expect(phone.device.unanswered.isEmpty)
  }

  @Test("a key of one source is not another's, nor another profile's")
  func ownKeys() async throws {
    let phone = try DownloadPhone()
    _ = try await prepared(phone, try phone.source("film"))
    let error = try await thrown {
      try await phone.manager.registerDownloadedAsset(
        location: try phone.package("other"), mediaSource: try phone.source("other"), assetId: "other")
    }
    #expect(error.code == .cdmFailed && phone.engine.asked.value == 1)
    let other = try LocalAssetsManager(
      config: .standard(profile: "bob", in: phone.container), storage: phone.storage, engines: [phone.engine])
    let refused = try await thrown {
      try await other.registerDownloadedAsset(
        location: try phone.package("film"), mediaSource: try phone.source("film"), assetId: "film")
    }
    #expect(refused.code == .cdmFailed && phone.engine.asked.value == 2)
  }

  @Test("keys of a download that is given up are forgotten")
  func forgotten() async throws {
    let phone = try DownloadPhone()
    let source = try phone.source("film")
    _ = try await prepared(phone, source)
    try phone.manager.forgetPreparedKeys(of: source)
    #expect(phone.storage.keys.isEmpty)
  }

  @Test("a clear source needs nothing")
  func clear() throws {
    let phone = try DownloadPhone()
    let source = try phone.source("clear")
    let asset = AVURLAsset(url: try #require(URL(string: source.url)))
    phone.manager.prepareForDownload(asset: asset, mediaSource: source)
    #expect(phone.device.sessionCounts.made == 0)
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
    let phone = try DownloadPhone()
    if !trouble.fault.isEmpty { try await phone.kit.addFault(trouble.fault) }
    phone.device.script = { $0 == trouble.step ? .fails(-11800) : .succeeds }
    let failures = Shared<[LarderError]>([])
    await #expect(throws: (any Error).self) {
      try await prepared(phone, try phone.source("film")) { failure in failures.change { $0.append(failure) } }
    }
    // The player's error and the app's news of it come by ways of their own.
    try await eventually("nobody is told") { !failures.value.isEmpty }
    #expect(failures.value.map(\.code) == [trouble.code], "\(failures.value)")
    #expect(phone.device.unanswered.isEmpty || trouble.step == .persistableRequest)
    #expect(phone.storage.keys.isEmpty)
  }

  @Test("AVFoundation giving nothing, or too late, is an error too, and no server is asked", arguments: [true, false])
  func silence(isLate: Bool) async throws {
    let phone = try DownloadPhone()
    let kept = Shared<(@Sendable () -> Void)?>(nil)
    phone.device.script = { step in
      guard step == .requestData else { return .succeeds }
      return isLate ? .waits { goOn in kept.value = goOn } : .givesNothing
    }
    let failures = Shared<[LarderError]>([])
    let source = try phone.source("film")
    let asset = AVURLAsset(url: try #require(URL(string: source.url)))
    phone.manager.prepareForDownload(
      asset: asset, mediaSource: source, session: phone.session(), patience: 0.2,
      onFailure: { failure in failures.change { $0.append(failure) } })
    await #expect(throws: (any Error).self) {
      try await StubMedia.at(asset.url).key(DownloadPhone.keyURI, for: asset)
    }
    try await eventually("nobody is told") { !failures.value.isEmpty }
    kept.value?()
    #expect(failures.value.map(\.code) == [.cdmFailed] && phone.device.unanswered.isEmpty)
    #expect(try await phone.licenseRequests() == 0)
    #expect(phone.device.misuses.isEmpty)
  }

  @Test("PlayKit's other form gives the preferred source and an asset for it")
  func preferred() throws {
    let phone = try DownloadPhone()
    let dash = MediaSource(id: "dash", url: "https://cdn.example/a.mpd")
    let hls = MediaSource(id: "hls", url: "https://cdn.example/a.m3u8")
    let (asset, source) = try #require(
      phone.manager.prepareForDownload(of: MediaEntry(id: "e", sources: [dash, hls])))
    #expect(source.id == "hls" && asset.url.absoluteString == hls.url)
    #expect(phone.manager.prepareForDownload(of: MediaEntry(id: "e", sources: [dash])) == nil)
  }

  /// Prepares an asset and lets AVFoundation ask for its key, as a download task does.
  @discardableResult
  private func prepared(
    _ phone: DownloadPhone, _ source: MediaSource, onFailure: (@Sendable (LarderError) -> Void)? = nil
  ) async throws -> AVURLAsset {
    let asset = AVURLAsset(url: try #require(URL(string: source.url)))
    phone.manager.prepareForDownload(
      asset: asset, mediaSource: source, session: phone.session(), onFailure: onFailure)
    try await StubMedia.at(asset.url).key(DownloadPhone.keyURI, for: asset)
    return asset
  }
}
