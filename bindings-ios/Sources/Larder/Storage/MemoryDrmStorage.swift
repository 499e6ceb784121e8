import Foundation

/// A storage that forgets everything when it goes: for tests and previews.
///
/// Licenses whose handles it held cannot be played after a restart; use one that lasts in an app.
public final class MemoryDrmStorage: LocalDrmStorage, @unchecked Sendable {
  // Protects `values`; held for one dictionary operation.
  private let lock = NSLock()
  private var values: [String: Data] = [:]

  /// An empty storage.
  public init() {}

  /// Every key with a value, in no order.
  public var keys: [String] {
    lock.withLock { Array(values.keys) }
  }

  /// Keeps a value in memory.
  public func save(key: String, value: Data) throws {
    lock.withLock { values[key] = value }
  }

  /// Gives a value back, `nil` if there is none.
  public func load(key: String) throws -> Data? {
    lock.withLock { values[key] }
  }

  /// Removes a value.
  public func remove(key: String) throws {
    lock.withLock { _ = values.removeValue(forKey: key) }
  }
}
