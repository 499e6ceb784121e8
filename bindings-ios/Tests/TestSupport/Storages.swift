import Foundation
import Larder

/// A storage that runs a test's code at each step, over one in memory.
package final class SteppedStorage: LocalDrmStorage {
  package enum Step: String, CaseIterable, Sendable {
    case save
    case load
    case remove
  }

  package let memory = MemoryDrmStorage()
  private let onStep: @Sendable (Step) throws -> Void

  package init(onStep: @escaping @Sendable (Step) throws -> Void) {
    self.onStep = onStep
  }

  package func save(key: String, value: Data) throws {
    try onStep(.save)
    try memory.save(key: key, value: value)
  }

  package func load(key: String) throws -> Data? {
    try onStep(.load)
    return try memory.load(key: key)
  }

  package func remove(key: String) throws {
    try onStep(.remove)
    try memory.remove(key: key)
  }
}

/// Something that several threads read and change.
package final class Shared<Value: Sendable>: @unchecked Sendable {
  // Protects `stored`.
  private let lock = NSLock()
  private var stored: Value

  package init(_ value: Value) {
    stored = value
  }

  package var value: Value {
    get { lock.withLock { stored } }
    set { lock.withLock { stored = newValue } }
  }

  package func change<T>(_ body: (inout Value) -> T) -> T {
    lock.withLock { body(&stored) }
  }
}
