import CryptoKit
import Foundation
import TestSupport
import Testing

@testable import LarderCompat

@Suite("PlayKit's keys")
struct PlayKitKeyStoreTests {
  @Test(
    "the id is the host of the URI, else all that follows skd://; nothing else becomes a file's name",
    arguments: [
      ("skd://film-1", ["film-1"]),
      ("skd://drm?assetId=film-1", ["drm", "drm?assetId=film-1"]),
      ("SKD://Film_1", ["Film_1"]),
      ("skd://film-1/audio", ["film-1"]),
      ("skd://../../etc/passwd", []),
      ("skd://..", []),
      ("skd://", []),
      ("https://film-1", []),
    ])
  func ids(uri: String, ids: [String]) {
    #expect(PlayKitKeyStore.ids(of: uri) == ids)
  }

  @Test("PlayKit's JSON has seconds since 2001 and the key in base64")
  func json() throws {
    let library = try Library()
    try library.write("pkLocalDataStore/film-1.fpskey", #"{"data":"AQID","expiryDate":800000000}"#)
    let key = try #require(try library.store.key(for: "skd://film-1"))
    #expect(key.handle == Data([1, 2, 3]))
    #expect(key.expires == .at(atMs: 1_778_307_200_000))
    #expect(try library.store.key(for: "skd://film-2") == nil)
  }

  @Test("a key alone never said when it ends", arguments: ["pkLocalDataStore/film-1.fpskey", legacy])
  func raw(path: String) throws {
    let library = try Library()
    try library.write(path, "{raw key}")
    let key = try #require(try library.store.key(for: "skd://film-1"))
    #expect(key.handle == Data("{raw key}".utf8) && key.expires == .unknown)
  }

  @Test("of several, PlayKit's own is the newer one")
  func newest() throws {
    let library = try Library()
    try library.write(Self.legacy, "old")
    try library.write("pkLocalDataStore/film-1.fpskey", "new")
    #expect(try library.store.key(for: "skd://film-1")?.handle == Data("new".utf8))
  }

  @Test("a damaged record is an error and no key", arguments: [#"{"data":"AQI"#, #"{"expiryDate":1}"#, ""])
  func damaged(text: String) async throws {
    let library = try Library()
    try library.write("pkLocalDataStore/film-1.fpskey", text)
    let error = try await thrown { _ = try library.store.key(for: "skd://film-1") }
    #expect(error.code == .licenseUnreadable && error.remedy == .reregister)
  }

  @Test("the stub's MD5 is RFC 1321's")
  func md5() {
    let digests = ["", "abc", String(repeating: "1234567890", count: 8)].map { text in
      Insecure.MD5.hash(data: Data(text.utf8)).map { String(format: "%02x", $0) }.joined()
    }
    #expect(
      digests == [
        "d41d8cd98f00b204e9800998ecf8427e", "900150983cd24fb0d6963f7d28e17f72", "57edf4a22be3c955ac49da2e2107b67a",
      ])
  }

  // `md5sum` of "film-1"
  private static let legacy = "KalturaKeyStore/3d9d3d82796cb348e7989dd06944d7e9.key"
}

/// An app's `Library`, as PlayKit left it.
final class Library {
  let device: TestDevice
  let folder: URL

  init() throws {
    device = try TestDevice()
    folder = device.folder.appendingPathComponent("Library")
  }

  var store: PlayKitKeyStore { PlayKitKeyStore(library: folder) }

  func write(_ path: String, _ text: String) throws {
    let file = folder.appendingPathComponent(path)
    try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: file)
  }

  func has(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: folder.appendingPathComponent(path).path)
  }
}
