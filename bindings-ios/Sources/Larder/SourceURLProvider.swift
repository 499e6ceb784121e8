import Foundation
import LarderBindings

/// Chooses what a player plays. Asked at the start of every playback, a replay too, and never cached.
///
/// Give yours to a manager and ask the manager (``LocalAssetsManager/sourceURL(for:current:)``): it asks the registry
/// and your provider in the order of ``LocalAssetsManager/setSourceURLMode(_:order:)``.
///
/// Called on the thread that asks the manager or on a background thread, bounded by `LarderConfig.delegateTimeoutS`.
/// What it throws becomes an error with ``LarderError/Code/delegateFailed``, unless it is a ``LarderError`` already.
public protocol SourceURLProvider: Sendable {
  /// The URL to play for an entry, `nil` to keep `current`.
  func sourceURL(for entryId: String, current: URL?) throws -> URL?
}

/// A provider as the native library sees it. Nothing that the app throws gets past it.
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
