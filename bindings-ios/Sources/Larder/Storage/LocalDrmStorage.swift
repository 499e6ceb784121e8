import Foundation
import LarderBindings

/// The app's secret storage: small values (handles of licenses) under short keys of Larder's.
///
/// Called on a background thread, several calls at once, never under a lock, and bounded by
/// `LarderConfig.delegateTimeoutSeconds`. An implementation may block and may call the manager back. What it throws
/// becomes an error with ``LarderError/Code/storageFailed``, unless it is a ``LarderError`` already.
///
/// Ready ones: ``KeychainDrmStorage``, ``FileDrmStorage`` and ``MemoryDrmStorage``.
public protocol LocalDrmStorage: Sendable {
  /// Stores a value, replacing an older one, and returns only when it is durable.
  func save(key: String, value: Data) throws

  /// Gives a value back, `nil` if there is none.
  func load(key: String) throws -> Data?

  /// Removes a value. Removing one that is not there is success.
  func remove(key: String) throws
}

/// A storage as the native library sees it. Nothing that the app throws gets past it.
final class DrmStorageAdapter: FfiDrmStorage {
  private let storage: any LocalDrmStorage

  init(_ storage: any LocalDrmStorage) {
    self.storage = storage
  }

  func save(key: String, value: Data) throws {
    try guarding { try storage.save(key: key, value: value) }
  }

  func load(key: String) throws -> Data? {
    try guarding { try storage.load(key: key) }
  }

  func remove(key: String) throws {
    try guarding { try storage.remove(key: key) }
  }

  private func guarding<T>(_ body: () throws -> T) throws -> T {
    try guardingDelegate("the storage", failsWith: .storageFailed, body)
  }
}
