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
    manager(storage: DataStoreAdapter(store: storage))
  }
}

/// PlayKit's storage as Larder's: a missing value is an answer there, not an error.
private struct DataStoreAdapter: LocalDrmStorage {
  let store: any LocalDataStore

  func save(key: String, value: Data) throws {
    try store.save(key: key, value: value)
  }

  func load(key: String) throws -> Data? {
    store.exists(key: key) ? try store.load(key: key) : nil
  }

  func remove(key: String) throws {
    guard store.exists(key: key) else { return }
    try store.remove(key: key)
  }
}
