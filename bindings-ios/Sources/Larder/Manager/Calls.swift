import Foundation
import LarderBindings

// UniFFI does not pass the cancellation of a Swift task on to Rust. Each function here is one way to follow it.
extension LocalAssetsManager {
  /// Makes a call that the core can stop between two steps: it undoes its work and fails with `CANCELLED`.
  func cancellable<T: Sendable>(
    _ call: @Sendable (FfiManager, FfiCancellation) async throws -> T
  ) async throws -> T {
    try Task.checkCancellation()
    let core = try core.get()
    let cancellation = FfiCancellation()
    return try await withTaskCancellationHandler {
      try await translatingCancellation { try await call(core, cancellation) }
    } onCancel: {
      cancellation.cancel()
    }
  }

  /// Makes a call whose result a cancelled task does not wait for; the call then ends by itself.
  func abandonable<T: Sendable>(_ call: @escaping @Sendable (FfiManager) async throws -> T) async throws -> T {
    try Task.checkCancellation()
    let core = try core.get()
    let outcome = FirstOutcome<T>()
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        outcome.resume(continuation)
        Task.detached(priority: Task.currentPriority) {
          do {
            outcome.complete(.success(try await call(core)))
          } catch {
            outcome.complete(.failure(LarderError(error)))
          }
        }
      }
    } onCancel: {
      outcome.complete(.failure(CancellationError()))
    }
  }

  /// Makes a call that is not cancelled: once begun it is completed, and its result returned.
  func finishing<T: Sendable>(_ call: @Sendable (FfiManager) async throws -> T) async throws -> T {
    try Task.checkCancellation()
    let core = try core.get()
    return try await translatingCancellation { try await call(core) }
  }

  /// Makes a call that answers from memory.
  func direct<T>(_ call: (FfiManager) throws -> T) throws -> T {
    let core = try core.get()
    return try translatingErrors { try call(core) }
  }

  private func translatingCancellation<T: Sendable>(_ call: @Sendable () async throws -> T) async throws -> T {
    do {
      return try await call()
    } catch {
      let error = LarderError(error)
      // A delegate may fail with this code while this task is not cancelled.
      if error.code == .cancelled && Task.isCancelled { throw CancellationError() }
      throw error
    }
  }
}

/// Resumes one continuation with the first outcome. Outcome and continuation may come in any order.
private final class FirstOutcome<T: Sendable>: @unchecked Sendable {
  // Protects `state`; never held while a continuation is resumed.
  private let lock = NSLock()
  private var state: State = .empty

  private enum State {
    case empty
    case waiting(CheckedContinuation<T, any Error>)
    case completed(Result<T, any Error>)
    case done
  }

  func resume(_ continuation: CheckedContinuation<T, any Error>) {
    let outcome: Result<T, any Error>? = lock.withLock {
      if case .completed(let outcome) = state {
        state = .done
        return outcome
      }
      state = .waiting(continuation)
      return nil
    }
    if let outcome { continuation.resume(with: outcome) }
  }

  func complete(_ outcome: Result<T, any Error>) {
    let continuation: CheckedContinuation<T, any Error>? = lock.withLock {
      switch state {
      case .empty:
        state = .completed(outcome)
        return nil
      case .waiting(let continuation):
        state = .done
        return continuation
      case .completed, .done:
        return nil
      }
    }
    continuation?.resume(with: outcome)
  }
}
