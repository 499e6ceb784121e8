import LarderBindings

/// Provides tokens for license servers at the time of use. They are never stored.
///
/// Called on a background thread, which may block to fetch a new token, with a timeout of
/// `LarderConfig.delegateTimeoutSeconds`. Errors other than ``LarderError`` become ``LarderError/Code/delegateFailed``.
public protocol TokenProvider: Sendable {
  /// Returns the value of the `Authorization` header; `nil` for none.
  ///
  /// - Parameters:
  ///   - assetId: the asset of the license.
  ///   - rejected: true if the server has just refused the previous token. Return a new one, which is tried once.
  func authorization(for assetId: String, rejected: Bool) throws -> String?
}

/// Adapts a token provider to the native library. Errors of the app are converted to the contract's error.
final class TokenProviderAdapter: FfiTokenProvider {
  private let provider: any TokenProvider

  init(_ provider: any TokenProvider) {
    self.provider = provider
  }

  func authorization(assetId: String, rejected: Bool) throws -> String? {
    try guardingDelegate("the token provider", failsWith: .delegateFailed) {
      try provider.authorization(for: assetId, rejected: rejected)
    }
  }
}
