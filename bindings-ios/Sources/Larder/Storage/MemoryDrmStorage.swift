import Foundation

/// A storage in memory, for tests and previews.
///
/// Its licenses cannot be played after a restart; apps need a durable storage.
public final class MemoryDrmStorage: LocalDrmStorage, @unchecked Sendable {
  // Protects `values`; held for one dictionary operation.
  private let lock = NSLock()
  private var values: [String: Data] = [:]

  /// Creates an empty storage.
  public init() {}

  /// The keys of all values, unordered.
  public var keys: [String] {
    lock.withLock { Array(values.keys) }
  }

  /// Stores a value in memory.
  public func save(key: String, value: Data) throws {
    lock.withLock { values[key] = value }
  }

  /// Returns a value; `nil` if there is none.
  public func load(key: String) throws -> Data? {
    lock.withLock { values[key] }
  }

  /// Removes a value.
  public func remove(key: String) throws {
    lock.withLock { _ = values.removeValue(forKey: key) }
  }
}
