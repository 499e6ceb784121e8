import CryptoKit
import Foundation
import Larder

/// Where PlayKit and the legacy player keep FairPlay keys on this device. Only read here.
///
/// | what | where | form |
/// |---|---|---|
/// | PlayKit | `Library/pkLocalDataStore/<id>.fpskey`, or a `LocalDataStore` of the app's | JSON: key and end |
/// | PlayKit before that | the same | the key alone |
/// | the legacy player | `Library/KalturaKeyStore/<md5 of id>.key` | the key alone |
///
/// The id is the one in the title's `skd://` URI.
public struct PlayKitKeyStore: Sendable {
  private let places: [any Place]

  /// The folders of an app that used PlayKit's default store.
  ///
  /// - Parameter library: the app's `Library`.
  public init(library: URL = Self.appLibrary) {
    places = [
      Folder(url: library.appendingPathComponent("pkLocalDataStore"), name: { "\($0).fpskey" }),
      Folder(url: library.appendingPathComponent("KalturaKeyStore"), name: { "\(md5($0)).key" }),
    ]
  }

  /// A storage that the app gave to PlayKit's `manager(storage:)`.
  public init(_ dataStore: any LocalDataStore) {
    places = [Storage(store: dataStore)]
  }

  /// `Library` of the app.
  public static var appLibrary: URL {
    FileManager.default.urls(for: .libraryDirectory, in: .userDomainMask).first
      ?? URL(fileURLWithPath: NSHomeDirectory(), isDirectory: true).appendingPathComponent("Library")
  }

  /// The key for an `skd://` URI, `nil` if there is none.
  ///
  /// - Throws: `LICENSE_UNREADABLE` for one that is there and damaged.
  func key(for uri: String) throws -> PlayKitKey? {
    for id in Self.ids(of: uri) {
      for place in places {
        if let bytes = try place.load(id) { return try PlayKitKey(stored: bytes, removing: { try place.remove(id) }) }
      }
    }
    return nil
  }

  // PlayKit took the whole rest of the URI at registration and the host at playback, and refused what differs. An app with
  // a content id rule of its own may have stored either.
  static func ids(of uri: String) -> [String] {
    guard uri.lowercased().hasPrefix("skd://") else { return [] }
    let rest = String(uri.dropFirst("skd://".count))
    let host = String(rest.prefix { !"/?#".contains($0) })
    let ids = rest == host ? [host] : [host, rest]
    // An id is data: it names one file in a folder, or none.
    return ids.filter { !$0.isEmpty && $0 != "." && $0 != ".." && !$0.contains("/") && !$0.contains("\0") }
  }
}

/// A key as PlayKit stored it.
struct PlayKitKey {
  let handle: Data
  let expires: Expiry
  /// Removes the original.
  let remove: () throws -> Void

  init(stored bytes: Data, removing: @escaping () throws -> Void) throws {
    remove = removing
    if let stored = try? JSONDecoder().decode(Stored.self, from: bytes) {
      handle = stored.data
      expires = stored.expiryDate.map { .at(atMs: Int64(($0.timeIntervalSince1970 * 1000).rounded())) } ?? .unknown
    } else if bytes.starts(with: Data(#"{"data""#.utf8)) || bytes.starts(with: Data(#"{"expiryDate""#.utf8)) {
      // PlayKit's JSON, cut off or changed; a key alone does not begin so.
      throw LarderError(.licenseUnreadable, "PlayKit's record of the key is damaged")
    } else {
      handle = bytes
      expires = .unknown
    }
    guard !handle.isEmpty else {
      throw LarderError(.licenseUnreadable, "PlayKit's record of the key is empty")
    }
  }

  /// `expiryDate` is seconds since 2001, as Foundation encodes a date by default; `data` is base64.
  private struct Stored: Decodable {
    let expiryDate: Date?
    let data: Data
  }
}

private protocol Place: Sendable {
  func load(_ id: String) throws -> Data?
  func remove(_ id: String) throws
}

private struct Folder: Place {
  let url: URL
  let name: @Sendable (String) -> String

  func load(_ id: String) throws -> Data? {
    do {
      return try Data(contentsOf: url.appendingPathComponent(name(id)))
    } catch let error as CocoaError where error.code == .fileReadNoSuchFile || error.code == .fileReadInvalidFileName {
      return nil
    } catch {
      throw LarderError(
        .storageFailed, "PlayKit's record of the key cannot be read; the device may be locked")
    }
  }

  func remove(_ id: String) throws {
    try FileManager.default.removeItem(at: url.appendingPathComponent(name(id)))
  }
}

private struct Storage: Place {
  let store: any LocalDataStore

  func load(_ id: String) throws -> Data? {
    let key = "\(id).fpskey"
    return store.exists(key: key) ? try store.load(key: key) : nil
  }

  func remove(_ id: String) throws { try store.remove(key: "\(id).fpskey") }
}

private func md5(_ text: String) -> String {
  Insecure.MD5.hash(data: Data(text.utf8)).map { byte in
    (byte < 16 ? "0" : "") + String(byte, radix: 16)
  }.joined()
}
