import Foundation
import LarderBindings

/// Chooses what a player plays. Asked at the start of every playback, a replay too, and never cached.
///
/// Give yours to a manager and ask the manager (``LocalAssetsManager/sourceURL(for:current:)``): it asks the registry
/// and your provider in the order of ``LocalAssetsManager/setSourceURLMode(_:order:)``.
///
/// Called on a background thread while the asking one waits, bounded by `LarderConfig.delegateTimeoutSeconds`; it may call the
/// manager back. One that throws or does not answer in time counts as `nil`, and the log says so: a provider that is out
/// of order must not keep a player from playing.
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
