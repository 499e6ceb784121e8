import Foundation
import LarderBindings

/// The error type of this SDK, beside `CancellationError` for a cancelled task.
///
/// Decide by ``code`` for the cases that matter to the app and by ``remedy`` otherwise: later versions may add codes, and
/// each has one of the existing remedies.
///
/// ```swift
/// do {
///   try await manager.refreshAsset("film-1")
/// } catch let error as LarderError where error.remedy == .goOnline {
///   showOfflineBanner()
/// }
/// ```
///
/// Neither the message nor any other property holds a key, a handle, a token or a query string.
public struct LarderError: Error, Sendable, Equatable {
  /// The cause, as a stable constant.
  public let code: Code

  /// The description for a developer. Safe to log.
  public let message: String

  /// The action that the caller can take.
  public let remedy: Remedy

  /// True if the same call may succeed later without any change by the caller.
  public let isRetryable: Bool

  /// The HTTP status behind this error, if a server answered with one.
  public let httpStatus: Int?

  /// Creates an error for an app's own ``DrmEngine``, ``LocalDrmStorage`` or other delegate to throw.
  ///
  /// Larder passes code, message and HTTP status on to its own caller. For Larder's own codes
  /// it replaces remedy and retry by those of its table.
  ///
  /// - Parameter message: for developers; it is logged, so it must hold nothing secret.
  public init(
    _ code: Code, _ message: String, remedy: Remedy? = nil, isRetryable: Bool? = nil, httpStatus: Int? = nil
  ) {
    self.code = code
    self.message = message
    self.remedy = remedy ?? code.remedy
    self.isRetryable = isRetryable ?? code.isRetryable
    self.httpStatus = httpStatus
  }
}

extension LarderError: CustomStringConvertible {
  /// Code and message.
  public var description: String { "\(code.rawValue): \(message)" }
}

extension LarderError: LocalizedError {
  /// The message, for developers. Write texts for users by ``remedy``.
  public var errorDescription: String? { message }

  /// The remedy in a sentence, for developers.
  public var recoverySuggestion: String? { remedy.sentence }
}

extension Remedy {
  fileprivate var sentence: String? {
    switch self {
    case .nothing: nil
    case .retry: "Try again later."
    case .goOnline: "Connect to a network and try again."
    case .signIn: "Sign in again, or give a fresh token or media source."
    case .reregister: "Register the asset again while online."
    case .repair: "Download the media again."
    case .freeSpace: "Free space on the device."
    case .setClock: "Correct the device's clock."
    case .fixInput: "Correct the argument, the content or the app as the message says."
    case .contactSupport: "Contact the service's support."
    }
  }
}

// MARK: - To and from the contract

extension LarderError {
  init(_ error: any Error) {
    switch error {
    case let error as LarderError:
      self = error
    case FfiError.Failed(let code, let reason, let remedy, let isRetryable, let httpStatus):
      self.init(
        Code(rawValue: code), reason, remedy: remedy, isRetryable: isRetryable,
        httpStatus: httpStatus.map(Int.init))
    default:
      // An error of UniFFI: a panic in the core, which it catches, or a library of another version. Its text may quote
      // secrets, so it is left out of the message.
      self.init(.internal, "the native library failed unexpectedly")
    }
  }

  /// Converts an error that a delegate of the app threw to the contract's form. `code` stands for an error of another
  /// type, of which only domain and number are passed on: its description may hold secrets.
  static func fromDelegate(_ error: any Error, code: Code, what: String) -> FfiError {
    let ours: LarderError
    switch error {
    case let error as LarderError: ours = error
    case is CancellationError: ours = LarderError(.cancelled, "\(what) was cancelled")
    default:
      let foreign = error as NSError
      ours = LarderError(code, "\(what) threw \(foreign.domain) \(foreign.code)")
    }
    return .Failed(
      code: ours.code.rawValue, reason: ours.message, remedy: ours.remedy, isRetryable: ours.isRetryable,
      httpStatus: ours.httpStatus.flatMap(UInt16.init(exactly:)))
  }
}

/// Runs a call of the native library and converts its errors to ``LarderError``.
func translatingErrors<T>(_ body: () throws -> T) throws -> T {
  do { return try body() } catch { throw LarderError(error) }
}

/// Runs code of the app for the native library and converts its errors to the contract's error.
func guardingDelegate<T>(_ what: String, failsWith code: LarderError.Code, _ body: () throws -> T) throws -> T {
  do { return try body() } catch { throw LarderError.fromDelegate(error, code: code, what: what) }
}
