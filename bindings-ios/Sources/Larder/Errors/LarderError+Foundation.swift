import Foundation

// AVFoundation accepts an error for a missing key and reports it as the cause of the playback error. On the way a Swift
// error may become an NSError; domain and user info are preserved.
extension LarderError: CustomNSError {
  /// The domain of these errors as `NSError`.
  public static var errorDomain: String { "dev.larder.LarderError" }

  /// Always 1: the ``code`` is a text in the user info.
  public var errorCode: Int { 1 }

  /// The properties of this error.
  public var errorUserInfo: [String: Any] {
    var info: [String: Any] = [
      NSLocalizedDescriptionKey: message,
      Key.code: code.rawValue,
      Key.remedy: remedy.name,
      Key.isRetryable: isRetryable,
    ]
    info[Key.httpStatus] = httpStatus
    return info
  }

  private enum Key {
    static let code = "LarderCode"
    static let remedy = "LarderRemedy"
    static let isRetryable = "LarderIsRetryable"
    static let httpStatus = "LarderHTTPStatus"
  }
}

extension LarderError {
  /// Returns Larder's error behind a player's error such as `AVPlayerItem.error`: the reason why it has no key. `nil` if
  /// there is none.
  ///
  /// ```swift
  /// if let cause = LarderError(behind: item.error), cause.remedy == .reregister { askToDownloadAgain() }
  /// ```
  public init?(behind error: (any Error)?) {
    var next = error
    // Chains of causes are short. A circular chain ends here.
    for _ in 0..<16 {
      guard let current = next else { return nil }
      if let ours = current as? LarderError {
        self = ours
        return
      }
      let cause = current as NSError
      if cause.domain == Self.errorDomain, let ours = Self(cause.userInfo) {
        self = ours
        return
      }
      next = cause.userInfo[NSUnderlyingErrorKey] as? any Error
    }
    return nil
  }

  private init?(_ info: [String: Any]) {
    guard let code = info[Key.code] as? String else { return nil }
    self.init(
      Code(rawValue: code), info[NSLocalizedDescriptionKey] as? String ?? code,
      remedy: (info[Key.remedy] as? String).flatMap(Remedy.init(name:)) ?? .nothing,
      isRetryable: info[Key.isRetryable] as? Bool ?? false, httpStatus: info[Key.httpStatus] as? Int)
  }
}

extension Remedy {
  private static let all: [Remedy] = [
    .nothing, .retry, .goOnline, .signIn, .reregister, .repair, .freeSpace, .setClock, .fixInput, .contactSupport,
  ]

  fileprivate var name: String { String(describing: self) }

  fileprivate init?(name: String) {
    guard let found = Self.all.first(where: { $0.name == name }) else { return nil }
    self = found
  }
}
