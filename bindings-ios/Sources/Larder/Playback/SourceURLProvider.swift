import Foundation
import LarderBindings

/// Chooses the URL that a player plays. Called at the start of every playback and replay; results are never cached.
///
/// Pass a provider to a manager and call ``LocalAssetsManager/sourceURL(for:current:)``: it asks the registry and the
/// provider in the order of ``LocalAssetsManager/setSourceURLMode(_:order:)``.
///
/// Called on a background thread while the calling thread waits, for `LarderConfig.delegateTimeoutSeconds` at most. It may
/// call the manager. If it throws or does not return in time, the result counts as `nil` and a warning is logged, so that
/// a broken provider does not stop playback.
public protocol SourceURLProvider: Sendable {
  /// Returns the URL to play for an entry; `nil` keeps `current`.
  func sourceURL(for entryId: String, current: URL?) throws -> URL?
}

/// Adapts a provider to the native library. Errors of the app are converted to the contract's error.
final class SourceURLProviderAdapter: FfiSourceUrlProvider {
  private let provider: any SourceURLProvider

  init(_ provider: any SourceURLProvider) {
    self.provider = provider
  }

  func url(entryId: String, currentUrl: String?) throws -> String? {
    try guardingDelegate("the source URL provider", failsWith: .delegateFailed) {
      try provider.sourceURL(for: entryId, current: currentUrl.flatMap(URL.init(string:)))?.absoluteString
    }
  }
}
