import Foundation
import Larder
import TestSupport
import Testing

@Suite("The library", .serialized)
struct LibraryTests {
  @Test("it says its version")
  func version() {
    #expect(LarderLibrary.version.split(separator: ".").count == 3)
  }

  @Test("a sink gets the log of a whole run, line by line, and finds no secret in it")
  func log() async throws {
    let (servers, device) = (try TestServers(), try TestDevice())
    let lines = Shared<[String]>([])
    try LarderLibrary.setLogSink(Sink(lines: lines), level: .debug)
    defer { try? LarderLibrary.setLogSink(nil) }

    let manager = try LocalAssetsManager(
      config: device.config(), storage: MemoryDrmStorage(), engines: [SwiftClearKey()],
      requestAdapter: SigningAdapter(), tokenProvider: SecretToken())
    try await manager.registerDownloadedAsset(
      location: try device.download(.cencDash), mediaSource: servers.source(.cencDash, query: "&sig=hunter2-query"),
      assetId: "film")
    try await servers.stop()
    _ = try await thrown { try await manager.refreshAsset("film") }
    try await servers.resume()
    try await manager.refreshAsset("film")
    try await manager.unregisterAsset("film")
    try await manager.reconcile()

    let log = lines.value
    #expect(!log.isEmpty)
    #expect(log.allSatisfy { !$0.contains("\n") })
    // What the app signs with, and a content key as its server and as EME writes it.
    for secret in ["hunter2", "88da852ae4fa2e1e36aeb2d5c94997b1", "iNqFKuT6Lh42rrLVyUmXsQ"] {
      #expect(!log.contains { $0.contains(secret) }, "\(secret) is in the log")
      #expect(try !manager.diagnostics().contains(secret))
    }
  }

  @Test("a sink that was taken away gets nothing more")
  func noLog() async throws {
    let device = try TestDevice()
    let lines = Shared<[String]>([])
    try LarderLibrary.setLogSink(Sink(lines: lines), level: .debug)
    try LarderLibrary.setLogSink(nil)
    let before = lines.value.count
    let manager = try LocalAssetsManager(config: device.config(), storage: MemoryDrmStorage())
    try await manager.open()
    #expect(lines.value.count == before)
  }

  @Test("init data is found in media on disk")
  func initData() throws {
    let device = try TestDevice()
    let found = try LarderLibrary.findInitData(at: try device.download(.cencDash))
    #expect(Set(found.compactMap(\.scheme)).isSuperset(of: [.widevine, .playReady]))
    #expect(
      Set(found.flatMap(\.keyIds)).isSuperset(of: [
        "6f651ae1dbe44434bcb4690d1564c41c", "0294b9599d755de2bbf0fdca3fa5eab7",
      ]))
  }

  @Test("a session key names FairPlay's content")
  func sessionKey() throws {
    let device = try TestDevice()
    let found = try LarderLibrary.findInitData(at: try device.download(.fairPlayHls))
    #expect(found.contains { $0.scheme == .fairPlay && $0.uri?.hasPrefix("skd://") == true })
  }

  @Test("what is not there, or not media, is an error with a code of its own")
  func badMedia() async throws {
    let device = try TestDevice()
    let missing = device.downloads.appendingPathComponent("nothing.m3u8")
    #expect(try await thrown { try LarderLibrary.findInitData(at: missing) }.code == .mediaNotFound)
    let page = device.downloads.appendingPathComponent("page.m3u8")
    try Data("<html>log in</html>".utf8).write(to: page)
    let error = try await thrown { try LarderLibrary.findInitData(at: page) }
    #expect([.manifestInvalid, .formatUnsupported].contains(error.code))
    let remote = try #require(URL(string: "https://cdn.example/master.m3u8"))
    #expect(try await thrown { try LarderLibrary.findInitData(at: remote) }.code == .invalidArgument)
  }
}

private struct Sink: LogSink {
  let lines: Shared<[String]>

  func log(_ level: LogLevel, target: String, message: String) {
    lines.change { $0.append("\(level) \(target) \(message)") }
  }
}

private struct SigningAdapter: RequestAdapter {
  func adapt(_ request: LicenseRequest) throws -> LicenseRequest {
    request.with(url: request.url + "&t=hunter2-url").settingHeader("X-Key", to: "hunter2-header")
  }
}

private struct SecretToken: TokenProvider {
  func authorization(for assetId: String, rejected: Bool) throws -> String? { "Bearer hunter2-token" }
}
