@_spi(Stub) import AVFoundation
import Foundation
import Larder
import TestSupport
import Testing

extension FairPlaySuites {
  @Suite("FairPlay from the registration to the playback key, renewal and release", .timeLimit(.minutes(2)))
  struct FairPlayFlowTests {
    /// The wire formats of FairPlay servers.
    enum Wire: CaseIterable {
      case udrm
      case plain
      case base64
      case form

      var wire: LicenseWire {
        switch self {
        case .udrm: .standard
        case .plain: .raw
        case .base64: .base64
        case .form: .form
        }
      }
    }

    @Test("a title is registered, played offline, renewed and given back", arguments: Wire.allCases)
    func wholeFlow(wire: Wire) async throws {
      let device = try FairPlayTestDevice { $0.release = .atServer }
      let source = device.source(wire: wire.wire, path: "\(wire)")
      let registered = try await device.register(from: source)
      #expect(registered.isPlayable && registered.licenses.map(\.state) == [.active])
      // Kaltura's answer says how long the key may be stored; the others' do not, and neither does AVFoundation.
      if wire == .udrm {
        let left = try #require(registered.expires.date).timeIntervalSinceNow
        #expect(abs(left - 30 * 24 * 3600) < 60)
      } else {
        #expect(registered.expires == .unknown && registered.warnings.contains(.expiryUnknown))
      }
      #expect(try await device.licenseRequests() == 1)

      try await device.servers.stop()
      let first = try await device.play()
      #expect(first.item.status == .readyToPlay)
      try await device.keysHaveChanged(since: registered)
      try await device.servers.resume()

      let refreshed = try await device.manager.refreshAsset("film")
      #expect(refreshed.isPlayable && refreshed.licenses.map(\.state).contains(.active))
      try await device.manager.reconcile()
      #expect(try await device.servers.licenseRecords().live == 1)
      #expect(try await device.play().item.status == .readyToPlay)
      try await device.keysHaveChanged(since: refreshed)

      try await device.manager.unregisterAsset("film")
      try await device.isGone()
      #expect(device.fairPlay.misuses.isEmpty && device.fairPlay.unanswered.isEmpty)
    }

    @Test("a renewal in place tells the server which key it is about, and leaves nothing to give back")
    func renewInPlace() async throws {
      let device = try FairPlayTestDevice { $0.release = .atServer }
      let old = try #require(try await device.register(from: device.source(renewal: .inPlace)).licenses.first)
      let key = try device.manager.licenseHandle(old.licenseId)
      let source = device.source(query: "&duration_seconds=7200", renewal: .inPlace)
      let renewed = try await device.manager.refreshAsset("film", mediaSource: source)
      // The fresh parameters' terms, not the old ones'.
      #expect(abs(try #require(renewed.expires.date).timeIntervalSinceNow - 7200) < 60)
      let new = try #require(renewed.licenses.first { $0.state == .active })
      #expect(try device.manager.licenseHandle(new.licenseId) != key)
      try await device.manager.reconcile()
      let records = try await device.servers.licenseRecords()
      #expect(records.licenses.count == 1 && records.live == 1 && records.licenses.first?.renewals == 1)
      #expect(try await device.licenseRequests(["release"]) == 0)
      #expect(device.storage.keys.count == 1)
      try await device.isTidy()
    }

    @Test("a key that has expired is renewed without it: a new license takes its place")
    func renewExpired() async throws {
      let device = try FairPlayTestDevice()
      try await device.register(from: device.source(query: "&duration_seconds=7200", renewal: .inPlace))
      device.fairPlay.forgetAll()
      #expect(try await device.manager.refreshAsset("film").isPlayable)
      #expect(try await device.servers.licenseRecords().licenses.count == 2)
      try await device.isTidy()
    }

    @Test("a server that takes nothing back is a normal end, and the key is void on the device")
    func releaseNotSupported() async throws {
      let device = try FairPlayTestDevice()
      let license = try #require(try await device.register().licenses.first)
      let key = try device.manager.licenseHandle(license.licenseId)
      #expect(device.fairPlay.opens(key))
      try await device.manager.unregisterAsset("film")
      let reconciled = try await device.manager.reconcile()
      #expect(reconciled.pending == 0)
      #expect(!device.fairPlay.opens(key) && device.storage.keys.isEmpty)
      #expect(try await device.licenseRequests(["release"]) == 0)
      try await device.isTidy()
    }

