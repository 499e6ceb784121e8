import Foundation

/// Limits the number of operations that run at a time. Others wait in order, each for a limited time.
final class FairPlayTurns: @unchecked Sendable {
  // Protects the properties below; never held while an operation runs.
  private let lock = NSLock()
  private var free: Int
  /// One semaphore per waiting operation. A turn goes to the first of them, so that no operation overtakes another.
  private var waiting: [DispatchSemaphore] = []

  init(limit: Int) {
    free = max(1, limit)
  }

  /// Runs an operation when its turn comes.
  ///
  /// Fails with `CDM_BUSY` without running it if it waits longer than `seconds`.
  func inTurn<T>(within seconds: TimeInterval, _ body: () throws -> T) throws -> T {
    guard take(within: seconds) else {
      throw LarderError(
        .cdmBusy, "FairPlay is busy with other keys; this key had to wait too long")
    }
    defer { returnTurn() }
    return try body()
  }

  private func take(within seconds: TimeInterval) -> Bool {
    let mine = DispatchSemaphore(value: 0)
    let isFree = lock.withLock { () -> Bool in
      if free > 0 {
        free -= 1
        return true
      }
      waiting.append(mine)
      return false
    }
    if isFree || mine.wait(timeout: .now() + seconds) == .success { return true }
    return lock.withLock {
      guard let place = waiting.firstIndex(where: { $0 === mine }) else {
        // The turn came between the end of the wait and now.
        return true
      }
      waiting.remove(at: place)
      return false
    }
  }

  private func returnTurn() {
    let next = lock.withLock { () -> DispatchSemaphore? in
      guard waiting.isEmpty else { return waiting.removeFirst() }
      free += 1
      return nil
    }
    next?.signal()
  }
}
