import AVFoundation
import Foundation
import Larder

#if canImport(FoundationNetworking)
  import FoundationNetworking
#endif

/// Brings the sample's titles onto the device: from the bundle, or with `AVAssetDownloadTask`, whose end it waits for.
@MainActor
final class SampleDownloads {
  private let bundle: URL
  private let downloads: AssetDownloads
  private var waiting: [String: CheckedContinuation<URL, any Error>] = [:]

  /// - Parameters:
  ///   - bundle: the folder of the app's resources.
  ///   - configuration: a background one.
  init(manager: LocalAssetsManager, bundle: URL, configuration: URLSessionConfiguration) {
    self.bundle = bundle
    let ended = Ended(manager)
    downloads = AssetDownloads(
      manager: manager, configuration: configuration, mediaSource: { SampleTitle[$0]?.source },
      onEvent: { event in ended.tell(event) })
    ended.to = self
  }

  /// Takes up what an earlier run of the app began.
  func restore() async { await downloads.restore() }

  func fetch(_ title: SampleTitle) async throws -> URL {
    switch title.media {
    case .bundled(let folder):
      return try BundledClip.unpack(
        bundle.appendingPathComponent(folder), as: title.id, into: StorageFolders.downloads())
    case .downloaded:
      return try await withCheckedThrowingContinuation { continuation in
        do {
          try downloads.start(title.id, title: title.name)
          waiting[title.id] = continuation
        } catch {
          continuation.resume(throwing: error)
        }
      }
    }
  }

  private func end(_ assetId: String, _ outcome: Result<URL, any Error>) {
    waiting.removeValue(forKey: assetId)?.resume(with: outcome)
  }

  /// Carries events to the main actor.
  private final class Ended: @unchecked Sendable {
    // Set before the first download starts.
    weak var to: SampleDownloads?
    private let manager: LocalAssetsManager

    init(_ manager: LocalAssetsManager) {
      self.manager = manager
    }

    func tell(_ event: AssetDownloads.Event) {
      let (assetId, outcome): (String, Result<URL, any Error>)
      switch event {
      case .registered(let status):
        (assetId, outcome) = (status.assetId, Result { try location(of: status.assetId) })
      case .notRegistered(let id, let error), .incomplete(let id, let error):
        (assetId, outcome) = (id, .failure(error))
      case .keyFailed:
        return
      }
      Task { @MainActor [to] in to?.end(assetId, outcome) }
    }

    private func location(of assetId: String) throws -> URL {
      guard let asset = try manager.asset(assetId) else { throw CocoaError(.fileNoSuchFile) }
      return URL(fileURLWithPath: asset.path)
    }
  }
}
