import Foundation
import Larder
import TestSupport
import Testing

@Suite("The app's storage")
struct StorageTests {
  @Test(
    "a storage that throws its own error fails the registration, typed, and leaves nothing",
    arguments: [SteppedStorage.Step.save, .load])
  func throwing(step: SteppedStorage.Step) async throws {
    let storage = SteppedStorage { if $0 == step { throw AppError.keychainLocked(secret: "hunter2") } }
    let (servers, device, manager, engine) = try stage(storage)

    let error = try await thrown { try await register(manager, servers, device) }
    #expect(error.code == .storageFailed && error.remedy == .retry)
    let message = error.message
    #expect(message.contains("AppError") && !message.contains("hunter2"))
    try await nothingIsLeft(manager, servers, engine)
  }

  @Test("a storage that throws a LarderError is understood")
  func throwingOurs() async throws {
    let storage = SteppedStorage {
      if $0 == .save { throw LarderError(.diskFull, "no room for the handle") }
    }
    let (servers, device, manager, engine) = try stage(storage)
    let error = try await thrown { try await register(manager, servers, device) }
    #expect(error.code == .diskFull && error.remedy == .freeSpace)
    #expect(error.message.contains("no room for the handle"))
    try await nothingIsLeft(manager, servers, engine)
  }

  @Test("a storage that loses what it was given is found out")
  func losing() async throws {
    let (servers, device, manager, engine) = try stage(LossyStorage())
    let error = try await thrown { try await register(manager, servers, device) }
    #expect(error.code == .storageLost)
    try await nothingIsLeft(manager, servers, engine)
  }

  @Test("a storage that hangs times out", .timeLimit(.minutes(1)))
  func hanging() async throws {
    let free = Gate()
    let storage = SteppedStorage { if $0 == .save { free.wait() } }
    let (servers, device, manager, engine) = try stage(storage, delegateTimeoutSeconds: 1)
    let error = try await thrown { try await register(manager, servers, device) }
    #expect(error.code == .storageTimeout && error.isRetryable)
    free.open()
    try await nothingIsLeft(manager, servers, engine)
  }

  @Test("a storage may call the manager back")
  func reentrant() async throws {
    let manager = Shared<LocalAssetsManager?>(nil)
    let seen = Shared<[Int]>([])
    let storage = SteppedStorage { _ in
      let count = try manager.value?.assets().count ?? -1
      seen.change { $0.append(count) }
    }
    let (servers, device, made, _) = try stage(storage)
    manager.value = made
    #expect(try await register(made, servers, device).isPlayable)
    #expect(!seen.value.isEmpty && seen.value.allSatisfy { $0 >= 0 })
    manager.value = nil
  }

  @Test("a storage that lost a handle later is a status with a remedy, not a crash")
  func lostLater() async throws {
    let storage = MemoryDrmStorage()
    let (servers, device, manager, _) = try stage(storage)
    try await register(manager, servers, device)
    for key in storage.keys { try storage.remove(key: key) }

    let status = try await manager.verifyAsset("film")
    #expect(!status.isPlayable && status.why == .licenseUnreadable && status.remedy == .reregister)
    let license = try #require(status.licenses.first).licenseId
    let error = try await thrown { try manager.licenseHandle(license) }
    #expect(error.code == .licenseUnreadable)
  }

  // MARK: -

  private func stage(
    _ storage: any LocalDrmStorage, delegateTimeoutSeconds: Int32 = 10
  ) throws -> (TestServers, TestDevice, LocalAssetsManager, SwiftClearKey) {
    let (servers, device, engine) = (try TestServers(), try TestDevice(), SwiftClearKey())
    let config = device.config(delegateTimeoutSeconds: delegateTimeoutSeconds)
    return (servers, device, try LocalAssetsManager(config: config, storage: storage, engines: [engine]), engine)
  }

  @discardableResult
  private func register(_ manager: LocalAssetsManager, _ servers: TestServers, _ device: TestDevice) async throws
    -> AssetStatus
  {
    try await manager.registerDownloadedAsset(
      location: try device.download(.cencDash), mediaSource: servers.source(.cencDash), assetId: "film")
  }

  // The license that was granted before the storage failed is given back.
  private func nothingIsLeft(_ manager: LocalAssetsManager, _ servers: TestServers, _ engine: SwiftClearKey)
    async throws
  {
    #expect(try manager.assets().isEmpty)
    try await manager.reconcile()
    let records = try await servers.licenseRecords()
    #expect(records.licenses.count == 1 && records.live == 0)
    #expect(engine.licenses.isEmpty)
  }
}

private enum AppError: Error {
  case keychainLocked(secret: String)
}

/// Says that it saved, and did not.
private struct LossyStorage: LocalDrmStorage {
  func save(key: String, value: Data) throws {}
  func load(key: String) throws -> Data? { nil }
  func remove(key: String) throws {}
}
