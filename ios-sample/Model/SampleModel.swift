import AVFoundation
import Foundation
import Larder

/// All that the sample's one screen shows and does. Plain Swift: it is tested without SwiftUI.
@MainActor
final class SampleModel {
  /// One title as the screen shows it.
  struct Row: Identifiable, Equatable, Sendable {
    let id: String
    let name: String
    /// The state in a word.
    var headline: String
    /// Why, and until when.
    var detail: String
    /// The action that helps; `nil` if none is needed.
    var remedy: String?
    var isRegistered = false
    var isPlayable = false
    var isBusy = false

    var canRegister: Bool { !isBusy && !isRegistered }
    var canRenew: Bool { !isBusy && isRegistered }
    var canDelete: Bool { !isBusy && isRegistered }
    var canPlay: Bool { !isBusy && isPlayable }
  }

  /// Brings a title's media onto the device, and says where it lies.
  typealias Fetch = @MainActor @Sendable (SampleTitle) async throws -> URL

  private(set) var rows: [Row] { didSet { if rows != oldValue { onChange?() } } }
  /// The last error, with the action that helps.
  private(set) var message: String? { didSet { if message != oldValue { onChange?() } } }
  /// Called on the main actor when something to show has changed.
  var onChange: (() -> Void)?

  private let manager: LocalAssetsManager
  private let titles: [SampleTitle]
  private let fetch: Fetch

  init(manager: LocalAssetsManager, titles: [SampleTitle] = SampleTitle.all, fetch: @escaping Fetch) {
    self.manager = manager
    self.titles = titles
    self.fetch = fetch
    rows = titles.map { Row(id: $0.id, name: $0.name, headline: "…", detail: "") }
  }

  /// Asks for every title's status, disk and CDM included.
  func load() async {
    for title in titles { await refresh(title.id) }
  }

  func register(_ id: String) async {
    await change(id) { manager, title in
      let location = try await self.fetch(title)
      try await manager.registerDownloadedAsset(location: location, mediaSource: title.source, assetId: title.id)
    }
  }

  func renew(_ id: String) async {
    await change(id) { manager, title in try await manager.refreshAsset(title.id, mediaSource: title.source) }
  }

  /// Gives the licenses back, and then deletes the media.
  func delete(_ id: String) async {
    await change(id) { manager, title in
      let location = try manager.asset(title.id).map { URL(fileURLWithPath: $0.path) }
      try await manager.unregisterAsset(title.id)
      if let location { try? FileManager.default.removeItem(at: location) }
    }
  }

  /// Returns the item to play; `nil` after a failure, which ``message`` explains.
  func play(_ id: String) async -> AVPlayerItem? {
    do {
      return try await manager.getLocalMediaSource(assetId: id).makePlayerItem(manager: manager)
    } catch {
      show(error)
      await refresh(id)
      return nil
    }
  }

  /// The player could not go on.
  func playerFailed(_ error: (any Error)?) {
    message = LarderError(behind: error).map(Self.text) ?? "The player stopped."
  }

  func dismissMessage() { message = nil }

  // MARK: -

  private func change(
    _ id: String, _ body: @MainActor (LocalAssetsManager, SampleTitle) async throws -> Void
  ) async {
    guard let title = titles.first(where: { $0.id == id }), row(id)?.isBusy == false else { return }
    message = nil
    update(id) { $0.isBusy = true }
    do { try await body(manager, title) } catch { show(error) }
    await refresh(id)
    update(id) { $0.isBusy = false }
  }

  private func refresh(_ id: String) async {
    do {
      let status = try await manager.verifyAsset(id)
      update(id) { row in
        row.isRegistered = status.isRegistered
        row.isPlayable = status.isPlayable
        row.headline = status.isPlayable ? "Ready" : status.isRegistered ? "Does not play" : "Not here"
        row.detail = Self.detail(status)
        row.remedy = status.isRegistered ? Self.remedy(status.remedy) : nil
      }
    } catch {
      show(error)
    }
  }

  private func row(_ id: String) -> Row? { rows.first { $0.id == id } }

  private func update(_ id: String, _ body: (inout Row) -> Void) {
    guard let place = rows.firstIndex(where: { $0.id == id }) else { return }
    body(&rows[place])
  }

  private func show(_ error: any Error) {
    if error is CancellationError { return }
    message = (error as? LarderError).map(Self.text) ?? "Something else failed: \((error as NSError).domain)"
  }

  private nonisolated static func text(_ error: LarderError) -> String {
    [error.message, remedy(error.remedy)].compactMap { $0 }.joined(separator: ". ")
  }

  private nonisolated static func detail(_ status: AssetStatus) -> String {
    guard status.isPlayable else { return status.isRegistered ? status.message : "Register it while online." }
    guard let end = status.expires.date else { return "Without an end." }
    return "Until \(end.formatted(date: .abbreviated, time: .shortened))."
  }

  /// The texts are the app's: Larder says what helps, not how an app puts it.
  private nonisolated static func remedy(_ remedy: Remedy) -> String? {
    switch remedy {
    case .nothing: nil
    case .retry: "Try again."
    case .goOnline: "Connect to a network."
    case .signIn: "Sign in again."
    case .reregister: "Delete it and register it again."
    case .repair: "Delete it and download it again."
    case .freeSpace: "Free some space."
    case .setClock: "Set the clock."
    case .fixInput: "This app has a defect."
    case .contactSupport: "Contact the support."
    }
  }
}
