import Foundation
import Larder

/// The error that a call throws. Throws itself, so that a test fails, if it throws none, or another than ours.
package func thrown<T>(_ call: () async throws -> T) async throws -> LarderError {
  let result: T
  do {
    result = try await call()
  } catch let error as LarderError {
    return error
  }
  throw Failure(what: "it should have thrown, but gave \(result)")
}

/// Runs something that has a time which is to run out, with a longer one each turn, until this machine is fast enough to
/// come in time to where it is to hang. `run` says whether it did.
package func withTimeToRunOut(_ run: (_ seconds: Int32) async throws -> Bool) async throws {
  for seconds: Int32 in [1, 4, 16, 50] where try await run(seconds) { return }
  throw Failure(what: "nothing hung before its time was up")
}

/// Runs what blocks on a thread of its own: Swift's pool has few.
package func onThread<T: Sendable>(_ call: @escaping @Sendable () throws -> T) async throws -> T {
  try await withCheckedThrowingContinuation { continuation in
    Thread.detachNewThread { continuation.resume(with: Result { try call() }) }
  }
}
