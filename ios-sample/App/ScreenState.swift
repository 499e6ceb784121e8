import AVFoundation
import Foundation
import Larder
import SwiftUI

/// The model as SwiftUI observes it. It copies, and decides nothing.
@MainActor
final class ScreenState: ObservableObject {
  @Published private(set) var rows: [SampleModel.Row] = []
  @Published private(set) var message: String?
  @Published var player: AVPlayer?

  private let model: SampleModel
  private let downloads: SampleDownloads

  static func make() -> ScreenState {
    let manager = LocalAssetsManager.managerWithDefaultDataStore()
    let downloads = SampleDownloads(
      manager: manager, bundle: Bundle.main.resourceURL ?? Bundle.main.bundleURL,
      configuration: .background(withIdentifier: "dev.larder.sample.downloads"))
    return ScreenState(SampleModel(manager: manager, fetch: downloads.fetch), downloads)
  }

  init(_ model: SampleModel, _ downloads: SampleDownloads) {
    self.model = model
    self.downloads = downloads
    model.onChange = { [weak self] in self?.copy() }
    copy()
  }

  func load() async {
    await downloads.restore()
    await model.load()
  }

  func register(_ id: String) { Task { await model.register(id) } }
  func renew(_ id: String) { Task { await model.renew(id) } }
  func delete(_ id: String) { Task { await model.delete(id) } }
  func play(_ id: String) { Task { player = await model.play(id).map(AVPlayer.init(playerItem:)) } }
  func dismissMessage() { model.dismissMessage() }

  private func copy() {
    rows = model.rows
    message = model.message
  }
}
