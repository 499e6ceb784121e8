import Dispatch
import Foundation

/// Something that is opened once and waited for by any number, blocking or not.
package final class Gate: @unchecked Sendable {
  private let group = DispatchGroup()
  // Protects `isOpen`.
  private let lock = NSLock()
  private var isOpen = false

  package init() {
    group.enter()
  }

  package func open() {
    let first = lock.withLock {
      defer { isOpen = true }
      return !isOpen
    }
    if first { group.leave() }
  }

  /// Waits on this thread. False if that takes absurdly long: a test ends then instead of hanging.
  @discardableResult
  package func wait() -> Bool {
    group.wait(timeout: .now() + 60) == .success
  }

  /// Waits without blocking a thread.
  package func opened() async {
    await withCheckedContinuation { continuation in
      group.notify(queue: .global()) { continuation.resume() }
    }
  }
}
