import Foundation
import Larder

/// PlayKit's storage. An app's own works with Larder as it is; `LocalDrmStorage` is what new code implements.
///
/// Threads and time limits are those of `LocalDrmStorage`.
public protocol LocalDataStore: Sendable {
  /// Stores a value durably, replacing an older one.
  func save(key: String, value: Data) throws

  /// Gives a value back; throws if there is none.
  func load(key: String) throws -> Data

  /// Removes a value.
  func remove(key: String) throws

  /// Whether there is a value.
  func exists(key: String) -> Bool
}

extension LocalAssetsManager {
  /// PlayKit's function: a manager in the app's own folder with a storage of the app's own.
  public static func manager(storage: any LocalDataStore) -> LocalAssetsManager {
    manager(storage: LocalDataStoreAdapter(storage))
  }
}

/// PlayKit's storage as Larder's, for `LocalAssetsManager`'s initializer: a missing value is an answer there, not an error.
public struct LocalDataStoreAdapter: LocalDrmStorage {
  private let store: any LocalDataStore

  /// The storage that keeps the values.
  public init(_ store: any LocalDataStore) {
    self.store = store
  }

  /// Stores a value.
  public func save(key: String, value: Data) throws {
    try store.save(key: key, value: value)
  }

  /// Gives a value back, `nil` if there is none.
  public func load(key: String) throws -> Data? {
    store.exists(key: key) ? try store.load(key: key) : nil
  }

  /// Removes a value.
  public func remove(key: String) throws {
    guard store.exists(key: key) else { return }
    try store.remove(key: key)
  }
}