    @Test("a server that knows no releases is a normal end, too", arguments: [404, 405])
    func noSuchService(status: Int) async throws {
      let device = try FairPlayTestDevice { $0.release = .atServer }
      try await device.register()
      try await device.servers.addFault(
        #"{"path": "/fairplay", "request_kind": "release", "action": {"kind": "status", "status": \#(status)}}"#)
      try await device.manager.unregisterAsset("film")
      let reconciled = try await device.manager.reconcile()
      #expect(reconciled.pending == 0 && device.storage.keys.isEmpty)
      try await device.isTidy()
    }

    @Test("a release that could not be sent is sent later, with the token that was made then")
    func releaseLater() async throws {
      let device = try FairPlayTestDevice {
        $0.release = .atServer { _ in Data(repeating: 7, count: 8) }
      }
      try await device.register()
      try await device.servers.stop()
      try await device.manager.unregisterAsset("film")
      #expect(try await device.manager.reconcile().pending == 1)
      try await device.servers.resume()
      try await device.isGone()
      try await device.isTidy()
    }

    @Test("a release that could not be sent before the app was restarted is sent with the token that was made then")
    func releaseAfterRestart() async throws {
      let device = try FairPlayTestDevice { $0.release = .atServer }
      let license = try #require(try await device.register().licenses.first)
      let key = try device.manager.licenseHandle(license.licenseId)
      try await device.servers.stop()
      try await device.manager.unregisterAsset("film")
      #expect(try await device.manager.reconcile().pending == 1)
      #expect(!device.fairPlay.opens(key) && device.storage.keys.count == 2)
      device.manager.close()

      try await device.servers.resume()
      let next = try device.relaunched()
      let reconciled = try await next.reconcile()
      #expect(reconciled.released == 1 && reconciled.pending == 0)
      #expect(try await device.servers.licenseRecords().live == 0)
      #expect(device.storage.keys.isEmpty)
      try await device.isTidy()
    }

    @Test("a challenge of the wrong length is refused before anything is void")
    func wrongChallenge() async throws {
      let device = try FairPlayTestDevice { $0.release = .atServer { _ in Data([1]) } }
      let license = try #require(try await device.register().licenses.first)
      let key = try device.manager.licenseHandle(license.licenseId)
      try await device.manager.unregisterAsset("film")
      #expect(try await device.manager.reconcile().pending == 1)
      #expect(device.fairPlay.opens(key))
      try await device.isTidy()
    }

    @Test("a key that nobody takes back is made void on the device in the end, and forgotten")
    func refusedForGood() async throws {
      let device = try FairPlayTestDevice { $0.release = .atServer { _ in Data([1]) } }
      let license = try #require(try await device.register().licenses.first)
      let key = try device.manager.licenseHandle(license.licenseId)
      try await device.manager.unregisterAsset("film")
      #expect(device.fairPlay.opens(key))
      try await eventually("it is never forgotten") { try await device.manager.reconcile().pending == 0 }
      #expect(!device.fairPlay.opens(key) && device.storage.keys.isEmpty)
      try await device.isTidy()
    }

    @Test("each key of a title has a license of its own")
    func severalKeys() async throws {
      let device = try FairPlayTestDevice { $0.release = .atServer }
      let location = try device.base.download(.fairPlayHls)
      let audio = location.deletingLastPathComponent().appendingPathComponent("audio-en.m3u8")
      let text = try String(contentsOf: audio, encoding: .utf8)
      try text.replacingOccurrences(of: FairPlayTestDevice.keyURI, with: "skd://other?assetId=audio").write(
        to: audio, atomically: true, encoding: .utf8)
      let status = try await device.manager.registerDownloadedAsset(
        location: location, mediaSource: device.source(), assetId: "film")
      #expect(status.licenses.count == 2 && status.isPlayable)
      #expect(
        Set(device.fairPlay.requests.map(\.identifier)) == [FairPlayTestDevice.keyURI, "skd://other?assetId=audio"])
      let both = StubMedia(keys: [FairPlayTestDevice.keyURI, "skd://other?assetId=audio"])
      #expect(try await device.play(media: both).item.status == .readyToPlay)
      try await device.keysHaveChanged(since: status)
      try await device.manager.unregisterAsset("film")
      try await device.isGone()
    }

