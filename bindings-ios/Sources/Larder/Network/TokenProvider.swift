import LarderBindings

/// Gives tokens for license servers at the time of use. They are never stored.
///
/// Called on a background thread, bounded by `LarderConfig.delegateTimeoutSeconds`; it may block, to fetch a fresh token for
/// instance. What it throws becomes an error with ``LarderError/Code/delegateFailed``, unless it is a ``LarderError``
/// already.
public protocol TokenProvider: Sendable {
  /// The value of the `Authorization` header, `nil` for none.
  ///
  /// - Parameters:
  ///   - assetId: the asset that a license is asked for.
  ///   - rejected: the server has just refused the token given before. Get a fresh one; it is tried once.
  func authorization(for assetId: String, rejected: Bool) throws -> String?
}

/// A token provider as the native library sees it. Nothing that the app throws gets past it.
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
