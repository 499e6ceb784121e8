import Foundation
import LarderBindings

/// Stores the keys that were acquired during a download until the media is registered. They are one value of the secret
/// storage, because a storage cannot list its values.
struct PreparedKeys: Sendable {
  let storage: any LocalDrmStorage
  let profile: String

  /// A key with its source and its expiry.
  struct Key: Codable, Sendable, Equatable {
    var profile = ""
    let sourceId: String
    let uri: String
    let handle: Data
    /// Milliseconds since 1970, `nil` if not known.
    let expiresAtMs: Int64?
    /// Seconds from the first playback on, `nil` if not known.
    let playbackWindowSeconds: Int64?

    func isValid(at date: Date) -> Bool {
      expiresAtMs.map { Double($0) > date.timeIntervalSince1970 * 1000 } ?? true
    }
  }

  // Held during calls of the storage: protects the stored value for all managers of this process.
  private static let lock = NSLock()
  private static let name = "prepared-keys"
  /// Downloads that were never registered leave keys behind. The oldest keys are dropped first.
  private static let capacity = 64

  /// Stores a key durably and replaces an older key of the same source and URI.
  func keep(_ key: Key) throws {
    var key = key
    key.profile = profile
    try change { keys in
      keys.removeAll { isOurs($0, key.sourceId) && $0.uri == key.uri }
      keys.append(key)
      keys.removeFirst(max(0, keys.count - Self.capacity))
    }
  }

  /// Returns the keys of a source that have not expired.
  func keys(of sourceId: String, at date: Date = Date()) throws -> [Key] {
    try Self.lock.withLock { try load().filter { isOurs($0, sourceId) && $0.isValid(at: date) } }
  }

  func forget(_ sourceId: String) throws {
    try change { keys in keys.removeAll { isOurs($0, sourceId) } }
  }

  private func isOurs(_ key: Key, _ sourceId: String) -> Bool { key.profile == profile && key.sourceId == sourceId }

  private func change(_ body: (inout [Key]) -> Void) throws {
    try Self.lock.withLock {
      let before = try load()
      var keys = before
      body(&keys)
      if keys == before { return }
      if keys.isEmpty { return try storage.remove(key: Self.name) }
      try storage.save(key: Self.name, value: JSONEncoder().encode(keys))
    }
  }

  private func load() throws -> [Key] {
    guard let value = try storage.load(key: Self.name) else { return [] }
    // A damaged value costs one license request per key; a permanent failure would cost the downloads.
    return (try? JSONDecoder().decode([Key].self, from: value)) ?? []
  }
}
