import Foundation
import LarderBindings

/// The app's secret storage: small values (handles of licenses) under Larder's short keys.
///
/// Called on background threads, concurrently, never under a lock, with a timeout of
/// `LarderConfig.delegateTimeoutSeconds`. An implementation may block and may call the manager. Errors other than
/// ``LarderError`` become ``LarderError/Code/storageFailed``.
///
/// Implementations: ``KeychainDrmStorage``, ``FileDrmStorage`` and ``MemoryDrmStorage``.
public protocol LocalDrmStorage: Sendable {
  /// Stores a value, replacing an older one, and returns only when it is durable.
  func save(key: String, value: Data) throws

  /// Returns a value; `nil` if there is none.
  func load(key: String) throws -> Data?

  /// Removes a value. Succeeds if there is none.
  func remove(key: String) throws
}

/// Adapts a storage to the native library. Errors of the app are converted to the contract's error.
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
