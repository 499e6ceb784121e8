import Foundation

/// Lets a few operations run at a time, the others in the order in which they came, each for a bounded time.
final class FairPlayTurns: @unchecked Sendable {
  // Protects what follows; never held while an operation runs.
  private let lock = NSLock()
  private var free: Int
  /// One semaphore per waiting operation: a turn is given to the first of them by name, so that none overtakes another.
  private var waiting: [DispatchSemaphore] = []

  init(limit: Int) {
    free = max(1, limit)
  }

  /// Runs an operation when it is its turn.
  ///
  /// Fails with `CDM_BUSY` if that takes longer than `seconds`; then it is not run.
  func inTurn<T>(within seconds: TimeInterval, _ body: () throws -> T) throws -> T {
    guard take(within: seconds) else {
      throw LarderError(
        .cdmBusy, "FairPlay is at work on other keys, and has not come to this one in time", remedy: .retry,
        isRetryable: true)
    }
    defer { giveBack() }
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

  private func giveBack() {
    let next = lock.withLock { () -> DispatchSemaphore? in
      guard waiting.isEmpty else { return waiting.removeFirst() }
      free += 1
      return nil
    }
    next?.signal()
  }
}
