import Dispatch
import Foundation
import Larder
import TestSupport
import Testing

@Suite("Completion handlers")
struct CompletionTests {
  private let source = MediaSource(id: "s", url: "https://cdn.example/master.m3u8")

  @Test("every form answers once, on the main queue")
  func everyForm() async throws {
    let device = try TestDevice()
    let manager = try LocalAssetsManager(config: device.config(), storage: MemoryDrmStorage())
    let location = try device.download(.clearHls)
    let registration = try AssetRegistration(assetId: "film", location: location, mediaSource: source)

    #expect(try await answer { manager.open(completion: $0) }.assets == 0)
    #expect(try await answer { manager.registerAsset(registration, completion: $0) }.isPlayable)
    #expect(try await answer { manager.refreshAsset("film", completion: $0) }.isPlayable)
    #expect(try await answer { manager.status(of: "film", completion: $0) }.isPlayable)
    #expect(try await answer { manager.status(at: location, completion: $0) }.assetId == "film")
    #expect(try await answer { manager.verifyAsset("film", completion: $0) }.media == .present)
    #expect(try await answer { manager.allStatuses(completion: $0) }.count == 1)
    #expect(try await answer { manager.getLicenseExpirationInfo(location: location, completion: $0) } == nil)
    #expect(try await answer { manager.renewAll(expiringWithin: 60, completion: $0) }.isEmpty)
    #expect(try await answer { manager.reconcile(completion: $0) }.pending == 0)
    #expect(try await answer { manager.unregisterAsset("film", completion: $0) }.wasRegistered)
    #expect(try await answer { manager.removeAll(completion: $0) } == 0)
  }

  @Test("PlayKit's forms answer with an error or with none")
  func playKitForms() async throws {
    let device = try TestDevice()
    let manager = try LocalAssetsManager(config: device.config(), storage: MemoryDrmStorage())
    let location = try device.download(.clearHls)
    let (source, missing) = (source, device.downloads.appendingPathComponent("missing.m3u8"))

    #expect(
      await error { manager.registerDownloadedAsset(location: location, mediaSource: source, callback: $0) } == nil)
    #expect(await error { manager.renewDownloadedAsset(location: location, mediaSource: source, callback: $0) } == nil)
    #expect(await error { manager.unregisterDownloadedAsset(location: location, callback: $0) } == nil)
    let refused = await error { manager.registerDownloadedAsset(location: missing, mediaSource: source, callback: $0) }
    #expect((refused as? LarderError)?.code == .mediaNotFound)
    let unknown = await error { manager.renewDownloadedAsset(location: location, mediaSource: source, callback: $0) }
    #expect((unknown as? LarderError)?.code == .assetNotFound)
  }

  // Not `Thread.isMainThread`: on Linux the main queue leaves the main thread once a program awaits at its top level.
  private enum MainQueue {
    private nonisolated(unsafe) static let mark: DispatchSpecificKey<Bool> = {
      let key = DispatchSpecificKey<Bool>()
      DispatchQueue.main.setSpecific(key: key, value: true)
      return key
    }()

    static var isCurrent: Bool { DispatchQueue.getSpecific(key: mark) == true }
  }

  private func answer<T: Sendable>(
    _ call: (@escaping @MainActor (Result<T, Error>) -> Void) -> Void
  ) async throws -> T {
    try await withCheckedThrowingContinuation { continuation in
      call { outcome in
        #expect(MainQueue.isCurrent)
        continuation.resume(with: outcome)  // traps when it is called twice
      }
    }
  }

  private func error(_ call: (@escaping @MainActor (Error?) -> Void) -> Void) async -> Error? {
    await withCheckedContinuation { continuation in
      call { error in
        #expect(MainQueue.isCurrent)
        continuation.resume(returning: error)
      }
    }
  }
}