    @Test("the content identifier follows the app's rule")
    func contentId() async throws {
      for (rule, expected) in [
        (FairPlayContentId.standard, "license.invalid/dc17a1fbd4c04ba6a33ec70ff3ba9042"), (.host, "license.invalid"),
        (.uri, FairPlayTestDevice.keyURI), (FairPlayContentId { _ in Data("mine".utf8) }, "mine"),
      ] {
        let device = try FairPlayTestDevice { $0.contentId = rule }
        try await device.register(from: device.unnamedSource())
        #expect(try await device.servers.licenseRecords().licenses.map(\.asset) == [expected])
      }
      let nameless = try FairPlayTestDevice { $0.contentId = FairPlayContentId { _ in nil } }
      let error = try await thrown { try await nameless.register() }
      #expect(error.code == .sessionKeyMissing || error.code == .cdmFailed)
      try await nameless.isTidy()
    }

    @Test("the usual content identifier is the assetId of the query, else all after skd://")
    func usualContentId() async throws {
      for (uri, expected) in [
        ("skd://a", "a"), ("SKD://a/b/", "a/b"), ("skd://drmtoday?assetId=x%20y", "x y"), ("skd://a?b=c", "a?b=c"),
      ] {
        let device = try FairPlayTestDevice()
        let location = try device.base.download(.fairPlayHls)
        for file in try FileManager.default.contentsOfDirectory(
          at: location.deletingLastPathComponent(), includingPropertiesForKeys: nil)
        where file.pathExtension == "m3u8" {
          let text = try String(contentsOf: file, encoding: .utf8)
          try text.replacingOccurrences(of: FairPlayTestDevice.keyURI, with: uri).write(
            to: file, atomically: true, encoding: .utf8)
        }
        try await device.manager.registerDownloadedAsset(
          location: location, mediaSource: device.unnamedSource(), assetId: "film")
        #expect(try await device.servers.licenseRecords().licenses.map(\.asset) == [expected])
      }
    }

    @Test("the application certificate is fetched once, and again after a server has refused a license")
    func certificate() async throws {
      let device = try FairPlayTestDevice()
      func fetched() async throws -> Int {
        try await device.servers.requests().filter { $0.path == "/fairplay/certificate" }.count
      }
      try await device.register("a")
      try await device.register("b")
      try await device.manager.refreshAsset("a")
      #expect(try await fetched() == 1)
      // The service has another certificate from now on.
      try await device.servers.setPolicy(#"{"certificate": 2}"#)
      #expect(try await thrown { try await device.manager.refreshAsset("a") }.code == .licenseDenied)
      #expect(try await device.manager.refreshAsset("a").isPlayable)
      #expect(try await device.register("c").isPlayable)
      #expect(try await fetched() == 2)
    }

    @Test("twenty licenses one after the other", .timeLimit(.minutes(2)))
    func twentyInARow() async throws {
      let device = try FairPlayTestDevice { $0.release = .atServer }
      for n in 0..<20 { #expect(try await device.register("film-\(n)").isPlayable) }
      #expect(device.fairPlay.sessionCounts.made == 20 && device.fairPlay.sessionCounts.most == 1)
      #expect(try await device.manager.removeAll() == 20)
      try await device.manager.reconcile()
      #expect(try await device.servers.licenseRecords().live == 0)
      try await device.isTidy()
    }

    @Test("twenty licenses at once, a few at a time on the device", .timeLimit(.minutes(2)))
    func twentyAtOnce() async throws {
      let device = try FairPlayTestDevice { ($0.release, $0.operationsAtOnce) = (.atServer, 3) }
      try await withThrowingTaskGroup(of: Bool.self) { group in
        for n in 0..<20 { group.addTask { try await device.register("film-\(n)").isPlayable } }
        for try await isPlayable in group { #expect(isPlayable) }
      }
      #expect(device.fairPlay.sessionCounts.made == 20)
      #expect(device.fairPlay.sessionCounts.most <= 3)
      #expect(try await device.servers.licenseRecords().live == 20)
      #expect(try await device.manager.removeAll() == 20)
      try await device.manager.reconcile()
      #expect(try await device.servers.licenseRecords().live == 0)
      try await device.isTidy()
    }

    @Test("an app's manager without a choice has FairPlay on Apple's systems, and none elsewhere")
    func defaults() {
      #expect(Platform.iOS.defaultEngines.map(\.scheme) == [.fairPlay])
      #expect(Platform.macOS.defaultEngines.map(\.scheme) == [.fairPlay])
      #expect(Platform.desktop.defaultEngines.isEmpty)
    }
  }
}
